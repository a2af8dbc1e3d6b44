"""What a campaign's cases have exercised, and the guide that follows from it."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from graphfuzz.generator import Guide
from graphfuzz.graph import Features

LEAST_CASES = 5
"""In how many executions an operator must have been before its share of findings counts."""
FAILING = 30
"""How many operators count as failing."""


class News(msgspec.Struct, frozen=True):
    """How many uses, pairs and sequences of an execution nothing before it had."""

    uses: int
    pairs: int
    sequences: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.uses + self.pairs + self.sequences


class Coverage:
    """What has been seen, of one framework."""

    def __init__(self) -> None:
        self.uses: set[str] = set()
        self.consumers: dict[str, set[str]] = defaultdict(set)
        self.pairs = 0
        """How many pairs of producer and consumer have been seen."""
        self.sequences: set[tuple[str, ...]] = set()
        self.cases: Counter[str] = Counter()
        """In how many executions an operator was."""
        self.findings: Counter[str] = Counter()
        """In how many of them there was a finding."""

    def add(self, seen: Features, failed: bool) -> News:
        """Take one execution in; what of it is new. failed: whether it is a finding."""
        uses = [use for use in seen.uses if use not in self.uses]
        pairs = [(before, after) for before, after in seen.pairs if after not in self.consumers[before]]
        sequences = [path for path in seen.sequences if path not in self.sequences]
        self.uses.update(uses)
        self.sequences.update(sequences)
        for producer, consumer in pairs:
            self.consumers[producer].add(consumer)
        self.pairs += len(pairs)
        operators = {use.partition(" ")[0] for use in seen.uses}
        self.cases.update(operators)
        self.findings.update(operators if failed else ())
        return News(len(uses), len(pairs), len(sequences))

    def guide(self, name: str = "") -> Guide:
        """What steers the generator away from all this, and toward what failed more often than the rest."""
        consumers = {producer: frozenset(seen) for producer, seen in self.consumers.items()}
        return Guide(consumers, dict(self.cases), frozenset(self._failing()), frozenset(self.uses), name)

    def _failing(self) -> list[str]:
        """The operators with the largest shares of findings, above the share of all cases."""
        total = sum(self.findings.values()) / max(1, sum(self.cases.values()))
        shares = {op: self.findings[op] / n for op, n in self.cases.items() if n >= LEAST_CASES}
        above = sorted((op for op, share in shares.items() if share > total), key=lambda op: (-shares[op], op))
        return above[:FAILING]
