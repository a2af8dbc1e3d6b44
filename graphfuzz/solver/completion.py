"""Sizes that satisfy conditions, by drawing some and computing the rest: what arithmetic can answer without z3.

Key insight: most conditions are equalities that become solvable by inverting + - * // % as soon as all but one of their
sizes are known. So sizes are drawn one at a time, and after each draw whatever follows is computed. What is drawn is
first limited by the conditions that are left: by inequalities, by sums, and by products, whose factors are divisors.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphfuzz.spec.dims import Condition, Dim, Size, evaluate, names_in

UNLIMITED = 1 << 31
LARGEST_STEP = 64
"""How far above its lower bound a size is drawn where what was proposed does not fit."""
CANDIDATES = 8
"""How many of these are tried, before the least: most conditions leave small sizes, kernels in their images."""


class Contradiction(Exception):
    """No sizes satisfy the conditions: the contradiction showed before anything was chosen."""


class _Indivisible(Exception):
    """No whole number times the one is the other."""


class Completion:
    """Conditions on unknown sizes, and what follows from them alone: computed once, for every attempt to fill the rest.

    Raises Contradiction.
    """

    def __init__(self, conditions: Iterable[Condition], unknown: Sequence[str]) -> None:
        self.unknown = tuple(unknown)
        self.low: dict[str, int] = {}
        self.high: dict[str, int] = {}
        self.later: list[Condition] = []
        """The conditions between whose alternatives an attempt chooses."""
        self.start = _Attempt(self, None)
        try:
            holds = all(map(self._take, conditions)) and self.start.deduce()
        except ZeroDivisionError:
            holds = False
        if not holds or not all(self.is_bounded(name, size) for name, size in self.start.known.items()):
            raise Contradiction
        if any(map(self._is_hopeless, self.start.open.values())):
            raise Contradiction

    @property
    def decided(self) -> Mapping[str, int]:
        """The sizes that follow from the conditions alone."""
        return self.start.known

    def attempt(self, draw: Callable[[str], int], rng: random.Random) -> dict[str, int] | None:
        """A size for each unknown such that all conditions hold, or None where this attempt met a contradiction.

        draw: proposes a size for a symbol that nothing determines yet. Raises Contradiction.
        """
        going = _Attempt(self, rng, self.start)
        if going.run(draw):
            return going.known
        if not going.chose:
            raise Contradiction
        return None

    def is_bounded(self, name: str, size: int) -> bool:
        """Whether a size lies in the bounds that conditions on it alone set."""
        return self.low.get(name, size) <= size <= self.high.get(name, size)

    def _is_hopeless(self, condition: Condition) -> bool:
        """Whether the condition waits for one size alone, which has few values, and holds for none of them."""
        missing = [name for name in names_in(condition) if name not in self.start.known]
        if len(missing) > 1:
            return False
        (name,) = missing
        low, high = self.low.get(name, -UNLIMITED), self.high.get(name, UNLIMITED)
        tests = [(condition, dict(self.start.known))]
        return high - low < LARGEST_STEP and not any(_passes(tests, name, size) for size in range(low, high + 1))

    def _take(self, condition: Condition) -> bool:
        if condition.op == "and":
            return all(map(self._take, condition.args))
        if condition.op == "or":
            self.later.append(condition)
            return True
        return self._is_bound(condition) or self.start.take(condition)

    def _is_bound(self, condition: Condition) -> bool:
        """Whether the condition only bounds one size, which is then remembered as that."""
        if condition.op not in ("<", "<="):
            return False
        left, right = condition.args
        strict = condition.op == "<"
        if isinstance(left, int) and isinstance(right, Dim) and right.op == "symbol":
            name = right.args[0]
            self.low[name] = max(left + strict, self.low.get(name, -UNLIMITED))
            return True
        if isinstance(right, int) and isinstance(left, Dim) and left.op == "symbol":
            name = left.args[0]
            self.high[name] = min(right - strict, self.high.get(name, UNLIMITED))
            return True
        return False


class _Attempt:
    """Sizes known so far, and the conditions still open, each watched under the names that it waits for.

    Without random numbers only what has one answer is computed.
    """

    def __init__(self, task: Completion, rng: random.Random | None, start: _Attempt | None = None) -> None:
        self.task = task
        self.rng = rng
        self.chose = False
        """Whether anything was chosen that could have been chosen otherwise."""
        self.ambiguous: list[Condition] = []
        """The conditions that fix a size, but to one of several: random numbers decide."""
        self.known: dict[str, int] = dict(start.known) if start else {}
        self.open: dict[int, Condition] = dict(start.open) if start else {}
        self.before: Mapping[str, list[Condition]] = start.watched if start else {}
        self.watched: dict[str, list[Condition]] = {}
        self.news: list[str] = []
        """The names that have become known, and whose conditions have not been looked at since."""

    def run(self, draw: Callable[[str], int]) -> bool:
        """Whether sizes were found for all unknowns."""
        try:
            settled = all(map(self._look, self.task.start.ambiguous)) and all(map(self._pick, self.task.later))
            if not settled or not self.deduce():
                return False
            order = [name for name in self.task.unknown if name not in self.known]
            self._random().shuffle(order)
            sized = all(name in self.known or (self._choose(name, draw) and self.deduce()) for name in order)
            return sized and not self.open
        except ZeroDivisionError:
            return False

    def take(self, condition: Condition) -> bool:
        """Take a condition on: it holds, or fixes a size, or stays open; False where it cannot hold."""
        if condition.op == "and":
            return all(map(self.take, condition.args))
        if condition.op == "or":
            return self._pick(condition)
        self.open[id(condition)] = condition
        if not self._look(condition):
            return False
        if id(condition) in self.open:
            for name in names_in(condition):
                if name not in self.known:
                    self.watched.setdefault(name, []).append(condition)
        return True

    def deduce(self) -> bool:
        """Compute every size that follows from the news; False for a contradiction."""
        while self.news:
            name = self.news.pop()
            if not all(map(self._look, self._waiting(name))):
                return False
        return True

    def _random(self) -> random.Random:
        assert self.rng is not None, "only what follows is computed"
        return self.rng

    def _waiting(self, name: str) -> list[Condition]:
        """The open conditions in which the name was not known."""
        found = self.before.get(name, []) + self.watched.get(name, [])
        return [condition for condition in found if id(condition) in self.open]

    def _look(self, condition: Condition) -> bool:
        """Decide an open condition where it can be, perhaps by fixing its last size; False where it cannot hold."""
        known = self.known
        missing = [name for name in names_in(condition) if name not in known]
        if not missing:
            self.open.pop(id(condition), None)
            return bool(evaluate(condition, known))
        if len(missing) > 1 or condition.op != "==":
            return True
        (name,) = missing
        left, right = condition.args
        side, other = (left, right) if name in names_in(left) else (right, left)
        try:
            value = None if name in names_in(other) else self._invert(side, evaluate(other, known), name)
        except _Indivisible:
            return False
        if value is None:
            self.ambiguous.append(condition)
            return True
        self.open.pop(id(condition), None)
        return self._learn(name, value) and (side.op == "symbol" or bool(evaluate(condition, known)))

    def _choose(self, name: str, draw: Callable[[str], int]) -> bool:
        """Draw a size among those that the open conditions leave it."""
        low, high = self.task.low.get(name, -UNLIMITED), self.task.high.get(name, UNLIMITED)
        fitting: list[int] | None = None
        waiting = self._waiting(name)
        for condition in waiting:
            if condition.op == "==":
                high = min(high, self._most_of_sum(name, condition))
                fitting = fitting or self._divisors(name, condition)
            elif condition.op in ("<", "<="):
                left, right = condition.args
                strict = condition.op == "<"
                if _is_symbol(left, name) and self._is_known(right):
                    high = min(high, evaluate(right, self.known) - strict)
                elif _is_symbol(right, name) and self._is_known(left):
                    low = max(low, evaluate(left, self.known) + strict)
        if fitting is not None:
            fitting = [d for d in fitting if low <= d <= high]
        if low > high or fitting == []:
            return False
        self.chose = True
        size = draw(name)
        tests = self._tests(name, waiting)
        if not (low <= size <= high if fitting is None else size in fitting) or not _passes(tests, name, size):
            sizes = fitting or range(low, min(high, low + LARGEST_STEP) + 1)
            tried = [*self._random().sample(sizes, min(len(sizes), CANDIDATES)), sizes[0]]
            found = next((size for size in tried if _passes(tests, name, size)), None)
            if found is None:
                return False
            size = found
        return self._learn(name, size)

    def _tests(self, name: str, waiting: Sequence[Condition]) -> list[tuple[Condition, dict[str, int]]]:
        """The conditions that may forbid a size of the name, with the others' sizes. Those that an inequality waits for
        are taken to be the least that they may be, which leaves most room in sums."""
        found = []
        sizes = dict(self.known) if waiting else {}
        for condition in waiting:
            others = [other for other in names_in(condition) if other != name and other not in sizes]
            if not others:
                found.append((condition, sizes))
            elif condition.op in ("<", "<=") and all(other in self.task.low for other in others):
                found.append((condition, {**self.known, **{other: self.task.low[other] for other in others}}))
        return found

    def _learn(self, name: str, size: int) -> bool:
        """Whether the size lies in its bounds."""
        self.known[name] = size
        self.news.append(name)
        return self.task.is_bounded(name, size)

    def _most_of_sum(self, name: str, condition: Condition) -> int:
        """What an equality between something known and a sum of positive sizes leaves for one of them."""
        for total, side in (condition.args, condition.args[::-1]):
            terms = _parts(side, "+")
            if len(terms) > 1 and any(_is_symbol(t, name) for t in terms) and self._is_known(total):
                given = [t for t in terms if self._is_known(t)]
                others = len(terms) - len(given) - 1
                return int(evaluate(total, self.known) - sum(evaluate(t, self.known) for t in given) - others)
        return UNLIMITED

    def _divisors(self, name: str, condition: Condition) -> list[int] | None:
        """The sizes among which an equality of a product with something known, or a remainder of zero, leaves the
        choice; None where the condition is neither."""
        for total, side in (condition.args, condition.args[::-1]):
            number = self._multiple(name, total, side)
            if number is not None and number > 0:
                return [d for d in range(1, math.isqrt(number) + 1) if number % d == 0 for d in {d, number // d}]
        return None

    def _multiple(self, name: str, total: Size, side: Size) -> int | None:
        """The number that the named size divides, if `total == side` says so."""
        if not isinstance(side, Dim) or side.op not in "*%" or not self._is_known(total):
            return None
        if side.op == "%":
            divided, divisor = side.args
            named = _is_symbol(divisor, name) and self._is_known(divided) and evaluate(total, self.known) == 0
            return int(evaluate(divided, self.known)) if named else None
        factors = _parts(side, "*")
        if not any(_is_symbol(f, name) for f in factors):
            return None
        given = math.prod(evaluate(f, self.known) for f in factors if self._is_known(f))
        number = evaluate(total, self.known)
        return int(number // given) if given and number % given == 0 else None

    def _is_known(self, expression: Any) -> bool:
        return self.known.keys() >= names_in(expression)

    def _pick(self, condition: Condition) -> bool:
        """Take on one of the alternatives that can still hold, unless one holds already; False where none can."""
        alive = []
        for alternative in condition.args:
            if not self._is_known(alternative):
                alive.append(alternative)
            elif evaluate(alternative, self.known):
                return True
        self.chose = self.chose or len(alive) > 1
        return bool(alive) and self.take(self._random().choice(alive))

    def _invert(self, side: Size, target: int, name: str) -> int | None:
        """The `name` for which `side` equals `target`; None where that takes more than inverting + - * // %. Raises
        _Indivisible where there is none."""
        if not isinstance(side, Dim):
            return None
        if side.op == "symbol":
            return target
        if side.op not in ("+", "-", "*", "//", "%"):
            return None
        left, right = side.args
        if name not in names_in(left):
            return self._invert_right(side.op, evaluate(left, self.known), right, target, name)
        if name in names_in(right):
            return None
        b = evaluate(right, self.known)
        if side.op == "+":
            return self._invert(left, target - b, name)
        if side.op == "-":
            return self._invert(left, target + b, name)
        if side.op == "*":
            return self._invert(left, _quotient(target, b), name) if b else None
        if self.rng is None:
            return None
        self.chose = True
        if side.op == "%":
            return self._invert(left, target + b * self.rng.randint(1, 4), name) if 0 <= target < b else None
        return self._invert(left, target * b + (self.rng.randrange(b) if b > 0 else 0), name)

    def _invert_right(self, op: str, a: int, right: Size, target: int, name: str) -> int | None:
        if op == "+":
            return self._invert(right, target - a, name)
        if op == "-":
            return self._invert(right, a - target, name)
        if op == "*":
            return self._invert(right, _quotient(target, a), name) if a else None
        return None


def _quotient(product: int, factor: int) -> int:
    """Raises _Indivisible."""
    if product % factor:
        raise _Indivisible
    return product // factor


def _passes(tests: Iterable[tuple[Condition, dict[str, int]]], name: str, size: int) -> bool:
    for condition, sizes in tests:
        sizes[name] = size
        if not _holds(condition, sizes):
            return False
    return True


def _holds(condition: Condition, sizes: Mapping[str, int]) -> bool:
    try:
        return bool(evaluate(condition, sizes))
    except ZeroDivisionError:
        return False


def _parts(expression: Size, op: str) -> list[Size]:
    """The terms of nested sums, or the factors of nested products."""
    if isinstance(expression, Dim) and expression.op == op:
        return [part for argument in expression.args for part in _parts(argument, op)]
    return [expression]


def _is_symbol(expression: Size, name: str) -> bool:
    return isinstance(expression, Dim) and expression.op == "symbol" and expression.args[0] == name
