"""Operators that share a signature and a shape rule, declared in one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from graphfuzz.spec.attributes import axes, flag
from graphfuzz.spec.declaration import checked, operator
from graphfuzz.spec.dims import Size, choose, either
from graphfuzz.spec.dtypes import ANY, BOOL, REAL
from graphfuzz.spec.operator import (
    Bounds,
    Emission,
    Operator,
    Require,
    Returns,
    Shape,
    Tensor,
    tensor,
)

Reference = Callable[..., Any]
Emitted = str | Callable[..., str] | Emission | None


def broadcast(require: Require, *shapes: Shape) -> Shape:
    """The common shape of operands that are stretched along sizes of one (NumPy's broadcasting rule)."""
    rank = max(len(s) for s in shapes)
    result: tuple[Size, ...] = (1,) * rank
    for shape in shapes:
        padded = (1,) * (rank - len(shape)) + tuple(shape)
        for a, b in zip(result, padded, strict=True):
            require(either(a == b, a == 1, b == 1), "sizes that meet are equal or one")
        result = tuple(choose(a == 1, b, a) for a, b in zip(result, padded, strict=True))
    return result


def normalize_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the start."""
    return [a % rank for a in axes]


def _named(name: str, doc: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    rule.__name__, rule.__doc__ = name, doc
    return rule


def unary(
    name: str,
    dtypes: Sequence[str],
    *,
    reference: Reference,
    torch: Emitted = None,
    keras: Emitted = None,
    domain: Bounds | None = None,
    returns: Returns = "T",
    doc: str | None = None,
    defined: Callable[..., bool] | None = None,
    empty: bool = True,
) -> Operator:
    """An operator on each element of `x`."""

    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    declare = operator(
        tensor("x"),
        dtypes=dtypes,
        returns=returns,
        reference=reference,
        domain=domain,
        defined=defined,
        empty=empty,
        torch=torch,
        keras=keras,
    )
    return declare(_named(name, doc or f"Elementwise {name.replace('_', ' ')}.", rule))


def binary(
    name: str,
    dtypes: Sequence[str] = REAL,
    *,
    reference: Reference,
    torch: Emitted = None,
    keras: Emitted = None,
    domain: Bounds | None = None,
    divisor: Bounds | Callable[..., Bounds] | None = None,
    returns: Returns = "T",
    doc: str | None = None,
    defined: Callable[..., bool] | None = None,
    empty: bool = True,
) -> Operator:
    """An operator on each pair of elements of `x` and `y`, which are broadcast; `divisor` is y's own domain."""

    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        return broadcast(require, x.shape, y.shape)

    declare = operator(
        tensor("x"),
        tensor("y", domain=divisor),
        dtypes=dtypes,
        returns=returns,
        reference=reference,
        domain=domain,
        defined=defined,
        empty=empty,
        torch=torch,
        keras=keras,
    )
    return declare(_named(name, doc or f"Elementwise {name.replace('_', ' ')} of two operands, broadcast.", rule))


def comparison(name: str, *, reference: Reference, torch: Emitted, keras: Emitted) -> Operator:
    """A statement on each pair of elements."""
    return binary(name, ANY, reference=reference, torch=torch, keras=keras, returns="bool")


def logical(name: str, *, reference: Reference, torch: Emitted, keras: Emitted) -> Operator:
    """A connective on each pair of bools."""
    return binary(name, BOOL, reference=reference, torch=torch, keras=keras)


def reduced_shape(require: Require, x: Tensor, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape without (or with one in place of) the axes."""
    gone = set(normalize_axes(axes, x.rank))
    return tuple(1 if i in gone else s for i, s in enumerate(x.shape) if keepdims or i not in gone)


def reduction(
    name: str,
    dtypes: Sequence[str],
    *,
    reference: Reference,
    torch: Emitted,
    keras: Emitted,
    domain: Bounds | None = None,
    returns: Returns = "T",
    doc: str | None = None,
    defined: Callable[..., bool] | None = None,
    empty: bool = False,
) -> Operator:
    """An operator that folds the axes in `axes` away (or to one, with `keepdims`)."""

    def rule(require: Require, x: Tensor, *, axes: Sequence[int], keepdims: bool) -> Shape:
        require(len(axes) >= 1, "at least one axis is reduced")
        return reduced_shape(require, x, axes, keepdims)

    declare = operator(
        tensor("x", rank=range(1, 7)),
        attrs={"axes": axes(), "keepdims": flag()},
        dtypes=dtypes,
        returns=returns,
        reference=reference,
        domain=domain,
        defined=defined,
        empty=empty,
        torch=torch,
        keras=keras,
    )
    return declare(_named(name, doc or f"The {name.replace('_', ' ')} along axes.", rule))


def layered(
    op: Operator, *, torch: str | Callable[..., str] | None = None, keras: str | Callable[..., str] | None = None
) -> Operator:
    """The same operator as the layers that people write: `torch` and `keras` construct them, over `op`'s attributes.

    The layer is called on the operands. Its dtypes are those of `op`, whose emissions it replaces.
    """
    call = "{layer}(" + ", ".join("{" + p.name + "}" for p in op.parameters) + ")"
    emissions = {
        framework: msgspec.structs.replace(op.emissions[framework], call=call, layer=constructed, helper="")
        for framework, constructed in (("torch", torch), ("keras", keras))
        if constructed is not None
    }
    return checked(msgspec.structs.replace(op, name=f"{op.name}_layer", emissions=emissions))
