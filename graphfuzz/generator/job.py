"""One case in the making: what every lane begins, extends and finishes its graph with."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any, TypeVar

import msgspec

from graphfuzz.generator.bars import Bar
from graphfuzz.generator.growth import Growth
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.narrowing import fixed
from graphfuzz.generator.profile import Profile
from graphfuzz.generator.recipe import Recipe
from graphfuzz.generator.support import Support
from graphfuzz.graph import Array, Case, Graph, Value, pruned
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry

T = TypeVar("T")

ANCHORED, ANCHORED_BY_GUIDE = 0.6, 0.95
"""How often an operator is sought for a value that no node uses, instead of operands for an operator."""
BACKWARD = 0.25
"""How often, of the other times, a node is sought that makes what has been an input."""
TIED = 0.05
"""How often another use of a node's weights is sought."""
ATTEMPTS_A_NODE = 60
"""How many operators are drawn for each node asked for."""
ATTEMPTS_AN_OPERATOR = 8
"""How many uses of a drawn operator are tried before another is drawn: demanding operators must not become rare. In the
last one no way to sizes and values is too dear."""
ATTEMPTS_AN_ANCHOR = 2
"""How many uses of an operator are tried on a value, before another value and operator are drawn."""


class Exhausted(Exception):
    """No further node was found in the attempts allowed."""


