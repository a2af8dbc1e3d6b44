"""Order along an axis: where extremes are, sorting, the greatest few, places in a sorted sequence, what is unique."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    INTEGERS,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    by_framework,
    flag,
    operator,
    size,
    tensor,
)
from graphfuzz.spec.dims import Size
from operators.folds import along_axis, along_removed, distinct, has_order, over_all, over_axis
from operators.precision import Array, wide
from operators.spelling import in_layer

_PLACE = by_framework("int64", "int32")


def _no_ties(x: Array, *, axis: int | None, keepdims: bool = False, largest: bool) -> bool:
    """Whether one element alone is the extreme along the axis; among several, the choice is the implementation's."""
    extreme = np.max(x, axis, keepdims=True) if largest else np.min(x, axis, keepdims=True)
    return bool(np.all(np.sum(x == extreme, axis) == 1))


def _sorted(x: Array, axis: int, descending: bool) -> tuple[Array, Array]:
    """The elements in order, and where they were; equal ones stay in the order in which they were."""
    turned = np.flip(x, axis) if descending else x
    places = np.argsort(turned, axis, kind="stable")
    if descending:
        places = np.flip(x.shape[axis] - 1 - places, axis)
    return np.take_along_axis(x, places, axis), places


argmax = over_axis(
    "argmax",
    REAL,
    "The position of the greatest element along one axis.",
    some=True,
    returns=_PLACE,
    defined=lambda x, *, axis, keepdims: _no_ties(x, axis=axis, keepdims=keepdims, largest=True),
    special=FRAMEWORKS,
    reference=lambda x, *, axis, keepdims: np.argmax(x, axis, keepdims=keepdims),
    torch="torch.argmax({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.argmax({x}, axis={axis}, keepdims={keepdims})",
)
argmin = over_axis(
    "argmin",
    REAL,
    "The position of the least element along one axis.",
    some=True,
    returns=_PLACE,
    defined=lambda x, *, axis, keepdims: _no_ties(x, axis=axis, keepdims=keepdims, largest=False),
    special=FRAMEWORKS,
    reference=lambda x, *, axis, keepdims: np.argmin(x, axis, keepdims=keepdims),
    torch="torch.argmin({x}, dim={axis}, keepdim={keepdims})",
    keras="ops.argmin({x}, axis={axis}, keepdims={keepdims})",
)
argmax_all = over_all(
    "argmax_all",
    REAL,
    "The position of the greatest of all elements, counted in order.",
    some=True,
    returns=_PLACE,
    defined=lambda x: _no_ties(x, axis=None, largest=True),
    special=FRAMEWORKS,
    reference=np.argmax,
    torch="torch.argmax({x})",
    keras="ops.argmax({x})",
)
argmax_all_kept = over_all(
    "argmax_all_kept",
    REAL,
    "The position of the greatest of all elements, with an axis of one for each.",
    kept=True,
    some=True,
    returns=_PLACE,
    defined=lambda x: _no_ties(x, axis=None, largest=True),
    special=FRAMEWORKS,
    reference=lambda x: np.argmax(x, keepdims=True),
    torch="torch.argmax({x}, keepdim=True)",
    keras="ops.argmax({x}, keepdims=True)",
)
argmin_all = over_all(
    "argmin_all",
    REAL,
    "The position of the least of all elements, counted in order.",
    some=True,
    returns=_PLACE,
    defined=lambda x: _no_ties(x, axis=None, largest=False),
    special=FRAMEWORKS,
    reference=np.argmin,
    torch="torch.argmin({x})",
    keras="ops.argmin({x})",
)


def _tensorflow_place(name: str, fold: Callable[..., Array], largest: bool) -> Operator:
    """The place of an extreme by TensorFlow's function; Keras' own looks at the bits of floats first."""
    return along_removed(
        f"{name}_in_tensorflow",
        REAL,
        f"The position of the {'greatest' if largest else 'least'} element along one axis, by TensorFlow's function.",
        returns="int64",
        empty=False,
        defined=lambda x, *, axis: _no_ties(x, axis=axis, largest=largest),
        reference=lambda x, *, axis: fold(x, axis),
        special=FRAMEWORKS,
        keras=in_layer("x", f"tf.{name}(x, axis={{axis}})"),
    )


