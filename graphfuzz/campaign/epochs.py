"""What the cases of an epoch may know: what the epochs before the last one have shown.

Key insight: what is in flight then never matters. Results come in the order of the cases, so what is known after an
epoch is a function of its cases and of those before; and two campaigns of one seed make the same cases, however many
workers they have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from graphfuzz.campaign.coverage import Coverage, News, Seen
from graphfuzz.campaign.lanes import Allotment, worth
from graphfuzz.campaign.refusals import Refusals, Trials
from graphfuzz.corpus.signature import kind
from graphfuzz.generator import Guide, Support
from graphfuzz.graph import Case, Features, case_from_bytes, case_to_bytes, is_special
from graphfuzz.oracle.verdict import Outcome

EPOCH = 200
"""How many cases know the same."""
STARTING_NODES = 10
"""The most nodes of a case that mutations start from."""
MOST_FOUND = 100
"""How many of a campaign's own findings they start from, the newest."""


class Knowledge(msgspec.Struct, frozen=True):
    """What the cases of an epoch may know: the lanes' shares; by framework a guide, and what mutations start from; by
    route what it takes and refuses."""

    shares: Mapping[str, float]
    guides: Mapping[str, Guide]
    starts: Mapping[str, Sequence[Case]]
    support: Mapping[str, Support]


class State(msgspec.Struct, frozen=True):
    """Epochs as data. A case is the bytes of `case_to_bytes`; what mutations start from stands as numbers in `cases`.

    known: by epoch, the shares, the guides, by framework what mutations start from, and what routes take.
    """

    seen: dict[str, Seen]
    taken: dict[str, list[str]]
    refused: dict[str, list[str]]
    shares: dict[str, float]
    yields: dict[str, tuple[float, float]]
    kinds: list[tuple[str, ...]]
    cases: list[bytes]
    starts: list[int]
    found: list[int]
    open: int
    known: dict[int, tuple[dict[str, float], dict[str, Guide], dict[str, list[int]], dict[str, Support]]]


class Epochs:
    """What has been seen, and what is known in each epoch.

    frameworks: by route. shares: of the lanes, at the beginning. starts: what mutations start from beside the
    campaign's own findings. support: what is known of routes at the beginning.
    """

    def __init__(
        self,
        frameworks: Mapping[str, str],
        shares: Mapping[str, float],
        starts: Sequence[Case] = (),
        support: Mapping[str, Support] = MappingProxyType({}),
    ) -> None:
        self.frameworks = frameworks
        self.seen = {framework: Coverage() for framework in sorted(set(frameworks.values()))}
        self.refusals = {route: Refusals(support.get(route, Support())) for route in frameworks}
        self.allotment = Allotment(shares)
        self.kinds: set[tuple[str, ...]] = set()
        self._starts = list(filter(_can_start, starts))
        self._found: deque[Case] = deque(maxlen=MOST_FOUND)
        self._open = 0
        """The epoch whose results come in."""
        self._known = {-1: self._knowledge(-1)}
        """What is known after an epoch: after the last two, as nobody asks for more."""

    def state(self) -> State:
        """All of it, as data."""
        numbers: dict[int, int] = {}
        cases: list[bytes] = []

        def numbered(some: Iterable[Case]) -> list[int]:
            for case in some:
                if id(case) not in numbers:
                    numbers[id(case)] = len(cases)
                    cases.append(case_to_bytes(case))
            return [numbers[id(case)] for case in some]

        return State(
            {name: coverage.seen() for name, coverage in self.seen.items()},
            {route: sorted(refusals.taken) for route, refusals in self.refusals.items()},
            {route: sorted(refusals.refused) for route, refusals in self.refusals.items()},
            self.allotment.shares,
            self.allotment.yields,
            sorted(self.kinds),
            cases,
            numbered(self._starts),
            numbered(list(self._found)),
            self._open,
            {
                epoch: (
                    dict(known.shares),
                    dict(known.guides),
                    {name: numbered(starts) for name, starts in known.starts.items()},
                    dict(known.support),
                )
                for epoch, known in self._known.items()
            },
        )

    @staticmethod
    def restored(frameworks: Mapping[str, str], state: State) -> Epochs:
        """The epochs that were once this state."""
        cases = [case_from_bytes(data, "the campaign's state") for data in state.cases]
        made = Epochs(frameworks, state.shares)
        made.seen = {name: Coverage(seen) for name, seen in state.seen.items()}
        for route, refusals in made.refusals.items():
            refusals.taken, refusals.refused = set(state.taken[route]), set(state.refused[route])
        made.allotment = Allotment(state.shares, state.yields)
        made.kinds = set(state.kinds)
        made._starts = [cases[number] for number in state.starts]
        made._found.extend(cases[number] for number in state.found)
        made._open = state.open
        made._known = {
            epoch: Knowledge(shares, guides, {k: [cases[n] for n in v] for k, v in starts.items()}, support)
            for epoch, (shares, guides, starts, support) in state.known.items()
        }
        return made

    def add(
        self,
        index: int,
        lane: str,
        outcome: Outcome,
        seen: Features,
        failed: Case | None = None,
        trials: Trials = Trials(),  # noqa: B008 - frozen
    ) -> News:
        """Take in an execution of case `index`; cases come in order. Returns what of it is new. failed: the case of a
        finding. trials: what its uses came to, each alone."""
        self._close_before(index // EPOCH)
        news = self.seen[self.frameworks[outcome.route]].add(seen, failed is not None)
        self.refusals[outcome.route].add(outcome, seen, trials)
        found = failed is not None and self._is_new(outcome, failed)
        self.allotment.credit(lane, worth(news, found), seen.nodes)
        return news

    def at(self, index: int) -> Knowledge:
        """What case `index` may know; no case of its epoch has been taken in, and all before the last epoch have."""
        self._close_before(index // EPOCH - 1)
        return self._known[max(index // EPOCH - 2, -1)]

    def _is_new(self, outcome: Outcome, case: Case) -> bool:
        """Whether a finding is the first of its kind, before it is minimized; if so, mutations start from it.

        Buckets would tell kinds apart better, but when a finding is minimized depends on time.
        """
        mismatch = outcome.mismatch
        producer = case.graph.producers().get(mismatch.output) if mismatch else None
        told = (*kind(outcome, case.graph), producer.op if producer else "")
        if told in self.kinds:
            return False
        self.kinds.add(told)
        if _can_start(case):
            self._found.append(case)
        return True

    def _close_before(self, epoch: int) -> None:
        """End the epochs before this one."""
        if epoch > self._open:
            self.allotment.close()
            known = self._knowledge(epoch - 1)
            last = self._known[self._open - 1]
            self._known = {epoch - 2: last if epoch - 1 == self._open else known, epoch - 1: known}
            self._open = epoch

    def _knowledge(self, epoch: int) -> Knowledge:
        """What is known after an epoch."""
        starts = [*self._starts, *self._found]
        return Knowledge(
            dict(self.allotment.shares),
            {name: coverage.guide(f"{name}-{epoch}") for name, coverage in self.seen.items()},
            {name: [case for case in starts if case.framework == name] for name in self.seen},
            {route: refusals.support(f"{route}-{epoch}") for route, refusals in self.refusals.items()},
        )


def _can_start(case: Case) -> bool:
    """Whether mutations may start from a case: a small one, whose values are all finite."""
    return len(case.graph.nodes) <= STARTING_NODES and not any(map(is_special, case.tensors.values()))
