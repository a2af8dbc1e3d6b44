"""Operators that put elements at places given by rows of coordinates, as TensorFlow's scatter family does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    INDICES,
    Emission,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    index,
    minimum,
    operator,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array
from operators.scatter import folded
from operators.spelling import in_layer


def _coordinates(x: Tensor, coordinates: Tensor, **_: object) -> tuple[Any, Any]:
    """Places that lie on each of the axes indexed."""
    return 0, _shortest(x.shape) - 1


def _shortest(sizes: Sequence[Size]) -> Any:
    least: Any = sizes[0]
    for n in sizes[1:]:
        least = minimum(least, n)
    return least


def _updates_rule(require: Require, x: Tensor, coordinates: Tensor, updates: Tensor, depth: int) -> Shape:
    require(depth <= x.rank, "there is an axis for each coordinate")
    require(coordinates.shape[-1] == depth, "each row has so many coordinates")
    wanted = (*coordinates.shape[:-1], *x.shape[depth:])
    require(updates.rank == len(wanted), "there is an update for each row")
    for a, b in zip(wanted, updates.shape, strict=True):
        require(a == b, "there is an update for each row")
    return x.shape


def _rows(coordinates: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(coordinates, -1, 0))


def _distinct_rows(coordinates: Array) -> bool:
    rows = coordinates.reshape(-1, coordinates.shape[-1])
    return len(np.unique(rows, axis=0)) == len(rows)


def _updated(x: Array, coordinates: Array, updates: Array, *, depth: int, how: str = "update") -> Array:
    if how != "update":
        return folded(x, _rows(coordinates), updates, how)
    made = x.copy()
    made[_rows(coordinates)] = updates
    return made


_NUMBERS = (*FLOATS, "int32", "int64")


def _updating(name: str, how: str, keras: Emission | str, ranks: Sequence[int] = (2,)) -> Operator:
    @operator(
        tensor("x", rank=range(1, 4)),
        index("coordinates", "I", rank=ranks, domain=_coordinates),
        tensor("updates", rank=range(1, 4)),
        attrs={"depth": choice(1, 2, 3)},
        dtypes={"T": ANY if how == "update" else _NUMBERS, "I": INDICES},
        defined=None if how != "update" else lambda x, coordinates, updates, depth: _distinct_rows(coordinates),
        special=() if how in ("max", "min") else FRAMEWORKS,
        reference=lambda x, coordinates, updates, depth: _updated(x, coordinates, updates, depth=depth, how=how),
        keras=keras,
    )
    def update(require: Require, x: Tensor, coordinates: Tensor, updates: Tensor, *, depth: int) -> Shape:
        """Values put at places given by rows of coordinates."""
        return _updates_rule(require, x, coordinates, updates, depth)

    doc = f"Values folded in ({how}) at places given by rows of coordinates, as often as they are given."
    return msgspec.structs.replace(update, name=name, doc=update.doc if how == "update" else doc)


def _in_keras(how: str) -> Operator:
    reduction = "" if how == "update" else f', reduction="{how}"'
    name = "scatter_update" if how == "update" else f"scatter_update_{how}"
    return _updating(name, how, f"ops.scatter_update({{x}}, {{coordinates}}, {{updates}}{reduction})")


def _in_tensorflow(how: str) -> Operator:
    call = f"tf.tensor_scatter_nd_{how}(x, coordinates, updates)"
    return _updating(f"tensor_scatter_{how}", how, in_layer("x, coordinates, updates", call), (2, 3))


updates = [
    *map(_in_keras, ("update", "add", "max", "min")),
    *map(_in_tensorflow, ("update", "add", "sub", "max", "min")),
]


@operator(
    tensor("values", rank=range(1, 4)),
    index("coordinates", "I", rank=2, domain=lambda values, coordinates, shape, **_: (0, _shortest(shape[:2]) - 1)),
    attrs={"shape": sizes(1, 6, count=(2, 3))},
    dtypes={"T": _NUMBERS, "I": INDICES},
    reference=lambda values, coordinates, shape: folded(
        np.zeros(shape, values.dtype), _rows(coordinates), values, "add"
    ),
    keras="ops.scatter({coordinates}, {values}, {shape})",
)
def scatter_zeros(require: Require, values: Tensor, coordinates: Tensor, *, shape: Sequence[Size]) -> Shape:
    """Values added up at places, given by pairs of coordinates, of a tensor that is zero elsewhere."""
    require(coordinates.shape[1] == 2, "there are two coordinates")
    require(values.rank == len(shape) - 1, "there is a value for each row")
    for a, b in zip((coordinates.shape[0], *shape[2:]), values.shape, strict=True):
        require(a == b, "there is a value for each row")
    return tuple(shape)


scatter_nd = spelled(
    scatter_zeros,
    "scatter_nd",
    keras=in_layer("values, coordinates", "tf.scatter_nd(coordinates, values, {shape})"),
)
scatter_nd_typed = spelled(
    scatter_zeros,
    "scatter_nd_typed",
    keras=in_layer(
        "values, coordinates", "tf.scatter_nd(coordinates, values, tf.constant({shape}, coordinates.dtype))"
    ),
)


@operator(
    tensor("values", rank=1),
    index("coordinates", "I", rank=2, domain=lambda shape, **_: (0, _shortest(shape) - 1)),
    attrs={"shape": sizes(1, 6, count=2), "default": choice(0, 1)},
    dtypes={"T": _NUMBERS, "I": INDICES},
    defined=lambda values, coordinates, shape, default: _distinct_rows(coordinates),
    reference=lambda values, coordinates, shape, default: _updated(
        np.full(shape, default, values.dtype), coordinates, values, depth=2
    ),
    keras=in_layer(
        "values, coordinates",
        "tf.raw_ops.SparseToDense(sparse_indices=coordinates, output_shape=tf.constant({shape}, coordinates.dtype), "
        "sparse_values=values, default_value=tf.cast({default}, values.dtype), validate_indices=False)",
    ),
)
def sparse_to_dense(
    require: Require, values: Tensor, coordinates: Tensor, *, shape: Sequence[Size], default: int
) -> Shape:
    """Values put at places, given by pairs of coordinates, of a tensor that has one value elsewhere."""
    require(coordinates.shape[1] == 2, "there are two coordinates")
    require(coordinates.shape[0] == values.shape[0], "there is a value for each row")
    return tuple(shape)


OPERATORS: Sequence[Operator] = [
    *updates,
    scatter_zeros,
    scatter_nd,
    scatter_nd_typed,
    sparse_to_dense,
]
