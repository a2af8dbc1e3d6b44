"""A real campaign whose workers and loop are watched: who was busy with what, and when.

A worker is busy from when it is given a task until the loop can have its result; the rest of the time it is idle,
whatever the cause. What a task's time went to is told by the stages of its outcome, and of the uses of a refused case
tried alone; attribution runs targets, too, and tells no stages.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.leasing import LeasedWorkers
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.reporter import Reporter
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.workers import Result, Task, Workers
from graphfuzz.corpus.sightings import today
from graphfuzz.spec import Registry

TARGET = ("source", "conversion", "check", "load", "run")
"""The stages in which a framework, a converter or a runtime is at work."""
TRIED, ATTRIBUTION, REST = "uses tried alone", "attribution", "transport, processes and the rest"
Span = tuple[float, float]
"""From when until when, in seconds of `time.monotonic`."""


class Piece(msgspec.Struct, frozen=True):
    """A task that a worker had: when, and how many seconds went to what (a stage, `TRIED`, `ATTRIBUTION`, `REST`)."""

    span: Span
    what: str
    seconds: dict[str, float]


class Watched(Workers):
    """Local workers that note every task that they had."""

    def __init__(self, number: int, route: str) -> None:
        super().__init__(number, [route])
        self.pieces: list[Piece] = []

    def _run(self, task: Task) -> Result:
        started = time.monotonic()
        result = super()._run(task)
        self.pieces.append(piece(task, result, (started, time.monotonic())))
        return result


Make = Callable[[int, str], AbstractContextManager[Workers | LeasedWorkers]]
"""(number, route) to the workers of a campaign. What those that are not `Watched` were busy with is not known."""


def piece(task: Task, result: Result, span: Span) -> Piece:
    """What a task's time went to. Where the worker died, all of it went to the stage that it was in."""
    if task.finding is not None:
        what, seconds = ATTRIBUTION, {ATTRIBUTION: span[1] - span[0]}
    else:
        what = "cases" if task.case is None and not task.plain else "fresh processes" if task.plain else "minimizing"
        trials = result.trials
        told = Counter(result.outcome.seconds) + Counter(trials.stages)
        seconds = {**told, TRIED: trials.seconds - sum(trials.stages.values())}
        if not result.outcome.seconds:
            seconds[result.outcome.stage] = span[1] - span[0]
    return Piece(span, what, {**seconds, REST: max(0.0, span[1] - span[0] - sum(seconds.values()))})


class Watch(msgspec.Struct):
    """What was seen of a campaign.

    start_up: seconds until the workers were ready. span: of the campaign itself. ends: when executions were taken in.
    minimizing: when the loop minimized. waiting: seconds for which it waited for a case's result. cpu: seconds of the
    loop's process.
    """

    workers: int
    start_up: float
    span: Span
    cpu: float
    waiting: float
    minimizing: list[Span]
    ends: list[float]
    pieces: list[Piece]
    statistics: Statistics

    def until(self, end: float) -> Watch:
        """What was seen until then; the loop's sums are of the whole."""
        return msgspec.structs.replace(
            self,
            span=(self.span[0], end),
            minimizing=[(a, min(b, end)) for a, b in self.minimizing if a < end],
            ends=[at for at in self.ends if at <= end],
            pieces=[p for p in self.pieces if p.span[1] <= end],
        )

    @property
    def wall(self) -> float:
        """Seconds."""
        return self.span[1] - self.span[0]

    def spent(self) -> Counter[str]:
        """Worker seconds by what they went to."""
        total: Counter[str] = Counter()
        for one in self.pieces:
            total.update(one.seconds)
        return total

    def idle(self) -> tuple[float, float]:
        """Worker seconds in which no task was at hand: while the loop minimized, and otherwise."""
        busy = sum(b - a for a, b in (one.span for one in self.pieces))
        minimizing = sum(b - a for a, b in self.minimizing)
        meanwhile = sum(
            max(0.0, min(b, one.span[1]) - max(a, one.span[0])) for a, b in self.minimizing for one in self.pieces
        )
        during = self.workers * minimizing - meanwhile
        return during, self.workers * self.wall - busy - during


class _Campaign(Campaign):
    """A campaign that notes when it minimized, and how long it waited for cases."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.spans: list[Span] = []
        self.waited = 0.0
        self._minimizing_now = False
        super().__init__(*arguments, **options)

    def _minimize_next(self) -> None:
        started, self._minimizing_now = time.monotonic(), True
        try:
            super()._minimize_next()
        finally:
            self._minimizing_now = False
            self.spans.append((started, time.monotonic()))

    def _wait(self, future: Future[Result], meanwhile: Callable[[], None]) -> Result:
        started = time.monotonic()
        try:
            return super()._wait(future, meanwhile)
        finally:
            if not self._minimizing_now:
                self.waited += time.monotonic() - started


def watch(
    configuration: Configuration, registry: Registry, folder: Path, make: Make = Watched, executions: int | None = None
) -> Watch:
    """A campaign on one route, with its books and its corpus in a new folder, until its budget ends, or so many
    executions were taken in."""
    (route,) = configuration.routes
    ends: list[float] = []
    begun = time.monotonic()
    facts = Facts(configuration, today(), str(folder / "corpus"))
    with make(configuration.workers, route) as workers, _books(facts, folder / "campaign") as journal:
        start_up, cpu = time.monotonic() - begun, time.process_time()
        reporter = Reporter(folder / "campaign", facts, workers.health, journal.sample.estimates, print)
        started = time.monotonic()
        campaign = _Campaign(
            journal,
            check(configuration, registry),
            registry,
            workers,
            on_progress=reporter.refresh,
            on_execution=lambda place, outcome: ends.append(time.monotonic()),
            stopped=lambda: executions is not None and len(ends) >= executions,
        )
        reporter.statistics = campaign.statistics
        campaign.run()
        return Watch(
            workers=configuration.workers,
            start_up=start_up,
            span=(started, time.monotonic()),
            cpu=time.process_time() - cpu,
            waiting=campaign.waited,
            minimizing=campaign.spans,
            ends=ends,
            pieces=list(workers.pieces) if isinstance(workers, Watched) else [],
            statistics=campaign.statistics,
        )


@contextmanager
def _books(facts: Facts, folder: Path) -> Iterator[Journal]:
    Path(facts.corpus).mkdir(parents=True)
    with Journal.begun(facts, folder) as journal:
        yield journal
