"""Arrays in the place of others: plainer ones, smaller ones, ones of another dtype."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.graph import LIMITS, Array
from graphfuzz.graph.evaluation import computable
from graphfuzz.spec.dtypes import BOOL, UNSIGNED, is_complex, is_float

FILLS = ("zero", "one", "minus one", "bare", "integer", "short")
"""What `plainer` makes, the plainest first."""


def fitted(array: Array, dtype: str, shape: Sequence[int], at_end: bool = False) -> Array:
    """The array as one of another type: its first values along each axis, or its last; in their order, where the number
    of axes differs."""
    if len(shape) == array.ndim and all(new <= old for new, old in zip(shape, array.shape, strict=True)):
        pairs = zip(shape, array.shape, strict=True)
        cut = array[tuple(slice(old - new, None) if at_end else slice(new) for new, old in pairs)]
    else:
        cut = np.resize(array, shape)
    return converted(np.ascontiguousarray(cut).reshape(shape), dtype)


def converted(array: Array, dtype: str) -> Array:
    """The array in another dtype; values beyond those of ordinary cases are clipped."""
    if str(array.dtype) == dtype:
        return array
    values = computable(array)
    if not is_complex(dtype):
        values = np.real(values)
    if dtype == "bool":
        return np.asarray(values != 0)
    if is_complex(dtype) or is_float(dtype):
        with np.errstate(all="ignore"):
            return np.asarray(values.astype(dtype))
    low = 0 if dtype in UNSIGNED else -LIMITS[dtype]
    whole = np.round(np.clip(np.nan_to_num(values.astype("float64")), low, LIMITS[dtype]))
    return np.asarray(whole.astype(dtype))


def plainer(array: Array, how: str) -> Array:
    """The same type with plainer values."""
    if how == "zero":
        return np.zeros_like(array)
    if how == "one":
        return np.ones_like(array)
    if how == "minus one":
        return array if str(array.dtype) in (*UNSIGNED, *BOOL) else -np.ones_like(array)
    if how == "bare":
        return np.where(np.isfinite(array), np.zeros_like(array), array)
    if is_complex(str(array.dtype)):
        return np.asarray(np.round(array, 0 if how == "integer" else 2))
    if not is_float(str(array.dtype)):
        return array
    if how == "integer":
        return np.asarray(np.round(array))
    return np.asarray(np.round(array.astype("float64"), 2)).astype(array.dtype)
