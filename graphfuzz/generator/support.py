"""Which uses of operators a route takes and which it refuses, so that cases need not fail of what is refused."""

from __future__ import annotations

import random

import msgspec

AVOIDED = 0.95
"""How often a use that is refused is avoided; not always, as a refusal may depend on attributes or values."""


class Support(msgspec.Struct, frozen=True):
    """What is known of a route: the uses that it took, and those that it refused alone, by the names of `typed_use`.

    name: different for each that a campaign knows.
    """

    taken: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    name: str = ""

    def refuses(self, use: str) -> bool:
        """Whether the use was refused, and never taken."""
        return use in self.refused and use not in self.taken

    def avoids(self, use: str, rng: random.Random) -> bool:
        """Whether another use is to be drawn."""
        return self.refuses(use) and rng.random() < AVOIDED
