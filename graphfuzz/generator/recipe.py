"""What a generated case is a pure function of."""

from __future__ import annotations

import random

import msgspec


class Recipe(msgspec.Struct, frozen=True):
    """Everything that decides a generated case, besides the operators at hand.

    seed, index: of the campaign and of the case in it. framework: whose type rules the graph follows ("torch" or
    "keras"). nodes: how many nodes are asked for. operators: the names to draw from; all, where empty.
    max_elements: the most elements one tensor may have. empty_share: of the cases, how many may have axes of size zero.
    """

    seed: int
    index: int
    framework: str
    nodes: int = 8
    operators: tuple[str, ...] = ()
    max_elements: int = 4096
    empty_share: float = 0.03

    def rng(self) -> random.Random:
        """The case's own random numbers: the same at any time, in any process."""
        return random.Random(f"{self.seed}/{self.index}/{self.framework}")
