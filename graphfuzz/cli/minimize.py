"""`graphfuzz minimize`: an entry made smaller."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.replaying import recorded_limits
from graphfuzz.campaign.workers import Task, Workers
from graphfuzz.corpus.entry import Entry, check_writable, make_entry, read_entry, remove_entry, write_entry
from graphfuzz.corpus.replay import STILL_FAILING, compared, obstacle
from graphfuzz.errors import UsageError
from graphfuzz.graph import Case
from graphfuzz.minimizer import BUDGET, HANG_BUDGET, Reduction
from graphfuzz.minimizer import minimize as reduce_case
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import load_registry

_BUDGET_HELP = f"The most cases to run. [default: {BUDGET}; {HANG_BUDGET} for a hang]"


@click.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder to store it in. [default: ENTRY's]")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--case-seconds", type=click.FloatRange(min=1), help="Time limit a case. [default: as recorded]")
@click.option("--budget", type=click.IntRange(min=1), help=_BUDGET_HELP)
def minimize(
    entry: Path,
    output: Path | None,
    packs: tuple[str, ...],
    workers: int,
    case_seconds: float | None,
    budget: int | None,
) -> None:
    """Make an entry's case smaller, as long as it shows the same defect, and store the result.

    It is judged by the tolerance and within the limits that it was found under. Where the result is stored beside
    ENTRY, it takes ENTRY's place.

    Exit code: 0, 1 where the entry does not fail any more, or otherwise than it did; 2 for bad input.
    """
    found = read_entry(entry)
    registry = load_registry(packs)
    reason = obstacle(found, registry, found.finding.route)
    if reason:
        raise UsageError(f"{entry}: cannot run: {reason}")
    folder = output or entry.resolve().parent
    check_writable(folder)
    route = load_route(found.finding.route)
    tolerance, limits = found.finding.tolerance, recorded_limits(found, case_seconds)
    with Workers(workers, [found.finding.route], packs=packs, limits=limits, tolerance=tolerance) as pool:
        judge = partial(_judge, pool, found.finding.route)
        outcome = judge([found.case])[0]
        if compared(found.finding, outcome) != STILL_FAILING:
            click.echo(f"{entry}: was {found.finding.verdict}, now {outcome.summary()}")
            sys.exit(1)
        reduction = reduce_case(found.case, outcome, judge, registry, budget)
        blame = attributed(lambda task: pool.submit(task).result(), reduction.case, reduction.outcome)
    smaller = make_entry(
        reduction.case,
        reduction.outcome,
        route,
        registry,
        found.finding.first_seen,
        tolerance=tolerance,
        seconds=limits.seconds,
        memory=limits.memory_bytes,
        attribution=blame,
    )
    _report(found.case, reduction, _store(folder, smaller, entry))


def _store(folder: Path, smaller: Entry, original: Path) -> Path:
    """Write the entry; beside the original, it replaces that, which goes only once its successor is there."""
    path = write_entry(folder, smaller)
    before, after = original.resolve(), path.resolve()
    if after.parent == before.parent and after != before:
        remove_entry(before)
    return path


def _judge(pool: Workers, route: str, cases: Sequence[Case]) -> list[Outcome]:
    """The cases' outcomes, each from a fresh worker."""
    futures = [pool.submit(Task(route=route, case=case, recipe=None, plain=True)) for case in cases]
    return [future.result().outcome for future in futures]


def _report(before: Case, reduction: Reduction, path: Path) -> None:
    console = Console()
    nodes, left = len(before.graph.nodes), len(reduction.case.graph.nodes)
    kept = Counter(step.pass_name for step in reduction.steps)
    console.print(f"{nodes} nodes to {left}, {len(reduction.steps)} edits kept of {reduction.runs} tried")
    for name, count in kept.items():
        console.print(f"    {count} × {name.replace('_', ' ')}")
    console.print(str(path), soft_wrap=True, highlight=False)
