"""Folds of rows that belong together, by segment numbers that are sorted, any, or point to rows first."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    INDICES,
    INTEGERS,
    REAL,
    UNSIGNED,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    index,
    named,
    operator,
    size,
    sizes,
    tensor,
)
from graphfuzz.spec.dims import Size
from operators.precision import Array, wide
from operators.spelling import in_layer

_COUNTED = {"counts": sizes(1, 6, count=(1, 2, 3, 4))}
"""How many rows each segment has: sorted segment numbers are constants of the model."""


def _ids(counts: Sequence[int]) -> list[int]:
    return [segment for segment, count in enumerate(counts) for _ in range(count)]


def _total(counts: Sequence[Size]) -> Size:
    total: Size = 0
    for count in counts:
        total = total + count
    return total


def _folded(x: Array, ids: Array, count: int, fold: Callable[..., Array]) -> Array:
    """The fold of the rows of each segment; of none, zeros."""
    rows = [fold(wide(x)[ids == segment], 0) for segment in range(count)]
    return np.stack(rows) if rows else np.zeros((0, *x.shape[1:]))


def _sorted_segments(name: str, fold: Callable[..., Array], dtypes: Sequence[str], call: Any) -> Operator:
    """A fold of rows whose segment numbers are sorted, none left out."""

    def rule(require: Require, x: Tensor, *, counts: Sequence[Size]) -> Shape:
        require(x.shape[0] == _total(counts), "each row belongs to a segment")
        return (len(counts), *x.shape[1:])

    return operator(
        tensor("x", rank=range(1, 7)),
        attrs=_COUNTED,
        dtypes=dtypes,
        domain=(-2, 2) if "prod" in name else None,
        reference=lambda x, *, counts: _folded(x, np.array(_ids(counts)), len(counts), fold),
        keras=call,
    )(named(name, f"The {name.split('_')[-1]} of the rows of each segment, whose numbers are sorted.", rule))


def _tensorflow_sorted(function: str) -> Emission:
    def call(counts: Sequence[int], **_: Any) -> str:
        ids = _ids(counts)
        return f"tf.ensure_shape(tf.math.{function}(x, {ids}), [{ids[-1] + 1}, *x.shape[1:]])"

    return in_layer("x", call)


sorted_segments = [
    _sorted_segments(f"segment_{fold}", function, dtypes, _tensorflow_sorted(f"segment_{fold}"))
    for fold, function, dtypes in (
        ("sum", np.sum, REAL),
        ("mean", np.mean, FLOATS),
        ("max", np.max, REAL),
        ("min", np.min, REAL),
        ("prod", np.prod, REAL),
    )
]


def _domain(x: Tensor, ids: Tensor, *, count: Size) -> tuple[Any, Any]:
    return 0, count - 1


def _small(x: Tensor, ids: Tensor, *, count: Size) -> tuple[Any, Any]:
    """Factors whose products stay ordinary."""
    return (0 if x.dtype in UNSIGNED else -2), 2


def _unsorted_segments(fold: str, function: Callable[..., Array], empty_too: bool) -> Operator:
    """A fold of rows by segment numbers in any order."""

    def rule(require: Require, x: Tensor, ids: Tensor, *, count: Size) -> Shape:
        require(x.shape[0] == ids.shape[0], "each row belongs to a segment")
        return (count, *x.shape[1:])

    return operator(
        tensor("x", rank=range(1, 7), domain=_small if fold == "prod" else None),
        index("ids", rank=1, domain=_domain),
        attrs={"count": size(1, 6)},
        dtypes={"T": REAL, "I": INDICES},
        defined=None if empty_too else (lambda x, ids, *, count: len(np.unique(ids)) == count),
        reference=lambda x, ids, *, count: _folded(x, ids, count, function),
        keras=f"ops.segment_{fold}({{x}}, {{ids}}, num_segments={{count}})",
    )(named(f"unsorted_segment_{fold}", f"The {fold} of the rows of each segment, numbered in any order.", rule))


unsorted_segments = [
    _unsorted_segments(fold, function, empty_too)
    for fold, function, empty_too in (
        ("sum", np.sum, True),
        ("max", np.max, False),
        ("min", np.min, False),
        ("prod", np.prod, True),
    )
]


@operator(
    tensor("x", rank=range(2, 7)),
    index("ids", rank=2, domain=_domain),
    attrs={"count": size(1, 6)},
    dtypes={"T": REAL, "I": INDICES},
    reference=lambda x, ids, *, count: _folded(x.reshape(-1, *x.shape[2:]), ids.reshape(-1), count, np.sum),
    keras=in_layer("x, ids", "tf.math.unsorted_segment_sum(x, ids, {count})"),
)
def unsorted_segment_sum_2d(require: Require, x: Tensor, ids: Tensor, *, count: Size) -> Shape:
    """The sum of all that belongs to each segment, the numbers having two axes."""
    require(x.shape[0] == ids.shape[0], "the first sizes are equal")
    require(x.shape[1] == ids.shape[1], "the second sizes are equal")
    return (count, *x.shape[2:])


def _mean_segments(name: str, doc: str, scale: Callable[[int], float]) -> Operator:
    """A sum of rows by segment numbers in any order, scaled by their count; TensorFlow's own function."""

    def rule(require: Require, x: Tensor, ids: Tensor, *, count: Size) -> Shape:
        require(x.shape[0] == ids.shape[0], "each row belongs to a segment")
        return (count, *x.shape[1:])

    return operator(
        tensor("x", rank=range(1, 7)),
        index("ids", rank=1, domain=_domain),
        attrs={"count": size(1, 6)},
        dtypes={"T": ("float32", "float64"), "I": INDICES},
        reference=lambda x, ids, *, count: _folded(
            x, ids, count, lambda rows, axis: np.sum(rows, axis) * scale(max(len(rows), 1))
        ),
        keras=in_layer("x, ids", f"tf.math.{name}(x, ids, {{count}})"),
    )(named(name, doc, rule))


