"""Does every operator do what it declares? Random cases an operator and dtype, and random graphs of all operators."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pebble import ProcessExpired
from rich.console import Group
from rich.table import Table

from benchmarks import graphs
from benchmarks.pool import pool, registry
from benchmarks.progress import track
from graphfuzz.conformance import Examination, examine
from graphfuzz.spec.operator import FRAMEWORKS

CASES = 50
"""Cases for each dtype binding of an operator in a framework."""
NEAR_MISSES = 12
"""Of an operator's cases in a framework, how many are disturbed by one in each size."""
BINDINGS = 16
"""The most dtype bindings of an operator in a framework; more than there are dtypes."""
GRAPHS = 10_000
NODES = 8


def run(quick: bool) -> dict[str, Any]:
    """The examination of every operator, and of graphs that use them all."""
    names = [(op.name, framework) for op in registry().values() for framework in op.emissions]
    count, near, count_of_graphs = (2, 1, 200) if quick else (CASES, NEAR_MISSES, GRAPHS)
    with pool() as workers:
        jobs = [workers.submit(_examine, None, *which, count, near) for which in names]
        done = track(zip(names, jobs, strict=True), f"{len(names)} operators × frameworks", len(names))
        examined = [_examined(*which, job) for which, job in done]
        ran = graphs.measure(workers, count_of_graphs, NODES)
    return {
        "cases_a_binding": count,
        "operators": len(registry()),
        "frameworks": {framework: _totals(e for e in examined if e.framework == framework) for framework in FRAMEWORKS},
        "disagreements": [text for e in examined for text in e.failures],
        **ran,
    }


def _examined(name: str, framework: str, job: Any) -> Examination:
    """What a worker found; that it died is a failure of the operator."""
    try:
        found: Examination = job.result()
    except ProcessExpired as death:
        return Examination(name, framework, 0, 0, 0, 0, (f"{name}: {framework} takes its process down ({death})",))
    return found


def _examine(name: str, framework: str, count: int, near: int) -> Examination:
    import keras

    keras.backend.clear_session()
    return examine(registry()[name], framework, registry(), count, near, BINDINGS)


def _totals(examined: Iterable[Examination]) -> dict[str, int]:
    each = list(examined)
    return {
        "operators": len(each),
        "dtype_bindings": sum(e.bindings for e in each),
        "cases": sum(e.cases for e in each),
        "cases_with_nan_or_infinities": sum(e.special for e in each),
        "uses_disturbed": sum(e.near_misses for e in each),
        "disagreements": sum(len(e.failures) for e in each),
    }


def render(result: dict[str, Any]) -> Group:
    """The totals, and every disagreement in full."""
    title = f"{result['operators']} operators, {result['cases_a_binding']} cases for each dtype binding"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for framework in FRAMEWORKS:
        table.add_column(framework, justify="right")
    for part in ("frameworks", "graphs"):
        for row in result[part][FRAMEWORKS[0]]:
            label = row.replace("_", " ") if part == "frameworks" else f"graphs: {row.replace('_', ' ')}"
            table.add_row(label, *(f"{result[part][framework][row]:,}" for framework in FRAMEWORKS))
    return Group(table, *result["disagreements"], *result["graph_problems"])
