"""Operators that put rows in another order, by data or by constants."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from graphfuzz.spec import (
    ANY,
    INDICES,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    choose,
    index,
    on_special,
    operator,
    sizes,
    spelled,
    tensor,
    variadic,
)
from operators.spelling import Order, everywhere, in_layer


@operator(
    tensor("x", rank=range(2, 5)),
    index("lengths", "I", rank=1, domain=lambda x, **_: (0, x.shape[1])),
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, lengths: np.stack(
        [np.concatenate([a[:n][::-1], a[n:]]) for a, n in zip(x, lengths, strict=True)]
    ),
    keras=in_layer("x, lengths", "tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)"),
)
def reverse_sequence(require: Require, x: Tensor, lengths: Tensor) -> Shape:
    """The first few entries of the second axis in reverse, in each entry of the batch its own number of them."""
    require(lengths.shape[0] == x.shape[0], "there is a length for each entry of the batch")
    return x.shape


@operator(
    tensor("x", rank=range(2, 5)),
    index("lengths", "I", rank=1, domain=lambda x, **_: (0, x.shape[0])),
    dtypes={"T": ANY, "I": INDICES},
    reference=lambda x, lengths: np.stack(
        [np.concatenate([x[:n, i][::-1], x[n:, i]]) for i, n in enumerate(lengths)], 1
    ),
    keras=in_layer("x, lengths", "tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)"),
)
def reverse_sequence_time_first(require: Require, x: Tensor, lengths: Tensor) -> Shape:
    """The first few entries of the first axis in reverse, in each entry of the batch its own number of them."""
    require(lengths.shape[0] == x.shape[1], "there is a length for each entry of the batch")
    return x.shape


@operator(
    tensor("x", rank=1),
    dtypes=("float32", "float64", "int32", "int64"),
    returns="int32",
    defined=lambda x: np.unique(x).size == x.size,
    reference=lambda x: np.argsort(np.argsort(x)),
    keras=in_layer("x", "tf.math.invert_permutation(tf.argsort(x))"),
)
def invert_permutation(require: Require, x: Tensor) -> Shape:
    """The place of each entry in ascending order: the order that undoes the one that sorts."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 4)),
    attrs={"labels": sizes(0, 2, count=range(2, 7)), "count": choice(3, 4)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, labels, count: [x[np.asarray(labels) == label] for label in range(count)],
    keras=in_layer("x", lambda x, labels, count: _partitioned(x, labels, count)),
)
def dynamic_partition(require: Require, x: Tensor, *, labels: Sequence[Size], count: int) -> list[Shape]:
    """The rows of each label, by constant labels."""
    require(x.shape[0] == len(labels), "there is a label for each row")
    made = []
    for wanted in range(count):
        held = [choose(label == wanted, 1, 0) for label in labels]
        made.append((sum(held[1:], held[0]), *x.shape[1:]))
    return made


@operator(
    variadic("xs", (2, 3), rank=range(1, 4)),
    attrs={"order": Order(tuple(range(2, 8)))},
    dtypes=ANY,
    reference=lambda *xs, order: np.concatenate(xs)[np.argsort(order)],
    keras=in_layer("*xs", lambda xs, order: f"tf.dynamic_stitch({_dealt(xs, order)}, list(xs))"),
)
def dynamic_stitch(require: Require, *xs: Tensor, order: Sequence[int]) -> Shape:
    """The rows of all operands put to the places that a constant order gives."""
    total: Size = xs[0].shape[0]
    for x in xs[1:]:
        require(x.rank == xs[0].rank, "the ranks are equal")
        for a, b in zip(x.shape[1:], xs[0].shape[1:], strict=True):
            require(a == b, "the rows have one shape")
        total = total + x.shape[0]
    require(total == len(order), "there is a place for each row")
    return (len(order), *xs[0].shape[1:])


def _partitioned(x: Operand, labels: Sequence[int], count: int) -> str:
    """With the shapes of the parts, which TensorFlow does not infer."""
    shapes = [(labels.count(label), *x.shape[1:]) for label in range(count)]
    parts = f"tf.dynamic_partition(x, {labels}, {count})"
    return f"[tf.ensure_shape(part, shape) for part, shape in zip({parts}, {shapes})]"


def _dealt(xs: Operands, order: Sequence[int]) -> list[list[int]]:
    """The places of each operand's rows; the last one's are all that are left."""
    ends = [sum(x.shape[0] for x in xs.each[: i + 1]) for i in range(len(xs.each) - 1)]
    return [list(order[a:b]) for a, b in pairwise([0, *ends, len(order)])]


parallel_dynamic_stitch = spelled(
    dynamic_stitch,
    "parallel_dynamic_stitch",
    keras=in_layer(
        "*xs",
        lambda xs, order: f"tf.raw_ops.ParallelDynamicStitch(indices={_dealt(xs, order)}, data=list(xs))",
    ),
)


@operator(
    tensor("x", rank=range(1, 5)),
    dtypes=ANY,
    reference=lambda x: x,
    keras=in_layer("x", "tf.ensure_shape(x, {x.shape})"),
)
def ensure_shape(require: Require, x: Tensor) -> Shape:
    """The tensor, its shape asserted."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    invert_permutation,
    *(
        on_special(everywhere(op, "keras"))
        for op in (
            reverse_sequence,
            reverse_sequence_time_first,
            dynamic_partition,
            dynamic_stitch,
            parallel_dynamic_stitch,
            ensure_shape,
        )
    ),
]
