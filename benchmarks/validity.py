"""Do random graphs of the whole library run in their source framework, without NaN and infinity?"""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table

from benchmarks import graphs
from benchmarks.pool import pool
from graphfuzz.spec.operator import FRAMEWORKS

GRAPHS = 10_000
NODES = 10


def run(quick: bool) -> dict[str, Any]:
    """Graphs of `NODES` nodes in each framework, and the share of them that run as inferred and make finite numbers."""
    with pool() as workers:
        found = graphs.measure(workers, 100 if quick else GRAPHS, NODES)
    for total in found["graphs"].values():
        total["valid_share"] = 1 - total["problems"] / total["graphs"]
    return {"nodes": NODES, **found}


def render(result: dict[str, Any]) -> Group:
    """The totals, and every problem in full."""
    table = Table(title=f"graphs of {result['nodes']} nodes", title_justify="left")
    table.add_column("")
    for framework in FRAMEWORKS:
        table.add_column(framework, justify="right")
    for row in result["graphs"][FRAMEWORKS[0]]:
        form = ".4%" if row == "valid_share" else ",d"
        table.add_row(row.replace("_", " "), *(format(result["graphs"][f][row], form) for f in FRAMEWORKS))
    return Group(table, *result["graph_problems"])
