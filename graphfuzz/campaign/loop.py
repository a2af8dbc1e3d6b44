"""The campaign: cases in, findings told apart, minimized and stored.

Results are taken in the order of the cases, whatever order they end in, so that two campaigns of one seed make the same
decisions. Nothing here touches a target: every case, and every step of a minimization, runs in a worker.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

import msgspec

from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.epochs import EPOCH, Epochs
from graphfuzz.campaign.lanes import shares_of
from graphfuzz.campaign.schedule import Place, schedule
from graphfuzz.campaign.statistics import Bucket, Flaky, Statistics
from graphfuzz.campaign.workers import Result, Task, Workers
from graphfuzz.corpus.entry import Entry, add_entry, count_sighting, entries, make_entry, read_entry, write_entry
from graphfuzz.corpus.signature import kind, known_by, signature
from graphfuzz.errors import EntryError
from graphfuzz.generator import Support
from graphfuzz.graph import Case
from graphfuzz.minimizer import HANG_BUDGET, Reduction, minimize
from graphfuzz.minimizer.history import store_history
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import HANG, Outcome
from graphfuzz.spec.registry import Registry

MINIMIZING_SHARE = 0.5
"""The most of a timed campaign's time that minimizing takes while cases remain to be run."""
MINIMIZER_BUDGET = 80
"""The most cases that minimizing one finding may run."""
GRACE = 0.25
"""How far beyond its time a timed campaign goes on minimizing what it found, as a share of that time."""
AHEAD = 3
"""How many cases are given out ahead, a worker."""
REPEATS = 4
"""How many times more a finding is run that a fresh process did not show, to tell how often it shows."""
UNMINIMIZED = "unminimized"
"""The folder, beside the corpus, of findings that no time was left to minimize."""


class Found(msgspec.Struct, frozen=True, eq=False):
    """A finding that waits to be minimized."""

    place: Place
    case: Case
    outcome: Outcome


