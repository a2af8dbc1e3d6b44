"""Softmax and its relatives, along one axis or several."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    FRAMEWORKS,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    axes,
    axis,
    broadcast,
    dtype_choice,
    emission,
    flag,
    layered,
    named_by,
    operator,
    tensor,
)
from operators.folds import has_order
from operators.precision import Array, wide

Axis = int | tuple[int, ...] | None


def log_softmax_of(x: Array, axis: Axis) -> Array:
    """The logarithm of softmax over one axis, several, or all (None)."""
    shifted = wide(x).astype(np.float64) - np.max(x.astype(np.float64), axis, keepdims=True, initial=-np.inf)
    result: Array = shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))
    return result


def softmax_of(x: Array, axis: Axis) -> Array:
    """Exponentials divided by their sum, over one axis, several, or all (None)."""
    return np.asarray(np.exp(log_softmax_of(x, axis)))


def has_weights(x: Array, *, axis: Axis) -> bool:
    """Whether the sum of the exponentials is neither infinite nor zero: no element is inf, and not all are -inf."""
    some = np.any(~np.isneginf(x), axis) | (x.size == 0)
    return bool(np.all(some)) and not np.any(np.isposinf(x))


def _one_stands_out(x: Array, *, axis: int) -> bool:
    ordered = np.sort(wide(x), axis)
    return x.shape[axis] == 1 or bool(np.all(np.take(ordered, -1, axis) - np.take(ordered, -2, axis) >= 4))


def _masked(x: Array, mask: Array, *, axes: Sequence[int]) -> Array:
    """Softmax over what the mask keeps; zero elsewhere."""
    return np.where(mask, softmax_of(np.where(mask, wide(x), -1e9), tuple(axes)), 0)


# TensorFlow's float32 kernel for CPUs (oneDNN's) takes no more than five axes, and loses NaN.
@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    defined=lambda x, *, axis: has_weights(x, axis=axis) and has_order(x),
    reference=lambda x, *, axis: softmax_of(x, axis),
    special=FRAMEWORKS,
    torch="torch.softmax({x}, dim={axis})",
    keras="ops.softmax({x}, axis={axis})",
    empty=True,
)
def softmax(require: Require, x: Tensor, *, axis: int) -> Shape:
    """Exponentials along one axis, divided by their sum."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    defined=lambda x, *, axis: has_weights(x, axis=axis),
    reference=lambda x, *, axis: log_softmax_of(x, axis),
    special=FRAMEWORKS,
    torch="torch.log_softmax({x}, dim={axis})",
    keras="ops.log_softmax({x}, axis={axis})",
    empty=True,
)
def log_softmax(require: Require, x: Tensor, *, axis: int) -> Shape:
    """The logarithm of softmax, without computing it first."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    defined=lambda x, *, axis: has_weights(-x, axis=axis),
    reference=lambda x, *, axis: softmax_of(-x, axis),
    special=FRAMEWORKS,
    torch="F.softmin({x}, dim={axis})",
    empty=True,
)
def softmin(require: Require, x: Tensor, *, axis: int) -> Shape:
    """Softmax of the negated tensor."""
    return x.shape


# Where more than one element stands out, Keras subtracts a sum of cumulative sums instead of the sum of the elements
# (ops.sparsemax([1.0, 1.0]) is [0, 0]; the paper, and Keras' own documentation, have [0.5, 0.5]).
@operator(
    tensor("x", rank=range(1, 4), domain=(-60, 60)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    defined=_one_stands_out,
    reference=lambda x, *, axis: wide(x) == np.max(wide(x), axis, keepdims=True),
    # TensorFlow's range has no float16 in a traced model.
    keras=emission("ops.sparsemax({x}, axis={axis})", dtypes=[d for d in FLOATS if d != "float16"]),
)
def sparsemax(require: Require, x: Tensor, *, axis: int) -> Shape:
    """The nearest distribution along one axis: all of it at an element that stands out.

    Martins and Astudillo, "From Softmax to Sparsemax", 2016, algorithm 1.
    """
    return x.shape


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"axis": axis(), "dtype": dtype_choice(FLOATS), "log": flag(), "special": flag()},
    dtypes=REAL,
    returns=named_by("dtype"),
    defined=lambda x, *, axis, dtype, log, special: has_weights(x, axis=axis),
    reference=lambda x, *, axis, dtype, log, special: (log_softmax_of if log else softmax_of)(x, axis),
    special=FRAMEWORKS,
    torch=lambda x, axis, dtype, log, special: (
        f"torch.{'special.' * special}{'log_' * log}softmax({x}, {axis}, dtype=torch.{dtype})"
    ),
    empty=True,
)
def softmax_as(require: Require, x: Tensor, *, axis: int, dtype: str, log: bool, special: bool) -> Shape:
    """Softmax, or its logarithm, computed in another dtype than x has."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"axis": axis(), "log": flag()},
    dtypes=FLOATS,
    defined=lambda x, *, axis, log: has_weights(x, axis=axis),
    reference=lambda x, *, axis, log: (log_softmax_of if log else softmax_of)(x, axis),
    special=FRAMEWORKS,
    torch=lambda x, axis, log: f"torch.special.{'log_' * log}softmax({x}, {axis})",
    empty=True,
)
def special_softmax(require: Require, x: Tensor, *, axis: int, log: bool) -> Shape:
    """Softmax, or its logarithm, by the names it has among the special functions."""
    return x.shape


