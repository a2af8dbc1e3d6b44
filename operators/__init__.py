"""The operator-spec library, one module a family.

A module declares its operators in a list `OPERATORS` and is itself listed in `FAMILIES` below; without that its
operators are not found.
"""

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
