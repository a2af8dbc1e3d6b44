"""Folds that skip NaN, which stands where elements are missing, as a mask says."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    Operator,
    Require,
    Shape,
    Tensor,
    axes,
    axis,
    flag,
    named,
    operator,
    reduced_shape,
    tensor,
)
from operators.folds import distinct, meeting
from operators.precision import Array, wide

_MISSING = "{x}.masked_fill({missing}, float('nan'))"
_KERAS_MISSING = "ops.where({missing}, float('nan'), {x})"


def _where(x: Array, missing: Array) -> Array:
    return np.where(missing, np.nan, wide(x))


def _present(x: Array, missing: Array, axes: Any) -> Array:
    """How many elements along axes are not missing."""
    return np.asarray(np.sum(~np.isnan(_where(x, missing)), axes))


def _skipping(
    name: str,
    doc: str,
    fold: Callable[..., Array],
    *,
    torch: str | None = None,
    keras: str | None = None,
    least: int = 1,
    domain: tuple[float, float] | None = None,
    dtypes: Sequence[str] = FLOATS,
    spread: float | None = None,
    special: Sequence[str] = FRAMEWORKS,
) -> Operator:
    """A fold along axes of the elements that are not missing, of which each group has at least `least`.

    spread: the least result at which the fold is no matter of rounding alone.
    """

    def rule(require: Require, x: Tensor, missing: Tensor, *, axes: Sequence[int], keepdims: bool) -> Shape:
        shape = meeting(require, x, missing)
        require(len(axes) >= 1, "at least one axis is folded")
        return reduced_shape(require, Tensor(x.dtype, shape), axes, keepdims)

    def defined(x: Array, missing: Array, *, axes: Any, keepdims: bool) -> bool:
        if not np.all(_present(x, missing, axes) >= least):
            return False
        return spread is None or bool(np.all(fold(_where(x, missing), axes) > spread))

    declare = operator(
        tensor("x", rank=range(1, 6)),
        tensor("missing", "bool", rank=range(1, 6)),
        attrs={"axes": axes(), "keepdims": flag()},
        dtypes=dtypes,
        domain=domain,
        defined=defined,
        reference=lambda x, missing, *, axes, keepdims: fold(_where(x, missing), axes, keepdims=keepdims),
        special=special,
        torch=torch and f"torch.{torch}({_MISSING}, dim={{axes}}, keepdim={{keepdims}})",
        keras=keras and f"ops.{keras}({_KERAS_MISSING}, axis={{axes}}, keepdims={{keepdims}})",
    )
    return declare(named(name, doc, rule))


nansum = _skipping("nansum", "The sum along axes without NaN.", np.nansum, torch="nansum", keras="nansum", least=0)
nanmean = _skipping("nanmean", "The mean along axes without NaN.", np.nanmean, torch="nanmean", keras="nanmean")
nanmax = _skipping("nanmax", "The greatest element along axes without NaN.", np.nanmax, keras="nanmax")
nanmin = _skipping("nanmin", "The least element along axes without NaN.", np.nanmin, keras="nanmin")
nanprod = _skipping(
    "nanprod", "The product along axes without NaN.", np.nanprod, keras="nanprod", least=0, domain=(-2, 2), special=()
)
nanvar = _skipping("nanvar", "The variance along axes without NaN.", np.nanvar, keras="nanvar", special=())
nanstd = _skipping(
    "nanstd", "The standard deviation along axes without NaN.", np.nanstd, keras="nanstd", spread=0.2, special=()
)


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("missing", "bool", rank=range(1, 6)),
    attrs={"axis": axis(), "keepdims": flag()},
    dtypes=("float32", "float64"),
    defined=lambda x, missing, *, axis, keepdims: bool(np.all(_present(x, missing, axis) >= 1)),
    reference=lambda x, missing, *, axis, keepdims: np.nanquantile(
        _where(x, missing), 0.5, axis, keepdims=keepdims, method="linear"
    ),
    torch=f"torch.nanquantile({_MISSING}, 0.5, dim={{axis}}, keepdim={{keepdims}})",
)
def nanquantile(require: Require, x: Tensor, missing: Tensor, *, axis: int, keepdims: bool) -> Shape:
    """The median along one axis without NaN, the mean of two where two are in the middle."""
    shape = meeting(require, x, missing)
    return reduced_shape(require, Tensor(x.dtype, shape), (axis,), keepdims)


@operator(
    tensor("x"),
    tensor("missing", "bool"),
    dtypes=FLOATS,
    defined=lambda x, missing: bool(np.any(_present(x, missing, None))),
    special=FRAMEWORKS,
    reference=lambda x, missing: np.nanquantile(_where(x, missing), 0.5, method="lower"),
    torch=f"torch.nanmedian({_MISSING})",
)
def nanmedian_lower_all(require: Require, x: Tensor, missing: Tensor) -> Shape:
    """The lower median of all elements without NaN."""
    meeting(require, x, missing)
    return ()


def _argument(name: str, doc: str, fold: Callable[..., Array]) -> Operator:
    """The place along one axis of an extreme among the elements that are not missing; they are distinct."""

    def rule(require: Require, x: Tensor, missing: Tensor, *, axis: int, keepdims: bool) -> Shape:
        shape = meeting(require, x, missing)
        return reduced_shape(require, Tensor(x.dtype, shape), (axis,), keepdims)

    def defined(x: Array, missing: Array, *, axis: int, keepdims: bool) -> bool:
        whole = np.broadcast_to(x, np.broadcast_shapes(x.shape, missing.shape))
        return distinct(whole, axis) and bool(np.all(_present(x, missing, axis) >= 1))

    return operator(
        tensor("x", rank=range(1, 6)),
        tensor("missing", "bool", rank=range(1, 6)),
        attrs={"axis": axis(), "keepdims": flag()},
        dtypes=FLOATS,
        returns="int32",
        defined=defined,
        reference=lambda x, missing, *, axis, keepdims: fold(_where(x, missing), axis, keepdims=keepdims),
        keras=f"ops.{name}({_KERAS_MISSING}, axis={{axis}}, keepdims={{keepdims}})",
    )(named(name, doc, rule))


nanargmax = _argument("nanargmax", "Where the greatest element along one axis is that is not missing.", np.nanargmax)
nanargmin = _argument("nanargmin", "Where the least element along one axis is that is not missing.", np.nanargmin)

OPERATORS: Sequence[Operator] = [value for value in list(globals().values()) if isinstance(value, Operator)]