tensorflow_places = [_tensorflow_place("argmax", np.argmax, True), _tensorflow_place("argmin", np.argmin, False)]
max_and_place = over_axis(
    "max_and_place",
    REAL,
    "The greatest element along one axis, and where it is.",
    some=True,
    returns=("T", "int64"),
    defined=lambda x, *, axis, keepdims: _no_ties(x, axis=axis, keepdims=keepdims, largest=True),
    special=FRAMEWORKS,
    reference=lambda x, *, axis, keepdims: (
        np.max(x, axis, keepdims=keepdims),
        np.argmax(x, axis, keepdims=keepdims),
    ),
    torch="torch.max({x}, dim={axis}, keepdim={keepdims})",
)
min_and_place = over_axis(
    "min_and_place",
    REAL,
    "The least element along one axis, and where it is.",
    some=True,
    returns=("T", "int64"),
    defined=lambda x, *, axis, keepdims: _no_ties(x, axis=axis, keepdims=keepdims, largest=False),
    special=FRAMEWORKS,
    reference=lambda x, *, axis, keepdims: (
        np.min(x, axis, keepdims=keepdims),
        np.argmin(x, axis, keepdims=keepdims),
    ),
    torch="torch.min({x}, dim={axis}, keepdim={keepdims})",
)

# Sorting.

sort = along_axis(
    "sort",
    ANY,
    "The elements along one axis in ascending order.",
    defined=has_order,
    special=FRAMEWORKS,
    reference=lambda x, *, axis: np.sort(x, axis),
    torch="torch.sort({x}, dim={axis}).values",
    keras="ops.sort({x}, axis={axis})",
)
sort_with_places = along_axis(
    "sort_with_places",
    ANY,
    "The elements along one axis in order, and where they were; equal ones keep their order.",
    attrs={"descending": flag()},
    returns=("T", "int64"),
    defined=has_order,
    special=FRAMEWORKS,
    reference=lambda x, *, axis, descending: _sorted(x, axis, descending),
    torch="torch.sort({x}, dim={axis}, descending={descending}, stable=True)",
)
sort_distinct = along_axis(
    "sort_distinct",
    REAL,
    "Distinct elements along one axis in order, and where they were.",
    attrs={"descending": flag()},
    returns=("T", "int64"),
    defined=lambda x, *, axis, descending: distinct(x, axis),
    special=FRAMEWORKS,
    reference=lambda x, *, axis, descending: _sorted(x, axis, descending),
    torch="torch.sort({x}, dim={axis}, descending={descending})",
)
argsort = along_axis(
    "argsort",
    REAL,
    "Where the elements along one axis are in ascending order; they are distinct.",
    returns=_PLACE,
    defined=lambda x, *, axis: distinct(x, axis),
    special=FRAMEWORKS,
    reference=lambda x, *, axis: np.argsort(x, axis),
    torch="torch.argsort({x}, dim={axis})",
    keras="ops.argsort({x}, axis={axis})",
)
argsort_descending = along_axis(
    "argsort_descending",
    REAL,
    "Where the elements along one axis are in descending order; they are distinct.",
    returns=_PLACE,
    defined=lambda x, *, axis: distinct(x, axis),
    special=FRAMEWORKS,
    reference=lambda x, *, axis: _sorted(x, axis, True)[1],
    torch="torch.argsort({x}, dim={axis}, descending=True)",
    keras=in_layer("x", 'tf.argsort(x, axis={axis}, direction="DESCENDING")'),
)
sort_descending = along_axis(
    "sort_descending",
    REAL,
    "The elements along one axis in descending order.",
    defined=has_order,
    special=FRAMEWORKS,
    reference=lambda x, *, axis: np.flip(np.sort(x, axis), axis),
    torch="torch.sort({x}, dim={axis}, descending=True).values",
    keras=in_layer("x", 'tf.sort(x, axis={axis}, direction="DESCENDING")'),
)


@operator(
    tensor("x", rank=range(1, 7)),
    dtypes=ANY,
    defined=has_order,
    special=FRAMEWORKS,
    empty=True,
    reference=lambda x: np.sort(x, 0),
    torch="torch.msort({x})",
)
def msort(require: Require, x: Tensor) -> Shape:
    """The elements along the first axis in ascending order."""
    return x.shape


