"""What a campaign is told to do."""

from __future__ import annotations

import random

import msgspec

from graphfuzz.errors import UsageError
from graphfuzz.generator import Recipe
from graphfuzz.oracle.route import load_route
from graphfuzz.spec.registry import Registry


class Configuration(msgspec.Struct, frozen=True):
    """Everything that decides a campaign.

    routes: by name. seed: of the campaign. seconds, cases: budgets; whichever ends first, None for no limit.
    first_case: the index to begin with. workers: child processes. nodes: the most nodes a graph has. zeros, ones: the
    shares of the cases that are full of axes of these sizes. dynamic: the share of the others for which inputs of other
    sizes are sought. guided: the share of the cases that are steered toward
    what is new; the others, unguided, keep the statistics honest. operators: names to draw from, all where empty.
    packs: paths of further operator packs. tolerance: as `parse_tolerance` reads it. seconds_a_case, memory_a_case
    (bytes): limits.
    """

    routes: tuple[str, ...]
    seed: int
    seconds: float | None = None
    cases: int | None = None
    first_case: int = 0
    workers: int = 2
    nodes: int = 10
    zeros: float = 0.03
    ones: float = 0.03
    dynamic: float = 0.2
    guided: float = 0.5
    operators: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    tolerance: str = "conditioning"
    seconds_a_case: float = 60.0
    memory_a_case: int = 4 << 30

    def recipe(self, index: int, framework: str) -> Recipe:
        """Case `index` of the campaign in one framework's type rules; small graphs as often as large ones."""
        nodes = random.Random(f"{self.seed}/{index}/nodes").randint(1, self.nodes)
        shares = {"zeros": self.zeros, "ones": self.ones, "dynamic": self.dynamic}
        return Recipe(self.seed, index, framework, nodes, self.operators, **shares)

    def is_guided(self, index: int) -> bool:
        """Whether case `index` is a guided one."""
        return random.Random(f"{self.seed}/{index}/guided").random() < self.guided


def check(configuration: Configuration, registry: Registry) -> dict[str, str]:
    """The framework of each route. Raises UsageError for what cannot work, before any process is started."""
    for name in configuration.operators:
        registry[name]
    if not configuration.routes:
        raise UsageError("no route is named; give at least one --route")
    frameworks = {name: load_route(name).framework for name in configuration.routes}
    names = configuration.operators or tuple(registry)
    for route, framework in frameworks.items():
        if not any(framework in registry[name].emissions for name in names):
            raise UsageError(f"route '{route}' needs operators of {framework}, and none of those chosen has one")
    return frameworks
