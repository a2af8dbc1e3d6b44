"""The values of everything in a graph in the making, computed along with its types on the operators' references.

Key insight: whether an operator is defined on a tensor is then a look at its values, so a graph never leaves a domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from graphfuzz.generator.draft import Draft
from graphfuzz.generator.insertion import Use
from graphfuzz.generator.intervals import met
from graphfuzz.generator.sizing import known_shape
from graphfuzz.generator.values import draw_array, with_specials
from graphfuzz.graph import (
    Array,
    Node,
    Value,
    defined_outputs,
    extent,
    in_domain,
    is_special,
    operand_bounds,
    ordinary_outputs,
    plain_bounds,
)
from graphfuzz.spec.dtypes import epsilon, is_float
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import Bounds, Operator, Parameter, Tensor


class Computed(msgspec.Struct, frozen=True):
    """The arrays of a use's operands and outputs, and those of the draft's values that change with it, by name."""

    operands: Sequence[Array] = ()
    outputs: Sequence[Array] = ()
    changed: Mapping[str, Array] = {}


class Types:
    """The twin of `Valuation` for graphs without values: what fits by its types fits."""

    arrays: Mapping[str, Array] = {}

    def allow(self, op: Operator, parameter: Parameter, value: Value) -> bool:
        """True."""
        return True

    def fits(self, parameter: Parameter, value: Value, bounds: Bounds | None) -> bool:
        """True."""
        return True

    def is_special(self, value: Value) -> bool:
        """False."""
        return False

    def compute(self, use: Use, search: bool) -> Computed | None:
        """Nothing, which will do."""
        return Computed()

    def keep(self, node: Node, computed: Computed) -> None:
        """Nothing is kept."""

    def hold(self, arrays: Mapping[str, Array]) -> None:
        """Nothing is kept."""


ROUNDING = 8
"""By how many spacings what is computed may come out elsewhere beyond what the references make."""


def _rounded(known: Bounds, dtype: str) -> Bounds:
    """The extent of a computed value, whatever computes it: a 1.0 that was rounded may be beyond what an arc cosine is
    defined for. A zero stays."""
    low, high = known
    spacing = ROUNDING * epsilon(dtype)
    return low - spacing * abs(low), high + spacing * abs(high)


class Valuation:
    """The arrays of a draft's values, by name.

    seed: of the leaves' values. special: the share of float operands that get NaN or infinities in some elements, of
    those that are made for operators which declare themselves for them.
    """

    def __init__(self, draft: Draft, seed: int, framework: str, special: float) -> None:
        self.draft = draft
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.framework = framework
        self.special = special
        self.arrays: dict[str, Array] = {}
        self.extents: dict[str, Bounds] = {}
        """Of the values that were asked about."""

    def allow(self, op: Operator, parameter: Parameter, value: Value) -> bool:
        """Whether a value may be an operand by its numbers, as far as that does not depend on the others."""
        taken = self.framework in op.special or not self.is_special(value)
        return taken and self.fits(parameter, value, plain_bounds(op, parameter, value.dtype))

    def fits(self, parameter: Parameter, value: Value, bounds: Bounds | None) -> bool:
        """Whether a value's numbers lie in the bounds, and are none smaller than the parameter wants."""
        if bounds is None and not parameter.least:
            return True
        known = self.extent(value.name)
        if value.name in self.draft.producers and is_float(value.dtype):
            known = _rounded(known, value.dtype)
        return in_domain(parameter, bounds, self.arrays[value.name], known)

    def is_special(self, value: Value) -> bool:
        """Whether a value has NaN or infinities, so that not every operator may take it."""
        return self.special > 0 and is_special(self.arrays[value.name])

    def extent(self, name: str) -> Bounds:
        """The least and the greatest finite number of a value."""
        known = self.extents.get(name)
        if known is None:
            known = self.extents[name] = extent(self.arrays[name])
        return known

    def all_fit(self, use: Use, bounds: Sequence[Bounds | None]) -> bool:
        """Whether the live operands lie in their bounds."""
        live = zip(use.parameters, use.live, bounds, strict=True)
        return all(value is None or self.fits(parameter, value, limit) for parameter, value, limit in live)

    def needs(self, name: str) -> tuple[Bounds | None, float]:
        """The bounds that all consumers of a value need, which may leave nothing, and the least magnitude."""
        bounds: Bounds | None = None
        least = 0.0
        for node in self.draft.nodes:
            if name in node.inputs:
                op = self.draft.operators[node.op]
                parameters = parameters_of(op, len(node.inputs))
                limits = operand_bounds(op, parameters, types_of([self.arrays[n] for n in node.inputs]), node.attrs)
                for operand, parameter, limit in zip(node.inputs, parameters, limits, strict=True):
                    if operand == name:
                        bounds, least = met(bounds, limit), max(least, parameter.least)
        return bounds, least

    def operands(self, use: Use, bounds: Sequence[Bounds | None], *, plain: bool = False) -> list[Array]:
        """The operands' arrays; those to be made are drawn inside the bounds. plain: see `draw_array`."""
        return [
            self._drawn(use.op, parameter, operand, limit, plain) if value is None else self.arrays[value.name]
            for parameter, value, operand, limit in zip(use.parameters, use.live, use.operands, bounds, strict=True)
        ]

    def _drawn(self, op: Operator, parameter: Parameter, operand: Tensor, limit: Bounds | None, plain: bool) -> Array:
        array = draw_array(self.rng, operand.dtype, known_shape(operand), limit, parameter.least, plain=plain)
        takes = self.special and self.framework in op.special and is_float(operand.dtype) and array.size
        return with_specials(self.rng, array) if takes and self.rng.random() < self.special else array

    def complete(self, use: Use, operands: Sequence[Array], changed: Mapping[str, Array] = {}) -> Computed | None:
        """The use with its outputs, its operands being in its domain; None where that is not ordinary, or what follows
        from another value of its target is not."""
        outputs = defined_outputs(use.op, unnamed(use), operands, self.framework)
        if outputs is not None and use.target is not None:
            following = self.revalued({use.target.name: outputs[0]})
            return None if following is None else Computed(operands, outputs, following)
        return None if outputs is None else Computed(operands, outputs, changed)

    def with_leaves(
        self, use: Use, bounds: Sequence[Bounds | None], operands: Sequence[Array], leaves: Mapping[str, Array]
    ) -> Computed | None:
        """The same with other values of some leaves; None where a node's use would not be ordinary."""
        changed = self.revalued(leaves)
        if changed is None:
            return None
        arrays = replaced(use, operands, changed)
        inside = all(in_domain(p, b, a) for p, b, a in zip(use.parameters, bounds, arrays, strict=True))
        return self.complete(use, arrays, changed) if inside else None

    def revalued(self, changed: Mapping[str, Array]) -> dict[str, Array] | None:
        """These values and all that follow from them; None where a node's use would no longer be ordinary."""
        fresh = dict(changed)
        for node in self.draft.nodes:
            if not any(name in fresh for name in node.inputs):
                continue
            arrays = [fresh[name] if name in fresh else self.arrays[name] for name in node.inputs]
            made = ordinary_outputs(self.draft.operators[node.op], node, types_of(arrays), arrays, self.framework)
            if made is None:
                return None
            fresh.update(zip((value.name for value in node.outputs), made, strict=True))
        return fresh

    def keep(self, node: Node, computed: Computed) -> None:
        """Take in the values of a node that has been placed."""
        self.arrays.update(computed.changed)
        for name in computed.changed:
            self.extents.pop(name, None)
        self.arrays.update(zip(node.inputs, computed.operands, strict=True))
        self.arrays.update(zip((value.name for value in node.outputs), computed.outputs, strict=True))

    def hold(self, arrays: Mapping[str, Array]) -> None:
        """Take in values that are known."""
        self.arrays.update(arrays)


def replaced(use: Use, operands: Sequence[Array], changed: Mapping[str, Array]) -> list[Array]:
    """The operands' arrays, those of live ones as they have changed."""
    return [
        array if value is None else changed.get(value.name, array)
        for value, array in zip(use.live, operands, strict=True)
    ]


def types_of(arrays: Sequence[Array]) -> list[Tensor]:
    """The types of arrays."""
    return [Tensor(str(a.dtype), a.shape) for a in arrays]


def unnamed(use: Use) -> Node:
    """The use as a node, before it has its place."""
    return Node(use.op.name, (), use.attrs, tuple(Value("", t.dtype, known_shape(t)) for t in use.outputs))
