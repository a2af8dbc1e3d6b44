"""Convolutions as Keras writes them: kernels (*window, inputs, outputs), padding by name, either layout.

Channels-last ones reach TensorFlow's convolutions without a transpose around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Condition,
    Defect,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    both,
    ceil_div,
    choice,
    either,
    emission,
    negate,
    sizes,
    tensor,
    variadic,
    weight,
)
from operators.spatial import (
    CONV_DOMAIN,
    FIRST,
    LAST,
    all_ones,
    convolve,
    declared,
    named_paddings,
    order_to_first,
    order_to_last,
    precise,
    slid,
    thin_convolution,
    thin_defect,
    torch_padded,
)

MISADDED = "adds a bias along the last axis instead of the channels where both are of one size (channels first)"
MISADDED_SOURCE = (
    "the documentation of keras.ops.add; keras/src/backend/tensorflow/numpy.py takes such an operand for a bias and "
    "adds it by tf.nn.bias_add along the last axis (Keras 3.15)"
)
FAR = 'pads by less than nothing, and so looks elsewhere, where padding is "same" and a stride exceeds the window'
FAR_SOURCE = (
    "tf.nn.convolution's definition, https://www.tensorflow.org/api_docs/python/tf/nn/convolution; right in float32, "
    "which oneDNN computes (TensorFlow 2.21)"
)
AXES = {1: "one axis", 2: "two axes", 3: "three axes"}


FIRST_DTYPES = ("float32",)
"""What oneDNN computes for TensorFlow on every CPU: channels first, dilated transposed, depthwise with unequal strides.

On those with AVX-512 also bfloat16.
"""


def laid_out(x: Tensor | Operand, layout: str) -> tuple[Any, Any, list[Any]]:
    """The batch, the channels and the spatial sizes."""
    if layout == FIRST:
        batch, channels, *spatial = x.shape
    else:
        batch, *spatial, channels = x.shape
    return batch, channels, spatial


def shape_in(layout: str, batch: Size, channels: Size, spatial: Sequence[Size]) -> Shape:
    """The shape that `laid_out` takes apart."""
    return (batch, channels, *spatial) if layout == FIRST else (batch, *spatial, channels)


def in_first(layout: str, x: Any) -> Any:
    """An array channels first."""
    return x if layout == FIRST else np.moveaxis(x, -1, 1)


def from_first(layout: str, x: Any) -> Any:
    """A channels-first array in its layout."""
    return x if layout == FIRST else np.moveaxis(x, 1, -1)


def _attributes(spatial: int, *paddings: str) -> dict[str, Any]:
    return {
        "strides": sizes(1, 3, count=spatial),
        "padding": choice("valid", "same", *paddings),
        "dilations": sizes(1, 3, count=spatial),
        "layout": choice(LAST) if spatial == 3 else choice(LAST, FIRST),
    }


def _moved(
    require: Require, spatial: Sequence[Size], window: Sequence[Size], strides: Any, padding: str, dilations: Any
) -> list[Size]:
    pairs = named_paddings(padding, spatial, window, strides, dilations)
    return slid(require, spatial, window, strides, dilations, pairs)


def _first_kernel(kernel: Any) -> Any:
    """(*window, inputs, outputs) as (outputs, inputs, *window)."""
    return np.transpose(kernel, (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2)))


def _depthwise_kernel(kernel: Any) -> Any:
    """(*window, channels, multiplier) as (channels * multiplier, 1, *window)."""
    *window, channels, multiplier = kernel.shape
    moved = np.transpose(kernel, (kernel.ndim - 2, kernel.ndim - 1, *range(kernel.ndim - 2)))
    return moved.reshape(channels * multiplier, 1, *window)


def _reference(
    x: Any, kernel: Any, bias: Any, strides: Any, padding: str, dilations: Any, layout: str, groups: int = 1
) -> Any:
    """The convolution with a channels-first kernel."""
    moved = in_first(layout, x)
    pairs = named_paddings(padding, moved.shape[2:], kernel.shape[2:], strides, dilations)
    return from_first(layout, convolve(moved, kernel, bias, strides, pairs, dilations, groups))


def _thin(
    x: Tensor, kernel: Tensor, *_bias: Tensor, strides: Any, padding: str, dilations: Any, layout: str
) -> bool | Condition:
    _, channels, spatial = laid_out(x, layout)
    window = kernel.shape[:-2]
    pairs = named_paddings(padding, spatial, window, strides, dilations)
    padded = [n + before + behind for n, (before, behind) in zip(spatial, pairs, strict=True)]
    return both(all_ones(dilations), thin_convolution(x, channels, padded, window, strides))


def _far(
    x: Tensor, kernel: Tensor, *_bias: Tensor, strides: Any, padding: str, dilations: Any, layout: str
) -> bool | Condition:
    if x.dtype == "float32" or padding != "same":
        return False
    return looks_elsewhere(laid_out(x, layout)[2], kernel.shape[:-2], strides)


def looks_elsewhere(sizes: Sequence[Size], window: Sequence[Size], strides: Sequence[Size]) -> bool | Condition:
    """Whether padding "same" were less than nothing: the last window ends well before the axis."""
    axes = zip(sizes, window, strides, strict=True)
    return either(*((ceil_div(n, s) - 1) * s + w - n <= -2 for n, w, s in axes))


def far_defect(when: Callable[..., Any]) -> Defect:
    """That defect, of bfloat16 on processors without AVX-512, for an operator of which `when` says where it is one."""
    source = "tf.nn.max_pool3d's, avg_pool3d's and conv3d's definition; right with TF_ENABLE_ONEDNN_OPTS=0"
    return Defect(FAR, when, source, release="2.21")


def misadded(rule: Callable[..., Any]) -> Defect:
    """The defect that Keras' addition is to channels-first layers with this rule."""

    def when(*operands: Tensor, layout: str, **attrs: Any) -> bool | Condition:
        if layout == LAST or operands[-1].rank != 1:
            return False
        shape = rule(lambda truth, reason: None, *operands, layout=layout, **attrs)
        return both(shape[1] == shape[-1], shape[1] > 1)

    return Defect(MISADDED, when=when, source=MISADDED_SOURCE)


