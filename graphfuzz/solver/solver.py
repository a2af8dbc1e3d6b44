"""Sizes that satisfy a rule's conditions, by z3; the only module that imports it.

A call is a pure function of its arguments: each works in a z3 context of its own with a fixed seed, and its effort is
bounded by z3's resource count instead of a clock, so the answer depends neither on what the process did before nor on
the machine's load.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import z3

from graphfuzz.spec.dims import Condition, Dim, names_in

EFFORT = 2_000_000
"""z3 resource units a call may use: some 100 ms of a 2020s core."""


class Profile(msgspec.Struct):
    """How often z3 was asked, by reason, how long it took, and how often it gave up."""

    calls: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    seconds: dict[str, float] = msgspec.field(default_factory=lambda: defaultdict(float))
    gave_up: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        """Read from a journal, these are plain dictionaries."""
        self.calls, self.gave_up = defaultdict(int, self.calls), defaultdict(int, self.gave_up)
        self.seconds = defaultdict(float, self.seconds)

    def add(self, other: Profile) -> None:
        """Count what another profile has, too."""
        for reason in other.calls:
            self.calls[reason] += other.calls[reason]
            self.seconds[reason] += other.seconds[reason]
            self.gave_up[reason] += other.gave_up.get(reason, 0)


class Unsatisfiable(Exception):
    """No sizes satisfy the conditions; `reasons` are the requirements that contradict each other."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class GaveUp(Exception):
    """z3 used up its effort without an answer."""


def solve(
    conditions: Sequence[tuple[Condition, str]],
    preferred: Mapping[str, int],
    *,
    reason: str,
    profile: Profile,
    low: int = 0,
    high: int = 1 << 16,
) -> dict[str, int]:
    """A size in [low, high] for each symbol of the conditions, as many as possible equal to the `preferred` ones.

    reason: what z3 is asked for, for the profile. Raises Unsatisfiable with the reasons that contradict each other,
    and GaveUp after `EFFORT`.
    """
    started = time.perf_counter()
    profile.calls[reason] += 1
    try:
        return _Query(conditions, low, high).answer(preferred)
    except GaveUp:
        profile.gave_up[reason] += 1
        raise
    finally:
        profile.seconds[reason] += time.perf_counter() - started


class _Query:
    """One solver in one context."""

    def __init__(self, conditions: Sequence[tuple[Condition, str]], low: int, high: int) -> None:
        self.context = z3.Context()
        self.solver = z3.Solver(ctx=self.context)
        self.solver.set("rlimit", EFFORT)
        self.solver.set("random_seed", 0)
        self.variables: dict[str, Any] = {}
        self.reasons: list[str] = []
        for condition, reason in conditions:
            for name in sorted(names_in(condition)):
                if name not in self.variables:
                    variable = self.variables[name] = z3.Int(name, self.context)
                    self.solver.add(variable >= low, variable <= high)
            self.solver.assert_and_track(self.translate(condition), z3.Bool(f"#{len(self.reasons)}", self.context))
            self.reasons.append(reason)

    def translate(self, expression: Any) -> Any:
        """The z3 term of an expression. Division needs a positive divisor, where z3's and Python's agree."""
        if isinstance(expression, bool):
            return z3.BoolVal(expression, self.context)
        if isinstance(expression, int):
            return z3.IntVal(expression, self.context)
        if not isinstance(expression, Dim | Condition):
            raise TypeError(f"a rule built {expression!r}, which is no size")
        if expression.op == "symbol":
            return self.variables[expression.args[0]]
        return _TERMS[expression.op](*(self.translate(a) for a in expression.args))

    def answer(self, preferred: Mapping[str, int]) -> dict[str, int]:
        wishes = {
            f"wish {name}": self.variables[name] == value for name, value in preferred.items() if name in self.variables
        }
        for label, wish in wishes.items():
            self.solver.add(z3.Implies(z3.Bool(label, self.context), wish))
        held = sorted(wishes)
        while True:
            result = self.solver.check(*(z3.Bool(label, self.context) for label in held))
            if result == z3.sat:
                model = self.solver.model()
                return {n: model.eval(v, model_completion=True).as_long() for n, v in self.variables.items()}
            if result == z3.unknown:
                raise GaveUp(self.solver.reason_unknown())
            core = [str(label) for label in self.solver.unsat_core()]
            contested = sorted(label for label in core if label in wishes)
            if not contested:
                raise Unsatisfiable(sorted({self.reasons[int(label[1:])] for label in core}))
            held.remove(contested[-1])


_TERMS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a / b,
    "%": lambda a, b: a % b,
    "min": lambda a, b: z3.If(a <= b, a, b),
    "max": lambda a, b: z3.If(a >= b, a, b),
    "choose": z3.If,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "and": z3.And,
    "or": z3.Or,
}
