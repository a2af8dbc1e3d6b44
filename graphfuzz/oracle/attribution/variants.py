"""Larger variants of a minimized case: on single elements too many things do the same.

Key insight: the operators' rules say which sizes go together (see `graphfuzz.graph.requirements`), so z3 finds larger
ones for the same nodes. Sizes that need not be equal are made different, for then axes can be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import msgspec
import numpy as np

from graphfuzz.errors import InvalidGraph
from graphfuzz.generator.bindings import value_like
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import Array, Case, Graph, Value, ordinary_values, requirements, retyped
from graphfuzz.solver import GaveUp, Profile, Unsatisfiable, solve
from graphfuzz.spec.dims import Condition, symbol
from graphfuzz.spec.inference import size_attributes
from graphfuzz.spec.operator import Rejected
from graphfuzz.spec.registry import Registry

GROWTH, HIGHEST = 3, 8
"""By how much a size is wished to be larger than its own, at most, and may be where others ask for it."""
ELEMENTS = 4096
"""The most that a tensor of a variant has."""
DRAWS = 4
"""How many times values are drawn, of any range and of the case's own."""
NUMBERS = (2, 3)
"""The shape that numbers get where there is nothing else."""


def larger(case: Case, registry: Registry) -> Iterator[Case]:
    """The case at larger sizes, on other values: with the sizes among its attributes larger, too, then with its own.
    None where the operators' rules allow none."""
    graphs = [graph for grow in (True, False) if (graph := _grown(case, registry, grow)) is not None]
    for i, graph in enumerate(graphs):
        tensors = None if graph in graphs[:i] else _drawn(case, graph, registry)
        if tensors is not None:
            yield Case(graph, case.framework, tensors)


def _grown(case: Case, registry: Registry, grow: bool) -> Graph | None:
    """The graph at sizes of which as many as can be are larger. grow: the sizes among attributes, too."""
    leaves = (*case.graph.inputs, *case.graph.weights)
    own: dict[str, int] = {}

    def asked(name: str, size: Any) -> Any:
        if isinstance(size, tuple):
            return tuple(asked(f"{name}_{i}", each) for i, each in enumerate(size))
        own[name] = size
        return symbol(name) if size else size

    shapes = {v.name: asked(v.name, v.shape) for v in leaves}
    wishes = {name: size + 1 + i % GROWTH for i, (name, size) in enumerate(own.items())}
    attrs: dict[str, dict[str, Any]] = {}
    for node in case.graph.nodes:
        names = size_attributes(registry[node.op]) if grow else ()
        attrs[node.name] = {name: asked(f"{node.name}_{name}", node.attrs[name]) for name in names}
    sizes = _solved(case, registry, shapes, attrs, own, {**{name: size + 1 for name, size in own.items()}, **wishes})
    if sizes is None:
        return None

    def types(values: tuple[Value, ...]) -> tuple[Value, ...]:
        numbers = not any(v.shape for v in leaves)
        return tuple(
            msgspec.structs.replace(v, shape=NUMBERS if numbers else _at(shapes[v.name], sizes)) for v in values
        )

    graph = Graph(
        types(case.graph.inputs),
        types(case.graph.weights),
        tuple(msgspec.structs.replace(n, attrs={**n.attrs, **_at(attrs[n.name], sizes)}) for n in case.graph.nodes),
        case.graph.outputs,
    )
    try:
        graph = retyped(graph, registry, case.framework)
    except InvalidGraph:
        return None
    fits = all(prod(v.shape) <= ELEMENTS for v in graph.values().values())
    return graph if fits and graph != case.graph else None


def _solved(
    case: Case,
    registry: Registry,
    shapes: Mapping[str, tuple[Any, ...]],
    attrs: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, int],
    wishes: Mapping[str, int],
) -> dict[str, int] | None:
    """Sizes that satisfy the rules, none smaller than it was."""
    bounds = [
        (bound, "no size shrinks, or grows much")
        for name, size in own.items()
        for bound in (Condition("<=", size, symbol(name)), Condition("<=", symbol(name), size + HIGHEST))
    ]
    try:
        stated, _ = requirements(case.graph, shapes, attrs, own, registry, case.framework, least=0)
        stated += bounds
        found = solve(stated, wishes, reason="make larger", profile=Profile())
    except (Unsatisfiable, GaveUp, Rejected):
        return None
    return {name: found.get(name, size) for name, size in own.items()}


def _at(value: Any, sizes: Mapping[str, int]) -> Any:
    """A size, or several, with numbers in place of symbols."""
    if isinstance(value, dict):
        return {name: _at(each, sizes) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_at(each, sizes) for each in value)
    return value if isinstance(value, int) else sizes[value.args[0]]


def _drawn(case: Case, graph: Graph, registry: Registry) -> dict[str, Array] | None:
    """Values of its leaves on which every operator is defined."""
    rng = np.random.default_rng(DRAWS)
    leaves = (*graph.inputs, *graph.weights)
    for _ in range(DRAWS):
        for tensors in (
            {v.name: draw_array(rng, v.dtype, v.shape, None, plain=True) for v in leaves},
            {v.name: value_like(spread(case.tensors[v.name]), v, rng) for v in leaves},
        ):
            if ordinary_values(graph, tensors, registry, case.framework) is not None:
                return tensors
    return None


def spread(array: Array) -> Array:
    """Numbers of the same range; where that is a single number, of some range around it."""
    if array.dtype == bool or not array.size or not (array == array.flat[0]).all():
        return array
    number = array.flat[0]
    return np.array([number / 2, number * 2] if number else [0, 1]).astype(array.dtype)
