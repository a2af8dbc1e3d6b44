"""Which uses of operators a route refuses, found by trying them alone.

What is refused is nearly always one use of an operator on a dtype and rank. A graph that is refused does not say which;
so each of its uses that has not been seen to be taken is tried alone, on the operands that it has there.
"""

from __future__ import annotations

import time
from collections import Counter

import msgspec

from graphfuzz.generator import Support, support_of
from graphfuzz.graph import Case, Features, evaluate, use_of
from graphfuzz.minimizer.edits import Keep, edited
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import OK, UNSTABLE, UNSUPPORTED, WRONG_OUTPUT, Outcome
from graphfuzz.spec.registry import Registry

TAKEN = (OK, UNSTABLE, WRONG_OUTPUT)
"""The verdicts on a model that was converted, and ran."""
TRIALS = 4
"""How many uses of a case are tried: each takes a conversion, and others will show the rest."""


class Trials(msgspec.Struct, frozen=True):
    """The uses that were taken, and those that were refused, each alone; the wall seconds that it took, and of them
    those in each stage."""

    taken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    seconds: float = 0.0
    stages: dict[str, float] = {}


def try_alone(case: Case, route: Route, registry: Registry, known: Support, tolerance: Tolerance) -> Trials:
    """Judge `TRIALS` uses of a case, each alone at the sizes of the case itself, of which nothing is known; first those
    of whose operator nothing was taken yet."""
    started = time.perf_counter()
    values = [evaluate(case.graph, case.tensors, registry)]
    static = msgspec.structs.replace(case, bindings=())
    types = case.graph.values()
    uses = {use_of(node, types): node for node in case.graph.nodes}
    unknown = [(use, node) for use, node in uses.items() if use not in known.taken and not known.refuses(use)]
    taken = {use.partition(" ")[0] for use in known.taken}
    found: dict[str, str] = {}
    stages: Counter[str] = Counter()
    for use, node in sorted(unknown, key=lambda one: one[1].op in taken)[:TRIALS]:
        alone = edited(static, Keep((node.name,), tuple(value.name for value in node.outputs)), values, registry)
        if alone is not None:
            outcome = judge(alone, route, registry, tolerance=tolerance)
            found[use] = outcome.verdict
            stages.update(outcome.seconds)
    return Trials(
        tuple(use for use, verdict in found.items() if verdict in TAKEN),
        tuple(use for use, verdict in found.items() if verdict == UNSUPPORTED),
        time.perf_counter() - started,
        dict(stages),
    )


class Refusals:
    """What the executions of a campaign tell of a route. known: what it begins with."""

    def __init__(self, known: Support = Support()) -> None:  # noqa: B008 - frozen
        self.taken = set(known.taken)
        self.refused = set(known.refused)

    def add(self, outcome: Outcome, seen: Features, trials: Trials) -> None:
        """Take in an execution, and what was tried because of it."""
        if outcome.verdict in TAKEN:
            self.taken.update(seen.typed_uses)
        self.taken.update(trials.taken)
        self.refused.update(trials.refused)

    def support(self, name: str) -> Support:
        """What is known."""
        return support_of(self.taken, self.refused, name)
