"""A campaign's figures as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from rich.table import Table
from rich.text import Text

from graphfuzz.generator import Fits
from graphfuzz.oracle.verdict import FINDINGS, STAGES, VERDICTS
from graphfuzz.solver import Profile

SUMMARY = 180
"""How much of a finding's summary a table shows, in characters."""

_STYLES = {"ok": "green", "harness-error": "bold white on red", "unstable": "yellow", "unsupported": "dim"}


def verdict_style(verdict: str) -> str:
    """The color in which a verdict is shown."""
    return _STYLES.get(verdict, "red")


def outcome_table(
    verdicts: Mapping[str, Mapping[str, int]],
    seconds: Mapping[str, Mapping[str, float]],
    refused: Mapping[str, int] = MappingProxyType({}),
) -> Table:
    """Verdicts by route: a column a route, a row a verdict that occurred (ok and harness-error always).

    refused: how many uses of operators each refuses, as far as that is known.
    """
    table = Table(title="verdicts by route", title_justify="left")
    routes = sorted(verdicts)
    table.add_column("verdict")
    for route in routes:
        table.add_column(route, justify="right")
    for verdict in VERDICTS:
        counts = [verdicts[route].get(verdict, 0) for route in routes]
        if any(counts) or verdict in ("ok", "harness-error"):
            style = verdict_style(verdict) if any(counts) else "dim"
            table.add_row(verdict, *(str(c) if c else "·" for c in counts), style=style)
    table.add_section()
    table.add_row("cases", *(str(sum(verdicts[route].values())) for route in routes))
    findings = [sum(verdicts[route].get(v, 0) for v in FINDINGS) for route in routes]
    table.add_row("findings", *map(str, findings))
    if any(refused.values()):
        table.add_row("refused uses, now avoided", *(str(refused.get(route, 0)) for route in routes), style="dim")
    for stage in STAGES:
        spent = [seconds[route].get(stage, 0.0) for route in routes] if seconds else []
        if any(spent):
            table.add_row(f"{stage}, ms a case", *map(_milliseconds, spent, [verdicts[r] for r in routes]), style="dim")
    return table


def _milliseconds(spent: float, counts: Mapping[str, int]) -> str:
    return f"{1000 * spent / max(1, sum(counts.values())):.1f}"


def fits_table(fits: Fits) -> Table:
    """How the uses of operators that fitted by their types came by ordinary values."""
    table = Table(title="how values were found", title_justify="left")
    for column in ("uses", "share"):
        table.add_column(column, justify="right")
    table.add_column("ordinary")
    for name, count in msgspec.structs.asdict(fits).items():
        table.add_row(str(count), f"{count / max(1, fits.total()):.1%}", name.replace("_", " "))
    return table


def solver_table(profile: Profile, cases: int) -> Table | str:
    """z3's calls by what it was asked for, the dearest first."""
    if not profile.calls:
        return f"z3 was not asked in {cases} cases"
    total = sum(profile.seconds.values())
    table = Table(title=f"z3: {1000 * total / max(1, cases):.2f} ms a case, {cases} cases", title_justify="left")
    for column in ("calls", "gave up", "ms", "ms a call"):
        table.add_column(column, justify="right")
    table.add_column("asked to")
    for reason in sorted(profile.calls, key=lambda r: -profile.seconds[r]):
        calls, spent = profile.calls[reason], 1000 * profile.seconds[reason]
        table.add_row(str(calls), str(profile.gave_up.get(reason, 0)), f"{spent:.1f}", f"{spent / calls:.1f}", reason)
    return table


def lane_table(rows: Sequence[tuple[str, float, int, int, int, float]]) -> Table:
    """Lanes: (name, share, cases, new coverage, new buckets, worker seconds) a row."""
    table = Table(title="lanes", title_justify="left")
    table.add_column("lane")
    for column in ("share", "cases", "new coverage", "new buckets", "new a second"):
        table.add_column(column, justify="right")
    for name, share, cases, new, buckets, seconds in rows:
        pace = f"{new / seconds:.1f}" if seconds else "·"
        table.add_row(name, f"{share:.0%}", str(cases), str(new), str(buckets), pace)
    return table


def bucket_table(rows: Sequence[tuple[str, int, int, str, str]], title: str) -> Table:
    """Buckets: (slug, findings, nodes, state, summary) a row."""
    table = Table(title=title, title_justify="left")
    table.add_column("findings", justify="right")
    table.add_column("nodes", justify="right")
    table.add_column("state")
    table.add_column("bucket", overflow="fold")
    for slug, count, nodes, state, summary in rows:
        table.add_row(str(count), str(nodes), state, Text.assemble((slug, "bold"), "\n", (summary[:SUMMARY], "dim")))
    return table
