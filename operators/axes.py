"""Operators that reorder whole axes, and that add or drop axes of size one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    Operator,
    Require,
    Shape,
    Tensor,
    axes,
    axis,
    emission,
    on_special,
    operator,
    permutation,
    spelled,
    tensor,
    variadic,
)
from operators.spelling import Pair, Proposal, everywhere, keras_layer


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"order": permutation()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, order: x.transpose(order),
    torch="torch.permute({x}, {order})",
    keras="ops.transpose({x}, {order})",
)
def transpose(require: Require, x: Tensor, *, order: Sequence[int]) -> Shape:
    """The axes in another order."""
    return tuple(x.shape[a] for a in order)


def _others(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(a for a in order if a)


@operator(
    tensor("x", rank=range(2, 7)),
    attrs={"order": permutation()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, order: x.transpose(0, *_others(order)),
    keras=keras_layer(lambda x, order: f"layers.Permute({_others(order)})"),
)
def permute_rows(require: Require, x: Tensor, *, order: Sequence[int]) -> Shape:
    """All axes but the first in another order."""
    return tuple(x.shape[a] for a in (0, *_others(order)))


@operator(
    tensor("x", rank=range(2, 7)),
    attrs={"pair": Pair()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, pair: np.swapaxes(x, *pair),
    torch="torch.transpose({x}, {pair[0]}, {pair[1]})",
    keras="ops.swapaxes({x}, {pair[0]}, {pair[1]})",
)
def swapaxes(require: Require, x: Tensor, *, pair: Sequence[int]) -> Shape:
    """Two axes exchanged."""
    one, other = pair[0] % x.rank, pair[1] % x.rank
    return tuple(x.shape[other if a == one else one if a == other else a] for a in range(x.rank))


swapdims = spelled(swapaxes, "swapdims", torch="torch.swapdims({x}, {pair[0]}, {pair[1]})")


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"source": axis(), "target": axis()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, source, target: np.moveaxis(x, source, target),
    torch="torch.movedim({x}, {source}, {target})",
    keras="ops.moveaxis({x}, {source}, {target})",
)
def moveaxis(require: Require, x: Tensor, *, source: int, target: int) -> Shape:
    """One axis put elsewhere, the others in their order."""
    rest = [s for a, s in enumerate(x.shape) if a != source % x.rank]
    rest.insert(target % x.rank, x.shape[source])
    return tuple(rest)


@operator(
    tensor("x", rank=range(2, 7)),
    attrs={"sources": Pair(), "targets": Pair()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, sources, targets: np.moveaxis(x, sources, targets),
    torch="torch.moveaxis({x}, {sources}, {targets})",
    keras="ops.moveaxis({x}, {sources}, {targets})",
)
def moveaxis_several(require: Require, x: Tensor, *, sources: Sequence[int], targets: Sequence[int]) -> Shape:
    """Two axes put elsewhere, the others in their order."""
    moved = {t % x.rank: x.shape[s] for s, t in zip(sources, targets, strict=True)}
    gone = {s % x.rank for s in sources}
    rest = iter([s for a, s in enumerate(x.shape) if a not in gone])
    return tuple(moved[a] if a in moved else next(rest) for a in range(x.rank))


@operator(
    tensor("x", rank=range(2, 7)),
    dtypes=ANY,
    empty=True,
    reference=lambda x: np.swapaxes(x, -1, -2),
    torch="{x}.mT",
    keras="ops.swapaxes({x}, -1, -2)",
)
def matrix_transpose(require: Require, x: Tensor) -> Shape:
    """The last two axes exchanged."""
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


adjoint = spelled(matrix_transpose, "adjoint", "The last two axes exchanged (of real numbers).", torch="{x}.mH")


@operator(
    tensor("x"),
    dtypes=ANY,
    empty=True,
    reference=np.transpose,
    torch=lambda x: f"torch.permute({x}, {tuple(reversed(range(x.rank)))})",
    keras="ops.transpose({x})",
)
def transpose_all(require: Require, x: Tensor) -> Shape:
    """The axes in reverse."""
    return tuple(reversed(x.shape))


matrices = (tensor("x", rank=range(3)),)
t = spelled(transpose_all, "t", "A matrix transposed, a vector as it is.", torch="torch.t({x})", parameters=matrices)
big_t = spelled(transpose_all, "big_t", "A matrix transposed.", torch="{x}.T", parameters=(tensor("x", rank=2),))


# Axes of size one


def _propose_squeeze(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    ones = [i for i, s in enumerate(operands[0].shape) if isinstance(s, int) and s == 1]
    return {**attrs, "axis": rng.choice(ones) - operands[0].rank * rng.randrange(2)} if ones else attrs


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=ANY,
    empty=True,
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


def _propose_ones(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    ones = tuple(i for i, s in enumerate(operands[0].shape) if isinstance(s, int) and s == 1)
    return {**attrs, "axes": ones} if ones else attrs


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axes": axes()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axes: np.squeeze(x, axes),
    propose=_propose_ones,
    torch="torch.squeeze({x}, {axes})",
    keras="ops.squeeze({x}, {axes})",
)
def squeeze_several(require: Require, x: Tensor, *, axes: Sequence[int]) -> Shape:
    """Axes of size one taken away."""
    gone = {a % x.rank for a in axes}
    for place in gone:
        require(x.shape[place] == 1, "each axis has one entry")
    return tuple(s for a, s in enumerate(x.shape) if a not in gone)


_SQUEEZED = """
def squeeze_all(x, rank):
    y = {call}(x)
    assert {rank} == rank
    return y
