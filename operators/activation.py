"""Activation functions of each element, as functions, as layers and in place; `softmax.py` has those along an axis."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    REAL,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    either,
    emission,
    layered,
    number,
    operator,
    tensor,
    unary,
    weight,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.declaration import checked
from graphfuzz.spec.operator import Bounds
from operators.precision import Array, wide

_erfc = np.vectorize(math.erfc, otypes=[np.float64])
Emitted = str | Callable[..., str] | Emission | None

HALVES_OF_TWO = (0.25, 0.0, 0.015625, 0.125, 0.5, 0.75, 1.0)
"""Numbers that every float dtype has: TensorFlow keeps some constants in float32, PyTorch in float64, and where a
function jumps, a bound must not be rounded."""


def sigmoid_of(x: Array) -> Array:
    """The logistic function."""
    # Half of 1 + tanh(x / 2) is the same function, and overflows nowhere.
    half: Array = 0.5 + 0.5 * np.tanh(0.5 * wide(x))
    return half


def gelu_of(x: Array) -> Array:
    """Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, section 2."""
    return np.asarray(0.5 * wide(x) * np.asarray(_erfc(-wide(x) / math.sqrt(2))))


def _gelu_tanh(x: Array) -> Array:
    """The same paper's approximation."""
    x = wide(x)
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(wide(x), 0))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, wide(x), alpha * np.expm1(np.minimum(wide(x), 0)))


def _selu(x: Array) -> Array:
    """Klambauer et al., "Self-Normalizing Neural Networks", 2017, equation 14."""
    return 1.0507009873554804934193349852946 * _elu(x, 1.6732632423543772848170429916717)


def _sparse_plus(x: Array) -> Array:
    """https://keras.io/api/layers/activations/#sparseplus-function"""
    return np.where(x <= -1, 0, np.where(x < 1, (wide(x) + 1) ** 2 / 4, wide(x)))


def pointwise(
    name: str,
    attrs: Mapping[str, Attribute],
    *,
    reference: Callable[..., Any],
    doc: str,
    torch: Emitted = None,
    keras: Emitted = None,
    dtypes: Sequence[str] = FLOATS,
    domain: Bounds | None = None,
    special: Sequence[str] = (),
) -> Operator:
    """An operator on each element of `x` that has attributes; `reference` gets them as keywords."""

    def rule(require: Require, x: Tensor, **attrs: Any) -> Shape:
        return x.shape

    kinds = inspect.Parameter
    signature = [kinds(p, kinds.POSITIONAL_OR_KEYWORD) for p in ("require", "x")]
    signature += [kinds(a, kinds.KEYWORD_ONLY) for a in attrs]
    rule.__name__, rule.__doc__ = name, doc
    rule.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    declare = operator(
        tensor("x"),
        attrs=attrs,
        dtypes=dtypes,
        domain=domain,
        reference=reference,
        special=special,
        torch=torch,
        keras=keras,
        empty=True,
    )
    return declare(rule)


def inplace(op: Operator, call: str) -> Operator:
    """The same operator as PyTorch computes it in place: `call` overwrites `y`, a copy of x, which is the result."""
    names = ", ".join(op.attrs)
    name = f"{op.name}_inplace"
    helper = f"def {name}(x{', ' + names if names else ''}):\n    y = x.clone()\n    {call}\n    return y"
    arguments = ", ".join("{" + n + "}" for n in ("x", *op.attrs))
    written = msgspec.structs.replace(op.emissions["torch"], call=f"{name}({arguments})", helper=helper)
    return checked(msgspec.structs.replace(op, name=name, emissions={"torch": written}))


def _activation(op: Operator, keras: str | None = None) -> str:
    """Keras' layer around an activation function of this name."""
    return f'layers.Activation("{keras or op.name}", dtype="{{x.dtype}}")'


# On NaN and infinities, an activation is what its formula makes of them, where every way to evaluate it makes the same.
# That relu and its like keep NaN is in no documentation, but what did not was mended as a defect: pytorch/pytorch#7999,
# #10238, tensorflow/tensorflow#32730, #40072. Shrinks and thresholds, whose documentation has no NaN, differ.

