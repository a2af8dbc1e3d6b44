"""Sizes that satisfy conditions, by drawing some and computing the rest: what arithmetic can answer without z3.

Key insight: most conditions are equalities that become solvable by inverting + - * // % as soon as all but one of their
sizes are known. So sizes are drawn one at a time, and after each draw whatever follows is computed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from graphfuzz.spec.dims import Condition, Dim, Size, evaluate, symbols


def complete(
    conditions: Sequence[tuple[Condition, str]],
    unknown: Sequence[str],
    draw: Callable[[str], int],
    rng: random.Random,
) -> dict[str, int] | None:
    """A size for each unknown such that all conditions hold, or None where this attempt met a contradiction.

    draw: proposes a size for a symbol that nothing determines yet.
    """
    known: dict[str, int] = {}
    pending = [condition for condition, _ in conditions]
    order = list(unknown)
    rng.shuffle(order)
    while True:
        remaining = _deduce(pending, known, rng)
        if remaining is None:
            return None
        free = next((name for name in order if name not in known), None)
        if free is None:
            break
        pending = remaining
        low, high = _bounds(free, pending, known)
        if low > high:
            return None
        proposed = draw(free)
        known[free] = proposed if low <= proposed <= high else rng.randint(low, min(high, low + 64))
    try:
        return known if all(evaluate(c, known) for c, _ in conditions) else None
    except ZeroDivisionError:
        return None


def _bounds(name: str, pending: Sequence[Condition], known: dict[str, int]) -> tuple[int, int]:
    """What the inequalities between this size alone and something known leave of its range."""
    low, high = 0, 1 << 31
    for condition in pending:
        if condition.op not in ("<", "<="):
            continue
        left, right = condition.args
        strict = condition.op == "<"
        if _is_symbol(left, name) and all(n in known for n in symbols(right)):
            high = min(high, evaluate(right, known) - strict)
        if _is_symbol(right, name) and all(n in known for n in symbols(left)):
            low = max(low, evaluate(left, known) + strict)
    return low, high


def _is_symbol(expression: Size, name: str) -> bool:
    return isinstance(expression, Dim) and expression.op == "symbol" and expression.args[0] == name


def _deduce(pending: list[Condition], known: dict[str, int], rng: random.Random) -> list[Condition] | None:
    """Compute every size that follows; the conditions still open, or None for a contradiction."""
    progress = True
    while progress:
        progress = False
        open_: list[Condition] = []
        for condition in pending:
            try:
                fate = _resolve(condition, known, rng)
            except ZeroDivisionError:
                return None
            if fate is False:
                return None
            if fate is True:
                progress = True
            else:
                open_ += fate
                progress = progress or fate != [condition]
        pending = open_
    return pending


def _resolve(condition: Condition, known: dict[str, int], rng: random.Random) -> bool | list[Condition]:
    """True where it holds now (perhaps after fixing a size), False where it cannot, else what remains of it."""
    missing = {name for name in symbols(condition) if name not in known}
    if not missing:
        return bool(evaluate(condition, known))
    if condition.op == "and":
        return list(condition.args)
    if condition.op == "or":
        return _pick(condition, known, rng)
    if condition.op == "==" and len(missing) == 1:
        name = missing.pop()
        left, right = condition.args
        if name in symbols(left) and name in symbols(right):
            return [condition]
        side, other = (left, right) if name in symbols(left) else (right, left)
        value = _invert(side, evaluate(other, known), name, known, rng)
        if value is None:
            return [condition]
        known[name] = value
        return bool(evaluate(condition, known))
    return [condition]


def _pick(condition: Condition, known: dict[str, int], rng: random.Random) -> bool | list[Condition]:
    """One of the alternatives that can still hold; True where one holds already."""
    alive = []
    for alternative in condition.args:
        if all(name in known for name in symbols(alternative)):
            if evaluate(alternative, known):
                return True
        else:
            alive.append(alternative)
    return [rng.choice(alive)] if alive else False


def _invert(side: Size, target: int, name: str, known: dict[str, int], rng: random.Random) -> int | None:
    """The value of `name` for which `side` equals `target`; None where that takes more than inverting + - * // %."""
    if not isinstance(side, Dim):
        return None
    if side.op == "symbol":
        return target
    if side.op not in ("+", "-", "*", "//", "%"):
        return None
    left, right = side.args
    if name in symbols(left) and name in symbols(right):
        return None
    if name in symbols(left):
        b = evaluate(right, known)
        if side.op == "+":
            return _invert(left, target - b, name, known, rng)
        if side.op == "-":
            return _invert(left, target + b, name, known, rng)
        if side.op == "%":
            return _invert(left, target + b * rng.randint(1, 4), name, known, rng) if 0 <= target < b else None
        if side.op == "//":
            return _invert(left, target * b + (rng.randrange(b) if b > 0 else 0), name, known, rng)
        return _invert(left, target // b, name, known, rng) if b and target % b == 0 else None
    a = evaluate(left, known)
    if side.op == "+":
        return _invert(right, target - a, name, known, rng)
    if side.op == "-":
        return _invert(right, a - target, name, known, rng)
    if side.op == "*":
        return _invert(right, target // a, name, known, rng) if a and target % a == 0 else None
    return None
