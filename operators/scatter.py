"""Operators that put elements into a tensor along one axis: at places of each own, or whole slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    HALVES,
    INDICES,
    INTEGERS,
    REAL,
    Defect,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    both,
    choice,
    emission,
    flag,
    index,
    operator,
    tensor,
)
from operators.forms import by_dtype
from operators.precision import Array, wide


def on_axis(x: Tensor, axis: int, **_: object) -> tuple[Any, Any]:
    return 0, x.shape[axis] - 1


def distinct_along(index: Array, axis: int) -> bool:
    """Whether no place is named twice: PyTorch says that one of the values wins, not which."""
    ordered = np.sort(index, axis)
    return not bool(np.any(np.diff(ordered, axis=axis) == 0))


def _places(index: Array, axis: int) -> tuple[Array, ...]:
    """The coordinates in x that each entry of the index stands for."""
    grid: list[Any] = list(np.indices(index.shape))
    grid[axis] = index
    return tuple(grid)


def _inside_others(require: Require, x: Tensor, index: Tensor, source: Tensor | None, axis: int) -> Shape:
    require(index.rank == x.rank, "the ranks are equal")
    for place, n in enumerate(index.shape):
        if place != axis % x.rank:
            require(n <= x.shape[place], "the index is not larger beside the axis")
        if source is not None:
            require(n <= source.shape[place], "there is a value for each index")
    return x.shape


def _scattered(x: Array, index: Array, source: Array, *, axis: int) -> Array:
    made = x.copy()
    made[_places(index, axis)] = source[tuple(map(slice, index.shape))]
    return made


@operator(
    tensor("x", rank=(1, 2)),
    index("index", "I", rank=(1, 2), domain=on_axis),
    tensor("source", rank=(1, 2)),
    attrs={"axis": axis()},
    dtypes={"T": ANY, "I": ("int64",)},
    defined=lambda x, index, source, axis: distinct_along(index, axis),
    reference=_scattered,
    special=FRAMEWORKS,
    torch="torch.scatter({x}, {axis}, {index}, {source})",
)
def scatter(require: Require, x: Tensor, index: Tensor, source: Tensor, *, axis: int) -> Shape:
    """Values put at the places of an axis that the index names, beside it each at its own place."""
    require(source.rank == x.rank, "the ranks are equal")
    return _inside_others(require, x, index, source, axis)


def _scattered_value(x: Array, index: Array, *, axis: int, value: float) -> Array:
    made = x.copy()
    made[_places(index, axis)] = value
    return made


@operator(
    tensor("x", rank=range(1, 5)),
    index("index", "I", rank=range(1, 5), domain=on_axis),
    attrs={"axis": axis(), "value": choice(1, 0, 2)},
    dtypes={"T": ANY, "I": ("int64",)},
    reference=_scattered_value,
    special=FRAMEWORKS,
    torch="torch.scatter({x}, {axis}, {index}, {value})",
)
def scatter_value(require: Require, x: Tensor, index: Tensor, *, axis: int, value: int) -> Shape:
    """One value put at the places of an axis that the index names."""
    return _inside_others(require, x, index, None, axis)


_FOLD: dict[str, Any] = {
    "add": np.add,
    "multiply": np.multiply,
    "sum": np.add,
    "prod": np.multiply,
    "mean": np.add,
    "amax": np.maximum,
    "amin": np.minimum,
    "max": np.maximum,
    "min": np.minimum,
    "sub": np.subtract,
}


def folded(x: Array, places: tuple[Array, ...], values: Array, how: str, include: bool = True) -> Array:
    """x with the values at the places folded into it; without its own there, where `include` is false."""
    made = wide(x) if how not in ("amax", "amin", "max", "min") else x.copy()
    count = np.ones(x.shape) if include else np.zeros(x.shape)
    if not include:
        first = {"prod": 1, "amax": _least(made), "amin": _greatest(made)}.get(how, 0)
        made[places] = first
    _FOLD[how].at(made, places, values.astype(made.dtype))
    if how != "mean":
        return made
    np.add.at(count, places, 1)
    return np.asarray(np.where(count > 0, made / np.maximum(count, 1), x))


def _least(x: Array) -> Any:
    return -np.inf if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).min


def _greatest(x: Array) -> Any:
    return np.inf if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).max


def _scattered_by(x: Array, index: Array, source: Array, *, axis: int, how: str, include: bool = True) -> Array:
    places = _places(index, axis)
    return folded(x, places, source[tuple(map(slice, index.shape))], how, include)


_SMALL = by_dtype("x", (-3, 3), (-3, 3))
SMALL_SOURCE = by_dtype("source", (-3, 3), (-3, 3))


@operator(
    tensor("x", rank=range(1, 4)),
    index("index", "I", rank=range(1, 4), domain=on_axis),
    tensor("source", rank=range(1, 4)),
    attrs={"axis": axis()},
    dtypes={"T": REAL, "I": ("int64",)},
    reference=lambda x, index, source, axis: _scattered_by(x, index, source, axis=axis, how="add"),
    special=FRAMEWORKS,
    torch="torch.scatter_add({x}, {axis}, {index}, {source})",
)
def scatter_add(require: Require, x: Tensor, index: Tensor, source: Tensor, *, axis: int) -> Shape:
    """Values added at the places of an axis that the index names, as often as it does."""
    require(source.rank == x.rank, "the ranks are equal")
    return _inside_others(require, x, index, source, axis)


@operator(
    tensor("x", rank=range(1, 4), domain=_SMALL),
    index("index", "I", rank=range(1, 4), domain=on_axis),
    tensor("source", rank=range(1, 4), domain=SMALL_SOURCE),
    attrs={"axis": axis(), "how": choice("sum", "prod", "amax", "amin"), "include": flag()},
    dtypes={"T": (*FLOATS, *INTEGERS), "I": ("int64",)},
    reference=_scattered_by,
    torch='torch.scatter_reduce({x}, {axis}, {index}, {source}, "{how}", include_self={include})',
)
def scatter_reduce(
    require: Require, x: Tensor, index: Tensor, source: Tensor, *, axis: int, how: str, include: bool
) -> Shape:
    """Values folded in at the places of an axis that the index names, with or without what was there."""
    require(source.rank == x.rank, "the ranks are equal")
    return _inside_others(require, x, index, source, axis)


@operator(
    tensor("x", rank=range(1, 4)),
    index("index", "I", rank=range(1, 4), domain=on_axis),
    tensor("source", rank=range(1, 4)),
    attrs={"axis": axis(), "include": flag()},
    dtypes={"T": FLOATS, "I": ("int64",)},
    reference=lambda x, index, source, axis, include: _scattered_by(
        x, index, source, axis=axis, how="mean", include=include
    ),
    special=FRAMEWORKS,
    torch='torch.scatter_reduce({x}, {axis}, {index}, {source}, "mean", include_self={include})',
)
def scatter_mean(require: Require, x: Tensor, index: Tensor, source: Tensor, *, axis: int, include: bool) -> Shape:
    """The mean of the values for each place of an axis that the index names, with or without what was there."""
    require(source.rank == x.rank, "the ranks are equal")
    return _inside_others(require, x, index, source, axis)


@operator(
    tensor("x", rank=range(1, 4), domain=_SMALL),
    index("index", "I", rank=range(1, 4), domain=on_axis),
    attrs={"axis": axis(), "how": choice("add", "multiply"), "value": choice(2, 1, 0, 3)},
    dtypes={"T": FLOATS, "I": ("int64",)},
    defined=lambda x, index, axis, how, value: how == "add" or distinct_along(index, axis),
    reference=lambda x, index, axis, how, value: folded(x, _places(index, axis), np.asarray(value), how),
    torch='torch.scatter({x}, {axis}, {index}, {value}, reduce="{how}")',
)
def scatter_value_folded(require: Require, x: Tensor, index: Tensor, *, axis: int, how: str, value: int) -> Shape:
    """One value added or multiplied in at the places of an axis that the index names."""
    return _inside_others(require, x, index, None, axis)


# Whole slices of one axis


def _slices(require: Require, x: Tensor, rows: Tensor, source: Tensor, axis: int) -> Shape:
    require(source.rank == x.rank, "the ranks are equal")
    place = axis % x.rank
    for at, (a, b) in enumerate(zip(x.shape, source.shape, strict=True)):
        require(b == (rows.shape[0] if at == place else a), "there is a slice of values for each index")
    return x.shape


def _at(x: Array, rows: Array, axis: int) -> tuple[Any, ...]:
    return (*(slice(None),) * (axis % x.ndim), rows)


def copied(x: Array, rows: Array, source: Array, *, axis: int) -> Array:
    made = x.copy()
    made[_at(x, rows, axis)] = source
    return made


def distinct(rows: Array) -> bool:
    return np.unique(rows).size == rows.size


@operator(
    tensor("x", rank=range(1, 5)),
    index("rows", "I", rank=1, domain=on_axis),
    tensor("source", rank=range(1, 5)),
    attrs={"axis": axis()},
    dtypes={"T": ANY, "I": ("int64",)},
    defined=lambda x, rows, source, axis: distinct(rows),
    reference=copied,
    special=FRAMEWORKS,
    torch="torch.index_copy({x}, {axis}, {rows}, {source})",
)
def index_copy(require: Require, x: Tensor, rows: Tensor, source: Tensor, *, axis: int) -> Shape:
    """Slices put in the place of those of an axis that the index names."""
    return _slices(require, x, rows, source, axis)


def _added(x: Array, rows: Array, source: Array, *, axis: int, alpha: int) -> Array:
    made = wide(x)
    np.add.at(made, _at(x, rows, axis), alpha * wide(source))
    return made


@operator(
    tensor("x", rank=range(1, 5)),
    index("rows", "I", rank=1, domain=on_axis),
    tensor("source", rank=range(1, 5)),
    attrs={"axis": axis(), "alpha": choice(1, 2, 3)},
    dtypes={"T": REAL, "I": INDICES},
    reference=_added,
    special=FRAMEWORKS,
    torch="torch.index_add({x}, {axis}, {rows}, {source}, alpha={alpha})",
)
def index_add(require: Require, x: Tensor, rows: Tensor, source: Tensor, *, axis: int, alpha: int) -> Shape:
    """Slices, times a number, added to those of an axis that the index names."""
    return _slices(require, x, rows, source, axis)


def _filled(x: Array, rows: Array, *, axis: int, value: int) -> Array:
    made = x.copy()
    made[_at(x, rows, axis)] = value
    return made


@operator(
    tensor("x", rank=range(1, 5)),
    index("rows", "I", rank=1, domain=on_axis),
    attrs={"axis": axis(), "value": choice(1, 0, 2)},
    dtypes={"T": ANY, "I": ("int64",)},
    reference=_filled,
    special=FRAMEWORKS,
    torch="torch.index_fill({x}, {axis}, {rows}, {value})",
)
def index_fill(require: Require, x: Tensor, rows: Tensor, *, axis: int, value: int) -> Shape:
    """One value in the slices of an axis that the index names."""
    return x.shape


def _reduced_rows(x: Array, rows: Array, source: Array, *, axis: int, how: str, include: bool) -> Array:
    moved = np.moveaxis(x, axis, 0)
    made = folded(moved, (rows,), np.moveaxis(source, axis, 0), how, include)
    return np.moveaxis(made, 0, axis)


@operator(
    tensor("x", rank=range(1, 4), domain=_SMALL),
    index("rows", "I", rank=1, domain=on_axis),
    tensor("source", rank=range(1, 4), domain=SMALL_SOURCE),
    attrs={"axis": axis(), "how": choice("prod", "mean", "amax", "amin"), "include": flag()},
    dtypes={"T": FLOATS, "I": INDICES},
    reference=_reduced_rows,
    torch=emission(
        'torch.index_reduce({x}, {axis}, {rows}, {source}, "{how}", include_self={include})',
        defects=[
            Defect(
                "fails an assertion of its own for products of halves, the slices of one element",
                lambda x, rows, source, axis, how, include: (
                    both(*(n == 1 for place, n in enumerate(x.shape) if place != axis % x.rank))
                    if x.dtype in HALVES and how == "prod" and x.rank > 1
                    else False
                ),
                "aten/src/ATen/native/cpu/Loops.h: iter.ninputs() == traits::arity INTERNAL ASSERT FAILED",
            )
        ],
    ),
)
def index_reduce(
    require: Require, x: Tensor, rows: Tensor, source: Tensor, *, axis: int, how: str, include: bool
) -> Shape:
    """Slices folded into those of an axis that the index names, with or without what was there."""
    return _slices(require, x, rows, source, axis)


OPERATORS: Sequence[Operator] = [
    scatter,
    scatter_value,
    scatter_add,
    scatter_reduce,
    scatter_mean,
    scatter_value_folded,
    index_copy,
    index_add,
    index_fill,
    index_reduce,
]
