"""Uses of an operator: what a rule decides of one, read on sizes or on symbols, and the near misses of a valid one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from graphfuzz.graph import Case, operands, output_types
from graphfuzz.spec import Operator, Rejected, Tensor, symbol
from graphfuzz.spec.attributes import Size, Sizes
from graphfuzz.spec.dims import evaluate as value_of
from graphfuzz.spec.inference import conditions

Types = list[tuple[str, tuple[int, ...]]]


class Use(msgspec.Struct, frozen=True):
    """One use of an operator on operands of known sizes, valid or not; `what` says how it came about."""

    what: str
    operands: tuple[Tensor, ...]
    attrs: dict[str, Any]


def decision(op: Operator, framework: str, use: Use) -> Types | None:
    """The outputs' dtypes and shapes; None where the rule refuses the use."""
    try:
        types = output_types(op, use.operands, use.attrs, framework)
    except Rejected:
        return None
    return [(t.dtype, tuple(value_of(s, {}) for s in t.shape)) for t in types]


def symbolic_decision(op: Operator, framework: str, use: Use) -> Types | None:
    """The same, decided on a symbol for each size and filled in afterwards."""
    sizes: dict[str, int] = {}

    def symbolic(name: str, size: Any) -> Any:
        sizes[name] = size
        return symbol(name)

    tensors = [
        Tensor(t.dtype, tuple(symbolic(f"s{i}_{axis}", size) for axis, size in enumerate(t.shape)))
        for i, t in enumerate(use.operands)
    ]
    attrs = dict(use.attrs)
    for name, kind in op.attrs.items():
        if isinstance(kind, Size):
            attrs[name] = symbolic(name, attrs[name])
        elif isinstance(kind, Sizes):
            attrs[name] = tuple(symbolic(f"{name}_{i}", size) for i, size in enumerate(attrs[name]))
    try:
        types, stated = conditions(op, tensors, attrs, framework)
    except Rejected:
        return None
    if not all(value_of(condition, sizes) for condition, _ in stated):
        return None
    return [(t.dtype, tuple(value_of(s, sizes) for s in t.shape)) for t in types]


def valid_use(case: Case) -> Use:
    """The use that a single-operator case makes."""
    (node,) = case.graph.nodes
    return Use("as drawn", tuple(operands(case.graph, node)), node.attrs)


def near_misses(op: Operator, use: Use) -> Iterator[Use]:
    """The use with one size of one operand, or one size attribute inside its bounds, one smaller or larger."""
    for position, operand in enumerate(use.operands):
        for axis, size, step in _steps(operand.shape):
            if size + step >= (0 if op.empty else 1):
                shape = (*operand.shape[:axis], size + step, *operand.shape[axis + 1 :])
                changed = (*use.operands[:position], Tensor(operand.dtype, shape), *use.operands[position + 1 :])
                yield Use(f"operand {position} axis {axis} {step:+d}", changed, use.attrs)
    for name, kind in op.attrs.items():
        if isinstance(kind, Size | Sizes):
            value = use.attrs[name]
            entries = value if isinstance(kind, Sizes) else (value,)
            for place, size, step in _steps(entries):
                if kind.low <= size + step <= kind.high:
                    fresh = (*entries[:place], size + step, *entries[place + 1 :])
                    attrs = {**use.attrs, name: fresh if isinstance(kind, Sizes) else fresh[0]}
                    yield Use(f"{name} {place} {step:+d}", use.operands, attrs)


def _steps(sizes: Sequence[Any]) -> Iterator[tuple[int, int, int]]:
    for place, size in enumerate(sizes):
        yield place, size, -1
        yield place, size, 1
