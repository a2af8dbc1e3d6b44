"""Operators that keep the elements in their order, or reorder whole axes: the same elements in another shape."""

from __future__ import annotations

import random
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
    choice,
    emission,
    on_special,
    operator,
    permutation,
    prod,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array
from operators.spelling import Proposal, everywhere, keras_layer, known


def _factors(rng: random.Random, total: int, count: int) -> tuple[int, ...]:
    """`count` sizes with this product: each prime factor goes to one of them."""
    made = [1] * count
    prime = 2
    while total > 1:
        while total % prime:
            prime = prime + 1 if prime * prime <= total else total
        made[rng.randrange(count)] *= prime
        total //= prime
    return tuple(made)


def _propose_reshape(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    sizes = known(operands[0].shape)
    if sizes is None or not (attrs["shape"] or prod(sizes) == 1) or 0 in sizes:
        return attrs
    return {**attrs, "shape": _factors(rng, int(np.prod(sizes)), len(attrs["shape"]))}


@operator(
    tensor("x"),
    attrs={"shape": sizes(0, 4096, count=range(7))},
    dtypes=ANY,
    empty=True,
    reference=lambda x, shape: x.reshape(shape),
    propose=_propose_reshape,
    torch="torch.reshape({x}, {shape})",
    keras="ops.reshape({x}, {shape})",
)
def reshape(require: Require, x: Tensor, *, shape: Sequence[Size]) -> Shape:
    """The same elements, in row-major order, in another shape."""
    require(prod(shape) == prod(x.shape), "the element counts are equal")
    return tuple(shape)


# PyTorch's view() wants its elements in order in memory, which an operand drawn at random need not have.
view = spelled(reshape, "view", torch="{x}.contiguous().view({shape})")


def _with_hole(others: Sequence[int], hole: int) -> tuple[int, ...]:
    return (*others[:hole], -1, *others[hole:])


def _propose_inferred(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    sizes = known(operands[0].shape)
    if sizes is None or 0 in sizes:
        return attrs
    shape = _factors(rng, int(np.prod(sizes)), len(attrs["others"]) + 1)
    return attrs if any(s > 64 for s in shape[1:]) else {**attrs, "others": shape[1:]}


@operator(
    tensor("x"),
    attrs={"others": sizes(1, 64, count=range(6)), "hole": choice(0, 1, 2, 3, 4, 5)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, others, hole: x.reshape(_with_hole(others, hole)),
    propose=_propose_inferred,
    torch=lambda x, others, hole: f"torch.reshape({x}, {_with_hole(others, hole)})",
    keras=lambda x, others, hole: f"ops.reshape({x}, {_with_hole(others, hole)})",
)
def reshape_inferred(require: Require, x: Tensor, *, others: Sequence[Size], hole: int) -> Shape:
    """The same elements in a shape in which one size, written -1, follows from the others."""
    require(hole <= len(others), "the unknown axis is one of the shape's")
    rest = prod(others)
    require(prod(x.shape) % rest == 0, "the other sizes divide the element count")
    return (*others[:hole], prod(x.shape) // rest, *others[hole:])


def _reordered(require: Require, x: Tensor, y: Tensor, order: Sequence[int]) -> Shape:
    require(x.rank == y.rank, "the ranks are equal")
    for made, source in zip(y.shape, order, strict=True):
        require(made == x.shape[source], "the shape is that of the first operand with its axes in another order")
    return y.shape


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("y", rank=range(1, 7)),
    attrs={"order": permutation()},
    dtypes=ANY,
    reference=lambda x, y, order: x.reshape(y.shape),
    torch=lambda x, y, order: f"{x}.reshape_as({y})",
)
def reshape_as(require: Require, x: Tensor, y: Tensor, *, order: Sequence[int]) -> Shape:
    """The same elements in the shape of another tensor: one with the sizes of x in another order."""
    return _reordered(require, x, y, order)


view_as = spelled(reshape_as, "view_as", torch=lambda x, y, order: f"{x}.contiguous().view_as({y})")


def _flat(x: Tensor, start: int, end: int) -> Shape:
    first, last = start % x.rank, end % x.rank
    return (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"start": axis(), "end": axis()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, start, end: x.reshape(_flat(x_of(x), start, end)),
    torch="torch.flatten({x}, {start}, {end})",
)
def flatten(require: Require, x: Tensor, *, start: int, end: int) -> Shape:
    """Some neighboring axes, first and last of them named, as one."""
    require(start % x.rank <= end % x.rank, "the first axis is not behind the last")
    return _flat(x, start, end)


def x_of(x: Array) -> Tensor:
    """An array's type, for what a rule and a reference share."""
    return Tensor(str(x.dtype), x.shape)


flatten_layer = spelled(flatten, "flatten_layer", torch=emission("{layer}({x})", layer="nn.Flatten({start}, {end})"))


@operator(
    tensor("x", rank=range(2, 7)),
    dtypes=ANY,
    empty=True,
    reference=lambda x: x.reshape(x.shape[0], int(np.prod(x.shape[1:]))),
    torch=emission("{layer}({x})", layer="nn.Flatten()"),
    keras=keras_layer("layers.Flatten()"),
)
def flatten_rows(require: Require, x: Tensor) -> Shape:
    """All axes but the first as one."""
    return (x.shape[0], prod(x.shape[1:]))


flatten_by_size = spelled(flatten_rows, "flatten_by_size", torch="{x}.reshape({x}.size(0), -1)", empty=False)


@operator(
    tensor("x", rank=range(3, 6)),
    dtypes=ANY,
    empty=True,
    reference=lambda x: np.moveaxis(x, 1, -1).reshape(x.shape[0], int(np.prod(x.shape[1:]))),
    keras=keras_layer('layers.Flatten(data_format="channels_first")'),
)
def flatten_channels_first(require: Require, x: Tensor) -> Shape:
    """All axes but the first as one, the channels, second of them, as the fastest."""
    return (x.shape[0], prod(x.shape[1:]))


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"order": permutation(), "merged": choice(1, 2, 3, 4)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, order, merged: _merged(x.transpose(order), merged),
    keras=lambda x, order, merged: f'ops.rearrange({x}, "{_pattern(order, merged)}")',
)
def rearrange(require: Require, x: Tensor, *, order: Sequence[int], merged: int) -> Shape:
    """The axes in another order, the first few of them as one."""
    require(merged <= x.rank, "there are as many axes as are merged")
    sizes = [x.shape[a] for a in order]
    return (prod(sizes[:merged]), *sizes[merged:])


def _merged(x: Array, count: int) -> Array:
    return x.reshape(int(np.prod(x.shape[:count])), *x.shape[count:])


def _pattern(order: Sequence[int], merged: int) -> str:
    names = [f"a{place}" for place in order]
    return f"{' '.join(sorted(names))} -> ({' '.join(names[:merged])}) {' '.join(names[merged:])}".strip()


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"axis": axis(), "parts": sizes(1, 8, count=(1, 2, 3))},
    dtypes=ANY,
    reference=lambda x, axis, parts: x.reshape(*x.shape[: axis % x.ndim], *parts, *x.shape[axis % x.ndim + 1 :]),
    torch="{x}.unflatten({axis}, {parts})",
)
def unflatten(require: Require, x: Tensor, *, axis: int, parts: Sequence[Size]) -> Shape:
    """One axis as several."""
    place = axis % x.rank
    require(prod(parts) == x.shape[place], "the product of the new sizes is the old one")
    return (*x.shape[:place], *parts, *x.shape[place + 1 :])


