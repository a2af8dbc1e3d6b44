"""What references compute in: the widest format, so that they are better than either framework's rounding."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"


def wide(x: Array) -> Array:
    """The same values as float64 (floats) or int64 (integers and bools); integer sums then wrap only at 64 bits,
    and keep the right low bits for any narrower result."""
    return x.astype(np.float64 if np.issubdtype(x.dtype, np.floating) else np.int64)
