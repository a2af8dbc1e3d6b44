"""The campaign: cases in, findings told apart, minimized and stored.

Results are taken in the order of the cases, whatever order they end in, so that two campaigns of one seed make the same
decisions. Nothing here touches a target: every case, and every step of a minimization, runs in a worker.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.statistics import Bucket, Flaky, Statistics
from graphfuzz.campaign.workers import Result, Task, Workers
from graphfuzz.corpus.entry import entries, make_entry, read_entry, write_entry
from graphfuzz.corpus.signature import kind, signature
from graphfuzz.graph import Case
from graphfuzz.minimizer import minimize
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import WRONG_OUTPUT, Outcome
from graphfuzz.spec.registry import Registry

MINIMIZING_SHARE = 0.5
"""The most of a timed campaign's time that minimizing takes while cases remain to be run."""
MINIMIZER_BUDGET = 80
"""The most cases that minimizing one finding may run."""
GRACE = 0.25
"""How far beyond its time a timed campaign goes on minimizing what it found, as a share of that time."""
UNMINIMIZED = "unminimized"
"""The folder, beside the corpus, of findings that no time was left to minimize."""


class Found(msgspec.Struct, frozen=True, eq=False):
    """A finding that waits to be minimized."""

    index: int
    case: Case
    outcome: Outcome


class Campaign:
    """One campaign. `statistics` is up to date whenever `on_progress` is called, which is several times a second."""

    def __init__(
        self,
        configuration: Configuration,
        frameworks: dict[str, str],
        registry: Registry,
        corpus: Path,
        workers: Workers,
        *,
        on_progress: Callable[[], None] = lambda: None,
        on_execution: Callable[[int, Outcome], None] = lambda index, outcome: None,
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
        self.kinds: dict[tuple[str, str, str], str] = {}
        self.started = time.monotonic()
        self._load_known()

    def run(self) -> Statistics:
        """Run until a budget ends, then minimize what waits; KeyboardInterrupt passes through with all stored."""
        window: deque[tuple[int, Future[Result]]] = deque()
        tasks = self._tasks()
        ahead = 3 * self.configuration.workers
        try:
            while True:
                while len(window) < ahead and not self._over():
                    task = next(tasks, None)
                    if task is None:
                        break
                    window.append((task[0], self.workers.submit(task[1])))
                if not window or self._over():
                    break
                index, future = window.popleft()
                self._take(index, self._wait(future))
                if self._minimizing_is_due():
                    self._minimize_next()
        finally:
            for _, future in window:
                future.cancel()
        self._drain()
        return self.statistics

    def _tasks(self) -> Iterator[tuple[int, Task]]:
        """Every case in order, on each route."""
        index = 0
        while self.configuration.cases is None or index < self.configuration.cases:
            for route, framework in self.frameworks.items():
                yield index, Task(route=route, case=None, recipe=self.configuration.recipe(index, framework))
            index += 1

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

    def _take(self, index: int, result: Result) -> None:
        outcome = result.outcome
        self.statistics.record(index, outcome)
        self.statistics.cases = index + 1
        self.on_execution(index, outcome)
        if outcome.is_finding and result.case is not None:
            self._sort_in(Found(index, result.case, outcome))

    def _sort_in(self, found: Found) -> None:
        """Count a finding whose error is known already; queue any other for minimization."""
        slug = self.kinds.get(kind(found.outcome, found.case.graph))
        if slug is not None and found.outcome.verdict != WRONG_OUTPUT:
            self._count(slug, found.index)
        else:
            self.queue.append(found)

    def _minimizing_is_due(self) -> bool:
        if not self.queue:
            return False
        if self.configuration.seconds is None:
            return True
        return self.statistics.minimizing <= MINIMIZING_SHARE * (time.monotonic() - self.started)

    def _minimize_next(self) -> None:
        """Repeat, minimize and store the finding that waits longest."""
        found = self.queue.popleft()
        original = kind(found.outcome, found.case.graph)
        slug = self.kinds.get(original)
        if slug is not None and found.outcome.verdict != WRONG_OUTPUT:
            self._count(slug, found.index)
            return
        started = time.monotonic()
        route = found.outcome.route
        (again,) = self._judge(route, [found.case], plain=True)
        if kind(again, found.case.graph) != original:
            self.statistics.flaky.append(Flaky(found.index, route, found.outcome.verdict, again.verdict))
        else:
            reduction = minimize(found.case, again, partial(self._judge, route), self.registry, MINIMIZER_BUDGET)
            self.statistics.minimizer_runs += reduction.runs
            (confirmed,) = self._judge(route, [reduction.case], plain=True)
            stands = kind(confirmed, reduction.case.graph) == original
            self._store(found.index, original, *((reduction.case, confirmed) if stands else (found.case, again)))
        self.statistics.minimizing += time.monotonic() - started

    def _judge(self, route: str, cases: Sequence[Case], plain: bool = False) -> list[Outcome]:
        """The outcomes of given cases, run side by side."""
        futures = [self.workers.submit(Task(route=route, case=case, recipe=None, plain=plain)) for case in cases]
        return [self._wait(future).outcome for future in futures]

    def _store(self, index: int, original: tuple[str, str, str], case: Case, outcome: Outcome) -> None:
        """Count the minimized finding; a new bucket becomes an entry of the corpus."""
        found = signature(outcome, case.graph)
        if found.slug not in self.statistics.buckets:
            today = datetime.now(UTC).date().isoformat()
            entry = make_entry(case, outcome, load_route(outcome.route), self.registry, today)
            path = write_entry(self.corpus, entry)
            self.statistics.buckets[found.slug] = Bucket(
                found, outcome.summary(), str(path), len(case.graph.nodes), first_case=index
            )
        self.kinds[original] = self.kinds[kind(outcome, case.graph)] = found.slug
        self._count(found.slug, index)

    def _count(self, slug: str, index: int) -> None:
        bucket = self.statistics.buckets[slug]
        bucket.count += 1
        if bucket.first_case is None:
            bucket.first_case = index

    def _drain(self) -> None:
        """Minimize what waits; what a timed campaign has no time for is stored as it is, apart from the corpus."""
        while self.queue and not self._over(GRACE):
            self._minimize_next()
        for found in self.queue:
            route = load_route(found.outcome.route)
            entry = make_entry(found.case, found.outcome, route, self.registry, datetime.now(UTC).date().isoformat())
            self.statistics.unminimized.append(str(write_entry(self.corpus.parent / UNMINIMIZED, entry)))
        self.queue.clear()
        self._tick()

    def _load_known(self) -> None:
        """The corpus' buckets, so that what it has is counted, not found again."""
        if not self.corpus.exists():
            return
        for path in entries([self.corpus]):
            entry = read_entry(path)
            finding = entry.finding
            self.statistics.buckets[entry.slug] = Bucket(
                finding.signature, finding.summary(), str(path), len(entry.case.graph.nodes), known=True
            )
