"""Dynamic shapes: further inputs of other sizes for which a case's very model is defined.

Key insight: the operators' rules say under which sizes a graph is valid. Run on symbols through the whole graph, with
all attributes as they are, they give one system of conditions on the sizes of the inputs; whatever satisfies it is a
binding. Of alternatives (two sizes are equal, or one is 1) those hold that hold in the case: a program that is captured
for dynamic shapes is captured on the case's own branches. Arithmetic answers first (see `Completion`), z3 where it
finds nothing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from graphfuzz.errors import InvalidGraph
from graphfuzz.generator.values import draw_array, with_specials
from graphfuzz.graph import (
    Array,
    Case,
    Graph,
    Value,
    bound_cases,
    extent,
    is_special,
    ordinary_values,
    rebound,
    requirements,
    symbolic_axes,
)
from graphfuzz.materializer import source
from graphfuzz.solver import Completion, Contradiction, GaveUp, Profile, Unsatisfiable, solve
from graphfuzz.spec.attributes import draw_size
from graphfuzz.spec.dims import Condition, Dim, either, prod, symbol
from graphfuzz.spec.registry import Registry

BINDINGS = 2
"""How many further bindings a dynamic case has."""
LEAST = 2
"""The least size of a dynamic axis, anywhere in the graph: `torch.export` takes sizes of 0 and 1 for constants
(https://docs.pytorch.org/docs/stable/user_guide/torch_compiler/compile/dynamic_shapes_zero_one_specialization.html)."""
DYNAMIC = 0.6
"""How often an axis of an input is to be dynamic."""
ATTEMPTS = 4
"""How many times sizes, and then values, are tried for a binding."""

Shapes = dict[str, tuple[int, ...]]


def with_bindings(case: Case, registry: Registry, rng: random.Random, max_elements: int, profile: Profile) -> Case:
    """The case with `BINDINGS` sets of further inputs, or with fewer where no more are found.

    max_elements: the most a tensor may have.
    """
    search = _Search(case, registry, rng, max_elements, profile)
    for _ in range(BINDINGS):
        found = search.binding()
        if found is None:
            break
        case = msgspec.structs.replace(case, bindings=(*case.bindings, found))
    return case if _is_one_source(case, registry) else msgspec.structs.replace(case, bindings=())


def _is_one_source(case: Case, registry: Registry) -> bool:
    """Whether the source model is the same at every binding: emissions may write sizes into it."""
    graphs = [bound.graph for bound in bound_cases(case, registry)]
    axes = symbolic_axes(graphs)
    return len({source(graph, registry, case.framework, axes) for graph in graphs}) == 1


class _Search:
    """The conditions on the sizes of a case's inputs, and what is tried to satisfy them."""

    def __init__(self, case: Case, registry: Registry, rng: random.Random, max_elements: int, profile: Profile) -> None:
        self.case = case
        self.registry = registry
        self.rng = rng
        self.values_rng = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
        self.max_elements = max_elements
        self.profile = profile
        self.own: dict[str, int] = {}
        """The size that each symbol of an input has in the case."""
        self.stated: list[tuple[Condition, str]] = []
        places = [(v.name, i) for v in case.graph.inputs for i, size in enumerate(v.shape) if size >= LEAST]
        chosen = [place for place in places if rng.random() < DYNAMIC] or places[-1:]
        self.shapes = {
            v.name: tuple(self._axis(size) if (v.name, i) in chosen else size for i, size in enumerate(v.shape))
            for v in case.graph.inputs
        }
        self.task = self._stated_task() if self.own else None
        """None where no size can be another one."""

    def binding(self) -> dict[str, Array] | None:
        """Inputs of other sizes than the case's."""
        for _ in range(ATTEMPTS):
            shapes = self._sizes(self.task) if self.task else None
            graph = self._rebound(shapes) if shapes else None
            if graph is not None:
                for _ in range(ATTEMPTS):
                    inputs = {v.name: value_like(self.case.tensors[v.name], v, self.values_rng) for v in graph.inputs}
                    leaves = {**self.case.weights(), **inputs}
                    if ordinary_values(graph, leaves, self.registry, self.case.framework) is not None:
                        return inputs
        return None

    def _axis(self, size: int) -> Dim:
        name = f"d{len(self.own)}"
        self.own[name] = size
        self.stated.append((symbol(name) >= LEAST, f"a dynamic size is at least {LEAST}"))
        return symbol(name)

    def _stated_task(self) -> Completion | None:
        required, _ = requirements(
            self.case.graph, self.shapes, {}, self.own, self.registry, self.case.framework, LEAST
        )
        self.stated += required
        try:
            task = Completion((condition for condition, _ in self.stated), tuple(self.own))
        except Contradiction:
            return None
        return None if self.own.keys() <= task.decided.keys() else task

    def _sizes(self, task: Completion) -> Shapes | None:
        """Other shapes for the inputs that satisfy the conditions."""
        try:
            tried = (task.attempt(self._draw, self.rng) for _ in range(ATTEMPTS))
            sizes = next((found for found in tried if found is not None and self._is_other(found)), None)
        except Contradiction:
            return None
        sizes = sizes or self._solved({name: self._draw(name) for name in self.own})
        return None if sizes is None else {name: _at(shape, sizes) for name, shape in self.shapes.items()}

    def _is_other(self, sizes: Mapping[str, int]) -> bool:
        return any(sizes[name] != size for name, size in self.own.items())

    def _draw(self, name: str) -> int:
        """A size of the bins, now and then the case's own."""
        return self.own[name] if self.rng.random() < 0.2 else draw_size(self.rng, LEAST, max(8, 2 * self.own[name]))

    def _solved(self, wishes: Mapping[str, int]) -> dict[str, int] | None:
        """Sizes by z3, at least one of them another than in the case."""
        other = either(*(symbol(name) != size for name, size in self.own.items()))
        assert isinstance(other, Condition), "there are symbols"
        stated = [*self.stated, (other, "some size is another one")]
        try:
            return solve(stated, wishes, reason="bind other sizes", profile=self.profile, high=self.max_elements)
        except (Unsatisfiable, GaveUp):
            self.task = None
            return None

    def _rebound(self, shapes: Shapes) -> Graph | None:
        """The graph at other sizes, where they fit the budget and no dynamic axis is too short."""
        try:
            graph = rebound(self.case.graph, shapes, self.registry, self.case.framework)
        except InvalidGraph:
            return None
        before, after = self.case.graph.values(), graph.values()
        for name, value in after.items():
            pairs = zip(before[name].shape, value.shape, strict=True)
            if prod(value.shape) > self.max_elements or any(a != b and min(a, b) < LEAST for a, b in pairs):
                return None
        return graph


def value_like(own: Array, value: Value, rng: np.random.Generator) -> Array:
    """Values in the range of the case's own; NaN and infinities among them, where those have some."""
    drawn = draw_array(rng, value.dtype, value.shape, _range(own))
    return with_specials(rng, drawn) if is_special(own) and drawn.size else drawn


def _at(shape: Sequence[int | Dim], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sizes[size.args[0]] if isinstance(size, Dim) else size for size in shape)


def _range(array: Array) -> tuple[float, float] | None:
    low, high = extent(array)
    return (low, high) if array.dtype != bool and low <= high else None
