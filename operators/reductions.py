"""Folds along some axes, one axis, or all of them: sums, products, extremes, connectives, counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    BOOL,
    FLOATS,
    FRAMEWORKS,
    REAL,
    Defect,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    by_framework,
    choice,
    dtype_choice,
    emission,
    named,
    named_by,
    operator,
    tensor,
)
from graphfuzz.spec.operator import Returns
from operators.folds import accumulator, float_result, mean_of, over_all, over_axes, over_axis
from operators.precision import Array, wide

_TORCH = "torch.{}({{x}}, dim={{axes}}, keepdim={{keepdims}})"
_KERAS = "ops.{}({{x}}, axis={{axes}}, keepdims={{keepdims}})"
_SUMMABLE = dtype_choice(("float32", "float64", "float16", "bfloat16", "int64", "int32"))


def _truth(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """PyTorch's `any` and `all` keep uint8, its old bool."""
    return "uint8" if framework == "torch" and bound["T"] == "uint8" else "bool"


def cast(x: Array, dtype: str) -> Array:
    """The elements after a cast to the dtype, for which NumPy may have no arithmetic."""
    return wide(x.astype(dtype).astype("float32") if dtype == "bfloat16" else x.astype(dtype))


def _logsumexp(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    top = np.max(wide(x), axes, keepdims=True, initial=-1e9)
    top = np.where(np.isposinf(top), 0, top)
    total: Array = np.log(np.sum(np.exp(wide(x) - top), axes, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axes)


sum_ = over_axes(
    "sum",
    ANY,
    "The sum along axes, of integers in a wider dtype.",
    returns=accumulator,
    reference=lambda x, *, axes, keepdims: np.sum(wide(x), axes, keepdims=keepdims),
    torch=_TORCH.format("sum"),
    keras=_KERAS.format("sum"),
    special=FRAMEWORKS,
)
sum_as = over_axes(
    "sum_as",
    ANY,
    "The sum along axes, computed in a dtype that is named.",
    attrs={"dtype": _SUMMABLE},
    returns=named_by("dtype"),
    reference=lambda x, *, axes, keepdims, dtype: np.sum(cast(x, dtype), axes, keepdims=keepdims),
    torch="torch.sum({x}, dim={axes}, keepdim={keepdims}, dtype=torch.{dtype})",
)
mean = over_axes(
    "mean",
    REAL,
    "The arithmetic mean along axes; of integers, in float32.",
    returns=float_result,
    reference=lambda x, *, axes, keepdims: mean_of(x, axes, keepdims),
    torch=emission(_TORCH.format("mean"), dtypes=FLOATS),
    keras=_KERAS.format("mean"),
    special=FRAMEWORKS,
)
mean_as = over_axes(
    "mean_as",
    ANY,
    "The arithmetic mean along axes, computed in a dtype that is named.",
    attrs={"dtype": dtype_choice(FLOATS)},
    returns=named_by("dtype"),
    reference=lambda x, *, axes, keepdims, dtype: mean_of(cast(x, dtype), axes, keepdims),
    torch="torch.mean({x}, dim={axes}, keepdim={keepdims}, dtype=torch.{dtype})",
    special=FRAMEWORKS,
)
# NaN is the greatest and the least of any: https://docs.pytorch.org/docs/stable/generated/torch.aminmax.html and
# https://www.tensorflow.org/api_docs/python/tf/math/reduce_max. It is also true: it is not zero. A product of numbers
# may vanish in one order and not in another, so it is not defined beside infinities.
# Keras refuses any empty operand of `max` and `min`, even where no empty axis is folded.
max_ = over_axes(
    "max",
    ANY,
    "The greatest element along axes.",
    empty=False,
    reference=lambda x, *, axes, keepdims: np.max(x, axes, keepdims=keepdims),
    torch=_TORCH.format("amax"),
    keras=_KERAS.format("max"),
    special=FRAMEWORKS,
)
min_ = over_axes(
    "min",
    ANY,
    "The least element along axes.",
    empty=False,
    reference=lambda x, *, axes, keepdims: np.min(x, axes, keepdims=keepdims),
    torch=_TORCH.format("amin"),
    keras=_KERAS.format("min"),
    special=FRAMEWORKS,
)
amax = over_axes(
    "amax",
    ANY,
    "The greatest element along axes, as Keras' other spelling has it.",
    empty=False,
    reference=lambda x, *, axes, keepdims: np.max(x, axes, keepdims=keepdims),
    keras=_KERAS.format("amax"),
    special=FRAMEWORKS,
)
amin = over_axes(
    "amin",
    ANY,
    "The least element along axes, as Keras' other spelling has it.",
    empty=False,
    reference=lambda x, *, axes, keepdims: np.min(x, axes, keepdims=keepdims),
    keras=_KERAS.format("amin"),
    special=FRAMEWORKS,
)
max_initial = over_axes(
    "max_initial",
    REAL,
    "The greatest element along axes, at least a given one.",
    attrs={"initial": choice(0, 2, 5)},
    reference=lambda x, *, axes, keepdims, initial: np.max(x, axes, keepdims=keepdims, initial=initial),
    keras="ops.max({x}, axis={axes}, keepdims={keepdims}, initial={initial})",
    special=FRAMEWORKS,
)
min_initial = over_axes(
    "min_initial",
    REAL,
    "The least element along axes, at most a given one.",
    attrs={"initial": choice(0, 2, 5)},
    reference=lambda x, *, axes, keepdims, initial: np.min(x, axes, keepdims=keepdims, initial=initial),
    keras="ops.min({x}, axis={axes}, keepdims={keepdims}, initial={initial})",
    special=FRAMEWORKS,
)
ptp = over_axes(
    "ptp",
    REAL,
    "The distance between the greatest and the least element along axes.",
    some=True,
    reference=lambda x, *, axes, keepdims: (
        np.max(wide(x), axes, keepdims=keepdims) - np.min(wide(x), axes, keepdims=keepdims)
    ),
    torch="torch.amax({x}, dim={axes}, keepdim={keepdims}) - torch.amin({x}, dim={axes}, keepdim={keepdims})",
    keras=_KERAS.format("ptp"),
    special=FRAMEWORKS,
)


def _keras_logsumexp(x: Operand, axes: tuple[int, ...], keepdims: bool) -> str:
    """Of float64, Keras infers that `ops.logsumexp` makes float32, which it does not: there it is written out."""
    if x.dtype == "float32":
        return f"ops.logsumexp({x}, axis={axes}, keepdims={keepdims})"
    return f"ops.log(ops.sum(ops.exp({x}), axis={axes}, keepdims={keepdims}))"


logsumexp = over_axes(
    "logsumexp",
    FLOATS,
    "The logarithm of the sum of the exponentials along axes.",
    reference=_logsumexp,
    torch=_TORCH.format("logsumexp"),
    keras=emission(_keras_logsumexp, dtypes=("float32", "float64")),
    special=FRAMEWORKS,
)
any_ = over_axes(
    "any",
    ANY,
    "Whether at least one element along axes is true, or not zero.",
    returns=_truth,
    reference=lambda x, *, axes, keepdims: np.any(x, axes, keepdims=keepdims),
    torch=_TORCH.format("any"),
    keras=_KERAS.format("any"),
    special=FRAMEWORKS,
)
all_ = over_axes(
    "all",
    ANY,
    "Whether all elements along axes are true, or not zero.",
    returns=_truth,
    reference=lambda x, *, axes, keepdims: np.all(x, axes, keepdims=keepdims),
    torch=_TORCH.format("all"),
    keras=_KERAS.format("all"),
    special=FRAMEWORKS,
)
count_nonzero = over_axes(
    "count_nonzero",
    ANY,
    "How many elements along axes are not zero.",
    keeps=False,
    returns=by_framework("int64", "int32"),
    reference=lambda x, *, axes: np.count_nonzero(x, axes),
    torch="torch.count_nonzero({x}, dim={axes})",
    keras="ops.count_nonzero({x}, axis={axes})",
    special=FRAMEWORKS,
)

# One axis: operators that take no list, and the spelling with a bare integer where others take a list.

prod = over_axis(
    "prod",
    REAL,
    "The product along one axis, of integers in a wider dtype.",
    domain=(-2, 2),
    returns=accumulator,
    reference=lambda x, *, axis, keepdims: np.prod(wide(x), axis, keepdims=keepdims),
    torch="torch.prod({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.prod({x}, axis={axis}, keepdims={keepdims})",
)
_PROD_IGNORES_DTYPE = Defect(
    "multiplies in the operand's dtype, whatever `dtype` says",
    lambda x, *, axis, keepdims, dtype: x.dtype != dtype,
    "https://keras.io/api/ops/numpy/#prod-function says that dtype is the returned tensor's; "
    "keras/src/backend/tensorflow/numpy.py casts only where it is None",
)
prod_as = over_axis(
    "prod_as",
    ANY,
    "The product along one axis, computed in a dtype that is named.",
    domain=(-2, 2),
    attrs={"dtype": dtype_choice(("float32", "float64", "int64", "int32"))},
    returns=named_by("dtype"),
    reference=lambda x, *, axis, keepdims, dtype: np.prod(cast(x, dtype), axis, keepdims=keepdims),
    torch="torch.prod({x}, dim={axis}, keepdim={keepdims}, dtype=torch.{dtype})",
    keras=emission(
        'ops.prod({x}, axis={axis}, keepdims={keepdims}, dtype="{dtype}")',
        dtypes=("float32", "float64", "int64", "int32"),
        defects=[_PROD_IGNORES_DTYPE],
    ),
)
any_along = over_axis(
    "any_along",
    BOOL,
    "Whether at least one element along one axis is true.",
    reference=lambda x, *, axis, keepdims: np.any(x, axis, keepdims=keepdims),
    torch="torch.any({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.any({x}, axis={axis}, keepdims={keepdims})",
)
all_along = over_axis(
    "all_along",
    BOOL,
    "Whether all elements along one axis are true.",
    reference=lambda x, *, axis, keepdims: np.all(x, axis, keepdims=keepdims),
    torch="torch.all({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.all({x}, axis={axis}, keepdims={keepdims})",
)
sum_along = over_axis(
    "sum_along",
    ANY,
    "The sum along one axis, of integers in a wider dtype.",
    returns=accumulator,
    reference=lambda x, *, axis, keepdims: np.sum(wide(x), axis, keepdims=keepdims),
    torch="{x}.sum({axis}, keepdim={keepdims})",
    keras="ops.sum({x}, axis={axis}, keepdims={keepdims})",
    special=FRAMEWORKS,
)
mean_along = over_axis(
    "mean_along",
    FLOATS,
    "The arithmetic mean along one axis.",
    reference=lambda x, *, axis, keepdims: mean_of(x, axis, keepdims),
    torch="{x}.mean({axis}, keepdim={keepdims})",
    keras="ops.mean({x}, axis={axis}, keepdims={keepdims})",
    special=FRAMEWORKS,
)
aminmax = over_axis(
    "aminmax",
    ANY,
    "The least and the greatest element along one axis.",
    some=True,
    returns=("T", "T"),
    reference=lambda x, *, axis, keepdims: (np.min(x, axis, keepdims=keepdims), np.max(x, axis, keepdims=keepdims)),
    torch="torch.aminmax({x}, dim={axis}, keepdim={keepdims})",
    special=FRAMEWORKS,
)

# No axis named: all of them.

sum_all = over_all(
    "sum_all",
    ANY,
    "The sum of all elements, of integers in a wider dtype.",
    returns=accumulator,
    reference=lambda x: np.sum(wide(x)),
    torch="torch.sum({x})",
    keras="ops.sum({x})",
    special=FRAMEWORKS,
)
sum_all_as = over_all(
    "sum_all_as",
    ANY,
    "The sum of all elements, computed in a dtype that is named.",
    attrs={"dtype": _SUMMABLE},
    returns=named_by("dtype"),
    reference=lambda x, *, dtype: np.sum(cast(x, dtype)),
    torch="torch.sum({x}, dtype=torch.{dtype})",
)
mean_all = over_all(
    "mean_all",
    REAL,
    "The arithmetic mean of all elements; of integers, in float32.",
    returns=float_result,
    reference=mean_of,
    torch=emission("torch.mean({x})", dtypes=FLOATS),
    keras="ops.mean({x})",
    special=FRAMEWORKS,
)
prod_all = over_all(
    "prod_all",
    REAL,
    "The product of all elements, of integers in a wider dtype.",
    domain=(-2, 2),
    returns=accumulator,
    reference=lambda x: np.prod(wide(x)),
    torch="torch.prod({x})",
    keras="ops.prod({x})",
)
max_all = over_all(
    "max_all",
    ANY,
    "The greatest of all elements.",
    some=True,
    reference=np.max,
    torch="torch.max({x})",
    keras="ops.max({x})",
    special=FRAMEWORKS,
)
min_all = over_all(
    "min_all",
    ANY,
    "The least of all elements.",
    some=True,
    reference=np.min,
    torch="torch.min({x})",
    keras="ops.min({x})",
    special=FRAMEWORKS,
)
aminmax_all = over_all(
    "aminmax_all",
    ANY,
    "The least and the greatest of all elements.",
    some=True,
    returns=("T", "T"),
    reference=lambda x: (np.min(x), np.max(x)),
    torch="torch.aminmax({x})",
    special=FRAMEWORKS,
)
any_all = over_all(
    "any_all",
    ANY,
    "Whether at least one of all elements is true, or not zero.",
    returns=_truth,
    reference=np.any,
    torch="torch.any({x})",
    keras="ops.any({x})",
    special=FRAMEWORKS,
)
all_all = over_all(
    "all_all",
    ANY,
    "Whether all elements are true, or not zero.",
    returns=_truth,
    reference=np.all,
    torch="torch.all({x})",
    keras="ops.all({x})",
    special=FRAMEWORKS,
)
count_nonzero_all = over_all(
    "count_nonzero_all",
    ANY,
    "How many of all elements are not zero.",
    returns=by_framework("int64", "int32"),
    reference=np.count_nonzero,
    torch="torch.count_nonzero({x})",
    keras="ops.count_nonzero({x})",
    special=FRAMEWORKS,
)
logsumexp_all = over_all(
    "logsumexp_all",
    FLOATS,
    "The logarithm of the sum of all elements' exponentials.",
    reference=lambda x: _logsumexp(x, axes=tuple(range(x.ndim)), keepdims=False),
    keras=emission("ops.logsumexp({x})", dtypes=("float32",)),
    special=FRAMEWORKS,
)

# No axis named, and all of them kept.

sum_all_kept = over_all(
    "sum_all_kept",
    ANY,
    "The sum of all elements, with an axis of one for each.",
    kept=True,
    returns=accumulator,
    reference=lambda x: np.sum(wide(x), keepdims=True),
    torch="torch.sum({x}, dim=None, keepdim=True)",
    keras="ops.sum({x}, keepdims=True)",
    special=FRAMEWORKS,
)
mean_all_kept = over_all(
    "mean_all_kept",
    FLOATS,
    "The mean of all elements, with an axis of one for each.",
    kept=True,
    reference=lambda x: mean_of(x, None, True),
    torch="torch.mean({x}, dim=None, keepdim=True)",
    keras="ops.mean({x}, keepdims=True)",
    special=FRAMEWORKS,
)
max_all_kept = over_all(
    "max_all_kept",
    ANY,
    "The greatest of all elements, with an axis of one for each.",
    kept=True,
    some=True,
    reference=lambda x: np.max(x, keepdims=True),
    torch="torch.amax({x}, dim=(), keepdim=True)",
    keras="ops.max({x}, keepdims=True)",
    special=FRAMEWORKS,
)

# An empty list of axes: PyTorch takes it for all of them, Keras for none.
# https://docs.pytorch.org/docs/stable/generated/torch.sum.html; Keras follows NumPy.

sum_of_empty_list = over_all(
    "sum_of_empty_list",
    ANY,
    "The sum along an empty list of axes, which PyTorch takes for all.",
    returns=accumulator,
    reference=lambda x: np.sum(wide(x)),
    torch="torch.sum({x}, dim=())",
    special=FRAMEWORKS,
)
mean_of_empty_list = over_all(
    "mean_of_empty_list",
    FLOATS,
    "The mean along an empty list of axes, which PyTorch takes for all.",
    reference=mean_of,
    torch="torch.mean({x}, dim=())",
    special=FRAMEWORKS,
)
amax_of_empty_list = over_all(
    "amax_of_empty_list",
    ANY,
    "The greatest element along an empty list of axes, which PyTorch takes for all.",
    some=True,
    reference=np.max,
    torch="torch.amax({x}, dim=())",
    special=FRAMEWORKS,
)
amin_of_empty_list = over_all(
    "amin_of_empty_list",
    ANY,
    "The least element along an empty list of axes, which PyTorch takes for all.",
    some=True,
    reference=np.min,
    torch="torch.amin({x}, dim=())",
    special=FRAMEWORKS,
)


def _nowhere(name: str, doc: str, fold: str, returns: Returns, dtypes: Sequence[str]) -> Operator:
    """A fold along an empty list of axes as Keras takes it: each element by itself."""

    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    return operator(
        tensor("x"),
        dtypes=dtypes,
        returns=returns,
        reference=lambda x: x,
        special=() if dtypes is BOOL else FRAMEWORKS,
        keras=f"ops.{fold}({{x}}, axis=())",
    )(named(name, doc, rule))


sum_of_no_axes = _nowhere("sum_of_no_axes", "Sums along no axis.", "sum", accumulator, ANY)
mean_of_no_axes = _nowhere("mean_of_no_axes", "Means along no axis.", "mean", float_result, REAL)
max_of_no_axes = _nowhere("max_of_no_axes", "The greatest elements along no axis.", "max", "T", REAL)
any_of_no_axes = _nowhere("any_of_no_axes", "Whether elements are true, along no axis.", "any", "bool", BOOL)

OPERATORS: Sequence[Operator] = [value for value in list(globals().values()) if isinstance(value, Operator)]
