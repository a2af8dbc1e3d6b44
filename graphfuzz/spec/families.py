"""Operators that share a signature and a shape rule, declared in one line each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from graphfuzz.spec.attributes import axes, flag
from graphfuzz.spec.declaration import checked, common_dtypes, operator
from graphfuzz.spec.dims import Condition, both, choose, either, negate
from graphfuzz.spec.dtypes import ANY, BOOL, REAL
from graphfuzz.spec.operator import (
    FRAMEWORKS,
    MAX_RANK,
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
    result = _padded(shapes[0], rank)
    for shape in shapes[1:]:
        for a, b in zip(result, _padded(shape, rank), strict=True):
            require(either(a == b, a == 1, b == 1), "sizes that meet are equal or one")
        result = stretched(result, shape)
    if rank > TENSORFLOW_BROADCASTS and require.framework == "keras" and len(shapes) == 2:
        require(negate(_crowded(*shapes)), "TensorFlow broadcasts at most five groups of axes")
    return result


def stretched(x: Shape, y: Shape) -> Shape:
    """The common shape of two operands that are known to broadcast."""
    rank = max(len(x), len(y))
    return tuple(choose(a == 1, b, a) for a, b in zip(_padded(x, rank), _padded(y, rank), strict=True))


def _padded(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + tuple(shape)


TENSORFLOW_BROADCASTS = 5
"""How many groups of neighboring axes, stretched alike, TensorFlow's binary kernels know: `BinaryOp::Compute` in
tensorflow/core/kernels/cwise_ops_common.cc."""


def _crowded(x: Shape, y: Shape) -> bool | Condition:
    """Whether no two neighboring axes of six are stretched alike."""
    ones = [(a == 1, b == 1) for a, b in zip(_padded(x, MAX_RANK), _padded(y, MAX_RANK), strict=True)]
    apart = (either(_differ(a, c), _differ(b, d)) for (a, b), (c, d) in pairwise(ones))
    return both(*apart, *(negate(both(a, b)) for a, b in ones))


def _differ(a: bool | Condition, b: bool | Condition) -> bool | Condition:
    return either(both(a, negate(b)), both(negate(a), b))


def normalize_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the start."""
    return [a % rank for a in axes]


def named(name: str, doc: str, rule: Callable[..., Any], extra: Iterable[str] = ()) -> Callable[..., Any]:
    """The rule with its operator's name and documentation; what it takes as `**others` are the `extra` attributes."""
    rule.__name__, rule.__doc__ = name, doc
    signature = inspect.signature(rule)
    kept = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    known = {p.name for p in kept}
    more = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in extra if n not in known]
    rule.__signature__ = signature.replace(parameters=[*kept, *more])  # type: ignore[attr-defined]
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
    special: Sequence[str] = (),
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
        special=special,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc or f"Elementwise {name.replace('_', ' ')}.", rule))


def binary(
    name: str,
    dtypes: Sequence[str] = REAL,
    *,
    reference: Reference,
    torch: Emitted = None,
    keras: Emitted = None,
    domain: Bounds | None = None,
    divisor: Bounds | Callable[..., Bounds] | None = None,
    least: float = 0.0,
    returns: Returns = "T",
    doc: str | None = None,
    defined: Callable[..., bool] | None = None,
    empty: bool = True,
    special: Sequence[str] = (),
) -> Operator:
    """An operator on each pair of elements of `x` and `y`, which are broadcast.

    divisor: y's own domain. least: the least magnitude that its floats have.
    """

    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        return broadcast(require, x.shape, y.shape)

    declare = operator(
        tensor("x"),
        tensor("y", domain=divisor, least=least),
        dtypes=dtypes,
        returns=returns,
        reference=reference,
        domain=domain,
        defined=defined,
        empty=empty,
        special=special,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc or f"Elementwise {name.replace('_', ' ')} of two operands, broadcast.", rule))


def comparison(name: str, *, reference: Reference, torch: Emitted, keras: Emitted) -> Operator:
    """A statement on each pair of elements, of NaN as IEEE 754 has it (5.11); as a truth, NaN is no zero."""
    return binary(name, ANY, reference=reference, torch=torch, keras=keras, returns="bool", special=FRAMEWORKS)


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
    special: Sequence[str] = (),
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
        special=special,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc or f"The {name.replace('_', ' ')} along axes.", rule))


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


def on_special(op: Operator, *frameworks: str) -> Operator:
    """The operator, declared for NaN and infinities in the frameworks named, in both unless told (see `operator`)."""
    return msgspec.structs.replace(op, special=frameworks or FRAMEWORKS)


def spelled(
    op: Operator, name: str, doc: str | None = None, *, torch: Emitted = None, keras: Emitted = None, **fields: Any
) -> Operator:
    """The same operator under another of its public names, or in another form, in the frameworks given.

    Its dtypes and defects in a framework are those of `op` where the new emission says nothing of them; `fields`
    replace others of its fields.
    """
    given = {framework: e for framework, e in (("torch", torch), ("keras", keras)) if e is not None}
    emissions = {framework: _over(op, framework, e) for framework, e in given.items()}
    return checked(msgspec.structs.replace(op, name=name, doc=doc or op.doc, emissions=emissions, **fields))


def _over(op: Operator, framework: str, given: str | Callable[..., str] | Emission) -> Emission:
    """An emission, completed by that of `op`; by the common dtypes, where it has none in the framework."""
    made = given if isinstance(given, Emission) else Emission(given)
    old = op.emissions.get(framework)
    dtypes: Mapping[str, tuple[str, ...]] = old.dtypes if old else common_dtypes(framework, op.variables)
    defects = made.defects or (old.defects if old else ())
    return msgspec.structs.replace(made, dtypes={**dtypes, **made.dtypes}, defects=defects)
