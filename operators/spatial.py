"""What convolutions, pooling and resizing share: windows over spatial axes, padding, layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import Condition, Operand, Operator, Require, Size, Tensor, both, ceil_div, maximum, named, operator
from graphfuzz.spec.operator import Defect, Parameter

FIRST, LAST = "channels_first", "channels_last"
CONV_DOMAIN = (-2.0, 2.0)
"""Operands of convolutions: so that sums of many products stay in the halves' range."""


def batched_or_not(spatial: int) -> tuple[int, ...]:
    """The ranks of PyTorch's ([batch,] channels, *spatial), written so often that one in five or so has no batch."""
    return (spatial + 2,) * (20 if spatial == 3 else 4) + (spatial + 1,)


def precise(x: Any) -> Any:
    """The same values in double precision, complex ones too."""
    return x.astype(np.result_type(x.dtype, np.float64))


def declared(name: str, doc: str, rule: Callable[..., Any], *parameters: Parameter, **fields: Any) -> Operator:
    """The operator of this name whose rule is one of a family's; `fields` as for `operator`."""
    return operator(*parameters, **fields)(named(name, doc, rule))


def windows(x: Any, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Any:
    """Views of the trailing axes: (..., *positions, *window), for one entry of each argument an axis."""
    rank = len(window)
    extents = [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extents, axis=tuple(range(-rank, 0)))
    taken: tuple[Any, ...] = (..., *(slice(None, None, s) for s in (*strides, *dilations)))
    return view[taken]


def slid(
    require: Require,
    sizes: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[Size],
    dilations: Sequence[Size],
    pairs: Sequence[tuple[Size, Size]],
) -> list[Size]:
    """How many positions a dilated window has along each axis, padded before and behind by `pairs`."""
    made: list[Size] = []
    for n, w, s, d, (before, behind) in zip(sizes, window, strides, dilations, pairs, strict=True):
        room = n + before + behind - (d * (w - 1) + 1)
        require(room >= 0, "the dilated window fits into the padded input")
        made.append(room // s + 1)
    return made


def named_padding(padding: str, n: Size, window: Size, stride: Size, dilation: Size = 1) -> tuple[Size, Size]:
    """What TensorFlow's "same" (the odd one behind) and Keras' "causal" put before and behind an axis.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    if padding.lower() == "valid":
        return 0, 0
    if padding == "causal":
        return dilation * (window - 1), 0
    total = maximum((ceil_div(n, stride) - 1) * stride + dilation * (window - 1) + 1 - n, 0)
    return total // 2, total - total // 2


def named_paddings(
    padding: str, sizes: Sequence[Any], window: Sequence[Any], strides: Sequence[Any], dilations: Sequence[Any]
) -> list[tuple[Any, Any]]:
    """`named_padding` of each axis."""
    axes = zip(sizes, window, strides, dilations, strict=True)
    return [named_padding(padding, *axis) for axis in axes]


def all_ones(sizes: Sequence[Size]) -> bool | Condition:
    """Whether no stride (or dilation) is more than one."""
    return both(*(s == 1 for s in sizes))


def convolve(
    x: Any,
    kernel: Any,
    bias: Sequence[Any],
    strides: Sequence[int],
    pairs: Sequence[tuple[int, int]],
    dilations: Sequence[int],
    groups: int = 1,
    mode: str = "constant",
) -> Any:
    """The cross-correlation of x ([batch,] channels, *spatial) with the kernel (outputs, channels a group, *window)."""
    rank = len(strides)
    if x.ndim == rank + 1:
        return convolve(x[None], kernel, bias, strides, pairs, dilations, groups, mode)[0]
    padded = np.pad(precise(x), [(0, 0), (0, 0), *pairs], mode=mode)  # type: ignore[call-overload]
    seen = windows(padded, kernel.shape[2:], strides, dilations)
    batch, channels, *rest = seen.shape
    positions, window = list(range(4, 4 + rank)), list(range(4 + rank, 4 + 2 * rank))
    made = np.einsum(
        seen.reshape(batch, groups, channels // groups, *rest),
        [0, 1, 2, *positions, *window],
        precise(kernel).reshape(groups, kernel.shape[0] // groups, *kernel.shape[1:]),
        [1, 3, 2, *window],
        [0, 1, 3, *positions],
    ).reshape(batch, kernel.shape[0], *rest[:rank])
    return made + precise(bias[0]).reshape(-1, *(1,) * rank) if bias else made


def order_to_last(rank: int) -> tuple[int, ...]:
    """The order of axes that makes channels-first channels-last."""
    return (0, *range(2, rank), 1)


def order_to_first(rank: int) -> tuple[int, ...]:
    """The order of axes that makes channels-last channels-first."""
    return (0, rank - 1, *range(1, rank - 1))


def torch_padded(x: Operand | str, pairs: Sequence[tuple[int, int]], rest: str = "") -> str:
    """PyTorch's text for x padded along its last axes; itself where nothing is to be padded."""
    flat = tuple(p for pair in reversed(pairs) for p in pair)
    return f"F.pad({x}, {flat}{rest})" if any(flat) else str(x)


def thin_convolution(
    x: Tensor, channels: Size, padded: Sequence[Size], window: Sequence[Size], strides: Sequence[Size]
) -> bool | Condition:
    """Whether TensorFlow's convolution by oneDNN is wrong: `thin_defect`. padded: the spatial sizes with padding."""
    if x.dtype not in ("float32", "bfloat16") or len(strides) < 2:
        return False
    return both(
        channels == 1,
        strides[-2] == 1,
        strides[-1] > 1,
        window[-1] > 1,
        padded[-1] - window[-1] < strides[-1],
        padded[-2] > window[-2],
    )


def thin_defect(when: Callable[..., Any]) -> Defect:
    """That defect, for an operator of which `when` says where it is one."""
    return Defect(
        "convolves one channel wrongly where a stride along the last axis, and it alone, leaves one position there",
        when,
        "tf.nn.convolution's definition, https://www.tensorflow.org/api_docs/python/tf/nn/convolution; right in "
        "float64, in float16 and with TF_ENABLE_ONEDNN_OPTS=0 (TensorFlow 2.21)",
        release="2.21",
    )
