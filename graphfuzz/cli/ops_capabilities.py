"""What routes take as data and as text: a table a route, a row an operator and dtype, a column a rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphfuzz.campaign.capabilities import (
    FINDING,
    NOT_PROBED,
    PARTLY,
    REFUSED,
    STANDINGS,
    TAKEN,
    Capability,
    capabilities,
)
from graphfuzz.campaign.probes import Probes
from graphfuzz.campaign.probing import Plan
from graphfuzz.oracle.verdict import HARNESS_ERROR

UNKNOWN = "-"
"""Stands for what was not probed, in a table."""
_STYLES = {TAKEN: "green", PARTLY: "yellow", REFUSED: "dim", FINDING: "red", HARNESS_ERROR: "bold white on red"}


def capabilities_by_route(plan: Plan, known: Mapping[str, Probes]) -> dict[str, list[Capability]]:
    """For each route, the capabilities of those of the plan's operators that its framework has."""
    return {
        name: [
            capability
            for op in plan.operators.values()
            if route.framework in op.emissions
            for capability in capabilities(op, route.framework, known[name].get(op.name, ()))
        ]
        for name, route in plan.routes.items()
    }


def capability_data(found: Mapping[str, Sequence[Capability]]) -> list[dict[str, Any]]:
    """The capabilities as JSON data."""
    return [{"route": route, **msgspec.to_builtins(one)} for route, several in found.items() for one in several]


def print_capabilities(console: Console, found: Mapping[str, Sequence[Capability]]) -> None:
    """A table for each route of which something is known, and what the standings come to."""
    for route, several in found.items():
        counts = Counter(one.standing for one in several)
        console.print(Text(route, style="bold"))
        if counts[NOT_PROBED] < len(several):
            console.print(_table(several))
        told = [f"{counts[standing]} {standing}" for standing in STANDINGS if counts[standing]]
        console.print(Text(", ".join(told) or "no operator of these is the route's"), style="dim", soft_wrap=True)
    if any(one.standing == NOT_PROBED for several in found.values() for one in several):
        console.print(f"the same command with --probe tries what is not probed ({UNKNOWN})", style="dim")


def _table(several: Sequence[Capability]) -> Table:
    ranks = sorted({one.rank for one in several})
    table = Table("operator", "dtype", *(f"rank {rank}" for rank in ranks), box=None, pad_edge=False)
    for (operator, dtype), uses in groupby(several, key=lambda one: (one.operator, one.dtype)):
        by_rank = {one.rank: one.standing for one in uses}
        table.add_row(Text(operator), Text(dtype), *(_cell(by_rank.get(rank, "")) for rank in ranks))
    return table


def _cell(standing: str) -> Text:
    return Text(UNKNOWN if standing == NOT_PROBED else standing, style=_STYLES.get(standing, ""))
