"""Operators that pick elements by integers that are themselves data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    INDICES,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choose,
    either,
    emission,
    index,
    on_special,
    operator,
    spelled,
    tensor,
)
from operators.spelling import in_layer


def _places(x: Tensor, axis: int, **_: object) -> tuple[Any, Any]:
    """Every place on the axis; negative ones are left out, since PyTorch's gather takes none."""
    return 0, x.shape[axis] - 1


@operator(
    tensor("x", rank=range(1, 7)),
    index("indices", rank=1, domain=_places),
    attrs={"axis": axis()},
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, indices, axis: np.take(x, indices, axis),
    torch="torch.index_select({x}, {axis}, {indices})",
    keras="ops.take({x}, {indices}, axis={axis})",
)
def gather(require: Require, x: Tensor, indices: Tensor, *, axis: int) -> Shape:
    """The entries of one axis that a list of indices names."""
    place = axis % x.rank
    return (*x.shape[:place], *indices.shape, *x.shape[place + 1 :])


def _torch_take(x: Operand, indices: str, axis: int) -> str:
    return f"{x}[{':, ' * (axis % x.rank)}{indices}]"


@operator(
    tensor("x", rank=range(1, 6)),
    index("indices", rank=range(1, 5), domain=_places),
    attrs={"axis": axis()},
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, indices, axis: np.take(x, indices, axis),
    torch=_torch_take,
    keras="ops.take({x}, {indices}, axis={axis})",
)
def take(require: Require, x: Tensor, indices: Tensor, *, axis: int) -> Shape:
    """The entries of one axis that indices of any shape name; that shape takes the axis' place."""
    place = axis % x.rank
    return (*x.shape[:place], *indices.shape, *x.shape[place + 1 :])


def _torch_along(x: Operand, indices: Operand, axis: int) -> str:
    """`torch.gather`, which broadcasts nothing: sizes of one beside the axis are stretched before it."""
    place = axis % x.rank
    common = [max(pair) for pair in zip(x.shape, indices.shape, strict=True)]

    def stretched(operand: Operand) -> str:
        shape = (*common[:place], operand.shape[place], *common[place + 1 :])
        return str(operand) if operand.shape == shape else f"{operand}.expand({shape})"

    return f"torch.gather({stretched(x)}, {axis}, {stretched(indices)})"


@operator(
    tensor("x", rank=range(1, 6)),
    index("indices", rank=range(1, 6), domain=_places),
    attrs={"axis": axis()},
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, indices, axis: np.take_along_axis(x, indices, axis),
    torch=emission(_torch_along, dtypes={"I": ("int64",)}),
    keras="ops.take_along_axis({x}, {indices}, axis={axis})",
)
def take_along_axis(require: Require, x: Tensor, indices: Tensor, *, axis: int) -> Shape:
    """For each place beside the axis its own entries of the axis; sizes of one beside it are broadcast."""
    require(indices.rank == x.rank, "the ranks are equal")
    place = axis % x.rank
    made = []
    for i, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)):
        require(i == place or either(a == b, a == 1, b == 1), "sizes beside the axis are equal or one")
        made.append(b if i == place else choose(a == 1, b, a))
    return tuple(made)


take_along_dim = spelled(take_along_axis, "take_along_dim", torch="torch.take_along_dim({x}, {indices}, {axis})")
gather_in_tensorflow = spelled(
    take, "gather_in_tensorflow", keras=in_layer("x, indices", "tf.gather(x, indices, axis={axis})")
)

OPERATORS: Sequence[Operator] = [
    on_special(op) for op in (gather, take, take_along_axis, take_along_dim, gather_in_tensorflow)
]