# Without parameters


def _has_a_limit(x: Array) -> bool:
    """Whether no element is minus infinity, where x times a function that tends to zero is 0 times infinity."""
    return not np.any(np.isneginf(x))


relu = unary(
    "relu",
    REAL,
    reference=lambda x: np.maximum(x, 0),
    torch="torch.relu({x})",
    keras="ops.relu({x})",
    doc="Each element, or zero where it is negative.",
    special=FRAMEWORKS,
)
relu6 = unary(
    "relu6",
    REAL,
    reference=lambda x: np.clip(x, 0, 6),
    torch="F.relu6({x})",
    keras="ops.relu6({x})",
    doc="Each element, held between 0 and 6.",
    special=FRAMEWORKS,
)
sigmoid = unary(
    "sigmoid",
    FLOATS,
    reference=sigmoid_of,
    torch="torch.sigmoid({x})",
    keras="ops.sigmoid({x})",
    doc="The logistic function of each element.",
    special=FRAMEWORKS,
)
tanh = unary(
    "tanh",
    FLOATS,
    reference=lambda x: np.tanh(wide(x)),
    torch="torch.tanh({x})",
    keras="ops.tanh({x})",
    special=FRAMEWORKS,
)
silu = unary(
    "silu",
    FLOATS,
    defined=_has_a_limit,
    reference=lambda x: wide(x) * sigmoid_of(x),
    torch="F.silu({x})",
    keras="ops.silu({x})",
    doc="Each element times its logistic function.",
    special=FRAMEWORKS,
)
mish = unary(
    "mish",
    FLOATS,
    defined=_has_a_limit,
    reference=lambda x: wide(x) * np.tanh(_softplus(x)),
    torch="F.mish({x})",
    keras="ops.multiply({x}, ops.tanh(ops.softplus({x})))",
    doc="Each element times the tanh of its softplus (Misra, 2019).",
    special=FRAMEWORKS,
)
hard_sigmoid = unary(
    "hard_sigmoid",
    FLOATS,
    reference=lambda x: np.clip(wide(x) / 6 + 0.5, 0, 1),
    torch="F.hardsigmoid({x})",
    keras="ops.hard_sigmoid({x})",
    doc="The logistic function's approximation by three lines.",
    special=FRAMEWORKS,
)
hard_silu = unary(
    "hard_silu",
    FLOATS,
    defined=_has_a_limit,
    reference=lambda x: wide(x) * np.clip(wide(x) / 6 + 0.5, 0, 1),
    torch="F.hardswish({x})",
    keras="ops.hard_silu({x})",
    doc="Each element times its hard sigmoid.",
    special=FRAMEWORKS,
)
# TensorFlow takes the constants of its own gelu through float32, even for float64: there the formula is written out.
gelu = unary(
    "gelu",
    FLOATS,
    defined=_has_a_limit,
    reference=gelu_of,
    torch="F.gelu({x})",
    keras=lambda x: (
        f"0.5 * {x} * (1.0 + ops.erf({x} / {math.sqrt(2)}))"
        if x.dtype == "float64"
        else f"ops.gelu({x}, approximate=False)"
    ),
    doc="Each element times the normal distribution's cumulative probability at it.",
    special=("torch",),
)
gelu_tanh = unary(
    "gelu_tanh",
    FLOATS,
    defined=_has_a_limit,
    reference=_gelu_tanh,
    torch='F.gelu({x}, approximate="tanh")',
    keras=lambda x: (
        f"0.5 * {x} * (1.0 + ops.tanh({math.sqrt(2 / math.pi)} * {x} * (1.0 + 0.044715 * {x} * {x})))"
        if x.dtype == "float64"
        else f"ops.gelu({x}, approximate=True)"
    ),
    doc="The approximation of gelu by tanh.",
    special=FRAMEWORKS,
)
# Beyond 20, PyTorch returns x itself; the domain ends where that shows in float64.
softplus = unary(
    "softplus",
    FLOATS,
    domain=(-18, 18),
    reference=_softplus,
    torch="F.softplus({x})",
    keras="ops.softplus({x})",
    doc="The logarithm of one plus the exponential of each element.",
    special=FRAMEWORKS,
)
log_sigmoid = unary(
    "log_sigmoid",
    FLOATS,
    reference=lambda x: -_softplus(-wide(x)),
    torch="F.logsigmoid({x})",
    keras="ops.log_sigmoid({x})",
    doc="The logarithm of the logistic function of each element.",
    special=FRAMEWORKS,
)
softsign = unary(
    "softsign",
    FLOATS,
    reference=lambda x: wide(x) / (1 + np.abs(wide(x))),
    torch="F.softsign({x})",
    keras="ops.softsign({x})",
    doc="Each element, divided by one more than its magnitude.",
)
tanh_shrink = unary(
    "tanh_shrink",
    FLOATS,
    reference=lambda x: wide(x) - np.tanh(wide(x)),
    torch="F.tanhshrink({x})",
    keras="ops.tanh_shrink({x})",
    doc="Each element less its tanh.",
    special=FRAMEWORKS,
)
selu = unary(
    "selu",
    FLOATS,
    reference=_selu,
    torch="F.selu({x})",
    keras="ops.selu({x})",
    doc="The scaled exponential linear unit, with its two constants.",
    special=FRAMEWORKS,
)
hard_tanh = unary(
    "hard_tanh",
    REAL,
    reference=lambda x: np.clip(x, -1 if x.dtype.kind != "u" else 0, 1),
    torch=emission("F.hardtanh({x})", dtypes=(*FLOATS, "int8", "int16", "int32", "int64")),
    keras=emission("ops.hard_tanh({x})", dtypes=FLOATS),
    doc="Each element, held between -1 and 1.",
    special=FRAMEWORKS,
)
sparse_plus = unary(
    "sparse_plus",
    FLOATS,
    reference=_sparse_plus,
    keras="ops.sparse_plus({x})",
    doc="Zero up to -1, a parabola up to 1, and then each element itself.",
)
sparse_sigmoid = unary(
    "sparse_sigmoid",
    FLOATS,
    reference=lambda x: np.clip((wide(x) + 1) / 2, 0, 1),
    keras="ops.sparse_sigmoid({x})",
    doc="The line from 0 at -1 to 1 at 1, held between them.",
    special=FRAMEWORKS,
)
# To a Keras layer, int8 is a scheme of quantization.
_POLICIES = [d for d in REAL if d not in ("int8", "uint64")]
relu_layer = unary(
    "relu_layer",
    REAL,
    reference=relu.reference,
    torch=emission("{layer}({x})", layer="nn.ReLU()"),
    keras=emission("{layer}({x})", layer='layers.ReLU(dtype="{x.dtype}")', dtypes=_POLICIES),
    doc="relu, as a layer.",
    special=FRAMEWORKS,
)
relu6_layer = unary(
    "relu6_layer",
    REAL,
    reference=relu6.reference,
    torch=emission("{layer}({x})", layer="nn.ReLU6()"),
    keras=emission("{layer}({x})", layer='layers.ReLU(max_value=6, dtype="{x.dtype}")', dtypes=_POLICIES),
    doc="relu6, as a layer.",
    special=FRAMEWORKS,
)
exponential_layer = unary(
    "exponential_layer",
    FLOATS,
    reference=lambda x: np.exp(wide(x)),
    domain=(-5, 5),
    keras=emission("{layer}({x})", layer='layers.Activation("exponential", dtype="{x.dtype}")'),
    doc="The exponential of each element, as a layer.",
    special=FRAMEWORKS,
)


