"""What a generated case is a pure function of."""

from __future__ import annotations

import random
from typing import Any

import msgspec

TOTAL_ELEMENTS = 1 << 17
"""Ten nodes have some 2,000 (median), 200 have 15,000 to 120,000: only the outliers of large graphs are cut."""


class _Dice(random.Random):
    """Random numbers with a quick `choice` and `randint`, of which a case takes thousands."""

    def choice(self, seq: Any) -> Any:
        return seq[int(self.random() * len(seq))]

    def randint(self, a: int, b: int) -> int:
        if a > b:
            raise ValueError(f"no integer lies in [{a}, {b}]")
        return a + int(self.random() * (b - a + 1))


class Recipe(msgspec.Struct, frozen=True):
    """Everything that decides a generated case, besides the operators at hand.

    seed, index: of the campaign and of the case in it. framework: whose type rules the graph follows ("torch" or
    "keras"). nodes: how many nodes are asked for. operators: the names to draw from; all, where empty.
    max_elements: the most elements one tensor may have. max_total_elements: the most that all values of the graph may
    have together, inputs and weights among them; by default they take at most 2 MiB (16 bytes an element). zeros, ones:
    the shares of the cases that are full of axes of size 0, of size 1; they are marked by `favored_size` in their
    origin. dynamic: the share of the others for which further bindings are sought. lane: how it is made (see
    `graphfuzz.generator.lanes`). turn: how many cases of the campaign are of this lane and before it. dtypes: those
    that values of the graph may have, inputs and weights among them; any, where empty.
    """

    seed: int
    index: int
    framework: str
    nodes: int = 8
    operators: tuple[str, ...] = ()
    max_elements: int = 4096
    max_total_elements: int = TOTAL_ELEMENTS
    zeros: float = 0.03
    ones: float = 0.03
    dynamic: float = 0.2
    lane: str = "random"
    turn: int = 0
    dtypes: tuple[str, ...] = ()

    def rng(self) -> random.Random:
        """The case's own random numbers: the same at any time, in any process."""
        return _Dice(f"{self.seed}/{self.index}/{self.framework}")

    def favored_size(self, rng: random.Random) -> int | None:
        """The size that the case is full of, drawn by the shares; mostly none."""
        chance = rng.random()
        return 0 if chance < self.zeros else 1 if chance < self.zeros + self.ones else None
