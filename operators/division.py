"""Quotients and remainders of each pair of elements, rounded in every way."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    HALVES,
    REAL,
    Defect,
    Operator,
    Require,
    Shape,
    Tensor,
    binary,
    broadcast,
    choice,
    emission,
    operator,
    promote,
    spelled,
    tensor,
)
from graphfuzz.spec.dtypes import is_float
from graphfuzz.spec.operator import Bounds
from operators.forms import all_dtypes, by_dtype, exact_quotient, in_float, mixed, with_number
from operators.precision import Array, wide

DIVISORS = by_dtype("y", (-8.0, 8.0), (-8, 8))
LEAST_DIVISOR = 0.5


def _has_quotient(x: Array, y: Array) -> bool:
    """No division by zero, nor of the least integer by -1, whose result does not exist."""
    if not np.all(y != 0):
        return False
    return not (np.issubdtype(x.dtype, np.signedinteger) and np.any((y == -1) & (x == np.iinfo(x.dtype).min)))


def rounds_safely(x: Array, y: Array) -> bool:
    return _has_quotient(x, y) and (np.issubdtype(x.dtype, np.integer) or exact_quotient(x, y))


def division(name: str, doc: str, dtypes: Sequence[str] = REAL, **fields: Any) -> Operator:
    """An operator on each pair of elements, broadcast, the second being a divisor; `fields` as in `binary`."""
    return binary(name, dtypes, doc=doc, divisor=DIVISORS, least=LEAST_DIVISOR, **{"defined": _has_quotient, **fields})


def truncated(x: Array, y: Array) -> Array:
    """The quotient rounded toward zero."""
    if np.issubdtype(x.dtype, np.integer):
        return np.asarray(np.sign(x) * np.sign(y) * (np.abs(wide(x)) // np.abs(wide(y)))).astype(x.dtype)
    return np.asarray(np.trunc(wide(x) / wide(y)))


divide = division(
    "divide",
    "The quotient of each pair of elements, broadcast; of integers, in float32.",
    returns=in_float("T"),
    reference=lambda x, y: wide(x) / wide(y),
    torch=all_dtypes("torch.div({x}, {y})", REAL),
    keras="ops.divide({x}, {y})",
    special=FRAMEWORKS,
)
true_divide = spelled(divide, "true_divide", torch="torch.true_divide({x}, {y})", keras="ops.true_divide({x}, {y})")
divide_alias = spelled(divide, "divide_alias", torch="torch.divide({x}, {y})", keras="{x} / {y}")
floor_divide = division(
    "floor_divide",
    "The quotient of each pair of elements, broadcast, rounded toward minus infinity.",
    defined=rounds_safely,
    reference=lambda x, y: np.floor(wide(x) / wide(y)) if is_float(str(x.dtype)) else np.floor_divide(x, y),
    torch="torch.div({x}, {y}, rounding_mode='floor')",
    keras="ops.floor_divide({x}, {y})",
)
floor_divide_alias = spelled(
    floor_divide, "floor_divide_alias", torch="torch.floor_divide({x}, {y})", keras="{x} // {y}"
)
truncate_divide = division(
    "truncate_divide",
    "The quotient of each pair of elements, broadcast, rounded toward zero.",
    defined=rounds_safely,
    reference=truncated,
    torch="torch.div({x}, {y}, rounding_mode='trunc')",
)
remainder = division(
    "remainder",
    "What floor division leaves, broadcast; it has the divisor's sign.",
    defined=rounds_safely,
    reference=lambda x, y: np.remainder(wide(x), wide(y)),
    torch="torch.remainder({x}, {y})",
    keras="ops.mod({x}, {y})",
)
remainder_alias = spelled(remainder, "remainder_alias", torch="{x} % {y}", keras="{x} % {y}")
fmod = division(
    "fmod",
    "What division rounded toward zero leaves, broadcast; it has the dividend's sign.",
    defined=rounds_safely,
    reference=lambda x, y: np.fmod(wide(x), wide(y)),
    torch="torch.fmod({x}, {y})",
    keras="ops.fmod({x}, {y})",
)


@operator(
    tensor("x"),
    tensor("y", domain=lambda x, y: (-1.0, 1.0)),
    dtypes=FLOATS,
    reference=lambda x, y: np.where(y == 0, 0.0, wide(x) / np.where(y == 0, 1.0, wide(y))),
    special=FRAMEWORKS,
    empty=True,
    keras="ops.divide_no_nan({x}, {y})",
)
def divide_or_zero(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The quotient of each pair of elements, broadcast; zero where the divisor is."""
    return broadcast(require, x.shape, y.shape)


_DIVISORS = choice(2, 3, 7, -2, -3)


_NARROW = ("int8", "int16", "uint8", "uint16", "uint32")
# A Python number widens no dtype of its category for Keras' own inference, and for its other operators.
_STRONG_NUMBER = Defect(
    "ops.mod takes a Python number for an int32 or float32 tensor, and makes another dtype than it infers",
    lambda x, *, number: x.dtype in (HALVES if isinstance(number, float) else _NARROW),
    "keras/src/backend/tensorflow/numpy.py, mod, against ops/numpy.py, Mod.compute_output_spec",
)