def _defects(rule: Callable[..., Any], spatial: int, layer: bool) -> list[Defect]:
    added = [misadded(rule)] if layer and spatial < 3 else []
    return [*added, *([thin_defect(_thin)] if spatial > 1 else [])]


def _written(layout: str, strides: Any, padding: str, dilations: Any) -> str:
    """What Keras' functions and layers take alike."""
    return f'strides={strides}, padding="{padding}", data_format="{layout}", dilation_rate={dilations}'


def _torch(x: Operand, kernel: Operand, bias: Operands, strides: Any, padding: str, dilations: Any, layout: str) -> str:
    """PyTorch on channels-last data: moved, padded by numbers, moved back."""
    _, _, spatial = laid_out(x, layout)
    window = kernel.shape[:-2]
    pairs = named_paddings(padding, spatial, window, strides, dilations)
    moved = x if layout == FIRST else f"{x}.permute{order_to_first(x.rank)}"
    order = (kernel.rank - 1, kernel.rank - 2, *range(kernel.rank - 2))
    rest = f"{bias or None}, {strides}, 0, {dilations}"
    text = f"F.conv{len(window)}d({torch_padded(moved, pairs)}, {kernel}.permute{order}, {rest})"
    return text if layout == FIRST else f"{text}.permute{order_to_last(x.rank)}"


def biased(text: str, bias: Operands) -> str:
    """Keras' text for a channels-last output with its bias, if any, added."""
    return f"ops.add({text}, {bias})" if bias.each else text


def require_last(require: Require, bias: Sequence[Tensor], layout: str, layer: bool) -> None:
    """Functions add a bias without reshaping it, which models would do once, when they are built."""
    require(layer or layout == LAST or not bias, "the bias is along the last axis")


def _keras(x: Operand, kernel: Operand, bias: Operands, **attrs: Any) -> str:
    return biased(f"ops.conv({x}, {kernel}, {_written(**attrs)})", bias)


def _keras_layer(layer: str, x: Operand, kernel: Operand, bias: Operands, **attrs: Any) -> str:
    *window, _inputs, outputs = kernel.shape
    rest = f'{_written(**attrs)}, use_bias={bool(bias.each)}, dtype="{x.dtype}"'
    return f"layers.Conv{len(window)}D({outputs}, {tuple(window)}, {rest})"


def keras_state(kernel: Operand, bias: Operands, **_: Any) -> Mapping[str, str]:
    """The weights of Keras' convolution layers."""
    return {"kernel": str(kernel), "bias": str(bias)} if bias.each else {"kernel": str(kernel)}


