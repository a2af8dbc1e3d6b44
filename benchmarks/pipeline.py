"""Cases a second by route, and where a case's time goes, once the route's refusals have been learned."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from benchmarks.progress import track
from graphfuzz.campaign.refusals import Refusals
from graphfuzz.campaign.workers import Limits, Result, Task, Workers
from graphfuzz.generator import Recipe, Support
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.oracle.verdict import OK, STAGES, Outcome

NODES = 10
BATCH = 50
"""How many cases know what those before them have shown of the route."""


def run(quick: bool) -> dict[str, Any]:
    """For each route, on one worker: cases a second, and the mean milliseconds of each stage."""
    learning, cases = (2, 4) if quick else (300, 100)
    routes = {name: measure(name, learning, cases) for name in default_routes()}
    return {"nodes": NODES, "learning": learning, "cases": cases, "routes": routes}


def measure(name: str, learning: int, cases: int) -> dict[str, Any]:
    """One route's figures over `cases` cases of `NODES` nodes; `learning` cases before tell what it refuses.

    The time in which uses are tried alone is told apart, and counts nowhere else.
    """
    framework = load_route(name).framework
    recipes = [Recipe(0, index, framework, NODES, lane="guided") for index in range(learning + cases)]
    refusals = Refusals()
    with Workers(1, [name], limits=Limits(recycle_after=len(recipes) + 1)) as workers:
        for start in range(0, learning, BATCH):
            for result in _run(
                workers, name, recipes[start : min(start + BATCH, learning)], refusals.support(str(start))
            ):
                if result.features is not None:
                    refusals.add(result.outcome, result.features, result.trials)
        known = refusals.support("known")
        started = time.perf_counter()
        results = _run(workers, name, recipes[learning:], known)
        trying = sum(result.trials.seconds for result in results)
        wall = time.perf_counter() - started - trying
        outcomes = [result.outcome for result in results]
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
        "trying_ms": 1000 * trying / cases,
        "making_share": (stages["generation"] + stages["materialization"]) / (1000 * wall / cases),
        "comparing_share": _comparing_share(outcomes),
        "own_share": 1 - sum(stages[s] for s in targets) / (1000 * wall / cases),
        "refused_uses": len(known.refused - known.taken),
        "verdicts": dict(verdicts),
    }


def _comparing_share(outcomes: Sequence[Outcome]) -> float | None:
    """The share of comparing, stability checks included, in the time of the cases that pass; None where none does."""
    passing = [outcome.seconds for outcome in outcomes if outcome.verdict == OK]
    total = sum(sum(seconds.values()) for seconds in passing)
    return sum(seconds["compare"] for seconds in passing) / total if passing else None


def _run(workers: Workers, route: str, recipes: Sequence[Recipe], known: Support) -> list[Result]:
    futures = [workers.submit(Task(route=route, case=None, recipe=recipe, support=known)) for recipe in recipes]
    return [future.result() for future in track(futures, f"{route} ({len(recipes)} cases)")]


def render(result: dict[str, Any]) -> Table:
    """A column a route."""
    routes = result["routes"]
    title = f"{result['cases']} cases of {result['nodes']} nodes after {result['learning']}, one worker"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in routes:
        table.add_column(name, justify="right")
    table.add_row("cases a second", *(f"{r['cases_a_second']:.1f}" for r in routes.values()))
    table.add_row("ms a case", *(f"{r['ms_a_case']:.1f}" for r in routes.values()))
    for stage in STAGES:
        table.add_row(f"  {stage}", *(f"{r['stage_ms'].get(stage, 0):.1f}" for r in routes.values()), style="dim")
    table.add_row("uses tried alone, ms a case", *(f"{r['trying_ms']:.1f}" for r in routes.values()), style="dim")
    table.add_row("generation and materialization", *(f"{r['making_share']:.1%}" for r in routes.values()))
    shares = (r["comparing_share"] for r in routes.values())
    table.add_row("comparing, of the cases that pass", *("-" if s is None else f"{s:.1%}" for s in shares))
    table.add_row("all that is not the targets'", *(f"{r['own_share']:.0%}" for r in routes.values()))
    return table
