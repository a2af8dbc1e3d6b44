"""Attention as functions; `multi_head.py` has the layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    FLOATS,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    choice,
    either,
    flag,
    operator,
    tensor,
)
from operators.linear import stretches_wrongly
from operators.precision import Array, wide
from operators.softmax import softmax_of

DOMAIN = (-2.0, 2.0)
Scale = float | str


def attended(
    query: Array, key: Array, value: Array, *, mask: Array | None = None, scale: Scale = "None", causal: bool = False
) -> tuple[Array, Array]:
    """Scaled dot-product attention and its shares; a bool mask keeps, a float mask is added.

    Vaswani et al., "Attention is all you need" (2017), equation 1.
    """
    factor = 1 / np.sqrt(query.shape[-1]) if isinstance(scale, str) else scale
    logits = wide(query) @ wide(key).swapaxes(-1, -2) * factor
    if causal:
        logits = np.where(np.tri(*logits.shape[-2:]) == 1, logits, -np.inf)
    if mask is not None:
        logits = np.where(mask, logits, -np.inf) if mask.dtype == bool else logits + wide(mask)
    shares = softmax_of(logits, -1)
    return shares @ wide(value), shares


def attention_shape(require: Require, query: Tensor, key: Tensor, value: Tensor) -> Shape:
    """The result's shape: batches and heads are broadcast."""
    require(key.shape[-1] == query.shape[-1], "queries and keys have one depth")
    require(value.shape[-2] == key.shape[-2], "there is a value for each key")
    outer = broadcast(require, query.shape[:-2], key.shape[:-2], value.shape[:-2])
    return (*outer, query.shape[-2], value.shape[-1])


def sees(require: Require, mask: Tensor, full: Shape) -> None:
    """The mask is stretched to the shape of the logits."""
    for have, wanted in zip(mask.shape[::-1], full[::-1], strict=False):
        require(either(have == wanted, have == 1), "the mask is stretched to the logits")


def all_see(*operands: Array, causal: bool = False, **attrs: Any) -> bool:
    """Whether each query sees some key by its mask, the last operand: the share of none is undefined."""
    mask = operands[-1]
    return mask.dtype != bool or bool(np.all(np.any(mask, -1)))


def _matmul(x: Operand, y: Operand) -> str:
    """Keras' product, of batches stretched before where TensorFlow would do it wrongly: `linear.STRETCHED`."""
    if stretches_wrongly(x, y):
        return f"ops.matmul({x}, ops.broadcast_to({y}, {x.shape[:2] + y.shape[-2:]}))"
    return f"ops.matmul({x}, {y})"


def _composed(query: Operand, key: Operand, value: Operand, causal: bool, mask: Operand | None, scale: Scale) -> str:
    factor = query.shape[3] ** -0.5 if isinstance(scale, str) else scale
    outer = tuple(max(sizes) for sizes in zip(query.shape[:2], key.shape[:2], strict=True))
    full = (*outer, query.shape[2], key.shape[2])
    turned = Operand(f"ops.transpose({key}, (0, 1, 3, 2))", key.dtype, (*key.shape[:2], key.shape[3], key.shape[2]))
    logits = f"{_matmul(query, turned)} * {factor}"
    if causal:
        logits = f'ops.where(np.tri({query.shape[2]}, {key.shape[2]}, dtype="bool"), {logits}, -float("inf"))'
    if mask is not None and mask.dtype == "bool":
        logits = f'ops.where({mask}, {logits}, -float("inf"))'
    elif mask is not None:
        # Stretched first: Keras takes what squeezes to a vector for a bias of the last axis.
        logits = f"ops.add({logits}, ops.broadcast_to({mask}, {full}))"
    return _matmul(Operand(f"ops.softmax({logits}, axis=-1)", query.dtype, full), value)


def _keras(
    query: Operand,
    key: Operand,
    value: Operand,
    causal: bool = False,
    mask: Operand | None = None,
    scale: Scale = "None",
) -> str:
    """Keras has the heads behind the length, and for float64 too a scale in float32 unless it is given one.

    It infers the query's shape for the result, whatever is broadcast; where that is wrong, attention is put together.
    """
    if key.shape[:2] != query.shape[:2] or value.shape[:2] != query.shape[:2] or value.shape[3] != query.shape[3]:
        return _composed(query, key, value, causal, mask, scale)
    operands = ", ".join(f"ops.transpose({t}, (0, 2, 1, 3))" for t in (query, key, value))
    options = f"is_causal={causal}"
    if mask is not None:
        shaped = f"ops.reshape({mask}, {(1,) * (4 - mask.rank) + mask.shape})" if mask.rank < 4 else mask
        options += f", {'mask' if mask.dtype == 'bool' else 'bias'}={shaped}"
    if query.dtype == "float64" or not isinstance(scale, str):
        options += f", scale=np.float64({query.shape[3] ** -0.5 if isinstance(scale, str) else scale})"
    return f"ops.transpose(ops.dot_product_attention({operands}, {options}), (0, 2, 1, 3))"


