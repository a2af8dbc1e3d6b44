"""Activation functions, on each element or along one axis."""

import math
from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    number,
    operator,
    tensor,
    unary,
)
from operators.precision import Array, wide

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    # Half of 1 + tanh(x / 2) is the same function, and overflows nowhere.
    half: Array = 0.5 + 0.5 * np.tanh(0.5 * wide(x))
    return half


def _gelu(x: Array) -> Array:
    """Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, section 2."""
    return np.asarray(0.5 * wide(x) * _erfc(-wide(x) / math.sqrt(2)))


def _gelu_tanh(x: Array) -> Array:
    """The same paper's approximation."""
    x = wide(x)
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _log_softmax(x: Array, *, axis: int) -> Array:
    shifted = wide(x) - np.max(wide(x), axis, keepdims=True)
    result: Array = shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))
    return result


relu = unary(
    "relu",
    REAL,
    reference=lambda x: np.maximum(x, 0),
    torch="torch.relu({x})",
    keras="ops.relu({x})",
    doc="Each element, or zero where it is negative.",
)
sigmoid = unary(
    "sigmoid",
    FLOATS,
    reference=_sigmoid,
    torch="torch.sigmoid({x})",
    keras="ops.sigmoid({x})",
    doc="The logistic function of each element.",
)
tanh = unary("tanh", FLOATS, reference=np.tanh, torch="torch.tanh({x})", keras="ops.tanh({x})")
silu = unary(
    "silu",
    FLOATS,
    reference=lambda x: wide(x) * _sigmoid(x),
    torch="F.silu({x})",
    keras="ops.silu({x})",
    doc="Each element times its logistic function.",
)
hard_sigmoid = unary(
    "hard_sigmoid",
    FLOATS,
    reference=lambda x: np.clip(wide(x) / 6 + 0.5, 0, 1),
    torch="F.hardsigmoid({x})",
    keras="ops.hard_sigmoid({x})",
    doc="The logistic function's approximation by three lines.",
)
# TensorFlow takes the constants of its own gelu through float32, even for float64: there the formula is written out.
gelu = unary(
    "gelu",
    FLOATS,
    reference=_gelu,
    torch="F.gelu({x})",
    keras=lambda x: (
        f"0.5 * {x} * (1.0 + ops.erf({x} / {math.sqrt(2)}))"
        if x.dtype == "float64"
        else f"ops.gelu({x}, approximate=False)"
    ),
    doc="Each element times the normal distribution's cumulative probability at it.",
)
gelu_tanh = unary(
    "gelu_tanh",
    FLOATS,
    reference=_gelu_tanh,
    torch='F.gelu({x}, approximate="tanh")',
    keras=lambda x: (
        f"0.5 * {x} * (1.0 + ops.tanh({math.sqrt(2 / math.pi)} * ({x} + 0.044715 * {x} * {x} * {x})))"
        if x.dtype == "float64"
        else f"ops.gelu({x}, approximate=True)"
    ),
    doc="The approximation of gelu by tanh.",
)
# Beyond 20, PyTorch returns x itself; the domain ends where that shows in float64.
softplus = unary(
    "softplus",
    FLOATS,
    domain=(-18, 18),
    reference=lambda x: np.logaddexp(wide(x), 0),
    torch="F.softplus({x})",
    keras="ops.softplus({x})",
    doc="The logarithm of one plus the exponential of each element.",
)


# Binary fractions: TensorFlow keeps the slope in float32, PyTorch in float64.
@operator(
    tensor("x"),
    attrs={"negative_slope": choice(0.25, 0.0, 0.015625, 0.125, 0.5, 0.75, 1.0)},
    dtypes=FLOATS,
    reference=lambda x, *, negative_slope: np.where(x >= 0, wide(x), wide(x) * negative_slope),
    torch="F.leaky_relu({x}, {negative_slope})",
    keras="ops.leaky_relu({x}, negative_slope={negative_slope})",
)
def leaky_relu(require: Require, x: Tensor, *, negative_slope: float) -> Shape:
    """Each element, scaled down where it is negative."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"alpha": number(0.1, 2)},
    dtypes=FLOATS,
    reference=lambda x, *, alpha: np.where(x > 0, wide(x), alpha * np.expm1(np.minimum(wide(x), 0))),
    torch="F.elu({x}, alpha={alpha})",
    keras="ops.elu({x}, alpha={alpha})",
)
def elu(require: Require, x: Tensor, *, alpha: float) -> Shape:
    """Each element, or a scaled exponential minus one where it is negative."""
    return x.shape


# TensorFlow's float32 kernel for CPUs (oneDNN's) takes no more than five axes.
@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    reference=lambda x, *, axis: np.exp(_log_softmax(x, axis=axis)),
    torch="torch.softmax({x}, dim={axis})",
    keras="ops.softmax({x}, axis={axis})",
)
def softmax(require: Require, x: Tensor, *, axis: int) -> Shape:
    """Exponentials along one axis, divided by their sum."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    reference=_log_softmax,
    torch="torch.log_softmax({x}, dim={axis})",
    keras="ops.log_softmax({x}, axis={axis})",
)
def log_softmax(require: Require, x: Tensor, *, axis: int) -> Shape:
    """The logarithm of softmax, without computing it first."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    relu,
    leaky_relu,
    sigmoid,
    tanh,
    silu,
    hard_sigmoid,
    softplus,
    elu,
    gelu,
    gelu_tanh,
    softmax,
    log_softmax,
]
