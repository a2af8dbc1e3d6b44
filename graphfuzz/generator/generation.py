"""Cases and graphs, whole: what a recipe stands for, and single uses of an operator."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import msgspec

from graphfuzz.generator.bars import Bar
from graphfuzz.generator.bindings import with_bindings
from graphfuzz.generator.growth import Growth
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.job import ATTEMPTS_A_NODE, ATTEMPTS_AN_OPERATOR, Exhausted, Job
from graphfuzz.generator.lanes import CONTROL, LANES
from graphfuzz.generator.profile import Profile
from graphfuzz.generator.recipe import Recipe
from graphfuzz.generator.support import Support
from graphfuzz.graph import Case, Graph
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry


def generate(
    recipe: Recipe,
    registry: Registry,
    profile: Profile | None = None,
    guide: Guide | None = None,
    start: Case | None = None,
    support: Support | None = None,
    bars: Sequence[Bar] = (),
) -> Case:
    """The case that a recipe stands for, made by its lane; by random growth where the operators at hand leave the lane
    nothing. Raises Exhausted.

    guide: what the epochs before have seen; None for an unguided case. start: what a mutation starts from; a random
    graph, where it is None. support: what is known of the route that the case is for; uses that it refuses are avoided,
    if there are others. bars: patterns of nodes that it has only where it cannot be made without. The origin's `lane`
    tells who made it.
    """
    job = Job(recipe, registry, profile, guide, start, support, bars)
    try:
        case = LANES[recipe.lane].make(job)
    except Exhausted:
        if support is not None:
            return generate(recipe, registry, profile, guide, start, bars=bars)
        if recipe.lane != CONTROL:
            return generate(msgspec.structs.replace(recipe, lane=CONTROL), registry, profile, guide, bars=bars)
        if bars:
            return generate(recipe, registry, profile, guide)
        raise
    if job.favored is not None or job.rng.random() >= recipe.dynamic:
        return case
    return with_bindings(case, registry, job.rng, recipe.max_elements, job.profile.solver)


def generate_graph(
    recipe: Recipe, registry: Registry, profile: Profile | None = None, guide: Guide | None = None
) -> Graph:
    """A randomly grown graph of as many nodes as a recipe asks for, without values: its types are valid, but its
    operators may be undefined on what they get. Raises Exhausted."""
    job = Job(recipe, registry, profile, guide)
    growth = job.growth(valued=False)
    job.extend(growth, recipe.nodes)
    return growth.draft.graph()


def single_operator_case(
    op: Operator,
    framework: str,
    rng: random.Random,
    bound: Mapping[str, str] | None = None,
    max_elements: int = 512,
    profile: Profile | None = None,
    favored: int | None = None,
    special: bool = False,
) -> Case:
    """A case whose graph is one use of the operator. Raises Exhausted.

    bound: dtypes of its variables. favored: a size that operands often have; axes are empty only where it is 0.
    special: whether floats have NaN or infinities among them, if the operator declares itself for them.
    """
    for attempt in range(ATTEMPTS_A_NODE):
        growth = Growth(framework, rng, max_elements, profile=profile, favored=favored, special=float(special))
        if growth.insert(op, bound, thorough=attempt >= ATTEMPTS_AN_OPERATOR):
            graph = growth.draft.graph()
            leaves = {v.name: growth.values.arrays[v.name] for v in (*graph.inputs, *graph.weights)}
            return Case(graph, framework, leaves, {"operator": op.name})
    raise Exhausted(f"no use of {op.name} found in {ATTEMPTS_A_NODE} attempts (dtypes {dict(bound or {})})")
