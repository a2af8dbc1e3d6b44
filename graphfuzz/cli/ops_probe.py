"""Probing from the command line: where the cache lies, progress, and what an interruption leaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from graphfuzz.campaign.accounts import Account, account
from graphfuzz.campaign.probes import Cache, Probes, Trial
from graphfuzz.campaign.probing import Missing, Plan, make_plan, missing, probe, read_stock, stored
from graphfuzz.campaign.workers import Workers
from graphfuzz.cli.stopping import stoppable
from graphfuzz.errors import UsageError
from graphfuzz.spec.registry import Registry

INTERRUPTED = 130
"""The exit code of an interruption: 128 and SIGINT's number, as shells have it."""


def default_cache() -> Path:
    """The user's cache folder, by the platform's convention."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "graphfuzz" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "graphfuzz"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "graphfuzz"


def probed(plan: Plan, cache: Cache, number: int, packs: Sequence[str]) -> dict[str, Probes]:
    """For each route, the probes of the plan's operators; missing ones are made, with a progress bar on stderr."""
    known = stored(plan, cache)
    todo = missing(plan, known)
    if not todo:
        return known
    with Workers(number, sorted({work.route.name for work in todo}), packs=packs) as workers:
        return _probe(plan, cache, workers, todo)


def account_of(name: str, registry: Registry, cache: Cache, number: int, packs: Sequence[str]) -> Account:
    """The account of a route's ledger. Raises UsageError for a route that does not exist or has none."""
    plan = make_plan([name], registry)
    route = plan.routes[name]
    if route.ledger is None:
        raise UsageError(f"route '{name}' has no ledger: it does not say what its converter registers")
    probes = probed(plan, cache, number, packs)[name]
    stock = cache.stock(route)
    if stock is None:
        with Workers(1, [name], packs=packs) as workers:
            stock = read_stock(route, cache, workers)
    return account(name, stock, probes)


def _probe(plan: Plan, cache: Cache, workers: Workers, todo: Sequence[Missing]) -> dict[str, Probes]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with (
            stoppable() as is_stopped,
            Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ):
            task = progress.add_task("probing", total=sum(len(work.keys) for work in todo))

            def advance(work: Missing, trial: Trial) -> None:
                progress.update(task, advance=1, description=f"{work.operator.name} on {work.route.name}")
                if is_stopped():
                    raise KeyboardInterrupt

            return probe(plan, cache, workers, advance)
    except KeyboardInterrupt:
        click.echo("graphfuzz: interrupted; what was probed is kept", err=True)
        sys.exit(INTERRUPTED)
