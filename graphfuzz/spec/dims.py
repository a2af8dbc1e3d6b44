"""Sizes that may be unknown: integers, and expressions over integers.

A shape rule is written once and read by two interpreters. Over `int` its arithmetic is Python's own and a rule
decides at once. Over `Dim` the same operators build an expression, and comparisons build a `Condition`, which the
solver translates. Key insight: neither has a truth value, so a rule that would branch on an unknown size fails
loudly instead of taking one branch silently.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, reduce
from typing import Any, TypeAlias


def _refuse_truth(kind: str) -> bool:
    raise TypeError(f"{kind} has no truth value: sizes are symbolic here; use require(), either() or choose()")


class Dim:
    """An integer expression over named sizes.

    `op` is "symbol" (args: its name), an operator among + - * // % min max, or "choose" (args: condition, then, else).
    Division and remainder round toward minus infinity, as Python's do.
    """

    __slots__ = ("args", "names", "op")

    def __init__(self, op: str, *args: Any) -> None:
        self.op = op
        self.args = args
        self.names: frozenset[str] | None = None

    def __add__(self, other: int | Dim) -> Dim:
        return Dim("+", self, other)

    def __radd__(self, other: int | Dim) -> Dim:
        return Dim("+", other, self)

    def __sub__(self, other: int | Dim) -> Dim:
        return Dim("-", self, other)

    def __rsub__(self, other: int | Dim) -> Dim:
        return Dim("-", other, self)

    def __mul__(self, other: int | Dim) -> Dim:
        return Dim("*", self, other)

    def __rmul__(self, other: int | Dim) -> Dim:
        return Dim("*", other, self)

    def __floordiv__(self, other: int | Dim) -> Dim:
        return Dim("//", self, other)

    def __rfloordiv__(self, other: int | Dim) -> Dim:
        return Dim("//", other, self)

    def __mod__(self, other: int | Dim) -> Dim:
        return Dim("%", self, other)

    def __rmod__(self, other: int | Dim) -> Dim:
        return Dim("%", other, self)

    def __neg__(self) -> Dim:
        return Dim("-", 0, self)

    def __eq__(self, other: object) -> bool | Condition:  # type: ignore[override]
        return True if self is other else Condition("==", self, other)

    def __ne__(self, other: object) -> bool | Condition:  # type: ignore[override]
        return False if self is other else Condition("!=", self, other)

    def __lt__(self, other: int | Dim) -> Condition:
        return Condition("<", self, other)

    def __le__(self, other: int | Dim) -> Condition:
        return Condition("<=", self, other)

    def __gt__(self, other: int | Dim) -> Condition:
        return Condition("<", other, self)

    def __ge__(self, other: int | Dim) -> Condition:
        return Condition("<=", other, self)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return _refuse_truth("a Dim")

    def __repr__(self) -> str:
        return _render(self.op, self.args)


class Condition:
    """A statement about sizes: a comparison (== != < <=), or "and" / "or" over conditions."""

    __slots__ = ("args", "names", "op")

    def __init__(self, op: str, *args: Any) -> None:
        self.op = op
        self.args = args
        self.names: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return _refuse_truth("a Condition")

    def __repr__(self) -> str:
        return _render(self.op, self.args)


Size: TypeAlias = int | Dim


@lru_cache(1 << 12)
def symbol(name: str) -> Dim:
    """A size to be found."""
    return Dim("symbol", name)


def prod(sizes: Iterable[int | Dim]) -> int | Dim:
    """The product of sizes; 1 for none."""
    known, unknown = 1, []
    for size in sizes:
        if isinstance(size, Dim):
            unknown.append(size)
        else:
            known *= size
    if not unknown:
        return known
    product = reduce(lambda a, b: a * b, unknown)
    return product if known == 1 else product * known


def minimum(a: int | Dim, b: int | Dim) -> int | Dim:
    """The smaller of two sizes."""
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else Dim("min", a, b)


def maximum(a: int | Dim, b: int | Dim) -> int | Dim:
    """The larger of two sizes."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else Dim("max", a, b)


def ceil_div(a: int | Dim, b: int | Dim) -> int | Dim:
    """a / b rounded up, for positive b."""
    return (a + b - 1) // b


def choose(condition: bool | Condition, then: int | Dim, otherwise: int | Dim) -> int | Dim:
    """`then` where the condition holds, else `otherwise`."""
    if isinstance(condition, Condition):
        return then if then is otherwise else Dim("choose", condition, then, otherwise)
    return then if condition else otherwise


def either(*conditions: bool | Condition) -> bool | Condition:
    """At least one holds."""
    unknown = []
    for condition in conditions:
        if isinstance(condition, Condition):
            unknown.append(condition)
        elif condition:
            return True
    return Condition("or", *unknown) if unknown else False


def both(*conditions: bool | Condition) -> bool | Condition:
    """All hold."""
    unknown = []
    for condition in conditions:
        if isinstance(condition, Condition):
            unknown.append(condition)
        elif not condition:
            return False
    return Condition("and", *unknown) if unknown else True


def negate(condition: bool | Condition) -> bool | Condition:
    """The condition does not hold: the opposite comparison, or De Morgan's."""
    if not isinstance(condition, Condition):
        return not condition
    if condition.op in ("and", "or"):
        join = either if condition.op == "and" else both
        return join(*map(negate, condition.args))
    left, right = condition.args
    return Condition(_OPPOSITE[condition.op], *((right, left) if condition.op in ("<", "<=") else (left, right)))


def evaluate(expression: Any, sizes: Mapping[str, int]) -> Any:
    """The value (`int`, or `bool` for a Condition) under an assignment of every symbol in it.

    Raises KeyError for a symbol without a size and ZeroDivisionError as Python does.
    """
    kind = type(expression)
    if kind is not Dim and kind is not Condition:
        return expression
    op, args = expression.op, expression.args
    if op == "symbol":
        return sizes[args[0]]
    binary = _BINARY.get(op)
    if binary is not None:
        left, right = args
        if type(left) is Dim:  # mostly a symbol: it pays to look before calling
            left = sizes[left.args[0]] if left.op == "symbol" else evaluate(left, sizes)
        if type(right) is Dim:
            right = sizes[right.args[0]] if right.op == "symbol" else evaluate(right, sizes)
        return binary(left, right)
    if op == "and":
        return all(evaluate(a, sizes) for a in args)
    if op == "or":
        return any(evaluate(a, sizes) for a in args)
    condition, then, otherwise = args
    return evaluate(then if evaluate(condition, sizes) else otherwise, sizes)


def names_in(expression: Any) -> frozenset[str]:
    """The names of the symbols in an expression, which remembers them."""
    kind = type(expression)
    if kind is not Dim and kind is not Condition:
        return _NONE
    names: frozenset[str] | None = expression.names
    if names is None:
        names = frozenset(expression.args) if expression.op == "symbol" else _union(expression.args)
        expression.names = names
    return names


def _union(expressions: Iterable[Any]) -> frozenset[str]:
    found = _NONE
    for expression in expressions:
        names = names_in(expression)
        found = found | names if found and names else found or names
    return found


_NONE: frozenset[str] = frozenset()


_OPPOSITE = {"==": "!=", "!=": "==", "<": "<=", "<=": "<"}
"""Of an inequality, with its sides exchanged."""

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "min": min,
    "max": max,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
}


def _render(op: str, args: tuple[Any, ...]) -> str:
    if op == "symbol":
        return str(args[0])
    if op in ("min", "max", "choose"):
        return f"{op}({', '.join(map(repr, args))})"
    return "(" + f" {op} ".join(map(repr, args)) + ")"
