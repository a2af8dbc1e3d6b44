"""Does every operator do what it declares? Random cases an operator and dtype, and random graphs of all operators."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pebble import ProcessExpired, ProcessPool
from rich.console import Group
from rich.progress import track
from rich.table import Table

from graphfuzz.conformance import Examination, examine
from graphfuzz.generator import Exhausted, Recipe, generate
from graphfuzz.materializer import build, source
from graphfuzz.materializer import run as run_model
from graphfuzz.spec import Registry, load_registry
from graphfuzz.spec.operator import FRAMEWORKS

WORKERS = 2
CASES = 50
"""Cases for each dtype binding of an operator in a framework."""
NEAR_MISSES = 12
"""Of an operator's cases in a framework, how many are disturbed by one in each size."""
BINDINGS = 16
"""The most dtype bindings of an operator in a framework; more than there are dtypes."""
GRAPHS = 10_000
NODES = 8
RECYCLE = 40
"""After how many operators or chunks of graphs a worker is replaced: Keras keeps much of every model."""
CHUNK = 50
"""How many graphs a worker makes before it reports."""


def run(quick: bool) -> dict[str, Any]:
    """The examination of every operator, and of graphs that use them all."""
    names = [(op.name, framework) for op in _registry().values() for framework in op.emissions]
    count, near, graphs = (2, 1, 200) if quick else (CASES, NEAR_MISSES, GRAPHS)
    starts = [(framework, start) for framework in FRAMEWORKS for start in range(0, graphs, CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPool(WORKERS, max_tasks=RECYCLE, initializer=_use_one_thread, context=context) as pool:
        jobs = [pool.submit(_examine, None, *which, count, near) for which in names]
        done = track(zip(names, jobs, strict=True), f"{len(names)} operators × frameworks", len(names))
        examined = [_examined(*which, job) for which, job in done]
        chunks = [pool.submit(_graph_problems, None, *start) for start in starts]
        going = track(zip(starts, chunks, strict=True), f"{graphs} graphs in each framework", len(starts))
        ran = [_ran(*start, chunk) for start, chunk in going]
    return {
        "cases_a_binding": count,
        "operators": len(_registry()),
        "frameworks": {framework: _totals(e for e in examined if e.framework == framework) for framework in FRAMEWORKS},
        "disagreements": [text for e in examined for text in e.failures],
        "graphs": {framework: _graph_totals(starts, ran, framework) for framework in FRAMEWORKS},
        "graph_problems": [text for _, problems in ran for text in problems],
    }


def _examined(name: str, framework: str, job: Any) -> Examination:
    """What a worker found; that it died is a failure of the operator."""
    try:
        found: Examination = job.result()
    except ProcessExpired as death:
        return Examination(name, framework, 0, 0, 0, (f"{name}: {framework} takes its process down ({death})",))
    return found


def _ran(framework: str, start: int, job: Any) -> tuple[Counter[str], list[str]]:
    try:
        found: tuple[Counter[str], list[str]] = job.result()
    except ProcessExpired as death:
        return Counter(), [f"{framework}, one of the graphs {start} to {start + CHUNK - 1}: {death}"]
    return found


@cache
def _registry() -> Registry:
    return load_registry()


def _use_one_thread() -> None:
    import tensorflow as tf
    import torch

    torch.set_num_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _examine(name: str, framework: str, count: int, near: int) -> Examination:
    import keras

    keras.backend.clear_session()
    return examine(_registry()[name], framework, _registry(), count, near, BINDINGS)


def _graph_problems(framework: str, start: int) -> tuple[Counter[str], list[str]]:
    """The operators used by `CHUNK` graphs, and what is wrong with them: what does not run, and other types than
    inferred."""
    import keras

    keras.backend.clear_session()
    used: Counter[str] = Counter()
    problems = []
    for index in range(start, start + CHUNK):
        recipe = Recipe(seed=0, index=index, framework=framework, nodes=NODES)
        try:
            case = generate(recipe, _registry())
            model = build(source(case.graph, _registry(), framework), framework, case.weights())
            made = [(str(a.dtype), a.shape) for a in run_model(model, framework, case.inputs())]
        except Exhausted:
            used["(no graph found)"] += 1
            continue
        except Exception as error:  # noqa: BLE001 - whatever a framework or spec raises is what is looked for
            problems.append(f"{recipe}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
            continue
        used.update(set(case.graph.operators()))
        values = case.graph.values()
        stated = [(values[name].dtype, values[name].shape) for name in case.graph.outputs]
        if made != stated:
            problems.append(f"{recipe}: made {made}, inferred {stated}")
    return used, problems


def _totals(examined: Iterable[Examination]) -> dict[str, int]:
    each = list(examined)
    return {
        "operators": len(each),
        "dtype_bindings": sum(e.bindings for e in each),
        "cases": sum(e.cases for e in each),
        "uses_disturbed": sum(e.near_misses for e in each),
        "disagreements": sum(len(e.failures) for e in each),
    }


def _graph_totals(starts: Sequence[tuple[str, int]], ran: Sequence[Any], framework: str) -> dict[str, int]:
    mine = [result for (of, _), result in zip(starts, ran, strict=True) if of == framework]
    used = sum((counts for counts, _ in mine), Counter[str]())
    missing = used.pop("(no graph found)", 0)
    return {
        "graphs": CHUNK * len(mine) - missing,
        "not_found": missing,
        "operators_used": len(used),
        "operators": sum(framework in op.emissions for op in _registry().values()),
        "problems": sum(len(problems) for _, problems in mine),
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
