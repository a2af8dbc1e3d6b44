"""Which cases a campaign makes, in their order: the lane of each, and what it may know."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from graphfuzz.campaign.child import Task
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.epochs import Epochs
from graphfuzz.campaign.lanes import shares_of
from graphfuzz.generator import CONTROL, LANES, Bar, Recipe
from graphfuzz.graph import Case


class Place(msgspec.Struct, frozen=True):
    """Which case of the campaign it is, and of which lane."""

    index: int
    lane: str


def schedule(
    configuration: Configuration,
    frameworks: Mapping[str, str],
    epochs: Epochs,
    done: Collection[tuple[int, str]] = (),
    turns: Counter[str] | None = None,
    bars: Mapping[str, tuple[Bar, ...]] = MappingProxyType({}),
) -> Iterator[tuple[Place, Task]]:
    """Every case in order, on each route that runs it.

    frameworks: by route. epochs: what was taken in decides what comes next.
    done: the last case that is not to be given out again, by index and route. turns: how many cases, up to that one,
    each lane has had. bars: the nodes that cases are not to have, by route; they may change meanwhile.

    Where every case is of the control, which avoids nothing, no refused use is tried alone.
    """
    turns = Counter(turns)
    index = max((index for index, _ in done), default=configuration.first_case)
    if done:
        turns[configuration.lane(index, epochs.at(index).shares)] -= 1
    avoiding = set(shares_of(configuration.lanes)) != {CONTROL}
    while configuration.cases is None or index < configuration.first_case + configuration.cases:
        known = epochs.at(index)
        lane = configuration.lane(index, known.shares)
        for route, framework in frameworks.items():
            if (index, route) in done or not configuration.runs(index, route):
                continue
            recipe = configuration.recipe(index, framework, lane, turns[lane])
            guide = None if lane == CONTROL else known.guides[framework]
            start = _start(known.starts[framework], recipe) if LANES[lane].starts else None
            support = known.support[route] if avoiding else None
            stops = bars.get(route, ())
            yield Place(index, lane), Task(route, None, recipe, guide=guide, start=start, support=support, bars=stops)
        turns[lane] += 1
        index += 1


def _start(cases: Sequence[Case], recipe: Recipe) -> Case | None:
    """What the recipe's mutation starts from, if there is anything."""
    return random.Random(f"{recipe.seed}/{recipe.index}/start").choice(cases) if cases else None
