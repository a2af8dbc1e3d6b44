"""Operators that cut a tensor into several along one axis."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    ceil_div,
    choice,
    maximum,
    minimum,
    on_special,
    operator,
    size,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array
from operators.spelling import Proposal, everywhere, in_layer


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


def _pieces(x: Tensor, axis: int, lengths: Sequence[Size]) -> list[Shape]:
    place = axis % x.rank
    return [(*x.shape[:place], length, *x.shape[place + 1 :]) for length in lengths]


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "sections": sizes(0, 4096, count=range(2, 5))},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, sections: np.split(x, _ends(sections), axis),
    propose=_propose_split,
    torch="torch.split({x}, {sections}, dim={axis})",
    keras=lambda x, axis, sections: f"ops.split({x}, {_ends(sections)}, axis={axis})",
)
def split(require: Require, x: Tensor, *, axis: int, sections: Sequence[Size]) -> list[Shape]:
    """The tensor cut along one axis into sections of these sizes."""
    require(sum(sections[1:], sections[0]) == x.shape[axis], "the sections cover the axis")
    return _pieces(x, axis, sections)


split_with_sizes = spelled(split, "split_with_sizes", torch="torch.split_with_sizes({x}, {sections}, {axis})")
unsafe_split_with_sizes = spelled(
    split, "unsafe_split_with_sizes", torch="torch.unsafe_split_with_sizes({x}, {sections}, {axis})"
)
split_in_tensorflow = spelled(split, "split_in_tensorflow", keras=in_layer("x", "tf.split(x, {sections}, axis={axis})"))


def _chunked(x: Array, axis: int, length: int) -> list[Array]:
    return np.split(x, range(length, x.shape[axis], length), axis)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "length": size(1, 16), "count": choice(2, 3, 4)},
    dtypes=ANY,
    reference=lambda x, axis, length, count: _chunked(x, axis, length),
    torch="torch.split({x}, {length}, dim={axis})",
)
def split_by_length(require: Require, x: Tensor, *, axis: int, length: Size, count: int) -> list[Shape]:
    """The tensor cut along one axis into sections of one size, the last of which may be smaller."""
    n = x.shape[axis]
    require(ceil_div(n, length) == count, "there are as many sections as told")
    return _pieces(x, axis, [length] * (count - 1) + [n - length * (count - 1)])


unsafe_split = spelled(split_by_length, "unsafe_split", torch="torch.unsafe_split({x}, {length}, {axis})")


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "chunks": choice(2, 3, 4, 5, 6), "count": choice(2, 3, 4, 5)},
    dtypes=ANY,
    reference=lambda x, axis, chunks, count: _chunked(x, axis, -(-x.shape[axis] // chunks)),
    torch="torch.chunk({x}, {chunks}, dim={axis})",
)
def chunk(require: Require, x: Tensor, *, axis: int, chunks: int, count: int) -> list[Shape]:
    """The tensor cut along one axis into at most so many sections, of one size but for the last."""
    n = x.shape[axis]
    length = ceil_div(n, chunks)
    require(ceil_div(n, maximum(length, 1)) == count, "there are as many sections as told")
    return _pieces(x, axis, [length] * (count - 1) + [n - length * (count - 1)])


unsafe_chunk = spelled(chunk, "unsafe_chunk", torch="torch.unsafe_chunk({x}, {chunks}, {axis})")


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "count": choice(2, 3, 4, 5)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, count: np.array_split(x, count, axis),
    torch="torch.tensor_split({x}, {count}, dim={axis})",
    keras="ops.array_split({x}, {count}, axis={axis})",
)
def array_split(require: Require, x: Tensor, *, axis: int, count: int) -> list[Shape]:
    """The tensor cut along one axis into so many sections, sizes of which differ by one at most."""
    n = x.shape[axis]
    return _pieces(x, axis, [(n + count - 1 - i) // count for i in range(count)])


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "ends": sizes(0, 12, count=(1, 2, 3))},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, ends: np.array_split(x, ends, axis),
    torch="torch.tensor_split({x}, {ends}, dim={axis})",
)
def tensor_split(require: Require, x: Tensor, *, axis: int, ends: Sequence[Size]) -> list[Shape]:
    """The tensor cut along one axis at places, which may lie beyond its end or before one another."""
    n = x.shape[axis]
    bounds = [0, *(minimum(end, n) for end in ends), n]
    return _pieces(x, axis, [maximum(0, b - a) for a, b in pairwise(bounds)])


def _equal_parts(name: str, doc: str, axis: int, least: int) -> Operator:
    @operator(
        tensor("x", rank=range(least, 6)),
        attrs={"count": choice(2, 3, 4)},
        dtypes=ANY,
        empty=True,
        reference=lambda x, count: np.split(x, count, min(axis, x.ndim - 1)),
        torch=f"torch.{name}({{x}}, {{count}})",
        keras=f"ops.{name}({{x}}, {{count}})",
    )
    def cut(require: Require, x: Tensor, *, count: int) -> list[Shape]:
        """Cut."""
        place = min(axis, x.rank - 1)
        require(x.shape[place] % count == 0, "the sections are of one size")
        return _pieces(x, place, [x.shape[place] // count] * count)

    return msgspec.structs.replace(cut, name=name, doc=doc)


PARTS = [
    _equal_parts("hsplit", "Equal sections of the second axis, the first of vectors.", 1, 1),
    _equal_parts("vsplit", "Equal sections of the first axis.", 0, 2),
    _equal_parts("dsplit", "Equal sections of the third axis.", 2, 3),
]


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "count": choice(2, 3, 4, 5)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, count: np.split(x, count, axis),
    keras="ops.split({x}, {count}, axis={axis})",
)
def split_equally(require: Require, x: Tensor, *, axis: int, count: int) -> list[Shape]:
    """Equal sections of one axis."""
    require(x.shape[axis] % count == 0, "the sections are of one size")
    return _pieces(x, axis, [x.shape[axis] // count] * count)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "count": choice(2, 3, 4, 5)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, count: list(np.moveaxis(x, axis, 0)),
    torch="torch.unbind({x}, {axis})",
    keras="ops.unstack({x}, {count}, axis={axis})",
)
def unstack(require: Require, x: Tensor, *, axis: int, count: int) -> list[Shape]:
    """The entries of one axis, each as an output."""
    place = axis % x.rank
    require(x.shape[place] == count, "there are as many entries as told")
    return [(*x.shape[:place], *x.shape[place + 1 :])] * count


OPERATORS: Sequence[Operator] = [
    on_special(everywhere(op))
    for op in (
        split,
        split_with_sizes,
        unsafe_split_with_sizes,
        split_in_tensorflow,
        split_by_length,
        unsafe_split,
        chunk,
        unsafe_chunk,
        array_split,
        tensor_split,
        *PARTS,
        split_equally,
        unstack,
    )
]
