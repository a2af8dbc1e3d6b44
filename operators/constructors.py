"""Operators that make tensors of constants, whose sizes are those of an operand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    FRAMEWORKS,
    Emission,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    choice,
    dtype_choice,
    flag,
    named_by,
    operator,
    size,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array
from operators.spelling import everywhere, in_layer

TYPES = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")


def _like(name: str, value: int, torch: str, keras: str | Emission | None = None) -> Operator:
    """One value in each element of a tensor of the same type."""

    @operator(
        tensor("x"),
        dtypes=ANY,
        empty=True,
        reference=lambda x: np.full_like(x, value),
        special=FRAMEWORKS,
        torch=torch,
        keras=keras,
    )
    def filled(require: Require, x: Tensor) -> Shape:
        """Filled."""
        return x.shape

    doc = f"A tensor of the same type, {value} everywhere."
    return msgspec.structs.replace(filled, name=name, doc=doc)


likes = [
    _like("zeros_like", 0, "torch.zeros_like({x})", "ops.zeros_like({x})"),
    _like("ones_like", 1, "torch.ones_like({x})", "ops.ones_like({x})"),
    _like("zeros_like_in_tensorflow", 0, "torch.zeros_like({x})", in_layer("x", "tf.raw_ops.ZerosLike(x=x)")),
    _like("new_zeros", 0, "{x}.new_zeros({x}.shape)"),
    _like("new_ones", 1, "{x}.new_ones({x}.shape)"),
    _like("new_full", 3, "{x}.new_full({x}.shape, 3)"),
    _like("empty_like_filled", 2, "torch.empty_like({x}).fill_(2)"),
    _like("new_empty_filled", 2, "{x}.new_empty({x}.shape).fill_(2)"),
    _like("empty_filled", 1, "torch.empty({x}.shape, dtype={x}.dtype).fill_(1)"),
    _like(
        "empty_strided_filled", 1, "torch.empty_strided({x}.shape, {x}.contiguous().stride(), dtype={x}.dtype).fill_(1)"
    ),
    _like("new_empty_strided_filled", 1, "{x}.new_empty_strided({x}.shape, {x}.contiguous().stride()).fill_(1)"),
    _like("full_of_shape", 2, "torch.full({x}.shape, 2, dtype={x}.dtype)"),
    _like(
        "fill_of_shape",
        1,
        "torch.ones({x}.shape, dtype={x}.dtype)",
        in_layer("x", "tf.fill(tf.shape(x), tf.cast(1, x.dtype))"),
    ),
]


@operator(
    tensor("x"),
    attrs={"value": choice(0, 1, 2), "dtype": dtype_choice(TYPES)},
    dtypes=ANY,
    special=FRAMEWORKS,
    empty=True,
    returns=named_by("dtype"),
    reference=lambda x, value, dtype: np.full(x.shape, value, dtype),
    torch="torch.full_like({x}, {value}, dtype=torch.{dtype})",
    keras='ops.full_like({x}, {value}, dtype="{dtype}")',
)
def full_like(require: Require, x: Tensor, *, value: int, dtype: str) -> Shape:
    """A tensor of the same shape and another dtype, one value everywhere."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"dtype": dtype_choice(TYPES)},
    dtypes=ANY,
    special=FRAMEWORKS,
    empty=True,
    returns=named_by("dtype"),
    reference=lambda x, dtype: np.ones(x.shape, dtype),
    torch="torch.ones({x}.shape, dtype=torch.{dtype})",
    keras=in_layer("x", 'ops.ones(ops.shape(x), dtype="{dtype}")'),
)
def ones_of_shape(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """Ones in the shape of a tensor."""
    return x.shape


zeros_of_shape = spelled(
    ones_of_shape,
    "zeros_of_shape",
    "Zeros in the shape of a tensor.",
    reference=lambda x, dtype: np.zeros(x.shape, dtype),
    torch="torch.zeros({x}.shape, dtype=torch.{dtype})",
    keras=in_layer("x", 'ops.zeros(ops.shape(x), dtype="{dtype}")'),
)


@operator(
    tensor("x", rank=range(3)),
    tensor("value", rank=0),
    attrs={"shape": sizes(1, 5, count=range(4))},
    dtypes=ANY,
    reference=lambda x, value, shape: np.full(shape, value),
    special=FRAMEWORKS,
    torch="{x}.new_zeros({shape}).fill_({value})",
    keras=in_layer("x, value", "tf.fill({shape}, value)"),
)
def fill(require: Require, x: Tensor, value: Tensor, *, shape: Sequence[Size]) -> Shape:
    """A tensor with the value of another, which has no axes, everywhere."""
    return tuple(shape)


# Rows of numbers, as many as an axis has entries


def _row(
    name: str,
    doc: str,
    *,
    attrs: Mapping[str, Any] | None = None,
    dtypes: Sequence[str] = ("int64", "int32", "float32", "float64"),
    reference: Callable[..., Array],
    torch: str | None = None,
    keras: str | None = None,
    least: int = 1,
) -> Operator:
    """Numbers for each entry of the first axis of x, as `reference(count, **attributes)` gives them."""
    kinds = {**(attrs or {}), "dtype": dtype_choice(dtypes)}
    names = tuple(kinds)

    def rule(require: Require, x: Tensor, **attributes: Any) -> Shape:
        require(x.shape[0] >= least, "there are enough entries")
        return (x.shape[0],)

    rules: dict[tuple[str, ...], Callable[..., Shape]] = {
        ("dtype",): lambda require, x, *, dtype: rule(require, x),
        ("start", "step", "dtype"): lambda require, x, *, start, step, dtype: rule(require, x),
        ("start", "stop", "dtype"): lambda require, x, *, start, stop, dtype: rule(require, x),
        ("periodic", "dtype"): lambda require, x, *, periodic, dtype: rule(require, x),
    }

    def made(require: Require, x: Tensor) -> Shape:
        """Made."""
        return (x.shape[0],)

    base = operator(
        tensor("x", rank=range(1, 4)),
        dtypes=("float32", "int64", "int32"),
        reference=lambda x: x,
        torch="{x}",
    )(made)
    return spelled(
        base,
        name,
        doc,
        torch=torch,
        keras=None if keras is None else in_layer("x", keras),
        attrs=kinds,
        returns=(named_by("dtype"),),
        reference=lambda x, **attributes: reference(len(x), **attributes),
        rule=rules[names],
    )


_STEPS = {"start": size(-3, 3), "step": choice(1, 2, -1, 3)}


rows = [
    _row(
        "arange",
        "0, 1, 2, ... for each entry of the first axis.",
        reference=lambda n, dtype: np.arange(n),
        torch="torch.arange({x}.shape[0], dtype=torch.{dtype})",
        keras='ops.arange(x.shape[0], dtype="{dtype}")',
    ),
    _row(
        "range_of_shape",
        "0, 1, 2, ... for each entry of the first axis, a size that is read at run time.",
        dtypes=("int32",),
        reference=lambda n, dtype: np.arange(n),
        keras="tf.range(tf.shape(x)[0])",
    ),
    _row(
        "arange_steps",
        "An arithmetic progression of integers.",
        attrs=_STEPS,
        reference=lambda n, start, step, dtype: start + step * np.arange(n),
        torch="torch.arange({start}, {start} + {step} * {x}.shape[0], {step}, dtype=torch.{dtype})",
        keras='ops.arange({start}, {start} + {step} * x.shape[0], {step}, dtype="{dtype}")',
    ),
    _row(
        "arange_from",
        "Consecutive integers from a start on.",
        attrs={"start": size(-3, 3), "step": choice(1)},
        reference=lambda n, start, step, dtype: start + np.arange(n),
        torch="torch.arange({start}, {start} + {x}.shape[0], dtype=torch.{dtype})",
    ),
    _row(
        "arange_halves",
        "An arithmetic progression in steps of a half.",
        attrs=_STEPS,
        dtypes=("float32", "float64"),
        reference=lambda n, start, step, dtype: start + step * 0.5 * np.arange(n),
        torch="torch.arange({start}, {start} + {step} * 0.5 * {x}.shape[0], {step} * 0.5, dtype=torch.{dtype})",
        keras='tf.range({start}.0, {start} + {step} * 0.5 * x.shape[0], {step} * 0.5, dtype="{dtype}")',
    ),
    _row(
        "linspace",
        "Numbers at equal distances from a start to an end.",
        attrs={"start": size(-3, 3), "stop": choice(1, 0, -2, 5)},
        dtypes=("float32", "float64"),
        reference=lambda n, start, stop, dtype: np.linspace(start, stop, n),
        torch="torch.linspace({start}, {stop}, {x}.shape[0], dtype=torch.{dtype})",
        keras='ops.linspace({start}, {stop}, x.shape[0], dtype="{dtype}")',
    ),
    _row(
        "logspace",
        "Powers of ten at equal ratios.",
        attrs={"start": size(-2, 2), "stop": choice(1, 0, -2)},
        dtypes=("float32", "float64"),
        reference=lambda n, start, stop, dtype: np.logspace(start, stop, n),
        torch="torch.logspace({start}, {stop}, {x}.shape[0], dtype=torch.{dtype})",
        keras='ops.logspace({start}, {stop}, x.shape[0], dtype="{dtype}")',
    ),
]


def _window(n: int, coefficients: Sequence[float], periodic: bool) -> Array:
    """A sum of cosines: a0 - a1 cos(t) + a2 cos(2 t), t from 0 to 2 pi (excluded, where periodic).

    https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.general_cosine.html
    """
    if n == 1:
        return np.ones(1)
    t = 2 * np.pi * np.arange(n) / (n if periodic else n - 1)
    return np.asarray(sum(a * (-1) ** k * np.cos(k * t) for k, a in enumerate(coefficients)))


_COEFFICIENTS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}
_KERAS = {"hann": "hanning", "hamming": "hamming", "blackman": "blackman"}


