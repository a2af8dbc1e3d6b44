"""Whose fault the findings of a campaign are, bucket by bucket; and what the studies' plain rule would have said.

The campaign is that of `benchmarks/endurance.py`. Every bucket is examined by hand, and what came of it stands in
`examined.toml` under the bucket's name: `what` it is, whose `fault`, and `why` that is believed. The rule is the
studies': an absolute difference over 1e-3, NaN differing from nothing. A false alarm of the rule is a case that it
calls wrong and the oracle calls right or uncertain; a miss is a wrong output that it does not see.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from benchmarks.endurance import PLACE, completed
from graphfuzz.campaign.journal import executions, look
from graphfuzz.corpus.entry import read_entry
from graphfuzz.oracle.verdict import WRONG_OUTPUT

RULE = 1e-3
EXAMINED = Path(__file__).with_name("examined.toml")
TOLD = ("stage", "operator", "optimizer", "proof", "contradiction")
"""What of an attribution a row has."""
OURS = "ours"
"""The `fault` of a bucket that is a false alarm."""


def run(quick: bool) -> dict[str, Any]:
    """For each route its verdicts and buckets, and how the plain rule's word and the oracle's go together."""
    with tempfile.TemporaryDirectory(prefix="graphfuzz-false-alarms-") as scratch:
        return told(completed(Path(scratch) if quick else PLACE, quick).folder)


def told(folder: Path) -> dict[str, Any]:
    """The same of the campaign in a folder."""
    facts, statistics, _ = look(folder)
    done, examined = executions(folder), tomllib.loads(EXAMINED.read_text())
    routes = {}
    for route in facts.configuration.routes:
        found = [bucket for bucket in statistics.found() if bucket.signature.route == route]
        buckets = [_row(Path(b.path), b.count, examined.get(b.signature.slug)) for b in found]
        faults = Counter(row["fault"] for row in buckets)
        errors = [error for error in statistics.harness_errors if error.route == route]
        routes[route] = {
            "verdicts": statistics.verdicts[route],
            "harness_errors": [f"case {error.case}: {error.summary}" for error in errors],
            "flaky": sum(flaky.route == route for flaky in statistics.flaky),
            "buckets": sorted(buckets, key=lambda row: -row["findings"]),
            "faults": dict(faults),
            "false_alarms": faults[OURS],
            "rule": dict(Counter(_both(one.apart, one.verdict) for one in done if one.route == route)),
        }
    return {"cases": statistics.cases, "routes": routes}


def _both(apart: float | None, verdict: str) -> str:
    """What the plain rule and the oracle say."""
    if apart is None:
        return "not compared"
    alarm, wrong = apart > RULE, verdict == WRONG_OUTPUT
    if alarm == wrong:
        return "wrong by both" if wrong else "right by both"
    return "false alarms" if alarm else "misses"


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