@operator(
    tensor("query", rank=4),
    tensor("key", rank=4),
    tensor("value", rank=4),
    attrs={"causal": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda query, key, value, *, causal: attended(query, key, value, causal=causal)[0],
    torch="F.scaled_dot_product_attention({query}, {key}, {value}, is_causal={causal})",
    keras=_keras,
)
def attention(require: Require, query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Shape:
    """Scaled dot-product attention; query (batch, heads, targets, depth), key and value (batch, heads, sources, depth).

    Batches and heads are broadcast. Where it is causal, the target i sees the sources up to i.
    Vaswani et al., "Attention is all you need" (2017).
    """
    return attention_shape(require, query, key, value)


@operator(
    tensor("query", rank=(2, 3, 5)),
    tensor("key", rank=(2, 3, 5)),
    tensor("value", rank=(2, 3, 5)),
    attrs={"causal": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda query, key, value, *, causal: attended(query, key, value, causal=causal)[0],
    torch="F.scaled_dot_product_attention({query}, {key}, {value}, is_causal={causal})",
)
def attention_batched(require: Require, query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Shape:
    """Scaled dot-product attention with other axes before the last two than batch and heads."""
    require(query.rank == key.rank, "the ranks are equal")
    require(query.rank == value.rank, "the ranks are equal")
    return attention_shape(require, query, key, value)


_SCALE = choice("None", 1.0, 0.5, 0.125)


def _torch_masked(query: Operand, key: Operand, value: Operand, mask: Operand, scale: Scale) -> str:
    return f"F.scaled_dot_product_attention({query}, {key}, {value}, attn_mask={mask}, scale={scale})"


def _masked_rule(require: Require, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Shape:
    result = attention_shape(require, query, key, value)
    sees(require, mask, (*broadcast(require, query.shape[:-2], key.shape[:-2]), query.shape[-2], key.shape[-2]))
    return result


def _masked(query: Array, key: Array, value: Array, mask: Array, *, scale: Scale) -> Array:
    return attended(query, key, value, mask=mask, scale=scale)[0]


@operator(
    tensor("query", rank=4),
    tensor("key", rank=4),
    tensor("value", rank=4),
    tensor("mask", "B", rank=(2, 3, 4)),
    attrs={"scale": _SCALE},
    dtypes={"T": FLOATS, "B": BOOL},
    domain=DOMAIN,
    defined=all_see,
    reference=_masked,
    torch=_torch_masked,
    keras=_keras,
)
def attention_masked(
    require: Require, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, scale: Scale
) -> Shape:
    """Scaled dot-product attention to the keys that a mask, broadcast, keeps."""
    return _masked_rule(require, query, key, value, mask)


@operator(
    tensor("query", rank=4),
    tensor("key", rank=4),
    tensor("value", rank=4),
    tensor("mask", rank=(2, 3, 4)),
    attrs={"scale": _SCALE},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_masked,
    torch=_torch_masked,
    keras=_keras,
)
def attention_biased(
    require: Require, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, scale: Scale
) -> Shape:
    """Scaled dot-product attention with something, broadcast, added to its logits."""
    return _masked_rule(require, query, key, value, mask)


def _grouped(query: Array, key: Array, value: Array, *, causal: bool) -> Array:
    repeated = [np.repeat(t, query.shape[1] // t.shape[1], 1) for t in (key, value)]
    return attended(query, *repeated, causal=causal)[0]


def _keras_grouped(query: Operand, key: Operand, value: Operand, causal: bool) -> str:
    """Keras repeats heads only where there are several, in keys and values alike."""
    alike = value.shape[0] == key.shape[0] == query.shape[0] and value.shape[3] == query.shape[3]
    if alike and 1 < key.shape[1] == value.shape[1] < query.shape[1]:
        pretended = [Operand(t, t.dtype, query.shape) for t in (key, value)]
        return _keras(query, pretended[0], pretended[1], causal)
    repeated = [
        Operand(
            f"ops.repeat({t}, {query.shape[1] // t.shape[1]}, axis=1)",
            t.dtype,
            (t.shape[0], query.shape[1], *t.shape[2:]),
        )
        for t in (key, value)
    ]
    return _composed(query, repeated[0], repeated[1], causal, None, "None")


@operator(
    tensor("query", rank=4),
    tensor("key", rank=4),
    tensor("value", rank=4),
    attrs={"causal": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_grouped,
    torch="F.scaled_dot_product_attention({query}, {key}, {value}, is_causal={causal}, enable_gqa=True)",
    keras=_keras_grouped,
)
def attention_grouped(require: Require, query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Shape:
    """Scaled dot-product attention in which groups of query heads share a head of keys and values.

    Ainslie et al., "GQA", 2023.
    """
    require(query.shape[1] % key.shape[1] == 0, "the query heads fall into groups of one size")
    require(query.shape[1] % value.shape[1] == 0, "the query heads fall into groups of one size")
    (batch,) = broadcast(require, query.shape[:1], key.shape[:1], value.shape[:1])
    require(key.shape[3] == query.shape[3], "queries and keys have one depth")
    require(value.shape[2] == key.shape[2], "there is a value for each key")
    return (batch, query.shape[1], query.shape[2], value.shape[3])


OPERATORS: Sequence[Operator] = [
    attention,
    attention_batched,
    attention_masked,
    attention_biased,
    attention_grouped,
]
