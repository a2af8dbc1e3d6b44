"""What a campaign is told to do."""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec

from graphfuzz.campaign.lanes import DEFAULT, lane_at, shares_of
from graphfuzz.errors import UsageError
from graphfuzz.generator import CONTROL, Recipe
from graphfuzz.oracle.route import load_route
from graphfuzz.spec.registry import Registry


class Configuration(msgspec.Struct, frozen=True):
    """Everything that decides a campaign.

    routes: by name. seed: of the campaign. seconds, cases, findings (new buckets): budgets; whichever ends first, None
    for no limit.
    first_case: the index to begin with. workers: child processes. nodes: the most nodes a graph has. zeros, ones: the
    shares of the cases that are full of axes of these sizes. dynamic: the share of the others for which inputs of other
    sizes are sought. lanes: those in use with their first shares, relative to each other; the control's stays as it is.
    repeated: the share of the control's executions that are run once more. operators: names to draw from, all where
    empty. packs: paths of further operator packs. tolerance: as
    `parse_tolerance` reads it. seconds_a_case, memory_a_case (bytes): limits.
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
    memory_a_case: int = 4 << 30

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
        )

    def lane(self, index: int, shares: Mapping[str, float]) -> str:
        """The lane of case `index` where the lanes have these shares."""
        return lane_at(shares, random.Random(f"{self.seed}/{index}/lane").random())

    def is_control(self, index: int) -> bool:
        """Whether case `index` is one of the control, whatever was seen before."""
        shares = shares_of(self.lanes)
        return CONTROL in shares and self.lane(index, shares) == CONTROL

    def is_repeated(self, index: int) -> bool:
        """Whether case `index` is run once more, if it is one of the control."""
        return random.Random(f"{self.seed}/{index}/repeated").random() < self.repeated


def check(configuration: Configuration, registry: Registry) -> dict[str, str]:
    """The framework of each route. Raises UsageError for what cannot work, before any process is started."""
    for name in configuration.operators:
        registry[name]
    shares_of(configuration.lanes)
    if not configuration.routes:
        raise UsageError("no route is named; give at least one --route")
    frameworks = {name: load_route(name).framework for name in configuration.routes}
    names = configuration.operators or tuple(registry)
    for route, framework in frameworks.items():
        if not any(framework in registry[name].emissions for name in names):
            raise UsageError(f"route '{route}' needs operators of {framework}, and none of those chosen has one")
    return frameworks
