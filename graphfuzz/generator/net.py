"""The net that the bodies of patterns and rewrites write to: every call inserts a node into a growth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from graphfuzz.generator.growth import Growth
from graphfuzz.generator.narrowing import Fixed, fixed, initialized
from graphfuzz.graph import Value
from graphfuzz.spec.operator import Operator, Rejected

ATTEMPTS = 8
"""How many uses of an operator are tried where something about them is drawn. In the last one z3 is asked for sizes."""


class GrowingNet:
    """A `graphfuzz.spec.Net` for a growth. operators: those that it may use."""

    def __init__(self, growth: Growth, operators: Sequence[Operator]) -> None:
        self.growth = growth
        self.operators = {op.name: op for op in operators}
        self.rng = growth.rng

    def __call__(self, names: str, /, *operands: Value, like: Value | None = None, **attrs: Any) -> Any:
        """See `Net`."""
        at_hand = [self.operators[name] for name in names.split(" | ") if name in self.operators]
        self.require(bool(at_hand), f"one of the operators {names} is at hand")
        op = self.rng.choice(at_hand)
        live = placed(op, operands, self.rng)
        made = self.insert(fixed(initialized(op) if None in live else op, attrs), live, like)
        return made[0] if len(made) == 1 else made

    def require(self, truth: bool, reason: str) -> None:
        """See `Net`."""
        if not truth:
            raise Rejected(reason)

    def insert(self, op: Operator, live: Sequence[Value | None], like: Value | None = None) -> tuple[Value, ...]:
        """The outputs of a new node on exactly these operands (None: made for it). Raises Rejected."""
        drawn = None in live or not all(isinstance(kind, Fixed) for kind in op.attrs.values())
        for left in reversed(range(ATTEMPTS if drawn else 1)):
            if self.growth.insert_on(op, live, thorough=drawn and left == 0, like=like):
                return self.growth.draft.nodes[-1].outputs
        raise Rejected(f"{op.name} takes these operands")


def placed(op: Operator, operands: Sequence[Value], rng: random.Random) -> list[Value | None]:
    """The operands by parameter: for those that are no weights or, if there are more, for all; None where none is."""
    last = op.parameters[-1]
    is_own = [parameter.role == "weight" for parameter in op.parameters]
    if any(is_own) and len(operands) > is_own.count(False):
        return list(operands)
    given = iter(operands)
    live = [None if own else next(given, None) for own in is_own[:-1]]
    rest: list[Value | None] = list(given)
    optional = last.role != "weight" and 0 in last.arity
    count = len(rest) if rest or optional else rng.choice(last.arity)
    return live + rest + [None] * (count - len(rest))
