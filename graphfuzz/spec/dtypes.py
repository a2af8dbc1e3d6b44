"""Element types, by their NumPy names, in the groups that declarations use.

NumPy has no bfloat16 of its own; `ml_dtypes`, which ONNX and TensorFlow use too, gives it one.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

HALVES = ("bfloat16", "float16")
FLOATS = (*HALVES, "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
INDICES = ("int32", "int64")
BOOL = ("bool",)
REAL = FLOATS + INTEGERS
ANY = REAL + BOOL
COMPLEX = ("complex64", "complex128")
KNOWN = frozenset(ANY + COMPLEX)

UNCOMMON = {"torch": ("uint16", "uint32", "uint64"), "keras": ("uint64", "complex128")}
"""The dtypes that a framework serves badly: an emission that does not name them is taken to lack them.

https://docs.pytorch.org/docs/stable/tensor_attributes.html says that few kernels exist for PyTorch's wide unsigned
integers; Keras' promotion (keras/src/backend/common/dtypes.py) makes uint32 of two uint64, complex64 of complex128.
"""

_CATEGORY = {
    **dict.fromkeys(BOOL, 0),
    **dict.fromkeys(INTEGERS, 1),
    **dict.fromkeys(FLOATS, 2),
    **dict.fromkeys(COMPLEX, 3),
}


def is_float(dtype: str) -> bool:
    """Whether the dtype is a (real) floating-point one."""
    return _CATEGORY[dtype] == 2


def is_integer(dtype: str) -> bool:
    """Whether the dtype is an integer one (bool is not)."""
    return _CATEGORY[dtype] == 1


def is_complex(dtype: str) -> bool:
    """Whether the dtype is a complex one."""
    return _CATEGORY[dtype] == 3


def part(dtype: str) -> str:
    """The dtype of a complex number's two parts; of anything else, its own."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def promoted(a: str, b: str) -> str:
    """The dtype in which tensors of two dtypes meet.

    The wider category wins outright (an int64 beside a float16 gives float16) but for a complex number's precision;
    inside a category NumPy's promotion holds, and the two halves meet in float32. PyTorch ("torch.result_type") and
    Keras (its JAX-like lattice) agree on this, but for wide unsigned integers, which PyTorch does not promote.
    """
    if a == b:
        return a
    if {a, b} == set(HALVES):
        return "float32"
    if _CATEGORY[a] != _CATEGORY[b] and not (is_complex(a) and is_float(b)) and not (is_float(a) and is_complex(b)):
        return a if _CATEGORY[a] > _CATEGORY[b] else b
    return str(np.promote_types(a, b))


def epsilon(dtype: str) -> float:
    """The spacing of a float dtype at 1 (of a complex one: of its parts)."""
    return float(ml_dtypes.finfo(part(dtype)).eps)  # type: ignore[no-untyped-call]


def smallest_normal(dtype: str) -> float:
    """The least positive number of a float dtype that has its full precision (of a complex one: of its parts)."""
    return float(ml_dtypes.finfo(part(dtype)).smallest_normal)  # type: ignore[no-untyped-call]
