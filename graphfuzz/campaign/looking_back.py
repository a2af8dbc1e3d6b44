"""Before new cases: the corpus on today's versions, and the probes of known issues.

An entry that a campaign has seen in these very versions is not run again: it was seen. What a run shows is noted as
seen, so that the next campaign on the same versions begins at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from graphfuzz.campaign.replaying import REPEATS, Job
from graphfuzz.corpus.entry import Entry, count_sighting, entries, read_entry
from graphfuzz.corpus.expectation import Expectations, Expected, judged
from graphfuzz.corpus.replay import (
    FIXED,
    STILL_FAILING,
    Line,
    is_settled,
    line_of,
    line_without_run,
    obstacle,
)
from graphfuzz.corpus.sightings import campaign_name, today
from graphfuzz.graph import Case
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import Registry

DUE, ALL, NONE = "due", "all", "none"

Judge = Callable[[str, Sequence[Case]], Sequence[Outcome]]
"""The outcomes of cases on a route, each in a fresh worker."""


def due(wanted: str, corpus: Path, versions: Mapping[str, Mapping[str, str]], expected: Expectations) -> Iterator[Job]:
    """The entries that are to be run again. wanted: DUE, ALL or NONE. versions: of each route's packages, today.
    expected: what is expected of entries; one of which that is not that it fails is always due."""
    if wanted == NONE or not corpus.is_dir():
        return
    for path in entries([corpus]):
        entry = read_entry(path)
        route = entry.finding.route
        if route in versions and (
            wanted == ALL or not _is_seen(entry, versions[route]) or not _fails(expected, route, path.name)
        ):
            yield Job(path, entry, route)


def _is_seen(entry: Entry, versions: Mapping[str, str]) -> bool:
    """Whether it was seen in these versions."""
    return any(versions.items() <= sighting.versions.items() for sighting in entry.seen.values())


def _fails(expected: Expectations, route: str, name: str) -> bool:
    said = expected.get((route, name))
    return said is None or said.status == STILL_FAILING


def rerun(jobs: Iterable[Job], judge: Judge, registry: Registry) -> list[Line]:
    """What comes of entries under the campaign's own rule and limits; what does not show its finding is run again."""
    able: dict[str, list[Job]] = {}
    lines = []
    for job in jobs:
        reason = obstacle(job.entry, registry, job.route)
        if reason is None:
            able.setdefault(job.route, []).append(job)
        else:
            lines.append(line_without_run(job.path, job.entry, job.route, reason))
    for route, mine in able.items():
        outcomes = judge(route, [job.entry.case for job in mine])
        for job, outcome in zip(mine, outcomes, strict=True):
            again = [] if is_settled(job.entry.finding, outcome) else judge(route, [job.entry.case] * REPEATS)
            lines.append(line_of(job.path, job.entry, [outcome, *again], sum(outcome.seconds.values())))
    return lines


def news(lines: Iterable[Line], expected: Expectations) -> list[str]:
    """What is news of them, for people: what is not as expected, or where nothing is, does not fail as it did."""
    told = []
    for line in lines:
        before = {(line.route, line.name): Expected(STILL_FAILING, line.was), **expected}
        kind = judged(line, before).news
        if kind:
            what = line.status if line.status == FIXED else f"{kind}, {line.status}"
            told.append(f"{what}: {line.entry} (expected {before[line.route, line.name]}, now {line.now})")
    return told


def note_seen(lines: Iterable[Line], versions: Mapping[str, Mapping[str, str]]) -> None:
    """Note in the corpus which findings were seen in today's versions. Raises EntryError where that cannot be
    written."""
    name = f"{campaign_name(today(), None)} replay"
    for line in lines:
        if line.status == STILL_FAILING:
            count_sighting(Path(line.entry), today(), versions[line.route], name, before=0)