# With parameters

leaky_relu = pointwise(
    "leaky_relu",
    {"negative_slope": choice(*HALVES_OF_TWO)},
    special=FRAMEWORKS,
    reference=lambda x, *, negative_slope: np.where(x >= 0, wide(x), wide(x) * negative_slope),
    torch="F.leaky_relu({x}, {negative_slope})",
    keras="ops.leaky_relu({x}, negative_slope={negative_slope})",
    doc="Each element, scaled down where it is negative.",
)
elu = pointwise(
    "elu",
    {"alpha": number(0.1, 2)},
    special=FRAMEWORKS,
    reference=lambda x, *, alpha: _elu(x, alpha),
    torch="F.elu({x}, alpha={alpha})",
    keras="ops.elu({x}, alpha={alpha})",
    doc="Each element, or a scaled exponential minus one where it is negative.",
)
celu = pointwise(
    "celu",
    {"alpha": number(0.25, 4)},
    special=FRAMEWORKS,
    reference=lambda x, *, alpha: np.where(x > 0, wide(x), alpha * np.expm1(np.minimum(wide(x), 0) / alpha)),
    torch="F.celu({x}, alpha={alpha})",
    keras="ops.celu({x}, alpha={alpha})",
    doc="elu stretched such that its slope is continuous (Barron, 2017).",
)
squareplus = pointwise(
    "squareplus",
    {"b": number(0.25, 4)},
    domain=(-20, 20),  # the square is the dtype's own, and what is left of it on the negative side
    reference=lambda x, *, b: (wide(x) + np.sqrt(wide(x) ** 2 + b)) / 2,
    keras="ops.squareplus({x}, b={b})",
    doc="A relu rounded off by a square root (Barron, 2021).",
)
hard_shrink = pointwise(
    "hard_shrink",
    {"threshold": choice(0.5, 0.0, 0.25, 1.0, 2.0)},
    reference=lambda x, *, threshold: np.where(np.abs(wide(x)) > threshold, x, 0),
    torch="F.hardshrink({x}, {threshold})",
    keras="ops.hard_shrink({x}, threshold={threshold})",
    doc="Each element, or zero where its magnitude is no larger than a threshold.",
)
soft_shrink = pointwise(
    "soft_shrink",
    {"threshold": number(0, 2)},
    reference=lambda x, *, threshold: np.sign(x) * np.maximum(np.abs(wide(x)) - threshold, 0),
    torch="F.softshrink({x}, {threshold})",
    keras="ops.soft_shrink({x}, threshold={threshold})",
    doc="Each element, moved toward zero by a threshold.",
)
threshold = pointwise(
    "threshold",
    {"at": choice(0.5, 0.0, -1.0, 2.0), "value": choice(0.0, -2.0, 20.0, 0.125)},
    reference=lambda x, *, at, value: np.where(x > at, x, value),
    torch="F.threshold({x}, {at}, {value})",
    keras="ops.threshold({x}, {at}, {value})",
    doc="Each element, or a value where it is not above a threshold.",
)
hardtanh_between = pointwise(
    "hardtanh_between",
    {"least": number(-4, 0), "most": number(0.25, 6)},
    special=FRAMEWORKS,
    reference=lambda x, *, least, most: np.clip(wide(x), least, most),
    torch="F.hardtanh({x}, {least}, {most})",
    doc="Each element, held between two bounds.",
)
softplus_until = pointwise(
    "softplus_until",
    {"beta": choice(1.0, 0.5, 2.0, 0.25), "threshold": choice(20.0, 1.0, 4.0, 0.0)},
    special=FRAMEWORKS,
    reference=lambda x, *, beta, threshold: np.where(wide(x) * beta > threshold, x, _softplus(wide(x) * beta) / beta),
    torch="F.softplus({x}, beta={beta}, threshold={threshold})",
    doc="softplus, scaled, and given up for the line from a threshold on.",
)
rrelu = pointwise(
    "rrelu",
    {"lower": choice(0.125, 0.0, 0.25), "upper": choice(0.25, 0.5, 1.0)},
    special=FRAMEWORKS,
    reference=lambda x, *, lower, upper: np.where(x >= 0, wide(x), wide(x) * (lower + upper) / 2),
    torch="F.rrelu({x}, {lower}, {upper}, training=False)",
    doc="leaky relu whose slope is random in training, and its mean in inference.",
)


