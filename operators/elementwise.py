"""Arithmetic on each element, or on each pair of elements, also of two dtypes or beside a Python number.

Integers wrap around in NumPy, PyTorch and TensorFlow alike, so overflow needs no domain. Negative integer exponents,
and infinities in functions that grow fast, do.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    FRAMEWORKS,
    INTEGERS,
    REAL,
    SIGNED,
    Defect,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    binary,
    both,
    broadcast,
    by_framework,
    choice,
    either,
    emission,
    negate,
    number,
    operator,
    promote,
    spelled,
    tensor,
    unary,
)
from graphfuzz.spec.dtypes import is_float
from operators.folds import has_order
from operators.forms import all_dtypes, by_dtype, in_float, mixed, ternary, with_number
from operators.precision import Array, wide


def is_mistaken_for_bias(x: Tensor, y: Tensor) -> Any:
    """Whether Keras takes y for a bias that it is not.

    It takes a y that squeezes to a vector as long as x's last or second axis for a bias of that axis, wherever y has
    it; and it squeezes no axis of size zero.
    """
    if x.rank < 2:
        return False
    return either(*(_is_mistaken_at(x, y, axis) for axis in range(y.rank)))


def _is_mistaken_at(x: Tensor, y: Tensor, axis: int) -> Any:
    size, from_end = y.shape[axis], y.rank - axis
    others = [s for i, s in enumerate(y.shape) if i != axis]
    last, second = size == x.shape[-1], size == x.shape[1]
    there = either(both(last, from_end == 1), both(negate(last), from_end == x.rank - 1))
    is_bias = both(y.rank <= x.rank, *(s == 1 for s in others), there)
    return both(size > 1, *(s <= 1 for s in others), either(last, second), negate(is_bias))


BIAS = Defect(
    "ops.add mistakes some broadcasts for the addition of a bias",
    is_mistaken_for_bias,
    "keras/src/backend/tensorflow/numpy.py, add, against keras.ops.add's documentation",
)

add = binary(
    "add",
    reference=np.add,
    torch="torch.add({x}, {y})",
    keras=emission("ops.add({x}, {y})", defects=[BIAS]),
    special=FRAMEWORKS,
)
subtract = binary(
    "subtract",
    reference=np.subtract,
    torch="torch.sub({x}, {y})",
    keras="ops.subtract({x}, {y})",
    special=FRAMEWORKS,
)
multiply = binary(
    "multiply",
    reference=np.multiply,
    torch=all_dtypes("torch.mul({x}, {y})", REAL),
    keras="ops.multiply({x}, {y})",
    special=FRAMEWORKS,
)
# NaN is the larger and the lesser of any two: the documentation of torch.maximum, that of numpy.maximum, which Keras
# implements, and IEEE 754-2019 (9.6); it is neither in fmax and fmin, by theirs.
maximum = binary(
    "maximum",
    reference=np.maximum,
    torch="torch.maximum({x}, {y})",
    keras="ops.maximum({x}, {y})",
    special=FRAMEWORKS,
)
minimum = binary(
    "minimum",
    reference=np.minimum,
    torch="torch.minimum({x}, {y})",
    keras="ops.minimum({x}, {y})",
    special=FRAMEWORKS,
)
fmax = binary(
    "fmax",
    reference=np.fmax,
    torch="torch.fmax({x}, {y})",
    keras="ops.fmax({x}, {y})",
    doc="The larger of each pair of elements, broadcast; where one is no number, the other.",
    special=FRAMEWORKS,
)
fmin = binary(
    "fmin",
    reference=np.fmin,
    torch="torch.fmin({x}, {y})",
    keras="ops.fmin({x}, {y})",
    doc="The smaller of each pair of elements, broadcast; where one is no number, the other.",
    special=FRAMEWORKS,
)
add_operator = spelled(add, "add_operator", torch="{x} + {y}", keras="{x} + {y}")
subtract_operator = spelled(subtract, "subtract_operator", torch="{x} - {y}", keras="{x} - {y}")
multiply_operator = spelled(multiply, "multiply_operator", torch="{x} * {y}", keras="{x} * {y}")
subtract_alias = spelled(subtract, "subtract_alias", torch="torch.subtract({x}, {y})")
multiply_alias = spelled(multiply, "multiply_alias", torch="torch.multiply({x}, {y})")
maximum_alias = spelled(maximum, "maximum_alias", torch="torch.max({x}, {y})")
minimum_alias = spelled(minimum, "minimum_alias", torch="torch.min({x}, {y})")
reverse_subtract = binary(
    "reverse_subtract",
    reference=lambda x, y: np.subtract(y, x),
    torch="torch.rsub({x}, {y})",
    doc="The second of each pair of elements, broadcast, less the first.",
    special=FRAMEWORKS,
)


def _is_stretched(x: Tensor, y: Tensor) -> Any:
    """Whether x is broadcast."""
    if y.rank > x.rank:
        return True
    return either(*(both(a == 1, negate(b == 1)) for a, b in zip(x.shape[x.rank - y.rank :], y.shape, strict=True)))


_UNSTRETCHED_POWER = emission(
    "ops.power({x}, {y})",
    defects=[
        Defect(
            "Grappler forgets to broadcast a base whose exponents are all 2, 3, 1/2, -1/2 or -1, in a traced model",
            _is_stretched,
            "tensorflow/core/grappler/optimizers/arithmetic_optimizer.cc, ConvertPowStage, against tf.pow run eagerly",
        )
    ],
)


@operator(
    tensor("x", domain=by_dtype("x", (0.1, 4.0), (-4, 4))),
    tensor("y", domain=by_dtype("y", (-3.0, 3.0), (0, 3))),
    dtypes=REAL,
    reference=np.power,
    empty=True,
    torch="torch.pow({x}, {y})",
    keras=_UNSTRETCHED_POWER,
)
def power(require: Require, x: Tensor, y: Tensor) -> Shape:
    """x to the power of y, broadcast: positive bases for floats, exponents that are not negative for integers."""
    return broadcast(require, x.shape, y.shape)


power_operator = spelled(power, "power_operator", torch="{x} ** {y}", keras="{x} ** {y}")


@operator(
    tensor("x", domain=by_dtype("x", (0.1, 4.0), (1, 4))),
    tensor("y", "U", domain=by_dtype("y", (-3.0, 3.0), (0, 3))),
    dtypes={"T": FLOATS, "U": INTEGERS},
    returns="T",
    reference=lambda x, y: np.power(wide(x), wide(y).astype(np.float64)),
    empty=True,
    torch="torch.pow({x}, {y})",
    keras=_UNSTRETCHED_POWER,
)
def power_mixed(require: Require, x: Tensor, y: Tensor) -> Shape:
    """x, a float, to the power of y, an integer, broadcast."""
    return broadcast(require, x.shape, y.shape)


@operator(
    tensor("x", domain=by_dtype("x", (0.1, 4.0), (1, 4))),
    tensor("y", domain=by_dtype("y", (-3.0, 3.0), (0, 3))),
    dtypes=REAL,
    returns="float64",
    reference=lambda x, y: np.power(wide(x).astype(np.float64), wide(y)),
    empty=True,
    torch="torch.float_power({x}, {y})",
)
def float_power(require: Require, x: Tensor, y: Tensor) -> Shape:
    """x to the power of y, broadcast, in float64."""
    return broadcast(require, x.shape, y.shape)


add_mixed = mixed(
    "add_mixed",
    "The sum of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet.",
    first=REAL,
    second=(*REAL, *BOOL),
    returns=promote("T", "U"),
    reference=lambda x, y: wide(x) + wide(y),
    torch="{x} + {y}",
    keras=emission("{x} + {y}", defects=[BIAS]),
)
subtract_mixed = mixed(
    "subtract_mixed",
    "The difference of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet.",
    first=REAL,
    second=REAL,
    returns=promote("T", "U"),
    reference=lambda x, y: wide(x) - wide(y),
    torch="{x} - {y}",
    keras="{x} - {y}",
)
multiply_mixed = mixed(
    "multiply_mixed",
    "The product of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet.",
    first=REAL,
    second=(*REAL, *BOOL),
    returns=promote("T", "U"),
    reference=lambda x, y: wide(x) * wide(y),
    torch="{x} * {y}",
    keras="{x} * {y}",
)
maximum_mixed = mixed(
    "maximum_mixed",
    "The larger of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet.",
    first=REAL,
    second=REAL,
    returns=promote("T", "U"),
    reference=lambda x, y: np.maximum(wide(x), wide(y)),
    torch="torch.maximum({x}, {y})",
    keras="ops.maximum({x}, {y})",
)
minimum_mixed = mixed(
    "minimum_mixed",
    "The smaller of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet.",
    first=REAL,
    second=REAL,
    returns=promote("T", "U"),
    reference=lambda x, y: np.minimum(wide(x), wide(y)),
    torch="torch.minimum({x}, {y})",
    keras="ops.minimum({x}, {y})",
)

_NUMBERS = choice(1, 2, 3, -1, -2, 0.5, 2.5, -1.5)
_ADDABLE = (*REAL, *BOOL)

add_number = with_number(
    "add_number",
    "Each element plus a constant.",
    _NUMBERS,
    _ADDABLE,
    reference=lambda x, *, number: wide(x) + number,
    torch="{x} + {number}",
    keras="{x} + {number}",
)
number_add = spelled(add_number, "number_add", torch="{number} + {x}", keras="{number} + {x}")
add_number_scaled = with_number(
    "add_number_scaled",
    "Each element plus three times a constant.",
    choice(1, 2, -2),
    REAL,
    reference=lambda x, *, number: wide(x) + 3 * number,
    torch="torch.add({x}, {number}, alpha=3)",
)
subtract_number = with_number(
    "subtract_number",
    "Each element less a constant.",
    _NUMBERS,
    REAL,
    reference=lambda x, *, number: wide(x) - number,
    torch="{x} - {number}",
    keras="{x} - {number}",
)
subtract_number_alias = spelled(
    subtract_number, "subtract_number_alias", torch="torch.subtract({x}, {number})", keras="ops.subtract({x}, {number})"
)
number_subtract = with_number(
    "number_subtract",
    "A constant less each element.",
    _NUMBERS,
    REAL,
    reference=lambda x, *, number: number - wide(x),
    torch="{number} - {x}",
    keras="{number} - {x}",
)
reverse_subtract_number = spelled(
    number_subtract, "reverse_subtract_number", torch="torch.rsub({x}, {number})", keras="ops.subtract({number}, {x})"
)
multiply_number = with_number(
    "multiply_number",
    "Each element times a constant.",
    _NUMBERS,
    _ADDABLE,
    reference=lambda x, *, number: wide(x) * number,
    torch="{x} * {number}",
    keras="{x} * {number}",
)
number_multiply = spelled(multiply_number, "number_multiply", torch="{number} * {x}", keras="{number} * {x}")
multiply_number_alias = spelled(
    multiply_number, "multiply_number_alias", torch="torch.multiply({x}, {number})", keras="ops.multiply({x}, {number})"
)
divide_by = with_number(
    "divide_by",
    "Each element divided by a constant; of integers, in float32.",
    choice(2, 3, 7, -2, 0.5, -1.5, 2.5),
    REAL,
    returns=in_float("T"),
    reference=lambda x, *, number: wide(x) / number,
    torch=all_dtypes("{x} / {number}", REAL),
    keras="{x} / {number}",
)
divide_by_alias = spelled(divide_by, "divide_by_alias", torch="torch.divide({x}, {number})")
true_divide_by = spelled(divide_by, "true_divide_by", torch="torch.true_divide({x}, {number})")
number_divide = with_number(
    "number_divide",
    "A constant divided by each element; of integers, in float32.",
    choice(1, 2, -3, 1.0, 0.5),
    REAL,
    domain=by_dtype("x", (0.25, 8.0), (1, 8)),
    returns=in_float("T"),
    reference=lambda x, *, number: number / wide(x),
    torch="{number} / {x}",
    keras="{number} / {x}",
)
power_whole = with_number(
    "power_whole",
    "Each element to the power of a whole constant.",
    choice(2, 3, 0, 1, 4),
    REAL,
    domain=by_dtype("x", (-4.0, 4.0), (-3, 3)),
    special=(),
    reference=lambda x, *, number: wide(x) ** number,
    torch="{x} ** {number}",
    keras="{x} ** {number}",
)
power_fraction = with_number(
    "power_fraction",
    "Each element to the power of a float constant; of integers, in float32.",
    choice(0.5, 1.5, 2.0, -0.5, -1.0, 3.0),
    REAL,
    domain=by_dtype("x", (0.25, 8.0), (1, 8)),
    special=(),
    reference=lambda x, *, number: wide(x).astype(np.float64) ** number,
    torch="torch.pow({x}, {number})",
    keras="ops.power({x}, {number})",
)
float_power_number = with_number(
    "float_power_number",
    "Each element to the power of a constant, in float64.",
    choice(2, 0.5, -1.5),
    REAL,
    domain=by_dtype("x", (0.25, 8.0), (1, 8)),
    returns="float64",
    special=(),
    reference=lambda x, *, number: wide(x).astype(np.float64) ** number,
    torch="torch.float_power({x}, {number})",
)
number_power = with_number(
    "number_power",
    "A constant to the power of each element.",
    choice(2, 3, 2.0, 0.5),
    REAL,
    domain=by_dtype("x", (-4.0, 4.0), (0, 3)),
    special=(),
    reference=lambda x, *, number: np.power(np.asarray(number), wide(x)),
    torch="{number} ** {x}",
    keras="{number} ** {x}",
)
number_power_function = spelled(
    number_power, "number_power_function", torch="torch.pow({number}, {x})", keras="ops.power({number}, {x})"
)
maximum_number = with_number(
    "maximum_number",
    "The larger of each element and a constant.",
    choice(0, 1, 2, 0.0, 0.5, -0.5),
    REAL,
    reference=lambda x, *, number: np.maximum(wide(x), number),
    keras="ops.maximum({x}, {number})",
)
minimum_number = with_number(
    "minimum_number",
    "The smaller of each element and a constant.",
    choice(0, 1, 2, 0.0, 0.5, -0.5),
    REAL,
    reference=lambda x, *, number: np.minimum(wide(x), number),
    keras="ops.minimum({number}, {x})",
)
# A tensor without axes counts as a Python number does.
add_constant = with_number(
    "add_constant",
    "Each element plus a constant tensor without axes.",
    choice(1, -2, 0.5, 2.5),
    REAL,
    rank=range(1, 7),
    reference=lambda x, *, number: wide(x) + number,
    torch="{x} + torch.tensor({number})",
)
multiply_constant = with_number(
    "multiply_constant",
    "Each element times a constant tensor without axes.",
    choice(0.5, 2.5, -1.5),
    FLOATS,
    rank=range(1, 7),
    reference=lambda x, *, number: wide(x) * number,
    torch="{x} * torch.scalar_tensor({number})",
    keras="{x} * ops.convert_to_tensor({number}, {x}.dtype)",
)


@operator(
    tensor("x"),
    attrs={"factor": number(-2, 2), "offset": number(-2, 2)},
    dtypes=FLOATS,
    reference=lambda x, *, factor, offset: wide(x) * factor + offset,
    special=FRAMEWORKS,
    empty=True,
    torch="{x} * {factor} + {offset}",
    keras="{x} * {factor} + {offset}",
)
def scale(require: Require, x: Tensor, *, factor: float, offset: float) -> Shape:
    """Each element times one constant, plus another."""
    return x.shape


@operator(
    tensor("x"),
    tensor("y"),
    attrs={"alpha": choice(2, 3, 1, -1)},
    dtypes=(*FLOATS, *SIGNED),
    reference=lambda x, y, *, alpha: wide(x) + alpha * wide(y),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.add({x}, {y}, alpha={alpha})",
)
def add_scaled(require: Require, x: Tensor, y: Tensor, *, alpha: int) -> Shape:
    """The sum of each pair of elements, broadcast, the second scaled."""
    return broadcast(require, x.shape, y.shape)


@operator(
    tensor("x"),
    tensor("y"),
    attrs={"alpha": choice(0.5, 2.0, -1.5)},
    dtypes=FLOATS,
    reference=lambda x, y, *, alpha: wide(x) - alpha * wide(y),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.sub({x}, {y}, alpha={alpha})",
)
def subtract_scaled(require: Require, x: Tensor, y: Tensor, *, alpha: float) -> Shape:
    """The difference of each pair of elements, broadcast, the second scaled."""
    return broadcast(require, x.shape, y.shape)


absolute = unary(
    "absolute",
    REAL,
    reference=np.abs,
    torch="torch.abs({x})",
    keras="ops.abs({x})",
    special=FRAMEWORKS,
)
absolute_alias = spelled(absolute, "absolute_alias", torch="torch.absolute({x})", keras="ops.absolute({x})")
absolute_builtin = spelled(absolute, "absolute_builtin", torch="abs({x})", keras="abs({x})")
negative = unary(
    "negative",
    (*FLOATS, *SIGNED),
    reference=np.negative,
    torch="torch.neg({x})",
    keras="ops.negative({x})",
    special=FRAMEWORKS,
)
negative_operator = spelled(negative, "negative_operator", torch="-{x}", keras="-{x}")
positive = unary(
    "positive",
    REAL,
    reference=np.positive,
    torch=all_dtypes("torch.positive({x})", REAL),
    doc="Each element itself.",
    special=FRAMEWORKS,
)
# Of NaN, PyTorch makes zero and TensorFlow NaN, and neither says so.
sign = unary(
    "sign",
    REAL,
    defined=has_order,
    special=FRAMEWORKS,
    reference=np.sign,
    torch="torch.sign({x})",
    keras="ops.sign({x})",
)
sign_alias = spelled(sign, "sign_alias", torch="torch.sgn({x})")
square = unary(
    "square",
    REAL,
    reference=np.square,
    torch="torch.square({x})",
    keras="ops.square({x})",
    special=FRAMEWORKS,
)
sign_bit = unary(
    "sign_bit",
    REAL,
    returns="bool",
    defined=has_order,
    special=FRAMEWORKS,
    reference=np.signbit,
    torch=all_dtypes("torch.signbit({x})", REAL),
    keras="ops.signbit({x})",
    doc="Whether each element's sign is negative.",
)
copy_sign = binary(
    "copy_sign",
    REAL,
    returns=in_float("T"),
    defined=lambda x, y: has_order(y),
    special=FRAMEWORKS,
    reference=lambda x, y: np.copysign(wide(x), np.where(np.signbit(y), -1.0, 1.0)),
    torch=all_dtypes("torch.copysign({x}, {y})", REAL),
    doc="The magnitude of x with the sign of y, broadcast; of integers, in float32.",
)
copy_sign_number = with_number(
    "copy_sign_number",
    "The magnitude of each element with a constant's sign.",
    choice(-1.0, 2.0),
    REAL,
    returns=in_float("T"),
    reference=lambda x, *, number: np.copysign(wide(x), number),
    torch="torch.copysign({x}, {number})",
)


def _keras_step(framework: str, bound: Any, attrs: Any) -> str:
    dtype = bound["T"]
    return dtype if is_float(dtype) else "float64" if dtype == "int64" else "float32"


heaviside = binary(
    "heaviside",
    REAL,
    returns=by_framework("T", _keras_step),
    reference=lambda x, y: np.where(x == 0, y, (x > 0).astype(y.dtype)),
    torch="torch.heaviside({x}, {y})",
    keras="ops.heaviside({x}, {y})",
    doc="One where x is positive, zero where it is negative, y where it is zero, broadcast.",
)


def _ldexp(x: Operand, y: Operand) -> str:
    """PyTorch makes the result as large as x, and warns where it has to resize it: x is stretched before."""
    pairs = itertools.zip_longest(x.shape[::-1], y.shape[::-1], fillvalue=1)
    common = tuple(b if a == 1 else a for a, b in pairs)[::-1]
    return f"torch.ldexp({x}, {y})" if common == x.shape else f"torch.ldexp({x}.expand({common}), {y})"


@operator(
    tensor("x"),
    tensor("y", "U", domain=(-4, 4)),
    dtypes={"T": ("float32", "float64"), "U": SIGNED},
    returns="T",
    reference=lambda x, y: np.ldexp(wide(x), y.astype(np.int64)),
    special=FRAMEWORKS,
    empty=True,
    torch=_ldexp,
    keras="ops.ldexp({x}, {y})",
)
def load_exponent(require: Require, x: Tensor, y: Tensor) -> Shape:
    """x times two to the power of y, an integer, broadcast."""
    return broadcast(require, x.shape, y.shape)


def _scaled_quotient(x: Array, y: Array, z: Array, *, value: float) -> Array:
    return np.asarray(wide(x) + value * wide(y) / wide(z))


lerp = ternary(
    "lerp",
    "The value between x and y at the share z, all broadcast.",
    FLOATS,
    special=(),
    reference=lambda x, y, z: wide(x) + wide(z) * (wide(y) - wide(x)),
    torch="torch.lerp({x}, {y}, {z})",
)
addcmul = ternary(
    "addcmul",
    "x plus the product of y and z times a constant, all broadcast.",
    (*FLOATS, *SIGNED),
    attrs={"value": choice(1, 2, -3)},
    reference=lambda x, y, z, *, value: wide(x) + value * wide(y) * wide(z),
    torch="torch.addcmul({x}, {y}, {z}, value={value})",
)
addcdiv = ternary(
    "addcdiv",
    "x plus the quotient of y and z times a constant, all broadcast.",
    FLOATS,
    attrs={"value": choice(1.0, 0.5, -2.0)},
    last=(0.5, 8.0),
    reference=_scaled_quotient,
    torch="torch.addcdiv({x}, {y}, {z}, value={value})",
)


@operator(
    tensor("x"),
    tensor("y"),
    attrs={"weight": number(-0.5, 1.5)},
    dtypes=FLOATS,
    reference=lambda x, y, *, weight: wide(x) + weight * (wide(y) - wide(x)),
    empty=True,
    torch="torch.lerp({x}, {y}, {weight})",
)
def lerp_number(require: Require, x: Tensor, y: Tensor, *, weight: float) -> Shape:
    """The value between x and y, broadcast, at a constant share."""
    return broadcast(require, x.shape, y.shape)


OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
