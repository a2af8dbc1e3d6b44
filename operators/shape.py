"""Operators that move elements about and leave their values alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axes,
    axis,
    choice,
    choose,
    either,
    maximum,
    minimum,
    operator,
    permutation,
    prod,
    size,
    sizes,
    tensor,
    variadic,
)

Proposal = Mapping[str, Any]


def _known(shape: Sequence[Size]) -> list[int] | None:
    """The sizes as numbers, where all of them are."""
    numbers = [s for s in shape if isinstance(s, int)]
    return numbers if len(numbers) == len(shape) else None


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
    known = _known(operands[0].shape)
    if known is None or (not attrs["shape"] and prod(known) != 1):
        return attrs
    return {**attrs, "shape": _factors(rng, int(np.prod(known)), len(attrs["shape"]))}


@operator(
    tensor("x"),
    attrs={"shape": sizes(1, 4096, count=range(7))},
    dtypes=ANY,
    reference=lambda x, shape: x.reshape(shape),
    propose=_propose_reshape,
    torch="torch.reshape({x}, {shape})",
    keras="ops.reshape({x}, {shape})",
)
def reshape(require: Require, x: Tensor, *, shape: Sequence[Size]) -> Shape:
    """The same elements, in row-major order, in another shape."""
    require(prod(shape) == prod(x.shape), "the element counts are equal")
    return tuple(shape)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"order": permutation()},
    dtypes=ANY,
    reference=lambda x, order: x.transpose(order),
    torch="torch.permute({x}, {order})",
    keras="ops.transpose({x}, {order})",
)
def transpose(require: Require, x: Tensor, *, order: Sequence[int]) -> Shape:
    """The axes in another order."""
    return tuple(x.shape[a] for a in order)


def _propose_squeeze(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    ones = [i for i, s in enumerate(operands[0].shape) if isinstance(s, int) and s == 1]
    return {**attrs, "axis": rng.choice(ones) - operands[0].rank * rng.randrange(2)} if ones else attrs


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=ANY,
    reference=lambda x, axis: np.squeeze(x, axis),
    propose=_propose_squeeze,
    torch="torch.squeeze({x}, {axis})",
    keras="ops.squeeze({x}, {axis})",
)
def squeeze(require: Require, x: Tensor, *, axis: int) -> Shape:
    """One axis of size one taken away."""
    # Only Keras asks for it: PyTorch leaves an axis of any other size as it is.
    require(x.shape[axis] == 1, "the axis has one entry")
    gone = axis % x.rank
    return (*x.shape[:gone], *x.shape[gone + 1 :])


@operator(
    tensor("x", rank=range(6)),
    attrs={"axis": axis(extra=1)},
    dtypes=ANY,
    reference=lambda x, axis: np.expand_dims(x, axis),
    torch="torch.unsqueeze({x}, {axis})",
    keras="ops.expand_dims({x}, {axis})",
)
def unsqueeze(require: Require, x: Tensor, *, axis: int) -> Shape:
    """A new axis of size one."""
    place = axis % (x.rank + 1)
    return (*x.shape[:place], 1, *x.shape[place:])


def _propose_broadcast(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    """The operand's own shape, with new axes before it and its ones stretched as drawn."""
    known, drawn = _known(operands[0].shape), list(attrs["shape"])
    if known is None:
        return attrs
    while len(drawn) < len(known):
        drawn.append(rng.randint(1, 4))
    new = len(drawn) - len(known)
    stretched = [d if k == 1 else k for d, k in zip(drawn[new:], known, strict=True)]
    return {**attrs, "shape": (*drawn[:new], *stretched)}


