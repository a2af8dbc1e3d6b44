"""What a sample of cases says of what it does not show yet: chances with their intervals, and least numbers.

A sample is a number of units, the executions of one lane on one route, drawn independently and alike; a unit shows any
number of species (a bucket; uses of operators; pairs of them). So these are incidence data (Colwell et al., J. Plant
Ecology 5, 2012), and what Good (Biometrika 40, 1953) says of single individuals must be said of whole units: the chance
that the next unit shows something unseen is the share of units that show something no other unit shows. By symmetry,
each unit might have been the last. Where a unit shows one species at most, as with buckets, that is Good and Turing's
f1 / n, which Böhme proposes for fuzzing (STADS, TOSEM 27, 2018); where it shows many, f1 / n would be the expected
number of new species, which is no chance, and may be more than one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import msgspec

CONFIDENCE = 0.95
"""Of every interval."""
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


class Chance(msgspec.Struct, frozen=True):
    """An estimate of a probability, and the interval that covers it in `CONFIDENCE` of all samples."""

    estimate: float
    low: float
    high: float


class Sightings(msgspec.Struct, frozen=True):
    """The first three units, counted from 1 and in order, in which a species was; None where there are fewer."""

    first: int
    second: int | None = None
    third: int | None = None

    def further(self, unit: int) -> Sightings:
        """With one unit more, which may come late."""
        seen = {unit, *(x for x in (self.first, self.second, self.third) if x is not None)}
        return Sightings(*sorted(seen)[:3])

    def times(self, units: int) -> int:
        """In how many of the first so many units it was; 3 stands for more, too."""
        if self.third is not None and self.third <= units:
            return 3
        if self.second is not None and self.second <= units:
            return 2
        return int(self.first <= units)


def discovery(units: int, species: Iterable[Sightings]) -> Chance:
    """The chance that the unit after the first so many (one at least) shows a species that none of them does.

    The interval is that of Esty (Ann. Stat. 11, 1983) and Zhang & Zhang (Ann. Stat. 37, 2009): the error of n times the
    estimate has the variance f1 (1 - f1 / n) + 2 f2. For units, f1 is how many show something that no other does, and
    f2 how many pairs of the others share something that is in no third: the leave-one-out error, in which all other
    terms cancel. At counts near 0 and n that normal law is too narrow; so each end is the farther one of theirs and, as
    Wilson has it, of the variance with the chance itself in place of f1 / n.

    Where there are no species at all, `none_seen`.
    """
    seen = [(s, times) for s in species if (times := s.times(units))]
    if not seen:
        return none_seen(units)
    alone = {s.first for s, times in seen if times == 1}
    shared = {(s.first, s.second) for s, times in seen if times == 2}
    count, pairs = len(alone), sum(alone.isdisjoint(pair) for pair in shared)
    low, high = _score(units, count, 2 * pairs)
    apart = Z * math.sqrt(count * (1 - count / units) + 2 * pairs) / units
    return Chance(count / units, max(0.0, min(low, count / units - apart)), min(1.0, max(high, count / units + apart)))


def none_seen(units: int) -> Chance:
    """The chance of what so many units (one at least) never showed: an upper bound by the rule of three (Hanley &
    Lippman-Hand, JAMA 249, 1983), as (1 - 3 / n) ^ n is 5% at most."""
    return Chance(0.0, 0.0, min(1.0, 3 / units))


def share(count: int, units: int) -> Chance:
    """The chance of what so many of the units (one at least) showed, with Wilson's interval (JASA 22, 1927)."""
    low, high = _score(units, count, 0)
    return Chance(count / units, max(0.0, low), min(1.0, high))


def least_number(units: int, species: Iterable[Sightings]) -> float:
    """How many species there are at the least, seen and unseen: Chao2 (Chao, Biometrics 43, 1987; without f2 the form
    that corrects for bias). A lower bound: species too rare for two sightings stay beyond it, so it grows with n."""
    times = [s.times(units) for s in species]
    seen, once, twice = sum(map(bool, times)), times.count(1), times.count(2)
    unseen = once * once / (2 * twice) if twice else once * (once - 1) / 2
    return seen + (units - 1) / units * unseen if units else 0.0


def accumulation(units: int, species: Iterable[Sightings]) -> list[tuple[int, int]]:
    """How many species the first 1, 2, 5, 10, 20, ... units had shown, and all of them."""
    firsts = sorted(s.first for s in species)
    return [(point, bisect_right(firsts, point)) for point in _points(units)]


def _points(last: int) -> Sequence[int]:
    rounds = range(len(str(last)))
    return sorted({last, *(step * 10**e for e in rounds for step in (1, 2, 5) if step * 10**e < last)}) if last else []


def _score(units: int, count: int, further: int) -> tuple[float, float]:
    """The chances p at which |count - n p| is Z deviations of the variance n p (1 - p) + further."""
    a, b, c = 1 + Z**2 / units, 2 * count + Z**2, count**2 - Z**2 * further
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (b - root) / (2 * a * units), (b + root) / (2 * a * units)
