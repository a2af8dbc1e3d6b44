"""How small the minimizer makes planted defects of known minimal form, and what that takes.

Each defect is planted in random graphs of several sizes: the case fails wherever a chain of uses fulfills its
condition, and nothing is converted. Beside them, findings of the routes in random graphs: what minimizing them takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import count
from statistics import median
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from benchmarks.forms import FORMS, Form
from benchmarks.progress import track
from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.findings import MINIMIZER_BUDGET
from graphfuzz.campaign.workers import Task, Workers
from graphfuzz.generator import Exhausted, Recipe
from graphfuzz.generator.growth import Growth
from graphfuzz.generator.job import Job
from graphfuzz.graph import Case
from graphfuzz.minimizer import minimize
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.oracle.verdict import CONVERSION_CRASH, OK, Outcome
from graphfuzz.spec import Registry, load_registry

NODES = (10, 30, 100)
ATTEMPTS = 4000
"""How many graphs are grown until one shows a defect."""
ROUTE = "torch-script-ort"
FOUND_NODES, FOUND = 10, 12
"""How many findings of a route in graphs of so many nodes are minimized."""


def run(quick: bool) -> dict[str, Any]:
    """A row for each defect and number of nodes; and what they come to, by number of nodes."""
    registry = load_registry()
    forms, sizes = (FORMS[::8], NODES[:1]) if quick else (FORMS, NODES)
    rows = [
        row(form, nodes, number, registry)
        for number, form in enumerate(track(forms, "planted defects"))
        for nodes in sizes
    ]
    routes, findings = (default_routes()[:1], 1) if quick else (default_routes(), FOUND)
    return {
        "rows": rows,
        "by_nodes": {nodes: _summary([r for r in rows if r["nodes"] == nodes]) for nodes in sizes},
        "routes": {name: real(name, findings, registry) for name in routes},
    }


def row(form: Form, nodes: int, number: int, registry: Registry) -> dict[str, Any]:
    """What one defect in a random graph came to."""
    case = planted(form, nodes, number, registry)
    shown = Outcome(ROUTE, CONVERSION_CRASH, "conversion", error="Planted", message=form.what)

    def check(cases: Sequence[Case]) -> list[Outcome]:
        return [shown if form.shows(each, registry) else Outcome(ROUTE, OK, "compare") for each in cases]

    started = time.perf_counter()
    reduction = minimize(case, shown, check, registry)
    left = reduction.case
    return {
        "what": f"{' '.join(form.operators)}: {form.what}",
        "nodes": nodes,
        "left": len(left.graph.nodes),
        "known": len(form.operators),
        "elements": sum(int(array.size) for array in left.tensors.values()),
        "known_elements": form.elements,
        "plain": all(len(np.unique(array)) <= 1 for array in left.tensors.values()),
        "kept": form.shows(left, registry),
        "runs": reduction.runs,
        "seconds": time.perf_counter() - started,
    }


def real(route: str, findings: int, registry: Registry) -> dict[str, float]:
    """What minimizing and attributing the first findings of a route takes, on two workers: medians, and the most."""
    reductions, seconds, attributing = [], [], []
    framework = load_route(route).framework
    recipes = (Recipe(7, index, framework, FOUND_NODES) for index in count())
    with Workers(2, [route]) as workers:

        def check(cases: Sequence[Case]) -> list[Outcome]:
            futures = [workers.submit(Task(route, case, None)) for case in cases]
            return [future.result().outcome for future in futures]

        for _ in track(range(findings), f"findings of {route}"):
            found = (workers.submit(Task(route, None, recipe)).result() for recipe in recipes)
            case, outcome = next((r.case, r.outcome) for r in found if r.outcome.is_finding and r.case is not None)
            started = time.perf_counter()
            reductions.append(minimize(case, outcome, check, registry, MINIMIZER_BUDGET))
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
            attributed(lambda task: workers.submit(task).result(), reductions[-1].case, reductions[-1].outcome)
            attributing.append(time.perf_counter() - started)
    return {
        "findings": findings,
        "median_left": median(len(reduction.case.graph.nodes) for reduction in reductions),
        "median_runs": median(reduction.runs for reduction in reductions),
        "median_seconds": median(seconds),
        "most_seconds": max(seconds),
        "median_seconds_of_attribution": median(attributing),
        "most_seconds_of_attribution": max(attributing),
    }


def planted(form: Form, nodes: int, number: int, registry: Registry) -> Case:
    """A random graph of so many nodes that shows a defect. Raises Exhausted."""
    for index in range(ATTEMPTS):
        framework = "torch" if all("torch" in registry[op].emissions for op in form.operators) else "keras"
        job = Job(Recipe(1000 * nodes + number, index, framework, nodes), registry)
        growth = job.growth()
        try:
            job.extend(growth, random.Random(index).randint(0, nodes - len(form.operators)))
            if not _inserted(growth, form, registry) or not _shown(job, growth, form, registry):
                continue
            job.extend(growth, nodes)
        except Exhausted:
            continue
        case = job.finish(growth)
        if len(case.graph.nodes) == nodes and form.shows(case, registry):
            return case
    raise Exhausted(f"no graph of {nodes} nodes with {form.operators} ({form.what}) in {ATTEMPTS} attempts")


def _inserted(growth: Growth, form: Form, registry: Registry) -> bool:
    """Whether the operators were inserted in a row."""
    anchor = None
    for name in form.operators:
        op = registry[name]
        if anchor is not None and op not in registry.taking(anchor.dtype, len(anchor.shape), growth.framework):
            return False
        if not any(growth.insert(op, anchor=anchor) for _ in range(8)):
            return False
        anchor = growth.draft.nodes[-1].outputs[0]
    return True


def _shown(job: Job, growth: Growth, form: Form, registry: Registry) -> bool:
    case = job.finish(growth, [value.name for node in growth.draft.nodes for value in node.outputs])
    return form.shows(case, registry)


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "median_left": median(row["left"] for row in rows),
        "within_known": sum(row["left"] <= row["known"] for row in rows) / len(rows),
        "most_beyond": max(row["left"] - row["known"] for row in rows),
        "sizes_as_known": sum(row["elements"] <= row["known_elements"] for row in rows) / len(rows),
        "plain_values": sum(row["plain"] for row in rows) / len(rows),
        "kept": sum(row["kept"] for row in rows) / len(rows),
        "median_runs": median(row["runs"] for row in rows),
        "median_seconds": median(row["seconds"] for row in rows),
    }


def render(result: dict[str, Any]) -> Group:
    """The summaries, then the rows that are larger than they need be."""
    table = Table(title="Planted defects of known minimal form", title_justify="left")
    table.add_column("")
    for nodes in result["by_nodes"]:
        table.add_column(f"{nodes} nodes", justify="right")
    for name in next(iter(result["by_nodes"].values())):
        table.add_row(name.replace("_", " "), *(f"{s[name]:.3g}" for s in result["by_nodes"].values()))
    beyond = [row for row in result["rows"] if (row["left"], row["elements"]) > (row["known"], row["known_elements"])]
    told = [
        f"{row['what']} in {row['nodes']}: {row['left']} nodes, {row['elements']} elements of {row['known_elements']}"
        for row in beyond
    ]
    found = Table(title=f"Findings in graphs of {FOUND_NODES} nodes", title_justify="left")
    found.add_column("")
    for name in result["routes"]:
        found.add_column(name, justify="right")
    for name in next(iter(result["routes"].values())):
        found.add_row(name.replace("_", " "), *(f"{of[name]:.3g}" for of in result["routes"].values()))
    return Group(table, "\n".join(told) or "none is larger than it need be", found)
