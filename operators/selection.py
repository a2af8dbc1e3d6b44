"""Choices between values: where, clamps in every form, and what stands in for values that are no numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    INTEGERS,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    choice,
    named,
    number,
    operator,
    promote,
    spelled,
    tensor,
)
from graphfuzz.spec.families import Emitted
from operators.forms import all_dtypes, met_number, promotes_alike, ternary, with_number
from operators.precision import Array, wide


@operator(
    tensor("condition", "bool"),
    tensor("x"),
    tensor("y"),
    dtypes=ANY,
    reference=np.where,
    special=FRAMEWORKS,
    empty=True,
    torch=all_dtypes("torch.where({condition}, {x}, {y})"),
    keras="ops.where({condition}, {x}, {y})",
)
def where(require: Require, condition: Tensor, x: Tensor, y: Tensor) -> Shape:
    """The element of x where the condition holds, else that of y, all three broadcast."""
    return broadcast(require, condition.shape, x.shape, y.shape)


@operator(
    tensor("condition", "bool"),
    tensor("x"),
    tensor("y", "U"),
    dtypes={"T": REAL, "U": REAL},
    returns=promote("T", "U"),
    reference=lambda condition, x, y: np.where(condition, wide(x), wide(y)),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.where({condition}, {x}, {y})",
    keras="ops.where({condition}, {x}, {y})",
)
def where_mixed(require: Require, condition: Tensor, x: Tensor, y: Tensor) -> Shape:
    """The same for values of two dtypes, in the dtype in which they meet."""
    require(promotes_alike(x, y), "a tensor without axes widens none with axes inside a category of dtypes")
    return broadcast(require, condition.shape, x.shape, y.shape)


@operator(
    tensor("condition", "C"),
    tensor("x"),
    tensor("y"),
    dtypes={"C": INTEGERS, "T": ANY},
    returns="T",
    reference=lambda condition, x, y: np.where(condition != 0, x, y),
    special=FRAMEWORKS,
    empty=True,
    keras="ops.where({condition}, {x}, {y})",
)
def where_nonzero(require: Require, condition: Tensor, x: Tensor, y: Tensor) -> Shape:
    """The element of x where the condition is not zero, else that of y, all three broadcast."""
    return broadcast(require, condition.shape, x.shape, y.shape)


_NUMBERS = choice(0, 1, -2, 0.0, 2.5, -0.5)


def _where_number(name: str, doc: str, reference: Callable[..., Any], torch: str, keras: str) -> Operator:
    """A choice between x's elements and a constant."""

    def rule(require: Require, condition: Tensor, x: Tensor, *, number: Any) -> Shape:
        unsigned = x.dtype.startswith("uint")
        require(not unsigned or isinstance(number, float) or number >= 0, "the scalar exists in the dtype")
        return broadcast(require, condition.shape, x.shape)

    declare = operator(
        tensor("condition", "bool"),
        tensor("x"),
        attrs={"number": _NUMBERS},
        dtypes=ANY,
        returns=met_number,
        reference=reference,
        empty=True,
        special=FRAMEWORKS,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


where_else_number = _where_number(
    "where_else_number",
    "The element of x where the condition holds, broadcast, else a constant.",
    lambda condition, x, *, number: np.where(condition, wide(x), number),
    "torch.where({condition}, {x}, {number})",
    "ops.where({condition}, {x}, {number})",
)
where_number_else = _where_number(
    "where_number_else",
    "A constant where the condition holds, broadcast, else the element of x.",
    lambda condition, x, *, number: np.where(condition, number, wide(x)),
    "torch.where({condition}, {number}, {x})",
    "ops.where({condition}, {number}, {x})",
)


def _of_numbers(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    if any(isinstance(attrs[name], float) for name in ("this", "that")):
        return "float32"
    return "int64" if framework == "torch" else "int32"


@operator(
    tensor("condition", "bool"),
    attrs={"this": choice(1, 0, 1.0, -0.5), "that": choice(0, 3, 0.0, 2.5)},
    dtypes={},
    returns=_of_numbers,
    reference=lambda condition, *, this, that: np.where(condition, this, that),
    empty=True,
    torch="torch.where({condition}, {this}, {that})",
    keras="ops.where({condition}, {this}, {that})",
)
def where_numbers(require: Require, condition: Tensor, *, this: float, that: float) -> Shape:
    """One constant where the condition holds, else another."""
    return condition.shape


# Clamps. NaN stays NaN, as in the maxima and minima that they are (pytorch/pytorch#77306, #77371).


def _clip(x: Array, low: Any, high: Any) -> Array:
    return np.asarray(np.minimum(np.maximum(x, low), high))


@operator(
    tensor("x"),
    attrs={"low": number(-2, 0), "high": number(0, 2)},
    dtypes=FLOATS,
    reference=lambda x, *, low, high: _clip(wide(x), low, high),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.clamp({x}, {low}, {high})",
    keras="ops.clip({x}, {low}, {high})",
)
def clip(require: Require, x: Tensor, *, low: float, high: float) -> Shape:
    """Each element, or the bound that it exceeds."""
    return x.shape


clip_alias = spelled(clip, "clip_alias", torch="torch.clip({x}, min={low}, max={high})")


@operator(
    tensor("x"),
    attrs={"low": choice(0, 1, 2), "high": choice(5, 3, 9)},
    dtypes=REAL,
    reference=lambda x, *, low, high: _clip(x, np.asarray(low, x.dtype), np.asarray(high, x.dtype)),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.clamp({x}, {low}, {high})",
    keras="ops.clip({x}, {low}, {high})",
)
def clip_whole(require: Require, x: Tensor, *, low: int, high: int) -> Shape:
    """Each element, or the bound, a whole number, that it exceeds."""
    return x.shape


clip_reversed = operator(
    tensor("x"),
    attrs={"low": choice(3, 5), "high": choice(2, 0)},
    dtypes=REAL,
    reference=lambda x, *, low, high: np.full_like(x, high),
    empty=True,
    torch="torch.clamp({x}, {low}, {high})",
)(
    named(
        "clip_reversed",
        "Each element between bounds of which the lower one is above the upper one, which wins.",
        lambda require, x, *, low, high: x.shape,
    )
)
clamp_low = with_number(
    "clamp_low",
    "Each element, or a constant where it is below it.",
    choice(0, 1, 0.0, 0.5, -1.5),
    REAL,
    reference=lambda x, *, number: np.maximum(wide(x), number),
    torch="torch.clamp({x}, min={number})",
)
clamp_high = with_number(
    "clamp_high",
    "Each element, or a constant where it is above it.",
    choice(2, 5, 2.0, 0.5, -1.5),
    REAL,
    reference=lambda x, *, number: np.minimum(wide(x), number),
    torch="torch.clamp({x}, max={number})",
)
clamp_min = spelled(clamp_low, "clamp_min", torch="torch.clamp_min({x}, {number})")
clamp_max = spelled(clamp_high, "clamp_max", torch="torch.clamp_max({x}, {number})")


def _between(
    name: str, doc: str, reference: Callable[..., Any], torch: str, keras: Emitted = None, dtypes: Sequence[str] = REAL
) -> Operator:
    return ternary(name, doc, dtypes, reference=reference, torch=torch, keras=keras)


clip_tensors = _between(
    "clip_tensors",
    "Each element of x, or of y where it is below it, and no more than that of z, all broadcast.",
    _clip,
    "torch.clamp({x}, {y}, {z})",
)


def _clamp_tensor(name: str, doc: str, reference: Callable[..., Any], torch: str) -> Operator:
    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        return broadcast(require, x.shape, y.shape)

    declare = operator(
        tensor("x"), tensor("y"), dtypes=REAL, reference=reference, empty=True, special=FRAMEWORKS, torch=torch
    )
    return declare(named(name, doc, rule))


clamp_low_tensor = _clamp_tensor(
    "clamp_low_tensor", "Each element of x, or y's where it is below it.", np.maximum, "torch.clamp({x}, min={y})"
)
clamp_high_tensor = _clamp_tensor(
    "clamp_high_tensor", "Each element of x, or y's where it is above it.", np.minimum, "torch.clamp({x}, max={y})"
)
clamp_min_tensor = spelled(clamp_low_tensor, "clamp_min_tensor", torch="torch.clamp_min({x}, {y})")
clamp_max_tensor = spelled(clamp_high_tensor, "clamp_max_tensor", torch="torch.clamp_max({x}, {y})")


@np.errstate(all="ignore")
def _made_number(x: Array, y: Array, *, nan: float, high: float, low: float) -> Array:
    return np.nan_to_num(np.divide(wide(x), wide(y)), nan=nan, posinf=high, neginf=low)


@operator(
    tensor("x"),
    tensor("y"),
    attrs={"nan": choice(0.0, 0.5, -1.0), "high": choice(9.0, 100.0), "low": choice(-9.0, -50.0)},
    dtypes=FLOATS,
    domain=(-2.0, 2.0),
    reference=_made_number,
    special=FRAMEWORKS,
    empty=True,
    torch="torch.nan_to_num({x} / {y}, nan={nan}, posinf={high}, neginf={low})",
    keras="ops.nan_to_num({x} / {y}, nan={nan}, posinf={high}, neginf={low})",
)
def quotient_as_number(require: Require, x: Tensor, y: Tensor, *, nan: float, high: float, low: float) -> Shape:
    """The quotient of each pair of elements, broadcast; constants where it is no number, or infinite."""
    return broadcast(require, x.shape, y.shape)


@operator(
    tensor("x"),
    dtypes=REAL,
    reference=np.nan_to_num,
    empty=True,
    special=FRAMEWORKS,
    torch="torch.nan_to_num({x})",
    keras="ops.nan_to_num({x})",
)
def as_number(require: Require, x: Tensor) -> Shape:
    """Each element; zero where it is no number, the extremes where it is infinite."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"nan": choice(0.0, 0.5, -1.0), "high": choice(9.0, 100.0), "low": choice(-9.0, -50.0)},
    dtypes=FLOATS,
    reference=lambda x, *, nan, high, low: np.nan_to_num(wide(x), nan=nan, posinf=high, neginf=low),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.nan_to_num({x}, nan={nan}, posinf={high}, neginf={low})",
    keras="ops.nan_to_num({x}, nan={nan}, posinf={high}, neginf={low})",
)
def as_given_number(require: Require, x: Tensor, *, nan: float, high: float, low: float) -> Shape:
    """Each element; constants where it is no number, or infinite."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"bound": choice(0.5, 1.0, 2.0), "value": choice(0.0, -1.0, 3.5)},
    dtypes=FLOATS,
    reference=lambda x, *, bound, value: np.where(wide(x) > bound, wide(x), value),
    special=FRAMEWORKS,
    empty=True,
    torch="torch.where({x} > {bound}, {x}, {value})",
    keras="ops.where({x} > {bound}, {x}, {value})",
)
def keep_above(require: Require, x: Tensor, *, bound: float, value: float) -> Shape:
    """Each element that is above a constant, and another constant for the others."""
    return x.shape


OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
