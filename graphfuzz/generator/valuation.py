"""The values of everything in a graph in the making, computed along with its types on the operators' references.

Key insight: whether an operator is defined on a tensor is then a look at its values, so a graph never leaves a domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from graphfuzz.generator.draft import Draft
from graphfuzz.generator.insertion import Use
from graphfuzz.generator.sizing import known_shape
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import (
    Array,
    Node,
    Value,
    defined_outputs,
    extent,
    in_domain,
    operand_bounds,
    ordinary_outputs,
)
from graphfuzz.spec.operator import Bounds, Parameter, Tensor


class Computed(msgspec.Struct, frozen=True):
    """The arrays of a use's operands and outputs, and those of the draft's values that change with it, by name."""

    operands: Sequence[Array] = ()
    outputs: Sequence[Array] = ()
    changed: Mapping[str, Array] = {}


class Types:
    """The twin of `Valuation` for graphs without values: what fits by its types fits."""

    arrays: Mapping[str, Array] = {}

    def fits(self, parameter: Parameter, value: Value, bounds: Bounds | None) -> bool:
        """True."""
        return True

    def compute(self, use: Use) -> Computed | None:
        """Nothing, which will do."""
        return Computed()

    def keep(self, node: Node, computed: Computed) -> None:
        """Nothing is kept."""

    def hold(self, arrays: Mapping[str, Array]) -> None:
        """Nothing is kept."""


class Valuation:
    """The arrays of a draft's values, by name. seed: of the leaves' values."""

    def __init__(self, draft: Draft, seed: int) -> None:
        self.draft = draft
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.arrays: dict[str, Array] = {}
        self.extents: dict[str, Bounds] = {}
        """Of the values that were asked about."""

    def fits(self, parameter: Parameter, value: Value, bounds: Bounds | None) -> bool:
        """Whether a value's numbers lie in the bounds, and are none smaller than the parameter wants."""
        if bounds is None and not parameter.least:
            return True
        array = self.arrays[value.name]
        known = self.extents.get(value.name)
        if known is None:
            known = self.extents[value.name] = extent(array)
        return in_domain(parameter, bounds, array, known)

    def compute(self, use: Use) -> Computed | None:
        """The use's values, those of made operands drawn from where it is defined; None where it is not ordinary."""
        bounds = operand_bounds(use.op, use.parameters, use.operands, use.attrs)
        live = zip(use.parameters, use.live, bounds, strict=True)
        if not all(value is None or self.fits(parameter, value, limit) for parameter, value, limit in live):
            return None
        arrays = self._operands(use, bounds)
        made = defined_outputs(use.op, _unnamed(use), arrays)
        if made is None:
            return None
        changed = {} if use.target is None else self._revalued({use.target.name: made[0]})
        return None if changed is None else Computed(arrays, made, changed)

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

    def _operands(self, use: Use, bounds: Sequence[Bounds | None]) -> list[Array]:
        """The operands' arrays; those to be made are drawn."""
        return [
            draw_array(self.rng, operand.dtype, known_shape(operand), limit, parameter.least)
            if value is None
            else self.arrays[value.name]
            for parameter, value, operand, limit in zip(use.parameters, use.live, use.operands, bounds, strict=True)
        ]

    def _revalued(self, changed: Mapping[str, Array]) -> dict[str, Array] | None:
        """These values and all that follow from them; None where a node's use would no longer be ordinary."""
        fresh = dict(changed)
        for node in self.draft.nodes:
            if not any(name in fresh for name in node.inputs):
                continue
            arrays = [fresh[name] if name in fresh else self.arrays[name] for name in node.inputs]
            types = [Tensor(str(a.dtype), a.shape) for a in arrays]
            made = ordinary_outputs(self.draft.operators[node.op], node, types, arrays)
            if made is None:
                return None
            fresh.update(zip((value.name for value in node.outputs), made, strict=True))
        return fresh


def _unnamed(use: Use) -> Node:
    """The use as a node, before it has its place."""
    return Node(use.op.name, (), use.attrs, tuple(Value("", t.dtype, known_shape(t)) for t in use.outputs))
