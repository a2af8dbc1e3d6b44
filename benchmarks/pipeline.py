"""Cases a second by route, and where a case's time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from benchmarks.progress import track
from graphfuzz.campaign.workers import Limits, Task, Workers
from graphfuzz.generator import Recipe
from graphfuzz.oracle.route import load_route, route_names
from graphfuzz.oracle.verdict import STAGES

NODES = 10
WARM_UP = 3


def run(quick: bool) -> dict[str, Any]:
    """For each route, on one worker: cases a second, and the mean milliseconds of each stage."""
    cases = 10 if quick else 100
    return {"nodes": NODES, "cases": cases, "routes": {name: measure(name, cases) for name in route_names()}}


def measure(name: str, cases: int) -> dict[str, Any]:
    """One route's figures over `cases` cases of `NODES` nodes, after a warm-up."""
    framework = load_route(name).framework
    recipes = [Recipe(0, index, framework, NODES) for index in range(WARM_UP + cases)]
    with Workers(1, [name], limits=Limits(recycle_after=len(recipes) + 1)) as workers:
        _run(workers, name, recipes[:WARM_UP])
        started = time.perf_counter()
        outcomes = _run(workers, name, recipes[WARM_UP:])
        wall = time.perf_counter() - started
    targets = ("source", "conversion", "check", "load", "run")
    stages: dict[str, float] = defaultdict(float)
    verdicts: dict[str, int] = defaultdict(int)
    for outcome in outcomes:
        verdicts[outcome.verdict] += 1
        for stage, seconds in outcome.seconds.items():
            stages[stage] += 1000 * seconds / cases
    return {
        "cases_a_second": cases / wall,
        "ms_a_case": 1000 * wall / cases,
        "stage_ms": dict(stages),
        "making_share": (stages["generation"] + stages["materialization"]) / (1000 * wall / cases),
        "own_share": 1 - sum(stages[s] for s in targets) / (1000 * wall / cases),
        "verdicts": dict(verdicts),
    }


def _run(workers: Workers, route: str, recipes: Sequence[Recipe]) -> list[Any]:
    futures = [workers.submit(Task(route=route, case=None, recipe=recipe)) for recipe in recipes]
    return [future.result().outcome for future in track(futures, f"{route} ({len(recipes)} cases)")]


def render(result: dict[str, Any]) -> Table:
    """A column a route."""
    routes = result["routes"]
    table = Table(title=f"{result['cases']} cases of {result['nodes']} nodes, one worker", title_justify="left")
    table.add_column("")
    for name in routes:
        table.add_column(name, justify="right")
    table.add_row("cases a second", *(f"{r['cases_a_second']:.1f}" for r in routes.values()))
    table.add_row("ms a case", *(f"{r['ms_a_case']:.1f}" for r in routes.values()))
    for stage in STAGES:
        table.add_row(f"  {stage}", *(f"{r['stage_ms'].get(stage, 0):.1f}" for r in routes.values()), style="dim")
    table.add_row("generation and materialization", *(f"{r['making_share']:.1%}" for r in routes.values()))
    table.add_row("all that is not the targets'", *(f"{r['own_share']:.0%}" for r in routes.values()))
    return table
