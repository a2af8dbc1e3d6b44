"""Sizes that satisfy conditions, by drawing some and computing the rest: what arithmetic can answer without z3.

Key insight: most conditions are equalities that become solvable by inverting + - * // % as soon as all but one of their
sizes are known. So sizes are drawn one at a time, and after each draw whatever follows is computed. What is drawn is
first limited by the conditions that are left: by inequalities, by sums, and by products, whose factors are divisors.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphfuzz.spec.dims import Condition, Dim, Size, evaluate, names_in

UNLIMITED = 1 << 31
LARGEST_STEP = 64
"""How far above its lower bound a size is drawn where what was proposed does not fit."""


class Contradiction(Exception):
    """No sizes satisfy the conditions: the contradiction showed before anything was chosen."""


def complete(
    conditions: Sequence[tuple[Condition, str]],
    unknown: Sequence[str],
    draw: Callable[[str], int],
    rng: random.Random,
) -> dict[str, int] | None:
    """A size for each unknown such that all conditions hold, or None where this attempt met a contradiction.

    draw: proposes a size for a symbol that nothing determines yet. Raises Contradiction.
    """
    attempt = _Attempt(rng)
    order = list(unknown)
    rng.shuffle(order)
    if attempt.run((condition for condition, _ in conditions), order, draw):
        return attempt.known
    if not attempt.chose:
        raise Contradiction
    return None


class _Attempt:
    """Sizes known so far, and the conditions still open, each watched under the names that it waits for."""

    def __init__(self, rng: random.Random) -> None:
        self.known: dict[str, int] = {}
        self.rng = rng
        self.chose = False
        """Whether anything was chosen that could have been chosen otherwise."""
        self.open: dict[int, Condition] = {}
        self.watched: dict[str, list[int]] = {}
        self.news: list[str] = []
        """The names that have become known, and whose conditions have not been looked at since."""

    def run(self, conditions: Iterable[Condition], order: Sequence[str], draw: Callable[[str], int]) -> bool:
        """Whether sizes were found for all of `order`."""
        try:
            if not all(map(self._add, conditions)) or not self._deduce():
                return False
            for name in order:
                if name in self.known:
                    continue
                if not self._choose(name, draw) or not self._deduce():
                    return False
            return all(evaluate(condition, self.known) for condition in self.open.values())
        except ZeroDivisionError:
            return False

    def _choose(self, name: str, draw: Callable[[str], int]) -> bool:
        """Draw a size among those that the open conditions leave it."""
        low, high = -UNLIMITED, UNLIMITED
        fitting: list[int] | None = None
        for number in self.watched.get(name, ()):
            condition = self.open.get(number)
            if condition is None:
                continue
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
        if fitting is not None:
            size = size if size in fitting else self.rng.choice(fitting)
        elif not low <= size <= high:
            size = self.rng.randint(low, min(high, low + LARGEST_STEP))
        self._learn(name, size)
        return True

    def _learn(self, name: str, size: int) -> None:
        self.known[name] = size
        self.news.append(name)

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

    def _deduce(self) -> bool:
        """Compute every size that follows from the news; False for a contradiction."""
        while self.news:
            for number in self.watched.pop(self.news.pop(), ()):
                condition = self.open.pop(number, None)
                if condition is not None and not self._add(condition):
                    return False
        return True

    def _add(self, condition: Condition) -> bool:
        """Take a condition on: it holds, or fixes a size, or stays open; False where it cannot hold."""
        names = names_in(condition)
        missing = names - self.known.keys()
        if not missing:
            return bool(evaluate(condition, self.known))
        if condition.op == "and":
            return all(map(self._add, condition.args))
        if condition.op == "or":
            return self._pick(condition)
        if condition.op == "==" and len(missing) == 1:
            (name,) = missing
            left, right = condition.args
            side, other = (left, right) if name in names_in(left) else (right, left)
            value = None if name in names_in(other) else self._invert(side, evaluate(other, self.known), name)
            if value is not None:
                self._learn(name, value)
                return bool(evaluate(condition, self.known))
        self.open[id(condition)] = condition
        for name in missing:
            self.watched.setdefault(name, []).append(id(condition))
        return True

    def _pick(self, condition: Condition) -> bool:
        """Take on one of the alternatives that can still hold, unless one holds already; False where none can."""
        alive = []
        for alternative in condition.args:
            if not self._is_known(alternative):
                alive.append(alternative)
            elif evaluate(alternative, self.known):
                return True
        self.chose = self.chose or len(alive) > 1
        return bool(alive) and self._add(self.rng.choice(alive))

    def _invert(self, side: Size, target: int, name: str) -> int | None:
        """The `name` for which `side` equals `target`; None where that takes more than inverting + - * // %."""
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
            return self._invert(left, target // b, name) if b and target % b == 0 else None
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
            return self._invert(right, target // a, name) if a and target % a == 0 else None
        return None


def _parts(expression: Size, op: str) -> list[Size]:
    """The terms of nested sums, or the factors of nested products."""
    if isinstance(expression, Dim) and expression.op == op:
        return [part for argument in expression.args for part in _parts(argument, op)]
    return [expression]


def _is_symbol(expression: Size, name: str) -> bool:
    return isinstance(expression, Dim) and expression.op == "symbol" and expression.args[0] == name
