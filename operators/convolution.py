"""Convolutions over one and two spatial axes, channels first in the graph.

TensorFlow has no channels-first kernels on CPUs, so the Keras emissions transpose around a channels-last convolution,
as users with channels-first data do, and pad before it, as Keras has no padding by numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    emission,
    operator,
    size,
    sizes,
    tensor,
    weight,
)
from operators.precision import wide

DOMAIN = (-2.0, 2.0)


def windows(x: Any, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Any:
    """Views of the trailing axes: (..., *positions, *window), for one entry of each argument an axis."""
    rank = len(window)
    extents = [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extents, axis=tuple(range(-rank, 0)))
    taken: tuple[Any, ...] = (..., *(slice(None, None, s) for s in (*strides, *dilations)))
    return view[taken]


def _convolution(
    x: Any,
    kernel: Any,
    bias: Any,
    strides: tuple[int, ...],
    padding: tuple[int, ...],
    dilations: tuple[int, ...],
    groups: int = 1,
) -> Any:
    padded = np.pad(wide(x), [(0, 0), (0, 0), *((p, p) for p in padding)])
    seen = windows(padded, kernel.shape[2:], strides, dilations)
    per_group = kernel.shape[0] // groups
    axes = list(range(2, 2 + len(strides)))
    last = [a + len(strides) for a in axes]
    parts = [
        np.einsum(
            seen[:, g * kernel.shape[1] : (g + 1) * kernel.shape[1]],
            [0, 1, *axes, *last],
            part,
            [20, 1, *last],
            [0, 20, *axes],
        )
        for g, part in enumerate(np.split(wide(kernel), groups))
        if per_group
    ]
    return np.concatenate(parts, 1) + wide(bias).reshape(1, -1, *(1 for _ in strides))


def _apart(strides: tuple[int, ...], dilations: tuple[int, ...]) -> bool:
    """Whether strides must be taken from the result: TensorFlow refuses them together with dilations."""
    return max(strides) > 1 and max(dilations) > 1


def _keras_layer(
    kernel: Operand, strides: tuple[int, ...], dilations: tuple[int, ...], groups: int = 1, **_: object
) -> str:
    """A layer, as only Keras' layers know groups."""
    outputs, _per_group, *window = kernel.shape
    taken = 1 if _apart(strides, dilations) else strides
    return (
        f"layers.Conv{len(window)}D({outputs}, {tuple(window)}, strides={taken}, "
        f'data_format="channels_last", dilation_rate={dilations}, groups={groups}, dtype="{kernel.dtype}")'
    )


def _keras_call(
    layer: str, x: Operand, strides: tuple[int, ...], padding: tuple[int, ...], dilations: tuple[int, ...], **_: object
) -> str:
    axes = range(1, x.rank - 1)
    text = f"ops.transpose({x}, {(0, *(a + 1 for a in axes), 1)})"
    if any(padding):
        text = f"ops.pad({text}, {((0, 0), *((p, p) for p in padding), (0, 0))})"
    text = f"{layer}({text})"
    if _apart(strides, dilations):
        text += f"[:, {', '.join(f'::{s}' for s in strides)}]"
    return f"ops.transpose({text}, {(0, x.rank - 1, *axes)})"


def _keras(spatial: int) -> Emission:
    order = (*range(2, 2 + spatial), 1, 0)
    return emission(
        _keras_call,
        layer=_keras_layer,
        state={"kernel": f"np.transpose({{kernel}}, {order})", "bias": "{bias}"},
    )


def _shape(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    strides: Sequence[Size],
    padding: Sequence[Size],
    dilations: Sequence[Size],
    groups: Size = 1,
) -> Shape:
    batch, channels, *spatial = x.shape
    outputs, per_group, *window = kernel.shape
    require(channels == per_group * groups, "the kernel covers the channels of one group")
    require(outputs % groups == 0, "each group makes as many channels")
    require(bias.shape[0] == outputs, "the bias has an entry for each output channel")
    made: list[Size] = []
    for n, w, s, p, d in zip(spatial, window, strides, padding, dilations, strict=True):
        room = n + 2 * p - (d * (w - 1) + 1)
        require(room >= 0, "the dilated window fits into the padded input")
        made.append(room // s + 1)
    return (batch, outputs, *made)


@operator(
    tensor("x", rank=3),
    weight("kernel", rank=3),
    weight("bias", rank=1),
    attrs={
        "strides": sizes(1, 3, count=1),
        "padding": sizes(0, 3, count=1),
        "dilations": sizes(1, 3, count=1),
    },
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_convolution,
    torch="F.conv1d({x}, {kernel}, {bias}, {strides}, {padding}, {dilations})",
    keras=_keras(1),
)
def conv1d(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    *,
    strides: Sequence[Size],
    padding: Sequence[Size],
    dilations: Sequence[Size],
) -> Shape:
    """Dilated cross-correlation along one axis.

    x (batch, channels, length), kernel (outputs, channels, width), bias (outputs).
    """
    return _shape(require, x, kernel, bias, strides, padding, dilations)


@operator(
    tensor("x", rank=4),
    weight("kernel", rank=4),
    weight("bias", rank=1),
    attrs={
        "strides": sizes(1, 3, count=2),
        "padding": sizes(0, 3, count=2),
        "dilations": sizes(1, 3, count=2),
    },
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_convolution,
    torch="F.conv2d({x}, {kernel}, {bias}, {strides}, {padding}, {dilations})",
    keras=_keras(2),
)
def conv2d(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    *,
    strides: Sequence[Size],
    padding: Sequence[Size],
    dilations: Sequence[Size],
) -> Shape:
    """Dilated cross-correlation along two axes.

    x (batch, channels, height, width), kernel (outputs, channels, height, width), bias (outputs). Shapes:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """
    return _shape(require, x, kernel, bias, strides, padding, dilations)


# An operator of its own, as Keras compiles it with XLA on TensorFlow, into a call that tf2onnx does not read: what is
# counted as unsupported there is this, not every convolution.
@operator(
    tensor("x", rank=4),
    weight("kernel", rank=4),
    weight("bias", rank=1),
    attrs={
        "strides": sizes(1, 3, count=2),
        "padding": sizes(0, 3, count=2),
        "dilations": sizes(1, 3, count=2),
        "groups": size(1, 8),
    },
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_convolution,
    torch="F.conv2d({x}, {kernel}, {bias}, {strides}, {padding}, {dilations}, {groups})",
    keras=_keras(2),
)
def grouped_conv2d(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    *,
    strides: Sequence[Size],
    padding: Sequence[Size],
    dilations: Sequence[Size],
    groups: Size,
) -> Shape:
    """Dilated cross-correlation along two axes, of each group of channels with a kernel of its own.

    x (batch, channels, height, width), kernel (outputs, channels of a group, height, width), bias (outputs).
    """
    return _shape(require, x, kernel, bias, strides, padding, dilations, groups)


OPERATORS: Sequence[Operator] = [conv1d, conv2d, grouped_conv2d]
