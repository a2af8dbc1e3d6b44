"""Shape rules with one mistake each, or for a declaration that does not fit them."""

from typing import Any

import numpy as np

from graphfuzz.spec import Require, Shape, Tensor


def undocumented(require: Require, x: Tensor) -> Shape:
    return x.shape


def of_two(require: Require, xs: Tensor, y: Tensor) -> Shape:
    """Takes two."""
    return y.shape


def of_keywords(require: Require, x: Tensor, **attrs: Any) -> Shape:
    """Takes anything."""
    return x.shape


def of_a_keyword(require: Require, x: Tensor, *, keepdims: bool) -> Shape:
    """Takes a flag."""
    return x.shape


def of_many(require: Require, *xs: Tensor) -> Shape:
    """Takes several."""
    return xs[0].shape


def branches(require: Require, x: Tensor) -> Shape:
    """Takes one way or the other by a size."""
    return x.shape if x.rank == 0 or x.shape[0] > 1 else (1,)


def requires_a_size(require: Require, x: Tensor) -> Shape:
    """States a size, which is no truth."""
    for size_ in x.shape:
        require(size_, "a size is there")
    return x.shape


def indexes_beyond(require: Require, x: Tensor) -> Shape:
    """Takes it for granted that there are axes."""
    return (x.shape[0],)


def fails_on_sizes(require: Require, x: Tensor) -> Shape:
    """Fails on known sizes alone."""
    return tuple(size_ if not isinstance(size_, int) else size_ // 0 for size_ in x.shape)


def makes_a_list(require: Require, x: Tensor) -> Any:
    """Gives the sizes in a list, which means several shapes."""
    return list(x.shape) or [1]


def makes_a_tensor(require: Require, x: Tensor) -> Any:
    """Gives the operand itself."""
    return x


def makes_an_array_size(require: Require, x: Tensor) -> Shape:
    """Gives a NumPy integer."""
    return (np.int64(3),)  # type: ignore[return-value]


def makes_nothing(require: Require, x: Tensor) -> list[Shape]:
    """Gives no output."""
    return []


def makes_two(require: Require, x: Tensor) -> list[Shape]:
    """Gives two outputs."""
    return [x.shape, x.shape]


def of_an_axis(require: Require, x: Tensor, *, along: int) -> Shape:
    """Drops an axis, of which a scalar has none."""
    gone = along % x.rank
    return (*x.shape[:gone], *x.shape[gone + 1 :])


def of_k(require: Require, x: Tensor, *, k: Any) -> Shape:
    """Takes something."""
    return x.shape


def refuses_all(require: Require, x: Tensor) -> Shape:
    """Refuses every use."""
    require(False, "it is never used")
    return x.shape
