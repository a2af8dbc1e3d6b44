"""PyTorch's changes in place: of a copy, of views of it, and of what shares its memory.

Only copies are changed, so that a graph's values keep their meaning. Exporters make a copy-free graph of all this.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    FRAMEWORKS,
    SIGNED,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    either,
    emission,
    named,
    operator,
    spelled,
    tensor,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.dtypes import is_float
from graphfuzz.spec.operator import Bounds
from operators import bitwise, comparison, elementwise, rounding, selection, special, trigonometric
from operators.precision import Array, wide

NUMBERS = (*FLOATS, *SIGNED, "uint8")


def _in_place(op: Operator, method: str, dtypes: Sequence[str] | None = FLOATS) -> Operator:
    """The operator as a method that changes a copy of its operand."""
    call = f"{{x}}.clone().{method}"
    return spelled(op, f"{op.name}_inplace", torch=call if dtypes is None else emission(call, dtypes=dtypes))


METHODS = [
    _in_place(elementwise.absolute, "abs_()", None),
    _in_place(elementwise.negative, "neg_()", None),
    _in_place(elementwise.sign, "sign_()", None),
    _in_place(elementwise.square, "square_()", None),
    _in_place(rounding.floor, "floor_()"),
    _in_place(rounding.ceil, "ceil_()"),
    _in_place(rounding.truncate, "trunc_()"),
    _in_place(rounding.round_half_even, "round_()"),
    _in_place(rounding.fraction, "frac_()"),
    _in_place(special.exp, "exp_()"),
    _in_place(special.expm1, "expm1_()"),
    _in_place(special.log, "log_()"),
    _in_place(special.log1p, "log1p_()"),
    _in_place(special.sqrt, "sqrt_()"),
    _in_place(special.rsqrt, "rsqrt_()"),
    _in_place(special.reciprocal, "reciprocal_()"),
    _in_place(special.erf, "erf_()"),
    _in_place(special.expit, "sigmoid_()"),
    _in_place(special.logit, "logit_()"),
    _in_place(trigonometric.sin, "sin_()"),
    _in_place(trigonometric.cos, "cos_()"),
    _in_place(trigonometric.arctan, "atan_()"),
    _in_place(bitwise.bitwise_not, "bitwise_not_()", None),
    _in_place(comparison.logical_not, "logical_not_()", BOOL),
    _in_place(selection.clip, "clamp_({low}, {high})", None),
    _in_place(selection.clip_whole, "clamp_({low}, {high})", None),
    _in_place(selection.clamp_low, "clamp_(min={number})"),
    _in_place(selection.clamp_high, "clamp_max_({number})"),
    _in_place(elementwise.add_number, "add_({number})"),
    _in_place(elementwise.subtract_number, "sub_({number})"),
    _in_place(elementwise.multiply_number, "mul_({number})"),
    _in_place(elementwise.divide_by, "div_({number})"),
    _in_place(elementwise.power_whole, "pow_({number})", None),
]


def _same_shape(name: str, doc: str, attributes: Sequence[str]) -> Callable[..., Shape]:
    """A rule over attributes that do not matter for the shape."""

    def rule(require: Require, x: Tensor, **attrs: Any) -> Shape:
        return x.shape

    kinds = inspect.Parameter
    parameters = [kinds(n, kinds.POSITIONAL_OR_KEYWORD) for n in ("require", "x")]
    parameters += [kinds(n, kinds.KEYWORD_ONLY) for n in attributes]
    rule.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return named(name, doc, rule)


def _function(name: str, arguments: Sequence[str], statements: str) -> str:
    body = "".join(f"    {line}\n" for line in statements.split("\n"))
    return f"def {name}({', '.join(arguments)}):\n    z = x.clone()\n{body}    return z"


def changed(
    name: str,
    doc: str,
    statements: str,
    change: Callable[..., Any],
    *,
    rank: Sequence[int] = range(1, 7),
    attrs: Mapping[str, Attribute] | None = None,
    dtypes: Sequence[str] = NUMBERS,
) -> Operator:
    """A copy `z` of `x` after `statements`; `change` does the same to a NumPy array (or returns another)."""
    given = dict(attrs or {})

    def reference(x: Array, **values: Any) -> Array:
        z = wide(x).copy()
        made = change(z, **values)
        return z if made is None else np.asarray(made)

    arguments = ", ".join(["{x}", *(f"{{{attribute}}}" for attribute in given)])
    declare = operator(
        tensor("x", rank=rank),
        attrs=given,
        dtypes=dtypes,
        reference=reference,
        special=FRAMEWORKS,
        torch=emission(f"{name}({arguments})", helper=_function(name, ["x", *given], statements)),
    )
    return declare(_same_shape(name, doc, list(given)))


def _at(axis: int, place: Any) -> Callable[[Array], tuple[Any, ...]]:
    return lambda z: (*[slice(None)] * (axis % z.ndim), place)


def _add_at(z: Array, place: Any, value: float) -> None:
    z[place] += value


def _scale_at(z: Array, place: Any, value: float) -> None:
    z[place] *= value


def _set_at(z: Array, place: Any, value: Any) -> None:
    z[place] = value


def _flat(change: Callable[[Array], None]) -> Callable[[Array], None]:
    return lambda z: change(z.reshape(-1))


def _on_diagonal(z: Array, first: int, second: int, change: Callable[[Any], Any]) -> None:
    moved = np.moveaxis(z, (first, second), (0, 1))
    for i in range(min(moved.shape[:2])):
        moved[i, i] = change(moved[i, i])


def _halve(z: Array, axis: int) -> tuple[Any, ...]:
    return _at(axis, slice(0, -(-z.shape[axis] // 2)))(z)


def _running_sum(z: Array) -> Array:
    return np.asarray(np.cumsum(z, 0))


def _number_rows(z: Array) -> None:
    for i in range(z.shape[0]):
        z[i] += i


def _swap_ends(z: Array) -> None:
    z[0], z[-1] = z[-1].copy(), z[0].copy()


_ELLIPSIS_FIRST = (..., 0)

_DENSE = "z = z.contiguous()\n"
"""Before what depends on how the elements lie in memory, which a clone takes over."""


VIEWS = [
    changed("first_column_add", "One more in the last axis' first place.", "z[..., 0].add_(1)",
            lambda z: _add_at(z, _ELLIPSIS_FIRST, 1)),
    changed("transposed_scale", "Twice each element, through a transposed view.", "z.mT.mul_(2)",
            lambda z: 2 * z, rank=range(2, 7)),
    changed("matrix_transposed_scale", "Twice each element, through a transposed view.", "z.t().mul_(2)",
            lambda z: 2 * z, rank=(2,)),
    changed("tail_assign", "Zero but in the first row.", "z[1:] = 0", lambda z: _set_at(z, slice(1, None), 0)),
    changed("stride_assign", "Every second row a constant.", "z[::2] = 3",
            lambda z: _set_at(z, slice(None, None, 2), 3)),
    changed("stride_scale", "Every second place of the last axis doubled.", "z[..., ::2] *= 2",
            lambda z: _scale_at(z, (..., slice(None, None, 2)), 2)),
    changed("columns_shift", "Each column moved on by one.", "z[:, 1:] = z[:, :-1].clone()",
            lambda z: _set_at(z, (slice(None), slice(1, None)), z[:, :-1].copy()), rank=range(2, 7)),
    changed("select_fill", "A constant at one place of an axis.", "z.select(axis, place).fill_(2)",
            lambda z, *, axis, place: _set_at(z, _at(axis, place)(z), 2),
            attrs={"axis": axis(), "place": choice(0, -1)}),
    changed("narrow_zero", "Zero at the first place of an axis.", "z.narrow(axis, 0, 1).zero_()",
            lambda z, *, axis: _set_at(z, _at(axis, 0)(z), 0), attrs={"axis": axis()}),
    changed("diagonal_fill", "Zero on the first two axes' diagonal.", "z.diagonal().fill_(0)",
            lambda z: _on_diagonal(z, 0, 1, np.zeros_like), rank=range(2, 7)),
    changed("diagonal_add", "One more on the last two axes' diagonal.", "z.diagonal(0, -2, -1).add_(1)",
            lambda z: _on_diagonal(z, -2, -1, lambda v: v + 1), rank=range(2, 7)),
    changed("flat_scale", "Every second element negated, in memory order.", _DENSE + "z.view(-1)[::2].mul_(-1)",
            _flat(lambda z: _scale_at(z, slice(None, None, 2), -1)), dtypes=(*FLOATS, *SIGNED), rank=range(7)),
    changed("flat_assign", "A constant in the first place.", _DENSE + "z.view(-1)[0] = 7",
            _flat(lambda z: _set_at(z, 0, 7)), rank=range(7)),
    changed("flat_add", "One more, through a flat view.", _DENSE + "z.view(-1).add_(1)", lambda z: z + 1),
    changed("unsqueeze_add", "One more, through a view with another axis.", "z.unsqueeze(0).add_(1)",
            lambda z: z + 1, rank=range(7)),
    changed("squeeze_scale", "Twice each element, through a view with fewer axes.", "z.squeeze().mul_(2)",
            lambda z: 2 * z, rank=range(7)),
    changed("chunk_add", "One more in the first half of an axis.", "z.chunk(2, axis)[0].add_(1)",
            lambda z, *, axis: _add_at(z, _halve(z, axis), 1), attrs={"axis": axis()}),
    changed("split_scale", "Twice each element, part by part.", "for part in z.split(2, axis):\n    part.mul_(2)",
            lambda z, *, axis: 2 * z, attrs={"axis": axis()}),
    changed("unbind_zero", "Zero at the last place of an axis.", "z.unbind(axis)[-1].zero_()",
            lambda z, *, axis: _set_at(z, _at(axis, -1)(z), 0), attrs={"axis": axis()}),
    changed("rows_number", "Each row plus its number.", "for i in range(z.shape[0]):\n    z[i] += i", _number_rows),
    changed("rows_accumulate", "Running sums of the rows.",
            "for i in range(1, z.shape[0]):\n    z[i] += z[i - 1]", _running_sum),
    changed("rows_swap", "The first and the last row exchanged.",
            "z[0], z[-1] = z[-1].clone(), z[0].clone()", _swap_ends),
    changed("rows_fold", "The first row plus the last one.", "z[0] += z[-1]",
            lambda z: _add_at(z, 0, z[-1].copy())),
    changed("nested_assign", "A constant in the first row's first places.", "z[0][..., 0] = 5",
            lambda z: _set_at(z, (0, ..., 0), 5), rank=range(2, 7)),
    changed("swapped_row_add", "One more at the last axis' first place, through a view with axes exchanged.",
            "z.transpose(0, -1)[0].add_(1)", lambda z: _add_at(z, _ELLIPSIS_FIRST, 1), rank=range(2, 7)),
    changed("moved_negate", "The first row negated, through a view with its axis moved.",
            "z.movedim(0, -1)[..., 0].neg_()", lambda z: _scale_at(z, 0, -1), dtypes=(*FLOATS, *SIGNED)),
    changed("negative_zero", "Zero where an element is negative.", "z[z < 0] = 0",
            lambda z: np.maximum(z, 0), dtypes=(*FLOATS, *SIGNED), rank=range(7)),
    changed("ellipsis_assign", "Twice each element, assigned to all of it.", "z[...] = z * 2",
            lambda z: 2 * z, rank=range(7)),
    changed("view_before_add", "One more, seen through a view made before.",
            _DENSE + "seen = z.view(-1)\nz.add_(1)\nz = seen.view(x.shape)", lambda z: z + 1, rank=range(7)),
    changed("row_before_scale", "Twice each element plus twice the first row, which is a view made before.",
            "row = z[0]\nz.mul_(2)\nz = z + row", lambda z: 2 * z + 2 * z[:1]),
    changed("detached_add", "One more, through what is detached.", "z.detach().add_(1)", lambda z: z + 1,
            rank=range(7)),
    changed("fill_in_place", "A constant in each place.", "z.fill_(2)", lambda z: np.full_like(z, 2), rank=range(7)),
    changed("zero_in_place", "Zero in each place.", "z.zero_()", np.zeros_like, rank=range(7)),
    changed("relu_in_place", "Each element, or zero where it is negative.", "z.relu_()",
            lambda z: np.maximum(z, 0), rank=range(7)),
]  # fmt: skip


# Two operands


def _fits(require: Require, target: Shape, y: Tensor) -> None:
    """y can be stretched to the target's shape."""
    require(y.rank <= len(target), "the value has no more axes than its place")
    for a, b in zip(target[::-1], y.shape[::-1], strict=False):
        require(either(a == b, b == 1), "the value can be stretched to its place")


