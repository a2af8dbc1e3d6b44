"""Executions a second by number of workers and by route, and by what makes the workers.

Of cases alone, which are the same for any number of workers, and of a campaign as it is, which minimizes what it finds.
Workers are processes here and, where Ray is installed (`graphfuzz[ray]`), those of a Ray here: as many as the most.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from benchmarks.progress import track
from benchmarks.watched import Make, Watch, Watched, watch
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.leasing import LeasedWorkers
from graphfuzz.campaign.on_ray import LOCAL, RayCluster
from graphfuzz.oracle.route import default_routes
from graphfuzz.spec import Registry, load_registry

NUMBERS = (1, 2)
CASES, WARM_UP = 200, 40
"""How many executions are measured, and how many are before them: workers start, and first cases import."""
QUICK_CASES, QUICK_WARM_UP = 12, 2
SECONDS = 60.0
"""How long a campaign as it is runs."""
SEED = 20261122


@contextmanager
def on_ray(number: int, route: str) -> Iterator[LeasedWorkers]:
    """Workers of a Ray of our own."""
    with RayCluster(LOCAL, number) as cluster, LeasedWorkers(cluster, number, [route]) as workers:
        yield workers


MAKERS: dict[str, Make] = {"local": Watched, **({"ray": on_ray} if find_spec("ray") else {})}
"""What makes the workers, by name; the first is what the others are held against."""


def run(quick: bool) -> dict[str, Any]:
    """For each route and number of workers the rates, and the second one's relative to the first's."""
    registry = load_registry()
    cases, warm_up = (QUICK_CASES, QUICK_WARM_UP) if quick else (CASES, WARM_UP)
    names = default_routes()[-1:] if quick else default_routes()
    first, *others = MAKERS
    kinds = [*((first, number) for number in NUMBERS), *((kind, max(NUMBERS)) for kind in others)]
    trials = [(kind, route, number) for route in names for kind, number in kinds]
    measured: dict[str, dict[str, dict[int, Any]]] = {}
    for kind, route, number in track(trials, "campaigns"):
        found = measure(route, number, registry, MAKERS[kind], cases, warm_up, None if quick else SECONDS)
        measured.setdefault(route, {}).setdefault(kind, {})[number] = found
    routes = {route: {"workers": kinds, **_ratios(kinds)} for route, kinds in measured.items()}
    return {"cases": cases, "warm_up": warm_up, "campaign_seconds": None if quick else SECONDS, "routes": routes}


def measure(
    route: str, number: int, registry: Registry, make: Make, cases: int, warm_up: int, seconds: float | None
) -> dict[str, float | None]:
    """The rate over `cases` executions after `warm_up`; and, of a campaign of so many seconds, the rate and what share
    of its workers' time was not idle.

    What is found waits until the cases are done, as a timed campaign may spend no time on minimizing; it is then left.
    """
    configuration = Configuration((route,), SEED, seconds=1e6, minimizing=0.0, workers=number)
    alone = _watched(configuration, registry, make, warm_up + cases)
    told: dict[str, float | None] = {
        "start_up_seconds": alone.start_up,
        "cases_a_second": cases / (alone.ends[warm_up + cases - 1] - alone.ends[warm_up - 1]),
        "cases_busy": _busy(alone),
    }
    if seconds is not None:
        configuration = msgspec.structs.replace(configuration, seconds=seconds, minimizing=0.5)
        whole = _watched(configuration, registry, make, None)
        told |= {"campaign_a_second": len(whole.ends) / whole.wall, "campaign_busy": _busy(whole)}
    return told


def _watched(configuration: Configuration, registry: Registry, make: Make, executions: int | None) -> Watch:
    with tempfile.TemporaryDirectory(prefix="graphfuzz-scaling-") as folder:
        return watch(configuration, registry, Path(folder), make, executions)


def _busy(watched: Watch) -> float | None:
    """The share of the workers' time that was not idle; None where nothing is known of it."""
    if not watched.pieces:
        return None
    return 1 - sum(watched.idle()) / (watched.workers * watched.wall)


def _ratios(kinds: dict[str, dict[int, Any]]) -> dict[str, Any]:
    """How much faster the most workers are than one, and each kind's rate with the most beside the first kind's."""
    first, most = next(iter(kinds)), max(NUMBERS)
    rates = {kind: {number: found["cases_a_second"] for number, found in by.items()} for kind, by in kinds.items()}
    return {
        "speed_up": rates[first][most] / rates[first][min(NUMBERS)],
        "relative": {kind: rate[most] / rates[first][most] for kind, rate in rates.items() if kind != first},
    }


def render(result: dict[str, Any]) -> Table:
    """A row a route, kind and number of workers."""
    table = Table(title=f"Executions a second, over {result['cases']}", title_justify="left")
    for column in ("route", "workers", "cases alone", "busy", "a campaign's", "busy", "speed-up", "against local"):
        table.add_column(column, justify="left" if column == "route" else "right")
    for route, found in result["routes"].items():
        for kind, numbers in found["workers"].items():
            for number, told in numbers.items():
                last = kind == "local" and int(number) == max(NUMBERS)
                table.add_row(
                    route,
                    f"{number} {kind}",
                    f"{told['cases_a_second']:.1f}",
                    _told(told["cases_busy"], ".0%"),
                    _told(told.get("campaign_a_second"), ".1f"),
                    _told(told.get("campaign_busy"), ".0%"),
                    f"{found['speed_up']:.2f}" if last else "",
                    f"{found['relative'][kind]:.0%}" if kind in found["relative"] else "",
                )
    return table


def _told(figure: float | None, form: str) -> str:
    return "-" if figure is None else f"{figure:{form}}"
