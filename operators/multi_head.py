"""Layers of attention with projections of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    HALVES,
    Defect,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    both,
    broadcast,
    choice,
    either,
    emission,
    flag,
    operator,
    size,
    tensor,
    weight,
)
from operators.attention import all_see, attended
from operators.precision import Array, wide
from operators.softmax import softmax_of

_WEIGHTS = (-1.0, 1.0)
Outputs = str


def projected(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """An affine map of the last axis; kernel (outputs, inputs)."""
    result = wide(x) @ wide(kernel).T
    return result if bias is None else np.asarray(result + wide(bias))


def _split(x: Array, heads: int) -> Array:
    """(batch, length, heads * depth) as (batch, heads, length, depth)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def multi_head(
    query: Array, key: Array, value: Array, *, heads: int, mask: Array | None = None, causal: bool = False
) -> tuple[Array, Array]:
    """Attention of each head on its part of what is projected already (batches first), joined; and the shares."""
    made, shares = attended(*(_split(t, heads) for t in (query, key, value)), mask=mask, causal=causal)
    return made.transpose(0, 2, 1, 3).reshape(*query.shape[:2], -1), shares


# PyTorch: one kernel (3 * depth, depth) projects queries, keys and values; masks hide


def _batched(x: Array, batch_first: bool) -> Array:
    """Any of PyTorch's layouts as (batch, length, depth)."""
    if x.ndim == 2:
        return x[None]
    return x if batch_first else np.swapaxes(x, 0, 1)


def _laid_out(x: Array, rank: int, batch_first: bool) -> Array:
    return x[0] if rank == 2 else _batched(x, batch_first)


def torch_attention(
    query: Array,
    key: Array,
    value: Array,
    kernels: Sequence[Array],
    bias: Array,
    out_kernel: Array,
    out_bias: Array,
    *,
    heads: int,
    batch_first: bool,
    outputs: Outputs = "values",
    mask: Array | None = None,
) -> list[Array]:
    """https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html, for masks that keep."""
    given = [_batched(t, batch_first) for t in (query, key, value)]
    parts = [projected(t, k, b) for t, k, b in zip(given, kernels, np.split(bias, 3), strict=True)]
    joined, shares = multi_head(*parts, heads=heads, mask=mask)
    made = _laid_out(projected(joined, out_kernel, out_bias), query.ndim, batch_first)
    if outputs == "values":
        return [made]
    shares = shares if outputs == "heads" else np.mean(shares, 1)
    return [made, shares[0] if query.ndim == 2 else shares]


def _torch_layer(kernel: Operand, heads: int, batch_first: bool, **_: Any) -> str:
    return f"nn.MultiheadAttention({kernel.shape[1]}, {heads}, batch_first={batch_first})"


def _torch_state(kernel: Operand, bias: Operand, out_kernel: Operand, out_bias: Operand, **_: Any) -> dict[str, str]:
    """PyTorch checks not all sizes; reshaping does."""
    return {
        "in_proj_weight": str(kernel),
        "in_proj_bias": f"{bias}.reshape({3 * kernel.shape[1]})",
        **_out_state(kernel.shape[1], out_kernel, out_bias),
    }


def _out_state(depth: int, kernel: Operand, bias: Operand) -> dict[str, str]:
    return {"out_proj.weight": f"{kernel}.reshape({depth}, {depth})", "out_proj.bias": f"{bias}.reshape({depth})"}


def _torch_call(operands: str, outputs: Outputs, options: str = "") -> str:
    """One output, or two (the shares of each head, or their average)."""
    needed = f"need_weights={outputs != 'values'}, average_attn_weights={outputs != 'heads'}"
    return f"({operands}, {needed}{options})" + "[0]" * (outputs == "values")


def torch_weights(
    require: Require, depth: Size, heads: Size, kernel: Tensor, bias: Tensor, out_kernel: Tensor, out_bias: Tensor
) -> None:
    """The sizes of PyTorch's projections."""
    require(depth % heads == 0, "the heads share the depth evenly")
    require(kernel.shape[1] == depth, "the kernel has the features")
    for values in (kernel, bias):
        require(values.shape[0] == depth * 3, "queries, keys and values are projected at once")
    for s in (*out_kernel.shape, *out_bias.shape):
        require(s == depth, "the result has the features")


def _lengths(x: Tensor, batch_first: bool) -> tuple[Shape, Size]:
    """The batch's shape (empty for a single one) and the length."""
    if x.rank == 2:
        return (), x.shape[0]
    return ((x.shape[0],), x.shape[1]) if batch_first else ((x.shape[1],), x.shape[0])


