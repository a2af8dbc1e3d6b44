"""What share of each converter our operators reach, and what is left, with reasons."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from graphfuzz.campaign.accounts import OPEN, REACHED, TRIED, Account
from graphfuzz.campaign.probes import Cache
from graphfuzz.campaign.probing import make_plan
from graphfuzz.cli.ops_probe import account_of, default_cache, probed
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.spec.operator import FRAMEWORKS
from graphfuzz.spec.registry import Registry, load_registry

QUICK = 3
"""How many operators a quick run takes."""
WORKERS = 2


def run(quick: bool) -> dict[str, Any]:
    """For each route that has a ledger, its figures and the entries not reached, by reason.

    Probes come from the user's cache; what is not there is probed first, on all routes by the same workers: each would
    else import what those of the first route did not need.
    """
    registry = load_registry()
    chosen = registry.only(_spread(registry)) if quick else registry
    names = [name for name in default_routes() if load_route(name).ledger is not None]
    probed(make_plan(names, chosen), Cache(default_cache(), print), WORKERS, ())
    return {"operators": len(chosen), "routes": {name: measure(name, chosen) for name in names}}


def _spread(registry: Registry) -> list[str]:
    """A few operators that every framework has, from all over the alphabet."""
    names = [name for name, op in registry.items() if set(op.emissions) == set(FRAMEWORKS)]
    return names[:: max(1, len(names) // QUICK)]


def measure(name: str, operators: Registry) -> dict[str, Any]:
    """One route's figures, and its entries that no case reached, by why."""
    found = account_of(name, operators, Cache(default_cache(), print), WORKERS, ())
    return {"figures": found.figures(), "rest": _rest(found), "unlisted": list(found.unlisted)}


def _rest(found: Account) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for row in found.rows:
        if row.reason is not None:
            groups[f"{row.reason.kind}: {row.reason.text}"].append(row.name)
        elif row.standing != REACHED:
            groups["used, but no case ran" if row.standing == TRIED else OPEN].append(row.name)
    return dict(groups)


def render(result: dict[str, Any]) -> Group:
    """A column a route, then each route's rest."""
    routes = result["routes"]
    table = Table(title=f"{result['operators']} operators, each alone in a few cases", title_justify="left")
    table.add_column("")
    for name in routes:
        table.add_column(name, justify="right")
    for label, figure, form in FIGURES:
        table.add_row(label, *(format(route["figures"][figure], form) for route in routes.values()))
    parts: list[Table | Text] = [table]
    for name, route in routes.items():
        for why, entries in sorted(route["rest"].items(), key=lambda item: -len(item[1])):
            parts += [Text(f"\n{name}, {why} ({len(entries)})", style="bold"), Text(" ".join(entries))]
    return Group(*parts)


FIGURES = (
    ("entries", "entries", ".0f"),
    ("present in the installed framework", "present", ".0f"),
    ("producible by a plain inference module", "producible", ".0f"),
    ("reached by cases that ran", "reached", ".0f"),
    ("  share of producible", "share", ".1%"),
    ("  share of present", "share_of_present", ".1%"),
    ("used, but no case ran", "tried", ".0f"),
    ("ONNX operators at the route's opset", "onnx_operators", ".0f"),
    ("  in models that ran", "onnx_reached", ".0f"),
)
