"""Exponentials, logarithms, powers and special functions of each element, or of each pair of elements."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
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
    choice,
    emission,
    number,
    operator,
    size,
    spelled,
    tensor,
)
from operators.forms import floating, with_number
from operators.precision import Array, wide

KERAS_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool")
"""What Keras casts to float32 before a function that makes floats."""


def _each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return np.vectorize(function, otypes=[np.float64])


_erf, _erfc, _lgamma = _each(math.erf), _each(math.erfc), _each(math.lgamma)


@_each
def _erfinv(y: float) -> float:
    """Newton's iteration, from Winitzki's approximation (2008)."""
    a = math.log(1 - y * y)
    b = 2 / (math.pi * 0.147) + a / 2
    x = math.copysign(math.sqrt(math.sqrt(b * b - a / 0.147) - b), y)
    for _ in range(4):
        x -= (math.erf(x) - y) * math.sqrt(math.pi) / 2 * math.exp(x * x)
    return x


@_each
def _digamma(x: float) -> float:
    """Recurrence up to 12, then the asymptotic series (Abramowitz and Stegun, 6.3.5 and 6.3.18)."""
    total = 0.0
    while x < 12:
        total -= 1 / x
        x += 1
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return total + math.log(x) - 0.5 / x - series


@_each
def _trigamma(x: float) -> float:
    """Recurrence up to 12, then the asymptotic series (Abramowitz and Stegun, 6.4.6 and 6.4.12)."""
    total = 0.0
    while x < 12:
        total += 1 / (x * x)
        x += 1
    square = 1 / (x * x)
    series = 1 / x * square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - square * 5 / 66))))
    return total + 1 / x + square / 2 + series


@_each
def _bessel_i1(x: float) -> float:
    """The ascending series (Abramowitz and Stegun, 9.6.10)."""
    return math.fsum((x / 2) ** (2 * k + 1) / (math.factorial(k) * math.factorial(k + 1)) for k in range(40))


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * wide(x)))


def _logit(x: Array) -> Array:
    return np.asarray(np.log(wide(x)) - np.log1p(-wide(x)))


def _times_log(x: Array, y: Array, log: Callable[[Array], Array]) -> Array:
    """x times the logarithm of y; zero where x is, and y a number (torch.special.xlogy's documentation)."""
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * log(y))


_POSITIVE = (1e-3, 1e3)

_WITHOUT_HALVES = [d for d in ANY if d not in HALVES]
_WITHOUT_FLOAT64 = [d for d in REAL if d != "float64"]