def _result_shapes(query: Tensor, key: Tensor, heads: Size, batch_first: bool, outputs: Outputs) -> list[Shape]:
    batch, targets = _lengths(query, batch_first)
    _, sources = _lengths(key, batch_first)
    if outputs == "values":
        return [query.shape]
    return [query.shape, (*batch, *((heads,) if outputs == "heads" else ()), targets, sources)]


_PROJECTIONS = (
    weight("kernel", rank=2, domain=_WEIGHTS),
    weight("bias", rank=1, domain=_WEIGHTS),
    weight("out_kernel", rank=2, domain=_WEIGHTS),
    weight("out_bias", rank=1, domain=_WEIGHTS),
)
_OUTPUTS = choice("values", "shares", "heads")


@operator(
    tensor("query", rank=(2, 3)),
    tensor("key", rank=(2, 3)),
    tensor("value", rank=(2, 3)),
    *_PROJECTIONS,
    attrs={"heads": size(1, 4), "batch_first": flag(), "outputs": _OUTPUTS},
    dtypes=FLOATS,
    domain=_WEIGHTS,
    reference=lambda query, key, value, kernel, bias, out_kernel, out_bias, **attrs: torch_attention(
        query, key, value, np.split(kernel, 3), bias, out_kernel, out_bias, **attrs
    ),
    torch=emission(
        lambda layer, query, key, value, outputs, **_: layer + _torch_call(f"{query}, {key}, {value}", outputs),
        layer=_torch_layer,
        state=_torch_state,
    ),
)
def multi_head_attention(
    require: Require,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    kernel: Tensor,
    bias: Tensor,
    out_kernel: Tensor,
    out_bias: Tensor,
    *,
    heads: Size,
    batch_first: bool,
    outputs: Outputs,
) -> list[Shape]:
    """PyTorch's multi-head attention, batched or not; with the shares, averaged or of each head."""
    for other in (key, value):
        require(other.rank == query.rank, "the ranks are equal")
        require(other.shape[-1] == query.shape[-1], "the depths are equal")
    if query.rank == 3:
        at = 0 if batch_first else 1
        require(key.shape[at] == query.shape[at], "the batches have one size")
    for a, b in zip(key.shape, value.shape, strict=False):
        require(a == b, "keys and values have one shape")
    torch_weights(require, query.shape[-1], heads, kernel, bias, out_kernel, out_bias)
    return _result_shapes(query, key, heads, batch_first, outputs)


def _self_call(layer: str, x: Operand, mask: str, outputs: Outputs, batch_first: bool, **_: Any) -> str:
    length = x.shape[0] if x.rank == 2 or not batch_first else x.shape[1]
    triangle = f", attn_mask=nn.Transformer.generate_square_subsequent_mask({length}, dtype={x}.dtype)"
    options = {
        "none": "",
        "bool": f", attn_mask=torch.ones({length}, {length}, dtype=torch.bool).triu(1)",
        "float": triangle,
        "causal": f"{triangle}, is_causal=True",
    }
    return layer + _torch_call(f"{x}, {x}, {x}", outputs, options[mask])


def _self_attention(
    x: Array, kernel: Array, bias: Array, out_kernel: Array, out_bias: Array, *, mask: str, **attrs: Any
) -> list[Array]:
    length = _batched(x, attrs["batch_first"]).shape[1]
    seen = None if mask == "none" else np.tri(length, dtype=bool)
    return torch_attention(x, x, x, np.split(kernel, 3), bias, out_kernel, out_bias, mask=seen, **attrs)


@operator(
    tensor("x", rank=(2, 3)),
    *_PROJECTIONS,
    attrs={
        "heads": size(1, 4),
        "batch_first": flag(),
        "mask": choice("none", "bool", "float", "causal"),
        "outputs": _OUTPUTS,
    },
    dtypes=FLOATS,
    domain=_WEIGHTS,
    reference=_self_attention,
    torch=emission(_self_call, layer=_torch_layer, state=_torch_state),
)
def self_attention(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    out_kernel: Tensor,
    out_bias: Tensor,
    *,
    heads: Size,
    batch_first: bool,
    mask: str,
    outputs: Outputs,
) -> list[Shape]:
    """PyTorch's multi-head attention of a sequence to itself, to all of it or to what is before; it has a fast path."""
    torch_weights(require, x.shape[-1], heads, kernel, bias, out_kernel, out_bias)
    return _result_shapes(x, x, heads, batch_first, outputs)