def _convolution(spatial: int, *, layer: bool = False) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: str,
        dilations: Sequence[Size],
        layout: str,
    ) -> Shape:
        batch, channels, around = laid_out(x, layout)
        *window, inputs, outputs = kernel.shape
        require(layout == LAST or x.dtype in FIRST_DTYPES, "TensorFlow has channels-first kernels for the dtype")
        require(channels == inputs, "the kernel covers the channels")
        require(either(all_ones(strides), all_ones(dilations)), "strides do not go with dilations")
        require_last(require, bias, layout, layer)
        for b in bias:
            require(b.shape[0] == outputs, "the bias has an entry for each output channel")
        return shape_in(layout, batch, outputs, _moved(require, around, window, strides, padding, dilations))

    def reference(x: Any, kernel: Any, *bias: Any, **attrs: Any) -> Any:
        return _reference(x, _first_kernel(kernel), bias, **attrs)

    defects = [*_defects(rule, spatial, layer), *([Defect(FAR, when=_far, source=FAR_SOURCE)] if spatial == 3 else [])]
    return declared(
        f"native_conv{spatial}d_layer" if layer else f"native_conv{spatial}d",
        f"Cross-correlation along {AXES[spatial]} of x in either layout with the kernel (*window, inputs, outputs).",
        rule,
        tensor("x", rank=spatial + 2),
        weight("kernel", rank=spatial + 2),
        variadic("bias", (0, 1), rank=1, role="weight"),
        attrs=_attributes(spatial, *(["causal"] if layer and spatial == 1 else [])),
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=None if layer else _torch,
        keras=emission("{layer}({x})", layer=_keras_layer, state=keras_state, defects=defects)
        if layer
        else emission(_keras, defects=defects),
    )


def _even(x: Tensor, strides: Sequence[Size], dilations: Sequence[Size]) -> bool | Condition:
    """TensorFlow's own depthwise kernel (not oneDNN's) takes equal strides only; with dilations, Keras takes them from
    the result."""
    if x.dtype in FIRST_DTYPES or len(strides) == 1:
        return True
    return either(strides[0] == strides[1], negate(all_ones(dilations)))


def _depthwise(spatial: int, *, layer: bool = False) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: str,
        dilations: Sequence[Size],
        layout: str,
    ) -> Shape:
        batch, channels, around = laid_out(x, layout)
        *window, inputs, multiplier = kernel.shape
        require(channels == inputs, "the kernel covers the channels")
        require(_even(x, strides, dilations), "strides are equal")
        made = _moved(require, around, window, strides, padding, dilations)
        require_last(require, bias, layout, layer)
        for b in bias:
            fits = either(b.shape[0] == channels * multiplier, both(not layer, b.shape[0] == 1))
            require(fits, "the bias has an entry for each output channel")
        return shape_in(layout, batch, channels * multiplier, made)

    def reference(x: Any, kernel: Any, *bias: Any, **attrs: Any) -> Any:
        return _reference(x, _depthwise_kernel(kernel), bias, groups=kernel.shape[-2], **attrs)

    def text(layer: str, x: Operand, kernel: Operand, bias: Operands, **attrs: Any) -> str:
        *window, _inputs, multiplier = kernel.shape
        rest = f'{_written(**attrs)}, use_bias={bool(bias.each)}, dtype="{x.dtype}"'
        return f"layers.DepthwiseConv{len(window)}D({tuple(window)}, depth_multiplier={multiplier}, {rest})"

    def call(x: Operand, kernel: Operand, bias: Operands, **attrs: Any) -> str:
        return biased(f"ops.depthwise_conv({x}, {kernel}, {_written(**attrs)})", bias)

    return declared(
        f"native_depthwise_conv{spatial}d_layer" if layer else f"native_depthwise_conv{spatial}d",
        f"Cross-correlation along {AXES[spatial]} of each channel with the kernel (*window, channels, multiplier).",
        rule,
        tensor("x", rank=spatial + 2),
        weight("kernel", rank=spatial + 2),
        variadic("bias", (0, 1), rank=1, role="weight"),
        attrs=_attributes(spatial),
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        keras=emission("{layer}({x})", layer=text, state=keras_state, defects=_defects(rule, spatial, layer))
        if layer
        else emission(call, defects=_defects(rule, spatial, layer)),
    )