exp = floating(
    "exp",
    "The exponential of each element.",
    domain=(-9, 9),
    reference=lambda x: np.exp(wide(x)),
    torch="torch.exp({x})",
    keras="ops.exp({x})",
    keras_integers=KERAS_INTEGERS,
)
exp2 = floating(
    "exp2",
    "Two to the power of each element.",
    domain=(-9, 9),
    reference=lambda x: np.exp2(wide(x)),
    torch="torch.exp2({x})",
    keras=emission(
        "ops.exp2({x})",
        defects=[
            Defect(
                "its base is float32 in a traced model, whatever the exponents are",
                lambda x: x.dtype in ("bfloat16", "float16", "float64"),
                "keras/src/backend/tensorflow/numpy.py, exp2",
            )
        ],
    ),
    keras_integers=KERAS_INTEGERS,
)
expm1 = floating(
    "expm1",
    "The exponential of each element minus one, precise near zero.",
    domain=(-8, 8),
    reference=lambda x: np.expm1(wide(x)),
    torch="torch.expm1({x})",
    keras="ops.expm1({x})",
    keras_integers=KERAS_INTEGERS,
)
log = floating(
    "log",
    "The natural logarithm of each element.",
    domain=_POSITIVE,
    reference=lambda x: np.log(wide(x)),
    torch="torch.log({x})",
    keras="ops.log({x})",
    keras_integers=KERAS_INTEGERS,
)
log2 = floating(
    "log2",
    "The logarithm of each element to base two.",
    domain=_POSITIVE,
    reference=lambda x: np.log2(wide(x)),
    torch="torch.log2({x})",
    keras="ops.log2({x})",
    keras_integers=KERAS_INTEGERS,
)
log10 = floating(
    "log10",
    "The logarithm of each element to base ten.",
    domain=_POSITIVE,
    reference=lambda x: np.log10(wide(x)),
    torch="torch.log10({x})",
    keras="ops.log10({x})",
    keras_integers=KERAS_INTEGERS,
)
log1p = floating(
    "log1p",
    "The logarithm of one plus each element, precise near zero.",
    domain=(-0.9, 100),
    reference=lambda x: np.log1p(wide(x)),
    torch="torch.log1p({x})",
    keras="ops.log1p({x})",
    keras_integers=KERAS_INTEGERS,
)
sqrt = floating(
    "sqrt",
    "The square root of each element.",
    domain=_POSITIVE,
    reference=lambda x: np.sqrt(wide(x)),
    torch="torch.sqrt({x})",
    keras="ops.sqrt({x})",
    keras_integers=KERAS_INTEGERS,
)
rsqrt = floating(
    "rsqrt",
    "The reciprocal of the square root of each element.",
    domain=_POSITIVE,
    reference=lambda x: 1 / np.sqrt(wide(x)),
    torch="torch.rsqrt({x})",
    keras="ops.rsqrt({x})",
)
# Keras raises to the power of a third in the operand's own dtype.
cube_root = floating(
    "cube_root",
    "The cube root of each element.",
    domain=_POSITIVE,
    special=(),
    reference=lambda x: np.cbrt(wide(x)),
    keras="ops.cbrt({x})",
)
absolute_float = floating(
    "absolute_float",
    "The magnitude of each element, as a float.",
    domain=(-100, 100),
    reference=lambda x: np.abs(wide(x)),
    keras="ops.fabs({x})",
    keras_integers=KERAS_INTEGERS,
)
reciprocal = floating(
    "reciprocal",
    "One divided by each element.",
    domain=(0.1, 100),
    reference=lambda x: 1 / wide(x),
    torch="torch.reciprocal({x})",
    keras=emission(
        "ops.reciprocal({x})",
        defects=[
            Defect(
                "it infers float32 for the reciprocal of any other dtype",
                lambda x: x.dtype != "float32",
                "keras/src/ops/numpy.py, Reciprocal.compute_output_spec, against what call makes",
            )
        ],
    ),
)
# Of infinities, TensorFlow makes NaN in float64.
erf = floating(
    "erf",
    "The error function of each element.",
    domain=(-8, 8),
    special=("torch",),
    reference=lambda x: _erf(wide(x)),
    torch="torch.erf({x})",
    keras="ops.erf({x})",
)
erfc = floating(
    "erfc",
    "One minus the error function of each element.",
    domain=(-8, 8),
    reference=lambda x: _erfc(wide(x)),
    torch="torch.erfc({x})",
    keras="ops.erfc({x})",
)
# The exponential's argument is large, and its rounding counts, for large elements: the domain ends before.
erfcx = floating(
    "erfcx",
    "The error function's complement of each element times the exponential of its square.",
    domain=(-2, 4),
    special=(),
    reference=lambda x: np.exp(wide(x) ** 2) * _erfc(wide(x)),
    torch=emission("torch.special.erfcx({x})", dtypes=_WITHOUT_HALVES),
)
erfinv = floating(
    "erfinv",
    "The inverse of the error function.",
    domain=(-0.95, 0.95),
    special=(),
    reference=lambda x: _erfinv(wide(x)),
    torch="torch.erfinv({x})",
    keras="ops.erfinv({x})",
)
ndtr = floating(
    "ndtr",
    "The normal distribution's cumulative probability at each element.",
    domain=(-8, 8),
    reference=lambda x: 0.5 * _erfc(-wide(x) / math.sqrt(2)),
    torch="torch.special.ndtr({x})",
)
log_ndtr = floating(
    "log_ndtr",
    "The logarithm of the normal distribution's cumulative probability at each element.",
    domain=(-5, 5),
    special=(),
    reference=lambda x: np.log(0.5 * _erfc(-wide(x) / math.sqrt(2))),
    torch=emission("torch.special.log_ndtr({x})", dtypes=_WITHOUT_HALVES),
)
entropy = floating(
    "entropy",
    "Each element times its logarithm, negated.",
    domain=(1e-3, 8),
    special=(),
    reference=lambda x: -wide(x) * np.log(wide(x)),
    torch="torch.special.entr({x})",
)
lgamma = floating(
    "lgamma",
    "The logarithm of the gamma function at each element.",
    domain=(0.1, 20),
    reference=lambda x: _lgamma(wide(x)),
    torch="torch.lgamma({x})",
)
digamma = floating(
    "digamma",
    "The logarithmic derivative of the gamma function at each element.",
    domain=(0.1, 20),
    special=(),
    reference=lambda x: _digamma(wide(x)),
    torch="torch.digamma({x})",
)
# PyTorch cuts the series off after three terms (aten/src/ATen/native/Math.h, `trigamma`): too soon for float64.
trigamma = floating(
    "trigamma",
    "The derivative of the digamma function at each element.",
    domain=(0.2, 20),
    special=(),
    reference=lambda x: _trigamma(wide(x)),
    torch=emission("torch.polygamma(1, {x})", dtypes=_WITHOUT_FLOAT64),
)
sinc = floating(
    "sinc",
    "The sine of pi times each element divided by it; one at zero.",
    domain=(-8, 8),
    special=(),
    reference=lambda x: np.sinc(wide(x)),
    torch="torch.sinc({x})",
    keras="ops.sinc({x})",
    keras_integers=KERAS_INTEGERS,
)
# Keras makes float64 of int64 here, PyTorch float32; TensorFlow has no kernel for bfloat16.
bessel_i0 = floating(
    "bessel_i0",
    "The modified Bessel function of order zero at each element.",
    domain=(-6, 6),
    special=(),
    reference=lambda x: np.i0(wide(x)),
    torch="torch.i0({x})",
    keras=emission("ops.i0({x})", dtypes=[d for d in ANY if d not in ("bfloat16", "int64")]),
    keras_integers=KERAS_INTEGERS,
)
bessel_i0e = floating(
    "bessel_i0e",
    "The modified Bessel function of order zero at each element, scaled down exponentially.",
    domain=(-6, 6),
    special=(),
    reference=lambda x: np.i0(wide(x)) * np.exp(-np.abs(wide(x))),
    torch="torch.special.i0e({x})",
)
bessel_i1 = floating(
    "bessel_i1",
    "The modified Bessel function of order one at each element.",
    domain=(-6, 6),
    special=(),
    reference=lambda x: _bessel_i1(wide(x)),
    torch="torch.special.i1({x})",
)
logit = floating(
    "logit",
    "The logarithm of the odds of each element, a probability.",
    domain=(0.01, 0.99),
    reference=_logit,
    integers=(),
    torch="torch.logit({x})",
)
expit = floating(
    "expit",
    "The logistic function of each element, as the inverse of logit.",
    domain=(-16, 16),
    reference=_sigmoid,
    torch="torch.special.expit({x})",
)

