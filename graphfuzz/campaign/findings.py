"""What becomes of a campaign's findings: told apart, minimized, confirmed and stored, each in its bucket."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import Found, Journal, Waiting
from graphfuzz.campaign.known import Suppression
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.statistics import Bucket, Flaky, Statistics
from graphfuzz.campaign.workers import Result, Task
from graphfuzz.corpus.entry import Entry, add_entry, count_sighting, entries, make_entry, read_entry
from graphfuzz.corpus.sightings import Sighting, campaign_name, today
from graphfuzz.corpus.signature import kind, known_by, signature
from graphfuzz.graph import Case, is_special
from graphfuzz.minimizer import HANG_BUDGET, Reduction, minimize
from graphfuzz.minimizer.history import store_history
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import HANG, Outcome
from graphfuzz.spec.registry import Registry

MINIMIZER_BUDGET = 80
"""The most cases that minimizing one finding may run."""
REPEATS = 4
"""How many times more a finding is run that a fresh process did not show, to tell how often it shows."""


class Findings:
    """The buckets of a campaign, and what puts findings into them; within steps of the journal, which notes it all.

    statistics: whose buckets and flaky findings these are. ask: has workers do tasks, side by side.
    """

    def __init__(
        self,
        journal: Journal,
        statistics: Statistics,
        configuration: Configuration,
        registry: Registry,
        suppression: Suppression,
        ask: Callable[[Sequence[Task]], Sequence[Result]],
    ) -> None:
        self.journal = journal
        self.statistics = statistics
        self.configuration = configuration
        self.corpus = Path(journal.facts.corpus)
        self.name = campaign_name(journal.facts.begun, configuration.seed)
        self.registry = registry
        self.suppression = suppression
        self.ask = ask
        self._attributed: dict[str, str] = {}
        """The bucket of what was attributed, by its form."""
        self._suspects: set[tuple[str, str, str]] = set()
        """Operators that are to blame, by route and verdict."""
        for bucket in statistics.buckets.values():
            self._suspect(bucket)

    def is_known(self, found: Found) -> bool:
        """Whether the error alone tells that the finding belongs to a bucket; if so, it is counted there."""
        signatures = {slug: bucket.signature for slug, bucket in self.statistics.buckets.items()}
        slug = known_by(signatures, found.outcome, found.case.graph)
        if slug is None:
            return False
        self._saw(slug, found.outcome)
        self._count(slug, found)
        return True

    def is_suspected(self, waiting: Waiting) -> bool:
        """Whether the finding has an operator that a bucket of its route and verdict blames: it may well be of that."""
        return any((waiting.route, waiting.verdict, name) in self._suspects for name in waiting.operators)

    def minimize(self, found: Found, deadline: Callable[[], bool]) -> None:
        """Minimize a finding, and count or store it, unless it is known by now. deadline: whether to end."""
        if not self.is_known(found):
            started = time.monotonic()
            reduction = minimize(
                found.case,
                found.outcome,
                partial(self.judge, found.outcome.route),
                self.registry,
                HANG_BUDGET if found.outcome.verdict == HANG else MINIMIZER_BUDGET,
                deadline=deadline,
            )
            self.statistics.minimizer_runs += reduction.runs
            self._settle(found, reduction)
            self.statistics.minimizing += time.monotonic() - started

    def judge(self, route: str, cases: Sequence[Case], plain: bool = False) -> list[Outcome]:
        """The outcomes of given cases, run side by side; `plain`: each in a fresh worker that remembers nothing."""
        tasks = [Task(route=route, case=case, recipe=None, plain=plain) for case in cases]
        return [result.outcome for result in self.ask(tasks)]

    def _settle(self, found: Found, reduction: Reduction) -> None:
        """Count a minimized finding of a known bucket; confirm any other in a fresh process, and store it.

        What does not repeat there is flaky. Where only the unminimized case repeats, that is what is stored.
        """
        smaller = [(reduction.case, reduction.outcome)] if reduction.steps else []
        for shown, seen in (*smaller, (found.case, found.outcome)):
            form, blame = _form(shown, seen), None
            slug = self._attributed.get(form)
            if slug is None:
                blame = attributed(lambda task: self.ask([task])[0], shown, seen)
                known = self.suppression.bucket_of(seen, shown, blame)
                slug = known or signature(seen, shown.graph, self.registry, blame).slug
            if slug not in self.statistics.buckets:
                again = self._confirmed(found, shown)
                if again is None:
                    continue
                before = len(self.statistics.buckets)
                slug = self._store(found.place, shown, again, blame)
                if shown is not found.case and len(self.statistics.buckets) > before:
                    store_history(Path(self.statistics.buckets[slug].path), reduction)
            else:
                self._saw(slug, seen)
            if not self.statistics.buckets[slug].issue:  # what an issue suppresses is not for good
                self._attributed[form] = slug
            self._count(slug, found)
            return

    def _confirmed(self, found: Found, case: Case) -> Outcome | None:
        """The case's outcome in a fresh process, if that is still the finding; else it is flaky."""
        (again,) = self.judge(found.outcome.route, [case], plain=True)
        wanted = kind(found.outcome, found.case.graph)
        if kind(again, case.graph) == wanted:
            return again
        more = self.judge(found.outcome.route, [case] * REPEATS, plain=True)
        shown = sum(kind(outcome, case.graph) == wanted for outcome in more)
        flaky = Flaky(
            case=found.place.index,
            route=found.outcome.route,
            verdict=found.outcome.verdict,
            again=again.verdict,
            nodes=len(case.graph.nodes),
            shown=shown,
            repeats=1 + REPEATS,
        )
        self.statistics.flaky.append(flaky)
        self.journal.flaky(flaky)
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
            self._suspect(self.statistics.buckets[entry.slug])
        return entry.slug

    def _suspect(self, bucket: Bucket) -> None:
        told = bucket.signature
        if len(told.operators) == 1:
            self._suspects.add((told.route, told.verdict, *told.operators))

    def _entry(self, case: Case, outcome: Outcome, attribution: Attribution | None) -> Entry:
        settings, date = self.configuration, today()
        seconds = settings.seconds_a_case
        if outcome.verdict == HANG and settings.seconds_a_stage is not None:
            seconds = min(seconds, settings.seconds_a_stage)
        entry = make_entry(
            case,
            outcome,
            load_route(outcome.route),
            self.registry,
            date,
            tolerance=settings.tolerance,
            seconds=seconds,
            memory=settings.memory_a_case,
            attribution=attribution,
        )
        return msgspec.structs.replace(entry, further={self.name: Sighting(1, date, date, outcome.versions)})

    def _saw(self, slug: str, outcome: Outcome) -> None:
        """Note in the corpus that a finding of a stored bucket was seen once more."""
        bucket = self.statistics.buckets[slug]
        count_sighting(Path(bucket.path), today(), outcome.versions, self.name, before=bucket.count)

    def _count(self, slug: str, found: Found) -> None:
        bucket, place = self.statistics.buckets[slug], found.place
        bucket.count += 1
        if bucket.count == 1:
            bucket.seconds, bucket.cases = self.statistics.elapsed, self.statistics.cases
        if bucket.first_case is None:
            bucket.first_case, bucket.lane = place.index, place.lane
        self.journal.bucket(bucket)
        self.journal.sample.credit(place.index, found.outcome.route, slug)

    def load_known(self) -> list[Case]:
        """The buckets of the corpus and of known issues, so that what they have is counted, not found again. Returns
        the corpus' cases."""
        cases = []
        for path in entries([self.corpus]) if self.corpus.exists() else ():
            entry = read_entry(path)
            cases.append(entry.case)
            self._know(path, entry)
        for issue in self.suppression.issues:
            self._know(Path(issue.entry), self.suppression.entries[issue.title], issue.title)
        return cases

    def _know(self, path: Path, entry: Entry, issue: str = "") -> None:
        finding, nodes = entry.finding, len(entry.case.graph.nodes)
        self.statistics.buckets[entry.slug] = Bucket(
            finding.signature, finding.summary(), str(path), nodes, known=True, issue=issue
        )
        self._suspect(self.statistics.buckets[entry.slug])


def _form(case: Case, outcome: Outcome) -> str:
    """What two minimized findings that are one defect share, if they were minimized as far: the graph, and which inputs
    and weights have values that are not finite."""
    special = [name for name, array in case.tensors.items() if is_special(array)]
    told = (kind(outcome, case.graph), case.graph, special)
    return hashlib.sha256(repr(told).encode()).hexdigest()
