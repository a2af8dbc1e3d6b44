"""What each lane costs and brings: milliseconds a case, and what its cases exercise that a common past has not."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table

from benchmarks.progress import track
from graphfuzz.campaign.coverage import Coverage
from graphfuzz.campaign.lanes import OVERHEAD, worth
from graphfuzz.generator import CONTROL, LANES, Recipe, generate, generate_graph
from graphfuzz.graph import features
from graphfuzz.spec import Registry, load_registry
from graphfuzz.spec.operator import FRAMEWORKS

SEED = 1
CASES = 200
NODES = 10
PAST = 1000
"""How many random graphs have been seen before: what comes first is new in every lane."""
FIGURES = ("milliseconds", "nodes", "uses", "pairs", "sequences", "yield")


def run(quick: bool) -> dict[str, Any]:
    """For each framework and lane: the figures of `FIGURES`, a case."""
    cases, past = (20, 100) if quick else (CASES, PAST)
    registry = load_registry()
    found: dict[str, Any] = {}
    for framework in FRAMEWORKS:
        seen = Coverage()
        for index in track(range(past), f"{framework}: a past of {past} graphs"):
            seen.add(features(generate_graph(Recipe(SEED + 1, index, framework, NODES), registry)), False)
        found[framework] = {lane: _lane(lane, framework, cases, seen, registry) for lane in track(LANES, "lanes")}
    return {"cases": cases, "past": past, "nodes": NODES, "frameworks": found}


def _lane(lane: str, framework: str, cases: int, past: Coverage, registry: Registry) -> dict[str, float]:
    seen, guide = copy.deepcopy(past), None if lane == CONTROL else past.guide()
    total: dict[str, float] = defaultdict(float)
    for index in range(cases):
        recipe = Recipe(SEED, index, framework, NODES, lane=lane, turn=index)
        started = time.process_time()
        case = generate(recipe, registry, guide=guide)
        total["milliseconds"] += 1000 * (time.process_time() - started)
        found = features(case.graph)
        news = seen.add(found, False)
        told = {"nodes": found.nodes, "yield": worth(news, False) / (OVERHEAD + found.nodes)}
        for figure, amount in {**told, **msgspec.structs.asdict(news)}.items():
            total[figure] += amount
    return {figure: total[figure] / cases for figure in FIGURES}


def render(result: dict[str, Any]) -> Group:
    """A table a framework."""
    tables = []
    for framework, lanes in result["frameworks"].items():
        title = f"{framework}: {result['cases']} cases a lane after {result['past']} random graphs, a case"
        table = Table(title=title, title_justify="left")
        table.add_column("lane")
        for figure in FIGURES:
            table.add_column(figure, justify="right")
        for lane, row in lanes.items():
            table.add_row(lane, *(f"{row[figure]:.2f}" for figure in FIGURES))
        tables.append(table)
    return Group(*tables)
