"""The operator-spec library, one module a family."""

from collections.abc import Sequence

from graphfuzz.spec import Operator
from operators import (
    activation,
    attention,
    casting,
    comparison,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    pooling,
    recurrent,
    reductions,
    shape,
)

FAMILIES = (
    elementwise,
    comparison,
    casting,
    reductions,
    activation,
    normalization,
    linear,
    convolution,
    pooling,
    shape,
    indexing,
    recurrent,
    attention,
)

OPERATORS: Sequence[Operator] = [op for family in FAMILIES for op in family.OPERATORS]