unflatten_layer = spelled(
    unflatten, "unflatten_layer", torch=emission("{layer}({x})", layer="nn.Unflatten({axis}, {parts})")
)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"shape": sizes(1, 4096, count=range(1, 6))},
    dtypes=ANY,
    reference=lambda x, shape: x.reshape(x.shape[0], *shape),
    propose=lambda rng, operands, attrs: _propose_rows(rng, operands, attrs),
    torch=lambda x, shape: f"{x}.contiguous().view({x}.size(0), {', '.join(map(str, shape))})",
    keras=keras_layer("layers.Reshape({shape})"),
)
def reshape_rows(require: Require, x: Tensor, *, shape: Sequence[Size]) -> Shape:
    """All axes but the first in another shape."""
    require(prod(shape) == prod(x.shape[1:]), "the element counts of a row are equal")
    return (x.shape[0], *shape)


def _propose_rows(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    sizes = known(operands[0].shape)
    if sizes is None or 0 in sizes:
        return attrs
    return {**attrs, "shape": _factors(rng, int(np.prod(sizes[1:])), len(attrs["shape"]))}


@operator(
    tensor("x"),
    dtypes=ANY,
    empty=True,
    reference=np.ravel,
    torch="torch.ravel({x})",
    keras="ops.ravel({x})",
)
def ravel(require: Require, x: Tensor) -> Shape:
    """All axes as one."""
    return (prod(x.shape),)


OPERATORS: Sequence[Operator] = [
    on_special(everywhere(op))
    for op in (
        reshape,
        view,
        reshape_inferred,
        reshape_as,
        view_as,
        flatten,
        flatten_layer,
        flatten_rows,
        flatten_by_size,
        flatten_channels_first,
        rearrange,
        unflatten,
        unflatten_layer,
        reshape_rows,
        ravel,
    )
]