def _unbiased(
    query: Array, key: Array, kernel: Array, out_kernel: Array, *, heads: int, batch_first: bool, zero: bool
) -> Array:
    x, y = (_batched(t, batch_first) for t in (query, key))
    parts = [projected(t, k) for t, k in zip((x, y, y), np.split(kernel, 3), strict=True)]
    if zero:
        parts[1:] = [np.pad(t, ((0, 0), (0, 1), (0, 0))) for t in parts[1:]]
    return _laid_out(projected(multi_head(*parts, heads=heads)[0], out_kernel), query.ndim, batch_first)


@operator(
    tensor("query", rank=3),
    tensor("key", rank=3),
    weight("kernel", rank=2, domain=_WEIGHTS),
    weight("out_kernel", rank=2, domain=_WEIGHTS),
    attrs={"heads": size(1, 4), "batch_first": flag(), "zero": flag()},
    dtypes=FLOATS,
    domain=_WEIGHTS,
    reference=_unbiased,
    torch=emission(
        "{layer}({query}, {key}, {key}, need_weights=False)[0]",
        layer=lambda kernel, heads, batch_first, zero, **_: (
            f"nn.MultiheadAttention({kernel.shape[1]}, {heads}, bias=False, add_zero_attn={zero}, "
            f"batch_first={batch_first})"
        ),
        state=lambda kernel, out_kernel, **_: {
            "in_proj_weight": str(kernel),
            "out_proj.weight": f"{out_kernel}.reshape({kernel.shape[1]}, {kernel.shape[1]})",
        },
    ),
)
def multi_head_attention_unbiased(
    require: Require,
    query: Tensor,
    key: Tensor,
    kernel: Tensor,
    out_kernel: Tensor,
    *,
    heads: Size,
    batch_first: bool,
    zero: bool,
) -> Shape:
    """PyTorch's multi-head attention without biases, to keys that are the values, too, and perhaps to one of zeros."""
    depth = query.shape[2]
    require(depth % heads == 0, "the heads share the depth evenly")
    require(key.shape[2] == depth, "the depths are equal")
    at = 0 if batch_first else 1
    require(key.shape[at] == query.shape[at], "the batches have one size")
    require(kernel.shape[0] == depth * 3, "queries, keys and values are projected at once")
    for s in (kernel.shape[1], *out_kernel.shape):
        require(s == depth, "the kernels have the features")
    return query.shape


def _padded(query: Array, key: Array, padding: Array, kernel: Array, *given: Array, **attrs: Any) -> list[Array]:
    hidden = padding[:, None, None, :]
    bias, out_kernel, out_bias = given
    return torch_attention(query, key, key, np.split(kernel, 3), bias, out_kernel, out_bias, mask=~hidden, **attrs)


@operator(
    tensor("query", rank=3),
    tensor("key", rank=3),
    tensor("padding", "B", rank=2),
    *_PROJECTIONS,
    attrs={"heads": size(1, 4), "batch_first": flag(), "outputs": _OUTPUTS},
    dtypes={"T": FLOATS, "B": BOOL},
    domain=_WEIGHTS,
    defined=lambda query, key, padding, *given, **attrs: all_see(~padding),
    reference=_padded,
    torch=emission(
        lambda layer, query, key, padding, outputs, **_: (
            layer + _torch_call(f"{query}, {key}, {key}", outputs, f", key_padding_mask={padding}")
        ),
        layer=_torch_layer,
        state=_torch_state,
    ),
)
def multi_head_attention_padded(
    require: Require,
    query: Tensor,
    key: Tensor,
    padding: Tensor,
    kernel: Tensor,
    bias: Tensor,
    out_kernel: Tensor,
    out_bias: Tensor,
    *,
    heads: Size,
    batch_first: bool,
    outputs: Outputs,
) -> list[Shape]:
    """PyTorch's multi-head attention to keys (which are the values, too) of which some, batch by batch, are hidden."""
    require(key.shape[2] == query.shape[2], "the depths are equal")
    (batch,), sources = _lengths(key, batch_first)
    require(_lengths(query, batch_first)[0][0] == batch, "the batches have one size")
    require(padding.shape[0] == batch, "there is a row for each sequence")
    require(padding.shape[1] == sources, "there is a value for each key")
    torch_weights(require, query.shape[-1], heads, kernel, bias, out_kernel, out_bias)
    return _result_shapes(query, key, heads, batch_first, outputs)


