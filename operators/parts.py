"""Operators that put values into a regular part of a tensor: an entry, a slice, a diagonal, a block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    both,
    choice,
    choose,
    either,
    emission,
    maximum,
    minimum,
    on_special,
    operator,
    size,
    sizes,
    tensor,
)
from operators.precision import Array
from operators.scatter import copied
from operators.spelling import Pair


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("source", rank=range(5)),
    attrs={"axis": axis(), "place": size(-6, 6)},
    dtypes=ANY,
    reference=lambda x, source, axis, place: copied(x, np.asarray([place]), np.expand_dims(source, axis), axis=axis),
    torch="torch.select_scatter({x}, {source}, {axis}, {place})",
)
def select_scatter(require: Require, x: Tensor, source: Tensor, *, axis: int, place: Size) -> Shape:
    """A slice put in the place of one entry of an axis."""
    at = axis % x.rank
    require(source.rank == x.rank - 1, "the slice lacks the axis")
    for a, b in zip((*x.shape[:at], *x.shape[at + 1 :]), source.shape, strict=True):
        require(a == b, "the slice has the sizes of the others")
    require(both(-x.shape[at] <= place, place < x.shape[at]), "the index lies on its axis")
    return x.shape


def _inside(place: Size, n: Size) -> Size:
    return choose(place < 0, maximum(place + n, 0), minimum(place, n))


def _slice_assigned(x: Array, source: Array, *, axis: int, start: int, stop: int, step: int) -> Array:
    made = x.copy()
    made[(*(slice(None),) * (axis % x.ndim), slice(start, stop, step))] = source
    return made


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("source", rank=range(1, 5)),
    attrs={"axis": axis(), "start": size(-6, 6), "stop": size(-6, 9), "step": choice(1, 2, 3)},
    dtypes=ANY,
    reference=_slice_assigned,
    torch="torch.slice_scatter({x}, {source}, {axis}, {start}, {stop}, {step})",
)
def slice_scatter(
    require: Require, x: Tensor, source: Tensor, *, axis: int, start: Size, stop: Size, step: int
) -> Shape:
    """Values put in the place of every step-th entry of an axis, from start to stop."""
    require(source.rank == x.rank, "the ranks are equal")
    place = axis % x.rank
    n = x.shape[place]
    length = (_inside(stop, n) - _inside(start, n) + step - 1) // step
    require(length >= 1, "the slice has entries")
    for at, (a, b) in enumerate(zip(x.shape, source.shape, strict=True)):
        require(b == (length if at == place else a), "the source has the slice's shape")
    return x.shape


_SLICED = """
def assign_slice(x, source, axis, start, stop, step):
    y = x.clone()
    y[(slice(None),) * axis + (slice(start, stop, step),)] = source
    return y
"""


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("source", rank=range(1, 5)),
    attrs={"axis": axis(), "start": size(-6, 6), "stop": size(-6, 9), "step": choice(1, 2, 3)},
    dtypes=ANY,
    reference=_slice_assigned,
    torch=emission(
        lambda x, source, axis, start, stop, step: (
            f"assign_slice({x}, {source}, {axis % x.rank}, {start}, {stop}, {step})"
        ),
        helper=_SLICED,
    ),
)
def assign_slice(
    require: Require, x: Tensor, source: Tensor, *, axis: int, start: Size, stop: Size, step: int
) -> Shape:
    """Values assigned, in a copy, to every step-th entry of an axis; they are stretched to the slice."""
    require(source.rank == x.rank, "the ranks are equal")
    place = axis % x.rank
    n = x.shape[place]
    length = maximum(0, (_inside(stop, n) - _inside(start, n) + step - 1) // step)
    for at, (a, b) in enumerate(zip(x.shape, source.shape, strict=True)):
        require(either(b == (length if at == place else a), b == 1), "the source is stretched to the slice")
    return x.shape


def _on_diagonal(x: Array, source: Array, *, offset: int, pair: Sequence[int]) -> Array:
    made = x.copy()
    view = np.moveaxis(made, pair, (-2, -1))
    places = np.arange(source.shape[-1])
    view[..., places + max(-offset, 0), places + max(offset, 0)] = source
    return made


@operator(
    tensor("x", rank=(2, 3, 4)),
    tensor("source", rank=(1, 2, 3)),
    attrs={"offset": choice(0, 1, -1, 2), "pair": Pair()},
    dtypes=ANY,
    reference=_on_diagonal,
    torch="torch.diagonal_scatter({x}, {source}, {offset}, {pair[0]}, {pair[1]})",
)
def diagonal_scatter(require: Require, x: Tensor, source: Tensor, *, offset: int, pair: Sequence[int]) -> Shape:
    """Values put in the place of a diagonal of two axes."""
    require(source.rank == x.rank - 1, "the source has one axis less")
    one, other = (a % x.rank for a in pair)
    length = minimum(x.shape[one] + min(offset, 0), x.shape[other] - max(offset, 0))
    require(length >= 1, "the diagonal has entries")
    rest = [n for a, n in enumerate(x.shape) if a not in (one, other)]
    for a, b in zip((*rest, length), source.shape, strict=True):
        require(a == b, "the source has the diagonal's shape")
    return x.shape


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("source", rank=range(1, 5)),
    attrs={"starts": sizes(0, 5, per="x")},
    dtypes=ANY,
    empty=True,
    reference=lambda x, source, starts: _block_put(x, source, starts),
    keras="ops.slice_update({x}, {starts}, {source})",
)
def slice_update(require: Require, x: Tensor, source: Tensor, *, starts: Sequence[Size]) -> Shape:
    """A block put into a tensor, from a start on."""
    require(source.rank == x.rank, "the ranks are equal")
    for n, length in zip(x.shape, source.shape, strict=True):
        require(length <= n, "the block is not larger than the tensor")
    return x.shape


def _block_put(x: Array, source: Array, starts: Sequence[int]) -> Array:
    made = x.copy()
    # A start too far is moved back, as XLA's DynamicUpdateSlice, which Keras calls, says of itself.
    first = [min(a, whole - n) for a, whole, n in zip(starts, x.shape, source.shape, strict=True)]
    made[tuple(slice(a, a + n) for a, n in zip(first, source.shape, strict=True))] = source
    return made


OPERATORS: Sequence[Operator] = [
    on_special(op) for op in (select_scatter, slice_scatter, assign_slice, diagonal_scatter, slice_update)
]
