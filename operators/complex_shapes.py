"""What moves, joins and multiplies complex tensors as wholes, of which converters have versions of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    COMPLEX,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axes,
    axis,
    broadcast,
    ceil_div,
    emission,
    named,
    operator,
    permutation,
    prod,
    size,
    tensor,
    variadic,
    weight,
)
from operators.complex import Emitted, wide
from operators.precision import Array


def moved(
    rule: Callable[..., Any],
    reference: Callable[..., Any],
    torch: Emitted,
    keras: Emitted = None,
    rank: Sequence[int] = range(1, 6),
    **attrs: Any,
) -> Operator:
    """An operator that moves the elements of `x`, whatever they are, to where `rule` says; its name and text are the
    rule's."""
    declare = operator(
        tensor("x", rank=rank), attrs=attrs, dtypes=COMPLEX, reference=reference, torch=torch, keras=keras
    )
    return declare(rule)


def complex_permute(require: Require, x: Tensor, *, order: Sequence[int]) -> Shape:
    """The axes in another order."""
    return tuple(x.shape[i] for i in order)


def complex_transpose(require: Require, x: Tensor, *, first: int, second: int) -> Shape:
    """Two axes exchanged."""
    shape = list(x.shape)
    shape[first], shape[second] = shape[second], shape[first]
    return tuple(shape)


def complex_matrix_transpose(require: Require, x: Tensor) -> Shape:
    """The last two axes exchanged."""
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


def complex_adjoint(require: Require, x: Tensor) -> Shape:
    """The last two axes exchanged, every number conjugated."""
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


def complex_matrix_t(require: Require, x: Tensor) -> Shape:
    """The transpose of a matrix (of a vector: itself)."""
    return x.shape[::-1]


def complex_flip(require: Require, x: Tensor, *, along: Sequence[int]) -> Shape:
    """Axes read backward."""
    return x.shape


def complex_roll(require: Require, x: Tensor, *, shift: int, along: int) -> Shape:
    """The elements moved along an axis, those that leave it entering at its other end."""
    return x.shape


def complex_roll_all(require: Require, x: Tensor, *, shift: int) -> Shape:
    """The elements moved along the flattened tensor."""
    return x.shape


def complex_slice(require: Require, x: Tensor, *, along: int, start: Size, step: Size) -> Shape:
    """Every `step`-th slice along an axis, from `start` on."""
    at = along % x.rank
    require(start < x.shape[at], "the slice starts inside the axis")
    return (*x.shape[:at], ceil_div(x.shape[at] - start, step), *x.shape[at + 1 :])


def complex_squeeze(require: Require, x: Tensor, *, along: int) -> Shape:
    """An axis of size one removed."""
    at = along % x.rank
    require(x.shape[at] == 1, "the axis has size one")
    return (*x.shape[:at], *x.shape[at + 1 :])


def complex_unsqueeze(require: Require, x: Tensor, *, along: int) -> Shape:
    """An axis of size one inserted."""
    at = along % (x.rank + 1)
    return (*x.shape[:at], 1, *x.shape[at:])


def complex_select(require: Require, x: Tensor, *, along: int, position: Size) -> Shape:
    """One slice along an axis."""
    at = along % x.rank
    require(position < x.shape[at], "the position lies inside the axis")
    return (*x.shape[:at], *x.shape[at + 1 :])


def complex_flatten(require: Require, x: Tensor) -> Shape:
    """All elements in one axis."""
    return (prod(x.shape),)


