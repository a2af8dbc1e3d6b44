"""What runs along one axis and keeps its length: running sums, products and extremes, differences, trapezoids."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    BOOL,
    FLOATS,
    FRAMEWORKS,
    REAL,
    SIGNED,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    by_framework,
    choice,
    dtype_choice,
    maximum,
    named,
    named_by,
    operator,
    prod,
    tensor,
    weight,
)
from operators.folds import accumulator, along_axis, distinct, meeting
from operators.precision import Array, wide
from operators.reductions import cast
from operators.spelling import in_layer

_SPACINGS = choice(1.0, 0.5, 2.0, 3.0, 0.125)
"""Binary fractions: Keras takes a spacing through float32."""
_RUNNING = dtype_choice(("float32", "float64", "int64", "int32"))


def _running(accumulate: Any, exclusive: bool, reverse: bool, unit: float) -> Any:
    """The reference of a running fold, from the other end or without the element itself where told."""

    def reference(x: Array, *, axis: int) -> Array:
        turned = np.moveaxis(wide(x), axis, -1)
        turned = turned[..., ::-1] if reverse else turned
        made = accumulate(turned, -1)
        if exclusive:
            first = np.full((*made.shape[:-1], min(1, made.shape[-1])), unit, made.dtype)
            made = np.concatenate([first, made[..., :-1]], -1)
        return np.moveaxis(made[..., ::-1] if reverse else made, -1, axis)

    return reference


def _logcumsumexp(x: Array, *, axis: int) -> Array:
    return np.asarray(np.logaddexp.accumulate(wide(x), axis))


def _holders(x: Array, axis: int, largest: bool) -> Array:
    """Where the running extreme was found last."""
    turned = np.moveaxis(x if largest else -wide(x), axis, -1)
    best = np.maximum.accumulate(turned, -1)
    places = np.where(turned == best, np.arange(turned.shape[-1]), 0)
    return np.moveaxis(np.maximum.accumulate(places, -1), -1, axis)


cumsum = along_axis(
    "cumsum",
    ANY,
    "The sum of each element and all before it along one axis.",
    returns=by_framework(accumulator, lambda framework, bound, attrs: "int32" if bound["T"] == "bool" else bound["T"]),
    reference=lambda x, *, axis: np.cumsum(wide(x), axis),
    torch="torch.cumsum({x}, dim={axis})",
    keras="ops.cumsum({x}, axis={axis})",
    special=FRAMEWORKS,
)
cumsum_as = along_axis(
    "cumsum_as",
    ANY,
    "Running sums along one axis in a dtype that is named.",
    attrs={"dtype": _RUNNING},
    returns=named_by("dtype"),
    reference=lambda x, *, axis, dtype: np.cumsum(cast(x, dtype), axis),
    torch="torch.cumsum({x}, dim={axis}, dtype=torch.{dtype})",
    keras='ops.cumsum({x}, axis={axis}, dtype="{dtype}")',
)
cumprod = along_axis(
    "cumprod",
    ANY,
    "The product of each element and all before it along one axis.",
    domain=(-2, 2),
    returns=by_framework(accumulator, lambda framework, bound, attrs: "int32" if bound["T"] == "bool" else bound["T"]),
    reference=lambda x, *, axis: np.cumprod(wide(x), axis),
    torch="torch.cumprod({x}, dim={axis})",
    keras="ops.cumprod({x}, axis={axis})",
)
cumprod_as = along_axis(
    "cumprod_as",
    ANY,
    "Running products along one axis in a dtype that is named.",
    domain=(-2, 2),
    attrs={"dtype": _RUNNING},
    returns=named_by("dtype"),
    reference=lambda x, *, axis, dtype: np.cumprod(cast(x, dtype), axis),
    torch="torch.cumprod({x}, dim={axis}, dtype=torch.{dtype})",
    keras='ops.cumprod({x}, axis={axis}, dtype="{dtype}")',
)
cumsum_inplace = along_axis(
    "cumsum_inplace",
    (*FLOATS, *SIGNED),
    "Running sums along one axis, written over a copy.",
    reference=lambda x, *, axis: np.cumsum(wide(x), axis),
    torch="{x}.clone().cumsum_({axis})",
    special=FRAMEWORKS,
)
cumprod_inplace = along_axis(
    "cumprod_inplace",
    (*FLOATS, *SIGNED),
    "Running products along one axis, written over a copy.",
    domain=(-2, 2),
    reference=lambda x, *, axis: np.cumprod(wide(x), axis),
    torch="{x}.clone().cumprod_({axis})",
)
logcumsumexp = along_axis(
    "logcumsumexp",
    FLOATS,
    "The logarithm of running sums of exponentials along one axis.",
    reference=_logcumsumexp,
    torch="torch.logcumsumexp({x}, dim={axis})",
    special=FRAMEWORKS,
)
cummax = along_axis(
    "cummax",
    ANY,
    "The greatest of each element and all before it along one axis, and where it is.",
    returns=("T", "int64"),
    defined=lambda x, *, axis: distinct(x, axis),
    reference=lambda x, *, axis: (np.maximum.accumulate(x, axis), _holders(x, axis, True)),
    torch="torch.cummax({x}, dim={axis})",
)
cummin = along_axis(
    "cummin",
    ANY,
    "The least of each element and all before it along one axis, and where it is.",
    returns=("T", "int64"),
    defined=lambda x, *, axis: distinct(x, axis),
    reference=lambda x, *, axis: (np.minimum.accumulate(x, axis), _holders(x, axis, False)),
    torch="torch.cummin({x}, dim={axis})",
)


# Sums of infinities are the same in any order; products of numbers may vanish in one order and not in another.
def _running_from(function: str, exclusive: bool, reverse: bool) -> Operator:
    """A running sum or product with TensorFlow's options; in PyTorch, of the flipped operand."""
    name = f"{function}{'_exclusive' if exclusive else ''}{'_reverse' if reverse else ''}"
    accumulate, unit = (np.cumsum, 0) if function == "cumsum" else (np.cumprod, 1)
    flipped = f"torch.{function}({{x}}.flip({{axis}}), dim={{axis}}).flip({{axis}})"
    return along_axis(
        name,
        REAL,
        f"A running {function[3:]} along one axis"
        f"{', without the element itself' if exclusive else ''}{', from the end' if reverse else ''}.",
        domain=(-2, 2) if function == "cumprod" else None,
        returns=by_framework(accumulator, "T"),
        special=FRAMEWORKS if function == "cumsum" else (),
        reference=_running(accumulate, exclusive, reverse, unit),
        torch=None if exclusive else flipped,
        keras=in_layer("x", f"tf.math.{function}(x, {{axis}}, exclusive={exclusive}, reverse={reverse})"),
    )


