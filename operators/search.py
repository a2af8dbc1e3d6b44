"""Places in sorted sequences, what is unique, and sets: results whose sizes do not depend on values."""

from collections.abc import Callable, Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    INDICES,
    REAL,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    by_framework,
    choice,
    emission,
    flag,
    index,
    named,
    operator,
    size,
    tensor,
)
from graphfuzz.spec.dims import Size
from operators.folds import distinct
from operators.precision import Array, wide
from operators.spelling import in_layer

_PLACE = by_framework("int64", "int32")


def _bounds(first: float, step: float, count: int) -> list[float]:
    return [first + step * i for i in range(count)]


_BOUNDS = {"first": choice(-3.0, -0.5, 0.0), "step": choice(1.0, 0.25, 2.5), "count": choice(1, 2, 5, 9)}
"""Boundaries that every float format holds exactly."""


def _torch_bucketize(x: Operand, first: float, step: float, count: int, right: bool) -> str:
    return f"torch.bucketize({x}, torch.tensor({_bounds(first, step, count)}, dtype={x}.dtype), right={right})"


@operator(
    tensor("x"),
    attrs={**_BOUNDS, "right": flag()},
    dtypes=FLOATS,
    empty=True,
    returns="int64",
    reference=lambda x, *, first, step, count, right: np.searchsorted(
        _bounds(first, step, count), wide(x), "right" if right else "left"
    ),
    torch=emission(_torch_bucketize),
)
def bucketize(require: Require, x: Tensor, *, first: float, step: float, count: int, right: bool) -> Shape:
    """Between which of several boundaries each element lies."""
    return x.shape


@operator(
    tensor("x"),
    attrs=_BOUNDS,
    dtypes=REAL,
    empty=True,
    returns="int32",
    reference=lambda x, *, first, step, count: np.digitize(wide(x), _bounds(first, step, count)),
    keras=lambda x, first, step, count: f"ops.digitize({x}, np.array({_bounds(first, step, count)}))",
)
def digitize(require: Require, x: Tensor, *, first: float, step: float, count: int) -> Shape:
    """Between which of several boundaries each element lies, the lower one included."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    attrs=_BOUNDS,
    dtypes=("float32", "float64", *INDICES),
    returns="int32",
    reference=lambda x, *, first, step, count: np.digitize(wide(x), _bounds(first, step, count)),
    keras=emission(
        "{layer}({x})",
        layer=lambda first, step, count, **others: f"layers.Discretization({_bounds(first, step, count)})",
    ),
)
def discretization(require: Require, x: Tensor, *, first: float, step: float, count: int) -> Shape:
    """Between which of several boundaries each element lies, as Keras' preprocessing layer."""
    return x.shape


def _keras_searchsorted(sequence: Operand, values: Operand, right: bool) -> str:
    """Keras' function searches one sequence for a list of values only."""
    wanted = values if values.rank == 1 else f"ops.reshape({values}, (-1,))"
    found = f'ops.searchsorted(ops.sort({sequence}), {wanted}, side="{"right" if right else "left"}")'
    return found if values.rank == 1 else f"ops.reshape({found}, {values.shape})"


@operator(
    tensor("sequence", rank=1),
    tensor("values"),
    attrs={"right": flag()},
    dtypes=REAL,
    returns=_PLACE,
    reference=lambda sequence, values, *, right: np.searchsorted(
        np.sort(sequence), values, "right" if right else "left"
    ),
    torch="torch.searchsorted(torch.sort({sequence}).values, {values}, right={right})",
    keras=_keras_searchsorted,
)
def searchsorted(require: Require, sequence: Tensor, values: Tensor, *, right: bool) -> Shape:
    """Where each value would have to be put into a sequence, sorted first, that it stays sorted."""
    return values.shape


