"""Changes of dtype."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import ANY, Operator, Require, Shape, Tensor, dtype_choice, named_by, operator, tensor
from operators.precision import Array


def _in_range(x: Array, *, dtype: str) -> bool:
    """Whether every float, its fraction dropped, exists in the integer dtype: C leaves the others undefined."""
    target = np.dtype(dtype)
    if not (np.issubdtype(x.dtype, np.floating) and np.issubdtype(target, np.integer)):
        return True
    limits = np.iinfo(target)
    # As floats, int64's greatest value is 2**63 itself, which is out of range: compare below one past the end.
    whole = np.trunc(x.astype(np.float64))
    return bool(np.all((whole >= float(limits.min)) & (whole < float(limits.max) + (limits.bits < 64))))


@operator(
    tensor("x"),
    attrs={"dtype": dtype_choice()},
    dtypes=ANY,
    returns=named_by("dtype"),
    defined=_in_range,
    reference=lambda x, *, dtype: x.astype(dtype),
    torch="{x}.to(torch.{dtype})",
    keras='ops.cast({x}, "{dtype}")',
)
def cast(require: Require, x: Tensor, *, dtype: str) -> Shape:
    """The same values in another dtype: fractions are dropped, integers wrap around, all but zero is true."""
    return x.shape


OPERATORS: Sequence[Operator] = [cast]
