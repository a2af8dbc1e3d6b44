"""Operators that pick elements by masks, and that tell where elements are not zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    broadcast,
    choice,
    emission,
    operator,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array, wide
from operators.spelling import everywhere, in_layer


def _mask(bits: Sequence[int]) -> list[bool]:
    return [bool(b) for b in bits]


def _held(x: Operand, axis: int, bits: Sequence[int]) -> tuple[int, ...]:
    """The shape where a mask holds, which TensorFlow does not infer."""
    return tuple(sum(bits) if place == axis % x.rank else n for place, n in enumerate(x.shape))


def _torch_masked(x: Operand, axis: int, bits: Sequence[int]) -> str:
    return f"{x}[{':, ' * (axis % x.rank)}torch.tensor({_mask(bits)})]"


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"axis": axis(), "bits": sizes(0, 1, count=range(1, 7))},
    dtypes=ANY,
    reference=lambda x, axis, bits: np.compress(bits, x, axis),
    special=FRAMEWORKS,
    torch=_torch_masked,
    keras=in_layer(
        "x",
        lambda x, axis, bits: (
            f"tf.ensure_shape(tf.boolean_mask(x, {_mask(bits)}, axis={axis % x.rank}), {_held(x, axis, bits)})"
        ),
    ),
)
def compress(require: Require, x: Tensor, *, axis: int, bits: Sequence[Size]) -> Shape:
    """The entries of an axis for which a constant mask holds."""
    place = axis % x.rank
    require(x.shape[place] == len(bits), "the mask has an entry for each of the axis")
    held = sum(bits[1:], bits[0])
    require(held >= 1, "the mask holds somewhere")
    return (*x.shape[:place], held, *x.shape[place + 1 :])


def _sum_where(x: Array, mask: Array) -> Array:
    return np.asarray(np.sum(wide(x), where=mask))


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("mask", "bool", rank=range(1, 5)),
    dtypes=(*FLOATS, "int64"),
    reference=_sum_where,
    special=FRAMEWORKS,
    torch="{x}[{mask}].sum()",
    keras=in_layer("x, mask", "tf.reduce_sum(tf.boolean_mask(x, mask))", dtypes=("float32", "float64", "int64")),
)
def sum_where(require: Require, x: Tensor, mask: Tensor) -> Shape:
    """The sum of the elements for which a mask holds."""
    require(mask.rank == x.rank, "the ranks are equal")
    for a, b in zip(x.shape, mask.shape, strict=True):
        require(a == b, "the mask has the tensor's shape")
    return ()


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("mask", "bool", rank=range(1, 5)),
    dtypes=(*FLOATS, "int64"),
    reference=lambda x, mask: _sum_where(*np.broadcast_arrays(x, mask)),
    special=FRAMEWORKS,
    torch="torch.masked_select({x}, {mask}).sum()",
)
def masked_select_sum(require: Require, x: Tensor, mask: Tensor) -> Shape:
    """The sum of the elements for which a mask holds; both are broadcast."""
    broadcast(require, x.shape, mask.shape)
    return ()


@operator(
    tensor("x", rank=range(1, 5)),
    dtypes=ANY,
    returns="int64",
    reference=lambda x: np.sum(np.stack(np.nonzero(x), -1), 0),
    special=FRAMEWORKS,
    torch="torch.nonzero({x}).sum(0)",
    keras=in_layer("x", "tf.reduce_sum(tf.where(x), 0)", dtypes=("bool", "float32", "int32", "int64")),
)
def sum_of_nonzero(require: Require, x: Tensor) -> Shape:
    """The sum of the coordinates of all elements but zeros."""
    return (x.rank,)


_COUNTS = ("tf.shape(tf.where(x))[0]", "tf.size(tf.where(x))", "tf.shape(tf.boolean_mask(x, x != 0))[0]")

argwhere_sum = spelled(sum_of_nonzero, "argwhere_sum", torch="torch.argwhere({x}).sum(0)")


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"what": choice(*_COUNTS)},
    dtypes=("float32", "int32", "int64"),
    returns="int32",
    reference=lambda x, what: np.count_nonzero(x) * (x.ndim if "size" in what else 1),
    special=FRAMEWORKS,
    keras=in_layer("x", "{what}"),
)
def count_by_shape(require: Require, x: Tensor, *, what: str) -> Shape:
    """The number of elements but zeros, read off the shape of their coordinates."""
    return ()


_ASSIGNED = """
def assign_where(x, mask, value):
    y = x.clone()
    y[mask] = value
    return y
"""


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("mask", "bool", rank=range(1, 5)),
    attrs={"value": choice(1, 0, 2)},
    dtypes=ANY,
    reference=lambda x, mask, value: np.where(
        mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), np.asarray(value).astype(x.dtype), x
    ),
    special=FRAMEWORKS,
    torch=emission("assign_where({x}, {mask}, {value})", helper=_ASSIGNED),
)
def assign_where(require: Require, x: Tensor, mask: Tensor, *, value: int) -> Shape:
    """One value assigned, in a copy, where a mask over the first axes holds: y[mask] = value."""
    require(mask.rank <= x.rank, "the mask has no further axes")
    for a, b in zip(x.shape, mask.shape, strict=False):
        require(a == b, "the mask has the tensor's sizes")
    return x.shape


@operator(
    tensor("x", rank=range(1, 4)),
    attrs={"rows": choice(4, 1, 9), "fill": choice(-1, 0)},
    dtypes=(*FLOATS, "int32", "int64", "bool"),
    returns="int64",
    reference=lambda x, rows, fill: _padded_places(x, rows, fill),
    special=FRAMEWORKS,
    torch="torch.nonzero_static({x}, size={rows}, fill_value={fill})",
)
def nonzero_static(require: Require, x: Tensor, *, rows: int, fill: int) -> Shape:
    """The coordinates of the first elements but zeros, so many rows of them, filled up where there are fewer."""
    return (rows, x.rank)


def _padded_places(x: Array, rows: int, fill: int) -> Array:
    places = np.stack(np.nonzero(x), -1)[:rows]
    return np.concatenate([places, np.full((rows - len(places), x.ndim), fill)])


OPERATORS: Sequence[Operator] = [
    everywhere(compress, "keras"),
    sum_where,
    masked_select_sum,
    sum_of_nonzero,
    argwhere_sum,
    count_by_shape,
    assign_where,
    nonzero_static,
]
