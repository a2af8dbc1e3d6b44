"""Operators of which only some uses are wanted: the same declaration with fewer ranks, attribute values or weights."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from graphfuzz.graph import attribute_bin
from graphfuzz.spec.attributes import Attribute, Ranks
from graphfuzz.spec.operator import Bounds, Operator, Parameter, Rejected

DRAWS = 40
"""How often a value of one bin is drawn."""
SHIFTS = 0.5
"""The largest magnitude of an initialized weight of one axis."""


class Fixed(msgspec.Struct, frozen=True):
    """An attribute of one value."""

    kind: Attribute
    value: Any

    def draw(self, rng: random.Random, rank: Ranks) -> Any:
        """The value. Raises Rejected where the ranks do not allow it."""
        problem = self.problem(self.value, rank)
        if problem:
            raise Rejected(f"the attribute {problem}")
        return self.value

    def problem(self, value: Any, rank: Ranks) -> str | None:
        return self.kind.problem(value, rank)


class Binned(msgspec.Struct, frozen=True):
    """An attribute of the values in one bin (see `attribute_bin`)."""

    kind: Attribute
    bin: str

    def draw(self, rng: random.Random, rank: Ranks) -> Any:
        """A value of the bin. Raises Rejected where a number of draws finds none."""
        for _ in range(DRAWS):
            value = self.kind.draw(rng, rank)
            if attribute_bin(value) == self.bin:
                return value
        raise Rejected(f"a value of the bin {self.bin} is drawn")

    def problem(self, value: Any, rank: Ranks) -> str | None:
        return self.kind.problem(value, rank)


def fixed(op: Operator, attrs: Mapping[str, Any]) -> Operator:
    """The operator with these values of attributes and no others. Raises Rejected where it has no such attributes."""
    if not attrs.keys() <= op.attrs.keys():
        raise Rejected(f"{op.name} has the attributes {sorted(attrs)}")
    return narrowed(op, {name: Fixed(op.attrs[name], value) for name, value in attrs.items()})


def narrowed(op: Operator, attrs: Mapping[str, Attribute], ranks: Sequence[int] | None = None) -> Operator:
    """The operator with other kinds of some attributes, which decide alone, and other ranks of the first operand."""
    propose = op.propose

    def other_attributes(*given: Any) -> dict[str, Any]:
        assert propose is not None
        return {name: value for name, value in propose(*given).items() if name not in attrs}

    first = op.parameters[0] if ranks is None else msgspec.structs.replace(op.parameters[0], ranks=tuple(ranks))
    return msgspec.structs.replace(
        op,
        parameters=(first, *op.parameters[1:]),
        attrs={**op.attrs, **attrs},
        propose=other_attributes if propose and attrs else propose,
    )


def initialized(op: Operator) -> Operator:
    """The operator with weights as small as networks begin with, so that values keep their magnitude over many layers.

    They are uniform in +-1/sqrt(inputs of an output), as PyTorch initializes its layers
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html), where their domain has zero inside.
    """
    parameters = [
        msgspec.structs.replace(p, domain=partial(_initial_bounds, op, p)) if p.role == "weight" else p
        for p in op.parameters
    ]
    return msgspec.structs.replace(op, parameters=tuple(parameters))


def _initial_bounds(op: Operator, parameter: Parameter, **use: Any) -> Bounds:
    shape = use[parameter.name].shape
    most = math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else SHIFTS
    domain = parameter.domain(**use) if callable(parameter.domain) else parameter.domain or op.domain or (-most, most)
    low, high = domain
    return (max(low, -most), min(high, most)) if low < 0 < high else (low, high)
