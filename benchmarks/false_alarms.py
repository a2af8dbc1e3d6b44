"""Whose fault the findings of a campaign are, bucket by bucket; and what the studies' plain rule would have said.

Every bucket is examined by hand, and what came of it stands in `examined.toml` under the bucket's name: `what` it is,
whose `fault`, and `why` that is believed. The rule is the studies': an absolute difference over 1e-3, NaN differing
from nothing. A false alarm of the rule is a case that it calls wrong and the oracle calls right or uncertain; a miss is
a wrong output that it does not see.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.workers import Workers
from graphfuzz.corpus.entry import read_entry
from graphfuzz.corpus.sightings import today
from graphfuzz.generator import CONTROL
from graphfuzz.oracle.route import route_names
from graphfuzz.oracle.verdict import WRONG_OUTPUT, Outcome
from graphfuzz.spec import Registry, load_registry

CASES = 5000
PART = 250
"""So many cases are taken in at once; what is not at the end of a part is run again."""
SEED = 20261121
RULE = 1e-3
EXAMINED = Path(__file__).with_name("examined.toml")
FOUND = Path("build") / "false-alarms"
"""Where the entries of the last run are, a folder a route, and how far it is, a file a route; without the file a run
begins anew."""
TOLD = ("stage", "operator", "optimizer", "proof", "contradiction")
"""What of an attribution a row has."""
OURS = "ours"
"""The `fault` of a bucket that is a false alarm."""


class Tally(msgspec.Struct):
    """What the cases of a route have come to so far: counts by verdict, by bucket, and by what the rule said."""

    cases: int = 0
    verdicts: dict[str, int] = {}
    buckets: dict[str, int] = {}
    rule: dict[str, int] = {}
    flaky: int = 0
    harness_errors: list[str] = []


def run(quick: bool, routes: Sequence[str] = ()) -> dict[str, Any]:
    """For each route, or each of these, the buckets of a campaign of `CASES` unguided cases with what is known of
    them. The entries stay in `FOUND`, to be looked into; a run that was ended goes on from its last `PART`."""
    with tempfile.TemporaryDirectory() as scratch:
        found, cases, part = (Path(scratch), 12, 6) if quick else (FOUND, CASES, PART)
        measured = {name: measure(name, cases, part, found) for name in routes or route_names()}
    return {"cases": cases, "routes": measured}


def measure(route: str, cases: int, part: int, found: Path) -> dict[str, Any]:
    """One route's verdicts and buckets, and how the plain rule's word and the oracle's go together."""
    registry = load_registry()
    corpus, place = found / route, found / f"{route}.json"
    tally = msgspec.json.decode(place.read_bytes(), type=Tally) if place.exists() else Tally()
    if not tally.cases:
        shutil.rmtree(corpus, ignore_errors=True)
        corpus.mkdir(parents=True)
    with Progress(console=Console(stderr=True)) as progress, Workers(2, [route]) as workers:
        bar = progress.add_task(route, total=cases, completed=tally.cases)
        while tally.cases < cases:
            configuration = Configuration(
                (route,), SEED, first_case=tally.cases, cases=min(part, cases - tally.cases), lanes={CONTROL: 1.0}
            )
            tally = _after(tally, configuration, registry, corpus, workers, lambda: progress.advance(bar))
            new = place.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(tally))
            new.replace(place)
    examined = tomllib.loads(EXAMINED.read_text()) if EXAMINED.exists() else {}
    buckets = [_row(corpus / slug, count, examined.get(slug)) for slug, count in tally.buckets.items()]
    faults = Counter(row["fault"] for row in buckets)
    return {
        "date": today(),
        "verdicts": tally.verdicts,
        "harness_errors": tally.harness_errors,
        "flaky": tally.flaky,
        "buckets": sorted(buckets, key=lambda row: -row["findings"]),
        "faults": dict(faults),
        "false_alarms": faults[OURS],
        "rule": tally.rule,
    }


def _after(
    tally: Tally,
    configuration: Configuration,
    registry: Registry,
    corpus: Path,
    workers: Workers,
    on_case: Callable[[], None],
) -> Tally:
    """The tally with a further part of the campaign."""
    (route,) = configuration.routes
    said: Counter[str] = Counter(tally.rule)

    def heard(place: Place, outcome: Outcome) -> None:
        on_case()
        if outcome.apart is not None:
            alarm, wrong = outcome.apart > RULE, outcome.verdict == WRONG_OUTPUT
            by_both = "wrong by both" if wrong else "right by both"
            said[by_both if alarm == wrong else "false alarms" if alarm else "misses"] += 1

    journal = Journal.begun(Facts(configuration, today(), str(corpus)))
    found = Campaign(journal, check(configuration, registry), registry, workers, on_execution=heard).run()
    return Tally(
        tally.cases + found.cases,
        dict(Counter(tally.verdicts) + Counter(found.verdicts[route])),
        dict(Counter(tally.buckets) + Counter({slug: bucket.count for slug, bucket in found.buckets.items()})),
        dict(said),
        tally.flaky + len(found.flaky),
        tally.harness_errors + [error.summary for error in found.harness_errors],
    )


def _row(path: Path, findings: int, examined: dict[str, str] | None) -> dict[str, Any]:
    """A bucket, how it was attributed, and what examining it came to."""
    finding = read_entry(path).finding
    told = {name: getattr(finding.attribution, name, "") for name in TOLD}
    known = examined or {"what": "", "fault": "not examined", "why": ""}
    return {"bucket": path.name, "findings": findings, "summary": finding.summary(), **told, **known}


def render(result: dict[str, Any]) -> Group:
    """A table a route, and the rule's words."""
    parts: list[Any] = []
    for route, found in result["routes"].items():
        table = Table(
            title=f"{route}: {len(found['buckets'])} buckets of {result['cases']} cases", title_justify="left"
        )
        for column in ("findings", "fault", "stage", "operator", "proof", "bucket"):
            table.add_column(column, overflow="fold")
        for row in found["buckets"]:
            told = (str(row["findings"]), row["fault"], row["stage"], row["operator"], row["proof"], row["bucket"])
            table.add_row(*told)
        parts += [table, f"verdicts: {found['verdicts']}", f"the plain rule of {RULE:g}: {found['rule']}"]
        parts += [f"harness error: {summary}" for summary in found["harness_errors"]]
    return Group(*parts)
