"""Changes of dtype, and of how the same bits are read."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    FRAMEWORKS,
    INTEGERS,
    Defect,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    choice,
    dtype_choice,
    emission,
    named,
    named_by,
    operator,
    spelled,
    tensor,
    unary,
)
from graphfuzz.spec.dtypes import is_float, is_integer
from operators.forms import all_dtypes
from operators.precision import Array, wide


def _in_range(x: Array, *, dtype: str) -> bool:
    """Whether every float, its fraction dropped, exists in the integer dtype: C leaves the others undefined."""
    target = np.dtype(dtype)
    if not (np.issubdtype(x.dtype, np.floating) and np.issubdtype(target, np.integer)):
        return True
    limits = np.iinfo(target)
    # As floats, int64's greatest value is 2**63 itself, which is out of range: compare below one past the end.
    whole = np.trunc(x.astype(np.float64))
    return bool(np.all((whole >= float(limits.min)) & (whole < float(limits.max) + (limits.bits < 64))))


@operator(
    tensor("x"),
    attrs={"dtype": dtype_choice()},
    dtypes=ANY,
    returns=named_by("dtype"),
    defined=_in_range,
    reference=lambda x, *, dtype: x.astype(dtype),
    special=FRAMEWORKS,
    empty=True,
    torch=all_dtypes("{x}.to(torch.{dtype})"),
    keras=all_dtypes('ops.cast({x}, "{dtype}")'),
)
def cast(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """The same values in another dtype: fractions are dropped, integers wrap around, all but zero is true."""
    return x.shape


cast_type = spelled(cast, "cast_type", torch="{x}.type(torch.{dtype})")

_METHODS = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "int": "int32",
    "long": "int64",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
}


@operator(
    tensor("x"),
    attrs={"method": choice(*_METHODS)},
    dtypes=ANY,
    returns=lambda framework, bound, attrs: _METHODS[attrs["method"]],
    defined=lambda x, *, method: _in_range(x, dtype=_METHODS[method]),
    reference=lambda x, *, method: x.astype(_METHODS[method]),
    empty=True,
    torch=all_dtypes("{x}.{method}()"),
)
def cast_method(require: Require, x: Tensor, *, method: str) -> Shape:
    """The same values in the dtype that a method is named after."""
    return x.shape


def _cast_to_other(name: str, doc: str, torch: str | None, keras: str | None = None) -> Operator:
    """The values of x in the dtype of y, whose own values do not matter."""

    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        return x.shape

    declare = operator(
        tensor("x"),
        tensor("y", "U"),
        dtypes={"T": ANY, "U": ANY},
        returns="U",
        defined=lambda x, y: _in_range(x, dtype=str(y.dtype)),
        reference=lambda x, y: x.astype(y.dtype),
        empty=True,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


cast_like = _cast_to_other(
    "cast_like", "The same values in another operand's dtype.", "{x}.type_as({y})", "ops.cast({x}, {y}.dtype)"
)
cast_to_other = _cast_to_other("cast_to_other", "The same values in another operand's dtype.", "{x}.to({y})")


@operator(
    tensor("x"),
    attrs={"dtype": dtype_choice(("float32", "float16", "float64", "int32", "int64", "int8"))},
    dtypes=ANY,
    returns=named_by("dtype"),
    defined=_in_range,
    reference=lambda x, *, dtype: x.astype(dtype),
    special=FRAMEWORKS,
    empty=True,
    torch="{x}.to(dtype=torch.{dtype}, copy=True)",
)
def cast_copy(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """The same values in another dtype, or a copy."""
    return x.shape


def _saturated(x: Array, *, dtype: str) -> Array:
    if not is_integer(dtype):
        return np.asarray(x.astype(dtype))
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(wide(x), max(limits.min, -(2**62)), min(limits.max, 2**62))).astype(dtype)


@operator(
    tensor("x", domain=(-300, 300)),
    attrs={"dtype": choice("uint8", "int8", "int16", "uint16", "int32", "float16", "float32")},
    dtypes=("float32", "float64", "int32", "int64"),
    returns=named_by("dtype"),
    reference=_saturated,
    empty=True,
    keras=emission(
        'ops.saturate_cast({x}, "{dtype}")',
        defects=[
            Defect(
                "it takes the least integer for the greatest float32's integer, and makes that of all elements",
                lambda x, *, dtype: dtype == "float32" and is_integer(x.dtype),
                "keras/src/ops/core.py, _saturate_cast, against keras.ops.saturate_cast's documentation",
            )
        ],
    ),
)
def saturate_cast(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """The same values in another dtype; those beyond it become its extremes."""
    require(dtype != "float16" or is_float(x.dtype), "Keras finds the bounds without an overflow in NumPy")
    return x.shape


# Bits


_TWIN = {"int8": "uint8", "int16": "uint16", "int32": "uint32", "int64": "uint64"}
_TWIN |= {unsigned: signed for signed, unsigned in _TWIN.items()}


def _twin_text(x: Operand) -> str:
    return f"{x}.view(torch.{_TWIN[x.dtype]})"


@operator(
    tensor("x"),
    dtypes=INTEGERS,
    returns=lambda framework, bound, attrs: _TWIN[bound["T"]],
    reference=lambda x: x.view(_TWIN[str(x.dtype)]),
    empty=True,
    torch=all_dtypes(_twin_text, INTEGERS),
    keras=all_dtypes(lambda x: f'ops.view({x}, "{_TWIN[x.dtype]}")', INTEGERS),
)
def bitcast(require: Require, x: Tensor) -> Shape:
    """The bits of signed integers read as unsigned ones, and the other way around."""
    return x.shape


_BITS = {"float16": ("int16", 10, 31), "float32": ("int32", 23, 255), "float64": ("int64", 52, 2047)}
"""The integer of the same width, the width of the mantissa, and the greatest exponent, in bits."""


def _exponent(x: Array) -> Array:
    integer, mantissa, mask = _BITS[str(x.dtype)]
    return np.asarray((np.asarray(x).view(integer) >> mantissa) & mask)


def _torch_exponent(x: Operand) -> str:
    integer, mantissa, mask = _BITS[x.dtype]
    return f"({x}.view(torch.{integer}) >> {mantissa}) & {mask}"


def _keras_exponent(x: Operand) -> str:
    integer, mantissa, mask = _BITS[x.dtype]
    bits = f'ops.bitwise_right_shift(ops.view({x}, "{integer}"), {mantissa})'
    return f'ops.bitwise_and({bits}, np.array({mask}, "{integer}"))'


exponent_bits = unary(
    "exponent_bits",
    tuple(_BITS),
    returns=lambda framework, bound, attrs: _BITS[bound["T"]][0],
    reference=_exponent,
    torch=_torch_exponent,
    keras=_keras_exponent,
    doc="The exponent of each float as its bits have it.",
)


# Only of the widest: a narrower integer's parts are not those of the same number in 64 bits, so that a check for
# overflow would take any for one.
@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"dtype": choice("int32", "int8", "int16")},
    dtypes=("int64", "uint64"),
    returns=named_by("dtype"),
    reference=lambda x, *, dtype: np.ascontiguousarray(x).view(dtype),
    torch=all_dtypes("{x}.contiguous().view(torch.{dtype})", ("int64", "uint64")),
    keras='ops.view({x}, "{dtype}")',
)
def split_bits(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """The bits of integers read as several narrower ones along the last axis, the least significant first."""
    return (*x.shape[:-1], x.shape[-1] * (8 // np.dtype(dtype).itemsize))


OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
