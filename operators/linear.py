"""Products of matrices, and the layers made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    either,
    emission,
    operator,
    tensor,
    weight,
)
from operators.precision import wide

DOMAIN = (-2.0, 2.0)


def _affine(x: Any, kernel: Any, bias: Any) -> Any:
    return wide(x) @ wide(kernel).T + wide(bias)


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("y", rank=range(1, 7)),
    dtypes=REAL,
    domain=DOMAIN,
    reference=lambda x, y: wide(x) @ wide(y),
    torch="torch.matmul({x}, {y})",
    # Keras sums products of int8 as int32 for some ranks (two matrices) and not for others (a vector).
    keras=emission("ops.matmul({x}, {y})", dtypes=[d for d in REAL if d != "int8"]),
)
def matmul(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The matrix product over the last two axes; the axes before them are broadcast, a vector gets (and loses) one.

    https://numpy.org/doc/stable/reference/generated/numpy.matmul.html
    """
    require(x.shape[-1] == y.shape[max(-2, -y.rank)], "the inner sizes are equal")
    columns = y.shape[-1:] if y.rank > 1 else ()
    return (*broadcast(require, x.shape[:-2], y.shape[:-2]), *x.shape[-2:-1], *columns)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("kernel", rank=2),
    weight("bias", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch="F.linear({x}, {kernel}, {bias})",
    # Not by a transposed kernel, which Keras would compute at once and leave outside of the model as a constant.
    keras="ops.add(ops.tensordot({x}, {kernel}, [[-1], [1]]), {bias})",
)
def linear(require: Require, x: Tensor, kernel: Tensor, bias: Tensor) -> Shape:
    """An affine map of the last axis; kernel (outputs, inputs), bias (outputs), or (1) for one shared by all."""
    outputs, inputs = kernel.shape
    require(x.shape[-1] == inputs, "the kernel has a column for each feature")
    require(either(bias.shape[0] == outputs, bias.shape[0] == 1), "the bias is one, or one for each row of the kernel")
    return (*x.shape[:-1], outputs)


@operator(
    tensor("x", rank=range(2, 6)),
    weight("kernel", rank=2),
    weight("bias", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch=emission(
        "{layer}({x})",
        layer="nn.Linear({kernel.shape[1]}, {kernel.shape[0]})",
        state={"weight": "{kernel}", "bias": "{bias}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.Dense({kernel.shape[0]}, dtype="{x.dtype}")',
        state={"kernel": "{kernel}.T", "bias": "{bias}"},
    ),
)
def dense(require: Require, x: Tensor, kernel: Tensor, bias: Tensor) -> Shape:
    """An affine map of the last axis, as a layer with parameters of its own; kernel (outputs, inputs)."""
    outputs, inputs = kernel.shape
    require(x.shape[-1] == inputs, "the kernel has a column for each feature")
    require(bias.shape[0] == outputs, "the bias has an entry for each row of the kernel")
    return (*x.shape[:-1], outputs)


OPERATORS: Sequence[Operator] = [matmul, linear, dense]
