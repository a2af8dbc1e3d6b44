"""The campaign: cases in, findings told apart, minimized and stored.

Results are taken in the order of the cases, whatever order they end in, so that two campaigns of one seed make the same
decisions, and one that was ended makes them when it goes on (`graphfuzz.campaign.journal`). Workers run ahead of that:
while a finding is minimized, they have the next cases, too, which are taken in only then. Nothing here touches a
target: every case, and every step of a minimization, runs in a worker.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from pathlib import Path
from types import MappingProxyType

from graphfuzz.campaign.configuration import resolved
from graphfuzz.campaign.disk import Disk
from graphfuzz.campaign.epochs import EPOCH, Epochs
from graphfuzz.campaign.findings import Findings
from graphfuzz.campaign.journal import SNAPSHOT, Found, Journal, Waiting
from graphfuzz.campaign.known import Suppression, told
from graphfuzz.campaign.lanes import shares_of
from graphfuzz.campaign.looking_back import news, note_seen, rerun
from graphfuzz.campaign.replaying import Job
from graphfuzz.campaign.sample import settings_of
from graphfuzz.campaign.schedule import Place, schedule
from graphfuzz.campaign.statistics import HarnessError, Statistics
from graphfuzz.campaign.workers import Pool, Result, Task
from graphfuzz.corpus.expectation import Expectations
from graphfuzz.corpus.replay import Line
from graphfuzz.generator import Bar
from graphfuzz.oracle.route import load_route, versions
from graphfuzz.oracle.verdict import HARNESS_ERROR, Outcome
from graphfuzz.spec.registry import Registry

GRACE, LONGEST_GRACE = 0.25, 600.0
"""How far beyond its time a timed campaign goes on minimizing what it found: a share of that time, and so many seconds
at most."""
MOST_WAITING = 2000
"""How many findings wait to be minimized; of more, what is the least likely to be news stays out."""
AHEAD = 3
"""How many cases are given out ahead, a worker."""
DAY = 86400.0
"""After how many seconds known issues are probed again."""


class Stopped(Exception):
    """What ends a campaign in the midst of a case."""


class Campaign:
    """One campaign, from its beginning or from where its journal ends. `statistics` is up to date whenever
    `on_progress` is called, which is several times a second.

    frameworks: of each route. due: entries to be run again before new cases; expected: what is expected of them.
    suppression: the known issues. versions: of the packages under test now, where they may be others than in the
    beginning. on_news: told what people should hear of, a line each.
    """

    def __init__(
        self,
        journal: Journal,
        frameworks: dict[str, str],
        registry: Registry,
        workers: Pool,
        *,
        due: Sequence[Job] = (),
        expected: Expectations = MappingProxyType({}),
        suppression: Suppression | None = None,
        on_news: Callable[[str], None] = lambda text: None,
        versions: Mapping[str, str] | None = None,
        on_progress: Callable[[], None] = lambda: None,
        on_execution: Callable[[Place, Outcome], None] = lambda place, outcome: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.journal = journal
        self.configuration = resolved(journal.facts.configuration, registry)
        self.frameworks = frameworks
        self.registry = registry
        self.workers = workers
        self.due, self.expected = due, expected
        self.suppression = suppression or Suppression()
        self.bars: dict[str, tuple[Bar, ...]] = {}
        self.probed = time.monotonic()
        self.on_news = on_news
        self.on_progress = on_progress
        self.on_execution = on_execution
        self.stopped = stopped
        self.statistics = journal.statistics()
        self.statistics.lost += self.statistics.in_flight
        self.findings = Findings(journal, self.statistics, self.configuration, registry, self.suppression, self._ask)
        self._again = partial(self.findings.judge, plain=True)
        self.disk = Disk(journal.folder, self.statistics)
        self.queue = list(journal.waiting())
        self.window: deque[tuple[Place, Future[Result]]] = deque()
        """The cases that are given out and not taken in, in order."""
        self.tasks: Iterator[tuple[Place, Task]] = iter(())
        """Those that are not given out."""
        self.epochs = journal.epochs(frameworks) or self._begun()
        self.versions = versions or journal.facts.versions
        self._next_case = self.configuration.first_case + max(0, self.statistics.cases - 1)
        """The first case that is not given out on all routes, as far as this process knows."""
        self.started = time.monotonic() - self.statistics.elapsed
        self._tell_shares(self.configuration.first_case + max(0, self.statistics.cases - 1))

    def run(self) -> Statistics:
        """Run until a budget ends, then minimize what waits; or until `stopped`, which ends it in the midst of a case.

        What is not minimized then waits on in the journal. GraphfuzzError (what cannot be written) passes through; of
        what was found, nothing is lost.
        """
        try:
            self._look_back()
            while self.queue and self.configuration.seconds is None:
                self._minimize_next()
            self._work()
            while self.queue and not self._over(grace=True):
                self._minimize_next()
        except Stopped:
            pass
        finally:
            self._tick()
        return self.statistics

    def _begun(self) -> Epochs:
        """What is known before the first case."""
        known = self.findings.load_known()
        epochs = Epochs(self.frameworks, shares_of(self.configuration.lanes), known, self.journal.facts.support)
        with self.journal.step():
            for bucket in self.statistics.buckets.values():
                self.journal.bucket(bucket)
            self.journal.snapshot(epochs)
        return epochs

    def _look_back(self) -> None:
        """Run what is due again, and the probes of known issues; tell what is news."""
        probes = {issue.entry for issue in self.suppression.issues}
        lines = rerun([job for job in self.due if str(job.path) not in probes], self._again, self.registry)
        lines += self._probe()
        note_seen(lines, {line.route: versions(load_route(line.route)) for line in lines})
        for text in (*news(lines, self.expected), *told(self.suppression, self.registry, self.frameworks)):
            self.on_news(text)

    def _probe(self) -> list[Line]:
        """Ask of the known issues whether they still stand: where they do not, what the control says of chances begins
        anew. Returns what their entries came to."""
        self.probed = time.monotonic()
        issues = [issue for issue in self.suppression.issues if issue.route in self.frameworks]
        jobs = [Job(Path(issue.entry), self.suppression.entries[issue.title], issue.route) for issue in issues]
        lines = rerun(jobs, self._again, self.registry)
        for text in self.suppression.learn(lines):
            self.on_news(text)
        self.bars.update({route: self.suppression.bars(route) for route in self.frameworks})
        settings = {
            **settings_of(self.configuration, self.registry),
            "known issues": ", ".join(issue.title for issue in self.suppression.standing()) or "none",
        }
        with self.journal.step():
            self.journal.sample.enter(self.versions, settings, self._next_case)
        return lines

    def _work(self) -> None:
        """Take the results of all cases in order, from the first that the journal does not have."""
        turns = Counter({name: lane.cases for name, lane in self.statistics.lanes.items()})
        self.tasks = schedule(self.configuration, self.frameworks, self.epochs, self.journal.done(), turns, self.bars)
        try:
            while True:
                self._repeat()
                self._go_on()
                if not self.window or self._over():
                    break
                place, future = self.window.popleft()
                self._take(place, self._wait(future, self._go_on))
                if self._minimizing_is_due():
                    self._minimize_next()
                if time.monotonic() - self.probed >= DAY:
                    self._probe()
        finally:
            self.tasks = iter(())
            for _, future in self.window:
                future.cancel()
            self.window.clear()

    def _go_on(self) -> None:
        """Keep cases given out ahead. While the first of them takes long, or many were given out meanwhile, it is by
        one more at a time."""
        ahead = AHEAD * self.configuration.workers
        self._give_out(max(ahead, len(self.window) + 1), ahead)

    def _meanwhile(self) -> None:
        """Keep the workers busy while they are asked for something else, which waits for the cases in their hands."""
        self._give_out(EPOCH, self.configuration.workers)

    def _give_out(self, most: int, undone: int) -> None:
        """Give out the next cases, until so many are given out, or so many of those are not done. They may know nothing
        of the epoch before theirs, so there may be as many as it has (`graphfuzz.campaign.epochs`)."""
        undone -= sum(not future.done() for _, future in self.window)
        while len(self.window) < min(most, EPOCH) and undone > 0 and not self._over():
            task = next(self.tasks, None)
            if task is None:
                break
            self.window.append((task[0], self.workers.submit(task[1])))
            self.statistics.given += 1
            self._next_case = task[0].index + 1
            undone -= 1

    def _repeat(self) -> None:
        """Run what is to be repeated once more, from its recipe, in a fresh worker that remembers nothing. That is no
        execution: it is given to a worker and waited for here, and an end of the campaign leaves it to be done."""
        for case, route in self.journal.sample.to_repeat():
            if self._over():
                return
            recipe = self.configuration.recipe(case, self.frameworks[route])
            task = Task(route=route, case=None, recipe=recipe, plain=True, bars=self.bars[route])
            (again,) = self._ask([task])
            with self.journal.step():
                self.journal.sample.repeat(case, route, again.outcome.verdict)

    def _over(self, grace: bool = False) -> bool:
        return bool(self.used_up(grace))

    def used_up(self, grace: bool = False) -> str:
        """The budget other than that of cases that is used up (the time with its grace, if so); empty for none."""
        settings = self.configuration
        if settings.findings is not None and self.statistics.new_buckets >= settings.findings:
            return "findings"
        if settings.disk is not None and self.disk.taken() >= settings.disk:
            return "disk"
        if settings.seconds is None:
            return ""
        more = min(GRACE * settings.seconds, LONGEST_GRACE) if grace else 0.0
        return "seconds" if time.monotonic() - self.started >= settings.seconds + more else ""

    def _ask(self, tasks: Sequence[Task]) -> list[Result]:
        """The results of tasks done side by side. Raises Stopped."""
        return [self._wait(future, self._meanwhile) for future in [self.workers.submit(task) for task in tasks]]

    def _wait(self, future: Future[Result], meanwhile: Callable[[], None]) -> Result:
        """The future's result, with a sign of life while it takes long. meanwhile: called whenever anything is done.
        Raises Stopped, which leaves a step undone."""
        while not self.stopped():
            if future.done():
                self._tick()
                return future.result()
            meanwhile()
            wait([future, *(other for _, other in self.window if not other.done())], 0.25, FIRST_COMPLETED)
            self._tick()
        raise Stopped

    def _tick(self) -> None:
        self.statistics.elapsed = time.monotonic() - self.started
        self.statistics.waiting = len(self.queue)
        self.on_progress()

    def _take(self, place: Place, result: Result) -> None:
        outcome, statistics = result.outcome, self.statistics
        found = Found(place, result.case, outcome) if outcome.is_finding and result.case is not None else None
        done = place.index - self.configuration.first_case
        with self.journal.step():
            if done == statistics.cases and done and done % SNAPSHOT == 0:
                self.journal.snapshot(self.epochs)
            statistics.record(outcome)
            if outcome.verdict == HARNESS_ERROR:
                error = HarnessError(place.index, outcome.route, outcome.summary(), outcome.traceback)
                statistics.harness_errors.append(error)
                self.journal.error(error)
            statistics.profile.add(result.profile)
            lane = statistics.lanes[place.lane]
            lane.seconds += sum(outcome.seconds.values())
            lane.cases += done + 1 - statistics.cases
            statistics.cases = done + 1
            new, failed = 0, found.case if found else None
            if result.features is not None:
                new = self.epochs.add(place.index, place.lane, outcome, result.features, failed, result.trials).total
                lane.new += new
                refusals = self.epochs.refusals[outcome.route]
                statistics.refused[outcome.route] = len(refusals.refused - refusals.taken)
                framework = self.frameworks[outcome.route]
                statistics.coverage[framework] = self.epochs.seen[framework].total()
            self.journal.take(place, outcome, new, result.features, result.trials, failed)
            repeated = self.configuration.is_repeated(place.index)
            self.journal.sample.take(
                place, outcome.route, outcome.verdict, result.features, found is not None, repeated
            )
            if found is not None and not self.findings.is_known(found):
                self.queue.append(self.journal.wait(found))
                self._bound_queue()
            if statistics.grow():
                self.journal.grow(statistics.growth)
            self.journal.count(statistics)
        self._tell_shares(place.index)
        self.on_execution(place, outcome)

    def _tell_shares(self, index: int) -> None:
        for lane, share in self.epochs.at(index).shares.items():
            self.statistics.lanes[lane].share = share

    def _minimizing_is_due(self) -> bool:
        if not self.queue:
            return False
        if self.configuration.seconds is None:
            return True
        return self.statistics.minimizing < self.configuration.minimizing * (time.monotonic() - self.started)

    def _minimize_next(self) -> None:
        """Minimize the finding that most likely is news, and count or store it; it leaves the queue, and the journal's,
        only then."""
        first = min(self.queue, key=self._order)
        with self.journal.step():
            found = self.journal.found(first)
            self.findings.minimize(found, lambda: self._over(grace=True))
            self.journal.sample.dismiss(found.place.index, found.outcome.route)
            self.journal.settle(first)
            self.journal.count(self.statistics)
        self.queue.remove(first)

    def _order(self, waiting: Waiting) -> tuple[bool, int]:
        """First what no bucket's operator explains, the oldest first."""
        return self.findings.is_suspected(waiting), waiting.number

    def _bound_queue(self) -> None:
        """What is too many leaves the queue unexamined, as is told; of chances it stays undecided."""
        if len(self.queue) > MOST_WAITING:
            last = max(self.queue, key=self._order)
            self.queue.remove(last)
            self.journal.settle(last)
            self.statistics.unexamined += 1
