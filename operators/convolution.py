"""Convolutions over one to three spatial axes, channels first in the graph.

The Keras emissions transpose around a channels-last convolution, as users with channels-first data do, and pad before
it, as Keras has no padding by numbers. Keras' own layouts and padding: `channelwise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    COMPLEX,
    FLOATS,
    Condition,
    Emission,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    both,
    emission,
    size,
    sizes,
    tensor,
    variadic,
    weight,
)
from operators.spatial import (
    CONV_DOMAIN,
    all_ones,
    batched_or_not,
    convolve,
    declared,
    order_to_first,
    order_to_last,
    slid,
    thin_convolution,
    thin_defect,
    windows,
)

__all__ = ["OPERATORS", "windows"]

AXES = {1: "one axis", 2: "two axes", 3: "three axes"}
GROUPED = "each group of channels has a kernel of its own"

Pairs = Sequence[tuple[Any, Any]]


def symmetric(padding: Sequence[Any]) -> Pairs:
    return [(p, p) for p in padding]


def convolved(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    bias: Sequence[Tensor],
    strides: Sequence[Size],
    pairs: Pairs,
    dilations: Sequence[Size],
    groups: Size = 1,
) -> Shape:
    """x ([batch,] channels, *spatial), kernel (outputs, channels a group, *window), bias (outputs) if any.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """
    *batch, channels = x.shape[: -len(strides)]
    outputs, per_group, *window = kernel.shape
    require(channels == per_group * groups, "the kernel covers the channels of one group")
    require(outputs % groups == 0, "each group makes as many channels")
    for b in bias:
        require(b.shape[0] == outputs, "the bias has an entry for each output channel")
    return (*batch, outputs, *slid(require, x.shape[-len(strides) :], window, strides, dilations, pairs))


def operands(spatial: int, batched: bool = False) -> Any:
    """The operands of a convolution: x, kernel, perhaps a bias."""
    return (
        tensor("x", rank=spatial + 2 if batched else batched_or_not(spatial)),
        weight("kernel", rank=spatial + 2),
        variadic("bias", (0, 1), rank=1, role="weight"),
    )


def attributes(spatial: int) -> dict[str, Any]:
    kinds = {"strides": (1, 3), "padding": (0, 3), "dilations": (1, 3)}
    return {name: sizes(*bounds, count=spatial) for name, bounds in kinds.items()}


# Keras


def _apart(strides: tuple[int, ...], dilations: tuple[int, ...]) -> bool:
    """Whether strides must be taken from the result: TensorFlow refuses them together with dilations."""
    return max(strides) > 1 and max(dilations) > 1


def keras_layer(
    kernel: Operand, bias: Operands, strides: tuple[int, ...], dilations: tuple[int, ...], groups: int = 1, **_: object
) -> str:
    """A layer, as only Keras' layers know groups."""
    outputs, _per_group, *window = kernel.shape
    taken = 1 if _apart(strides, dilations) else strides
    return (
        f"layers.Conv{len(window)}D({outputs}, {tuple(window)}, strides={taken}, "
        f'data_format="channels_last", dilation_rate={dilations}, groups={groups}, use_bias={bool(bias.each)}, '
        f'dtype="{kernel.dtype}")'
    )


def _keras_call(
    layer: str, x: Operand, strides: tuple[int, ...], padding: tuple[int, ...], dilations: tuple[int, ...], **_: object
) -> str:
    spatial = len(strides)
    alone = x.rank == spatial + 1
    text = f"ops.expand_dims({x}, 0)" if alone else str(x)
    text = f"ops.transpose({text}, {order_to_last(spatial + 2)})"
    if any(padding):
        text = f"ops.pad({text}, {((0, 0), *symmetric(padding), (0, 0))})"
    text = f"{layer}({text})"
    if _apart(strides, dilations):
        text += f"[:, {', '.join(f'::{s}' for s in strides)}]"
    text = f"ops.transpose({text}, {order_to_first(spatial + 2)})"
    return f"ops.squeeze({text}, 0)" if alone else text


def keras_state(kernel: Operand, bias: Operands, **_: object) -> Mapping[str, str]:
    order = (*range(2, kernel.rank), 1, 0)
    made = {"kernel": f"np.transpose({kernel}, {order})"}
    return {**made, "bias": str(bias)} if bias.each else made


def _thin(
    x: Tensor, kernel: Tensor, *_bias: Tensor, strides: Any, padding: Any, dilations: Any, groups: Size = 1
) -> bool | Condition:
    spatial = x.shape[-len(strides) :]
    padded = [n + 2 * p for n, p in zip(spatial, padding, strict=True)]
    thin = thin_convolution(x, kernel.shape[1] * groups, padded, kernel.shape[2:], strides)
    return both(all_ones(dilations), thin)


def _keras(spatial: int) -> Emission:
    defects = [thin_defect(_thin)] if spatial > 1 else []
    return emission(_keras_call, layer=keras_layer, state=keras_state, defects=defects)


# PyTorch