def _greatest(x: Array, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    places = np.take(_sorted(x, axis, largest)[1], np.arange(k), axis)
    return np.take_along_axis(x, places, axis), places


def _with_size(x: Tensor, axis: int, length: Size) -> Shape:
    place = axis % x.rank
    return (*x.shape[:place], length, *x.shape[place + 1 :])


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"k": size(1, 16), "axis": axis(), "largest": flag()},
    dtypes=REAL,
    returns=("T", "int64"),
    defined=lambda x, *, k, axis, largest: distinct(x, axis),
    reference=lambda x, *, k, axis, largest: _greatest(x, k, axis, largest),
    special=FRAMEWORKS,
    torch="torch.topk({x}, {k}, dim={axis}, largest={largest})",
)
def topk(require: Require, x: Tensor, *, k: Size, axis: int, largest: bool) -> list[Shape]:
    """The k greatest or least elements along one axis in order, and where they are; all elements are distinct."""
    require(k <= x.shape[axis], "there are k elements")
    return [_with_size(x, axis, k)] * 2


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"k": size(1, 16)},
    dtypes=REAL,
    returns=("T", _PLACE),
    defined=lambda x, *, k: distinct(x, -1),
    reference=lambda x, *, k: _greatest(x, k, -1, True),
    special=FRAMEWORKS,
    torch="torch.topk({x}, {k})",
    keras="ops.top_k({x}, {k})",
)
def top_k(require: Require, x: Tensor, *, k: Size) -> list[Shape]:
    """The k greatest elements along the last axis in order, and where they are; all elements are distinct."""
    require(k <= x.shape[-1], "there are k elements")
    return [_with_size(x, -1, k)] * 2


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"k": size(1, 16)},
    dtypes=FLOATS,
    defined=has_order,
    reference=lambda x, *, k: np.sum(_greatest(wide(x), k, -1, True)[0], -1),
    special=FRAMEWORKS,
    torch="torch.topk({x}, {k}, sorted=False).values.sum(-1)",
    keras="ops.sum(ops.top_k({x}, {k}, sorted=False)[0], axis=-1)",
)
def top_k_sum(require: Require, x: Tensor, *, k: Size) -> Shape:
    """The sum of the k greatest elements along the last axis, whose order is left open."""
    require(k <= x.shape[-1], "there are k elements")
    return x.shape[:-1]


def _kth(x: Array, k: int, axis: int, keepdims: bool) -> tuple[Array, Array]:
    places = np.take(np.argsort(x, axis, kind="stable"), [k - 1], axis)
    values = np.take_along_axis(x, places, axis)
    return (values, places) if keepdims else (np.squeeze(values, axis), np.squeeze(places, axis))


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"k": size(1, 16), "axis": axis(), "keepdims": flag()},
    dtypes=REAL,
    returns=("T", "int64"),
    defined=lambda x, *, k, axis, keepdims: distinct(x, axis),
    reference=lambda x, *, k, axis, keepdims: _kth(x, k, axis, keepdims),
    special=FRAMEWORKS,
    torch="torch.kthvalue({x}, {k}, dim={axis}, keepdim={keepdims})",
)
def kthvalue(require: Require, x: Tensor, *, k: Size, axis: int, keepdims: bool) -> list[Shape]:
    """The k-th least element along one axis, and where it is; all elements are distinct."""
    require(k <= x.shape[axis], "there are k elements")
    place = axis % x.rank
    return [(*x.shape[:place], *((1,) if keepdims else ()), *x.shape[place + 1 :])] * 2


def _counted(x: Array) -> tuple[Any, bool]:
    """The most frequent element, and whether it is the only one."""
    found, counts = np.unique(x, return_counts=True)
    return found[np.argmax(counts)], int(np.sum(counts == np.max(counts))) == 1


mode = over_axis(
    "mode",
    (*INTEGERS, "bool"),
    "The most frequent element along one axis.",
    some=True,
    empty=False,
    defined=lambda x, *, axis, keepdims: all(
        _counted(row)[1] for row in np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    ),
    reference=lambda x, *, axis, keepdims: (
        np.expand_dims(np.apply_along_axis(lambda row: _counted(row)[0], axis, x), axis)
        if keepdims
        else np.apply_along_axis(lambda row: _counted(row)[0], axis, x)
    ),
    torch="torch.mode({x}, dim={axis}, keepdim={keepdims}).values",
)

OPERATORS: Sequence[Operator] = [
    *(value for value in list(globals().values()) if isinstance(value, Operator)),
    *tensorflow_places,
]
