"""Comparisons, connectives, and the choice between two values."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    BOOL,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    comparison,
    emission,
    logical,
    operator,
    tensor,
    unary,
)

equal = comparison("equal", reference=np.equal, torch="torch.eq({x}, {y})", keras="ops.equal({x}, {y})")
not_equal = comparison("not_equal", reference=np.not_equal, torch="torch.ne({x}, {y})", keras="ops.not_equal({x}, {y})")
less = comparison(
    "less",
    reference=np.less,
    torch="torch.lt({x}, {y})",
    keras=emission("ops.less({x}, {y})", dtypes=REAL),
)
less_equal = comparison(
    "less_equal",
    reference=np.less_equal,
    torch="torch.le({x}, {y})",
    keras=emission("ops.less_equal({x}, {y})", dtypes=REAL),
)
greater = comparison(
    "greater",
    reference=np.greater,
    torch="torch.gt({x}, {y})",
    keras=emission("ops.greater({x}, {y})", dtypes=REAL),
)
greater_equal = comparison(
    "greater_equal",
    reference=np.greater_equal,
    torch="torch.ge({x}, {y})",
    keras=emission("ops.greater_equal({x}, {y})", dtypes=REAL),
)

logical_and = logical(
    "logical_and", reference=np.logical_and, torch="torch.logical_and({x}, {y})", keras="ops.logical_and({x}, {y})"
)
logical_or = logical(
    "logical_or", reference=np.logical_or, torch="torch.logical_or({x}, {y})", keras="ops.logical_or({x}, {y})"
)
logical_xor = logical(
    "logical_xor", reference=np.logical_xor, torch="torch.logical_xor({x}, {y})", keras="ops.logical_xor({x}, {y})"
)
logical_not = unary(
    "logical_not", BOOL, reference=np.logical_not, torch="torch.logical_not({x})", keras="ops.logical_not({x})"
)


@operator(
    tensor("condition", "bool"),
    tensor("x"),
    tensor("y"),
    dtypes=ANY,
    reference=np.where,
    torch="torch.where({condition}, {x}, {y})",
    keras="ops.where({condition}, {x}, {y})",
)
def where(require: Require, condition: Tensor, x: Tensor, y: Tensor) -> Shape:
    """The element of x where the condition holds, else that of y, all three broadcast."""
    return broadcast(require, condition.shape, x.shape, y.shape)


OPERATORS: Sequence[Operator] = [
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    logical_and,
    logical_or,
    logical_xor,
    logical_not,
    where,
]
