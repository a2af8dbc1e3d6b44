"""`graphfuzz minimize`: an entry made smaller."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import Console

from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.replaying import recorded_limits
from graphfuzz.campaign.workers import Task, Workers
from graphfuzz.cli.stopping import stoppable
from graphfuzz.corpus.entry import Entry, check_writable, make_entry, read_entry, remove_entry, write_entry
from graphfuzz.corpus.replay import STILL_FAILING, compared, obstacle
from graphfuzz.errors import UsageError
from graphfuzz.graph import Case
from graphfuzz.minimizer import BUDGET, HANG_BUDGET, Reduction, Step
from graphfuzz.minimizer import minimize as reduce_case
from graphfuzz.minimizer.history import store_history
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import load_registry

REPEATS = 8
"""How many times an entry is run that does not show its finding at once."""
_BUDGET_HELP = f"The most cases to run. [default: {BUDGET}; {HANG_BUDGET} for a hang]"


@click.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder to store it in. [default: ENTRY's]")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--case-seconds", type=click.FloatRange(min=1), help="Time limit a case. [default: as recorded]")
@click.option("--budget", type=click.IntRange(min=1), help=_BUDGET_HELP)
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop looking for a smaller case after this long.")
def minimize(
    entry: Path,
    output: Path | None,
    packs: tuple[str, ...],
    workers: int,
    case_seconds: float | None,
    budget: int | None,
    seconds: float | None,
) -> None:
    """Make an entry's case smaller, as long as it shows the same defect, and store the result.

    It is judged by the tolerance and within the limits that it was found under. Each step is told as it is made. What
    shows in some runs only is tried again and again, as often as that takes. Where the result is stored beside ENTRY,
    it takes ENTRY's place. Ctrl-C stops looking, and what was found so far is stored; a second one stops at once.

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
        outcomes = judge([found.case])
        if compared(found.finding, outcomes[0]) != STILL_FAILING:
            outcomes += judge([found.case] * (REPEATS - 1))
        showing = [outcome for outcome in outcomes if compared(found.finding, outcome) == STILL_FAILING]
        if not showing:
            click.echo(f"{entry}: was {found.finding.verdict}, now {outcomes[0].summary()}")
            sys.exit(1)
        rate = len(showing) / len(outcomes)
        if rate < 1:
            click.echo(f"{entry}: flaky, shown in {len(showing)} of {len(outcomes)} runs", err=True)
        end = math.inf if seconds is None else time.monotonic() + seconds
        with stoppable() as stopped:
            reduction = reduce_case(
                found.case,
                showing[0],
                judge,
                registry,
                budget,
                rate=rate,
                deadline=lambda: stopped() or time.monotonic() >= end,
                on_step=_tell,
            )
        if stopped():
            click.echo("interrupted; the smallest case so far is stored", err=True)
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
    path = _store(folder, msgspec.structs.replace(smaller, further=found.seen), entry)
    store_history(path, reduction)
    _report(found.case, reduction, path)


def _store(folder: Path, smaller: Entry, original: Path) -> Path:
    """Write the entry; beside the original, it replaces that, which goes only once its successor is there."""
    path = write_entry(folder, smaller)
    before, after = original.resolve(), path.resolve()
    if after.parent == before.parent and after != before:
        remove_entry(before, heir=after)
    return path


def _judge(pool: Workers, route: str, cases: Sequence[Case]) -> list[Outcome]:
    """The cases' outcomes, each from a fresh worker."""
    futures = [pool.submit(Task(route=route, case=case, recipe=None, plain=True)) for case in cases]
    return [future.result().outcome for future in futures]


def _tell(step: Step) -> None:
    click.echo(f"{step.pass_name.replace('_', ' ')}: {step.nodes} nodes left", err=True)


def _report(before: Case, reduction: Reduction, path: Path) -> None:
    console = Console()
    nodes, left = len(before.graph.nodes), len(reduction.case.graph.nodes)
    kept = Counter(step.pass_name for step in reduction.steps)
    console.print(f"{nodes} nodes to {left}, {len(reduction.steps)} edits kept of {reduction.runs} tried")
    if reduction.slipped:
        console.print(f"    {reduction.slipped} showed another defect and were not kept")
    for name, count in kept.items():
        console.print(f"    {count} × {name.replace('_', ' ')}")
    console.print(str(path), soft_wrap=True, highlight=False)