@operator(
    tensor("x"),
    attrs={"shape": sizes(1, 4096, count=range(7))},
    dtypes=ANY,
    reference=lambda x, shape: np.broadcast_to(x, shape),
    propose=_propose_broadcast,
    torch="torch.broadcast_to({x}, {shape})",
    keras="ops.broadcast_to({x}, {shape})",
)
def broadcast_to(require: Require, x: Tensor, *, shape: Sequence[Size]) -> Shape:
    """Axes of size one, and new ones in front, stretched to a shape."""
    require(len(shape) >= x.rank, "the shape has at least as many axes")
    for old, new in zip(x.shape, shape[len(shape) - x.rank :], strict=True):
        require(either(old == new, old == 1), "only sizes of one are stretched")
    return tuple(shape)


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"repeats": sizes(1, 3, per="x")},
    dtypes=ANY,
    reference=lambda x, repeats: np.tile(x, repeats),
    torch="torch.tile({x}, {repeats})",
    keras="ops.tile({x}, {repeats})",
)
def tile(require: Require, x: Tensor, *, repeats: Sequence[Size]) -> Shape:
    """Copies of the whole, side by side along each axis."""
    return tuple(n * r for n, r in zip(x.shape, repeats, strict=True))


@operator(
    variadic("xs", range(1, 6), rank=range(1, 7)),
    attrs={"axis": axis("xs")},
    dtypes=ANY,
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    torch="torch.cat([{xs}], dim={axis})",
    keras="ops.concatenate([{xs}], axis={axis})",
)
def concat(require: Require, *xs: Tensor, axis: int) -> Shape:
    """Tensors end to end along one axis."""
    first = xs[0]
    joined = axis % first.rank
    for x in xs[1:]:
        require(x.rank == first.rank, "the ranks are equal")
        for i, (a, b) in enumerate(zip(first.shape, x.shape, strict=True)):
            require(i == joined or a == b, "sizes beside the joined axis are equal")
    total = sum((x.shape[joined] for x in xs[1:]), first.shape[joined])
    return (*first.shape[:joined], total, *first.shape[joined + 1 :])


@operator(
    variadic("xs", range(1, 5), rank=range(6)),
    attrs={"axis": axis("xs", extra=1)},
    dtypes=ANY,
    reference=lambda *xs, axis: np.stack(xs, axis),
    torch="torch.stack([{xs}], dim={axis})",
    keras="ops.stack([{xs}], axis={axis})",
)
def stack(require: Require, *xs: Tensor, axis: int) -> Shape:
    """Tensors of one shape along a new axis."""
    first = xs[0]
    for x in xs[1:]:
        require(x.rank == first.rank, "the ranks are equal")
        for a, b in zip(first.shape, x.shape, strict=True):
            require(a == b, "the shapes are equal")
    place = axis % (first.rank + 1)
    return (*first.shape[:place], len(xs), *first.shape[place:])


def _ends(sections: Sequence[int]) -> list[int]:
    """Where all sections but the last end."""
    return [sum(sections[: i + 1]) for i in range(len(sections) - 1)]


def _propose_split(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    """The axis cut at random places into as many sections as were drawn."""
    length, count = operands[0].shape[attrs["axis"]], len(attrs["sections"])
    if not isinstance(length, int) or length < count:
        return attrs
    cuts = [0, *sorted(rng.sample(range(1, length), count - 1)), length]
    return {**attrs, "sections": tuple(b - a for a, b in pairwise(cuts))}


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "sections": sizes(1, 4096, count=range(2, 5))},
    dtypes=ANY,
    reference=lambda x, axis, sections: np.split(x, _ends(sections), axis),
    propose=_propose_split,
    torch="torch.split({x}, {sections}, dim={axis})",
    keras=lambda x, axis, sections: f"ops.split({x}, {_ends(sections)}, axis={axis})",
)
def split(require: Require, x: Tensor, *, axis: int, sections: Sequence[Size]) -> list[Shape]:
    """The tensor cut along one axis into sections of these sizes."""
    cut = axis % x.rank
    require(sum(sections[1:], sections[0]) == x.shape[cut], "the sections cover the axis")
    return [(*x.shape[:cut], s, *x.shape[cut + 1 :]) for s in sections]


def _pairs(before: Sequence[int], after: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(before, after, strict=True))


def _literal(x: Operand, value: int) -> int | bool:
    """The value as TensorFlow wants it written: it makes no bool of an integer."""
    return bool(value) if x.dtype == "bool" else value


