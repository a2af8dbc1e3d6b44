"""Operators that pick elements by several indices, or by rows of coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
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
    broadcast,
    choice,
    emission,
    flag,
    index,
    minimum,
    on_special,
    operator,
    tensor,
)
from operators.precision import Array
from operators.spelling import everywhere, in_layer


def on(place: int) -> Callable[..., tuple[Any, Any]]:
    """Every place on an axis of x, counted from the start, or from both ends."""
    return lambda x, negative, **_: (-x.shape[place] if negative else 0, x.shape[place] - 1)


def _indexed(name: str, doc: str, key: str, first: int, second: int, apart: bool, least: int) -> Operator:
    """x indexed by two tensors, on the axes `first` and `second`; where they are apart, their axes come first."""

    def read(x: Array, rows: Array, columns: Array, negative: bool) -> Array:
        made: dict[str, Any] = {":": slice(None), "rows": rows, "columns": columns, "1:": slice(1, None)}
        return np.asarray(x[tuple(made[k] for k in key.split(", "))])

    def write(x: Operand, rows: Operand, columns: Operand, negative: bool) -> str:
        made = {"rows": rows, "columns": columns}
        return f"{x}[{', '.join(made.get(k, k) for k in key.split(', '))}]"

    @operator(
        tensor("x", rank=range(least, 6)),
        index("rows", "I", rank=(1, 2), domain=on(first)),
        index("columns", "I", rank=(1, 2), domain=on(second)),
        attrs={"negative": flag()},
        dtypes={"T": ANY, "I": ("int64",)},
        reference=read,
        torch=write,
    )
    def indexed(require: Require, x: Tensor, rows: Tensor, columns: Tensor, *, negative: bool) -> Shape:
        """Indexed."""
        common = broadcast(require, rows.shape, columns.shape)
        sizes = [n - 1 if k == "1:" else n for n, k in zip(x.shape, key.split(", "), strict=False)]
        for n in sizes:
            require(n >= 1, "something is left of the axis that is sliced")
        rest = [*sizes, *x.shape[len(sizes) :]]
        others = [n for place, n in enumerate(rest) if place not in (first, second)]
        at = 0 if apart else first
        return (*others[:at], *common, *others[at:])

    return msgspec.structs.replace(indexed, name=name, doc=doc)


indexed = [
    _indexed("index_two", "x[rows, columns], the indices broadcast.", "rows, columns", 0, 1, False, 2),
    _indexed("index_apart", "x[rows, :, columns]: the indices' axes come first.", "rows, :, columns", 0, 2, True, 3),
    _indexed("index_inside", "x[:, rows, columns].", ":, rows, columns", 1, 2, False, 3),
    _indexed("index_beside_a_slice", "x[1:, rows, columns].", "1:, rows, columns", 1, 2, False, 3),
]


def _places(x: Tensor, axis: int, **_: object) -> tuple[Any, Any]:
    return 0, x.shape[axis] - 1


@operator(
    tensor("x", rank=range(1, 4)),
    index("indices", rank=range(1, 4), domain=_places),
    attrs={"axis": axis()},
    dtypes={"T": ANY, "I": ("int64",)},
    reference=lambda x, indices, axis: _gathered(x, indices, axis),
    torch="torch.gather({x}, {axis}, {indices})",
)
def gather_elements(require: Require, x: Tensor, indices: Tensor, *, axis: int) -> Shape:
    """For each place its own entry of the axis; beside it the index may be smaller than the tensor."""
    require(indices.rank == x.rank, "the ranks are equal")
    for place, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)):
        require(place == axis % x.rank or b <= a, "the index is not larger beside the axis")
    return indices.shape


def _gathered(x: Array, indices: Array, axis: int) -> Array:
    grid: list[Any] = list(np.indices(indices.shape))
    grid[axis] = indices
    return np.asarray(x[tuple(grid)])


def _elements(x: Tensor, **_: object) -> tuple[Any, Any]:
    total: Any = 1
    for n in x.shape:
        total = total * n
    return 0, total - 1


@operator(
    tensor("x", rank=range(1, 5)),
    index("indices", rank=range(3), domain=_elements),
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, indices: x.ravel()[indices],
    torch=emission("torch.take({x}, {indices})", dtypes={"I": ("int64",)}),
    keras="ops.take({x}, {indices})",
)
def take_elements(require: Require, x: Tensor, indices: Tensor) -> Shape:
    """Elements by their places in row-major order."""
    return indices.shape


def _shortest(x: Tensor, **_: object) -> tuple[Any, Any]:
    least: Any = x.shape[0]
    for n in x.shape[1:]:
        least = minimum(least, n)
    return 0, least - 1


def _of_rank(x: Operand, coordinates: Operand, depth: int, more: str = "") -> str:
    """With its rank asserted, which depends on the number of coordinates, a size."""
    rank = x.rank - depth + coordinates.rank - (2 if more else 1)
    return f"tf.ensure_shape(tf.gather_nd(x, coordinates{more}), {[None] * rank})"


@operator(
    tensor("x", rank=range(1, 5)),
    index("coordinates", "I", rank=range(1, 4), domain=_shortest),
    attrs={"depth": choice(1, 2, 3)},
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, coordinates, depth: x[tuple(np.moveaxis(coordinates, -1, 0))],
    keras=in_layer("x, coordinates", _of_rank),
)
def gather_nd(require: Require, x: Tensor, coordinates: Tensor, *, depth: int) -> Shape:
    """What rows of coordinates point to: elements, or slices where there are fewer coordinates than axes."""
    require(depth <= x.rank, "there is an axis for each coordinate")
    require(coordinates.shape[-1] == depth, "each row has so many coordinates")
    return (*coordinates.shape[:-1], *x.shape[depth:])


@operator(
    tensor("x", rank=(2, 3, 4)),
    index("coordinates", "I", rank=(2, 3), domain=_shortest),
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, coordinates: np.stack(
        [a[tuple(np.moveaxis(c, -1, 0))] for a, c in zip(x, coordinates, strict=True)]
    ),
    keras=in_layer("x, coordinates", lambda x, coordinates: _of_rank(x, coordinates, 1, ", batch_dims=1")),
)
def gather_nd_in_batch(require: Require, x: Tensor, coordinates: Tensor) -> Shape:
    """What each row of coordinates points to, in its own entry of the batch."""
    require(coordinates.shape[0] == x.shape[0], "there are coordinates for each entry of the batch")
    require(coordinates.shape[-1] == 1, "there is one coordinate")
    return (*coordinates.shape[:-1], *x.shape[2:])


@operator(
    tensor("x", rank=(2, 3, 4)),
    index("indices", "I", rank=(1, 2, 3), domain=lambda x, **_: (0, x.shape[1] - 1)),
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, indices: np.stack([a[i] for a, i in zip(x, indices, strict=True)]),
    keras=in_layer("x, indices", "tf.gather(x, indices, axis=1, batch_dims=1)"),
)
def gather_in_batch(require: Require, x: Tensor, indices: Tensor) -> Shape:
    """Entries of the second axis, each entry of the batch by its own indices."""
    require(indices.shape[0] == x.shape[0], "there are indices for each entry of the batch")
    return (*indices.shape, *x.shape[2:])


@operator(
    tensor("x", rank=range(1, 5)),
    index("indices", "I", rank=range(3), domain=lambda x, **_: (0, x.shape[0] - 1)),
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, indices: x[indices],
    keras=in_layer("x, indices", "tf.raw_ops.Gather(params=x, indices=indices)"),
)
def gather_first_form(require: Require, x: Tensor, indices: Tensor) -> Shape:
    """The rows that indices of any shape name."""
    return (*indices.shape, *x.shape[1:])


OPERATORS: Sequence[Operator] = [
    *map(on_special, (*indexed, gather_elements, take_elements)),
    *(
        on_special(everywhere(op, "keras"))
        for op in (gather_nd, gather_nd_in_batch, gather_in_batch, gather_first_form)
    ),
]