def _safe_number(x: Array, *, number: float) -> bool:
    return np.issubdtype(x.dtype, np.integer) or exact_quotient(x, np.asarray(number, x.dtype))


floor_divide_by = with_number(
    "floor_divide_by",
    "Each element divided by a constant of either sign, rounded toward minus infinity.",
    _DIVISORS,
    REAL,
    defined=_safe_number,
    special=(),
    reference=lambda x, *, number: np.floor_divide(wide(x), number),
    torch="{x} // {number}",
    keras="{x} // {number}",
)
floor_divide_by_fraction = with_number(
    "floor_divide_by_fraction",
    "Each element divided by a float constant, rounded toward minus infinity; of integers, in float32.",
    choice(0.5, 1.5, 2.5, -0.75),
    REAL,
    defined=lambda x, *, number: exact_quotient(x, np.asarray(number)),
    special=(),
    reference=lambda x, *, number: np.floor(wide(x) / number),
    torch="{x} // {number}",
    keras="{x} // {number}",
)
truncate_divide_by = with_number(
    "truncate_divide_by",
    "Each element divided by a constant of either sign, rounded toward zero.",
    _DIVISORS,
    REAL,
    defined=_safe_number,
    special=(),
    reference=lambda x, *, number: truncated(wide(x), np.asarray(number, wide(x).dtype)),
    torch='torch.div({x}, {number}, rounding_mode="trunc")',
)
remainder_by = with_number(
    "remainder_by",
    "What floor division by a constant leaves; it has the constant's sign.",
    _DIVISORS,
    REAL,
    defined=_safe_number,
    special=(),
    reference=lambda x, *, number: np.remainder(wide(x), number),
    torch="{x} % {number}",
    keras=emission("{x} % {number}", defects=[_STRONG_NUMBER]),
)
remainder_by_fraction = with_number(
    "remainder_by_fraction",
    "What floor division by a float constant leaves; of integers, in float32.",
    choice(0.5, 1.5, 2.5, -0.75),
    REAL,
    defined=lambda x, *, number: exact_quotient(x, np.asarray(number)),
    special=(),
    reference=lambda x, *, number: np.remainder(wide(x), number),
    torch="torch.remainder({x}, {number})",
    keras=emission("ops.mod({x}, {number})", defects=[_STRONG_NUMBER]),
)
fmod_by = with_number(
    "fmod_by",
    "What division by a constant, rounded toward zero, leaves; it has the element's sign.",
    _DIVISORS,
    REAL,
    defined=_safe_number,
    special=(),
    reference=lambda x, *, number: np.fmod(wide(x), number),
    torch="torch.fmod({x}, {number})",
)


def _positive(x: Tensor, *, number: Any) -> Bounds:
    return (0.5, 8.0) if is_float(x.dtype) else (1, 8)


def _safe_dividend(x: Array, *, number: float) -> bool:
    return bool(np.all(x > 0)) and exact_quotient(np.asarray(number, np.float64), x)


floor_divide_number = with_number(
    "floor_divide_number",
    "A constant divided by each element, rounded toward minus infinity.",
    choice(7, 20, 3, -5),
    REAL,
    domain=_positive,
    defined=_safe_dividend,
    special=(),
    reference=lambda x, *, number: np.floor_divide(number, wide(x)),
    torch="{number} // {x}",
    keras="{number} // {x}",
)
remainder_of_number = with_number(
    "remainder_of_number",
    "What floor division of a constant by each element leaves.",
    choice(7, 20, 3, -5),
    REAL,
    domain=_positive,
    defined=_safe_dividend,
    special=(),
    reference=lambda x, *, number: np.remainder(number, wide(x)),
    torch="torch.remainder({number}, {x})",
    keras=emission("{number} % {x}", defects=[_STRONG_NUMBER]),
)


def _mixed_divisors(x: Tensor, y: Tensor) -> Bounds:
    return (0.5, 8.0) if is_float(y.dtype) else (1, 8)


divide_mixed = mixed(
    "divide_mixed",
    "The quotient of each pair of elements of two dtypes, broadcast; of integers, in float32.",
    first=REAL,
    second=REAL,
    divisor=_mixed_divisors,
    returns=in_float("T", "U"),
    reference=lambda x, y: wide(x) / wide(y),
    torch="{x} / {y}",
    keras="{x} / {y}",
)
floor_divide_mixed = mixed(
    "floor_divide_mixed",
    "The quotient of each pair of elements of two dtypes, broadcast, rounded toward minus infinity.",
    first=REAL,
    second=REAL,
    divisor=_mixed_divisors,
    defined=exact_quotient,
    returns=promote("T", "U"),
    special=(),
    reference=lambda x, y: np.floor_divide(wide(x), wide(y)),
    torch="{x} // {y}",
    keras="{x} // {y}",
)
remainder_mixed = mixed(
    "remainder_mixed",
    "What floor division of elements of two dtypes leaves, broadcast.",
    first=REAL,
    second=REAL,
    divisor=_mixed_divisors,
    defined=exact_quotient,
    returns=promote("T", "U"),
    special=(),
    reference=lambda x, y: np.remainder(wide(x), wide(y)),
    torch="{x} % {y}",
    keras="{x} % {y}",
)

OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
