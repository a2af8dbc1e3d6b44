"""Random graphs run in their source framework: what fails, what has other types than inferred, what is not finite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pebble import ProcessExpired

from benchmarks.pool import registry
from benchmarks.progress import track
from graphfuzz.corpus.finding import relative_paths
from graphfuzz.generator import Exhausted, Recipe, generate
from graphfuzz.materializer import build, run, source
from graphfuzz.spec.operator import FRAMEWORKS

CHUNK = 50
"""How many graphs a worker makes before it reports."""
NOT_FOUND = "(no graph found)"


def measure(pool: Any, count: int, nodes: int) -> dict[str, Any]:
    """`count` graphs of `nodes` nodes in each framework, by the pool's workers: totals by framework, and problems."""
    starts = [(framework, start) for framework in FRAMEWORKS for start in range(0, count, CHUNK)]
    chunks = [pool.submit(_chunk, None, *start, nodes) for start in starts]
    going = track(zip(starts, chunks, strict=True), f"{count} graphs in each framework", len(starts))
    ran = [_ran(*start, chunk) for start, chunk in going]
    return {
        "graphs": {framework: _totals(starts, ran, framework) for framework in FRAMEWORKS},
        "graph_problems": [text for _, problems in ran for text in problems],
    }


def _ran(framework: str, start: int, job: Any) -> tuple[Counter[str], list[str]]:
    """What a worker found; that it died is a problem."""
    try:
        found: tuple[Counter[str], list[str]] = job.result()
    except ProcessExpired as death:
        return Counter(), [f"{framework}, one of the graphs {start} to {start + CHUNK - 1}: {death}"]
    return found


def _chunk(framework: str, start: int, nodes: int) -> tuple[Counter[str], list[str]]:
    """In how many graphs of a chunk each operator was, and the problems."""
    import keras

    keras.backend.clear_session()
    used: Counter[str] = Counter()
    problems = []
    for index in range(start, start + CHUNK):
        recipe = Recipe(seed=0, index=index, framework=framework, nodes=nodes)
        try:
            operators, problem = _problem(recipe)
        except Exhausted:
            used[NOT_FOUND] += 1
            continue
        used.update(operators)
        if problem:
            problems.append(f"{recipe}: {problem}")
    return used, problems


def _problem(recipe: Recipe) -> tuple[set[str], str | None]:
    """The operators of one graph, and what is wrong with it. Raises Exhausted."""
    try:
        case = generate(recipe, registry())
        model = build(source(case.graph, registry(), recipe.framework), recipe.framework, case.weights())
        made = run(model, recipe.framework, case.inputs())
    except Exhausted:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a framework or spec raises is what is looked for
        return set(), f"{type(error).__name__}: {' '.join(relative_paths(str(error)).split())[:300]}"
    values = case.graph.values()
    types = [(str(array.dtype), array.shape) for array in made]
    stated = [(values[name].dtype, values[name].shape) for name in case.graph.outputs]
    if types != stated:
        return set(case.graph.operators()), f"made {types}, inferred {stated}"
    strange = [n for n, array in zip(case.graph.outputs, made, strict=True) if not _is_finite(array)]
    return set(case.graph.operators()), f"not finite: {', '.join(strange)}" if strange else None


def _is_finite(array: Any) -> bool:
    wide = array.astype("float32") if array.dtype.kind == "V" else array
    return bool(np.all(np.isfinite(wide)))


def _totals(starts: Sequence[tuple[str, int]], ran: Sequence[Any], framework: str) -> dict[str, int]:
    mine = [result for (of, _), result in zip(starts, ran, strict=True) if of == framework]
    used = sum((counts for counts, _ in mine), Counter[str]())
    missing = used.pop(NOT_FOUND, 0)
    return {
        "graphs": CHUNK * len(mine) - missing,
        "not_found": missing,
        "operators_used": len(used),
        "operators": len(registry().of(framework)),
        "problems": sum(len(problems) for _, problems in mine),
    }
