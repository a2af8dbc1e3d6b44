"""Blocks of Transformers, as PyTorch's layers compute them in inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    flag,
    operator,
    size,
    tensor,
    weight,
)
from graphfuzz.spec.attributes import Attribute
from operators.activation import gelu_of
from operators.batch_norm import standardized, well_conditioned
from operators.multi_head import multi_head, projected
from operators.precision import Array, wide

_DOMAIN = (-1.0, 1.0)
EPSILON = 1e-5
"""The layers' default."""
Sublayer = Callable[[Array], Array]


def _normalized(x: Array, scale: Array, bias: Array, seen: list[Array]) -> Array:
    """Layer normalization; `seen` keeps what was normalized."""
    seen.append(x)
    return np.asarray(standardized(x, (-1,), EPSILON) * wide(scale) + wide(bias))


def _attention(
    x: Array, memory: Array, kernel: Array, bias: Array, out_kernel: Array, out_bias: Array, heads: int, causal: bool
) -> Array:
    kernels, biases = np.split(kernel, 3), np.split(bias, 3)
    parts = [projected(t, k, b) for t, k, b in zip((x, memory, memory), kernels, biases, strict=True)]
    return projected(multi_head(*parts, heads=heads, causal=causal)[0], out_kernel, out_bias)


def _feed_forward(x: Array, kernel: Array, bias: Array, out_kernel: Array, out_bias: Array, activation: str) -> Array:
    inner = projected(x, kernel, bias)
    return projected(np.maximum(inner, 0) if activation == "relu" else gelu_of(inner), out_kernel, out_bias)


def _block(
    x: Array, sublayers: Sequence[Sublayer], norms: Sequence[tuple[Array, Array]], norm_first: bool, seen: list[Array]
) -> Array:
    """Each sublayer's result added to what it got, normalized before the sublayer or after the sum.

    Vaswani et al., "Attention is all you need" (2017), section 3.1; Xiong et al., "On Layer Normalization in the
    Transformer Architecture" (2020), for `norm_first`.
    """
    x = wide(x)
    for sublayer, (scale, bias) in zip(sublayers, norms, strict=True):
        x = x + sublayer(_normalized(x, scale, bias, seen)) if norm_first else x + sublayer(x)
        x = x if norm_first else _normalized(x, scale, bias, seen)
    return x


def _turned(x: Array, batch_first: bool) -> Array:
    return x if batch_first else np.swapaxes(x, 0, 1)


