"""What tells how a running campaign is: keeps the files in its folder, and makes its status for the screen."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from graphfuzz.campaign.health import Health
from graphfuzz.campaign.journal import Facts
from graphfuzz.campaign.metrics import metrics
from graphfuzz.campaign.sample import Estimates
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.status import ENDED, METRICS, RUNNING, STATUS, Status, make_status
from graphfuzz.corpus.files import write_whole

EVERY = 5.0
"""How often the files are written, in seconds."""
SELDOM = 60.0
"""How often chances are estimated, in seconds."""
LATELY = 60.0
"""How many seconds the latest rates are of."""


class Reporter:
    """Reports a campaign, whose `statistics` are set before anything is asked. health: of its workers. estimates: what
    the control says; asked seldom, as that takes a while.

    complain: told once that the files cannot be written, which ends nothing, and again when that was mended meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        facts: Facts,
        health: Callable[[], Health],
        estimates: Callable[[], Estimates | None],
        complain: Callable[[str], None],
    ) -> None:
        self.statistics = Statistics()
        self._folder, self._facts, self._health, self._complain = folder, facts, health, complain
        self._healthy: Health | None = None
        self._estimates = estimates
        self._estimated: tuple[float, Estimates | None] = -SELDOM, None
        self._marks: deque[tuple[float, Counter[str]]] = deque()
        """How many executions there were when, by route."""
        self._next = 0.0
        self._complained = False

    def refresh(self) -> None:
        """Called whenever the statistics may have changed."""
        now = time.monotonic()
        if not self._marks or now - self._marks[-1][0] >= 1:
            self._marks.append((now, self._executions()))
            while now - self._marks[0][0] > LATELY:
                self._marks.popleft()
        if now >= self._next:
            self._next = now + EVERY
            self._write()

    def status(self, state: str = RUNNING, why: str = "") -> Status:
        """How the campaign is now."""
        known = self._folder, self._facts, self.statistics
        return make_status(
            *known, state=state, why=why, health=self._healthy, lately=self._rates(), estimates=self._estimated[1]
        )

    def end(self, why: str) -> Status:
        """The last status, which says why there is no other."""
        return self._write(ENDED, why)

    def _executions(self) -> Counter[str]:
        return Counter({route: sum(counts.values()) for route, counts in self.statistics.verdicts.items()})

    def _rates(self) -> dict[str, float]:
        """Executions a second of late, by route."""
        if not self._marks or time.monotonic() == self._marks[0][0]:
            return {}
        since, before = self._marks[0]
        spent = time.monotonic() - since
        return {route: (count - before[route]) / spent for route, count in self._executions().items()}

    def _write(self, state: str = RUNNING, why: str = "") -> Status:
        self._healthy, now = self._health(), time.monotonic()
        if now - self._estimated[0] >= SELDOM or state == ENDED:
            self._estimated = now, self._estimates()
        status = self.status(state, why)
        try:
            write_whole(self._folder / STATUS, msgspec.json.format(msgspec.json.encode(status)).decode() + "\n")
            write_whole(self._folder / METRICS, metrics(status))
        except OSError as error:
            if not self._complained:
                self._complain(
                    f"{self._folder}: {STATUS} and {METRICS} cannot be written ({error.strerror}); "
                    "the campaign goes on without them"
                )
            self._complained = True
        else:
            self._complained = False
        return status