def _search_rows(sequence: Array, values: Array) -> Array:
    rows = np.sort(sequence, -1).reshape(-1, sequence.shape[-1])
    wanted = values.reshape(-1, values.shape[-1])
    found = [np.searchsorted(row, value) for row, value in zip(rows, wanted, strict=True)]
    return np.asarray(found, "int64").reshape(values.shape)


@operator(
    tensor("sequence", rank=range(2, 6)),
    tensor("values", rank=range(2, 6)),
    dtypes=REAL,
    returns="int32",
    reference=_search_rows,
    torch="torch.searchsorted(torch.sort({sequence}).values, {values}, out_int32=True)",
    keras=in_layer("sequence, values", "tf.searchsorted(tf.sort(sequence), values)"),
)
def searchsorted_rows(require: Require, sequence: Tensor, values: Tensor) -> Shape:
    """Where each value would have to be put into the sequence of its own row."""
    require(sequence.rank == values.rank, "the ranks are equal")
    for a, b in zip(sequence.shape[:-1], values.shape[:-1], strict=True):
        require(a == b, "the sizes before the last are equal")
    return values.shape


# What is unique. Only results whose sizes do not depend on values.


def _one_zero(x: Array, **attrs: object) -> bool:
    """No negative zero: of halves, TensorFlow tells it from the positive one, of wider floats it does not."""
    return not bool(np.any((x == 0) & np.signbit(x))) if np.issubdtype(x.dtype, np.floating) else True


def _inverse_sorted(x: Array) -> tuple[Array, Array]:
    """For each element its place among the unique ones, in order, and how often it occurs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(x.shape)
    return inverse, counts[inverse]


def _inverse_first(x: Array) -> tuple[Array, Array]:
    """The same, the unique ones being in the order in which they come first."""
    _, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(first))
    return rank[inverse.reshape(x.shape)], counts[inverse.reshape(x.shape)]


def _runs(x: Array) -> tuple[Array, Array]:
    """For each element of a flattened array which run of equal neighbors it is in, and how long that is."""
    flat = x.reshape(-1)
    run = np.concatenate([[0], np.cumsum(flat[1:] != flat[:-1])]).astype("int64")
    return run.reshape(x.shape), np.bincount(run)[run].reshape(x.shape)


@operator(
    tensor("x", rank=range(1, 7)),
    dtypes=ANY,
    returns=("int64", "int64"),
    reference=_inverse_sorted,
    torch=emission(
        "unique_places({x})",
        helper="""
            def unique_places(x):
                _, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
                return inverse, counts[inverse]
            """,
    ),
)
def unique_places(require: Require, x: Tensor) -> list[Shape]:
    """For each element its place among the sorted unique ones, and how often it occurs."""
    return [x.shape, x.shape]


@operator(
    tensor("x", rank=range(1, 7)),
    dtypes=ANY,
    returns=("int64", "int64"),
    reference=_runs,
    torch=emission(
        "unique_runs({x})",
        helper="""
            def unique_runs(x):
                _, inverse, counts = torch.unique_consecutive(x, return_inverse=True, return_counts=True)
                return inverse, counts[inverse]
            """,
    ),
)
def unique_runs(require: Require, x: Tensor) -> list[Shape]:
    """For each element, in order, which run of equal neighbors it is in, and how long that is."""
    return [x.shape, x.shape]


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"axis": axis()},
    dtypes=ANY,
    returns="int64",
    reference=lambda x, *, axis: np.unique(x, axis=axis, return_inverse=True)[1].reshape(-1),
    torch="torch.unique({x}, dim={axis}, return_inverse=True)[1]",
)
def unique_slices(require: Require, x: Tensor, *, axis: int) -> Shape:
    """For each slice of one axis its place among the sorted unique ones."""
    return (x.shape[axis],)


@operator(
    tensor("x", rank=1),
    dtypes=REAL,
    returns=("int32", "int32"),
    defined=_one_zero,
    reference=_inverse_first,
    keras=in_layer("x", "[tf.unique(x)[1], tf.gather(*tf.unique_with_counts(x)[2:0:-1])]"),
)
def unique_places_unsorted(require: Require, x: Tensor) -> list[Shape]:
    """For each element its place among the unique ones in order of appearance, and how often it occurs."""
    return [x.shape, x.shape]


def _unique_padded(x: Array, length: int) -> Array:
    found = np.unique(x)[:length]
    return np.pad(found, (0, length - len(found)))


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"length": size(1, 12)},
    dtypes=REAL,
    defined=_one_zero,
    reference=lambda x, *, length: _unique_padded(x, length),
    keras="ops.unique({x}, size={length})",
)
def unique_padded(require: Require, x: Tensor, *, length: Size) -> Shape:
    """The least unique elements in order, as many as asked for, filled up with zeros."""
    return (length,)


@operator(
    index("targets", rank=1, domain=lambda targets, predictions, *, k: (0, predictions.shape[1] - 1)),
    tensor("predictions", rank=2),
    attrs={"k": choice(1, 2, 3, 5)},
    dtypes={"I": INDICES, "T": ("float32",)},
    returns="bool",
    defined=lambda targets, predictions, *, k: distinct(predictions, -1),
    reference=lambda targets, predictions, *, k: (
        np.sum(predictions > np.take_along_axis(predictions, targets[:, None], 1), 1) < k
    ),
    keras="ops.in_top_k({targets}, {predictions}, {k})",
)
def in_top_k(require: Require, targets: Tensor, predictions: Tensor, *, k: int) -> Shape:
    """Whether the prediction for each row's target is among the row's k greatest; all of a row are distinct."""
    require(targets.shape[0] == predictions.shape[0], "each row has a target")
    return targets.shape


@operator(
    tensor("x", rank=range(1, 5)),
    dtypes=REAL,
    returns="int32",
    defined=_one_zero,
    reference=lambda x: _inverse_sorted(x)[0],
    keras=in_layer("x", "ops.unique(x, return_inverse=True)[1]"),
)
def unique_inverse(require: Require, x: Tensor) -> Shape:
    """For each element its place among the sorted unique ones, by Keras' function."""
    return x.shape


