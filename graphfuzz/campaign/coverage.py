"""What a campaign's cases have exercised, and the guide that follows from it."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from graphfuzz.generator import Guide
from graphfuzz.graph import Features

LEAST_CASES = 5
"""In how many executions an operator must have been before its share of findings counts."""
FAILING = 30
"""How many operators count as failing."""


BITS = 1 << 27
"""How many bits the sequences that have been seen are marked in."""


class News(msgspec.Struct, frozen=True):
    """How many uses, pairs and sequences: of an execution that nothing before it had, or of all so far."""

    uses: int
    pairs: int
    sequences: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.uses + self.pairs + self.sequences


class Marks:
    """Which of endlessly many things have been seen, in memory that does not grow: each is a bit, by its hash.

    What falls on another one's bit counts as seen: a new thing does so, after n others, with a chance of n / BITS.
    """

    def __init__(self, packed: bytes = b"") -> None:
        self._bits = bytearray(zlib.decompress(packed)) if packed else bytearray(BITS // 8)
        self._count = int.from_bytes(self._bits).bit_count() if packed else 0

    def __len__(self) -> int:
        return self._count

    def add(self, things: Iterable[tuple[str, ...]]) -> int:
        """Mark them. Returns how many were not."""
        bits, new = self._bits, 0
        for thing in things:
            number = int.from_bytes(hashlib.blake2b(" ".join(thing).encode(), digest_size=8).digest()) % BITS
            place, bit = number >> 3, 1 << (number & 7)
            if not bits[place] & bit:
                bits[place] |= bit
                new += 1
        self._count += new
        return new

    def packed(self) -> bytes:
        """Everything, to begin with again."""
        return zlib.compress(self._bits, 1) if self._count else b""


class Seen(msgspec.Struct, frozen=True):
    """A coverage as data. sequences: packed marks."""

    uses: list[str]
    consumers: dict[str, list[str]]
    cases: dict[str, int]
    findings: dict[str, int]
    sequences: bytes


class Coverage:
    """What has been seen, of one framework. seen: to begin with."""

    def __init__(self, seen: Seen | None = None) -> None:
        seen = seen or Seen([], {}, {}, {}, b"")
        self.uses = set(seen.uses)
        self.consumers: dict[str, set[str]] = defaultdict(set, {name: set(x) for name, x in seen.consumers.items()})
        self.pairs = sum(map(len, self.consumers.values()))
        """How many pairs of producer and consumer have been seen."""
        self.sequences = Marks(seen.sequences)
        self.cases = Counter(seen.cases)
        """In how many executions an operator was."""
        self.findings = Counter(seen.findings)
        """In how many of them there was a finding."""

    def seen(self) -> Seen:
        """All of it, as data."""
        consumers = {name: sorted(x) for name, x in self.consumers.items()}
        return Seen(sorted(self.uses), consumers, self.cases, self.findings, self.sequences.packed())

    def add(self, seen: Features, failed: bool) -> News:
        """Take one execution in; what of it is new. failed: whether it is a finding."""
        uses = [use for use in seen.uses if use not in self.uses]
        pairs = [(before, after) for before, after in seen.pairs if after not in self.consumers[before]]
        self.uses.update(uses)
        for producer, consumer in pairs:
            self.consumers[producer].add(consumer)
        self.pairs += len(pairs)
        operators = {use.partition(" ")[0] for use in seen.uses}
        self.cases.update(operators)
        self.findings.update(operators if failed else ())
        return News(len(uses), len(pairs), self.sequences.add(seen.sequences))

    def total(self) -> News:
        """How much has been seen."""
        return News(len(self.uses), self.pairs, len(self.sequences))

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