def _windows(name: str) -> list[Operator]:
    coefficients = _COEFFICIENTS[name]
    torch = _row(
        f"{name}_window",
        f"The {name.capitalize()} window.",
        attrs={"periodic": flag()},
        dtypes=("float32", "float64"),
        reference=lambda n, periodic, dtype: _window(n, coefficients, periodic),
        torch=f"torch.{name}_window({{x}}.shape[0], periodic={{periodic}}, dtype=torch.{{dtype}})",
    )
    keras = _row(
        _KERAS[name],
        f"The symmetric {name.capitalize()} window.",
        dtypes=("float32",),
        reference=lambda n, dtype: _window(n, coefficients, False),
        keras=f"ops.{_KERAS[name]}(x.shape[0])",
    )
    return [torch, keras]


windows = [op for name in _COEFFICIENTS for op in _windows(name)]
# Matrices


@operator(
    tensor("x", rank=range(2, 5)),
    attrs={"dtype": dtype_choice(TYPES)},
    dtypes=("float32", "int64"),
    returns=named_by("dtype"),
    reference=lambda x, dtype: np.eye(x.shape[-2], x.shape[-1]),
    torch="torch.eye({x}.shape[-2], {x}.shape[-1], dtype=torch.{dtype})",
    keras=in_layer("x", 'ops.eye(x.shape[-2], x.shape[-1], dtype="{dtype}")'),
)
def eye(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """Ones on the diagonal and zeros elsewhere, in the shape of the last two axes."""
    return (x.shape[-2], x.shape[-1])


@operator(
    tensor("x", rank=range(2, 5)),
    attrs={"offset": choice(0, 1, -1, 2)},
    dtypes=("float32", "int64"),
    returns="float32",
    reference=lambda x, offset: np.tri(x.shape[-2], x.shape[-1], offset),
    keras=in_layer("x", "ops.tri(x.shape[-2], x.shape[-1], {offset})"),
)
def tri(require: Require, x: Tensor, *, offset: int) -> Shape:
    """Ones on and below a diagonal, in the shape of the last two axes."""
    return (x.shape[-2], x.shape[-1])


@operator(
    tensor("x", rank=range(1, 4)),
    dtypes=("float32", "int64"),
    returns="float32",
    reference=lambda x: np.identity(len(x)),
    torch="torch.eye({x}.shape[0])",
    keras=in_layer("x", "ops.identity(x.shape[0])"),
)
def identity_matrix(require: Require, x: Tensor) -> Shape:
    """Ones on the diagonal and zeros elsewhere, as many rows as the first axis has entries."""
    return (x.shape[0], x.shape[0])


# Numbers about a tensor


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"axis": axis(), "dtype": dtype_choice(("int64", "float32", "int32"))},
    dtypes=ANY,
    returns=named_by("dtype"),
    reference=lambda x, axis, dtype: np.asarray(x.shape[axis]),
    special=FRAMEWORKS,
    torch="torch.scalar_tensor({x}.shape[{axis}], dtype=torch.{dtype})",
)
def size_of_axis(require: Require, x: Tensor, *, axis: int, dtype: str) -> Shape:
    """The number of entries of an axis."""
    return ()