def torch_call(
    x: Operand, kernel: Operand, bias: Operands, strides: Any, padding: Any, dilations: Any, groups: int = 1
) -> str:
    rest = "" if groups == 1 else f", {groups}"
    return f"F.conv{len(strides)}d({x}, {kernel}, {bias or None}, {strides}, {padding}, {dilations}{rest})"


def torch_state(kernel: Operand, bias: Operands, **_: object) -> Mapping[str, str]:
    """The parameters of PyTorch's convolution layers."""
    return {"weight": str(kernel), "bias": str(bias)} if bias.each else {"weight": str(kernel)}


# The families


def _plain(name: str, spatial: int, doc: str, *, dtypes: Sequence[str] = FLOATS, keras: Emission | None) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: Sequence[Size],
        dilations: Sequence[Size],
    ) -> Shape:
        return convolved(require, x, kernel, bias, strides, symmetric(padding), dilations)

    def reference(x: Any, kernel: Any, *bias: Any, strides: Any, padding: Any, dilations: Any) -> Any:
        return convolve(x, kernel, bias, strides, symmetric(padding), dilations)

    return declared(
        name,
        doc,
        rule,
        *operands(spatial),
        attrs=attributes(spatial),
        dtypes=dtypes,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=torch_call,
        keras=keras,
    )


def _grouped(name: str, spatial: int, doc: str, *, keras: Emission | None) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: Sequence[Size],
        dilations: Sequence[Size],
        groups: Size,
    ) -> Shape:
        return convolved(require, x, kernel, bias, strides, symmetric(padding), dilations, groups)

    def reference(x: Any, kernel: Any, *bias: Any, strides: Any, padding: Any, dilations: Any, groups: Any) -> Any:
        return convolve(x, kernel, bias, strides, symmetric(padding), dilations, groups)

    return declared(
        name,
        doc,
        rule,
        *operands(spatial),
        attrs={**attributes(spatial), "groups": size(1, 8)},
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=torch_call,
        keras=keras,
    )


def _depthwise(spatial: int) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: Sequence[Size],
        dilations: Sequence[Size],
    ) -> Shape:
        batch, channels, *sizes = x.shape
        outputs, per_group, *window = kernel.shape
        require(per_group == 1, "the kernel covers one channel")
        require(outputs % channels == 0, "each channel makes as many")
        for b in bias:
            require(b.shape[0] == outputs, "the bias has an entry for each output channel")
        return (batch, outputs, *slid(require, sizes, window, strides, dilations, symmetric(padding)))

    def reference(x: Any, kernel: Any, *bias: Any, strides: Any, padding: Any, dilations: Any) -> Any:
        return convolve(x, kernel, bias, strides, symmetric(padding), dilations, x.shape[1])

    return declared(
        f"depthwise_conv{spatial}d",
        f"Cross-correlation along {AXES[spatial]} of each channel with kernels of its own: as many groups as channels.",
        rule,
        *operands(spatial, batched=True),
        attrs=attributes(spatial),
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=lambda x, **use: torch_call(x=x, groups=x.shape[1], **use),
    )


def _time_batch_channels() -> Operator:
    def rule(require: Require, x: Tensor, kernel: Tensor, bias: Tensor, *, padding: Size) -> Shape:
        time, batch, channels = x.shape
        window, inputs, outputs = kernel.shape
        require(channels == inputs, "the kernel covers the channels")
        require(bias.shape[0] == outputs, "the bias has an entry for each output channel")
        return (*slid(require, (time,), (window,), (1,), (1,), [(padding, padding)]), batch, outputs)

    def reference(x: Any, kernel: Any, bias: Any, padding: Any) -> Any:
        made = convolve(
            np.moveaxis(x, 0, 2), np.transpose(kernel, (2, 1, 0)), (bias,), (1,), [(padding, padding)], (1,)
        )
        return np.moveaxis(made, 2, 0)

    return declared(
        "conv_tbc",
        "Cross-correlation along time of x (time, batch, channels) with the kernel (width, channels, outputs).",
        rule,
        tensor("x", rank=3),
        weight("kernel", rank=3),
        weight("bias", rank=1),
        attrs={"padding": size(0, 3)},
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch="torch.conv_tbc({x}.contiguous(), {kernel}, {bias}, {padding})",
    )


# Grouped ones are operators of their own, as Keras compiles them with XLA on TensorFlow, into a call that tf2onnx does
# not read: what is counted as unsupported there is this, not every convolution.
OPERATORS: Sequence[Operator] = [
    *(_plain(f"conv{n}d", n, f"Dilated cross-correlation along {AXES[n]}.", keras=_keras(n)) for n in AXES),
    *(
        _grouped(f"grouped_conv{n}d", n, f"Cross-correlation along {AXES[n]}: {GROUPED}.", keras=_keras(n))
        for n in AXES
    ),
    *(
        _plain(f"complex_conv{n}d", n, f"Complex cross-correlation along {AXES[n]}.", dtypes=COMPLEX, keras=None)
        for n in AXES
    ),
    *map(_depthwise, AXES),
    _time_batch_channels(),
]
