"""Pooling over two spatial axes, channels first in the graph; Keras transposes and pads as for convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    ceil_div,
    choose,
    emission,
    flag,
    operator,
    sizes,
    tensor,
)
from operators.convolution import windows
from operators.precision import wide


def _lowest(dtype: Any) -> Any:
    return -np.inf if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).min


def _count(n: Any, window: Any, stride: Any, padding: Any, ceil: bool) -> Any:
    """How many windows lie in one axis: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html

    With `ceil` a last window may hang over the end, but not begin in the padding behind it.
    """
    room = n + 2 * padding - window
    if not ceil:
        return room // stride + 1
    count = ceil_div(room, stride) + 1
    return choose((count - 1) * stride < n + padding, count, count - 1)


def _paddings(
    spatial: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Sequence[int], ceil: bool
) -> list[tuple[int, int]]:
    """What stands before and behind each axis; with `ceil` behind it also what the last window hangs over."""
    pairs = []
    for n, w, s, p in zip(spatial, window, strides, padding, strict=True):
        covered = (_count(n, w, s, p, ceil) - 1) * s + w
        pairs.append((p, max(p, covered - n - p) if ceil else p))
    return pairs


def _shape(
    require: Require, x: Tensor, window: Sequence[Size], strides: Sequence[Size], padding: Sequence[Size], ceil: bool
) -> Shape:
    batch, channels, *spatial = x.shape
    made: list[Size] = []
    for n, w, s, p in zip(spatial, window, strides, padding, strict=True):
        require(2 * p <= w, "the padding is at most half the window")
        count = _count(n, w, s, p, ceil)
        require(count >= 1, "the window fits into the padded input")
        made.append(count)
    return (batch, channels, *made)


def _keras(pool: str, x: Operand, window: Any, strides: Any, pairs: Any, fill: str) -> str:
    text = f"ops.transpose({x}, (0, 2, 3, 1))"
    if any(map(any, pairs)):
        text = f"ops.pad({text}, {((0, 0), *pairs, (0, 0))}{fill})"
    text = f'ops.{pool}({text}, {window}, {strides}, padding="valid", data_format="channels_last")'
    return f"ops.transpose({text}, (0, 3, 1, 2))"


def _max_reference(x: Any, window: Any, strides: Any, padding: Any, ceil_mode: bool) -> Any:
    pairs = _paddings(x.shape[2:], window, strides, padding, ceil_mode)
    padded = np.pad(x, [(0, 0), (0, 0), *pairs], constant_values=_lowest(x.dtype))
    return windows(padded, window, strides, (1, 1)).max((-2, -1))


def _max_keras(x: Operand, window: Any, strides: Any, padding: Any, ceil_mode: bool) -> str:
    pairs = _paddings(x.shape[2:], window, strides, padding, ceil_mode)
    lowest = '-float("inf")' if x.dtype.startswith("float") else _lowest(x.dtype)
    return _keras("max_pool", x, window, strides, pairs, f", constant_values={lowest}")


@operator(
    tensor("x", rank=4),
    attrs={
        "window": sizes(1, 4, count=2),
        "strides": sizes(1, 3, count=2),
        "padding": sizes(0, 2, count=2),
        "ceil_mode": flag(),
    },
    dtypes=REAL,
    reference=_max_reference,
    torch="F.max_pool2d({x}, {window}, {strides}, {padding}, ceil_mode={ceil_mode})",
    keras=emission(_max_keras),
)
def max_pool2d(
    require: Require,
    x: Tensor,
    *,
    window: Sequence[Size],
    strides: Sequence[Size],
    padding: Sequence[Size],
    ceil_mode: bool,
) -> Shape:
    """The largest element in each window of (batch, channels, height, width); padding never is the largest."""
    return _shape(require, x, window, strides, padding, ceil_mode)


def _average_reference(x: Any, window: Any, strides: Any, padding: Any, count_include_pad: bool) -> Any:
    pairs = [(0, 0), (0, 0), *((p, p) for p in padding)]

    def totals(array: Any) -> Any:
        return windows(np.pad(array, pairs), window, strides, (1, 1)).sum((-2, -1))

    counts = window[0] * window[1] if count_include_pad else totals(np.ones(x.shape))
    return totals(wide(x)) / counts


def _average_keras(x: Operand, window: Any, strides: Any, padding: Any, count_include_pad: bool) -> str:
    pairs = tuple((p, p) for p in padding)
    text = _keras("average_pool", x, window, strides, pairs, "")
    if count_include_pad or not any(padding):
        return text
    shares = _keras("average_pool", Operand(f"ops.ones_like({x})", x.dtype, x.shape), window, strides, pairs, "")
    return f"ops.divide({text}, {shares})"


@operator(
    tensor("x", rank=4),
    attrs={
        "window": sizes(1, 4, count=2),
        "strides": sizes(1, 3, count=2),
        "padding": sizes(0, 2, count=2),
        "count_include_pad": flag(),
    },
    dtypes=FLOATS,
    domain=(-8.0, 8.0),
    reference=_average_reference,
    torch="F.avg_pool2d({x}, {window}, {strides}, {padding}, count_include_pad={count_include_pad})",
    keras=emission(_average_keras),
)
def average_pool2d(
    require: Require,
    x: Tensor,
    *,
    window: Sequence[Size],
    strides: Sequence[Size],
    padding: Sequence[Size],
    count_include_pad: bool,
) -> Shape:
    """The mean of each window of (batch, channels, height, width), over the padding's zeros too where it is told to."""
    return _shape(require, x, window, strides, padding, False)


OPERATORS: Sequence[Operator] = [max_pool2d, average_pool2d]
