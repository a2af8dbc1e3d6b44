"""Random growth: without a guide the control, with one steered toward what is new."""

from __future__ import annotations

from graphfuzz.generator.job import Job
from graphfuzz.graph import Case


def make(job: Job) -> Case:
    """A graph of as many nodes as the recipe asks for."""
    growth = job.growth()
    job.extend(growth, job.recipe.nodes)
    return job.finish(growth)
