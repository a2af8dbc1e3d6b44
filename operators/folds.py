"""Constructors for operators that fold axes of a tensor, or run along one of them: each states its shape rule once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    Operator,
    Require,
    Shape,
    Tensor,
    axes,
    axis,
    broadcast,
    flag,
    named,
    operator,
    reduced_shape,
    tensor,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.dtypes import is_float
from graphfuzz.spec.operator import Returns
from operators.precision import Array, wide

_NARROW = ("bool", "int8", "int16")


def accumulator(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype of a sum or product: PyTorch makes all integers int64, Keras the narrow ones int32 or uint32."""
    dtype = bound["T"]
    if is_float(dtype):
        return dtype
    if framework == "torch":
        return "int64"
    return "int32" if dtype in _NARROW else "uint32" if dtype in ("uint8", "uint16") else dtype


def float_result(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype of a mean: of integers, float32."""
    return bound["T"] if is_float(bound["T"]) else "float32"


def several(shape: Shape, count: int) -> Shape | list[Shape]:
    """The shapes of `count` outputs that are alike."""
    return shape if count == 1 else [shape] * count


def _count(returns: Returns | Sequence[Returns]) -> int:
    return 1 if isinstance(returns, str) or callable(returns) else len(returns)


def over_axes(
    name: str,
    dtypes: Sequence[str],
    doc: str,
    *,
    attrs: Mapping[str, Attribute] | None = None,
    returns: Returns | Sequence[Returns] = "T",
    some: bool = False,
    keeps: bool = True,
    **fields: Any,
) -> Operator:
    """An operator that folds the axes in `axes` away or, where it `keeps` them on demand, to one.

    some: at least one element must be folded. attrs: more of them. returns: several for several outputs.
    """

    def rule(require: Require, x: Tensor, *, axes: Sequence[int], keepdims: bool = False, **others: Any) -> Any:
        require(len(axes) >= 1, "at least one axis is folded")
        for i in axes:
            require(not some or x.shape[i] >= 1, "there is an element to fold")
        return several(reduced_shape(require, x, axes, keepdims), _count(returns))

    def rule_without(require: Require, x: Tensor, *, axes: Sequence[int], **others: Any) -> Any:
        return rule(require, x, axes=axes, **others)

    declare = operator(
        tensor("x", rank=range(1, 7)),
        attrs={"axes": axes(), **({"keepdims": flag()} if keeps else {}), **(attrs or {})},
        dtypes=dtypes,
        returns=returns,
        **{"empty": True, **fields},
    )
    return declare(named(name, doc, rule if keeps else rule_without, attrs or ()))


def over_axis(
    name: str,
    dtypes: Sequence[str],
    doc: str,
    *,
    attrs: Mapping[str, Attribute] | None = None,
    returns: Returns | Sequence[Returns] = "T",
    some: bool = False,
    **fields: Any,
) -> Operator:
    """An operator that folds one axis away or, with `keepdims`, to one; the rest as in `over_axes`."""

    def rule(require: Require, x: Tensor, *, axis: int, keepdims: bool, **others: Any) -> Any:
        require(not some or x.shape[axis] >= 1, "there is an element to fold")
        return several(reduced_shape(require, x, (axis,), keepdims), _count(returns))

    declare = operator(
        tensor("x", rank=range(1, 7)),
        attrs={"axis": axis(), "keepdims": flag(), **(attrs or {})},
        dtypes=dtypes,
        returns=returns,
        **{"empty": True, **fields},
    )
    return declare(named(name, doc, rule, attrs or ()))


def along_removed(
    name: str, dtypes: Sequence[str], doc: str, *, returns: Returns | Sequence[Returns] = "T", **fields: Any
) -> Operator:
    """An operator that folds one axis away, without the choice to keep it."""

    def rule(require: Require, x: Tensor, *, axis: int) -> Any:
        return several(reduced_shape(require, x, (axis,), False), _count(returns))

    declare = operator(
        tensor("x", rank=range(1, 7)),
        attrs={"axis": axis()},
        dtypes=dtypes,
        returns=returns,
        **{"empty": True, **fields},
    )
    return declare(named(name, doc, rule))


def over_all(
    name: str,
    dtypes: Sequence[str],
    doc: str,
    *,
    attrs: Mapping[str, Attribute] | None = None,
    returns: Returns | Sequence[Returns] = "T",
    some: bool = False,
    kept: bool = False,
    rank: Sequence[int] = range(7),
    **fields: Any,
) -> Operator:
    """An operator that folds all axes away, or to one each where `kept`, naming none; the rest as in `over_axes`."""

    def rule(require: Require, x: Tensor, **others: Any) -> Any:
        for s in x.shape:
            require(not some or s >= 1, "there is an element to fold")
        return several((1,) * x.rank if kept else (), _count(returns))

    declare = operator(tensor("x", rank=rank), attrs=attrs, dtypes=dtypes, returns=returns, **{"empty": True, **fields})
    return declare(named(name, doc, rule, attrs or ()))


def along_axis(
    name: str,
    dtypes: Sequence[str],
    doc: str,
    *,
    attrs: Mapping[str, Attribute] | None = None,
    returns: Returns | Sequence[Returns] = "T",
    **fields: Any,
) -> Operator:
    """An operator that makes one element for each, from those along the axis; the rest as in `over_axes`."""

    def rule(require: Require, x: Tensor, *, axis: int, **others: Any) -> Any:
        return several(x.shape, _count(returns))

    declare = operator(
        tensor("x", rank=range(1, 7)),
        attrs={"axis": axis(), **(attrs or {})},
        dtypes=dtypes,
        returns=returns,
        **{"empty": True, **fields},
    )
    return declare(named(name, doc, rule, attrs or ()))


def distinct(x: Array, axis: int | None) -> bool:
    """Whether no two elements along the axis (of all, for None) are equal, nor one NaN, so that each has its place."""
    ordered = np.moveaxis(np.sort(x, axis=axis), -1 if axis is None else axis, -1)
    return bool(np.all(ordered[..., 1:] > ordered[..., :-1]))


def has_order(x: Array, **attrs: Any) -> bool:
    """Whether all elements have a place in an order; where NaN comes, each library says for itself."""
    return not np.any(np.isnan(x))


def meeting(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The common shape of two operands of one rank that are broadcast."""
    require(x.rank == y.rank, "the ranks are equal")
    return broadcast(require, x.shape, y.shape)


def alike(require: Require, x: Tensor, *others: Tensor) -> Shape:
    """The shape that all operands have."""
    for y in others:
        require(x.rank == y.rank, "the ranks are equal")
        for a, b in zip(x.shape, y.shape, strict=True):
            require(a == b, "the sizes are equal")
    return x.shape


def mean_of(x: Array, axes: Any = None, keepdims: bool = False, correction: int = 0) -> Array:
    """The sum along axes over the number of elements less a correction; of none, NaN without NumPy's warning."""
    places = range(x.ndim) if axes is None else np.atleast_1d(axes)
    count = np.prod([x.shape[a] for a in places], dtype="float64") - correction
    with np.errstate(all="ignore"):
        return np.asarray(np.sum(wide(x), axes, keepdims=keepdims) / count)


def variance_of(x: Array, axes: Any = None, keepdims: bool = False, correction: int = 0) -> Array:
    """The mean, with a correction, of squared distances from the mean; of no elements, NaN."""
    return mean_of((wide(x) - mean_of(x, axes, True)) ** 2, axes, keepdims, correction)
