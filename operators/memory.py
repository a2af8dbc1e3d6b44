"""Copies, aliases and strided views of values, and arithmetic on them: the values stay, their memory differs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    REAL,
    Defect,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    ceil_div,
    choice,
    emission,
    named,
    operator,
    size,
    tensor,
)
from graphfuzz.spec.families import Emitted
from operators import elementwise
from operators.forms import all_dtypes
from operators.precision import Array, wide


def _same(
    name: str,
    doc: str,
    *,
    rank: int | Sequence[int] | None = None,
    dtypes: Sequence[str] = ANY,
    torch: Emitted = None,
    keras: Emitted = None,
) -> Operator:
    """The operand itself, in other words."""

    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    declare = operator(
        tensor("x", rank=rank),
        dtypes=dtypes,
        reference=lambda x: x,
        empty=True,
        special=FRAMEWORKS,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


COPIES = [
    _same("copy", "A copy.", torch=all_dtypes("{x}.clone()"), keras=all_dtypes("ops.copy({x})")),
    _same("detach", "What no gradient passes.", torch=all_dtypes("{x}.detach()"), keras="ops.stop_gradient({x})"),
    _same("contiguous", "The values, contiguous in memory.", torch=all_dtypes("{x}.contiguous()")),
    _same(
        "copy_dense",
        "A copy that is contiguous in memory.",
        torch=all_dtypes("torch.clone({x}, memory_format=torch.contiguous_format)"),
    ),
    _same(
        "channels_last",
        "The values with the channels next to each other in memory.",
        rank=4,
        torch=all_dtypes("{x}.contiguous(memory_format=torch.channels_last)"),
    ),
    _same(
        "channels_last_3d",
        "The values with the channels next to each other in memory.",
        rank=5,
        torch=all_dtypes("{x}.to(memory_format=torch.channels_last_3d)"),
    ),
    _same("alias", "All of the operand.", torch=all_dtypes("{x}[...]")),
    _same("view_as_itself", "A view of its own shape.", torch=all_dtypes("{x}.view_as({x})")),
    _same("expand_as_itself", "Stretched to its own shape.", torch=all_dtypes("{x}.expand_as({x})")),
    _same("resolve_conjugate", "The same: it is real.", torch=all_dtypes("torch.resolve_conj({x})")),
    _same("resolve_negative", "The same: no negation is pending.", torch=all_dtypes("torch.resolve_neg({x})")),
    _same("move_to_device", "The same, on the device that it is on.", torch=all_dtypes('{x}.to("cpu")')),
    _same(
        "as_tensor",
        "The same, as a tensor.",
        torch=all_dtypes("torch.as_tensor({x})"),
        keras="ops.convert_to_tensor({x})",
    ),
    _same(
        "identity_layer",
        "The same, as a layer.",
        torch=emission("{layer}({x})", layer="nn.Identity()", dtypes=ANY),
        keras=emission("{layer}({x})", layer='layers.Identity(dtype="{x.dtype}")', dtypes=FLOATS),
    ),
]  # fmt: skip


@operator(
    tensor("x", rank=range(2, 7)),
    dtypes=ANY,
    reference=lambda x: np.swapaxes(x, -1, -2),
    special=FRAMEWORKS,
    empty=True,
    torch=all_dtypes("{x}.mT.contiguous()"),
)
def transposed_contiguous(require: Require, x: Tensor) -> Shape:
    """The last two axes exchanged, in memory, too."""
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


@operator(
    tensor("x", rank=range(2, 7)),
    tensor("y"),
    dtypes=REAL,
    reference=lambda x, y: np.swapaxes(wide(x), -1, -2) + wide(y),
    special=FRAMEWORKS,
    empty=True,
    torch="{x}.mT + {y}",
)
def transposed_add(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The sum, broadcast, of y and of x with its last two axes exchanged."""
    return broadcast(require, (*x.shape[:-2], x.shape[-1], x.shape[-2]), y.shape)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"step": choice(2, 3)},
    dtypes=REAL,
    reference=lambda x, *, step: wide(x)[..., ::step] + 1,
    special=FRAMEWORKS,
    empty=True,
    torch="{x}[..., ::{step}] + 1",
    keras="{x}[..., ::{step}] + 1",
)
def strided_add(require: Require, x: Tensor, *, step: int) -> Shape:
    """One more than every second or third place of the last axis."""
    return (*x.shape[:-1], ceil_div(x.shape[-1], step))


@operator(
    tensor("x", rank=range(6)),
    attrs={"count": size(1, 4)},
    dtypes=REAL,
    reference=lambda x, *, count: np.broadcast_to(2 * wide(x), (count, *x.shape)),
    special=FRAMEWORKS,
    empty=True,
    torch=lambda x, count: f"{x}.expand({(count, *x.shape)}) * 2",
)
def expanded_scale(require: Require, x: Tensor, *, count: Any) -> Shape:
    """Twice each element, along a new axis whose places share memory."""
    return (count, *x.shape)


@operator(
    tensor("x", rank=range(1, 6)),
    dtypes=REAL,
    reference=lambda x: wide(x)[..., :, None] - wide(x)[..., None, :],
    special=FRAMEWORKS,
    empty=True,
    torch="{x}.unsqueeze(-1) - {x}.unsqueeze(-2)",
    keras="ops.expand_dims({x}, -1) - ops.expand_dims({x}, -2)",
)
def differences_of_pairs(require: Require, x: Tensor) -> Shape:
    """The difference of each pair of the last axis' places."""
    return (*x.shape, x.shape[-1])


def _with_itself(
    name: str, doc: str, reference: Callable[[Array], Any], text: str, returns: str = "T", keras: Emitted = None
) -> Operator:
    """An operator whose two operands are one tensor."""

    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    declare = operator(
        tensor("x"),
        dtypes=REAL,
        returns=returns,
        reference=reference,
        empty=True,
        special=FRAMEWORKS,
        torch=text,
        keras=keras or text,
    )
    return declare(named(name, doc, rule))


def _bias_mistaken(x: Tensor) -> Any:
    """Whether Keras takes the second x for a bias of the first, and fails to squeeze its empty axes."""
    return elementwise.is_mistaken_for_bias(x, x)


_DOUBLED = emission("{x} + {x}", defects=[Defect(elementwise.BIAS.what, _bias_mistaken, elementwise.BIAS.source)])

TWICE = [
    _with_itself("add_itself", "Each element plus itself.", lambda x: 2 * wide(x), "{x} + {x}", keras=_DOUBLED),
    _with_itself("multiply_itself", "Each element times itself.", lambda x: wide(x) ** 2, "{x} * {x}"),
    _with_itself("subtract_itself", "Each element less itself.", lambda x: wide(x) - wide(x), "{x} - {x}"),
    _with_itself("at_most_itself", "Whether it is a number.", lambda x: np.less_equal(x, x), "{x} <= {x}", "bool"),
]

OPERATORS: Sequence[Operator] = [
    *COPIES,
    transposed_contiguous,
    transposed_add,
    strided_add,
    expanded_scale,
    differences_of_pairs,
    *TWICE,
]