size_as_tensor = spelled(size_of_axis, "size_as_tensor", torch="torch.tensor({x}.size({axis}), dtype=torch.{dtype})")


@operator(
    tensor("x", rank=range(1, 5)),
    dtypes=ANY,
    returns="int32",
    reference=lambda x: np.asarray(x.shape),
    special=FRAMEWORKS,
    keras=in_layer("x", "tf.shape(x)"),
)
def shape_of(require: Require, x: Tensor) -> Shape:
    """The sizes of a tensor."""
    return (x.rank,)


shape_as_tensor = spelled(shape_of, "shape_as_tensor", torch="torch._shape_as_tensor({x})", returns=("int64",))
size_of = spelled(
    shape_of,
    "size_of",
    "The number of elements.",
    keras=in_layer("x", "tf.size(x)"),
    reference=lambda x: np.asarray(x.size),
    rule=lambda require, x: (),
)
rank_of = spelled(
    shape_of,
    "rank_of",
    "The number of axes.",
    keras=in_layer("x", "tf.rank(x)"),
    reference=lambda x: np.asarray(x.ndim),
    rule=lambda require, x: (),
)


@operator(
    tensor("count", rank=0, domain=(1, 9)),
    attrs={"start": choice(0, 2, -3), "step": choice(1, 2)},
    dtypes=("int32",),
    reference=lambda count, start, step: np.sum(np.arange(start, start + int(count), step)),
    keras=in_layer("count", "tf.reduce_sum(tf.range({start}, {start} + count, {step}))"),
)
def sum_of_range(require: Require, count: Tensor, *, start: int, step: int) -> Shape:
    """The sum of an arithmetic progression whose end is data."""
    return ()


OPERATORS: Sequence[Operator] = [
    *map(everywhere, likes),
    full_like,
    ones_of_shape,
    zeros_of_shape,
    fill,
    *rows,
    *windows,
    eye,
    tri,
    identity_matrix,
    *map(everywhere, (size_of_axis, size_as_tensor, shape_of, shape_as_tensor, size_of, rank_of)),
    sum_of_range,
]