erf_special = spelled(erf, "erf_special", torch="torch.special.erf({x})")
erfc_special = spelled(erfc, "erfc_special", torch="torch.special.erfc({x})")
expm1_special = spelled(expm1, "expm1_special", torch="torch.special.expm1({x})")
exp2_special = spelled(exp2, "exp2_special", torch="torch.special.exp2({x})")
sinc_special = spelled(sinc, "sinc_special", torch="torch.special.sinc({x})")
logit_special = spelled(logit, "logit_special", torch="torch.special.logit({x})")


@operator(
    tensor("x", domain=(-0.5, 1.5)),
    attrs={"eps": number(0.01, 0.4)},
    dtypes=FLOATS,
    reference=lambda x, *, eps: _logit(np.clip(wide(x), eps, 1 - eps)),
    empty=True,
    torch="torch.logit({x}, eps={eps})",
)
def logit_clamped(require: Require, x: Tensor, *, eps: float) -> Shape:
    """The logarithm of the odds of each element, which is first clamped to [eps, 1 - eps]."""
    return x.shape


# PyTorch requires elements larger than (dimensions - 1) / 2.
@operator(
    tensor("x", domain=(2.0, 12.0)),
    attrs={"dimensions": size(1, 4)},
    dtypes=FLOATS,
    reference=lambda x, *, dimensions: (
        dimensions * (dimensions - 1) / 4 * math.log(math.pi) + sum(_lgamma(wide(x) - j / 2) for j in range(dimensions))
    ),
    torch="torch.special.multigammaln({x}, {dimensions})",
)
def multigammaln(require: Require, x: Tensor, *, dimensions: int) -> Shape:
    """The logarithm of the gamma function of several dimensions at each element."""
    return x.shape