mean_segments = [
    _mean_segments("unsorted_segment_mean", "The mean of the rows of each segment.", lambda n: 1 / n),
    _mean_segments(
        "unsorted_segment_sqrt_n",
        "The sum of the rows of each segment over the root of their count.",
        lambda n: n**-0.5,
    ),
]


def _sparse(fold: str, combine: Callable[[Array], Array], dtypes: Sequence[str], padded: bool) -> Operator:
    """A fold of rows that indices pick, in sorted segments; `padded` by one segment more, which is empty."""
    name = f"sparse_segment_{fold}{'_padded' if padded else ''}"

    def rule(require: Require, x: Tensor, rows: Tensor, *, counts: Sequence[Size]) -> Shape:
        require(rows.shape[0] == _total(counts), "each index belongs to a segment")
        return (len(counts) + padded, *x.shape[1:])

    def reference(x: Array, rows: Array, *, counts: Sequence[int]) -> Array:
        ids = np.array(_ids(counts))
        made = [combine(wide(x)[rows[ids == segment]]) for segment in range(len(counts))]
        return np.stack(made + [np.zeros(x.shape[1:])] * padded)

    def call(counts: Sequence[int], **_: Any) -> str:
        ids = _ids(counts)
        length, option = (len(counts) + 1, f", num_segments={len(counts) + 1}") if padded else (ids[-1] + 1, "")
        return f"tf.ensure_shape(tf.sparse.segment_{fold}(x, rows, {ids}{option}), [{length}, *x.shape[1:]])"

    return operator(
        tensor("x", rank=range(1, 7)),
        index("rows", rank=1, domain=lambda x, rows, *, counts: (0, x.shape[0] - 1)),
        attrs=_COUNTED,
        dtypes={"T": dtypes, "I": INDICES},
        reference=reference,
        keras=in_layer("x, rows", call),
    )(named(name, f"The {fold} of the rows that indices pick, by sorted segments.", rule))


sparse_segments = [
    _sparse(fold, combine, dtypes, padded)
    for fold, combine, dtypes in (
        ("sum", lambda rows: np.sum(rows, 0), (*FLOATS, *INTEGERS)),
        ("mean", lambda rows: np.mean(rows, 0), FLOATS),
        ("sqrt_n", lambda rows: np.sum(rows, 0) / np.sqrt(len(rows)), FLOATS),
    )
    for padded in (False, True)
]

OPERATORS: Sequence[Operator] = [
    *sorted_segments,
    *unsorted_segments,
    unsorted_segment_sum_2d,
    *mean_segments,
    *sparse_segments,
]