running = [
    _running_from(function, exclusive, reverse)
    for function in ("cumsum", "cumprod")
    for exclusive, reverse in ((True, False), (False, True), (True, True))
]


def _flattened(name: str, accumulate: Any, doc: str) -> Operator:
    """A running fold over all elements in order."""

    def rule(require: Require, x: Tensor) -> Shape:
        return (prod(x.shape),)

    return operator(
        tensor("x"),
        dtypes=REAL,
        domain=(-2, 2),
        empty=True,
        special=FRAMEWORKS if name == "cumsum" else (),
        reference=lambda x: accumulate(wide(x).reshape(-1)),
        keras=f"ops.{name}({{x}})",
    )(named(f"{name}_all", doc, rule))


cumsum_all = _flattened("cumsum", np.cumsum, "Running sums of all elements in order.")
cumprod_all = _flattened("cumprod", np.cumprod, "Running products of all elements in order.")


def _torch_cumulated(x: Operand, missing: str, axis: int) -> str:
    return f"torch.cumsum(torch.nan_to_num({x}.masked_fill({missing}, float('nan'))), dim={axis})"


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("missing", "bool", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    empty=True,
    reference=lambda x, missing, *, axis: np.cumsum(np.where(missing, 0, wide(x)), axis),
    torch=_torch_cumulated,
    keras="ops.nancumsum(ops.where({missing}, float('nan'), {x}), axis={axis})",
)
def nancumsum(require: Require, x: Tensor, missing: Tensor, *, axis: int) -> Shape:
    """Running sums along one axis that skip NaN, which stands where elements are missing."""
    return meeting(require, x, missing)