def _torch_pad(x: Operand, before: Sequence[int], after: Sequence[int], value: int) -> str:
    """PyTorch's order: the last axis first, before and after it."""
    flat = [p for pair in reversed(_pairs(before, after)) for p in pair]
    return f"F.pad({x}, {flat}, value={_literal(x, value)})"


def _keras_pad(x: Operand, before: Sequence[int], after: Sequence[int], value: int) -> str:
    return f"ops.pad({x}, {_pairs(before, after)}, constant_values={_literal(x, value)})"


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"before": sizes(0, 3, per="x"), "after": sizes(0, 3, per="x"), "value": choice(0, 1, 3)},
    dtypes=ANY,
    reference=lambda x, before, after, value: np.pad(x, _pairs(before, after), constant_values=value),
    torch=_torch_pad,
    keras=_keras_pad,
)
def pad(require: Require, x: Tensor, *, before: Sequence[Size], after: Sequence[Size], value: int) -> Shape:
    """A border of one value around all axes."""
    return tuple(b + n + a for n, b, a in zip(x.shape, before, after, strict=True))


def _inside(place: Size, n: Size) -> Size:
    """A place counted from the start (from the end, where negative), brought into [0, n]."""
    return choose(place < 0, maximum(place + n, 0), minimum(place, n))


def _subscript(x: str, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> str:
    """One slice an axis; the comma behind each makes a tuple of a single one, which Keras' symbolic tensors need."""
    return f"{x}[{' '.join(f'{a}:{b}:{c},' for a, b, c in zip(starts, stops, steps, strict=True))}]"


def _propose_slice(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    """Places in order; some of them counted from the end, some stops beyond it."""
    known = _known(operands[0].shape)
    if known is None:
        return attrs
    starts = [rng.randrange(min(n, 16)) for n in known]
    stops = [min(rng.randint(a + 1, n + 1), 16) for a, n in zip(starts, known, strict=True)]
    return {
        **attrs,
        "starts": tuple(
            a - n if a - n >= -16 and rng.random() < 0.3 else a for a, n in zip(starts, known, strict=True)
        ),
        "stops": tuple(
            b - n if -16 <= b - n < 0 and rng.random() < 0.3 else b for b, n in zip(stops, known, strict=True)
        ),
    }


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={
        "starts": sizes(-16, 16, per="x"),
        "stops": sizes(-16, 16, per="x"),
        "steps": sizes(1, 3, per="x"),
    },
    dtypes=ANY,
    reference=lambda x, starts, stops, steps: x[tuple(map(slice, starts, stops, steps))],
    propose=_propose_slice,
    torch=_subscript,
    keras=_subscript,
)
def strided_slice(
    require: Require, x: Tensor, *, starts: Sequence[Size], stops: Sequence[Size], steps: Sequence[Size]
) -> Shape:
    """Every step-th entry from start to stop of every axis, as Python slices a sequence."""
    made: list[Size] = []
    for n, start, stop, step in zip(x.shape, starts, stops, steps, strict=True):
        room = _inside(stop, n) - _inside(start, n)
        made.append(maximum(0, (room + step - 1) // step))
    return tuple(made)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axes": axes()},
    dtypes=ANY,
    reference=lambda x, axes: np.flip(x, axes),
    torch="torch.flip({x}, {axes})",
    keras="ops.flip({x}, {axes})",
)
def flip(require: Require, x: Tensor, *, axes: Sequence[int]) -> Shape:
    """The entries of some axes in reverse."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"shift": size(-5, 5), "axis": axis()},
    dtypes=ANY,
    reference=lambda x, shift, axis: np.roll(x, shift, axis),
    torch="torch.roll({x}, {shift}, {axis})",
    keras="ops.roll({x}, {shift}, {axis})",
)
def roll(require: Require, x: Tensor, *, shift: Size, axis: int) -> Shape:
    """The entries of one axis moved along, those at its end to its start."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    reshape,
    transpose,
    squeeze,
    unsqueeze,
    broadcast_to,
    tile,
    concat,
    stack,
    split,
    pad,
    strided_slice,
    flip,
    roll,
]
