"""What a real campaign takes beyond its targets, as a share of its workers' time.

There are as many worker seconds as workers times seconds of the campaign. The targets' are those in which a framework,
a converter or a runtime was at work: the stages `TARGET` of all cases, of the minimizer's steps and of confirmations.
Everything else is overhead: making and comparing cases, sending them to and fro, new processes, and all the time that a
worker had nothing to do because the loop stored, decided or minimized. Attribution runs the targets too, among other
things, and does not tell how long: `overhead` counts all of it as overhead, `at_least` none. The workers' start is told
apart, and so is what was while there were new cases: after its time a campaign goes on minimizing what waits.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.progress import track
from benchmarks.watched import ATTRIBUTION, REST, TARGET, TRIED, Watch, watch
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.oracle.route import default_routes
from graphfuzz.spec import load_registry

SECONDS, QUICK_SECONDS = 600.0, 4.0
WORKERS = 2
SEED = 20261122
GOALS = {"torch-script-ort": 0.15}
GOAL = 0.05
"""The most that overhead should be, on routes that have no goal of their own."""


def run(quick: bool) -> dict[str, Any]:
    """For each route a campaign of `SECONDS` as it is by default, into an empty corpus."""
    seconds, registry = QUICK_SECONDS if quick else SECONDS, load_registry()
    routes = {}
    for route in track(default_routes()[-1:] if quick else default_routes(), "campaigns"):
        with tempfile.TemporaryDirectory(prefix="graphfuzz-overhead-") as folder:
            watched = watch(Configuration((route,), SEED, seconds=seconds, workers=WORKERS), registry, Path(folder))
        whole = account(watched)
        routes[route] = {
            "goal": GOALS.get(route, GOAL),
            "start_up_seconds": watched.start_up,
            "executions": len(watched.ends),
            "loop": _loop(watched),
            **whole,
            "with_new_cases": account(watched.until(watched.span[0] + seconds)),
        }
    return {"workers": WORKERS, "seconds": seconds, "routes": routes}


def account(watched: Watch) -> dict[str, Any]:
    """Where the worker seconds went, as shares of those that there were; the shares come to 1."""
    available = watched.workers * watched.wall
    spent = watched.spent()
    minimizing, otherwise = watched.idle()
    target = sum(spent[stage] for stage in TARGET)
    told = {
        **{stage: spent[stage] for stage in TARGET},
        TRIED: spent[TRIED],
        ATTRIBUTION: spent[ATTRIBUTION],
        **{name: seconds for name, seconds in sorted(spent.items()) if name not in (*TARGET, TRIED, ATTRIBUTION, REST)},
        REST: spent[REST],
        "idle while the loop minimizes": minimizing,
        "idle otherwise": otherwise,
    }
    return {
        "available_seconds": available,
        "target_seconds": target,
        "overhead": 1 - target / available,
        "at_least": 1 - (target + spent[ATTRIBUTION]) / available,
        "shares": {name: seconds / available for name, seconds in told.items()},
    }


def _loop(watched: Watch) -> dict[str, float]:
    """What the loop's own time went to, as shares of the campaign's; and the processor time of its process."""
    minimizing = sum(b - a for a, b in watched.minimizing)
    return {
        "waiting for cases": watched.waiting / watched.wall,
        "minimizing": minimizing / watched.wall,
        "making, taking in and storing": 1 - (watched.waiting + minimizing) / watched.wall,
        "processor": watched.cpu / watched.wall,
    }


def render(result: dict[str, Any]) -> Table:
    """A column a route."""
    routes = result["routes"]
    title = f"Shares of {result['workers']} workers' time in {result['seconds']:g} seconds"
    table = Table("", *routes, title=title, title_justify="left")
    rows = routes.values()
    table.add_row("overhead", *(f"{r['overhead']:.1%}" for r in rows), style="bold")
    table.add_row("  at least", *(f"{r['at_least']:.1%}" for r in rows))
    table.add_row("while there are new cases", *(f"{r['with_new_cases']['overhead']:.1%}" for r in rows))
    table.add_row("  at least", *(f"{r['with_new_cases']['at_least']:.1%}" for r in rows))
    table.add_row("  goal", *(f"{r['goal']:.0%}" for r in rows))
    for name in dict.fromkeys(name for r in rows for name in r["shares"]):
        style = "" if name in TARGET else "dim"
        table.add_row(f"{name}", *(f"{r['shares'].get(name, 0):.1%}" for r in rows), style=style)
    for name in next(iter(rows))["loop"]:
        table.add_row(f"the loop: {name}", *(f"{r['loop'][name]:.1%}" for r in rows))
    table.add_row("start-up, s", *(f"{r['start_up_seconds']:.1f}" for r in rows))
    table.add_row("executions", *(f"{r['executions']:,}" for r in rows))
    return table
