"""Operators that put elements at coordinates, where a mask holds, or into a regular part of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FRAMEWORKS,
    REAL,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    broadcast,
    choice,
    either,
    emission,
    flag,
    index,
    operator,
    tensor,
)
from operators.precision import Array
from operators.scatter import distinct, folded

# At coordinates


def _put(x: Array, rows: Array, values: Array, *, accumulate: bool) -> Array:
    if accumulate:
        return folded(x, (rows,), np.broadcast_to(values, (*rows.shape, *x.shape[1:])), "add")
    made = x.copy()
    made[rows] = values
    return made


def _put_rule(require: Require, x: Tensor, rows: Tensor, values: Tensor) -> Shape:
    shape = (*rows.shape, *x.shape[1:])
    require(values.rank <= len(shape), "the values have no further axes")
    broadcast(require, shape, values.shape)
    for have, n in zip(values.shape, shape[len(shape) - values.rank :], strict=True):
        require(either(have == n, have == 1), "the values are stretched to the places, not these to the values")
    return x.shape


def _on_first(x: Tensor, **_: object) -> tuple[Any, Any]:
    return 0, x.shape[0] - 1


@operator(
    tensor("x", rank=range(1, 5)),
    index("rows", "I", rank=(1, 2), domain=_on_first),
    tensor("values", rank=range(4)),
    attrs={"accumulate": flag()},
    dtypes={"T": REAL, "I": ("int64",)},
    defined=lambda x, rows, values, accumulate: accumulate or distinct(rows),
    reference=_put,
    special=FRAMEWORKS,
    torch="torch.index_put({x}, ({rows},), {values}, accumulate={accumulate})",
)
def index_put(require: Require, x: Tensor, rows: Tensor, values: Tensor, *, accumulate: bool) -> Shape:
    """Values put (or added) at the rows that an index of any shape names; they are stretched to its shape."""
    return _put_rule(require, x, rows, values)


_ASSIGNED = """
def {name}(x, {names}, values):
    y = x.clone()
    y[{key}] = values
    return y