def updated(
    name: str,
    doc: str,
    statements: str,
    reference: Callable[..., Any],
    *,
    dtypes: Sequence[str] = NUMBERS,
    place: Callable[[Shape], Shape] = lambda shape: shape,
    rank: Sequence[int] = range(7),
    divisor: Bounds | Callable[..., Bounds] | None = None,
    special: Sequence[str] = FRAMEWORKS,
) -> Operator:
    """A copy `z` of `x` after `statements` with `y`, which is stretched to the place that it goes to."""

    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        _fits(require, place(x.shape), y)
        return x.shape

    declare = operator(
        tensor("x", rank=rank),
        tensor("y", domain=divisor),
        dtypes=dtypes,
        reference=reference,
        special=special,
        torch=emission(f"{name}({{x}}, {{y}})", helper=_function(name, ["x", "y"], statements)),
    )
    return declare(named(name, doc, rule))


def _divisors(x: Tensor, y: Tensor) -> Bounds:
    return (0.5, 8.0) if is_float(y.dtype) else (1, 8)


def _with_row(x: Array, y: Array) -> Array:
    z = x.copy()
    z[0] = y
    return z


def _with_column(x: Array, y: Array) -> Array:
    z = x.copy()
    z[..., 0] = y
    return z


UPDATES = [
    updated("add_in_place", "x plus y, in place.", "z.add_(y)", lambda x, y: wide(x) + wide(y)),
    updated("subtract_in_place", "x less y, in place.", "z -= y", lambda x, y: wide(x) - wide(y)),
    updated("multiply_in_place", "x times y, in place.", "z *= y", lambda x, y: wide(x) * wide(y)),
    updated("divide_in_place", "x divided by y, in place.", "z /= y", lambda x, y: wide(x) / wide(y),
            dtypes=FLOATS, divisor=(0.5, 8.0)),
    updated("add_scaled_in_place", "x plus twice y, in place.", "z.add_(y, alpha=2)",
            lambda x, y: wide(x) + 2 * wide(y)),
    updated("copy_in_place", "y in x's place.", "z.copy_(y)", lambda x, y: np.broadcast_to(y, x.shape)),
    updated("lerp_in_place", "A quarter of the way from x to y, in place.", "z.lerp_(y, 0.25)",
            lambda x, y: 0.75 * wide(x) + 0.25 * wide(y), dtypes=FLOATS, special=()),
    updated("addcmul_in_place", "x plus half the square of y, in place.", "z.addcmul_(y, y, value=0.5)",
            lambda x, y: wide(x) + 0.5 * wide(y) ** 2, dtypes=FLOATS),
    updated("fmod_in_place", "What division by y leaves, in place.", "z.fmod_(y)",
            lambda x, y: np.fmod(wide(x), wide(y)), dtypes=SIGNED, divisor=_divisors, special=()),
    updated("clamp_in_place", "x, or y where x is below it, in place.", "z.clamp_(min=y)",
            lambda x, y: np.maximum(wide(x), wide(y))),
    updated("and_in_place", "The bits of x that y has, too, in place.", "z &= y", np.bitwise_and,
            dtypes=(*SIGNED, "uint8", *BOOL), special=()),
    updated("row_assign", "y in the first row of x.", "z[0] = y", _with_row, rank=range(1, 7),
            place=lambda shape: shape[1:]),
    updated("column_assign", "y in the last axis' first place of x.", "z[..., 0] = y", _with_column,
            rank=range(1, 7), place=lambda shape: shape[:-1]),
    updated("select_copy", "y in the last axis' first place of x, through a view.", "z.select(-1, 0).copy_(y)",
            _with_column, rank=range(1, 7), place=lambda shape: shape[:-1]),
    updated("add_out", "x plus y, written over x.", "torch.add(z, y, out=z)", lambda x, y: wide(x) + wide(y)),
]  # fmt: skip