def complex_split_axis(require: Require, x: Tensor, *, along: int, first: Size) -> Shape:
    """An axis split in two, the first of size `first`."""
    at = along % x.rank
    require(x.shape[at] % first == 0, "the axis can be divided")
    return (*x.shape[:at], first, x.shape[at] // first, *x.shape[at + 1 :])


def complex_expand(require: Require, x: Tensor, *, count: Size) -> Shape:
    """The tensor `count` times along a new first axis."""
    return (count, *x.shape)


def _sliced(x: Array, *, along: int, start: int, step: int) -> Array:
    return x[(slice(None),) * (along % x.ndim) + (slice(start, None, step),)]


def _subscripts(x: Tensor, along: int, inner: str) -> str:
    return f"{x}[{':, ' * (along % x.rank)}{inner}]"


def _parted(shape: Sequence[int], along: int, first: int) -> tuple[int, ...]:
    at = along % len(shape)
    return (*shape[:at], first, shape[at] // first, *shape[at + 1 :])


MOVES = [
    moved(
        complex_permute,
        lambda x, *, order: np.transpose(x, order),
        "{x}.permute({order})",
        "ops.transpose({x}, {order})",
        order=permutation(),
    ),
    moved(
        complex_transpose,
        lambda x, *, first, second: np.swapaxes(x, first, second),
        "torch.transpose({x}, {first}, {second})",
        "ops.swapaxes({x}, {first}, {second})",
        first=axis(),
        second=axis(),
    ),
    moved(complex_matrix_transpose, lambda x: np.swapaxes(x, -1, -2), "{x}.mT", rank=range(2, 6)),
    moved(complex_adjoint, lambda x: np.conj(np.swapaxes(x, -1, -2)), "{x}.mH", rank=range(2, 6)),
    moved(complex_matrix_t, np.transpose, "{x}.t()", rank=(1, 2)),
    moved(complex_flip, lambda x, *, along: np.flip(x, along), "torch.flip({x}, {along})", along=axes()),
    moved(
        complex_roll,
        lambda x, *, shift, along: np.roll(x, shift, along),
        "torch.roll({x}, {shift}, {along})",
        "ops.roll({x}, {shift}, {along})",
        shift=size(-3, 9),
        along=axis(),
    ),
    moved(complex_roll_all, lambda x, *, shift: np.roll(x, shift), "torch.roll({x}, {shift})", shift=size(-3, 9)),
    moved(
        complex_slice,
        _sliced,
        lambda x, along, start, step: _subscripts(x, along, f"{start}::{step}"),
        along=axis(),
        start=size(0, 4),
        step=size(1, 3),
    ),
    moved(
        complex_squeeze,
        lambda x, *, along: np.squeeze(x, along),
        "torch.squeeze({x}, {along})",
        "ops.squeeze({x}, {along})",
        along=axis(),
    ),
    moved(
        complex_unsqueeze,
        lambda x, *, along: np.expand_dims(x, along),
        "torch.unsqueeze({x}, {along})",
        along=axis(extra=1),
    ),
    moved(
        complex_select,
        lambda x, *, along, position: np.take(x, position, along),
        "torch.select({x}, {along}, {position})",
        along=axis(),
        position=size(0, 8),
    ),
    moved(complex_flatten, np.ravel, "{x}.reshape(-1)", "ops.reshape({x}, (-1,))"),
    moved(
        complex_split_axis,
        lambda x, *, along, first: x.reshape(_parted(x.shape, along, first)),
        lambda x, along, first: f"{x}.view({_parted(x.shape, along, first)})",
        lambda x, along, first: f"ops.reshape({x}, {_parted(x.shape, along, first)})",
        along=axis(),
        first=size(1, 8),
    ),
    moved(
        complex_expand,
        lambda x, *, count: np.broadcast_to(x, (count, *x.shape)),
        lambda x, count: f"{x}.expand({(count, *x.shape)})",
        count=size(1, 5),
    ),
]


@operator(
    variadic("xs", (2, 3), rank=range(1, 5)),
    attrs={"along": axis("xs")},
    dtypes=COMPLEX,
    reference=lambda *xs, along: np.concatenate(xs, along),
    torch="torch.cat([{xs}], dim={along})",
    keras="ops.concatenate([{xs}], axis={along})",
)
def complex_concatenate(require: Require, *xs: Tensor, along: int) -> Shape:
    """Tensors joined along an axis."""
    at, first = along % xs[0].rank, xs[0]
    for other in xs[1:]:
        require(other.rank == first.rank, "the ranks are equal")
        for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)):
            require(i == at or a == b, "the other sizes are equal")
    return tuple(sum((x.shape[at] for x in xs[1:]), s) if i == at else s for i, s in enumerate(first.shape))


