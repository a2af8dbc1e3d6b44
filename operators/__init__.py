"""The operator-spec library, one module a family.

A module declares its operators in a list `OPERATORS` and is itself listed in `FAMILIES` below; without that its
operators are not found.
"""

from collections.abc import Sequence

from graphfuzz.spec import Operator
from operators import (
    activation,
    attention,
    batch_norm,
    casting,
    comparison,
    complex,
    convolution,
    elementwise,
    indexing,
    linear,
    native_convolution,
    normalization,
    pooling,
    recurrent,
    reductions,
    shape,
    softmax,
    transposed,
)

FAMILIES = (
    elementwise,
    comparison,
    casting,
    reductions,
    activation,
    softmax,
    batch_norm,
    normalization,
    linear,
    convolution,
    native_convolution,
    transposed,
    pooling,
    shape,
    indexing,
    recurrent,
    attention,
    complex,
)

OPERATORS: Sequence[Operator] = [op for family in FAMILIES for op in family.OPERATORS]