"""


def assigned(name: str, names: str, key: str) -> str:
    """The source of a function that assigns to a part of a copy."""
    return _ASSIGNED.format(name=name, names=names, key=key)


@operator(
    tensor("x", rank=range(1, 5)),
    index("rows", "I", rank=(1, 2), domain=_on_first),
    tensor("values", rank=range(4)),
    dtypes={"T": ANY, "I": ("int64",)},
    defined=lambda x, rows, values: distinct(rows),
    reference=lambda x, rows, values: _put(x, rows, values, accumulate=False),
    special=FRAMEWORKS,
    torch=emission("assign_rows({x}, {rows}, {values})", helper=assigned("assign_rows", "rows", "rows")),
)
def assign_rows(require: Require, x: Tensor, rows: Tensor, values: Tensor) -> Shape:
    """Values assigned, in a copy, to the rows that an index names: y[rows] = values."""
    return _put_rule(require, x, rows, values)


def _pairs(rows: Array, columns: Array) -> Array:
    return np.stack([a.ravel() for a in np.broadcast_arrays(rows, columns)], -1)


def _put_two(x: Array, rows: Array, columns: Array, values: Array, *, accumulate: bool) -> Array:
    places = tuple(np.broadcast_arrays(rows, columns))
    if accumulate:
        return folded(x, places, np.broadcast_to(values, (*places[0].shape, *x.shape[2:])), "add")
    made = x.copy()
    made[places] = values
    return made


@operator(
    tensor("x", rank=(2, 3, 4)),
    index("rows", "I", rank=(1, 2), domain=_on_first),
    index("columns", "I", rank=(1, 2), domain=lambda x, **_: (0, x.shape[1] - 1)),
    tensor("values", rank=range(3)),
    attrs={"accumulate": flag()},
    dtypes={"T": REAL, "I": ("int64",)},
    defined=lambda x, rows, columns, values, accumulate: (
        accumulate or len(np.unique(_pairs(rows, columns), axis=0)) == len(_pairs(rows, columns))
    ),
    reference=_put_two,
    special=FRAMEWORKS,
    torch="torch.index_put({x}, ({rows}, {columns}), {values}, accumulate={accumulate})",
)
def index_put_two(
    require: Require, x: Tensor, rows: Tensor, columns: Tensor, values: Tensor, *, accumulate: bool
) -> Shape:
    """Values put (or added) at rows and columns that two indices name, which are broadcast."""
    shape = (*broadcast(require, rows.shape, columns.shape), *x.shape[2:])
    require(values.rank <= len(shape), "the values have no further axes")
    for have, n in zip(values.shape, shape[len(shape) - values.rank :], strict=True):
        require(either(have == n, have == 1), "the values are stretched to the places, not these to the values")
    return x.shape


def _put_flat(x: Array, places: Array, values: Array, *, accumulate: bool) -> Array:
    made = folded(x.ravel(), (places.ravel(),), values.ravel(), "add") if accumulate else x.ravel().copy()
    if not accumulate:
        made[places.ravel()] = values.ravel()
    return np.asarray(made.reshape(x.shape))


def _count(x: Tensor) -> Any:
    total: Size = 1
    for n in x.shape:
        total = total * n
    return total


@operator(
    tensor("x", rank=range(1, 4)),
    index("places", "I", rank=(1, 2), domain=lambda x, **_: (0, _count(x) - 1)),
    tensor("values", rank=(1, 2)),
    attrs={"accumulate": flag()},
    dtypes={"T": REAL, "I": ("int64",)},
    defined=lambda x, places, values, accumulate: accumulate or distinct(places),
    reference=_put_flat,
    special=FRAMEWORKS,
    torch="torch.Tensor.put({x}, {places}, {values}, {accumulate})",
)
def put(require: Require, x: Tensor, places: Tensor, values: Tensor, *, accumulate: bool) -> Shape:
    """Values put (or added) at places counted in row-major order."""
    require(values.rank == places.rank, "there is a value for each place")
    for a, b in zip(places.shape, values.shape, strict=True):
        require(a == b, "there is a value for each place")
    return x.shape


# Where a mask holds


@operator(
    tensor("x"),
    tensor("mask", "bool"),
    attrs={"value": choice(1, 0, 2)},
    dtypes=ANY,
    special=FRAMEWORKS,
    empty=True,
    reference=lambda x, mask, value: np.where(mask, np.asarray(value).astype(x.dtype), x),
    torch="torch.masked_fill({x}, {mask}, {value})",
)
def masked_fill(require: Require, x: Tensor, mask: Tensor, *, value: int) -> Shape:
    """One value where a mask holds; both are broadcast."""
    return broadcast(require, x.shape, mask.shape)


@operator(
    tensor("x"),
    tensor("mask", "bool"),
    tensor("value", rank=0),
    dtypes=ANY,
    special=FRAMEWORKS,
    empty=True,
    reference=lambda x, mask, value: np.where(mask, value, x),
    torch="{x}.masked_fill({mask}, {value})",
)
def masked_fill_tensor(require: Require, x: Tensor, mask: Tensor, value: Tensor) -> Shape:
    """The value of a tensor without axes where a mask holds."""
    return broadcast(require, x.shape, mask.shape)


def _masked_scatter(x: Array, mask: Array, source: Array) -> Array:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    made = np.broadcast_to(x, shape).copy()
    held = np.broadcast_to(mask, shape)
    made[held] = np.broadcast_to(source, shape).ravel()[: int(held.sum())]
    return made


def _torch_masked_scatter(x: Operand, mask: Operand, source: Operand) -> str:
    """PyTorch asks for as many elements as the mask holds, a matter of values: here the source always has them all."""
    same = x.shape == mask.shape == source.shape
    full = source if same else f"{source}.expand(torch.broadcast_shapes({x.shape}, {mask.shape}))"
    return f"torch.masked_scatter({x}, {mask}, {full})"


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("mask", "bool", rank=range(1, 5)),
    tensor("source", rank=range(1, 5)),
    dtypes=ANY,
    reference=_masked_scatter,
    special=FRAMEWORKS,
    torch=_torch_masked_scatter,
)
def masked_scatter(require: Require, x: Tensor, mask: Tensor, source: Tensor) -> Shape:
    """The next element of the source at each place where a mask holds; all are stretched to one shape."""
    shape = broadcast(require, x.shape, mask.shape)
    require(source.rank <= len(shape), "the source has no further axes")
    for n, have in zip(shape[len(shape) - source.rank :], source.shape, strict=True):
        require(either(have == n, have == 1), "the source is stretched to the others")
    return shape


OPERATORS: Sequence[Operator] = [
    index_put,
    assign_rows,
    index_put_two,
    put,
    masked_fill,
    masked_fill_tensor,
    masked_scatter,
]
