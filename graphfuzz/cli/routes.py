"""`graphfuzz routes`: the ways from source framework to outputs, and what each needs."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from graphfuzz.oracle.route import Route, how_to_install, load_route, missing, route_names, versions


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def routes(as_json: bool) -> None:
    """List the routes, with the versions of what is installed, and what is missing.

    Where no --route is named, a campaign takes those with a star. A route of your own is a module with a Route, named
    as "module:attribute", or by an entry point of the group graphfuzz.routes.
    """
    found = [load_route(name) for name in route_names()]
    if as_json:
        click.echo(json.dumps([_told(route) for route in found], indent=2))
        return
    table = Table("route", "source", "target", "versions", "missing", box=None)
    for route in found:
        told = _told(route)
        present = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
        table.add_row(
            f"{route.name}{' *' if route.is_default else ''}",
            route.framework,
            route.target.name,
            escape(present),
            escape(f"{', '.join(told['missing'])}: {how_to_install(route)}" if told["missing"] else ""),
        )
    Console().print(table)


def _told(route: Route) -> dict[str, Any]:
    lacking = missing(route)
    return {
        "name": route.name,
        "is_default": route.is_default,
        "framework": route.framework,
        "target": route.target.name,
        "extra": route.extra,
        "versions": {name: told for name, told in versions(route).items() if name in {*route.packages} - {*lacking}},
        "missing": lacking,
    }