"""


# How many axes are left depends on the sizes, so the emissions make sure of it.
@operator(
    tensor("x", rank=range(7)),
    attrs={"axes": axes(least=0)},
    dtypes=ANY,
    reference=lambda x, axes: np.squeeze(x),
    propose=_propose_ones,
    torch=emission(
        lambda x, axes: f"squeeze_all({x}, {x.rank - len(axes)})",
        helper=_SQUEEZED.format(call="torch.squeeze", rank="y.dim()"),
    ),
    keras=emission(
        lambda x, axes: f"squeeze_all({x}, {x.rank - len(axes)})",
        helper=_SQUEEZED.format(call="ops.squeeze", rank="len(y.shape)"),
    ),
)
def squeeze_all(require: Require, x: Tensor, *, axes: Sequence[int]) -> Shape:
    """All axes of size one taken away: those that the attribute tells, and no other one."""
    gone = {a % x.rank for a in axes}
    for place, s in enumerate(x.shape):
        require(s == 1 if place in gone else s >= 2, "the axes told, and no others, have one entry")
    return tuple(s for a, s in enumerate(x.shape) if a not in gone)


@operator(
    tensor("x", rank=range(6)),
    attrs={"axis": axis(extra=1)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis: np.expand_dims(x, axis),
    torch="torch.unsqueeze({x}, {axis})",
    keras="ops.expand_dims({x}, {axis})",
)
def unsqueeze(require: Require, x: Tensor, *, axis: int) -> Shape:
    """A new axis of size one."""
    place = axis % (x.rank + 1)
    return (*x.shape[:place], 1, *x.shape[place:])


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"pair": Pair(extra=2)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, pair: np.expand_dims(x, pair),
    keras="ops.expand_dims({x}, {pair})",
)
def unsqueeze_several(require: Require, x: Tensor, *, pair: Sequence[int]) -> Shape:
    """Two new axes of size one; their places are counted in the result."""
    new = {a % (x.rank + 2) for a in pair}
    old = iter(x.shape)
    return tuple(1 if a in new else next(old) for a in range(x.rank + 2))


_EQUAL_RANKS = "the ranks are equal"


def _lifting(rank: int) -> Operator:
    def shape(x: Tensor) -> Shape:
        if x.rank >= rank:
            return x.shape
        return {0: (1,) * rank, 1: (1, *x.shape, 1)[:rank], 2: (*x.shape, 1)}[x.rank]

    @operator(
        tensor("x", rank=range(5)),
        dtypes=ANY,
        empty=True,
        reference=(np.atleast_1d, np.atleast_2d, np.atleast_3d)[rank - 1],
        torch=f"torch.atleast_{rank}d({{x}})",
    )
    def lifted(require: Require, x: Tensor) -> Shape:
        """New axes of size one, until there are as many as asked for."""
        return shape(x)

    return spelled(lifted, f"atleast_{rank}d", torch=f"torch.atleast_{rank}d({{x}})")


def _lifting_several(rank: int) -> Operator:
    shape = _lifting(rank).rule

    @operator(
        variadic("xs", (2, 3), rank=range(5)),
        dtypes=ANY,
        empty=True,
        reference=(np.atleast_1d, np.atleast_2d, np.atleast_3d)[rank - 1],
        torch=f"torch.atleast_{rank}d({{xs}})",
    )
    def lifted(require: Require, *xs: Tensor) -> list[Shape]:
        """New axes of size one for each tensor, until it has as many as asked for."""
        return [shape(require, x) for x in xs]

    return spelled(lifted, f"atleast_{rank}d_several", torch=f"torch.atleast_{rank}d({{xs}})")


OPERATORS: Sequence[Operator] = [
    on_special(everywhere(op))
    for op in (
        transpose,
        permute_rows,
        swapaxes,
        swapdims,
        moveaxis,
        moveaxis_several,
        matrix_transpose,
        adjoint,
        transpose_all,
        t,
        big_t,
        squeeze,
        squeeze_several,
        squeeze_all,
        unsqueeze,
        unsqueeze_several,
        *(make(rank) for rank in (1, 2, 3) for make in (_lifting, _lifting_several)),
    )
]
