"""Operators on the bits of integers: connectives, shifts, and what integers have in common."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    BOOL,
    INTEGERS,
    Defect,
    Emission,
    Operator,
    Tensor,
    binary,
    both,
    choice,
    either,
    emission,
    promote,
    spelled,
    unary,
)
from graphfuzz.spec.dtypes import UNCOMMON
from operators.forms import all_dtypes, mixed, with_number
from operators.precision import wide

BITS = (*INTEGERS, *BOOL)
_KERAS_INTEGERS = tuple(d for d in INTEGERS if d not in UNCOMMON["keras"])


def _stretches_first(x: Tensor, y: Tensor) -> Any:
    """Whether broadcasting gives another shape than x's."""
    if y.rank > x.rank:
        return True
    pairs = zip(x.shape[::-1], y.shape[::-1], strict=False)
    return either(*(both(a == 1, b != 1) for a, b in pairs))


_UNSTRETCHED = Defect(
    "it infers the first operand's shape, whatever the second one's is",
    _stretches_first,
    "keras/src/ops/numpy.py, BitwiseAnd.compute_output_spec and its like",
)


def _keras(call: str) -> Emission:
    """TensorFlow has no kernels of bitwise operators for bool."""
    return emission(call, dtypes=_KERAS_INTEGERS, defects=[_UNSTRETCHED])


_MASKS = choice(1, 3, 6, 15, 0)

bitwise_and = binary(
    "bitwise_and",
    BITS,
    reference=np.bitwise_and,
    torch=all_dtypes("torch.bitwise_and({x}, {y})", BITS),
    keras=_keras("ops.bitwise_and({x}, {y})"),
)
bitwise_or = binary(
    "bitwise_or",
    BITS,
    reference=np.bitwise_or,
    torch=all_dtypes("torch.bitwise_or({x}, {y})", BITS),
    keras=_keras("ops.bitwise_or({x}, {y})"),
)
bitwise_xor = binary(
    "bitwise_xor",
    BITS,
    reference=np.bitwise_xor,
    torch=all_dtypes("torch.bitwise_xor({x}, {y})", BITS),
    keras=_keras("ops.bitwise_xor({x}, {y})"),
)
bitwise_not = unary(
    "bitwise_not",
    BITS,
    reference=np.invert,
    torch="torch.bitwise_not({x})",
    keras=emission("ops.bitwise_not({x})", dtypes=_KERAS_INTEGERS),
    doc="Each element with every bit flipped.",
)
bitwise_invert = spelled(bitwise_not, "bitwise_invert", torch="~{x}", keras="ops.bitwise_invert({x})")


def _with_mask(name: str, doc: str, reference: Callable[..., Any], torch: str, keras: str | None = None) -> Operator:
    return with_number(
        name,
        doc,
        _MASKS,
        INTEGERS,
        special=(),
        reference=lambda x, *, number: reference(x, np.asarray(number, x.dtype)),
        torch=all_dtypes(torch, INTEGERS),
        keras=None if keras is None else emission(keras, dtypes=_KERAS_INTEGERS),
    )


bitwise_and_number = _with_mask(
    "bitwise_and_number",
    "The bits that each element has in common with a constant.",
    np.bitwise_and,
    "{x} & {number}",
    'ops.bitwise_and({x}, np.array({number}, "{x.dtype}"))',
)
bitwise_or_number = _with_mask(
    "bitwise_or_number",
    "The bits of each element and of a constant.",
    np.bitwise_or,
    "{x} | {number}",
    'ops.bitwise_or({x}, np.array({number}, "{x.dtype}"))',
)
bitwise_xor_number = _with_mask(
    "bitwise_xor_number",
    "The bits in which each element differs from a constant.",
    np.bitwise_xor,
    "{x} ^ {number}",
    'ops.bitwise_xor({x}, np.array({number}, "{x.dtype}"))',
)
number_bitwise_and = _with_mask(
    "number_bitwise_and", "A constant's bits in each element.", np.bitwise_and, "torch.bitwise_and({number}, {x})"
)
number_bitwise_or = _with_mask(
    "number_bitwise_or", "A constant's bits and each element's.", np.bitwise_or, "torch.bitwise_or({number}, {x})"
)
number_bitwise_xor = _with_mask(
    "number_bitwise_xor",
    "A constant's bits where each element differs.",
    np.bitwise_xor,
    "torch.bitwise_xor({number}, {x})",
)