@operator(
    tensor("x"),
    tensor("y", "U"),
    dtypes={"T": FLOATS, "U": NUMBERS},
    returns="T",
    reference=lambda x, y: wide(x) + wide(y),
    special=FRAMEWORKS,
    torch=emission("add_in_place_mixed({x}, {y})", helper=_function("add_in_place_mixed", ["x", "y"], "z += y")),
)
def add_in_place_mixed(require: Require, x: Tensor, y: Tensor) -> Shape:
    """x plus y, a number of any dtype, in place: the dtype stays."""
    _fits(require, x.shape, y)
    return x.shape


@operator(
    tensor("x"),
    tensor("y", rank=0),
    dtypes=NUMBERS,
    reference=lambda x, y: np.full_like(x, y),
    special=FRAMEWORKS,
    torch="torch.fill({x}, {y})",
)
def fill_with(require: Require, x: Tensor, y: Tensor) -> Shape:
    """y, which has no axes, in each place of x."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"value": choice(2, 0, 0.5)},
    dtypes=FLOATS,
    reference=lambda x, *, value: np.full_like(x, value),
    special=FRAMEWORKS,
    torch="torch.fill({x}, {value})",
)
def fill_with_number(require: Require, x: Tensor, *, value: float) -> Shape:
    """A constant in each place of x."""
    return x.shape


OPERATORS: Sequence[Operator] = [*METHODS, *VIEWS, *UPDATES, add_in_place_mixed, fill_with, fill_with_number]
