"""Attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import FLOATS, Operand, Operator, Require, Shape, Tensor, broadcast, flag, operator, tensor
from operators.precision import wide


def _attended(query: Any, key: Any, value: Any, causal: bool) -> Any:
    logits = wide(query) @ wide(key).swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    if causal:
        logits = np.where(np.tri(*logits.shape[-2:]) == 1, logits, -np.inf)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True) @ wide(value)


def _composed(query: Operand, key: Operand, value: Operand, causal: bool) -> str:
    logits = f"ops.matmul({query}, ops.transpose({key}, (0, 1, 3, 2))) * {query.shape[3] ** -0.5}"
    if causal:
        logits = f'ops.where(np.tri({query.shape[2]}, {key.shape[2]}, dtype="bool"), {logits}, -float("inf"))'
    return f"ops.matmul(ops.softmax({logits}, axis=-1), {value})"


def _keras(query: Operand, key: Operand, value: Operand, causal: bool) -> str:
    """Keras has the heads behind the length, and for float64 too a scale in float32 unless it is given one.

    It infers the query's shape for the result, whatever is broadcast; where that is wrong, attention is put together.
    """
    if key.shape[:2] != query.shape[:2] or value.shape[:2] != query.shape[:2] or value.shape[3] != query.shape[3]:
        return _composed(query, key, value, causal)
    operands = ", ".join(f"ops.transpose({t}, (0, 2, 1, 3))" for t in (query, key, value))
    scale = f", scale=np.float64({query.shape[3] ** -0.5})" if query.dtype == "float64" else ""
    return f"ops.transpose(ops.dot_product_attention({operands}, is_causal={causal}{scale}), (0, 2, 1, 3))"


@operator(
    tensor("query", rank=4),
    tensor("key", rank=4),
    tensor("value", rank=4),
    attrs={"causal": flag()},
    dtypes=FLOATS,
    domain=(-2.0, 2.0),
    reference=_attended,
    torch="F.scaled_dot_product_attention({query}, {key}, {value}, is_causal={causal})",
    keras=_keras,
)
def attention(require: Require, query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Shape:
    """Scaled dot-product attention; query (batch, heads, targets, depth), key and value (batch, heads, sources, depth).

    Batches and heads are broadcast. Where it is causal, the target i sees the sources up to i.
    Vaswani et al., "Attention is all you need" (2017).
    """
    require(key.shape[3] == query.shape[3], "queries and keys have one depth")
    require(value.shape[2] == key.shape[2], "there is a value for each key")
    outer = broadcast(require, query.shape[:2], key.shape[:2], value.shape[:2])
    return (*outer, query.shape[2], value.shape[3])


OPERATORS: Sequence[Operator] = [attention]
