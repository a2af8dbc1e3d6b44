"""Arithmetic on each element, or on each pair of elements.

Integers wrap around in NumPy, PyTorch and TensorFlow alike, so overflow needs no domain. Division by zero, negative
integer exponents, and infinities in functions that grow fast do.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    INDICES,
    INTEGERS,
    REAL,
    SIGNED,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    binary,
    broadcast,
    choice,
    emission,
    number,
    operator,
    promote,
    tensor,
    unary,
)
from graphfuzz.spec.dtypes import is_float, promoted
from graphfuzz.spec.operator import Bounds
from operators.precision import Array, wide


def _nonzero(x: Array, y: Array) -> bool:
    """No division by zero, nor of the least integer by -1, whose result does not exist."""
    if not np.all(y != 0):
        return False
    return not (np.issubdtype(x.dtype, np.signedinteger) and np.any((y == -1) & (x == np.iinfo(x.dtype).min)))


def _floats_else(floats: Bounds, integers: Bounds) -> Callable[..., Bounds]:
    """Bounds that depend on the operands' dtype."""
    return lambda x, y: floats if is_float(x.dtype) else integers


def _category(dtype: str) -> str:
    return "float" if is_float(dtype) else "bool" if dtype in BOOL else "integer"


def _promotes_alike(x: Tensor, y: Tensor) -> bool:
    """Whether PyTorch promotes as Keras does: a tensor without axes counts there only for its category of dtypes.

    https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    if (x.rank == 0) == (y.rank == 0) or _category(x.dtype) != _category(y.dtype):
        return True
    return promoted(x.dtype, y.dtype) == (x if y.rank == 0 else y).dtype


def _keras_add(x: Operand, y: Operand) -> str:
    """Keras takes a y that squeezes to a vector as long as x's second or last axis for a bias of that axis, wherever y
    has it (`keras.src.backend.tensorflow.numpy.add`): such operands are stretched first where that would be wrong."""
    common = tuple(max(sizes) for sizes in itertools.zip_longest(x.shape[::-1], y.shape[::-1], fillvalue=1))[::-1]
    vector = [size for size in y.shape if size > 1]
    if len(vector) != 1 or x.rank < 2 or vector[0] not in (x.shape[1], x.shape[-1]):
        return f"ops.add({x}, {y})"
    biased = x.rank - 1 if x.shape[-1] == vector[0] else 1
    if common == x.shape and y.shape.index(vector[0]) - y.rank == biased - x.rank:
        return f"ops.add({x}, {y})"
    return f"ops.add(ops.broadcast_to({x}, {common}), ops.broadcast_to({y}, {common}))"


add = binary("add", reference=np.add, torch="torch.add({x}, {y})", keras=_keras_add)
subtract = binary("subtract", reference=np.subtract, torch="torch.sub({x}, {y})", keras="ops.subtract({x}, {y})")
multiply = binary("multiply", reference=np.multiply, torch="torch.mul({x}, {y})", keras="ops.multiply({x}, {y})")
maximum = binary("maximum", reference=np.maximum, torch="torch.maximum({x}, {y})", keras="ops.maximum({x}, {y})")
minimum = binary("minimum", reference=np.minimum, torch="torch.minimum({x}, {y})", keras="ops.minimum({x}, {y})")

divide = binary(
    "divide",
    divisor=_floats_else((0.5, 8.0), (1, 8)),
    defined=_nonzero,
    returns=lambda framework, bound, attrs: bound["T"] if is_float(bound["T"]) else "float32",
    reference=lambda x, y: wide(x) / wide(y),
    torch="torch.div({x}, {y})",
    keras="ops.divide({x}, {y})",
    doc="The quotient of each pair of elements, broadcast; of integers, in float32.",
)
floor_divide = binary(
    "floor_divide",
    INTEGERS,
    divisor=(1, 8),
    defined=_nonzero,
    reference=np.floor_divide,
    torch="torch.div({x}, {y}, rounding_mode='floor')",
    keras="ops.floor_divide({x}, {y})",
    doc="The quotient of each pair of elements, broadcast, rounded toward minus infinity.",
)
remainder = binary(
    "remainder",
    divisor=_floats_else((0.5, 8.0), (1, 8)),
    defined=_nonzero,
    reference=np.remainder,
    torch="torch.remainder({x}, {y})",
    keras="ops.mod({x}, {y})",
    doc="What floor division leaves, broadcast; it has the divisor's sign.",
)
arctan2 = binary(
    "arctan2",
    FLOATS,
    divisor=(0.1, 8.0),
    reference=np.arctan2,
    torch="torch.atan2({x}, {y})",
    keras="ops.arctan2({x}, {y})",
    doc="The angle of the point (y, x), broadcast; y is positive, which keeps away from the cut.",
)


@operator(
    tensor("x", domain=_floats_else((0.1, 4.0), (-4, 4))),
    tensor("y", domain=_floats_else((-3.0, 3.0), (0, 3))),
    dtypes=REAL,
    defined=lambda x, y: bool(np.all(x > 0) if np.issubdtype(x.dtype, np.floating) else np.all(y >= 0)),
    reference=np.power,
    torch="torch.pow({x}, {y})",
    keras="ops.power({x}, {y})",
)
def power(require: Require, x: Tensor, y: Tensor) -> Shape:
    """x to the power of y, broadcast: positive bases for floats, exponents that are not negative for integers."""
    return broadcast(require, x.shape, y.shape)


@operator(
    tensor("x"),
    tensor("y", "U"),
    dtypes={"T": REAL, "U": REAL},
    returns=promote("T", "U"),
    reference=lambda x, y: wide(x) * wide(y),
    torch="{x} * {y}",
    keras="{x} * {y}",
)
def multiply_mixed(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The product of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet."""
    require(_promotes_alike(x, y), "a tensor without axes widens none with axes inside a category of dtypes")
    return broadcast(require, x.shape, y.shape)


