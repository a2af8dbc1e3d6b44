"""The values that a new node may take as operands, found by dtype, rank and shape."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence

from graphfuzz.graph import Value

PICKS = 4
"""How many values are looked at before all are."""
FRESH = 0.7
"""How often a value that some node uses already is passed over."""

Fits = Callable[[Value], bool]


class Pool:
    """Values in the order in which they were made."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.used: set[str] = set()
        """The names of the values that some node uses."""
        self.left: dict[str, Value] = {}
        """The others, by name."""
        self.order: dict[str, int] = {}
        """When a value was taken in, by its name."""
        self.by_kind: dict[tuple[str, int], list[Value]] = {}
        self.by_shape: dict[tuple[int, ...], list[Value]] = {}

    def __bool__(self) -> bool:
        return bool(self.by_kind)

    def add(self, value: Value) -> None:
        """Take a value in, which no node uses yet."""
        self.left[value.name] = value
        self.order[value.name] = len(self.order)
        self.by_kind.setdefault((value.dtype, len(value.shape)), []).append(value)
        self.by_shape.setdefault(value.shape, []).append(value)

    def use(self, names: Iterable[str]) -> None:
        """A node uses these values."""
        for name in names:
            self.used.add(name)
            self.left.pop(name, None)

    def replace(self, old: Value, new: Value) -> None:
        """Put a value of the same type in another one's place."""
        self.order[new.name] = self.order.pop(old.name)
        for group in (self.by_kind[old.dtype, len(old.shape)], self.by_shape[old.shape]):
            group[group.index(old)] = new
        if old.name in self.used:
            self.used.remove(old.name)
            self.used.add(new.name)
        else:
            del self.left[old.name]
            self.left[new.name] = new

    def unused(self, *, newest: bool) -> Value | None:
        """A value that no node uses: any, or the newest, so that paths become long."""
        if not self.left:
            return None
        if newest:
            return self.left[max(self.left, key=self.order.__getitem__)]
        return self.rng.choice(list(self.left.values()))

    def alike(self, value: Value) -> list[Value]:
        """The other values of one's type, the newest first."""
        return [v for v in reversed(self.by_shape[value.shape]) if v.dtype == value.dtype and v is not value]

    def of_kind(self, dtypes: Collection[str], ranks: Collection[int], fits: Fits, better: Fits) -> Value | None:
        """A value of one of these dtypes and ranks that fits."""
        kinds = self.by_kind.items()
        return self._pick([group for (dtype, rank), group in kinds if dtype in dtypes and rank in ranks], fits, better)

    def of_shape(self, shape: tuple[int, ...], dtypes: Collection[str], fits: Fits, better: Fits) -> Value | None:
        """A value of this shape and one of these dtypes that fits."""
        group = [v for v in self.by_shape.get(shape, ()) if v.dtype in dtypes]
        return self._pick([group] if group else [], fits, better)

    def _pick(self, groups: Sequence[Sequence[Value]], fits: Fits, better: Fits) -> Value | None:
        """One that fits of those in the groups, which are not empty: of the newer, the unused and the better rather; of
        all, where a few looks find none."""
        for _ in range(PICKS if groups else 0):
            values = self.rng.choice(groups)
            value = values[int(len(values) * self.rng.random() ** 0.5)]
            if (value.name not in self.used or self.rng.random() >= FRESH) and better(value) and fits(value):
                return value
        left = [value for group in groups for value in group if fits(value)]
        best = [value for value in left if better(value)] or left
        return self.rng.choice(best) if best else None
