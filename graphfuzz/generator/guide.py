"""Choices that steer growth toward what is new or rare, or near what failed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import msgspec

from graphfuzz.graph import typed_use
from graphfuzz.spec.operator import Operator

CANDIDATES = 12
"""How many operators are weighed against each other at a time."""
NEW = 4.0
"""What an unseen pair is worth; a rare operator is worth at most one, and one more for each attribute."""
NEW_USE = 2.0
"""What it is worth that an operator has not been seen on a dtype and rank."""
FAILING = 2.0
"""What an operator is worth that took part in findings more often than others."""


class Guide(msgspec.Struct, frozen=True):
    """What has been seen.

    consumers: the operators seen behind each, by name. counts: the uses of each. failing: those to stay close to. uses:
    the uses seen, by the names that `Features` gives them. name: the guide's own, different for each of a campaign.
    """

    consumers: Mapping[str, frozenset[str]] = {}
    counts: Mapping[str, int] = {}
    failing: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    name: str = ""

    def choose(
        self,
        producers: Sequence[str | None],
        operators: Sequence[Operator],
        rng: random.Random,
        kind: tuple[str, int] | None = None,
    ) -> Operator:
        """The best of a few of these operators to come behind the first of some producers (None: an input), and behind
        the others as far as it has operands. kind: the dtype and rank of what they make."""
        some = [rng.choice(operators) for _ in range(CANDIDATES)]
        return max(some, key=lambda op: self._worth(producers, op, kind) + rng.random())

    def is_new(self, producer: str | None, consumer: str) -> bool:
        """Whether the pair has not been seen; what an input feeds is no pair."""
        return producer is not None and consumer not in self.consumers.get(producer, ())

    def _worth(self, producers: Sequence[str | None], op: Operator, kind: tuple[str, int] | None) -> float:
        tensors = sum(max(p.arity) for p in op.parameters if p.role == "tensor")
        new = {producer for producer in producers[:tensors] if self.is_new(producer, op.name)}
        unused = kind is not None and typed_use(op.name, *kind) not in self.uses
        rare = (1 + len(op.attrs)) / (1 + self.counts.get(op.name, 0))
        return NEW * len(new) + NEW_USE * unused + rare + FAILING * (op.name in self.failing)
