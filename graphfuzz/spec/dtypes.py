"""Element types, by their NumPy names, in the groups that declarations use."""

from __future__ import annotations

import numpy as np

FLOATS = ("float16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8",)
INTEGERS = SIGNED + UNSIGNED
INDICES = ("int32", "int64")
BOOL = ("bool",)
REAL = FLOATS + INTEGERS
ANY = REAL + BOOL
KNOWN = frozenset(ANY)

_CATEGORY = {**dict.fromkeys(BOOL, 0), **dict.fromkeys(INTEGERS, 1), **dict.fromkeys(FLOATS, 2)}


def is_float(dtype: str) -> bool:
    """Whether the dtype is a floating-point one."""
    return _CATEGORY[dtype] == 2


def is_integer(dtype: str) -> bool:
    """Whether the dtype is an integer one (bool is not)."""
    return _CATEGORY[dtype] == 1


def promoted(a: str, b: str) -> str:
    """The dtype in which tensors of two dtypes meet.

    The wider category wins outright (an int64 beside a float16 gives float16); inside a category NumPy's promotion
    holds. PyTorch ("torch.result_type") and Keras (its JAX-like lattice) agree on this for all of `KNOWN`.
    """
    if _CATEGORY[a] != _CATEGORY[b]:
        return a if _CATEGORY[a] > _CATEGORY[b] else b
    return str(np.promote_types(a, b))


def epsilon(dtype: str) -> float:
    """The spacing of a float dtype at 1."""
    return float(np.finfo(dtype).eps)