def _depths_state(
    query_kernel: Operand,
    key_kernel: Operand,
    value_kernel: Operand,
    bias: Operand,
    out_kernel: Operand,
    out_bias: Operand,
    **_: Any,
) -> dict[str, str]:
    kernels = {"q_proj_weight": query_kernel, "k_proj_weight": key_kernel, "v_proj_weight": value_kernel}
    inner = {"in_proj_bias": f"{bias}.reshape({3 * query_kernel.shape[1]})"}
    return {**kernels, **inner, **_out_state(query_kernel.shape[1], out_kernel, out_bias)}


@operator(
    tensor("query", rank=3),
    tensor("key", rank=3),
    tensor("value", rank=3),
    weight("query_kernel", rank=2, domain=_WEIGHTS),
    weight("key_kernel", rank=2, domain=_WEIGHTS),
    weight("value_kernel", rank=2, domain=_WEIGHTS),
    weight("bias", rank=1, domain=_WEIGHTS),
    weight("out_kernel", rank=2, domain=_WEIGHTS),
    weight("out_bias", rank=1, domain=_WEIGHTS),
    attrs={"heads": size(1, 4), "batch_first": flag(), "outputs": _OUTPUTS},
    dtypes=FLOATS,
    domain=_WEIGHTS,
    reference=lambda query, key, value, q, k, v, bias, out_kernel, out_bias, **attrs: torch_attention(
        query, key, value, (q, k, v), bias, out_kernel, out_bias, **attrs
    ),
    torch=emission(
        lambda layer, query, key, value, outputs, **_: layer + _torch_call(f"{query}, {key}, {value}", outputs),
        layer=lambda query_kernel, key_kernel, value_kernel, heads, batch_first, **_: (
            f"nn.MultiheadAttention({query_kernel.shape[1]}, {heads}, kdim={key_kernel.shape[1]}, "
            f"vdim={value_kernel.shape[1]}, batch_first={batch_first})"
        ),
        state=_depths_state,
    ),
)
def multi_head_attention_depths(
    require: Require,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_kernel: Tensor,
    key_kernel: Tensor,
    value_kernel: Tensor,
    bias: Tensor,
    out_kernel: Tensor,
    out_bias: Tensor,
    *,
    heads: Size,
    batch_first: bool,
    outputs: Outputs,
) -> list[Shape]:
    """PyTorch's multi-head attention to keys and values of depths of their own."""
    depth = query.shape[2]
    require(depth % heads == 0, "the heads share the depth evenly")
    # Of one depth, all three kernels would be one parameter.
    require(either(key.shape[2] != depth, value.shape[2] != depth), "not all depths are equal")
    (batch,), sources = _lengths(key, batch_first)
    require(_lengths(query, batch_first)[0][0] == batch, "the batches have one size")
    require(_lengths(value, batch_first)[0][0] == batch, "the batches have one size")
    require(_lengths(value, batch_first)[1] == sources, "there is a value for each key")
    for x, kernel in ((query, query_kernel), (key, key_kernel), (value, value_kernel)):
        require(kernel.shape[0] == depth, "everything is projected to the query's depth")
        require(kernel.shape[1] == x.shape[2], "the kernel has the features")
    require(bias.shape[0] == depth * 3, "queries, keys and values are projected")
    for s in (*out_kernel.shape, *out_bias.shape):
        require(s == depth, "the result has the features")
    return _result_shapes(query, key, heads, batch_first, outputs)


# Keras: each projection has a kernel (features, heads, depth); masks keep


