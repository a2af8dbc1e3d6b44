"""Folds along axes: sums, extremes, where the extremes are, connectives, running sums."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    INDICES,
    REAL,
    SIGNED,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    by_framework,
    emission,
    flag,
    operator,
    reduced_shape,
    reduction,
    tensor,
)
from graphfuzz.spec.dtypes import is_float
from operators.precision import Array, wide

_NARROW = ("bool", "int8", "int16")


def _accumulator(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype of a sum or product: PyTorch makes all integers int64, Keras the narrow ones int32."""
    dtype = bound["T"]
    if is_float(dtype):
        return dtype
    if framework == "torch":
        return "int64"
    return "int32" if dtype in _NARROW else dtype


def _float_result(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    return bound["T"] if is_float(bound["T"]) else "float32"


def _no_ties(x: Array, *, axis: int, keepdims: bool, largest: bool) -> bool:
    """Whether one element alone is the extreme along the axis; among several, the choice is the implementation's."""
    extreme = np.max(x, axis, keepdims=True) if largest else np.min(x, axis, keepdims=True)
    return bool(np.all(np.sum(x == extreme, axis) == 1))


def _logsumexp(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    top = np.max(wide(x), axes, keepdims=True)
    total: Array = np.log(np.sum(np.exp(wide(x) - top), axes, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axes)


_TORCH = "torch.{}({{x}}, dim={{axes}}, keepdim={{keepdims}})"
_KERAS = "ops.{}({{x}}, axis={{axes}}, keepdims={{keepdims}})"

# Keras sums uint8 in uint32, which the spec language does not have.
sum_ = reduction(
    "sum",
    (*REAL, *BOOL),
    returns=_accumulator,
    reference=lambda x, *, axes, keepdims: np.sum(wide(x), axes, keepdims=keepdims),
    torch=_TORCH.format("sum"),
    keras=emission(_KERAS.format("sum"), dtypes=(*FLOATS, *SIGNED, *BOOL)),
    doc="The sum along axes, of integers in a wider dtype.",
)
mean = reduction(
    "mean",
    REAL,
    returns=_float_result,
    reference=lambda x, *, axes, keepdims: np.mean(wide(x), axes, keepdims=keepdims),
    torch=emission(_TORCH.format("mean"), dtypes=FLOATS),
    keras=_KERAS.format("mean"),
    doc="The arithmetic mean along axes; of integers, in float32.",
)
variance = reduction(
    "variance",
    FLOATS,
    reference=lambda x, *, axes, keepdims: np.var(wide(x), axes, keepdims=keepdims),
    torch="torch.var({x}, dim={axes}, correction=0, keepdim={keepdims})",
    keras=_KERAS.format("var"),
    doc="The mean squared distance from the mean along axes.",
)
max_ = reduction(
    "max",
    (*REAL, *BOOL),
    reference=lambda x, *, axes, keepdims: np.max(x, axes, keepdims=keepdims),
    torch=_TORCH.format("amax"),
    keras=_KERAS.format("max"),
    doc="The greatest element along axes.",
)
min_ = reduction(
    "min",
    (*REAL, *BOOL),
    reference=lambda x, *, axes, keepdims: np.min(x, axes, keepdims=keepdims),
    torch=_TORCH.format("amin"),
    keras=_KERAS.format("min"),
    doc="The least element along axes.",
)


def _keras_logsumexp(x: Operand, axes: tuple[int, ...], keepdims: bool) -> str:
    """Of float64, Keras infers that `ops.logsumexp` makes float32, which it does not: there it is written out."""
    if x.dtype == "float32":
        return f"ops.logsumexp({x}, axis={axes}, keepdims={keepdims})"
    return f"ops.log(ops.sum(ops.exp({x}), axis={axes}, keepdims={keepdims}))"


logsumexp = reduction(
    "logsumexp",
    FLOATS,
    reference=_logsumexp,
    torch=_TORCH.format("logsumexp"),
    keras=emission(_keras_logsumexp, dtypes=("float32", "float64")),
    doc="The logarithm of the sum of the exponentials along axes.",
)
any_ = reduction(
    "any",
    BOOL,
    reference=lambda x, *, axes, keepdims: np.any(x, axes, keepdims=keepdims),
    torch=_TORCH.format("any"),
    keras=_KERAS.format("any"),
    doc="Whether at least one element along axes is true.",
)
all_ = reduction(
    "all",
    BOOL,
    reference=lambda x, *, axes, keepdims: np.all(x, axes, keepdims=keepdims),
    torch=_TORCH.format("all"),
    keras=_KERAS.format("all"),
    doc="Whether all elements along axes are true.",
)


@operator(
    tensor("x", rank=range(1, 7), domain=(-2, 2)),
    attrs={"axis": axis(), "keepdims": flag()},
    dtypes=REAL,
    returns=_accumulator,
    reference=lambda x, *, axis, keepdims: np.prod(wide(x), axis, keepdims=keepdims),
    torch="torch.prod({x}, dim={axis}, keepdim={keepdims})",
    keras=emission("ops.prod({x}, axis={axis}, keepdims={keepdims})", dtypes=(*FLOATS, *SIGNED)),
)
def prod(require: Require, x: Tensor, *, axis: int, keepdims: bool) -> Shape:
    """The product along one axis, of integers in a wider dtype."""
    return reduced_shape(require, x, (axis,), keepdims)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "keepdims": flag()},
    dtypes=(*FLOATS, *INDICES),
    returns=by_framework("int64", "int32"),
    defined=lambda x, *, axis, keepdims: _no_ties(x, axis=axis, keepdims=keepdims, largest=True),
    reference=lambda x, *, axis, keepdims: np.argmax(x, axis, keepdims=keepdims),
    torch="torch.argmax({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.argmax({x}, axis={axis}, keepdims={keepdims})",
)
def argmax(require: Require, x: Tensor, *, axis: int, keepdims: bool) -> Shape:
    """The position of the greatest element along one axis."""
    return reduced_shape(require, x, (axis,), keepdims)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "keepdims": flag()},
    dtypes=(*FLOATS, *INDICES),
    returns=by_framework("int64", "int32"),
    defined=lambda x, *, axis, keepdims: _no_ties(x, axis=axis, keepdims=keepdims, largest=False),
    reference=lambda x, *, axis, keepdims: np.argmin(x, axis, keepdims=keepdims),
    torch="torch.argmin({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.argmin({x}, axis={axis}, keepdims={keepdims})",
)
def argmin(require: Require, x: Tensor, *, axis: int, keepdims: bool) -> Shape:
    """The position of the least element along one axis."""
    return reduced_shape(require, x, (axis,), keepdims)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=REAL,
    returns=by_framework(_accumulator, "T"),
    reference=lambda x, *, axis: np.cumsum(wide(x), axis),
    torch="torch.cumsum({x}, dim={axis})",
    keras="ops.cumsum({x}, axis={axis})",
)
def cumsum(require: Require, x: Tensor, *, axis: int) -> Shape:
    """The sum of each element and all before it along one axis."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    sum_,
    mean,
    variance,
    max_,
    min_,
    logsumexp,
    any_,
    all_,
    prod,
    argmax,
    argmin,
    cumsum,
]
