"""Convolutions of inputs that are padded in other ways than by zeros alike on both sides, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    choice,
    either,
    emission,
    flag,
    size,
    sizes,
)
from operators.convolution import (
    AXES,
    Pairs,
    attributes,
    convolved,
    keras_layer,
    keras_state,
    operands,
    symmetric,
    torch_call,
    torch_state,
)
from operators.spatial import (
    CONV_DOMAIN,
    all_ones,
    convolve,
    declared,
    order_to_first,
    order_to_last,
    thin_convolution,
    thin_defect,
    torch_padded,
)

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""NumPy's names of PyTorch's padding modes."""


def _torch_layer(
    kernel: Operand, bias: Operands, strides: Any, padding: Any, dilations: Any, groups: int, mode: str, **_: object
) -> str:
    outputs, per_group, *window = kernel.shape
    return (
        f"nn.Conv{len(window)}d({per_group * groups}, {outputs}, {tuple(window)}, {strides}, {padding!r}, {dilations}, "
        f'{groups}, {bool(bias.each)}, "{mode}")'
    )


def _same(spatial: int) -> Operator:
    """PyTorch's padding "same": the odd one behind, for strides of one only."""

    def pairs(window: Sequence[Any], dilations: Sequence[Any], same: bool) -> Pairs:
        totals = [d * (w - 1) if same else 0 for w, d in zip(window, dilations, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]

    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        same: bool,
        dilations: Sequence[Size],
        groups: Size,
    ) -> Shape:
        if same:
            require(all_ones(strides), "no stride goes with padding to the same size")
        around = pairs(kernel.shape[2:], dilations, same)
        return convolved(require, x, kernel, bias, strides, around, dilations, groups)

    def reference(x: Any, kernel: Any, *bias: Any, strides: Any, same: bool, dilations: Any, groups: Any) -> Any:
        return convolve(x, kernel, bias, strides, pairs(kernel.shape[2:], dilations, same), dilations, groups)

    def call(same: bool, **use: Any) -> str:
        return torch_call(padding='"same"' if same else '"valid"', **use)

    return declared(
        f"conv{spatial}d_same",
        f"Cross-correlation along {AXES[spatial]}, padded to the same size or not at all.",
        rule,
        *operands(spatial, batched=True),
        attrs={
            "strides": sizes(1, 2, count=spatial),
            "same": flag(),
            "dilations": sizes(1, 3, count=spatial),
            "groups": size(1, 3),
        },
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=call,
    )


def _layer(spatial: int) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        padding: Sequence[Size],
        dilations: Sequence[Size],
        groups: Size,
        mode: str,
    ) -> Shape:
        for n, p in zip(x.shape[-spatial:], padding, strict=True):
            if mode in ("reflect", "circular"):
                require(p < n if mode == "reflect" else p <= n, "there is enough to pad with")
        return convolved(require, x, kernel, bias, strides, symmetric(padding), dilations, groups)

    def reference(
        x: Any, kernel: Any, *bias: Any, strides: Any, padding: Any, dilations: Any, groups: Any, mode: str
    ) -> Any:
        return convolve(x, kernel, bias, strides, symmetric(padding), dilations, groups, MODES[mode])

    return declared(
        f"conv{spatial}d_layer",
        f"Cross-correlation along {AXES[spatial]} of an input that is padded with zeros, its border or its other end.",
        rule,
        *operands(spatial),
        attrs={**attributes(spatial), "groups": size(1, 4), "mode": choice(*MODES)},
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=emission("{layer}({x})", layer=_torch_layer, state=torch_state),
    )


