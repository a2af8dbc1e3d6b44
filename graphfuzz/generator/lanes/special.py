"""NaN and infinities in some elements of leaves, for operators that declare what becomes of them.

Operators that do not take ordinary operands only: what such a graph makes of a special value, every one of its nodes
defines (see `graphfuzz.graph.ordinary`).
"""

from __future__ import annotations

from graphfuzz.generator.growth import Growth
from graphfuzz.generator.job import Exhausted, Job
from graphfuzz.graph import Case, is_special
from graphfuzz.spec.dtypes import is_float

SHARE = 0.6
"""The share of operands made for operators that declare themselves, which get NaN or infinities in some elements."""
GRAPHS = 16
"""How many graphs are grown until a special value shows."""


def make(job: Job) -> Case:
    """Nodes of operators that declare themselves, then random ones; a special value of theirs shows."""
    declared = [op for op in job.operators if job.recipe.framework in op.special]
    for _ in range(GRAPHS if declared else 0):
        growth = job.growth(special=SHARE)
        job.only(declared).extend(growth, job.rng.randint(1, job.recipe.nodes))
        job.extend(growth, job.recipe.nodes)
        if _shows(growth):
            return job.finish(growth)
    raise Exhausted("no graph of the operators at hand shows NaN or an infinity")


def _shows(growth: Growth) -> bool:
    """Whether NaN or an infinity is in an output, or an operand of a node that makes no float of it: a predicate."""
    arrays = growth.values.arrays
    outputs = growth.draft.graph().outputs
    if any(is_special(arrays[name]) for name in outputs):
        return True
    return any(
        is_special(arrays[name])
        for node in growth.draft.nodes
        if not all(is_float(value.dtype) for value in node.outputs)
        for name in node.inputs
    )
