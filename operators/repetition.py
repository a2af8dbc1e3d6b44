"""Operators that repeat elements: stretched along axes, tiled, or each several times."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    broadcast,
    choice,
    either,
    emission,
    on_special,
    operator,
    prod,
    sizes,
    spelled,
    tensor,
    variadic,
)
from operators.spelling import Proposal, everywhere, keras_layer, known


def _propose_broadcast(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    """The operand's own shape, with new axes before it and its ones stretched as drawn."""
    old, drawn = known(operands[0].shape), list(attrs["shape"])
    if old is None:
        return attrs
    while len(drawn) < len(old):
        drawn.append(rng.randint(1, 4))
    new = len(drawn) - len(old)
    stretched = [d if k == 1 else k for d, k in zip(drawn[new:], old, strict=True)]
    return {**attrs, "shape": (*drawn[:new], *stretched)}


@operator(
    tensor("x"),
    attrs={"shape": sizes(0, 4096, count=range(7))},
    dtypes=ANY,
    empty=True,
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


_TILED = [d for d in ANY if d != "uint16"]  # TensorFlow's Tile has no kernel for it


def _kept(x: Operand, shape: Sequence[int]) -> list[int]:
    """The shape with -1 for what remains as it is, as people write it."""
    new = len(shape) - x.rank
    return [-1 if place >= new and x.shape[place - new] == s else s for place, s in enumerate(shape)]


expand = spelled(
    broadcast_to, "expand", torch=lambda x, shape: f"{x}.expand({', '.join(map(str, _kept(x, shape))) or '()'})"
)


@operator(
    tensor("x"),
    tensor("y", "U"),
    dtypes={"T": ANY, "U": ANY},
    empty=True,
    reference=lambda x, y: np.broadcast_to(x, y.shape),
    torch="{x}.expand_as({y})",
)
def expand_as(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The first operand stretched to the shape of the second."""
    require(x.rank <= y.rank, "the second operand has at least as many axes")
    for old, new in zip(x.shape, y.shape[y.rank - x.rank :], strict=True):
        require(either(old == new, old == 1), "only sizes of one are stretched")
    return y.shape


@operator(
    variadic("xs", (2, 3), rank=range(7)),
    dtypes=ANY,
    empty=True,
    reference=np.broadcast_arrays,
    torch="torch.broadcast_tensors({xs})",
)
def broadcast_tensors(require: Require, *xs: Tensor) -> list[Shape]:
    """Each operand stretched to the shape that all have in common."""
    return [broadcast(require, *(x.shape for x in xs))] * len(xs)


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"repeats": sizes(1, 3, per="x")},
    dtypes=ANY,
    empty=True,
    reference=lambda x, repeats: np.tile(x, repeats),
    torch="torch.tile({x}, {repeats})",
    keras=emission("ops.tile({x}, {repeats})", dtypes=_TILED),
)
def tile(require: Require, x: Tensor, *, repeats: Sequence[Size]) -> Shape:
    """Copies of the whole, side by side along each axis."""
    return tuple(n * r for n, r in zip(x.shape, repeats, strict=True))


def _tiled(x: Tensor, repeats: Sequence[Size]) -> Shape:
    rank = max(x.rank, len(repeats))
    shape = (1,) * (rank - x.rank) + tuple(x.shape)
    counts = (1,) * (rank - len(repeats)) + tuple(repeats)
    return tuple(n * r for n, r in zip(shape, counts, strict=True))


@operator(
    tensor("x", rank=range(6)),
    attrs={"repeats": sizes(0, 3, count=range(7))},
    dtypes=ANY,
    empty=True,
    reference=lambda x, repeats: np.tile(x, repeats),
    torch="torch.tile({x}, {repeats})",
    keras=emission("ops.tile({x}, {repeats})", dtypes=_TILED),
)
def tile_any(require: Require, x: Tensor, *, repeats: Sequence[Size]) -> Shape:
    """Copies of the whole, with fewer or more counts than there are axes: both are aligned at their ends."""
    return _tiled(x, repeats)


@operator(
    tensor("x", rank=range(6)),
    attrs={"repeats": sizes(0, 3, per="x", extra=1)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, repeats: np.tile(x, repeats),
    torch="{x}.repeat({repeats})",
)
def repeat(require: Require, x: Tensor, *, repeats: Sequence[Size]) -> Shape:
    """Copies of the whole, along a new axis and all others."""
    return _tiled(x, repeats)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "count": choice(1, 2, 3)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, count: np.repeat(x, count, axis),
    torch="torch.repeat_interleave({x}, {count}, dim={axis})",
    keras="ops.repeat({x}, {count}, axis={axis})",
)
def repeat_interleave(require: Require, x: Tensor, *, axis: int, count: int) -> Shape:
    """Each entry of an axis several times in a row."""
    place = axis % x.rank
    return (*x.shape[:place], x.shape[place] * count, *x.shape[place + 1 :])


@operator(
    tensor("x"),
    attrs={"count": choice(1, 2, 3)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, count: np.repeat(x, count),
    torch="torch.repeat_interleave({x}, {count})",
    keras="ops.repeat({x}, {count})",
)
def repeat_elements(require: Require, x: Tensor, *, count: int) -> Shape:
    """Each element several times in a row, all axes as one."""
    return (prod(x.shape) * count,)


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"axis": axis(), "counts": sizes(0, 3, count=range(1, 7))},
    dtypes=ANY,
    reference=lambda x, axis, counts: np.repeat(x, counts, axis),
    torch=lambda x, axis, counts: (
        f"torch.repeat_interleave({x}, torch.tensor({list(counts)}), dim={axis}, output_size={sum(counts)})"
    ),
    keras="ops.repeat({x}, {counts}, axis={axis})",
)
def repeat_each(require: Require, x: Tensor, *, axis: int, counts: Sequence[Size]) -> Shape:
    """Each entry of an axis as often as its own count says."""
    place = axis % x.rank
    require(x.shape[place] == len(counts), "there is a count for each entry")
    total = sum(counts[1:], counts[0])
    return (*x.shape[:place], total, *x.shape[place + 1 :])


@operator(
    tensor("x", rank=2),
    attrs={"count": choice(1, 2, 3, 5)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, count: np.repeat(x[:, None], count, 1),
    keras=keras_layer("layers.RepeatVector({count})", typed=True, dtypes=[d for d in ANY if d != "int8"]),
)
def repeat_vector(require: Require, x: Tensor, *, count: int) -> Shape:
    """Each row several times, along a new second axis."""
    return (x.shape[0], count, x.shape[1])


OPERATORS: Sequence[Operator] = [
    on_special(everywhere(op))
    for op in (
        broadcast_to,
        expand,
        expand_as,
        broadcast_tensors,
        tile,
        tile_any,
        repeat,
        repeat_interleave,
        repeat_elements,
        repeat_vector,
    )
] + [on_special(everywhere(repeat_each, "keras"))]
