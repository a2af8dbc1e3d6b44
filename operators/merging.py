"""Keras' layers that merge several tensors into one, elementwise."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    Defect,
    Operands,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    either,
    emission,
    named,
    operator,
    stretched,
    variadic,
)
from operators import elementwise
from operators.precision import wide


def _is_mistaken(*xs: Tensor) -> Any:
    """Whether one of the additions, from the left, is taken for that of a bias."""
    wrong, total = [], xs[0]
    for x in xs[1:]:
        wrong.append(elementwise.is_mistaken_for_bias(total, x))
        total = Tensor(x.dtype, stretched(total.shape, x.shape))
    return either(*wrong)


_BIAS = Defect(elementwise.BIAS.what, _is_mistaken, elementwise.BIAS.source)


def merge(
    name: str,
    doc: str,
    kind: str,
    reference: Callable[..., Any],
    arity: Sequence[int] = (2, 3),
    defects: Sequence[Defect] = (),
) -> Operator:
    """A layer on several tensors of one rank and first size, whose other axes are broadcast."""

    def rule(require: Require, *xs: Tensor) -> Shape:
        for x in xs[1:]:
            require(x.rank == xs[0].rank, "all have one rank")
            require(x.shape[0] == xs[0].shape[0], "all have one batch size")
        return broadcast(require, *(x.shape for x in xs))

    def constructed(layer: str, xs: Operands) -> str:
        return f'layers.{kind}(dtype="{xs.each[0].dtype}")'

    declare = operator(
        variadic("xs", arity, rank=range(1, 7)),
        dtypes=FLOATS,
        reference=reference,
        special=FRAMEWORKS,
        keras=emission("{layer}([{xs}])", layer=constructed, defects=defects),
    )
    return declare(named(name, doc, rule))


OPERATORS: Sequence[Operator] = [
    merge("add_layer", "The sum of several tensors.", "Add", lambda *xs: sum(map(wide, xs)), defects=[_BIAS]),
    merge("subtract_layer", "The difference of two tensors.", "Subtract", lambda x, y: wide(x) - wide(y), arity=(2, 2)),
    merge(
        "multiply_layer", "The product of several tensors.", "Multiply", lambda *xs: reduce(np.multiply, map(wide, xs))
    ),
    merge("maximum_layer", "The largest elements of several tensors.", "Maximum", lambda *xs: reduce(np.maximum, xs)),
    merge("minimum_layer", "The least elements of several tensors.", "Minimum", lambda *xs: reduce(np.minimum, xs)),
    merge(
        "average_layer",
        "The mean of several tensors.",
        "Average",
        lambda *xs: sum(map(wide, xs)) / len(xs),
        defects=[_BIAS],
    ),
]