bitwise_and_number_function = spelled(
    bitwise_and_number, "bitwise_and_number_function", torch="torch.bitwise_and({x}, {number})"
)
bitwise_or_number_function = spelled(
    bitwise_or_number, "bitwise_or_number_function", torch="torch.bitwise_or({x}, {number})"
)
bitwise_xor_number_function = spelled(
    bitwise_xor_number, "bitwise_xor_number_function", torch="torch.bitwise_xor({x}, {number})"
)

bitwise_and_mixed = mixed(
    "bitwise_and_mixed",
    "The bits that two integers of two dtypes have in common, broadcast.",
    first=INTEGERS,
    second=BITS,
    returns=promote("T", "U"),
    special=(),
    reference=lambda x, y: wide(x) & wide(y),
    torch="{x} & {y}",
    keras=emission(
        "ops.bitwise_and({x}, {y})",
        dtypes={"T": _KERAS_INTEGERS, "U": _KERAS_INTEGERS},
        defects=[_UNSTRETCHED],
    ),
)


def _shifts(**named: Tensor) -> tuple[float, float]:
    """Shifts by less than the width of any integer: C leaves others undefined."""
    return (0, 5)


def _shift(name: str, doc: str, reference: Callable[..., Any], torch: str, keras: str) -> Operator:
    return binary(name, INTEGERS, divisor=_shifts, reference=reference, torch=torch, keras=_keras(keras), doc=doc)


left_shift = _shift(
    "left_shift",
    "Each element's bits moved up, broadcast: times a power of two.",
    np.left_shift,
    "torch.bitwise_left_shift({x}, {y})",
    "ops.bitwise_left_shift({x}, {y})",
)
right_shift = _shift(
    "right_shift",
    "Each element's bits moved down, broadcast, the sign kept: divided by a power of two, rounded down.",
    np.right_shift,
    "torch.bitwise_right_shift({x}, {y})",
    "ops.bitwise_right_shift({x}, {y})",
)
left_shift_operator = spelled(left_shift, "left_shift_operator", torch="{x} << {y}", keras="ops.left_shift({x}, {y})")
right_shift_operator = spelled(
    right_shift, "right_shift_operator", torch="{x} >> {y}", keras="ops.right_shift({x}, {y})"
)

_STEPS = choice(1, 2, 3, 0)
left_shift_by = with_number(
    "left_shift_by",
    "Each element's bits moved up by a constant.",
    _STEPS,
    INTEGERS,
    special=(),
    reference=lambda x, *, number: np.left_shift(x, np.asarray(number, x.dtype)),
    torch="{x} << {number}",
    keras="ops.bitwise_left_shift({x}, {number})",
)
right_shift_by = with_number(
    "right_shift_by",
    "Each element's bits moved down by a constant, the sign kept.",
    _STEPS,
    INTEGERS,
    special=(),
    reference=lambda x, *, number: np.right_shift(x, np.asarray(number, x.dtype)),
    torch="{x} >> {number}",
    keras="ops.bitwise_right_shift({x}, {number})",
)
left_shift_by_function = spelled(
    left_shift_by, "left_shift_by_function", torch="torch.bitwise_left_shift({x}, {number})"
)
right_shift_by_function = spelled(
    right_shift_by, "right_shift_by_function", torch="torch.bitwise_right_shift({x}, {number})"
)
_SHIFTED = choice(1, 3, 5, 64)
left_shift_number = with_number(
    "left_shift_number",
    "A constant's bits moved up by each element.",
    _SHIFTED,
    INTEGERS,
    domain=lambda x, *, number: (0, 5),
    special=(),
    reference=lambda x, *, number: np.left_shift(np.asarray(number, x.dtype), x),
    torch="torch.bitwise_left_shift({number}, {x})",
)
right_shift_number = with_number(
    "right_shift_number",
    "A constant's bits moved down by each element.",
    _SHIFTED,
    INTEGERS,
    domain=lambda x, *, number: (0, 5),
    special=(),
    reference=lambda x, *, number: np.right_shift(np.asarray(number, x.dtype), x),
    torch="torch.bitwise_right_shift({number}, {x})",
)

greatest_common_divisor = binary(
    "greatest_common_divisor",
    INTEGERS,
    reference=np.gcd,
    torch="torch.gcd({x}, {y})",
    keras="ops.gcd({x}, {y})",
    doc="The greatest integer that divides each pair of elements, broadcast.",
)
least_common_multiple = binary(
    "least_common_multiple",
    INTEGERS,
    reference=np.lcm,
    torch="torch.lcm({x}, {y})",
    keras="ops.lcm({x}, {y})",
    doc="The least integer that each pair of elements divides, broadcast.",
)

OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
