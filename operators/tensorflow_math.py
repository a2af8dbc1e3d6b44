"""Elementwise functions of TensorFlow that Keras 3 has no operator for, written as people do: in their own layer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    INTEGERS,
    REAL,
    SIGNED,
    Defect,
    Operator,
    Require,
    Shape,
    Tensor,
    binary,
    choice,
    operator,
    tensor,
    unary,
    variadic,
)
from graphfuzz.spec.dtypes import UNCOMMON
from operators import division
from operators.forms import in_float
from operators.precision import wide
from operators.special import _digamma, _erfinv, _lgamma
from operators.spelling import in_layer

_COMMON = [d for d in ANY if d not in UNCOMMON["keras"]]


def _unary(
    name: str,
    doc: str,
    call: str,
    reference: Callable[..., Any],
    dtypes: Sequence[str] = FLOATS,
    domain: tuple[float, float] | None = None,
    defects: Sequence[Defect] = (),
    special: Sequence[str] = FRAMEWORKS,
) -> Operator:
    name = f"tf_{name}"
    made = in_layer("x", call, dtypes=dtypes, defects=defects)
    return unary(name, dtypes, reference=reference, domain=domain, special=special, keras=made, doc=doc)


def _binary(
    name: str,
    doc: str,
    call: str,
    reference: Callable[..., Any],
    dtypes: Sequence[str] = FLOATS,
    divisor: tuple[float, float] | None = None,
) -> Operator:
    name = f"tf_{name}"
    made = in_layer("x, y", call, dtypes=dtypes)
    special = FRAMEWORKS if set(dtypes) & set(FLOATS) else ()
    return binary(name, dtypes, reference=reference, divisor=divisor, special=special, keras=made, doc=doc)


_FULL = ("float32", "float64")
_KEPT = [d for d in REAL if d not in UNCOMMON["keras"]]

_FOLDED_ONES = Defect(
    "Grappler folds uint32 ones into zeros in a traced model",
    lambda x: x.dtype == "uint32",
    "the same operator, run eagerly, makes ones",
)

UNARY = [
    _unary("rint", "The integer nearest to each element; of two, the even one.", "tf.math.rint(x)", np.round,
           dtypes=_FULL),
    _unary("reciprocal", "One divided by each element.", "tf.math.reciprocal(x)", lambda x: 1 / wide(x),
           domain=(0.1, 100)),
    _unary("reciprocal_no_nan", "One divided by each element; zero where it is zero.",
           "tf.math.reciprocal_no_nan(x)", lambda x: np.where(x == 0, 0, 1 / np.where(x == 0, 1, wide(x))),
           dtypes=("float32", "float64"), domain=(-1, 1)),
    _unary("identity", "The same.", "tf.identity(x)", lambda x: x, dtypes=_COMMON),
    _unary("stop_gradient", "The same.", "tf.stop_gradient(x)", lambda x: x, dtypes=_COMMON),
    _unary("check_numerics", "The same, checked to be numbers.", 'tf.debugging.check_numerics(x, "no number")',
           lambda x: x, special=()),
    _unary("zeros_like", "Zero in each place.", "tf.raw_ops.ZerosLike(x=x)", np.zeros_like, dtypes=_COMMON),
    _unary("ones_like", "One in each place.", "tf.raw_ops.OnesLike(x=x)", np.ones_like, dtypes=_KEPT,
           defects=[_FOLDED_ONES]),
    _unary("lgamma", "The logarithm of the gamma function at each element.", "tf.math.lgamma(x)",
           lambda x: _lgamma(wide(x)), dtypes=FLOATS[1:], domain=(0.1, 20)),
    _unary("digamma", "The logarithmic derivative of the gamma function at each element.", "tf.math.digamma(x)",
           lambda x: _digamma(wide(x)), dtypes=FLOATS[1:], domain=(0.1, 20), special=()),
    _unary("erfinv", "The inverse of the error function.", "tf.math.erfinv(x)", lambda x: _erfinv(wide(x)),
           dtypes=_FULL, domain=(-0.95, 0.95), special=()),
    _unary("log_sigmoid", "The logarithm of the logistic function of each element.", "tf.math.log_sigmoid(x)",
           lambda x: -np.logaddexp(0, -wide(x)), domain=(-18, 18)),
]  # fmt: skip

BINARY = [
    _binary("add", "The sum of each pair of elements, broadcast.", "tf.raw_ops.Add(x=x, y=y)", np.add,
            dtypes=[d for d in _KEPT if d not in ("uint16", "uint32")]),
    _binary("add_v2", "The sum of each pair of elements, broadcast.", "tf.add(x, y)", np.add, dtypes=_KEPT),
    _binary("div", "The quotient of each pair of elements, broadcast.", "tf.raw_ops.Div(x=x, y=y)",
            lambda x, y: wide(x) / wide(y), divisor=(0.5, 8.0)),
    _binary("squared_difference", "The square of the difference of each pair of elements, broadcast.",
            "tf.math.squared_difference(x, y)", lambda x, y: (wide(x) - wide(y)) ** 2,
            dtypes=(*FLOATS, "int32", "int64")),
    _binary("multiply_no_nan", "The product of each pair of elements, broadcast; zero where the second is.",
            "tf.math.multiply_no_nan(x, y)", lambda x, y: np.where(y == 0, 0, wide(x) * wide(y))),
    _binary("divide_no_nan", "The quotient of each pair of elements, broadcast; zero where the divisor is.",
            "tf.math.divide_no_nan(x, y)",
            lambda x, y: np.where(y == 0, 0.0, wide(x) / np.where(y == 0, 1.0, wide(y))), divisor=(-1, 1)),
    _binary("xlogy", "x times the logarithm of y, broadcast; zero where x is.", "tf.math.xlogy(x, y)",
            lambda x, y: np.where(x == 0, 0, wide(x) * np.log(wide(y))), divisor=(1e-3, 1e3)),
    _binary("xdivy", "x divided by y, broadcast; zero where x is.", "tf.math.xdivy(x, y)",
            lambda x, y: np.where(x == 0, 0, wide(x) / wide(y)), divisor=(0.5, 8.0)),
    _binary("invert_shift", "Each element's bits flipped, moved down, broadcast.",
            "tf.bitwise.right_shift(tf.bitwise.invert(x), y)", lambda x, y: np.right_shift(np.invert(x), y),
            dtypes=SIGNED, divisor=(0, 5)),
    _binary("left_shift", "Each element's bits moved up, broadcast.", "tf.bitwise.left_shift(x, y)", np.left_shift,
            dtypes=[d for d in INTEGERS if d not in UNCOMMON["keras"]], divisor=(0, 5)),
    _binary("right_shift", "Each element's bits moved down, broadcast.", "tf.bitwise.right_shift(x, y)",
            np.right_shift, dtypes=[d for d in INTEGERS if d not in UNCOMMON["keras"]], divisor=(0, 5)),
    _binary("bitwise_and", "The bits that two elements have in common, broadcast.", "tf.bitwise.bitwise_and(x, y)",
            np.bitwise_and, dtypes=[d for d in INTEGERS if d not in UNCOMMON["keras"]]),
    _binary("bitwise_or", "The bits of either element, broadcast.", "tf.bitwise.bitwise_or(x, y)",
            np.bitwise_or, dtypes=[d for d in INTEGERS if d not in UNCOMMON["keras"]]),
    _binary("bitwise_xor", "The bits of one element, broadcast.", "tf.bitwise.bitwise_xor(x, y)",
            np.bitwise_xor, dtypes=[d for d in INTEGERS if d not in UNCOMMON["keras"]]),
]  # fmt: skip

TRUNCATED = [
    division.division(
        "tf_truncate_divide",
        "The quotient of each pair of elements, broadcast, rounded toward zero.",
        SIGNED,
        reference=division.truncated,
        keras=in_layer("x, y", "tf.truncatediv(x, y)", dtypes=SIGNED),
    ),
    division.division(
        "tf_truncate_remainder",
        "What division rounded toward zero leaves, broadcast.",
        ("int32", "int64", "float32", "float64"),
        defined=division.rounds_safely,
        reference=lambda x, y: np.fmod(wide(x), wide(y)),
        keras=in_layer("x, y", "tf.truncatemod(x, y)", dtypes=("int32", "int64", "float32", "float64")),
    ),
    division.division(
        "tf_divide",
        "The quotient of each pair of elements, broadcast; of integers, in float64 (float32 of the narrow ones).",
        FLOATS,
        returns=in_float("T"),
        reference=lambda x, y: wide(x) / wide(y),
        special=FRAMEWORKS,
        keras=in_layer("x, y", "tf.math.divide(x, y)", dtypes=FLOATS),
    ),
]


@operator(
    tensor("condition", "bool"),
    tensor("x"),
    tensor("y"),
    dtypes=_COMMON,
    reference=lambda condition, x, y: np.where(
        condition.reshape(condition.shape + (1,) * (x.ndim - condition.ndim)), x, y
    ),
    special=FRAMEWORKS,
    empty=True,
    keras=in_layer("condition, x, y", "tf.raw_ops.Select(condition=condition, x=x, y=y)", dtypes=_COMMON),
)
def tf_select(require: Require, condition: Tensor, x: Tensor, y: Tensor) -> Shape:
    """The element of x where the condition holds, else that of y; the condition may be for whole rows."""
    require(x.rank == y.rank, "both values have one shape")
    for a, b in zip(x.shape, y.shape, strict=True):
        require(a == b, "both values have one shape")
    require(condition.rank in (0, 1, x.rank), "the condition is for all, for rows, or for elements")
    require(condition.rank <= x.rank, "the condition is for all, for rows, or for elements")
    for a, b in zip(condition.shape, x.shape, strict=False):
        require(a == b, "the condition is for all, for rows, or for elements")
    return x.shape


_CLIP = (
    "tf.raw_ops.ClipByValue("
    "t=x, clip_value_min=tf.constant({low}, x.dtype), clip_value_max=tf.constant({high}, x.dtype))"
)


@operator(
    tensor("x"),
    attrs={"low": choice(-1.0, 0.0, -2.5), "high": choice(1.0, 0.5, 3.0)},
    dtypes=FLOATS,
    reference=lambda x, *, low, high: np.clip(wide(x), low, high),
    empty=True,
    keras=in_layer("x", _CLIP),
)
def tf_clip(require: Require, x: Tensor, *, low: float, high: float) -> Shape:
    """Each element, or the bound that it exceeds."""
    return x.shape


@operator(
    variadic("xs", (2, 3, 4)),
    dtypes=[d for d in _KEPT if d not in ("uint16", "uint32")],
    reference=lambda *xs: sum(wide(x) for x in xs),
    special=FRAMEWORKS,
    empty=True,
    keras=in_layer("*xs", "tf.add_n(xs)"),
)
def tf_add_n(require: Require, *xs: Tensor) -> Shape:
    """The sum of several tensors of one shape."""
    for x in xs[1:]:
        require(x.rank == xs[0].rank, "all have one shape")
        for a, b in zip(x.shape, xs[0].shape, strict=True):
            require(a == b, "all have one shape")
    return xs[0].shape


@operator(
    tensor("x"),
    tensor("y", "U"),
    dtypes={"T": _COMMON, "U": _COMMON},
    returns=("T", "U"),
    reference=lambda x, y: (x, y),
    special=FRAMEWORKS,
    empty=True,
    keras=in_layer("x, y", "tf.identity_n([x, y])", dtypes={"T": _COMMON, "U": _COMMON}),
)
def tf_identity_n(require: Require, x: Tensor, y: Tensor) -> list[Shape]:
    """Two tensors, as they are."""
    return [x.shape, y.shape]


OPERATORS: Sequence[Operator] = [*UNARY, *BINARY, *TRUNCATED, tf_select, tf_clip, tf_add_n, tf_identity_n]
