"""Pairs: a producer and a consumer whose types can meet, those first that have not been seen."""

from __future__ import annotations

from graphfuzz.generator.growth import Growth
from graphfuzz.generator.job import ATTEMPTS_AN_ANCHOR, ATTEMPTS_AN_OPERATOR, Exhausted, Job
from graphfuzz.graph import Case, Value
from graphfuzz.spec.operator import Operator

CONSUMERS = 8
"""How many consumers are tried on one value."""


def make(job: Job) -> Case:
    """Two nodes: the producer whose turn it is, and a consumer of one of its outputs."""
    for producer in job.in_turn(job.operators):
        growth = job.growth()
        if not any(growth.insert(producer, thorough=left == 0) for left in reversed(range(ATTEMPTS_AN_OPERATOR))):
            continue
        outputs = growth.draft.nodes[0].outputs
        if any(_is_consumed(job, growth, producer, value) for value in job.rng.sample(outputs, len(outputs))):
            return job.finish(growth)
    raise Exhausted("no two of the operators make a pair")


def _is_consumed(job: Job, growth: Growth, producer: Operator, value: Value) -> bool:
    """Try to insert a consumer of a value of the producer; whether one was."""
    takers = job.takers(value)
    fresh = [op for op in takers if job.guide is not None and job.guide.is_new(producer.name, op.name)] or takers
    return any(
        growth.insert(op, anchor=value)
        for op in job.rng.sample(fresh, min(CONSUMERS, len(fresh)))
        for _ in range(ATTEMPTS_AN_ANCHOR)
    )
