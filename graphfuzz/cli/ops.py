"""`graphfuzz ops`: list, describe, probe and check the operators at hand, and account for a route's ledger."""

from __future__ import annotations

import fnmatch
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphfuzz.campaign.probes import Cache, Probes, Trial, support
from graphfuzz.campaign.probing import Plan, make_plan, stored
from graphfuzz.cli.ops_capabilities import capabilities_by_route, capability_data, print_capabilities
from graphfuzz.cli.ops_check import check as check_operators
from graphfuzz.cli.ops_describe import describe, print_description
from graphfuzz.cli.ops_ledger import account_data, print_account
from graphfuzz.cli.ops_probe import account_of, default_cache, probed
from graphfuzz.errors import UsageError
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.spec.dtypes import ANY, COMPLEX, FLOATS, INTEGERS, KNOWN, REAL, SIGNED
from graphfuzz.spec.operator import FRAMEWORKS, Operator
from graphfuzz.spec.origins import origins
from graphfuzz.spec.registry import Registry, load_registry
from graphfuzz.spec.selection import matching

NARROW = 100
"""How wide tables are where nothing says how wide the terminal is, in characters."""
NOT_CONFORMING = 1
"""The exit code of --check where something does not fit."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--family", "families", multiple=True, help="Only operators of this module (repeatable).")
@click.option("--framework", type=click.Choice(FRAMEWORKS), help="Only operators that this framework has.")
@click.option("--dtype", help="Only operators that take this dtype.")
@click.option("--route", "routes", multiple=True, help="Only operators of this route; probe on it (repeatable).")
@click.option("--probe", "probing", is_flag=True, help="Probe what was not probed yet: convert and run a few cases.")
@click.option("--capabilities", "by_rank", is_flag=True, help="Tell what routes take, by operator, dtype and rank.")
@click.option("--ledger", metavar="ROUTE", help="Account for all that the route's converter registers; NAMES: entries.")
@click.option("--check", "checking", is_flag=True, help="Hold operators (of --operators packs) to the frameworks.")
@click.option("--cases", type=click.IntRange(min=1), help="With --check: cases for each dtype binding.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes of probing.")
@click.option("--cache", type=click.Path(path_type=Path), help="The folder of probes. [default: the user's cache]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
def ops(
    names: tuple[str, ...],
    families: tuple[str, ...],
    framework: str | None,
    dtype: str | None,
    routes: tuple[str, ...],
    probing: bool,
    by_rank: bool,
    ledger: str | None,
    checking: bool,
    cases: int | None,
    workers: int,
    cache: Path | None,
    as_json: bool,
    packs: tuple[str, ...],
) -> None:
    """List the operators at hand, or describe those named.

    NAMES are operators' names or patterns ("conv*"). --capabilities tells from probes what is taken and refused; with
    --probe it tries every rank, too. --ledger ROUTE lists what the route's converter registers, with the operators that
    reach it, or why none needs to. --check examines operators against NumPy and the frameworks.
    Exit code: 0, with --check 1 where something does not fit, and 2 for bad input.
    """
    registry = load_registry(packs)
    store = Cache(cache or default_cache(), lambda text: click.echo(f"graphfuzz: {text}", err=True))
    if ledger is not None:
        reached = account_of(ledger, registry, store, workers, packs)
        shown = [row for row in reached.rows if not names or any(fnmatch.fnmatchcase(row.name, p) for p in names)]
        if as_json:
            click.echo(json.dumps(account_data(reached, shown), indent=2))
        else:
            print_account(_console(), reached, shown)
        return
    frameworks = {load_route(route).framework for route in routes} | ({framework} if framework else set())
    chosen = _chosen(registry, names, families, frameworks, dtype)
    if checking:
        own = chosen if names or families or not packs else chosen.only(_added(chosen))
        sys.exit(0 if check_operators(list(own.values()), registry, packs, cases, as_json) else NOT_CONFORMING)
    plan = make_plan(routes or default_routes(), chosen, by_rank)
    known = probed(plan, store, workers, packs) if probing else stored(plan, store)
    if by_rank:
        found = capabilities_by_route(plan, known)
        if as_json:
            click.echo(json.dumps(capability_data(found), indent=2))
        else:
            print_capabilities(_console(), found)
        return
    rows = [_row(op, plan, known) for op in chosen.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif names and len(rows) <= max(len(names), 3):
        for row in rows:
            print_description(_console(), row)
    else:
        _print_list(rows, known)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=NARROW)


def _chosen(
    registry: Registry, names: Sequence[str], families: Sequence[str], frameworks: set[str], dtype: str | None
) -> Registry:
    """The operators that every filter lets through. Raises UsageError for a name or filter that none has."""
    if dtype is not None and dtype not in KNOWN:
        raise UsageError(f"there is no dtype '{dtype}'; choose among {', '.join(sorted(KNOWN))}")
    origin = origins(registry)
    strange = set(families) - {o.family for o in origin.values()}
    if strange:
        there = ", ".join(sorted({o.family for o in origin.values()}))
        raise UsageError(f"there is no family '{min(strange)}'; choose among {there}")
    named = set(matching(registry, names)) if names else set(registry)
    return registry.only(
        [
            name
            for name, op in registry.items()
            if name in named
            and (not families or origin[name].family in families)
            and (not frameworks or frameworks & set(op.emissions))
            and (dtype is None or _takes(op, dtype, frameworks or set(op.emissions)))
        ]
    )


def _takes(op: Operator, dtype: str, frameworks: set[str]) -> bool:
    """Whether an operand may be of the dtype in one of the frameworks."""
    limits = [op.emissions[framework].dtypes for framework in frameworks if framework in op.emissions]
    wanted = [parameter.dtype for parameter in op.parameters]
    return any(dtype in limit.get(name, op.variables.get(name, (name,))) for limit in limits for name in wanted)


def _added(operators: Registry) -> list[str]:
    """Those that are in no installed pack."""
    installed = load_registry()
    return [name for name in operators if name not in installed]


def _row(op: Operator, plan: Plan, known: Mapping[str, Probes]) -> dict[str, Any]:
    serving = [name for name, route in plan.routes.items() if route.framework in op.emissions]
    return describe(op, plan.origins[op.name], {route: known[route].get(op.name) for route in serving})


def _print_list(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Probes]) -> None:
    """A line an operator; a column for each route of which something is known."""
    routes = [route for route, probes in known.items() if probes]
    table = Table("operator", "what it computes", "dtypes", "frameworks", *routes, box=None, pad_edge=False)
    for row in rows:
        dtypes = "; ".join(f"{name}: {_grouped(choices)}" for name, choices in row["dtypes"].items())
        said = [_short_support(known[route].get(row["name"])) for route in routes]
        first = row["doc"].partition("\n")[0]
        table.add_row(*map(Text, [row["name"], first, dtypes, " ".join(row["frameworks"]), *said]))
    console = _console()
    console.print(table)
    console.print(f"{len(rows)} operators", style="dim")


GROUPS = {"any": ANY, "real": REAL, "floats": FLOATS, "integers": INTEGERS, "signed": SIGNED, "complex": COMPLEX}
"""Names for dtypes that often stand together, the largest group first."""


def _grouped(choices: Sequence[str]) -> str:
    """The dtypes, groups of them by their name."""
    words, left = [], list(choices)
    for name, group in GROUPS.items():
        if set(group) <= set(left):
            words.append(name)
            left = [dtype for dtype in left if dtype not in group]
    return " ".join([*words, *left])


def _short_support(trials: tuple[Trial, ...] | None) -> str:
    """How many of the dtype bindings came out well."""
    if trials is None:
        return ""
    words = [word for word, _ in support(trials).values()]
    return f"{words.count('ok')} of {len(words)} ok"
