"""Single operators, swept over their dtypes, ranks and attribute bins.

The turns of the lane walk over all operators in an order of the campaign's own. Each visit aims at one use of the
operator that nothing has shown yet: a dtype and rank of its first operand, or an attribute in a bin.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import msgspec

from graphfuzz.generator.job import ATTEMPTS_AN_OPERATOR, Exhausted, Job
from graphfuzz.generator.narrowing import Binned, narrowed
from graphfuzz.graph import Case, attribute_bin, attribute_use, typed_use
from graphfuzz.spec.dtype_bindings import bindings
from graphfuzz.spec.operator import Operator

SAMPLES = 60
"""How many values of an attribute are drawn to learn its bins."""
MOST_BINS = 12
"""The most bins of one attribute that are aimed at: lists of sizes have hundreds."""


class Target(msgspec.Struct, frozen=True):
    """A use by its name in `Features`, and what makes it: the dtypes of the operator's variables with a rank of its
    first operand, or an attribute with a bin."""

    use: str
    bound: Mapping[str, str] | None = None
    rank: int | None = None
    bins: Mapping[str, str] = {}

    def narrowed(self, op: Operator) -> Operator:
        """The operator with no uses but these."""
        attrs = {name: Binned(op.attrs[name], bin_) for name, bin_ in self.bins.items()}
        return narrowed(op, attrs, None if self.rank is None else [self.rank])


def make(job: Job) -> Case:
    """One node: the operator whose turn it is, in a use that has not been seen."""
    rounds = job.recipe.turn // len(job.operators)
    for op in job.in_turn(job.operators):
        aims = [aim for aim in targets(op, job.recipe.framework) if not (job.support and job.support.refuses(aim.use))]
        if not aims:
            continue
        left = [aim for aim in aims if job.guide is None or aim.use not in job.guide.uses] or aims
        aim = left[rounds % len(left)]
        case = _used(job, aim.narrowed(op), aim.bound) or _used(job, op, None)
        if case is not None:
            return case
    raise Exhausted("none of the operators can be used alone")


def _used(job: Job, op: Operator, bound: Mapping[str, str] | None) -> Case | None:
    """A graph of one use of the operator, or None."""
    for left in reversed(range(ATTEMPTS_AN_OPERATOR)):
        growth = job.growth()
        if growth.insert(op, bound, thorough=left == 0):
            return job.finish(growth)
    return None


def targets(op: Operator, framework: str) -> Sequence[Target]:
    """The uses that are aimed at: each dtype binding at each rank, each bin of each attribute, in a random order."""
    rng = random.Random(f"{op.name}/{framework}")
    found = typed_targets(op, framework)
    for name, kind in op.attrs.items():
        drawn = (kind.draw(rng, drawn_ranks(op, rng).__getitem__) for _ in range(SAMPLES))
        bins = list(dict.fromkeys(map(attribute_bin, drawn)))[:MOST_BINS]
        found += [Target(attribute_use(op.name, name, bin_), bins={name: bin_}) for bin_ in bins]
    return rng.sample(found, len(found))


def typed_targets(op: Operator, framework: str) -> list[Target]:
    """Each dtype binding at each rank of the first operand."""
    first = op.parameters[0]
    return [
        Target(typed_use(op.name, bound.get(first.dtype, first.dtype), rank), bound, rank)
        for bound in bindings(op, framework)
        for rank in first.ranks
    ]


def drawn_ranks(op: Operator, rng: random.Random) -> Mapping[str, int]:
    """A rank of each operand, by name."""
    return {parameter.name: rng.choice(parameter.ranks) for parameter in op.parameters}
