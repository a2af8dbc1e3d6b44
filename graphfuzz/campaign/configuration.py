"""What a campaign is told to do."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping

import msgspec

from graphfuzz.campaign.lanes import DEFAULT, lane_at, shares_of
from graphfuzz.errors import UsageError
from graphfuzz.generator import CONTROL, Recipe
from graphfuzz.oracle.route import load_route, require_installed
from graphfuzz.spec.registry import Registry
from graphfuzz.spec.selection import matching, matching_dtypes


class Configuration(msgspec.Struct, frozen=True):
    """Everything that decides a campaign, as it was given; `resolved` names all that patterns stand for.

    routes: by name. shares: of the cases that they run, relative to the largest; 1 for a route that is not there.
    seed: of the campaign. seconds, cases, findings (new buckets), disk (bytes): budgets; whichever ends first, None for
    no limit. minimizing: the most of a timed campaign's time that minimizing takes while cases remain to be run.
    first_case: the index to begin with. workers: child processes. nodes: the most nodes a graph has. zeros, ones: the
    shares of the cases that are full of axes of these sizes. dynamic: the share of the others for which inputs of other
    sizes are sought. lanes: those in use with their first shares, relative to each other; the control's stays as it is.
    repeated: the share of the control's executions that are run once more. operators: names or patterns (see
    `matching`) to draw from, all where empty; without: those not to draw. dtypes, without_dtypes: the same for the
    dtypes of all values. packs: paths of further operator packs. tolerance: as
    `parse_tolerance` reads it. seconds_a_case, memory_a_case (bytes): limits;
    seconds_a_stage: of each stage by itself, None for none.
    """

    routes: tuple[str, ...]
    seed: int
    seconds: float | None = None
    cases: int | None = None
    findings: int | None = None
    first_case: int = 0
    workers: int = 2
    nodes: int = 10
    zeros: float = 0.03
    ones: float = 0.03
    dynamic: float = 0.2
    lanes: Mapping[str, float] = msgspec.field(default_factory=lambda: DEFAULT)
    repeated: float = 0.01
    operators: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    tolerance: str = "conditioning"
    seconds_a_case: float = 60.0
    seconds_a_stage: float | None = None
    memory_a_case: int = 4 << 30
    shares: Mapping[str, float] = {}
    disk: int | None = None
    minimizing: float = 0.5
    without: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    without_dtypes: tuple[str, ...] = ()

    def recipe(self, index: int, framework: str, lane: str = CONTROL, turn: int = 0) -> Recipe:
        """Case `index` of the campaign in one framework's type rules; small graphs as often as large ones."""
        nodes = random.Random(f"{self.seed}/{index}/nodes").randint(1, self.nodes)
        return Recipe(
            self.seed,
            index,
            framework,
            nodes,
            self.operators,
            zeros=self.zeros,
            ones=self.ones,
            dynamic=self.dynamic,
            lane=lane,
            turn=turn,
            dtypes=self.dtypes,
        )

    def lane(self, index: int, shares: Mapping[str, float]) -> str:
        """The lane of case `index` where the lanes have these shares."""
        return lane_at(shares, random.Random(f"{self.seed}/{index}/lane").random())

    def runs(self, index: int, route: str) -> bool:
        """Whether the route runs case `index`; a route of the largest share runs all."""
        share = self.share(route)
        return share == 1 or random.Random(f"{self.seed}/{index}/{route}").random() < share

    def share(self, route: str) -> float:
        """Of the cases, those that a route runs."""
        return self.shares.get(route, 1.0) / max(self.shares.get(name, 1.0) for name in self.routes)

    def is_control(self, index: int) -> bool:
        """Whether case `index` is one of the control, whatever was seen before."""
        shares = shares_of(self.lanes)
        return CONTROL in shares and self.lane(index, shares) == CONTROL

    def is_repeated(self, index: int) -> bool:
        """Whether case `index` is run once more, if it is one of the control."""
        return random.Random(f"{self.seed}/{index}/repeated").random() < self.repeated


def check(configuration: Configuration, registry: Registry) -> dict[str, str]:
    """The framework of each route. Raises UsageError for what cannot work, before any process is started."""
    chosen = resolved(configuration, registry)
    shares_of(configuration.lanes)
    if not configuration.routes:
        raise UsageError("no route is named; give at least one --route")
    routes = {name: load_route(name) for name in configuration.routes}
    for route in routes.values():
        require_installed(route)
    frameworks = {name: route.framework for name, route in routes.items()}
    for name, share in configuration.shares.items():
        if not (math.isfinite(share) and share > 0):
            raise UsageError(f"route '{name}' has the share {share:g}; give a positive number, or leave the route out")
    for name, framework in frameworks.items():
        if not registry.within(chosen.dtypes).of(framework, chosen.operators):
            raise UsageError(f"route '{name}' needs operators of {framework}, and none of those chosen has one")
    return frameworks


def resolved(configuration: Configuration, registry: Registry) -> Configuration:
    """The same campaign with the names of operators and dtypes in place of patterns, and nothing to leave out.

    Raises UsageError for a pattern that matches nothing, and where no operator is left.
    """
    only, without = configuration.dtypes, configuration.without_dtypes
    dtypes = matching_dtypes(only, without) if only or without else ()
    left = registry.within(dtypes)
    named = matching(registry, configuration.operators) or tuple(registry)
    out = set(matching(registry, configuration.without))
    names = tuple(name for name in named if name in left and name not in out)
    if not names:
        raise UsageError("no operator is left; choose more of them (--only, --without), or more dtypes")
    everything = not (configuration.operators or configuration.without)
    return msgspec.structs.replace(
        configuration, operators=() if everything else names, without=(), dtypes=dtypes, without_dtypes=()
    )


def parse_routes(texts: Iterable[str]) -> dict[str, float | None]:
    """Routes written as NAME or NAME=SHARE, with their shares. Raises UsageError for anything else."""
    routes: dict[str, float | None] = {}
    for text in texts:
        name, told, share = text.partition("=")
        try:
            routes[name] = float(share) if told else None
        except ValueError:
            raise UsageError(f"--route {text}: write NAME or NAME=SHARE, such as tf2onnx-ort=0.5") from None
    return routes