@operator(
    tensor("x"),
    tensor("y", "U"),
    dtypes={"T": REAL, "U": (*REAL, *BOOL)},
    returns=promote("T", "U"),
    reference=lambda x, y: wide(x) + wide(y),
    torch="{x} + {y}",
    keras=_keras_add,
)
def add_mixed(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The sum of each pair of elements, broadcast, in the dtype in which the operands' dtypes meet."""
    require(_promotes_alike(x, y), "a tensor without axes widens none with axes inside a category of dtypes")
    return broadcast(require, x.shape, y.shape)


_DIVISORS = choice(2, 3, 7, -2, -3)


@operator(
    tensor("x"),
    attrs={"divisor": _DIVISORS},
    dtypes=SIGNED,
    reference=lambda x, *, divisor: np.floor_divide(x, np.asarray(divisor, x.dtype)),
    torch="{x} // {divisor}",
    keras="{x} // {divisor}",
)
def floor_divide_by(require: Require, x: Tensor, *, divisor: int) -> Shape:
    """Each element divided by a constant of either sign, rounded toward minus infinity."""
    return x.shape


# For narrower integers, Keras infers the tensor's dtype and then makes int32.
@operator(
    tensor("x"),
    attrs={"divisor": _DIVISORS},
    dtypes=(*FLOATS, *SIGNED),
    reference=lambda x, *, divisor: np.remainder(x, np.asarray(divisor, x.dtype)),
    torch="{x} % {divisor}",
    keras=emission("{x} % {divisor}", dtypes=(*FLOATS, *INDICES)),
)
def remainder_by(require: Require, x: Tensor, *, divisor: int) -> Shape:
    """What floor division by a constant leaves; it has the constant's sign."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"factor": number(-2, 2), "offset": number(-2, 2)},
    dtypes=FLOATS,
    reference=lambda x, *, factor, offset: wide(x) * factor + offset,
    torch="{x} * {factor} + {offset}",
    keras="{x} * {factor} + {offset}",
)
def scale(require: Require, x: Tensor, *, factor: float, offset: float) -> Shape:
    """Each element times one constant, plus another."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"low": number(-2, 0), "high": number(0, 2)},
    dtypes=FLOATS,
    reference=lambda x, *, low, high: np.clip(x, np.asarray(low, x.dtype), np.asarray(high, x.dtype)),
    torch="torch.clamp({x}, {low}, {high})",
    keras="ops.clip({x}, {low}, {high})",
)
def clip(require: Require, x: Tensor, *, low: float, high: float) -> Shape:
    """Each element, or the bound that it exceeds."""
    return x.shape


absolute = unary("absolute", REAL, reference=np.abs, torch="torch.abs({x})", keras="ops.abs({x})")
negative = unary(
    "negative", (*FLOATS, *SIGNED), reference=np.negative, torch="torch.neg({x})", keras="ops.negative({x})"
)
sign = unary("sign", REAL, reference=np.sign, torch="torch.sign({x})", keras="ops.sign({x})")
square = unary("square", REAL, reference=np.square, torch="torch.square({x})", keras="ops.square({x})")
exp = unary("exp", FLOATS, domain=(-9, 9), reference=np.exp, torch="torch.exp({x})", keras="ops.exp({x})")
log = unary("log", FLOATS, domain=(1e-3, 1e3), reference=np.log, torch="torch.log({x})", keras="ops.log({x})")
sqrt = unary("sqrt", FLOATS, domain=(1e-3, 1e3), reference=np.sqrt, torch="torch.sqrt({x})", keras="ops.sqrt({x})")
rsqrt = unary(
    "rsqrt",
    FLOATS,
    domain=(1e-3, 1e3),
    reference=lambda x: 1 / np.sqrt(wide(x)),
    torch="torch.rsqrt({x})",
    keras="ops.rsqrt({x})",
    doc="The reciprocal of the square root of each element.",
)
sin = unary("sin", FLOATS, domain=(-20, 20), reference=np.sin, torch="torch.sin({x})", keras="ops.sin({x})")
cos = unary("cos", FLOATS, domain=(-20, 20), reference=np.cos, torch="torch.cos({x})", keras="ops.cos({x})")
erf = unary(
    "erf",
    FLOATS,
    reference=np.vectorize(math.erf, otypes=[np.float64]),
    torch="torch.erf({x})",
    keras="ops.erf({x})",
    doc="The error function of each element.",
)
floor = unary("floor", FLOATS, reference=np.floor, torch="torch.floor({x})", keras="ops.floor({x})")
ceil = unary("ceil", FLOATS, reference=np.ceil, torch="torch.ceil({x})", keras="ops.ceil({x})")
round_half_even = unary(
    "round",
    REAL,
    reference=np.round,
    torch="torch.round({x})",
    keras="ops.round({x})",
    doc="The integer nearest to each element; of two, the even one.",
)

OPERATORS: Sequence[Operator] = [
    add,
    subtract,
    multiply,
    multiply_mixed,
    add_mixed,
    divide,
    floor_divide,
    floor_divide_by,
    remainder,
    remainder_by,
    power,
    maximum,
    minimum,
    arctan2,
    scale,
    clip,
    absolute,
    negative,
    sign,
    square,
    exp,
    log,
    sqrt,
    rsqrt,
    sin,
    cos,
    erf,
    floor,
    ceil,
    round_half_even,
]
