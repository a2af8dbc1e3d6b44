"""Comparisons, connectives, and statements about single numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    BOOL,
    FLOATS,
    FRAMEWORKS,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    binary,
    broadcast,
    choice,
    comparison,
    emission,
    number,
    operator,
    spelled,
    tensor,
    unary,
)
from graphfuzz.spec.dtypes import UNCOMMON, epsilon
from operators.forms import all_dtypes, mixed, with_number
from operators.precision import Array, wide

equal = comparison(
    "equal", reference=np.equal, torch=all_dtypes("torch.eq({x}, {y})"), keras=all_dtypes("ops.equal({x}, {y})")
)
not_equal = comparison(
    "not_equal",
    reference=np.not_equal,
    torch=all_dtypes("torch.ne({x}, {y})"),
    keras=all_dtypes("ops.not_equal({x}, {y})"),
)
_KERAS_REAL = [d for d in REAL if d not in UNCOMMON["keras"]]
less = comparison(
    "less",
    reference=np.less,
    torch="torch.lt({x}, {y})",
    keras=emission("ops.less({x}, {y})", dtypes=_KERAS_REAL),
)
less_equal = comparison(
    "less_equal",
    reference=np.less_equal,
    torch="torch.le({x}, {y})",
    keras=emission("ops.less_equal({x}, {y})", dtypes=_KERAS_REAL),
)
greater = comparison(
    "greater",
    reference=np.greater,
    torch="torch.gt({x}, {y})",
    keras=emission("ops.greater({x}, {y})", dtypes=_KERAS_REAL),
)
greater_equal = comparison(
    "greater_equal",
    reference=np.greater_equal,
    torch="torch.ge({x}, {y})",
    keras=emission("ops.greater_equal({x}, {y})", dtypes=_KERAS_REAL),
)
equal_operator = spelled(equal, "equal_operator", torch="{x} == {y}")
not_equal_operator = spelled(not_equal, "not_equal_operator", torch="torch.not_equal({x}, {y})", keras="{x} != {y}")
less_alias = spelled(less, "less_alias", torch="torch.less({x}, {y})", keras="{x} < {y}")
less_equal_alias = spelled(less_equal, "less_equal_alias", torch="torch.less_equal({x}, {y})", keras="{x} <= {y}")
greater_alias = spelled(greater, "greater_alias", torch="torch.greater({x}, {y})", keras="{x} > {y}")
greater_equal_alias = spelled(
    greater_equal, "greater_equal_alias", torch="torch.greater_equal({x}, {y})", keras="{x} >= {y}"
)


def _mixed(name: str, reference: Callable[..., Any], torch: str, keras: str) -> Operator:
    return mixed(
        name,
        f"Whether {name.removesuffix('_mixed').replace('_', ' ')} holds for each pair of elements of two dtypes.",
        first=REAL,
        second=REAL,
        returns="bool",
        reference=lambda x, y: reference(wide(x), wide(y)),
        torch=torch,
        keras=keras,
    )


equal_mixed = _mixed("equal_mixed", np.equal, "{x} == {y}", "ops.equal({x}, {y})")
less_mixed = _mixed("less_mixed", np.less, "{x} < {y}", "{x} < {y}")
greater_equal_mixed = _mixed("greater_equal_mixed", np.greater_equal, "{x} >= {y}", "{x} >= {y}")

logical_and_mixed = _mixed(
    "logical_and_mixed", np.logical_and, "torch.logical_and({x}, {y})", "ops.logical_and({x}, {y})"
)
logical_or_mixed = _mixed("logical_or_mixed", np.logical_or, "torch.logical_or({x}, {y})", "ops.logical_or({x}, {y})")


def _with_number(name: str, says: str, reference: Callable[..., Any], torch: str, keras: str) -> Operator:
    return with_number(
        name,
        f"Whether each element is {says} a constant.",
        choice(0, 1, 2, 3, 0.0, 0.5, -1.5),
        REAL,
        returns="bool",
        reference=lambda x, *, number: reference(wide(x), number),
        torch=torch,
        keras=keras,
    )


equal_number = _with_number("equal_number", "equal to", np.equal, "{x} == {number}", "ops.equal({x}, {number})")
not_equal_number = _with_number("not_equal_number", "unlike", np.not_equal, "{x} != {number}", "{x} != {number}")
less_number = _with_number("less_number", "less than", np.less, "{x} < {number}", "{x} < {number}")
less_equal_number = _with_number("less_equal_number", "at most", np.less_equal, "{x} <= {number}", "{x} <= {number}")
greater_number = _with_number("greater_number", "greater than", np.greater, "{x} > {number}", "{x} > {number}")
greater_equal_number = _with_number(
    "greater_equal_number", "at least", np.greater_equal, "{x} >= {number}", "{x} >= {number}"
)
number_less = _with_number("number_less", "above", np.greater, "{number} < {x}", "ops.less({number}, {x})")

logical_and = comparison(
    "logical_and", reference=np.logical_and, torch="torch.logical_and({x}, {y})", keras="ops.logical_and({x}, {y})"
)
logical_or = comparison(
    "logical_or", reference=np.logical_or, torch="torch.logical_or({x}, {y})", keras="ops.logical_or({x}, {y})"
)
logical_xor = comparison(
    "logical_xor", reference=np.logical_xor, torch="torch.logical_xor({x}, {y})", keras="ops.logical_xor({x}, {y})"
)
logical_not = unary(
    "logical_not",
    ANY,
    returns="bool",
    reference=np.logical_not,
    torch="torch.logical_not({x})",
    keras="ops.logical_not({x})",
    doc="Whether each element is zero, or false.",
    special=FRAMEWORKS,
)
and_operator = binary("and_operator", BOOL, reference=np.logical_and, torch="{x} & {y}", keras="{x} & {y}")
or_operator = binary("or_operator", BOOL, reference=np.logical_or, torch="{x} | {y}", keras="{x} | {y}")
xor_operator = binary("xor_operator", BOOL, reference=np.logical_xor, torch="{x} ^ {y}", keras="{x} ^ {y}")
not_operator = unary("not_operator", BOOL, reference=np.logical_not, torch="~{x}", keras="~{x}")


def _statement(name: str, doc: str, reference: Callable[..., Any], torch: str | None, keras: str | None) -> Operator:
    """A statement about each number; of ordinary ones, which are finite."""
    return unary(
        name,
        REAL,
        returns="bool",
        reference=reference,
        special=FRAMEWORKS,
        torch=None if torch is None else all_dtypes(torch, REAL),
        keras=keras,
        doc=doc,
    )


is_finite = _statement(
    "is_finite", "Whether each element is a finite number.", np.isfinite, "torch.isfinite({x})", "ops.isfinite({x})"
)
is_nan = _statement("is_nan", "Whether each element is no number.", np.isnan, "torch.isnan({x})", "ops.isnan({x})")
is_infinite = _statement(
    "is_infinite", "Whether each element is infinite.", np.isinf, "torch.isinf({x})", "ops.isinf({x})"
)
is_positive_infinite = _statement(
    "is_positive_infinite",
    "Whether each element is infinite and positive.",
    np.isposinf,
    "torch.isposinf({x})",
    "ops.isposinf({x})",
)
is_negative_infinite = _statement(
    "is_negative_infinite",
    "Whether each element is infinite and negative.",
    np.isneginf,
    "torch.isneginf({x})",
    "ops.isneginf({x})",
)
is_real = _statement(
    "is_real", "Whether each element has no imaginary part.", np.isreal, "torch.isreal({x})", "ops.isreal({x})"
)


@np.errstate(all="ignore")
def _quotient(x: Array, y: Array) -> Array:
    return np.asarray(np.divide(wide(x), wide(y)))


def _is_in_range(x: Array, y: Array) -> bool:
    """Whether no quotient of numbers is so large that it becomes infinite in float16."""
    quotient = np.abs(_quotient(x, y))
    return bool(np.all(quotient[np.isfinite(quotient)] < 1e4))


def _of_quotient(name: str, doc: str, reference: Callable[..., Any], torch: str, keras: str) -> Operator:
    """A statement about each quotient, of which some are infinite or no number: the divisors are often zero."""
    return binary(
        name,
        FLOATS,
        domain=(-2.0, 2.0),
        returns="bool",
        defined=_is_in_range,
        reference=lambda x, y: reference(_quotient(x, y)),
        special=FRAMEWORKS,
        torch=torch,
        keras=keras,
        doc=doc,
    )


quotient_is_finite = _of_quotient(
    "quotient_is_finite",
    "Whether the quotient of each pair of elements, broadcast, is a finite number.",
    np.isfinite,
    "torch.isfinite({x} / {y})",
    "ops.isfinite({x} / {y})",
)
quotient_is_nan = _of_quotient(
    "quotient_is_nan",
    "Whether the quotient of each pair of elements, broadcast, is no number.",
    np.isnan,
    "torch.isnan({x} / {y})",
    "ops.isnan({x} / {y})",
)
quotient_is_infinite = _of_quotient(
    "quotient_is_infinite",
    "Whether the quotient of each pair of elements, broadcast, is infinite.",
    np.isinf,
    "torch.isinf({x} / {y})",
    "ops.isinf({x} / {y})",
)
quotient_is_positive_infinite = _of_quotient(
    "quotient_is_positive_infinite",
    "Whether the quotient of each pair of elements, broadcast, is infinite and positive.",
    np.isposinf,
    "torch.isposinf({x} / {y})",
    "ops.isposinf({x} / {y})",
)
quotient_is_negative_infinite = _of_quotient(
    "quotient_is_negative_infinite",
    "Whether the quotient of each pair of elements, broadcast, is infinite and negative.",
    np.isneginf,
    "torch.isneginf({x} / {y})",
    "ops.isneginf({x} / {y})",
)


def _clear_of_tolerance(x: Array, y: Array, *, rtol: float, atol: float) -> bool:
    """Whether no difference is as large as the tolerance but for rounding."""
    gap, limit = np.abs(wide(x) - wide(y)), atol + rtol * np.abs(wide(y))
    slack = 8 * epsilon(str(x.dtype)) * (np.abs(wide(x)) + np.abs(wide(y)) + limit)
    return bool(np.all((np.abs(gap - limit) > slack) | ~np.isfinite(gap)))


# Keras takes close integers for equal ones only, PyTorch works with the tolerance. What is not finite is close to its
# equal alone in PyTorch (https://docs.pytorch.org/docs/stable/generated/torch.isclose.html); Keras says nothing of it.
@operator(
    tensor("x"),
    tensor("y"),
    attrs={"rtol": number(0.0, 0.5), "atol": number(0.01, 2.0)},
    dtypes=("float32", "float64"),
    returns="bool",
    defined=_clear_of_tolerance,
    reference=lambda x, y, *, rtol, atol: np.isclose(wide(x), wide(y), rtol, atol),
    special=("torch",),
    empty=True,
    torch="torch.isclose({x}, {y}, rtol={rtol}, atol={atol})",
    keras="ops.isclose({x}, {y}, rtol={rtol}, atol={atol})",
)
def is_close(require: Require, x: Tensor, y: Tensor, *, rtol: float, atol: float) -> Shape:
    """Whether each pair of elements, broadcast, differs by no more than a tolerance; or is one infinity."""
    return broadcast(require, x.shape, y.shape)


# Keras' own cannot become part of a TensorFlow graph: it branches on a tensor.
@operator(
    tensor("x"),
    tensor("y"),
    dtypes=REAL,
    returns="bool",
    reference=np.isin,
    torch="torch.isin({x}, {y})",
)
def is_in(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Whether each element of x occurs in y."""
    return x.shape


@operator(
    tensor("x"),
    dtypes=REAL,
    returns="bool",
    reference=lambda x: np.isin(x, [0, 1, 3]),
    torch="torch.isin({x}, torch.tensor([0, 1, 3], dtype={x}.dtype))",
)
def is_in_constants(require: Require, x: Tensor) -> Shape:
    """Whether each element is one of three constants."""
    return x.shape


OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