def _relu_general(x: Array, *, negative_slope: float, max_value: float | str, threshold: float) -> Array:
    """https://keras.io/api/layers/activation_layers/relu/, but for an x at the threshold, which lies below it.

    This shows only where there is no slope, and is what Keras' ThresholdedReLU, which this replaced, documented.
    """
    below = negative_slope * (wide(x) - threshold)
    above = wide(x) if isinstance(max_value, str) else np.minimum(wide(x), max_value)
    return np.where(x > threshold, above, below)


relu_general = pointwise(
    "relu_general",
    {
        "negative_slope": choice(0.0, 0.25, 0.5),
        "max_value": choice("None", 6.0, 4.0, 6.5),
        "threshold": choice(0.0, 0.5, 1.0),
    },
    reference=_relu_general,
    keras=(
        "keras.activations.relu({x}, negative_slope={negative_slope}, max_value={max_value}, threshold={threshold})"
    ),
    doc="relu with a slope below its threshold, and a largest value.",
)


# With a learned slope


def _prelu(x: Array, slope: Array) -> Array:
    """He et al., "Delving Deep into Rectifiers", 2015, equation 1."""
    along = slope.reshape(-1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else slope.reshape((1,) * x.ndim)
    return np.where(x >= 0, wide(x), wide(x) * wide(along))


@operator(
    tensor("x"),
    weight("slope", rank=1, domain=(-1, 1)),
    dtypes=FLOATS,
    reference=_prelu,
    torch="F.prelu({x}, {slope})",
    empty=True,
)
def prelu(require: Require, x: Tensor, slope: Tensor) -> Shape:
    """Each element, scaled where it is negative: by the slope of its channel (the second axis), or the only slope."""
    channels = x.shape[1] if x.rank > 1 else 1
    require(either(slope.shape[0] == channels, slope.shape[0] == 1), "there is one slope, or one a channel")
    return x.shape


@operator(
    tensor("x", rank=range(2, 7)),
    weight("slope", rank=1, domain=(-1, 1)),
    dtypes=FLOATS,
    reference=_prelu,
    torch=emission("{layer}({x})", layer="nn.PReLU({slope.shape[0]})", state={"weight": "{slope}"}),
    keras=emission(
        "{layer}({x})",
        layer=lambda x, **_: f'layers.PReLU(shared_axes={list(range(2, x.rank))}, dtype="{x.dtype}")',
        state=lambda x, slope, **_: {"alpha": f"{slope}.reshape({(-1, *(1,) * (x.rank - 2))})"},
    ),
)
def prelu_layer(require: Require, x: Tensor, slope: Tensor) -> Shape:
    """The same as a layer."""
    require(slope.shape[0] == x.shape[1], "there is one slope a channel")
    return x.shape


@operator(
    tensor("x", rank=range(2, 5)),
    weight("slope", rank=range(1, 4), domain=(-1, 1)),
    dtypes=FLOATS,
    reference=lambda x, slope: np.where(x >= 0, wide(x), wide(x) * wide(slope)),
    keras=emission("{layer}({x})", layer='layers.PReLU(dtype="{x.dtype}")', state={"alpha": "{slope}"}),
)
def prelu_elements(require: Require, x: Tensor, slope: Tensor) -> Shape:
    """Each element, scaled by a slope of its own where it is negative, common to all of the first axis."""
    require(slope.rank == x.rank - 1, "the slope has all axes but the first")
    for a, b in zip(slope.shape, x.shape[1:], strict=False):
        require(a == b, "the slope has x's sizes")
    return x.shape


# Halves that gate the other half


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    reference=lambda x, *, axis: np.multiply(
        *(f(h) for f, h in zip((wide, sigmoid_of), np.split(x, 2, axis), strict=True))
    ),
    torch="F.glu({x}, dim={axis})",
    keras="ops.glu({x}, axis={axis})",
)
def glu(require: Require, x: Tensor, *, axis: int) -> Shape:
    """The first half along an axis, times the logistic function of the second (Dauphin et al., 2017)."""
    at = axis % x.rank
    require(x.shape[at] % 2 == 0, "there are two halves")
    return (*x.shape[:at], x.shape[at] // 2, *x.shape[at + 1 :])


LAYERS: Sequence[Operator] = [
    layered(sigmoid, torch="nn.Sigmoid()", keras=_activation(sigmoid)),
    layered(tanh, torch="nn.Tanh()", keras=_activation(tanh)),
    layered(silu, torch="nn.SiLU()", keras=_activation(silu)),
    layered(mish, torch="nn.Mish()", keras=_activation(mish)),
    layered(hard_sigmoid, torch="nn.Hardsigmoid()", keras=_activation(hard_sigmoid)),
    layered(hard_silu, torch="nn.Hardswish()", keras=_activation(hard_silu)),
    layered(gelu, torch="nn.GELU()"),
    layered(gelu_tanh, torch='nn.GELU(approximate="tanh")'),
    layered(softplus, torch="nn.Softplus()", keras=_activation(softplus)),
    layered(log_sigmoid, torch="nn.LogSigmoid()", keras=_activation(log_sigmoid)),
    layered(softsign, torch="nn.Softsign()", keras=_activation(softsign)),
    layered(tanh_shrink, torch="nn.Tanhshrink()", keras=_activation(tanh_shrink)),
    layered(selu, torch="nn.SELU()", keras=_activation(selu)),
    layered(hard_tanh, torch="nn.Hardtanh()", keras=_activation(hard_tanh)),
    layered(sparse_plus, keras=_activation(sparse_plus)),
    layered(sparse_sigmoid, keras=_activation(sparse_sigmoid)),
    layered(
        leaky_relu,
        torch="nn.LeakyReLU({negative_slope})",
        keras='layers.LeakyReLU(negative_slope={negative_slope}, dtype="{x.dtype}")',
    ),
    layered(elu, torch="nn.ELU({alpha})", keras='layers.ELU(alpha={alpha}, dtype="{x.dtype}")'),
    layered(celu, torch="nn.CELU({alpha})"),
    layered(hard_shrink, torch="nn.Hardshrink({threshold})"),
    layered(soft_shrink, torch="nn.Softshrink({threshold})"),
    layered(threshold, torch="nn.Threshold({at}, {value})"),
    layered(hardtanh_between, torch="nn.Hardtanh({least}, {most})"),
    layered(softplus_until, torch="nn.Softplus({beta}, {threshold})"),
    layered(rrelu, torch="nn.RReLU({lower}, {upper})"),
    layered(
        relu_general,
        keras="layers.ReLU(max_value={max_value}, negative_slope={negative_slope}, threshold={threshold}"
        ', dtype="{x.dtype}")',
    ),
    layered(glu, torch="nn.GLU({axis})"),
]

INPLACE: Sequence[Operator] = [
    inplace(relu, "torch.relu_(y)"),
    inplace(relu6, "F.relu6(y, inplace=True)"),
    inplace(sigmoid, "torch.sigmoid_(y)"),
    inplace(tanh, "y.tanh_()"),
    inplace(silu, "F.silu(y, inplace=True)"),
    inplace(mish, "F.mish(y, inplace=True)"),
    inplace(hard_sigmoid, "F.hardsigmoid(y, inplace=True)"),
    inplace(hard_silu, "F.hardswish(y, inplace=True)"),
    inplace(selu, "F.selu_(y)"),
    inplace(leaky_relu, "F.leaky_relu_(y, negative_slope)"),
    inplace(elu, "F.elu_(y, alpha)"),
    inplace(celu, "F.celu(y, alpha, inplace=True)"),
    inplace(threshold, "F.threshold_(y, at, value)"),
    inplace(hardtanh_between, "F.hardtanh_(y, least, most)"),
    inplace(rrelu, "F.rrelu_(y, lower, upper)"),
]

OPERATORS: Sequence[Operator] = [
    relu,
    relu6,
    sigmoid,
    tanh,
    silu,
    mish,
    hard_sigmoid,
    hard_silu,
    gelu,
    gelu_tanh,
    softplus,
    log_sigmoid,
    softsign,
    tanh_shrink,
    selu,
    hard_tanh,
    sparse_plus,
    sparse_sigmoid,
    relu_layer,
    relu6_layer,
    exponential_layer,
    leaky_relu,
    elu,
    celu,
    squareplus,
    hard_shrink,
    soft_shrink,
    threshold,
    hardtanh_between,
    softplus_until,
    rrelu,
    relu_general,
    prelu,
    prelu_layer,
    prelu_elements,
    glu,
    *LAYERS,
    *INPLACE,
]