def _separable(spatial: int, *, layer: bool = False) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        pointwise: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: str,
        dilations: Sequence[Size],
        layout: str,
    ) -> Shape:
        batch, channels, around = laid_out(x, layout)
        *window, inputs, multiplier = kernel.shape
        *point, middle, outputs = pointwise.shape
        require(channels == inputs, "the kernel covers the channels")
        require(all_ones(point), "the pointwise kernel has one position")
        require(middle == inputs * multiplier, "the pointwise kernel covers what each channel makes")
        require(_even(x, strides, dilations), "strides are equal")
        require_last(require, bias, layout, layer)
        for b in bias:
            require(b.shape[0] == outputs, "the bias has an entry for each output channel")
        return shape_in(layout, batch, outputs, _moved(require, around, window, strides, padding, dilations))

    def reference(x: Any, kernel: Any, pointwise: Any, *bias: Any, layout: str, **attrs: Any) -> Any:
        made = _reference(x, _depthwise_kernel(kernel), (), groups=kernel.shape[-2], layout=layout, **attrs)
        mixed = in_first(layout, made)
        mixed = np.einsum("nc...,co->no...", mixed, precise(pointwise).reshape(pointwise.shape[-2:]))
        return from_first(layout, mixed + precise(bias[0]).reshape(-1, *(1,) * spatial) if bias else mixed)

    def text(layer: str, x: Operand, kernel: Operand, pointwise: Operand, bias: Operands, **attrs: Any) -> str:
        *window, _inputs, multiplier = kernel.shape
        rest = f'{_written(**attrs)}, depth_multiplier={multiplier}, use_bias={bool(bias.each)}, dtype="{x.dtype}"'
        return f"layers.SeparableConv{len(window)}D({pointwise.shape[-1]}, {tuple(window)}, {rest})"

    def state(pointwise: Operand, bias: Operands, **use: Any) -> Mapping[str, str]:
        given = keras_state(bias=bias, **use)
        return {"kernel": given["kernel"], "pointwise": str(pointwise), **given}

    def call(x: Operand, kernel: Operand, pointwise: Operand, bias: Operands, **attrs: Any) -> str:
        return biased(f"ops.separable_conv({x}, {kernel}, {pointwise}, {_written(**attrs)})", bias)

    def torch(
        x: Operand,
        kernel: Operand,
        pointwise: Operand,
        bias: Operands,
        strides: Any,
        padding: str,
        dilations: Any,
        layout: str,
    ) -> str:
        _, channels, sizes = laid_out(x, layout)
        *window, _inputs, multiplier = kernel.shape
        pairs = named_paddings(padding, sizes, window, strides, dilations)
        moved = torch_padded(x if layout == FIRST else f"{x}.permute{order_to_first(x.rank)}", pairs)
        order = (spatial, spatial + 1, *range(spatial))
        each = f"{kernel}.permute{order}.reshape{(channels * multiplier, 1, *window)}"
        made = f"F.conv{spatial}d({moved}, {each}, None, {strides}, 0, {dilations}, {channels})"
        *_point, middle, outputs = pointwise.shape
        order = (spatial + 1, spatial, *range(spatial))
        mixing = f"{pointwise}.permute{order}.reshape{(outputs, middle, *(1,) * spatial)}"
        made = f"F.conv{spatial}d({made}, {mixing}, {bias or None})"
        return made if layout == FIRST else f"{made}.permute{order_to_last(x.rank)}"

    return declared(
        f"separable_conv{spatial}d_layer" if layer else f"separable_conv{spatial}d",
        f"Cross-correlation along {AXES[spatial]} of each channel, then of all channels at each position.",
        rule,
        tensor("x", rank=spatial + 2),
        weight("kernel", rank=spatial + 2),
        weight("pointwise", rank=spatial + 2),
        variadic("bias", (0, 1), rank=1, role="weight"),
        attrs=_attributes(spatial),
        dtypes=FLOATS,
        domain=(-1.0, 1.0),
        reference=reference,
        torch=None if layer else torch,
        keras=emission("{layer}({x})", layer=text, state=state, defects=_defects(rule, spatial, layer))
        if layer
        else emission(call, defects=_defects(rule, spatial, layer)),
    )


OPERATORS: Sequence[Operator] = [
    *(_convolution(n, layer=layer) for n in AXES for layer in (False, True)),
    *(family(n, layer=layer) for family in (_depthwise, _separable) for n in (1, 2) for layer in (False, True)),
]