logaddexp = binary(
    "logaddexp",
    FLOATS,
    reference=lambda x, y: np.logaddexp(wide(x), wide(y)),
    torch="torch.logaddexp({x}, {y})",
    keras="ops.logaddexp({x}, {y})",
    doc="The logarithm of the sum of the exponentials of each pair of elements, broadcast.",
    special=FRAMEWORKS,
)
logaddexp2 = binary(
    "logaddexp2",
    FLOATS,
    reference=lambda x, y: np.logaddexp2(wide(x), wide(y)),
    torch="torch.logaddexp2({x}, {y})",
    keras=emission(
        "ops.logaddexp2({x}, {y})",
        defects=[
            Defect(
                "it takes the logarithm of two from float32 for float64, too",
                lambda x, y: x.dtype == "float64",
                "keras/src/backend/tensorflow/numpy.py, logaddexp2",
            )
        ],
    ),
    doc="The same to base two.",
    special=FRAMEWORKS,
)
hypotenuse = binary(
    "hypotenuse",
    FLOATS,
    reference=lambda x, y: np.hypot(wide(x), wide(y)),
    torch="torch.hypot({x}, {y})",
    keras="ops.hypot({x}, {y})",
    doc="The length of each pair of elements, broadcast, as a vector.",
)
xlogy = binary(
    "xlogy",
    FLOATS,
    divisor=_POSITIVE,
    reference=lambda x, y: _times_log(wide(x), wide(y), np.log),
    torch="torch.xlogy({x}, {y})",
    doc="x times the logarithm of y, broadcast; zero where x is.",
    special=FRAMEWORKS,
)
xlogy_special = spelled(xlogy, "xlogy_special", torch="torch.special.xlogy({x}, {y})")
xlogy_number = with_number(
    "xlogy_number",
    "Each element times the logarithm of a constant.",
    choice(2.0, 0.5, 3),
    FLOATS,
    reference=lambda x, *, number: wide(x) * math.log(number),
    torch="torch.xlogy({x}, {number})",
)
number_xlogy = with_number(
    "number_xlogy",
    "A constant times the logarithm of each element.",
    choice(2.0, -0.5, 0.0, 3),
    FLOATS,
    domain=_POSITIVE,
    reference=lambda x, *, number: _times_log(np.asarray(number), wide(x), np.log),
    torch="torch.xlogy({number}, {x})",
)
xlog1py = binary(
    "xlog1py",
    FLOATS,
    divisor=(-0.9, 100),
    reference=lambda x, y: _times_log(wide(x), wide(y), np.log1p),
    torch="torch.special.xlog1py({x}, {y})",
    doc="x times the logarithm of one plus y, broadcast; zero where x is.",
    special=FRAMEWORKS,
)

OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
