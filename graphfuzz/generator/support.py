"""Which uses of operators a route takes and which it refuses, so that cases need not fail of what is refused."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

AVOIDED = 0.95
"""How often a use that is refused is avoided; not always, as a refusal may depend on attributes or values."""
DTYPES, OPERATORS = 3, 8
"""With how many dtypes an operator, and with how many operators a dtype, must have been refused, and never taken, to be
refused as a whole. (Of 938 operators of `torch-script-ort`, all probed, three refusals tell 10 wrongly; for an operator
and dtype one refusal tells that of all ranks: wrongly for 10 of 2,902 uses.)"""


class Support(msgspec.Struct, frozen=True):
    """What is known of a route: the uses that it took, and those that it refused alone, by the names of `typed_use`.

    kinds: what is refused as a whole (see `support_of`). name: different for each that a campaign knows.
    """

    taken: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    name: str = ""
    kinds: frozenset[str] = frozenset()

    def refuses(self, use: str) -> bool:
        """Whether a use (by `typed_use` or `attribute_use`), or a kind that it is of, was refused, and never taken."""
        return use not in self.taken and (use in self.refused or not self.kinds.isdisjoint(_kinds(use)))

    def avoids(self, use: str, rng: random.Random) -> bool:
        """Whether another use is to be drawn."""
        return self.refuses(use) and rng.random() < AVOIDED


def support_of(taken: Iterable[str], refused: Iterable[str], name: str = "") -> Support:
    """What is known where these uses were taken and refused.

    Refused as a whole, unless any use of the kind was taken: an operator on a dtype, whatever the rank; a dtype that
    `OPERATORS` operators were refused on; an operator that was refused on `DTYPES` other dtypes.
    """
    took, declined = frozenset(taken), frozenset(refused)
    pairs = {tuple(use.split(" ")[:2]) for use in declined}
    never = {kind for use in declined for kind in _kinds(use)} - {kind for use in took for kind in _kinds(use)}
    on = Counter(f"* {dtype}" for _, dtype in pairs)
    dtypes = {kind for kind in on.keys() & never if on[kind] >= OPERATORS}
    of = Counter(op for op, dtype in pairs if f"* {dtype}" not in dtypes)
    operators = {op for op in of.keys() & never if of[op] >= DTYPES}
    whole = {f"{op} {dtype}" for op, dtype in pairs} & never
    return Support(took, declined, name, frozenset(dtypes | operators | whole))


def _kinds(use: str) -> Iterator[str]:
    """The operator and, of a typed use, the operator on the dtype, and the dtype."""
    op, _, rest = use.partition(" ")
    yield op
    if "=" not in rest:
        dtype = rest.partition(" ")[0]
        yield from (f"{op} {dtype}", f"* {dtype}")
