"""Transposed convolutions, the adjoint linear maps of convolutions, in PyTorch's form and in Keras'.

Keras' as a layer only: `keras.ops.conv_transpose` fails in every functional model of Keras 3.15, as its operation's
`call` hands padding and output padding over in the wrong order (keras/src/ops/nn.py, ConvTranspose).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    ceil_div,
    choice,
    either,
    emission,
    flag,
    maximum,
    size,
    sizes,
    tensor,
    variadic,
    weight,
)
from operators.convolution import AXES, operands, torch_state
from operators.native_convolution import FIRST_DTYPES, from_first, in_first, keras_state, laid_out, misadded, shape_in
from operators.spatial import CONV_DOMAIN, FIRST, LAST, all_ones, convolve, declared, named_padding, precise


def spread(x: Any, kernel: Any, strides: Sequence[int], dilations: Sequence[int], groups: int = 1) -> Any:
    """Each entry of x ([batch,] channels, *spatial) times the kernel (channels, outputs a group, *window), summed up
    where they overlap: along an axis of n entries, stride * (n - 1) + dilation * (window - 1) + 1 positions."""
    rank = len(strides)
    *lead, channels = x.shape[:-rank]
    apart = np.zeros((*lead, channels, *(s * (n - 1) + 1 for n, s in zip(x.shape[-rank:], strides, strict=True))))
    taken: tuple[Any, ...] = (..., *(slice(None, None, s) for s in strides))
    apart[taken] = x
    per_group = kernel.shape[1]
    flipped = np.flip(precise(kernel), tuple(range(2, kernel.ndim)))
    grouped = flipped.reshape(groups, channels // groups, *kernel.shape[1:])
    mirrored = np.swapaxes(grouped, 1, 2).reshape(groups * per_group, channels // groups, *kernel.shape[2:])
    pairs = [(d * (w - 1),) * 2 for w, d in zip(kernel.shape[2:], dilations, strict=True)]
    return convolve(apart, mirrored, (), (1,) * rank, pairs, dilations, groups)


def cut(x: Any, before: Sequence[Any], made: Sequence[Any]) -> Any:
    """The trailing axes from `before` on, `made` entries of them; zeros beyond the end."""
    missing = [(0, max(b + m - n, 0)) for n, b, m in zip(x.shape[-len(made) :], before, made, strict=True)]
    full = np.pad(x, [(0, 0)] * (x.ndim - len(made)) + missing)
    kept: tuple[Any, ...] = (..., *(slice(b, b + m) for b, m in zip(before, made, strict=True)))
    return full[kept]


def _with_bias(x: Any, bias: Sequence[Any], spatial: int) -> Any:
    return x + precise(bias[0]).reshape(-1, *(1,) * spatial) if bias else x


# PyTorch's


def _torch_sizes(n: Any, window: Any, stride: Any, padding: Any, extra: Any, dilation: Any) -> Any:
    """https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html"""
    return (n - 1) * stride - 2 * padding + dilation * (window - 1) + extra + 1


def _torch(spatial: int, *, layer: bool = False) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: Sequence[Size],
        extra: Sequence[Size],
        groups: Size,
        dilations: Sequence[Size],
    ) -> Shape:
        *batch, channels = x.shape[:-spatial]
        inputs, per_group, *window = kernel.shape
        require(channels == inputs, "the kernel covers the channels")
        require(channels % groups == 0, "each group takes as many channels")
        for b in bias:
            require(b.shape[0] == per_group * groups, "the bias has an entry for each output channel")
        made: list[Size] = []
        for axis in zip(x.shape[-spatial:], window, strides, padding, extra, dilations, strict=True):
            _, _, stride, _, more, dilation = axis
            require(more < maximum(stride, dilation), "what is added to the output is less than stride or dilation")
            made.append(_torch_sizes(*axis))
            require(made[-1] >= 1, "the padding leaves something")
        return (*batch, per_group * groups, *made)

    def reference(
        x: Any, kernel: Any, *bias: Any, strides: Any, padding: Any, extra: Any, groups: Any, dilations: Any
    ) -> Any:
        axes = zip(x.shape[-spatial:], kernel.shape[2:], strides, padding, extra, dilations, strict=True)
        made = [_torch_sizes(*axis) for axis in axes]
        return _with_bias(cut(spread(x, kernel, strides, dilations, groups), padding, made), bias, spatial)

    def call(x: Operand, kernel: Operand, bias: Operands, **a: Any) -> str:
        rest = f"{a['strides']}, {a['padding']}, {a['extra']}, {a['groups']}, {a['dilations']}"
        return f"F.conv_transpose{spatial}d({x}, {kernel}, {bias or None}, {rest})"

    def text(kernel: Operand, bias: Operands, **a: Any) -> str:
        inputs, per_group, *window = kernel.shape
        channels = f"{inputs}, {per_group * a['groups']}"
        rest = f"{a['strides']}, {a['padding']}, {a['extra']}, {a['groups']}, {bool(bias.each)}, {a['dilations']}"
        return f"nn.ConvTranspose{spatial}d({channels}, {tuple(window)}, {rest})"

    return declared(
        f"conv_transpose{spatial}d_layer" if layer else f"conv_transpose{spatial}d",
        f"Transposed convolution along {AXES[spatial]} with the kernel (channels, outputs a group, *window).",
        rule,
        *operands(spatial),
        attrs={
            "strides": sizes(1, 3, count=spatial),
            "padding": sizes(0, 2, count=spatial),
            "extra": sizes(0, 2, count=spatial),
            "groups": size(1, 4),
            "dilations": sizes(1, 3, count=spatial),
        },
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=emission("{layer}({x})", layer=text, state=torch_state) if layer else call,
    )


# Keras'


def _keras_size(n: Any, window: Any, stride: Any, dilation: Any, padding: str, extra: Any) -> Any:
    """How many positions the output has (`compute_conv_transpose_output_shape` of Keras); extra: None or a size."""
    extent = dilation * (window - 1) + 1
    if padding == "valid":
        return (n - 1) * stride + extent + (maximum(extent, stride) - extent if extra is None else extra)
    return n * stride if extra is None else (n - 1) * stride + extent % 2 + extra


def _keras(spatial: int) -> Operator:
    def chosen(extra: Any, told: bool) -> Any:
        return extra if told else (None,) * spatial

    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: str,
        extra: Sequence[Size],
        told: bool,
        dilations: Sequence[Size],
        layout: str,
    ) -> Shape:
        batch, channels, around = laid_out(x, layout)
        *window, outputs, inputs = kernel.shape
        fast = x.dtype in FIRST_DTYPES
        require(fast or layout == LAST, "TensorFlow has channels-first kernels for the dtype")
        require(fast or all_ones(dilations), "TensorFlow has dilated kernels for the dtype")
        require(either(all_ones(strides), all_ones(dilations)), "strides do not go with dilations")
        require(channels == inputs, "the kernel covers the channels")
        for b in bias:
            require(b.shape[0] == outputs, "the bias has an entry for each output channel")
        made: list[Size] = []
        for n, w, s, d, e in zip(around, window, strides, dilations, chosen(extra, told), strict=True):
            made.append(_keras_size(n, w, s, d, padding, e))
            if e is not None:
                require(e < s, "what is added to the output is less than the stride")
            if e is not None and padding == "same":
                require(ceil_div(made[-1], s) == n, "the convolution of such an output makes the input's size")
        return shape_in(layout, batch, outputs, made)

    def reference(
        x: Any,
        kernel: Any,
        *bias: Any,
        strides: Any,
        padding: str,
        extra: Any,
        told: bool,
        dilations: Any,
        layout: str,
    ) -> Any:
        moved = in_first(layout, x)
        window = kernel.shape[:spatial]
        axes = zip(moved.shape[2:], window, strides, dilations, strict=True)
        made = [_keras_size(*a, padding, e) for a, e in zip(axes, chosen(extra, told), strict=True)]
        before = [named_padding(padding, *a)[0] for a in zip(made, window, strides, dilations, strict=True)]
        first = np.transpose(kernel, (spatial + 1, spatial, *range(spatial)))
        whole = cut(spread(moved, first, strides, dilations), before, made)
        return from_first(layout, _with_bias(whole, bias, spatial))

    def written(strides: Any, padding: str, extra: Any, told: bool, dilations: Any, layout: str) -> str:
        more = extra if told else None
        return (
            f'strides={strides}, padding="{padding}", output_padding={more}, data_format="{layout}", '
            f"dilation_rate={dilations}"
        )

    def text(layer: str, x: Operand, kernel: Operand, bias: Operands, **attrs: Any) -> str:
        *window, outputs, _inputs = kernel.shape
        rest = f'{written(**attrs)}, use_bias={bool(bias.each)}, dtype="{x.dtype}"'
        return f"layers.Conv{spatial}DTranspose({outputs}, {tuple(window)}, {rest})"

    return declared(
        f"native_conv_transpose{spatial}d_layer",
        f"Transposed convolution along {AXES[spatial]} in either layout with the kernel (*window, outputs, inputs).",
        rule,
        tensor("x", rank=spatial + 2),
        weight("kernel", rank=spatial + 2),
        variadic("bias", (0, 1), rank=1, role="weight"),
        attrs={
            "strides": sizes(1, 3, count=spatial),
            "padding": choice("valid", "same"),
            "extra": sizes(0, 2, count=spatial),
            "told": flag(),
            "dilations": sizes(1, 3, count=spatial),
            "layout": choice(LAST) if spatial == 3 else choice(LAST, FIRST),
        },
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        keras=emission("{layer}({x})", layer=text, state=keras_state, defects=[misadded(rule)] if spatial < 3 else []),
    )


OPERATORS: Sequence[Operator] = [
    *(_torch(n, layer=layer) for n in AXES for layer in (False, True)),
    *map(_keras, AXES),
]