@operator(
    variadic("xs", (2, 3), rank=range(5)),
    attrs={"along": axis("xs", extra=1)},
    dtypes=COMPLEX,
    reference=lambda *xs, along: np.stack(xs, along),
    torch="torch.stack([{xs}], dim={along})",
    keras="ops.stack([{xs}], axis={along})",
)
def complex_stack(require: Require, *xs: Tensor, along: int) -> Shape:
    """Tensors joined along a new axis."""
    at, first = along % (xs[0].rank + 1), xs[0]
    for other in xs[1:]:
        require(other.rank == first.rank, "the ranks are equal")
        for a, b in zip(first.shape, other.shape, strict=True):
            require(a == b, "the sizes are equal")
    return (*first.shape[:at], len(xs), *first.shape[at:])


@operator(
    tensor("x", rank=range(2, 5)),
    tensor("y", rank=range(2, 5)),
    dtypes=COMPLEX,
    reference=lambda x, y: wide(x) @ wide(y),
    torch="torch.matmul({x}, {y})",
    keras="ops.matmul({x}, {y})",
)
def complex_matmul(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The matrix products along the last two axes, the others broadcast."""
    require(x.shape[-1] == y.shape[-2], "the inner sizes are equal")
    return (*broadcast(require, x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])


def _joined(name: str) -> Operator:
    """torch.cat by another name, which the exporter keeps apart."""
    return msgspec.structs.replace(
        complex_concatenate,
        name=f"complex_{name}_alias",
        emissions={"torch": emission(f"torch.{name}([{{xs}}], dim={{along}})")},
    )


def _complex_convolution(axes: int) -> Operator:
    """A convolution of complex numbers, channels before space."""
    name = f"complex_conv_{axes}d"

    def rule(require: Require, x: Tensor, kernel: Tensor, *, stride: int, padding: int) -> Shape:
        batch, channels, *space = x.shape
        filters, inner, *sizes = kernel.shape
        require(channels == inner, "the kernel has as many channels as the input")
        for length, k in zip(space, sizes, strict=True):
            require(k <= length + 2 * padding, "the kernel is no larger than the padded input")
        made = ((s + 2 * padding - k) // stride + 1 for s, k in zip(space, sizes, strict=True))
        return (batch, filters, *made)

    def reference(x: Array, kernel: Array, *, stride: int, padding: int) -> Array:
        padded = np.pad(wide(x), [(0, 0), (0, 0), *[(padding, padding)] * axes])
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], tuple(range(2, 2 + axes)))
        strided = windows[(slice(None), slice(None), *[slice(None, None, stride)] * axes)]
        ends = tuple(range(-axes, 0))
        return np.moveaxis(np.tensordot(strided, wide(kernel), ((1, *ends), (1, *ends))), -1, 1)

    return operator(
        tensor("x", rank=axes + 2),
        weight("kernel", rank=axes + 2),
        attrs={"stride": size(1, 3), "padding": size(0, 2)},
        dtypes=COMPLEX,
        reference=reference,
        torch=f"F.conv{axes}d({{x}}, {{kernel}}, stride={{stride}}, padding={{padding}})",
    )(named(name, f"A {axes}-dimensional convolution of complex numbers.", rule))


OPERATORS: Sequence[Operator] = [
    *MOVES,
    complex_concatenate,
    _joined("concat"),
    _joined("concatenate"),
    complex_stack,
    complex_matmul,
    *map(_complex_convolution, (1, 2, 3)),
]