def _flat(x: Any, log: bool) -> str:
    return f"ops.{'log_' * log}softmax({x}, axis=None)"


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"log": flag()},
    dtypes=FLOATS,
    defined=lambda x, *, log: has_weights(x, axis=None) and has_order(x),
    reference=lambda x, *, log: (log_softmax_of if log else softmax_of)(x, None),
    special=FRAMEWORKS,
    keras=_flat,
)
def softmax_flat(require: Require, x: Tensor, *, log: bool) -> Shape:
    """Softmax, or its logarithm, over all axes at once."""
    return x.shape


@operator(
    tensor("x", rank=(3, 4)),
    dtypes=FLOATS,
    defined=lambda x: has_weights(x, axis=-3),
    reference=lambda x: softmax_of(x, -3),
    special=FRAMEWORKS,
    torch=emission("{layer}({x})", layer="nn.Softmax2d()"),
    empty=True,
)
def softmax2d_layer(require: Require, x: Tensor) -> Shape:
    """Softmax over the channels of an image, as a layer."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("mask", "B", rank=range(1, 6)),
    attrs={"axes": axes()},
    dtypes={"T": FLOATS, "B": BOOL},
    reference=_masked,
    keras=emission(
        "ops.copy({layer}({x}, mask={mask}))",  # the copy has no mask of its own, which later layers would use
        layer=lambda x, mask, axes, layer: f'layers.Softmax(axis={list(axes)}, dtype="{x.dtype}")',
    ),
)
def softmax_masked_layer(require: Require, x: Tensor, mask: Tensor, *, axes: Sequence[int]) -> Shape:
    """Softmax over some axes, of the elements that a mask, broadcast, keeps; zero for the others."""
    require(mask.rank <= x.rank, "the mask has no more axes than x")
    for a, b in zip(broadcast(require, mask.shape, x.shape), x.shape, strict=False):
        require(a == b, "the mask is stretched to x")
    return x.shape


LAYERS: Sequence[Operator] = [
    layered(softmax, torch="nn.Softmax({axis})", keras='layers.Softmax(axis={axis}, dtype="{x.dtype}")'),
    layered(log_softmax, torch="nn.LogSoftmax({axis})"),
    layered(softmin, torch="nn.Softmin({axis})"),
]

OPERATORS: Sequence[Operator] = [
    softmax,
    log_softmax,
    softmin,
    sparsemax,
    softmax_as,
    special_softmax,
    softmax_flat,
    softmax2d_layer,
    softmax_masked_layer,
    *LAYERS,
]