@operator(
    tensor("x", rank=range(1, 7), domain=(-2, 2)),
    tensor("missing", "bool", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    empty=True,
    reference=lambda x, missing, *, axis: np.cumprod(np.where(missing, 1, wide(x)), axis),
    keras="ops.nancumprod(ops.where({missing}, float('nan'), {x}), axis={axis})",
)
def nancumprod(require: Require, x: Tensor, missing: Tensor, *, axis: int) -> Shape:
    """Running products along one axis that skip NaN, which stands where elements are missing."""
    return meeting(require, x, missing)


def _shortened(x: Tensor, axis: int, by: int) -> Shape:
    place = axis % x.rank
    return tuple(maximum(s - by, 0) if i == place else s for i, s in enumerate(x.shape))


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"order": choice(1, 2, 3), "axis": axis()},
    dtypes=(*FLOATS, *SIGNED, *BOOL),
    special=FRAMEWORKS,
    empty=True,
    reference=lambda x, *, order, axis: np.diff(x, order, axis),
    torch="torch.diff({x}, n={order}, dim={axis})",
    keras="ops.diff({x}, n={order}, axis={axis})",
)
def diff(require: Require, x: Tensor, *, order: int, axis: int) -> Shape:
    """Differences of neighbors along one axis, taken `order` times; of bools, whether they differ."""
    return _shortened(x, axis, order)


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("before", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=(*FLOATS, *SIGNED),
    special=FRAMEWORKS,
    empty=True,
    reference=lambda x, before, *, axis: np.diff(x, axis=axis, prepend=before),
    torch="torch.diff({x}, dim={axis}, prepend={before})",
)
def diff_prepended(require: Require, x: Tensor, before: Tensor, *, axis: int) -> Shape:
    """Differences of neighbors along one axis, some elements put before it."""
    require(x.rank == before.rank, "the ranks are equal")
    place = axis % x.rank
    for i, (a, b) in enumerate(zip(x.shape, before.shape, strict=True)):
        require(i == place or a == b, "the sizes beside the axis are equal")
    length = maximum(x.shape[place] + before.shape[place] - 1, 0)
    return (*x.shape[:place], length, *x.shape[place + 1 :])


def _without(x: Tensor, axis: int) -> Shape:
    place = axis % x.rank
    return (*x.shape[:place], *x.shape[place + 1 :])


def _counted(y: Operand, axis: int) -> int:
    """The axis as Keras' trapezoid can take it: of the negative ones it has -1 alone (keras/src/backend/tensorflow)."""
    return axis if axis == -1 else axis % y.rank


def _between(y: Array, axis: int) -> Array:
    """The mean of each two neighbors along the axis, which comes last."""
    turned = np.moveaxis(wide(y), axis, -1)
    return np.asarray((turned[..., 1:] + turned[..., :-1]) / 2)


@operator(
    tensor("y", rank=range(1, 7)),
    attrs={"dx": _SPACINGS, "axis": axis("y")},
    dtypes=FLOATS,
    empty=True,
    reference=lambda y, *, dx, axis: np.sum(_between(y, axis) * dx, -1),
    torch="torch.trapezoid({y}, dx={dx}, dim={axis})",
    keras=lambda y, dx, axis: f"ops.trapezoid({y}, dx={dx}, axis={_counted(y, axis)})",
)
def trapezoid(require: Require, y: Tensor, *, dx: float, axis: int) -> Shape:
    """The area under samples along one axis by the trapezoidal rule, their distance being constant."""
    return _without(y, axis)


@operator(
    tensor("y", rank=range(1, 7)),
    weight("x", rank=1, domain=(-0.05, 0.05)),
    attrs={"axis": axis("y")},
    dtypes=FLOATS,
    reference=lambda y, x, *, axis: np.sum(_between(y, axis) * np.diff(wide(x)), -1),
    torch="torch.trapezoid({y}, {x}, dim={axis})",
    keras="ops.trapezoid(ops.moveaxis({y}, {axis}, -1), {x})",
)
def trapezoid_at(require: Require, y: Tensor, x: Tensor, *, axis: int) -> Shape:
    """The area under samples along one axis by the trapezoidal rule, at given places."""
    require(x.shape[0] == y.shape[axis], "each sample has a place")
    return _without(y, axis)


@operator(
    tensor("y", rank=range(1, 7)),
    attrs={"dx": _SPACINGS, "axis": axis("y")},
    dtypes=FLOATS,
    empty=True,
    reference=lambda y, *, dx, axis: np.moveaxis(np.cumsum(_between(y, axis) * dx, -1), -1, axis),
    torch="torch.cumulative_trapezoid({y}, dx={dx}, dim={axis})",
)
def cumulative_trapezoid(require: Require, y: Tensor, *, dx: float, axis: int) -> Shape:
    """The running area under samples along one axis by the trapezoidal rule."""
    return _shortened(y, axis, 1)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"spacing": _SPACINGS, "axis": axis(), "edge_order": choice(1, 2)},
    dtypes=FLOATS,
    reference=lambda x, *, spacing, axis, edge_order: np.gradient(wide(x), spacing, axis=axis, edge_order=edge_order),
    torch="torch.gradient({x}, spacing={spacing}, dim={axis}, edge_order={edge_order})[0]",
)
def gradient(require: Require, x: Tensor, *, spacing: float, axis: int, edge_order: int) -> Shape:
    """The derivative along one axis by central differences, of either order at the ends."""
    require(x.shape[axis] >= edge_order + 1, "there are more samples than the order of the ends")
    return x.shape


OPERATORS: Sequence[Operator] = [
    *(value for value in list(globals().values()) if isinstance(value, Operator)),
    *running,
]