def _of_sets(name: str, operation: str, doc: str, combine: Callable[[set[int], set[int]], set[int]]) -> Operator:
    """The sum and the number of what a set operation on rows gives: the result itself has no fixed size."""

    def rule(require: Require, x: Tensor, y: Tensor) -> list[Shape]:
        require(x.rank == y.rank, "the ranks are equal")
        for a, b in zip(x.shape[:-1], y.shape[:-1], strict=True):
            require(a == b, "the sizes before the last are equal")
        return [(), ()]

    def reference(x: Array, y: Array) -> tuple[int, int]:
        rows = zip(x.reshape(-1, x.shape[-1]).tolist(), y.reshape(-1, y.shape[-1]).tolist(), strict=True)
        found = [combine(set(a), set(b)) for a, b in rows]
        return sum(map(sum, found)), sum(map(len, found))

    return operator(
        tensor("x", rank=range(2, 5)),
        tensor("y", rank=range(2, 5)),
        dtypes=INDICES,
        returns=("T", "int32"),
        reference=reference,
        keras=in_layer("x, y", f"[tf.reduce_sum({operation}.values), tf.size({operation}.values)]"),
    )(named(name, doc, rule))


set_intersection = _of_sets(
    "set_intersection",
    "tf.sets.intersection(x, y)",
    "The sum and the number of the elements that rows of two tensors share.",
    lambda a, b: a & b,
)
set_difference = _of_sets(
    "set_difference",
    "tf.sets.difference(x, y)",
    "The sum and the number of the elements of rows that other rows lack.",
    lambda a, b: a - b,
)
set_union = _of_sets(
    "set_union",
    "tf.sets.union(x, y)",
    "The sum and the number of the elements in rows of either of two tensors.",
    lambda a, b: a | b,
)

OPERATORS: Sequence[Operator] = [value for value in list(globals().values()) if isinstance(value, Operator)]