def _pairs(flat: Sequence[Array]) -> list[tuple[Array, Array]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _encoded(
    x: Array,
    *given: Array,
    heads: int,
    activation: str,
    norm_first: bool,
    batch_first: bool,
    causal: bool,
    seen: list[Array],
) -> Array:
    sublayers: list[Sublayer] = [
        lambda y: _attention(y, y, *given[:4], heads, causal),  # type: ignore[call-arg, arg-type]
        lambda y: _feed_forward(y, *given[4:8], activation),  # type: ignore[call-arg, arg-type]
    ]
    made = _block(_turned(x, batch_first), sublayers, _pairs(given[8:]), norm_first, seen)
    return _turned(made, batch_first)


def _decoded(
    x: Array,
    memory: Array,
    *given: Array,
    heads: int,
    activation: str,
    norm_first: bool,
    batch_first: bool,
    causal: bool,
    seen: list[Array],
) -> Array:
    other = wide(_turned(memory, batch_first))
    sublayers: list[Sublayer] = [
        lambda y: _attention(y, y, *given[:4], heads, causal),  # type: ignore[call-arg, arg-type]
        lambda y: _attention(y, other, *given[4:8], heads, False),  # type: ignore[call-arg, arg-type]
        lambda y: _feed_forward(y, *given[8:12], activation),  # type: ignore[call-arg, arg-type]
    ]
    made = _block(_turned(x, batch_first), sublayers, _pairs(given[12:]), norm_first, seen)
    return _turned(made, batch_first)


def _varied(reference: Callable[..., Array]) -> Callable[..., bool]:
    """Whether all that the layer normalizes varies enough to be well-conditioned."""

    def defined(*operands: Array, **attrs: Any) -> bool:
        seen: list[Array] = []
        reference(*operands, **attrs, seen=seen)
        return all(well_conditioned(x, (-1,), EPSILON) for x in seen)

    return defined


def _attention_weights(prefix: str) -> list[Any]:
    return [
        weight(f"{prefix}_kernel", rank=2, domain=_DOMAIN),
        weight(f"{prefix}_bias", rank=1, domain=_DOMAIN),
        weight(f"{prefix}_out_kernel", rank=2, domain=_DOMAIN),
        weight(f"{prefix}_out_bias", rank=1, domain=_DOMAIN),
    ]


_FORWARD = [
    weight("kernel1", rank=2, domain=_DOMAIN),
    weight("bias1", rank=1, domain=_DOMAIN),
    weight("kernel2", rank=2, domain=_DOMAIN),
    weight("bias2", rank=1, domain=_DOMAIN),
]


def _norms(count: int) -> list[Any]:
    return [weight(f"{part}{i + 1}", rank=1, domain=_DOMAIN) for i in range(count) for part in ("scale", "shift")]


_ATTRS: dict[str, Attribute] = {
    "heads": size(1, 4),
    "activation": choice("relu", "gelu"),
    "norm_first": flag(),
    "batch_first": flag(),
    "causal": flag(),
}


def _attention_state(module: str, prefix: str, depth: int, names: dict[str, Any]) -> dict[str, str]:
    """PyTorch checks not all sizes; reshaping does."""
    return {
        f"{module}.in_proj_weight": str(names[f"{prefix}_kernel"]),
        f"{module}.in_proj_bias": f"{names[f'{prefix}_bias']}.reshape({3 * depth})",
        f"{module}.out_proj.weight": f"{names[f'{prefix}_out_kernel']}.reshape({depth}, {depth})",
        f"{module}.out_proj.bias": f"{names[f'{prefix}_out_bias']}.reshape({depth})",
    }


def _rest_state(depth: int, norms: int, names: dict[str, Any]) -> dict[str, str]:
    inner = names["kernel1"].shape[0]
    state = {
        "linear1.weight": f"{names['kernel1']}.reshape({inner}, {depth})",
        "linear1.bias": f"{names['bias1']}.reshape({inner})",
        "linear2.weight": f"{names['kernel2']}.reshape({depth}, {inner})",
        "linear2.bias": f"{names['bias2']}.reshape({depth})",
    }
    for i in range(1, norms + 1):
        state[f"norm{i}.weight"] = f"{names[f'scale{i}']}.reshape({depth})"
        state[f"norm{i}.bias"] = f"{names[f'shift{i}']}.reshape({depth})"
    return state


def _encoder_state(**names: Any) -> dict[str, str]:
    depth = names["x"].shape[2]
    return {**_attention_state("self_attn", "own", depth, names), **_rest_state(depth, 2, names)}


def _decoder_state(**names: Any) -> dict[str, str]:
    depth = names["x"].shape[2]
    own = _attention_state("self_attn", "own", depth, names)
    return {**own, **_attention_state("multihead_attn", "other", depth, names), **_rest_state(depth, 3, names)}


def _layer(name: str) -> Callable[..., str]:
    def made(
        x: Operand, kernel1: Operand, heads: int, activation: str, norm_first: bool, batch_first: bool, **_: Any
    ) -> str:
        return (
            f'nn.{name}({x.shape[2]}, {heads}, {kernel1.shape[0]}, activation="{activation}", '
            f"norm_first={norm_first}, batch_first={batch_first})"
        )

    return made


def _mask(x: Operand, batch_first: bool) -> str:
    return f"nn.Transformer.generate_square_subsequent_mask({x.shape[1 if batch_first else 0]}, dtype={x}.dtype)"


def _encoder_call(layer: str, x: Operand, batch_first: bool, causal: bool, **_: Any) -> str:
    return f"{layer}({x}, src_mask={_mask(x, batch_first)}, is_causal=True)" if causal else f"{layer}({x})"


def _decoder_call(layer: str, x: Operand, memory: Operand, batch_first: bool, causal: bool, **_: Any) -> str:
    options = f", tgt_mask={_mask(x, batch_first)}, tgt_is_causal=True" if causal else ""
    return f"{layer}({x}, {memory}{options})"


def _attention_sizes(require: Require, depth: Size, given: Sequence[Tensor]) -> None:
    kernel, bias, out_kernel, out_bias = given
    for values in (kernel, bias):
        require(values.shape[0] == depth * 3, "queries, keys and values are projected at once")
    for s in (kernel.shape[1], *out_kernel.shape, *out_bias.shape):
        require(s == depth, "the projections have the features")


def _rest_sizes(require: Require, depth: Size, forward: Sequence[Tensor], norms: Sequence[Tensor]) -> None:
    kernel1, bias1, kernel2, bias2 = forward
    require(kernel1.shape[1] == depth, "the kernel has the features")
    require(kernel2.shape[0] == depth, "the result has the features")
    for s in (kernel2.shape[1], bias1.shape[0]):
        require(s == kernel1.shape[0], "the hidden sizes are equal")
    for values in (bias2, *norms):
        require(values.shape[0] == depth, "there is a value for each feature")


@operator(
    tensor("x", rank=3),
    *_attention_weights("own"),
    *_FORWARD,
    *_norms(2),
    attrs=_ATTRS,
    dtypes=FLOATS,
    domain=_DOMAIN,
    defined=_varied(_encoded),
    reference=lambda *operands, **attrs: _encoded(*operands, **attrs, seen=[]),
    torch=emission(_encoder_call, layer=_layer("TransformerEncoderLayer"), state=_encoder_state),
)
def transformer_encoder_layer(
    require: Require,
    x: Tensor,
    own_kernel: Tensor,
    own_bias: Tensor,
    own_out_kernel: Tensor,
    own_out_bias: Tensor,
    kernel1: Tensor,
    bias1: Tensor,
    kernel2: Tensor,
    bias2: Tensor,
    scale1: Tensor,
    shift1: Tensor,
    scale2: Tensor,
    shift2: Tensor,
    *,
    heads: Size,
    activation: str,
    norm_first: bool,
    batch_first: bool,
    causal: bool,
) -> Shape:
    """A block of a Transformer's encoder: self-attention and a feed-forward network; it has a fast path."""
    depth = x.shape[2]
    require(depth % heads == 0, "the heads share the depth evenly")
    _attention_sizes(require, depth, (own_kernel, own_bias, own_out_kernel, own_out_bias))
    _rest_sizes(require, depth, (kernel1, bias1, kernel2, bias2), (scale1, shift1, scale2, shift2))
    return x.shape


@operator(
    tensor("x", rank=3),
    tensor("memory", rank=3),
    *_attention_weights("own"),
    *_attention_weights("other"),
    *_FORWARD,
    *_norms(3),
    attrs=_ATTRS,
    dtypes=FLOATS,
    domain=_DOMAIN,
    defined=_varied(_decoded),
    reference=lambda *operands, **attrs: _decoded(*operands, **attrs, seen=[]),
    torch=emission(_decoder_call, layer=_layer("TransformerDecoderLayer"), state=_decoder_state),
)
def transformer_decoder_layer(
    require: Require,
    x: Tensor,
    memory: Tensor,
    own_kernel: Tensor,
    own_bias: Tensor,
    own_out_kernel: Tensor,
    own_out_bias: Tensor,
    other_kernel: Tensor,
    other_bias: Tensor,
    other_out_kernel: Tensor,
    other_out_bias: Tensor,
    kernel1: Tensor,
    bias1: Tensor,
    kernel2: Tensor,
    bias2: Tensor,
    scale1: Tensor,
    shift1: Tensor,
    scale2: Tensor,
    shift2: Tensor,
    scale3: Tensor,
    shift3: Tensor,
    *,
    heads: Size,
    activation: str,
    norm_first: bool,
    batch_first: bool,
    causal: bool,
) -> Shape:
    """A block of a Transformer's decoder: attention to itself, to a memory, and a feed-forward network."""
    depth = x.shape[2]
    require(depth % heads == 0, "the heads share the depth evenly")
    require(memory.shape[2] == depth, "the memory has the features")
    at = 0 if batch_first else 1
    require(memory.shape[at] == x.shape[at], "the batches have one size")
    _attention_sizes(require, depth, (own_kernel, own_bias, own_out_kernel, own_out_bias))
    _attention_sizes(require, depth, (other_kernel, other_bias, other_out_kernel, other_out_bias))
    norms = (scale1, shift1, scale2, shift2, scale3, shift3)
    _rest_sizes(require, depth, (kernel1, bias1, kernel2, bias2), norms)
    return x.shape


OPERATORS: Sequence[Operator] = [transformer_encoder_layer, transformer_decoder_layer]
