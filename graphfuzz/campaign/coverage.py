"""What a campaign's cases have exercised, and the guide that follows from it.

A guided case is a pure function of its recipe and of the guide, and the guide of an epoch is a function of what the
epochs before the last one exercised: so two campaigns of one seed make the same cases, however many workers they have.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from graphfuzz.generator import Guide
from graphfuzz.graph import Features

EPOCH = 200
"""For how many cases a guide holds."""
LEAST_CASES = 5
"""In how many executions an operator must have been before its share of findings counts."""
FAILING = 30
"""How many operators count as failing."""


class Coverage:
    """What has been seen, of one framework."""

    def __init__(self) -> None:
        self.uses: set[str] = set()
        self.consumers: dict[str, set[str]] = defaultdict(set)
        self.sequences: set[tuple[str, ...]] = set()
        self.cases: Counter[str] = Counter()
        """In how many executions an operator was."""
        self.findings: Counter[str] = Counter()
        """In how many of them there was a finding."""

    def add(self, seen: Features, failed: bool) -> int:
        """Take one execution in; how many of its uses, pairs and sequences are new. failed: whether it is a finding."""
        before = self.size()
        self.uses.update(seen.uses)
        for producer, consumer in seen.pairs:
            self.consumers[producer].add(consumer)
        self.sequences.update(seen.sequences)
        operators = {use.partition(" ")[0] for use in seen.uses}
        self.cases.update(operators)
        self.findings.update(operators if failed else ())
        return self.size() - before

    @property
    def pairs(self) -> int:
        """How many pairs have been seen."""
        return sum(map(len, self.consumers.values()))

    def size(self) -> int:
        """How many uses, pairs and sequences have been seen."""
        return len(self.uses) + self.pairs + len(self.sequences)

    def guide(self) -> Guide:
        """What steers the generator away from all this, and toward what failed more often than the rest."""
        consumers = {producer: frozenset(seen) for producer, seen in self.consumers.items()}
        return Guide(consumers, dict(self.cases), frozenset(self._failing()))

    def _failing(self) -> list[str]:
        """The operators with the largest shares of findings, above the share of all cases."""
        total = sum(self.findings.values()) / max(1, sum(self.cases.values()))
        shares = {op: self.findings[op] / n for op, n in self.cases.items() if n >= LEAST_CASES}
        above = sorted((op for op, share in shares.items() if share > total), key=lambda op: (-shares[op], op))
        return above[:FAILING]


class Epochs:
    """The guide in force for each case, by framework: what the epochs before the last one have seen."""

    def __init__(self, frameworks: set[str]) -> None:
        self.seen = {framework: Coverage() for framework in sorted(frameworks)}
        self.pending: dict[int, list[tuple[str, Features, bool]]] = defaultdict(list)
        self.guides: dict[tuple[int, str], Guide] = {}

    def add(self, index: int, framework: str, seen: Features, failed: bool) -> None:
        """Take in case `index`, counted once its epoch is over."""
        self.pending[index // EPOCH].append((framework, seen, failed))

    def guide(self, index: int, framework: str) -> Guide:
        """The guide for case `index`; the cases before are asked for first."""
        epoch = index // EPOCH
        if (epoch, framework) not in self.guides:
            for past in sorted(e for e in self.pending if e < epoch - 1):
                for name, seen, failed in self.pending.pop(past):
                    self.seen[name].add(seen, failed)
            self.guides = {(epoch, name): coverage.guide() for name, coverage in self.seen.items()}
        return self.guides[epoch, framework]
