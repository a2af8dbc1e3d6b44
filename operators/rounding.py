"""Rounding of each element in every direction, and what it cuts off."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    INTEGERS,
    REAL,
    Defect,
    Operator,
    Require,
    Shape,
    Tensor,
    choice,
    emission,
    operator,
    spelled,
    tensor,
    unary,
)
from graphfuzz.spec.dtypes import epsilon, is_float
from operators.forms import all_dtypes
from operators.precision import Array, wide

floor = unary(
    "floor",
    REAL,
    reference=np.floor,
    torch=all_dtypes("torch.floor({x})", REAL),
    keras=emission("ops.floor({x})", dtypes=FLOATS),
    doc="The largest integer that is not above each element.",
    special=FRAMEWORKS,
)
ceil = unary(
    "ceil",
    REAL,
    reference=np.ceil,
    torch=all_dtypes("torch.ceil({x})", REAL),
    keras=emission("ops.ceil({x})", dtypes=FLOATS),
    doc="The smallest integer that is not below each element.",
    special=FRAMEWORKS,
)
truncate = unary(
    "truncate",
    REAL,
    reference=np.trunc,
    torch=all_dtypes("torch.trunc({x})", REAL),
    keras="ops.trunc({x})",
    doc="Each element without its fraction.",
    special=FRAMEWORKS,
)
truncate_fix = spelled(truncate, "truncate_fix", torch="torch.fix({x})")
round_half_even = unary(
    "round",
    REAL,
    reference=np.round,
    torch=all_dtypes("torch.round({x})", REAL),
    keras="ops.round({x})",
    doc="The integer nearest to each element; of two, the even one.",
    special=FRAMEWORKS,
)
fraction = unary(
    "fraction",
    FLOATS,
    reference=lambda x: x - np.trunc(x),
    torch="torch.frac({x})",
    doc="Each element less its integer part; it has the element's sign.",
)


# Keras makes float32 of integers here, as NumPy once did.
floor_to_float = unary(
    "floor_to_float",
    INTEGERS,
    returns="float32",
    reference=wide,
    keras="ops.floor({x})",
    doc="The floor of each integer, which is itself, in float32.",
)
ceil_to_float = unary(
    "ceil_to_float",
    INTEGERS,
    returns="float32",
    reference=wide,
    keras="ops.ceil({x})",
    doc="The ceiling of each integer, which is itself, in float32.",
)


def _clear_of_ties(x: Array, *, decimals: int) -> bool:
    """Whether the scaled elements keep away from halves: scaling rounds, so that a tie may fall to either side."""
    scaled = wide(x) * 10.0**decimals
    slack = np.abs(scaled) * 4 * epsilon(str(x.dtype)) + 1e-9 if is_float(str(x.dtype)) else 0.0
    return bool(np.all(np.abs(scaled - np.floor(scaled) - 0.5) > slack))


@operator(
    tensor("x"),
    attrs={"decimals": choice(1, 2, -1, 3)},
    dtypes=("float32", "float64"),
    defined=_clear_of_ties,
    reference=lambda x, *, decimals: np.round(wide(x) * 10.0**decimals) / 10.0**decimals,
    empty=True,
    torch="torch.round({x}, decimals={decimals})",
    keras=emission(
        "ops.round({x}, decimals={decimals})",
        defects=[
            Defect(
                "it takes the tenth from float32 for float64, too",
                lambda x, *, decimals: x.dtype == "float64" and decimals < 0,
                "keras/src/backend/tensorflow/numpy.py, round",
            )
        ],
    ),
)
def round_decimals(require: Require, x: Tensor, *, decimals: int) -> Shape:
    """Each element rounded to a number of decimal places (before the point, where it is negative)."""
    return x.shape


round_decimals_special = spelled(
    round_decimals, "round_decimals_special", torch="torch.special.round({x}, decimals={decimals})"
)


def _clear_of_steps(x: Array, *, step: float) -> bool:
    """Whether adding a half rounds to no other integer."""
    return bool(np.all(np.floor(wide(x) / step + 0.5) == np.floor(x / x.dtype.type(step) + x.dtype.type(0.5))))


@operator(
    tensor("x"),
    attrs={"step": choice(0.25, 0.5, 2.0, 4.0)},
    dtypes=("float16", "float32", "float64"),
    defined=_clear_of_steps,
    reference=lambda x, *, step: np.floor(wide(x) / step + 0.5) * step,
    empty=True,
    torch="torch.floor({x} / {step} + 0.5) * {step}",
    keras="ops.floor({x} / {step} + 0.5) * {step}",
)
def round_half_up(require: Require, x: Tensor, *, step: float) -> Shape:
    """The multiple of a power of two nearest to each element; of two, the upper one."""
    return x.shape


# The exponent of zero is the implementation's choice; PyTorch's is zero, as C's.
@operator(
    tensor("x"),
    dtypes=FLOATS,
    returns=("T", "int32"),
    reference=lambda x: np.frexp(wide(x)),
    empty=True,
    torch=emission("torch.frexp({x})", dtypes=("bfloat16", "float16", "float32", "float64")),
)
def frexp(require: Require, x: Tensor) -> list[Shape]:
    """Each element as a mantissa in [0.5, 1) and an exponent of two."""
    return [x.shape, x.shape]


OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