class Job:
    """The making of a recipe's case.

    guide: what the epochs before have seen; None for an unguided case. start: a case to mutate. support: what is known
    of the route. bars: patterns of nodes that it is not to have. Making one raises Exhausted where the recipe's
    framework has none of its operators.
    """

    def __init__(
        self,
        recipe: Recipe,
        registry: Registry,
        profile: Profile | None = None,
        guide: Guide | None = None,
        start: Case | None = None,
        support: Support | None = None,
        bars: Sequence[Bar] = (),
    ) -> None:
        self.recipe = recipe
        self.registry = registry.within(recipe.dtypes)
        self.profile = profile or Profile()
        self.guide = guide
        self.start = start
        self.support = support
        self.bars = bars
        self.rng = recipe.rng()
        self.favored = recipe.favored_size(self.rng)
        self.operators = self.registry.of(recipe.framework, recipe.operators)
        if not self.operators:
            named = ", ".join(recipe.operators or registry)
            raise Exhausted(f"none of the operators {named} exists in {recipe.framework}")

    def allows(self, graph: Graph) -> bool:
        """Whether the operators at hand, in the dtypes at hand, could make a graph."""
        dtypes = self.recipe.dtypes
        known = {op.name for op in self.operators} >= set(graph.operators())
        return known and (not dtypes or all(value.dtype in dtypes for value in graph.values().values()))

    def in_turn(self, choices: Sequence[T]) -> list[T]:
        """The choices in an order of the campaign's lane, beginning with the one whose turn it is."""
        walk = random.Random(f"{self.recipe.seed}/{self.recipe.lane}").sample(choices, len(choices))
        place = self.recipe.turn % max(1, len(walk))
        return walk[place:] + walk[:place]

    def only(self, operators: Sequence[Operator]) -> Job:
        """The same job, with its random numbers, for these operators only."""
        job = copy(self)
        job.operators = operators
        job.recipe = msgspec.structs.replace(self.recipe, operators=tuple(op.name for op in operators))
        return job

    def growth(self, *, valued: bool = True, special: float = 0.0) -> Growth:
        """A graph without nodes. special: see `Growth`."""
        return Growth(
            self.recipe.framework,
            self.rng,
            self.recipe.max_elements,
            max_total=self.recipe.max_total_elements,
            nodes=self.recipe.nodes,
            profile=self.profile,
            favored=self.favored,
            valued=valued,
            guide=self.guide,
            support=self.support,
            bars=self.bars,
            special=special,
        )

    def resumed(self, graph: Graph, arrays: Mapping[str, Array]) -> Growth:
        """A graph that another growth of this job has made, with its values, once more."""
        growth = self.growth()
        growth.resume(graph, arrays, self.registry)
        return growth

    def extend(self, growth: Growth, nodes: int) -> None:
        """Insert nodes until there are so many. Raises Exhausted."""
        missing = nodes - len(growth.draft.nodes)
        for _ in range(missing * ATTEMPTS_A_NODE):
            if len(growth.draft.nodes) >= nodes:
                return
            self._insert(growth)
        if len(growth.draft.nodes) < nodes:
            tried = missing * ATTEMPTS_A_NODE
            raise Exhausted(f"{len(growth.draft.nodes)} of {nodes} nodes with {tried} operators tried")

    def finish(self, growth: Growth, outputs: Iterable[str] = (), **origin: Any) -> Case:
        """The case. outputs: those beside the values that no node uses. origin: what the lane tells of it."""
        graph = growth.draft.graph()
        graph = pruned(graph, tuple(dict.fromkeys((*graph.outputs, *outputs))))
        leaves = {v.name: growth.values.arrays[v.name] for v in (*graph.inputs, *graph.weights)}
        mark = {} if self.favored is None else {"favored_size": self.favored}
        recipe = self.recipe
        told = {"seed": recipe.seed, "index": recipe.index, "lane": recipe.lane, **mark, **origin}
        return Case(graph, growth.framework, leaves, told)

    def _insert(self, growth: Growth) -> bool:
        """Try to insert a node: onto an unused value, before an input, or wherever one fits; whether one was."""
        if self.rng.random() < TIED and self._tie(growth):
            return True
        guided = growth.guide is not None
        anchored = self.rng.random() < (ANCHORED_BY_GUIDE if guided else ANCHORED)
        anchor = growth.draft.pool.unused(newest=guided) if anchored else None
        if anchor is not None:
            takers = self.takers(anchor)
            if growth.values.is_special(anchor):
                takers = [op for op in takers if self.recipe.framework in op.special]
            op = self._choose(growth, anchor, takers) if takers else None
            return op is not None and any(growth.insert(op, anchor=anchor) for _ in range(ATTEMPTS_AN_ANCHOR))
        op = self._choose(growth, None, self.operators)
        if growth.draft.nodes and self.rng.random() < BACKWARD and growth.insert_before(op):
            return True
        return any(growth.insert(op, thorough=left == 0) for left in reversed(range(ATTEMPTS_AN_OPERATOR)))

    def _tie(self, growth: Growth) -> bool:
        """Try to use a node's weights once more, on other values of the same types; whether a node was inserted."""
        draft = growth.draft
        weights = {value.name for value in draft.weights}
        having = [node for node in draft.nodes if not weights.isdisjoint(node.inputs)]
        if not having:
            return False
        node = self.rng.choice(having)
        live = []
        for value in map(draft.values.__getitem__, node.inputs):
            others = [value] if value.name in weights else draft.pool.alike(value)
            if not others:
                return False
            live.append(self.rng.choice(others))
        return growth.insert_on(fixed(draft.operators[node.op], node.attrs), live)

    def takers(self, value: Value) -> Sequence[Operator]:
        """The operators that may take a value."""
        return self.registry.taking(value.dtype, len(value.shape), self.recipe.framework, self.recipe.operators)

    def _choose(self, growth: Growth, anchor: Value | None, operators: Sequence[Operator]) -> Operator:
        """Any operator, or what the guide prefers behind an unused value and those of its type."""
        if growth.guide is None:
            return self.rng.choice(operators)
        if anchor is None:
            return growth.guide.choose([None], operators, self.rng)
        producers = growth.draft.producers
        others = [producers[value.name] for value in growth.draft.pool.alike(anchor) if value.name in producers]
        kind = (anchor.dtype, len(anchor.shape))
        return growth.guide.choose([producers.get(anchor.name), *others], operators, self.rng, kind)
