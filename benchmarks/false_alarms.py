"""Whose fault the findings of a campaign are, bucket by bucket; and what the studies' plain rule would have said.

Every bucket is examined by hand, and what came of it stands in `examined.toml` under the bucket's name: `what` it is,
whose `fault`, and `why` that is believed. The rule is the studies': an absolute difference over 1e-3, NaN differing
from nothing. A false alarm of the rule is a case that it calls wrong and the oracle calls right or uncertain; a miss is
a wrong output that it does not see.
"""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.workers import Workers
from graphfuzz.corpus.entry import read_entry
from graphfuzz.generator import CONTROL
from graphfuzz.oracle.route import route_names
from graphfuzz.oracle.verdict import WRONG_OUTPUT, Outcome
from graphfuzz.spec import load_registry

CASES = 5000
SEED = 20261121
RULE = 1e-3
EXAMINED = Path(__file__).with_name("examined.toml")
FOUND = Path("build") / "false-alarms"
"""Where the entries of the last run are, a folder a route."""
TOLD = ("stage", "operator", "optimizer", "proof", "contradiction")
"""What of an attribution a row has."""
OURS = "ours"
"""The `fault` of a bucket that is a false alarm."""


def run(quick: bool, routes: Sequence[str] = ()) -> dict[str, Any]:
    """For each route, or each of these, the buckets of a campaign of `CASES` unguided cases with what is known of
    them. The entries stay in `FOUND`, to be looked into."""
    examined = tomllib.loads(EXAMINED.read_text()) if EXAMINED.exists() else {}
    cases = 12 if quick else CASES
    return {"cases": cases, "routes": {name: measure(name, cases, examined) for name in routes or route_names()}}


def measure(route: str, cases: int, examined: dict[str, Any]) -> dict[str, Any]:
    """One route's verdicts and buckets, and how the plain rule's word and the oracle's go together."""
    registry = load_registry()
    configuration = Configuration((route,), SEED, cases=cases, lanes={CONTROL: 1.0})
    frameworks = check(configuration, registry)
    said: Counter[str] = Counter()

    def heard(place: Place, outcome: Outcome) -> None:
        if outcome.apart is not None:
            alarm, wrong = outcome.apart > RULE, outcome.verdict == WRONG_OUTPUT
            by_both = "wrong by both" if wrong else "right by both"
            said[by_both if alarm == wrong else "false alarms" if alarm else "misses"] += 1

    corpus = FOUND / route
    shutil.rmtree(corpus, ignore_errors=True)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(route, total=cases)
        with Workers(2, [route]) as workers:
            campaign = Campaign(
                configuration,
                frameworks,
                registry,
                corpus,
                workers,
                on_progress=lambda: progress.update(bar, completed=campaign.statistics.cases),
                on_execution=heard,
            )
            statistics = campaign.run()
        buckets = [_row(slug, bucket, examined.get(slug)) for slug, bucket in statistics.buckets.items()]
    faults = Counter(row["fault"] for row in buckets)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "verdicts": dict(statistics.verdicts[route]),
        "harness_errors": [error.summary for error in statistics.harness_errors],
        "flaky": len(statistics.flaky),
        "buckets": sorted(buckets, key=lambda row: -row["findings"]),
        "faults": dict(faults),
        "false_alarms": faults[OURS],
        "rule": dict(said),
    }


def _row(slug: str, bucket: Any, examined: dict[str, str] | None) -> dict[str, Any]:
    """A bucket, how it was attributed, and what examining it came to."""
    attribution = read_entry(Path(bucket.path)).finding.attribution
    told = {name: getattr(attribution, name, "") for name in TOLD}
    known = examined or {"what": "", "fault": "not examined", "why": ""}
    return {"bucket": slug, "findings": bucket.count, "summary": bucket.summary, **told, **known}


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