def _asymmetric(spatial: int) -> Operator:
    """Padding that differs before and behind comes before the convolution; converters merge the two."""

    def pairs(before: Sequence[Any], behind: Sequence[Any]) -> Pairs:
        return list(zip(before, behind, strict=True))

    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        *bias: Tensor,
        strides: Sequence[Size],
        before: Sequence[Size],
        behind: Sequence[Size],
    ) -> Shape:
        return convolved(require, x, kernel, bias, strides, pairs(before, behind), (1,) * spatial)

    def reference(x: Any, kernel: Any, *bias: Any, strides: Any, before: Any, behind: Any) -> Any:
        return convolve(x, kernel, bias, strides, pairs(before, behind), (1,) * spatial)

    def thin(x: Tensor, kernel: Tensor, *_bias: Tensor, strides: Any, before: Any, behind: Any) -> bool | Condition:
        padded = [n + b + e for n, b, e in zip(x.shape[2:], before, behind, strict=True)]
        return thin_convolution(x, kernel.shape[1], padded, kernel.shape[2:], strides)

    def torch(x: Operand, kernel: Operand, bias: Operands, strides: Any, before: Any, behind: Any) -> str:
        padded = torch_padded(x, pairs(before, behind))
        return f"F.conv{spatial}d({padded}, {kernel}, {bias or None}, {strides})"

    def keras(layer: str, x: Operand, before: Any, behind: Any, **_: Any) -> str:
        around = pairs(before, behind) if spatial > 1 else (*before, *behind)
        padded = f"ops.transpose({x}, {order_to_last(x.rank)})"
        padded = (
            f'layers.ZeroPadding{spatial}D({tuple(around)}, data_format="channels_last", dtype="{x.dtype}")({padded})'
        )
        return f"ops.transpose({layer}({padded}), {order_to_first(x.rank)})"

    def turned(x: Tensor, kernel: Tensor, *_bias: Tensor, **_: Any) -> bool | Condition:
        if x.dtype != "float32" or spatial < 3:
            return False
        first, *others = (n == 1 for n in kernel.shape[2:])
        pairs_of_ones = [both(first, other) for other in others] + [both(*others)]
        return both(kernel.shape[0] == 1, either(*pairs_of_ones))

    untransposed = Defect(
        "a traced model leaves out the transposition behind a padded convolution to one channel, for some inputs",
        turned,
        "tf.transpose's definition, https://www.tensorflow.org/api_docs/python/tf/transpose; right in float64, without "
        "tf.function and without padding (TensorFlow 2.21, Grappler)",
        release="2.21",
    )

    def jumped(x: Tensor, kernel: Tensor, *bias: Tensor, strides: Any, before: Any, behind: Any) -> bool | Condition:
        if x.dtype != "float32" or not bias:
            return False
        few = both(x.shape[-1] == 1, kernel.shape[-1] == 1, strides[-1] == 2)
        return both(few, before[-1] == 3, behind[-1] >= 1, behind[-1] <= 2)

    killed = Defect(
        "a traced model reads beyond its memory where three windows along the last axis leap over all of the input",
        jumped,
        "tf.nn.convolution's definition, https://www.tensorflow.org/api_docs/python/tf/nn/convolution; no crash in "
        "float64, without bias and without tf.function (TensorFlow 2.21, oneDNN)",
        fatal=True,
        release="2.21",
    )
    defects = [thin_defect(thin), killed] if spatial > 1 else []

    return declared(
        f"padded_conv{spatial}d",
        f"Cross-correlation along {AXES[spatial]} of an input that is padded before and behind by different numbers.",
        rule,
        *operands(spatial, batched=True),
        attrs={
            "strides": sizes(1, 3, count=spatial),
            "before": sizes(0, 3, count=spatial),
            "behind": sizes(0, 3, count=spatial),
        },
        dtypes=FLOATS,
        domain=CONV_DOMAIN,
        reference=reference,
        torch=torch,
        keras=emission(
            keras,
            layer=lambda **use: keras_layer(dilations=(1,) * spatial, **use),
            state=keras_state,
            defects=[*defects, untransposed] if spatial > 2 else defects,
        ),
    )


OPERATORS: Sequence[Operator] = [family(n) for family in (_same, _layer, _asymmetric) for n in AXES]
