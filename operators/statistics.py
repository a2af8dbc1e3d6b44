"""Statistics along axes or of all elements: spread, medians, quantiles, counts in bins, and those that skip NaN."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Defect,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    emission,
    flag,
    maximum,
    minimum,
    operator,
    reduced_shape,
    tensor,
)
from graphfuzz.spec.dims import Size
from operators.folds import alike, distinct, float_result, mean_of, over_all, over_axes, over_axis, variance_of
from operators.precision import Array, wide

_CORRECTION = choice(0, 1, 2)


def _enough(x: Array, *, axes: Any, correction: int, **others: Any) -> bool:
    """More elements than the correction takes off: with fewer, the result is no number or infinite."""
    return int(np.prod([x.shape[a] for a in axes])) > correction


def _enough_of_all(x: Array, *, correction: int) -> bool:
    return x.size > correction


_TORCH = "torch.{}({{x}}, dim={{axes}}, correction={{correction}}, keepdim={{keepdims}})"

variance = over_axes(
    "variance",
    FLOATS,
    "The mean squared distance from the mean along axes.",
    reference=lambda x, *, axes, keepdims: variance_of(x, axes, keepdims, 0),
    torch="torch.var({x}, dim={axes}, correction=0, keepdim={keepdims})",
    keras="ops.var({x}, axis={axes}, keepdims={keepdims})",
)
standard_deviation = over_axes(
    "standard_deviation",
    FLOATS,
    "The root of the mean squared distance from the mean along axes.",
    reference=lambda x, *, axes, keepdims: np.sqrt(variance_of(x, axes, keepdims, 0)),
    torch="torch.std({x}, dim={axes}, correction=0, keepdim={keepdims})",
    keras="ops.std({x}, axis={axes}, keepdims={keepdims})",
)
variance_corrected = over_axes(
    "variance_corrected",
    FLOATS,
    "The variance along axes, divided by the number of elements less a correction.",
    attrs={"correction": _CORRECTION},
    defined=_enough,
    reference=lambda x, *, axes, keepdims, correction: variance_of(x, axes, keepdims, correction),
    torch=_TORCH.format("var"),
)
std_corrected = over_axes(
    "std_corrected",
    FLOATS,
    "The standard deviation along axes, of a variance with a correction.",
    attrs={"correction": _CORRECTION},
    defined=_enough,
    reference=lambda x, *, axes, keepdims, correction: np.sqrt(variance_of(x, axes, keepdims, correction)),
    torch=_TORCH.format("std"),
)
var_mean = over_axes(
    "var_mean",
    FLOATS,
    "The variance with a correction, and the mean, along axes.",
    attrs={"correction": _CORRECTION},
    returns=("T", "T"),
    defined=_enough,
    reference=lambda x, *, axes, keepdims, correction: (
        variance_of(x, axes, keepdims, correction),
        mean_of(x, axes, keepdims),
    ),
    torch=_TORCH.format("var_mean"),
)
std_mean = over_axes(
    "std_mean",
    FLOATS,
    "The standard deviation with a correction, and the mean, along axes.",
    attrs={"correction": _CORRECTION},
    returns=("T", "T"),
    defined=_enough,
    reference=lambda x, *, axes, keepdims, correction: (
        np.sqrt(variance_of(x, axes, keepdims, correction)),
        mean_of(x, axes, keepdims),
    ),
    torch=_TORCH.format("std_mean"),
)
moments = over_axes(
    "moments",
    FLOATS,
    "The mean and the variance along axes.",
    returns=("T", "T"),
    reference=lambda x, *, axes, keepdims: (
        mean_of(x, axes, keepdims),
        variance_of(x, axes, keepdims, 0),
    ),
    keras="ops.moments({x}, axes={axes}, keepdims={keepdims})",
)
variance_unbiased = over_axes(
    "variance_unbiased",
    FLOATS,
    "The variance along axes, unbiased (divided by the number of elements less one) or not.",
    attrs={"unbiased": flag()},
    defined=lambda x, *, axes, keepdims, unbiased: _enough(x, axes=axes, correction=int(unbiased)),
    reference=lambda x, *, axes, keepdims, unbiased: variance_of(x, axes, keepdims, int(unbiased)),
    torch="torch.var({x}, dim={axes}, unbiased={unbiased}, keepdim={keepdims})",
)
std_unbiased = over_axes(
    "std_unbiased",
    FLOATS,
    "The standard deviation along axes, of an unbiased variance or not.",
    attrs={"unbiased": flag()},
    defined=lambda x, *, axes, keepdims, unbiased: _enough(x, axes=axes, correction=int(unbiased)),
    reference=lambda x, *, axes, keepdims, unbiased: np.sqrt(variance_of(x, axes, keepdims, int(unbiased))),
    torch="torch.std({x}, dim={axes}, unbiased={unbiased}, keepdim={keepdims})",
)
variance_all = over_all(
    "variance_all",
    FLOATS,
    "The variance of all elements, with a correction.",
    attrs={"correction": _CORRECTION},
    defined=_enough_of_all,
    reference=lambda x, *, correction: variance_of(x, correction=correction),
    torch="torch.var({x}, correction={correction})",
)
variance_unbiased_all = over_all(
    "variance_unbiased_all",
    FLOATS,
    "The variance of all elements, divided by their number less one.",
    defined=lambda x: x.size > 1,
    reference=lambda x: variance_of(x, correction=1),
    torch="torch.var({x})",
)
std_unbiased_all = over_all(
    "std_unbiased_all",
    FLOATS,
    "The standard deviation of all elements, of a variance divided by their number less one.",
    defined=lambda x: x.size > 1,
    reference=lambda x: np.sqrt(variance_of(x, correction=1)),
    torch="torch.std({x})",
)
variance_of_all = over_all(
    "variance_of_all",
    REAL,
    "The variance of all elements; of integers, in float32.",
    returns=float_result,
    reference=variance_of,
    keras="ops.var({x})",
)
std_of_all = over_all(
    "std_of_all",
    REAL,
    "The standard deviation of all elements; of integers, in float32.",
    returns=float_result,
    reference=lambda x: np.sqrt(variance_of(x)),
    keras="ops.std({x})",
)

# Medians and quantiles. PyTorch's median is the lower of the two in the middle; Keras' is their mean.


def _lower(x: Array, axis: int, keepdims: bool) -> tuple[Array, Array]:
    middle = (x.shape[axis] - 1) // 2
    places = np.take(np.argsort(x, axis, kind="stable"), [middle], axis)
    found = np.take_along_axis(x, places, axis), places
    return found if keepdims else (np.squeeze(found[0], axis), np.squeeze(found[1], axis))


median_lower = over_axis(
    "median_lower",
    REAL,
    "The lower median along one axis, and where it is.",
    some=True,
    returns=("T", "int64"),
    defined=lambda x, *, axis, keepdims: distinct(x, axis),
    reference=lambda x, *, axis, keepdims: _lower(x, axis, keepdims),
    torch="torch.median({x}, dim={axis}, keepdim={keepdims})",
)
median_lower_all = over_all(
    "median_lower_all",
    REAL,
    "The lower median of all elements.",
    empty=False,
    reference=lambda x: np.sort(x, None)[(x.size - 1) // 2],
    torch="torch.median({x})",
)
median = over_axes(
    "median",
    REAL,
    "The median along axes; of an even number of elements, the mean of the two in the middle.",
    empty=False,
    returns=float_result,
    reference=lambda x, *, axes, keepdims: np.median(wide(x), axes, keepdims=keepdims),
    keras="ops.median({x}, axis={axes}, keepdims={keepdims})",
)
median_all = over_all(
    "median_all",
    REAL,
    "The median of all elements.",
    empty=False,
    returns=float_result,
    reference=lambda x: np.median(wide(x)),
    keras="ops.median({x})",
)

_LEVELS = choice(0.5, 0.25, 0.75, 0.125, 0.0, 1.0)
"""Binary fractions: with them, the place in the order is exact in any float format."""
_METHODS = choice("linear", "lower", "higher", "midpoint", "nearest")

_METHOD_IGNORED = Defect(
    "interpolates linearly in a functional model, whatever `method` says",
    lambda x, *, method, **others: method != "linear",
    "https://keras.io/api/ops/numpy/#quantile-function; Quantile.call in keras/src/ops/numpy.py drops the method",
)


def _unambiguous(count: int, level: float, method: str) -> bool:
    """Whether one element is the nearest: halfway between two, roundings differ."""
    return method != "nearest" or (count - 1) * level % 1 != 0.5


quantile = over_axis(
    "quantile",
    ("float32", "float64"),
    "The quantile of a level along one axis, between two elements by one of five methods.",
    attrs={"level": _LEVELS, "method": _METHODS},
    empty=False,
    defined=lambda x, *, axis, keepdims, level, method: _unambiguous(x.shape[axis], level, method),
    reference=lambda x, *, axis, keepdims, level, method: np.quantile(
        wide(x), level, axis, keepdims=keepdims, method=method
    ),
    torch='torch.quantile({x}, {level}, dim={axis}, keepdim={keepdims}, interpolation="{method}")',
    keras=emission(
        'ops.quantile({x}, {level}, axis={axis}, keepdims={keepdims}, method="{method}")',
        defects=[_METHOD_IGNORED],
    ),
)
quantile_all = over_all(
    "quantile_all",
    ("float32", "float64"),
    "The quantile of a level of all elements.",
    attrs={"level": _LEVELS, "method": _METHODS},
    empty=False,
    defined=lambda x, *, level, method: _unambiguous(x.size, level, method),
    reference=lambda x, *, level, method: np.quantile(wide(x), level, method=method),
    torch='torch.quantile({x}, {level}, interpolation="{method}")',
    keras=emission('ops.quantile({x}, {level}, method="{method}")', defects=[_METHOD_IGNORED]),
)
percentile = over_axes(
    "percentile",
    ("float32", "float64"),
    "The quantile of a level in percent along axes.",
    attrs={"percent": choice(50.0, 25.0, 75.0, 0.0, 100.0)},
    empty=False,
    reference=lambda x, *, axes, keepdims, percent: np.quantile(wide(x), percent / 100, axes, keepdims=keepdims),
    keras="ops.percentile({x}, {percent}, axis={axes}, keepdims={keepdims})",
)


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"axis": axis(), "keepdims": flag()},
    dtypes=("float32", "float64"),
    reference=lambda x, *, axis, keepdims: np.quantile(wide(x), (0.25, 0.5, 0.75), axis, keepdims=keepdims),
    torch="torch.quantile({x}, torch.tensor([0.25, 0.5, 0.75], dtype={x}.dtype), dim={axis}, keepdim={keepdims})",
    keras="ops.quantile({x}, [0.25, 0.5, 0.75], axis={axis}, keepdims={keepdims})",
)
def quartiles(require: Require, x: Tensor, *, axis: int, keepdims: bool) -> Shape:
    """The three quartiles along one axis, which come first in the result."""
    return (3, *reduced_shape(require, x, (axis,), keepdims))


# Means with weights.


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("weights", rank=range(1, 7), domain=(0.1, 4)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    reference=lambda x, weights, *, axis: np.sum(wide(x) * wide(weights), axis) / np.sum(wide(weights), axis),
    keras="ops.average({x}, axis={axis}, weights={weights})",
)
def average(require: Require, x: Tensor, weights: Tensor, *, axis: int) -> Shape:
    """The mean along one axis, each element with its own weight."""
    alike(require, x, weights)
    return reduced_shape(require, x, (axis,), False)


average_all = over_all(
    "average_all",
    REAL,
    "The mean of all elements as `average` has it, without weights; of integers, in float32.",
    returns=float_result,
    reference=mean_of,
    keras="ops.average({x})",
)


# Keras' corrcoef cannot be traced: it branches on a tensor.
@operator(
    tensor("x", rank=2),
    dtypes=("float32", "float64"),
    defined=lambda x: bool(x.shape[1] > 1 and np.all(np.std(wide(x), 1) > 0.1)),
    reference=lambda x: np.clip(np.corrcoef(wide(x)), -1, 1).reshape(len(x), len(x)),
    torch="torch.corrcoef({x}).reshape({x.shape[0]}, {x.shape[0]})",
)
def correlation(require: Require, x: Tensor) -> Shape:
    """The correlations of rows (variables, observations) with each other; each row varies."""
    return x.shape[0], x.shape[0]


@operator(
    tensor("x", rank=2),
    attrs={"correction": choice(1, 0)},
    dtypes=FLOATS,
    defined=lambda x, *, correction: x.shape[1] > correction,
    reference=lambda x, *, correction: np.cov(wide(x), ddof=correction).reshape(len(x), len(x)),
    torch="torch.cov({x}, correction={correction}).reshape({x.shape[0]}, {x.shape[0]})",
)
def covariance(require: Require, x: Tensor, *, correction: int) -> Shape:
    """The covariances of rows (variables, observations) with each other."""
    return x.shape[0], x.shape[0]


_LONGER_SECOND = Defect(
    "is not NumPy's function, which it claims to be, where the second sequence is the longer one",
    lambda x, y, *, mode: mode != "full" and x.shape[0] < y.shape[0],
    "https://keras.io/api/ops/numpy/#correlate-function; its TensorFlow backend does not swap them",
)


@operator(
    tensor("x", rank=1),
    tensor("y", rank=1),
    attrs={"mode": choice("valid", "same", "full")},
    dtypes=("float32", "float64"),
    reference=lambda x, y, *, mode: np.correlate(wide(x), wide(y), mode),
    keras=emission('ops.correlate({x}, {y}, mode="{mode}")', defects=[_LONGER_SECOND]),
)
def correlate(require: Require, x: Tensor, y: Tensor, *, mode: str) -> Shape:
    """The cross-correlation of two sequences."""
    n, m = maximum(x.shape[0], y.shape[0]), minimum(x.shape[0], y.shape[0])
    lengths: dict[str, Size] = {"valid": n - m + 1, "same": n, "full": n + m - 1}
    return (lengths[mode],)


OPERATORS: Sequence[Operator] = [value for value in list(globals().values()) if isinstance(value, Operator)]
