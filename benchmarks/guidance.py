"""New pairs and sequences over time, guided against unguided: how many cases it takes to see as many."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from benchmarks.progress import track
from graphfuzz.campaign.coverage import Coverage
from graphfuzz.campaign.epochs import EPOCH
from graphfuzz.generator import Recipe, generate_graph
from graphfuzz.graph import Features, features
from graphfuzz.spec import Registry, load_registry
from graphfuzz.spec.operator import FRAMEWORKS

SEEDS = 10
CASES = 3000
NODES = 10
KINDS = ("uses", "pairs", "sequences", "pairs and sequences")

Curve = list[dict[str, int]]
"""What has been seen after each epoch, by kind."""


def run(quick: bool) -> dict[str, Any]:
    """For each framework and campaign seed, the share of the cases in which the guided campaign sees as much."""
    seeds, cases = (2, 2 * EPOCH) if quick else (SEEDS, CASES)
    registry = load_registry()
    work = [(framework, seed) for framework in FRAMEWORKS for seed in range(seeds)]
    curves = {(f, s): _both(f, s, cases, registry) for f, s in track(work, f"campaigns of {cases} cases")}
    return {
        "cases": cases,
        "nodes": NODES,
        "seeds": seeds,
        "frameworks": {f: _summary([curves[f, seed] for seed in range(seeds)]) for f in FRAMEWORKS},
    }


def _both(framework: str, seed: int, cases: int, registry: Registry) -> tuple[Curve, Curve]:
    return _curve(framework, seed, cases, registry, False), _curve(framework, seed, cases, registry, True)


def _curve(framework: str, seed: int, cases: int, registry: Registry, guided: bool) -> Curve:
    """As a campaign does it: the guide knows what the epochs before the last one have seen."""
    seen, known = Coverage(), Coverage()
    last: list[Features] = []
    curve: Curve = []
    for start in range(0, cases, EPOCH):
        for old in last:
            known.add(old, False)
        guide = known.guide() if guided else None
        made = [
            features(generate_graph(Recipe(seed, index, framework, NODES), registry, None, guide))
            for index in range(start, start + EPOCH)
        ]
        for new in made:
            seen.add(new, False)
        last = made
        pairs, sequences = seen.pairs, len(seen.sequences)
        curve.append(dict(zip(KINDS, (len(seen.uses), pairs, sequences, pairs + sequences), strict=True)))
    return curve


def _summary(curves: Sequence[tuple[Curve, Curve]]) -> dict[str, Any]:
    """By kind: medians of what was seen, and median, least and greatest share of the cases that guidance takes."""
    found = {}
    for kind in KINDS:
        shares = [_share([at[kind] for at in plain], [at[kind] for at in guided]) for plain, guided in curves]
        found[kind] = {
            "unguided": statistics.median(plain[-1][kind] for plain, _ in curves),
            "guided": statistics.median(guided[-1][kind] for _, guided in curves),
            "share_of_cases": {"median": statistics.median(shares), "least": min(shares), "greatest": max(shares)},
        }
    return found


def _share(plain: Sequence[int], guided: Sequence[int]) -> float:
    """After which share of the cases the guided count is the final unguided one; between epochs it grows evenly. Above
    one where it never is: by as much as it falls short."""
    target = plain[-1]
    if guided[-1] < target:
        return target / guided[-1]
    after = next(i for i, count in enumerate(guided) if count >= target)
    before = guided[after - 1] if after else 0
    return (after + (target - before) / (guided[after] - before)) / len(guided)


def render(result: dict[str, Any]) -> Group:
    """A table a framework."""
    tables = []
    for framework, kinds in result["frameworks"].items():
        title = f"{framework}: {result['seeds']} campaigns of {result['cases']} cases of {result['nodes']} nodes"
        table = Table(title=title, title_justify="left")
        for column in ("", "unguided", "guided", "share of the cases for as many", "range"):
            table.add_column(column, justify="left" if not column else "right")
        for kind, row in kinds.items():
            share = row["share_of_cases"]
            spread = f"{share['least']:.2f} to {share['greatest']:.2f}"
            table.add_row(kind, f"{row['unguided']:,.0f}", f"{row['guided']:,.0f}", f"{share['median']:.2f}", spread)
        tables.append(table)
    return Group(*tables)
