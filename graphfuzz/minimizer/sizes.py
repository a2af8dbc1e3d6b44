"""The pass that makes sizes smaller: whatever the operators' rules allow, as z3 finds it.

Key insight: sizes hang together, in an operator and through the graph, so one alone can seldom be smaller. Each size is
asked to be small with all others as they are; those that cannot stay then move along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from graphfuzz.graph import Case, requirements
from graphfuzz.graph.symbolic import Stated
from graphfuzz.minimizer.edits import Edit, Retype
from graphfuzz.solver import GaveUp, Profile, Unsatisfiable, solve
from graphfuzz.spec.dims import Condition, Size, symbol
from graphfuzz.spec.inference import size_attributes
from graphfuzz.spec.registry import Registry


def smaller_sizes(case: Case, registry: Registry) -> Iterator[Edit]:
    """All sizes as small as can be; then one at a time, the largest first, from its smallest to one less."""
    if case.bindings:
        return
    system = _System(case, registry)
    largest = sorted(system.own, key=system.own.__getitem__, reverse=True)
    wishes = [dict.fromkeys(system.own, 1)]
    for name in largest:
        own = system.own[name]
        wanted = dict.fromkeys((system.low[name], 1, 2, own // 2, 3 * own // 4, own - 1))
        wishes += [{name: size} for size in wanted if system.low[name] <= size < own]
    for wish in wishes:
        sizes = system.solved(wish)
        if sizes is not None and sizes != system.own:
            yield system.edit(sizes, at_end=False)
            yield system.edit(sizes, at_end=True)


class _System:
    """A case's sizes as symbols: those of its leaves, and those among its attributes that are not negative."""

    def __init__(self, case: Case, registry: Registry) -> None:
        self.case = case
        self.own: dict[str, int] = {}
        """What each symbol is in the case."""
        self.low: dict[str, int] = {}
        self.shapes = {
            v.name: tuple(self._symbol(f"{v.name}_{axis}", size, min(1, size)) for axis, size in enumerate(v.shape))
            for v in (*case.graph.inputs, *case.graph.weights)
        }
        self.attrs: dict[str, dict[str, Any]] = {}
        for node in case.graph.nodes:
            for name, kind in size_attributes(registry[node.op]).items():
                value, low = node.attrs[name], max(0, kind.low)
                asked = (
                    tuple(self._symbol(f"{node.name}_{name}_{i}", size, low) for i, size in enumerate(value))
                    if isinstance(value, tuple)
                    else self._symbol(f"{node.name}_{name}", value, low)
                )
                self.attrs.setdefault(node.name, {})[name] = asked
        stated, self.sizes = requirements(
            case.graph, self.shapes, self.attrs, self.own, registry, case.framework, least=0
        )
        bounds: Stated = [
            (bound, "no size grows")
            for name, size in self.own.items()
            for bound in (Condition("<=", self.low[name], symbol(name)), Condition("<=", symbol(name), size))
        ]
        self.stated = stated + bounds

    def solved(self, wish: Mapping[str, int]) -> dict[str, int] | None:
        """Sizes of which as many as possible are those wished for, and of the rest as many as possible their own; None
        where there are none in which one of the wishes holds."""
        own = {name: size for name, size in self.sizes.items() if name not in wish}
        wanted = [(Condition("==", symbol(name), size), "the size wished for") for name, size in wish.items()]
        try:
            found = solve(
                [*self.stated, *(wanted if len(wish) == 1 else [])],
                {**own, **wish},
                reason="make smaller",
                profile=Profile(),
                high=max(self.sizes.values(), default=0),
            )
        except (Unsatisfiable, GaveUp):
            return None
        return {name: found.get(name, size) for name, size in self.own.items()}

    def edit(self, sizes: Mapping[str, int], at_end: bool) -> Retype:
        """The edit that gives the case these sizes."""
        leaves = {v.name: v for v in (*self.case.graph.inputs, *self.case.graph.weights)}
        fresh = {name: tuple(_at(size, sizes) for size in shape) for name, shape in self.shapes.items()}
        return Retype(
            tuple(
                msgspec.structs.replace(v, shape=fresh[name]) for name, v in leaves.items() if fresh[name] != v.shape
            ),
            tuple(
                (node, {name: _at(value, sizes) for name, value in attrs.items()}) for node, attrs in self.attrs.items()
            ),
            at_end,
        )

    def _symbol(self, name: str, size: int, low: int) -> Size:
        """A symbol for a size that may be smaller; the size itself where it may not."""
        if size <= low:
            return size
        self.own[name], self.low[name] = size, low
        return symbol(name)


def _at(value: Any, sizes: Mapping[str, int]) -> Any:
    """A size, or several, with numbers in place of symbols."""
    if isinstance(value, tuple):
        return tuple(_at(each, sizes) for each in value)
    return value if isinstance(value, int) else sizes[value.args[0]]
