"""The kinds of attributes an operator may declare.

Structure (an axis, a flag, a choice, how many sizes) is drawn as plain Python before the rule runs; only the sizes
in `Size` and `Sizes` may be unknown to it. Each kind draws a value and says what is wrong with one. A value is always
JSON: numbers, strings, bools, lists of them (tuples in memory).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import msgspec

from graphfuzz.spec import dtypes

SIZE_BINS = (1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 32)
"""Sizes worth trying: one, small, odd, prime, powers of two and their neighbors."""

LARGEST_DRAWN = 64
"""How far above its lower bound a size is drawn; rules and solver may find larger ones."""

Ranks: TypeAlias = Callable[[str], int]
"""What an attribute may depend on: the rank of each tensor operand, by parameter name."""


class Attribute(Protocol):
    """One kind of attribute."""

    def draw(self, rng: random.Random, rank: Ranks) -> Any:
        """A random value; for sizes, from the bins that lie in bounds."""
        ...

    def problem(self, value: Any, rank: Ranks) -> str | None:
        """What is wrong with a value, or None."""
        ...


def draw_size(rng: random.Random, low: int, high: int) -> int:
    """A size in [low, high], at most `LARGEST_DRAWN` more than low: half of the time a bound or a bin, else any."""
    high = min(high, low + LARGEST_DRAWN)
    if low >= high:
        return low
    if rng.random() < 0.5:
        return rng.randint(low, high)
    return rng.choice(_bins(low, high))


@lru_cache(1 << 12)
def _bins(low: int, high: int) -> list[int]:
    return [b for b in SIZE_BINS if low <= b <= high] + [low, high]


def _outside(value: Any, low: float, high: float) -> str | None:
    return None if low <= value <= high else f"is {value}, outside [{low}, {high}]"


class Size(msgspec.Struct, frozen=True):
    """An integer that the rule may relate to shapes, in [low, high]."""

    low: int
    high: int

    def draw(self, rng: random.Random, rank: Ranks) -> int:
        return draw_size(rng, self.low, self.high)

    def problem(self, value: Any, rank: Ranks) -> str | None:
        if not _is_integer(value):
            return f"is {value!r}, not an integer"
        return _outside(value, self.low, self.high)


class Sizes(msgspec.Struct, frozen=True):
    """Several sizes: as many as `count` allows, or one for each axis of the operand named `per`, `extra` more."""

    low: int
    high: int
    count: tuple[int, ...] = ()
    per: str | None = None
    extra: int = 0

    def lengths(self, rank: Ranks) -> tuple[int, ...]:
        """How many entries a value may have."""
        return self.count if self.per is None else (rank(self.per) + self.extra,)

    def draw(self, rng: random.Random, rank: Ranks) -> tuple[int, ...]:
        return tuple(draw_size(rng, self.low, self.high) for _ in range(rng.choice(self.lengths(rank))))

    def problem(self, value: Any, rank: Ranks) -> str | None:
        if not isinstance(value, tuple) or not all(map(_is_integer, value)):
            return f"is {value!r}, not a list of integers"
        if len(value) not in self.lengths(rank):
            return f"has {len(value)} entries, not {' or '.join(map(str, self.lengths(rank)))}"
        return next((p for p in (_outside(v, self.low, self.high) for v in value) if p), None)


class Axis(msgspec.Struct, frozen=True):
    """An axis of the operand named `of` (negative ones count from the end); `extra` for a result of higher rank."""

    of: str
    extra: int = 0

    def draw(self, rng: random.Random, rank: Ranks) -> int:
        limit = rank(self.of) + self.extra
        return rng.randrange(-limit, limit) if limit else 0

    def problem(self, value: Any, rank: Ranks) -> str | None:
        if not _is_integer(value):
            return f"is {value!r}, not an integer"
        limit = rank(self.of) + self.extra
        return _outside(value, -limit, limit - 1)


class Axes(msgspec.Struct, frozen=True):
    """Distinct axes of the operand named `of`, at least `least`, in any order and either sign."""

    of: str
    least: int = 1

    def draw(self, rng: random.Random, rank: Ranks) -> tuple[int, ...]:
        limit = rank(self.of)
        if limit < self.least:
            return ()
        chosen = rng.sample(range(limit), rng.randint(self.least, limit))
        return tuple(a - (limit if rng.random() < 0.3 else 0) for a in chosen)

    def problem(self, value: Any, rank: Ranks) -> str | None:
        limit = rank(self.of)
        if not isinstance(value, tuple) or not all(map(_is_integer, value)):
            return f"is {value!r}, not a list of axes"
        if any(not -limit <= a < limit for a in value):
            return f"names an axis outside rank {limit}: {value}"
        if len({a % limit for a in value}) != len(value):
            return f"names an axis twice: {value}"
        return None if len(value) >= self.least else f"names {len(value)} axes, fewer than {self.least}"


class Permutation(msgspec.Struct, frozen=True):
    """An order of all the axes of the operand named `of`."""

    of: str

    def draw(self, rng: random.Random, rank: Ranks) -> tuple[int, ...]:
        limit = rank(self.of)
        return tuple(rng.sample(range(limit), limit))

    def problem(self, value: Any, rank: Ranks) -> str | None:
        if isinstance(value, tuple) and sorted(value) == list(range(rank(self.of))):
            return None
        return f"is {value!r}, not an order of {rank(self.of)} axes"


class Choice(msgspec.Struct, frozen=True):
    """One of a few values, the plainest first. Flags and dtypes are choices."""

    options: tuple[bool | int | float | str, ...]

    def draw(self, rng: random.Random, rank: Ranks) -> bool | int | float | str:
        return rng.choice(self.options)

    def problem(self, value: Any, rank: Ranks) -> str | None:
        known = any(value == o and type(value) is type(o) for o in self.options)
        return None if known else f"is {value!r}, not one of {list(self.options)}"


class Number(msgspec.Struct, frozen=True):
    """A float in [low, high], drawn to three significant digits or at a bound."""

    low: float
    high: float

    def draw(self, rng: random.Random, rank: Ranks) -> float:
        if rng.random() < 0.25:
            return float(self.low if rng.random() < 0.5 else self.high)
        value = float(f"{rng.uniform(self.low, self.high):.3g}")
        return min(max(value, self.low), self.high)

    def problem(self, value: Any, rank: Ranks) -> str | None:
        if not isinstance(value, float):
            return f"is {value!r}, not a float"
        return _outside(value, self.low, self.high)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def size(low: int, high: int) -> Size:
    """An integer in [low, high] that the shape rule may use."""
    return Size(low, high)


def sizes(low: int, high: int, *, count: Sequence[int] | int = (), per: str | None = None, extra: int = 0) -> Sizes:
    """Several integers in [low, high]: `count` of them, or one for each axis of the operand `per`."""
    return Sizes(low, high, (count,) if isinstance(count, int) else tuple(count), per, extra)


def axis(of: str = "x", extra: int = 0) -> Axis:
    """One axis of an operand."""
    return Axis(of, extra)


def axes(of: str = "x", least: int = 1) -> Axes:
    """Distinct axes of an operand."""
    return Axes(of, least)


def permutation(of: str = "x") -> Permutation:
    """An order of an operand's axes."""
    return Permutation(of)


def flag() -> Choice:
    """False or True."""
    return Choice((False, True))


def choice(*options: bool | int | float | str) -> Choice:
    """One of these values, the plainest first."""
    return Choice(options)


def dtype_choice(options: Sequence[str] = dtypes.ANY) -> Choice:
    """A dtype by name."""
    return Choice(tuple(options))


def number(low: float, high: float) -> Number:
    """A float in [low, high]."""
    return Number(float(low), float(high))
