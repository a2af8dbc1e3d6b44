"""How much of all uses of operators a pattern has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from graphfuzz.generator.bars import Bar
from graphfuzz.generator.lanes.sweep import SAMPLES, Target, drawn_ranks, typed_targets
from graphfuzz.spec.operator import Operator, Tensor


def share_stopped(bars: Sequence[Bar], operators: Sequence[Operator], framework: str) -> float:
    """Which share of the uses that there are the patterns have: each operator on each binding of its dtypes and rank of
    its first operand counts as one, of which attributes have the part that they are drawn for."""
    found, total = 0.0, 0
    for op in operators:
        uses = typed_targets(op, framework)
        total += len(uses)
        mine = [bar for bar in bars if bar.operator == op.name]
        if mine:
            drawn = _drawn(op)
            found += sum(
                any(bar.stops(op.name, _operands(op, use), a) for bar in mine) for use in uses for a in drawn
            ) / (len(drawn))
    return found / total if total else 0.0


def _operands(op: Operator, use: Target) -> list[Tensor]:
    """Operands of a use, of its dtypes and each of its rank."""
    bound = use.bound or {}
    return [Tensor(bound.get(p.dtype, p.dtype), (1,) * (use.rank or 0)) for p in op.parameters]


def _drawn(op: Operator) -> list[dict[str, Any]]:
    """Attributes as they are drawn for it, a number of times."""
    rng = random.Random(op.name)
    if not op.attrs:
        return [{}]
    return [
        {name: kind.draw(rng, drawn_ranks(op, rng).__getitem__) for name, kind in op.attrs.items()}
        for _ in range(SAMPLES)
    ]