def _headed(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """(batch, length, features) as (batch, heads, length, depth)."""
    result = np.einsum("btf,fhd->bhtd", wide(x), wide(kernel))
    return result if bias is None else np.asarray(result + wide(bias)[:, None, :])


def _keras_attention(
    query: Array,
    value: Array,
    key: Array,
    kernels: Sequence[Array],
    biases: Sequence[Array] | None = None,
    *,
    causal: bool = False,
    outputs: Outputs = "values",
    mask: Array | None = None,
) -> list[Array]:
    """https://keras.io/api/layers/attention_layers/multi_head_attention/"""
    inner = biases[:3] if biases else (None, None, None)
    q, k, v = (_headed(x, w, b) for x, w, b in zip((query, key, value), kernels[:3], inner, strict=True))
    times = q.shape[1] // k.shape[1]
    made, shares = attended(q, np.repeat(k, times, 1), np.repeat(v, times, 1), mask=mask, causal=causal)
    result = np.einsum("bhtd,hdo->bto", made, wide(kernels[3])) + (wide(biases[3]) if biases else 0)
    return [result] if outputs == "values" else [result, shares]


def _keras_kernels(
    require: Require, inputs: Sequence[Tensor], kernels: Sequence[Tensor], grouped: bool = False
) -> None:
    """The sizes of Keras' projections of query, key and value, and of the result."""
    for x, kernel in zip(inputs, kernels[:3], strict=True):
        require(kernel.shape[0] == x.shape[2], "the kernel has the features")
        require(kernel.shape[1] == kernels[1 if grouped and kernel is not kernels[0] else 0].shape[1], "heads agree")
    require(kernels[1].shape[2] == kernels[0].shape[2], "queries and keys have one depth")
    require(kernels[3].shape[0] == kernels[0].shape[1], "the result is made of all heads")
    require(kernels[3].shape[1] == kernels[2].shape[2], "the result is made of all values")


def _sequences(require: Require, query: Tensor, key: Tensor, value: Tensor) -> Shape:
    """The batch, common to all."""
    for other in (key, value):
        require(other.shape[0] == query.shape[0], "the batches have one size")
    require(value.shape[1] == key.shape[1], "there is a value for each key")
    return query.shape[:1]


_SHARES = Defect(
    "it infers as many sources as targets for the shares",
    lambda query, value, *given, outputs, **_: query.shape[1] != value.shape[1] if outputs == "heads" else False,
    "https://keras.io/api/layers/attention_layers/multi_head_attention/: the scores are over targets and sources",
)


_STRETCHED = Defect(
    "it infers as many targets as queries where the mask has more",
    lambda query, value, mask, *kernels, outputs: (
        both(query.shape[1] == 1, mask.shape[1] != 1) if outputs == "values" else False
    ),
    "https://keras.io/api/layers/attention_layers/multi_head_attention/: the mask is (batch, targets, sources)",
)


def _biased(query: Tensor, value: Tensor, key: Tensor, *given: Tensor, **_: Any) -> Any:
    """Whether some bias (heads, 1) has as many heads as there are places in the sequence."""
    sequences = zip((query, key, value), given[:3], strict=True)
    return either(*(both(k.shape[2] == 1, k.shape[1] != 1, k.shape[1] == x.shape[1]) for x, k in sequences))


_BIASED = Defect(
    "it adds a bias of the heads, of depth one, along the sequence where that is as long",
    _biased,
    "keras/src/backend/tensorflow/numpy.py, add: what squeezes to a vector as long as the second axis is taken for its "
    "bias (ops.add(ops.zeros((2, 5, 5, 1)), b) with b of (5, 1) is wrong)",
)
# The scale is a float32 on its way, whatever the layer's dtype.
_SCALED = (*HALVES, "float32")


def _keras_layer(x: Operand, kernels: Sequence[Operand], options: str = "") -> str:
    q, _, v, o = kernels
    return (
        f"layers.MultiHeadAttention({q.shape[1]}, {q.shape[2]}, value_dim={v.shape[2]}, output_shape={o.shape[2]}"
        f'{options}, dtype="{x.dtype}")'
    )


def _keras_call(layer: str, given: Sequence[Operand], causal: bool, outputs: Outputs, options: str = "") -> str:
    # Of other batches, which Keras does not refuse, TensorFlow's matrix product makes wrong values, and writes beyond
    # its memory (see `linear.STRETCHED`): where the rule refuses them, nothing must run.
    if len({operand.shape[0] for operand in given}) > 1:
        return f"{layer}.of_one_batch"
    scores = ", return_attention_scores=True" * (outputs != "values")
    return f"{layer}({', '.join(given)}{options}, use_causal_mask={causal}{scores})"


def _listed_call(
    layer: str, query: Operand, value: Operand, key: Operand, causal: bool, outputs: Outputs, **_: Any
) -> str:
    scores = ", return_attention_scores=True" * (outputs != "values")
    return f"{layer}([{query}, {value}, {key}], use_causal_mask={causal}{scores})"


def _keras_shapes(batch: Shape, query: Tensor, key: Tensor, heads: Size, made: Size, outputs: Outputs) -> list[Shape]:
    result = (*batch, query.shape[1], made)
    return [result] if outputs == "values" else [result, (*batch, heads, query.shape[1], key.shape[1])]


_KERNELS = tuple(weight(f"{n}_kernel", rank=3, domain=_WEIGHTS) for n in ("query", "key", "value", "out"))
_BIASES = tuple(weight(f"{n}_bias", rank=2, domain=_WEIGHTS) for n in ("query", "key", "value"))
_NAMES = ("query", "key", "value", "out")


@operator(
    tensor("query", rank=3),
    tensor("value", rank=3),
    tensor("key", rank=3),
    *_KERNELS,
    *_BIASES,
    weight("out_bias", rank=1, domain=_WEIGHTS),
    attrs={"causal": flag(), "outputs": choice("values", "heads")},
    dtypes=_SCALED,
    domain=_WEIGHTS,
    reference=lambda query, value, key, *given, **attrs: _keras_attention(
        query, value, key, given[:4], given[4:], **attrs
    ),
    keras=emission(
        lambda layer, query, value, key, causal, outputs, **_: _keras_call(layer, [query, value, key], causal, outputs),
        layer=lambda query, query_kernel, key_kernel, value_kernel, out_kernel, **_: _keras_layer(
            query, (query_kernel, key_kernel, value_kernel, out_kernel)
        ),
        state=lambda **names: {f"{n} {part}": names[f"{n}_{part}"] for n in _NAMES for part in ("kernel", "bias")},
        defects=[_SHARES, _BIASED],
    ),
)
def multi_head_attention_keras(
    require: Require,
    query: Tensor,
    value: Tensor,
    key: Tensor,
    query_kernel: Tensor,
    key_kernel: Tensor,
    value_kernel: Tensor,
    out_kernel: Tensor,
    query_bias: Tensor,
    key_bias: Tensor,
    value_bias: Tensor,
    out_bias: Tensor,
    *,
    causal: bool,
    outputs: Outputs,
) -> list[Shape]:
    """Keras' multi-head attention; kernels (features, heads, depth), the last (heads, depth, features)."""
    batch = _sequences(require, query, key, value)
    _keras_kernels(require, (query, key, value), (query_kernel, key_kernel, value_kernel, out_kernel))
    for bias, kernel in ((query_bias, query_kernel), (key_bias, key_kernel), (value_bias, value_kernel)):
        for a, b in zip(bias.shape, kernel.shape[1:], strict=False):
            require(a == b, "the bias has the kernel's heads and depth")
    require(out_bias.shape[0] == out_kernel.shape[2], "the bias has the result's features")
    return _keras_shapes(batch, query, key, query_kernel.shape[1], out_kernel.shape[2], outputs)


@operator(
    tensor("query", rank=3),
    tensor("value", rank=3),
    tensor("mask", "B", rank=3),
    *_KERNELS,
    attrs={"outputs": choice("values", "heads")},
    dtypes={"T": _SCALED, "B": BOOL},
    domain=_WEIGHTS,
    defined=lambda query, value, mask, *kernels, outputs: all_see(mask),
    reference=lambda query, value, mask, *kernels, outputs: _keras_attention(
        query, value, value, kernels, mask=mask[:, None], outputs=outputs
    ),
    keras=emission(
        lambda layer, query, value, mask, outputs, **_: _keras_call(
            layer, [query, value], False, outputs, f", attention_mask={mask}"
        ),
        layer=lambda query, query_kernel, key_kernel, value_kernel, out_kernel, **_: _keras_layer(
            query, (query_kernel, key_kernel, value_kernel, out_kernel), ", use_bias=False"
        ),
        state=lambda **names: {n: names[f"{n}_kernel"] for n in _NAMES},
        defects=[_SHARES, _STRETCHED],
    ),
)
def multi_head_attention_masked(
    require: Require,
    query: Tensor,
    value: Tensor,
    mask: Tensor,
    query_kernel: Tensor,
    key_kernel: Tensor,
    value_kernel: Tensor,
    out_kernel: Tensor,
    *,
    outputs: Outputs,
) -> list[Shape]:
    """Keras' multi-head attention, without biases, to the values (which are the keys, too) that a mask keeps."""
    batch = _sequences(require, query, value, value)
    _keras_kernels(require, (query, value, value), (query_kernel, key_kernel, value_kernel, out_kernel))
    for place, (a, b) in enumerate(zip(mask.shape, (*batch, query.shape[1], value.shape[1]), strict=True)):
        stretches = b == 1 if outputs == "values" and place == 1 else False
        require(either(a == b, a == 1, stretches), "the mask is stretched to targets and sources")
    targets = broadcast(require, mask.shape[1:2], query.shape[1:2]) if outputs == "values" else query.shape[1:2]
    made = (*batch, *targets, out_kernel.shape[2])
    return [made, *_keras_shapes(batch, query, value, query_kernel.shape[1], out_kernel.shape[2], outputs)[1:]]


@operator(
    tensor("query", rank=3),
    tensor("value", rank=3),
    *_KERNELS,
    attrs={"causal": flag(), "outputs": choice("values", "heads")},
    dtypes=_SCALED,
    domain=_WEIGHTS,
    reference=lambda query, value, *kernels, **attrs: _keras_attention(query, value, value, kernels, **attrs),
    keras=emission(
        lambda layer, query, value, causal, outputs, **_: _keras_call(layer, [query, value], causal, outputs),
        layer=lambda query, query_kernel, key_kernel, **_: (
            f"layers.GroupQueryAttention({query_kernel.shape[2]}, {query_kernel.shape[1]}, {key_kernel.shape[1]}, "
            f'use_bias=False, dtype="{query.dtype}")'
        ),
        state=lambda **names: {n: names[f"{n}_kernel"] for n in _NAMES},
    ),
)
def grouped_query_attention(
    require: Require,
    query: Tensor,
    value: Tensor,
    query_kernel: Tensor,
    key_kernel: Tensor,
    value_kernel: Tensor,
    out_kernel: Tensor,
    *,
    causal: bool,
    outputs: Outputs,
) -> list[Shape]:
    """Keras' multi-head attention in which groups of query heads share a head of keys and values."""
    batch = _sequences(require, query, value, value)
    _keras_kernels(require, (query, value, value), (query_kernel, key_kernel, value_kernel, out_kernel), grouped=True)
    require(query_kernel.shape[1] % key_kernel.shape[1] == 0, "the query heads fall into groups of one size")
    require(value.shape[2] == query.shape[2], "query and value have as many features")
    require(value_kernel.shape[2] == query_kernel.shape[2], "all heads have one depth")
    require(out_kernel.shape[2] == query.shape[2], "the result has the query's features")
    return _keras_shapes(batch, query, value, query_kernel.shape[1], query.shape[2], outputs)


# Keras: without projections


def _seen(causal: bool, kept: Array | None, targets: int, sources: int) -> Array:
    mask = np.tri(targets, sources, dtype=bool) if causal else np.ones((targets, sources), bool)
    return mask if kept is None else mask & kept[:, None, :]


def _attention_layer(
    query: Array, value: Array, key: Array, scale: Array, *, mode: str, causal: bool, outputs: Outputs
) -> list[Array]:
    """https://keras.io/api/layers/attention_layers/attention/; Luong et al., 2015, for "dot"."""
    if mode == "dot":
        logits = wide(query) @ wide(key).swapaxes(-1, -2) * wide(scale)
    else:
        logits = np.sum(np.tanh(wide(scale) * (wide(query)[:, :, None] + wide(key)[:, None])), -1)
    return _weighed(logits, value, causal, outputs)


def _weighed(logits: Array, value: Array, causal: bool, outputs: Outputs) -> list[Array]:
    shares = softmax_of(np.where(_seen(causal, None, *logits.shape[1:]), logits, -np.inf), -1)
    return [shares @ wide(value)] if outputs == "values" else [shares @ wide(value), shares]


def _layer_rule(
    require: Require, query: Tensor, value: Tensor, key: Tensor, outputs: Outputs, stretched: bool
) -> list[Shape]:
    same = query.shape[2] == key.shape[2]
    one = either(query.shape[2] == 1, key.shape[2] == 1) if stretched else False
    require(either(same, one), "queries and keys have one depth (or, where depths are not summed at once, one has one)")
    require(value.shape[1] == key.shape[1], "there is a value for each key")
    batch = broadcast(require, query.shape[:1], key.shape[:1])
    made = (*broadcast(require, batch, value.shape[:1]), query.shape[1], value.shape[2])
    return [made] if outputs == "values" else [made, (*batch, query.shape[1], key.shape[1])]


_BATCH = Defect(
    "it infers a batch of one where a single query is stretched to the keys or values",
    lambda query, value, key, *given, **_: both(query.shape[0] == 1, either(key.shape[0] != 1, value.shape[0] != 1)),
    "https://keras.io/api/layers/attention_layers/attention/: queries and keys are multiplied as by ops.matmul",
)


@operator(
    tensor("query", rank=3),
    tensor("value", rank=3),
    tensor("key", rank=3),
    weight("scale", rank=0, domain=_WEIGHTS),
    attrs={"mode": choice("dot", "concat"), "causal": flag(), "outputs": choice("values", "shares")},
    dtypes=FLOATS,
    domain=_WEIGHTS,
    reference=_attention_layer,
    keras=emission(
        _listed_call,
        layer='layers.Attention(use_scale=True, score_mode="{mode}", dtype="{query.dtype}")',
        state=lambda scale, mode, **_: {
            "scale": str(scale),
            **({"concat_score_weight": f"np.ones_like({scale})"} if mode == "concat" else {}),
        },
        defects=[_BATCH],
    ),
)
def attention_layer(
    require: Require,
    query: Tensor,
    value: Tensor,
    key: Tensor,
    scale: Tensor,
    *,
    mode: str,
    causal: bool,
    outputs: Outputs,
) -> list[Shape]:
    """Keras' attention of products, scaled, or of tanhs of sums."""
    return _layer_rule(require, query, value, key, outputs, mode == "concat")


@operator(
    tensor("query", rank=3),
    tensor("value", rank=3),
    tensor("key", rank=3),
    weight("scale", rank=1, domain=_WEIGHTS),
    attrs={"causal": flag(), "outputs": choice("values", "shares")},
    dtypes=FLOATS,
    domain=_WEIGHTS,
    reference=lambda query, value, key, scale, *, causal, outputs: _weighed(
        np.sum(wide(scale) * np.tanh(wide(query)[:, :, None] + wide(key)[:, None]), -1), value, causal, outputs
    ),
    keras=emission(
        _listed_call,
        layer='layers.AdditiveAttention(dtype="{query.dtype}")',
        state={"scale": "{scale}"},
        defects=[_BATCH],
    ),
)
def additive_attention(
    require: Require, query: Tensor, value: Tensor, key: Tensor, scale: Tensor, *, causal: bool, outputs: Outputs
) -> list[Shape]:
    """Attention of weighed tanhs of sums (Bahdanau, Cho and Bengio, 2015)."""
    require(scale.shape[0] == query.shape[2], "there is a weight for each feature")
    return _layer_rule(require, query, value, key, outputs, True)


@operator(
    tensor("query", rank=3),
    tensor("value", rank=3),
    tensor("query_kept", "B", rank=2),
    tensor("value_kept", "B", rank=2),
    dtypes={"T": FLOATS, "B": BOOL},
    domain=_WEIGHTS,
    defined=lambda query, value, query_kept, value_kept: all_see(value_kept),
    reference=lambda query, value, query_kept, value_kept: np.where(
        query_kept[..., None], attended(query, value, value, mask=value_kept[:, None], scale=1.0)[0], 0
    ),
    keras=emission(
        # The copy has no mask of its own, which later layers would use.
        "ops.copy({layer}([{query}, {value}], mask=[{query_kept}, {value_kept}]))",
        layer='layers.Attention(dtype="{query.dtype}")',
        defects=[
            Defect(
                "it infers the query's batch and length where the values or a mask have more",
                lambda query, value, query_kept, value_kept: either(
                    both(query.shape[0] == 1, either(*(t.shape[0] != 1 for t in (value, query_kept, value_kept)))),
                    both(query.shape[1] == 1, query_kept.shape[1] != 1),
                ),
                "https://keras.io/api/layers/attention_layers/attention/: masks are used as by ops.where",
            )
        ],
    ),
)
def attention_layer_masked(
    require: Require, query: Tensor, value: Tensor, query_kept: Tensor, value_kept: Tensor
) -> Shape:
    """Keras' attention of products to the values (which are the keys, too) that are kept, of the queries that are."""
    require(query.shape[2] == value.shape[2], "queries and keys have one depth")
    seen = either(value_kept.shape[1] == value.shape[1], value_kept.shape[1] == 1)
    require(seen, "the mask is stretched to the values")
    batch = broadcast(require, query.shape[:1], value.shape[:1])
    batch = broadcast(require, broadcast(require, batch, value_kept.shape[:1]), query_kept.shape[:1])
    return (*batch, *broadcast(require, query.shape[1:2], query_kept.shape[1:2]), value.shape[2])


OPERATORS: Sequence[Operator] = [
    multi_head_attention,
    self_attention,
    multi_head_attention_unbiased,
    multi_head_attention_padded,
    multi_head_attention_depths,
    multi_head_attention_keras,
    multi_head_attention_masked,
    grouped_query_attention,
    attention_layer,
    additive_attention,
    attention_layer_masked,
]