class Campaign:
    """One campaign. `statistics` is up to date whenever `on_progress` is called, which is several times a second.

    support: what is known of routes at the beginning.
    """

    def __init__(
        self,
        configuration: Configuration,
        frameworks: dict[str, str],
        registry: Registry,
        corpus: Path,
        workers: Workers,
        *,
        support: Mapping[str, Support] = MappingProxyType({}),
        on_progress: Callable[[], None] = lambda: None,
        on_execution: Callable[[Place, Outcome], None] = lambda place, outcome: None,
    ) -> None:
        self.configuration = configuration
        self.frameworks = frameworks
        self.registry = registry
        self.corpus = corpus
        self.workers = workers
        self.on_progress = on_progress
        self.on_execution = on_execution
        self.statistics = Statistics()
        self.queue: deque[Found] = deque()
        self.started = time.monotonic()
        self.epochs = Epochs(frameworks, shares_of(configuration.lanes), self._load_known(), support)
        self._tell_shares(configuration.first_case)

    def run(self) -> Statistics:
        """Run until a budget ends, then minimize what waits.

        KeyboardInterrupt, GraphfuzzError (what cannot be written) and OSError pass through, after everything found so
        far has been stored somewhere: see `statistics.unminimized`.
        """
        try:
            self._work()
            while self.queue and not self._over(GRACE):
                self._minimize_next()
        finally:
            self._keep_waiting()
            self._tick()
        return self.statistics

    def _work(self) -> None:
        """Take the results of all cases in order."""
        window: deque[tuple[Place, Future[Result]]] = deque()
        tasks = schedule(self.configuration, self.frameworks, self.epochs)
        try:
            while True:
                while len(window) < min(EPOCH, AHEAD * self.configuration.workers) and not self._over():
                    task = next(tasks, None)
                    if task is None:
                        break
                    window.append((task[0], self.workers.submit(task[1])))
                if not window or self._over():
                    break
                place, future = window.popleft()
                self._take(place, self._wait(future))
                if self._minimizing_is_due():
                    self._minimize_next()
        finally:
            for _, future in window:
                future.cancel()

    def _over(self, beyond: float = 0.0) -> bool:
        seconds = self.configuration.seconds
        return seconds is not None and time.monotonic() - self.started >= seconds * (1 + beyond)

    def _wait(self, future: Future[Result]) -> Result:
        """The future's result, with a sign of life while it takes long."""
        while True:
            try:
                result = future.result(timeout=0.25)
            except TimeoutError:
                self._tick()
            else:
                self._tick()
                return result

    def _tick(self) -> None:
        self.statistics.elapsed = time.monotonic() - self.started
        self.statistics.waiting = len(self.queue)
        self.on_progress()

    def _take(self, place: Place, result: Result) -> None:
        outcome, statistics = result.outcome, self.statistics
        found = Found(place, result.case, outcome) if outcome.is_finding and result.case is not None else None
        statistics.record(place.index, outcome)
        statistics.profile.add(result.profile)
        lane = statistics.lanes[place.lane]
        lane.seconds += sum(outcome.seconds.values())
        lane.cases += place.index + 1 - self.configuration.first_case - statistics.cases
        statistics.cases = place.index + 1 - self.configuration.first_case
        if result.features is not None:
            failed = found.case if found else None
            news = self.epochs.add(place.index, place.lane, outcome, result.features, failed, result.trials)
            lane.new += news.total
            refusals = self.epochs.refusals[outcome.route]
            statistics.refused[outcome.route] = len(refusals.refused - refusals.taken)
        self._tell_shares(place.index)
        self.on_execution(place, outcome)
        if found is not None:
            self._sort_in(found)

    def _tell_shares(self, index: int) -> None:
        for lane, share in self.epochs.at(index).shares.items():
            self.statistics.lanes[lane].share = share

    def _sort_in(self, found: Found) -> None:
        """Count a finding whose error is known already; queue any other for minimization."""
        if not self._is_known(found):
            self.queue.append(found)

    def _is_known(self, found: Found) -> bool:
        """Whether the error alone tells that the finding belongs to a bucket; if so, it is counted there."""
        signatures = {slug: bucket.signature for slug, bucket in self.statistics.buckets.items()}
        slug = known_by(signatures, found.outcome, found.case.graph)
        if slug is None:
            return False
        self._saw(slug, found.outcome)
        self._count(slug, found.place)
        return True

    def _minimizing_is_due(self) -> bool:
        if not self.queue:
            return False
        if self.configuration.seconds is None:
            return True
        return self.statistics.minimizing <= MINIMIZING_SHARE * (time.monotonic() - self.started)

    def _minimize_next(self) -> None:
        """Minimize the finding that waits longest, and count or store it; it leaves the queue only then."""
        found = self.queue[0]
        if not self._is_known(found):
            started = time.monotonic()
            reduction = minimize(
                found.case,
                found.outcome,
                partial(self._judge, found.outcome.route),
                self.registry,
                HANG_BUDGET if found.outcome.verdict == HANG else MINIMIZER_BUDGET,
                deadline=lambda: self._over(GRACE),
            )
            self.statistics.minimizer_runs += reduction.runs
            self._settle(found, reduction)
            self.statistics.minimizing += time.monotonic() - started
        self.queue.popleft()

    def _judge(self, route: str, cases: Sequence[Case], plain: bool = False) -> list[Outcome]:
        """The outcomes of given cases, run side by side; `plain`: each in a fresh worker that remembers nothing."""
        futures = [self.workers.submit(Task(route=route, case=case, recipe=None, plain=plain)) for case in cases]
        return [self._wait(future).outcome for future in futures]

    def _settle(self, found: Found, reduction: Reduction) -> None:
        """Count a minimized finding of a known bucket; confirm any other in a fresh process, and store it.

        What does not repeat there is flaky. Where only the unminimized case repeats, that is what is stored.
        """
        smaller = [(reduction.case, reduction.outcome)] if reduction.steps else []
        for shown, seen in (*smaller, (found.case, found.outcome)):
            blame = attributed(lambda task: self._wait(self.workers.submit(task)), shown, seen)
            slug = signature(seen, shown.graph, self.registry, blame).slug
            if slug not in self.statistics.buckets:
                again = self._confirmed(found, shown)
                if again is None:
                    continue
                known = len(self.statistics.buckets)
                slug = self._store(found.place, shown, again, blame)
                if shown is not found.case and len(self.statistics.buckets) > known:
                    store_history(Path(self.statistics.buckets[slug].path), reduction)
            else:
                self._saw(slug, seen)
            self._count(slug, found.place)
            return

    def _confirmed(self, found: Found, case: Case) -> Outcome | None:
        """The case's outcome in a fresh process, if that is still the finding; else it is flaky."""
        (again,) = self._judge(found.outcome.route, [case], plain=True)
        wanted = kind(found.outcome, found.case.graph)
        if kind(again, case.graph) == wanted:
            return again
        more = self._judge(found.outcome.route, [case] * REPEATS, plain=True)
        shown = sum(kind(outcome, case.graph) == wanted for outcome in more)
        self.statistics.flaky.append(
            Flaky(
                case=found.place.index,
                route=found.outcome.route,
                verdict=found.outcome.verdict,
                again=again.verdict,
                nodes=len(case.graph.nodes),
                shown=shown,
                repeats=1 + REPEATS,
            )
        )
        return None

    def _store(self, place: Place, case: Case, outcome: Outcome, attribution: Attribution | None) -> str:
        """Store a finding as an entry of the corpus, unless its bucket is there. Returns the bucket's slug."""
        entry = self._entry(case, outcome, attribution)
        if entry.slug in self.statistics.buckets:
            self._saw(entry.slug, outcome)
        else:
            path = add_entry(self.corpus, entry)
            self.statistics.buckets[entry.slug] = Bucket(
                entry.finding.signature, outcome.summary(), str(path), len(case.graph.nodes), place.index, place.lane
            )
        return entry.slug

    def _entry(self, case: Case, outcome: Outcome, attribution: Attribution | None = None) -> Entry:
        settings = self.configuration
        return make_entry(
            case,
            outcome,
            load_route(outcome.route),
            self.registry,
            _today(),
            tolerance=settings.tolerance,
            seconds=settings.seconds_a_case,
            memory=settings.memory_a_case,
            attribution=attribution,
        )

    def _saw(self, slug: str, outcome: Outcome) -> None:
        """Note in the corpus that a finding of a stored bucket was seen once more."""
        path = Path(self.statistics.buckets[slug].path)
        count_sighting(path, _today(), self.configuration.seed, outcome.versions)

    def _count(self, slug: str, place: Place) -> None:
        bucket = self.statistics.buckets[slug]
        bucket.count += 1
        if bucket.first_case is None:
            bucket.first_case, bucket.lane = place.index, place.lane

    def _keep_waiting(self) -> None:
        """Store what could not be minimized any more as it is, one of a kind, beside the corpus or where it can be."""
        entries_by_slug: dict[str, Entry] = {}
        trouble: EntryError | None = None
        for found in self.queue:
            try:
                known = self._is_known(found)
            except EntryError as error:  # known, but it cannot be counted: told once the others are stored
                known, trouble = True, error
            if not known:
                entry = self._entry(found.case, found.outcome)
                entries_by_slug.setdefault(entry.slug, entry)
        self.queue.clear()
        folder = self.corpus.parent / UNMINIMIZED
        for entry in entries_by_slug.values():
            try:
                path = write_entry(folder, entry)
            except EntryError:
                folder = Path(tempfile.mkdtemp(prefix="graphfuzz-findings-"))
                path = write_entry(folder, entry)
            self.statistics.unminimized.append(str(path))
        if trouble is not None:
            raise trouble

    def _load_known(self) -> list[Case]:
        """The corpus' buckets, so that what it has is counted, not found again. Returns its cases."""
        cases = []
        for path in entries([self.corpus]) if self.corpus.exists() else ():
            entry = read_entry(path)
            cases.append(entry.case)
            finding = entry.finding
            self.statistics.buckets[entry.slug] = Bucket(
                finding.signature, finding.summary(), str(path), len(entry.case.graph.nodes), known=True
            )
        return cases


def _today() -> str:
    """The date, ISO 8601, in UTC."""
    return datetime.now(UTC).date().isoformat()
