"""Cases and graphs, whole: what a recipe stands for, and single uses of an operator."""

from __future__ import annotations

import random
from collections.abc import Mapping

from graphfuzz.generator.growth import Growth
from graphfuzz.generator.recipe import Recipe
from graphfuzz.graph import Case, Graph
from graphfuzz.solver import Profile
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry

ANCHORED = 0.6
"""How often an operator is sought for a value that no node uses, instead of operands for an operator."""
BACKWARD = 0.1
"""How often a node is sought that makes what has been an input."""
ATTEMPTS_A_NODE = 60
"""How many operators are drawn for each node asked for."""
ATTEMPTS_AN_OPERATOR = 8
"""How many uses of a drawn operator are tried before another is drawn: demanding operators must not become rare. In the
last one z3 is asked for sizes."""


ATTEMPTS_AN_ANCHOR = 2
"""How many uses of an operator are tried on a value, before another value and operator are drawn."""


class Exhausted(Exception):
    """No further node was found in the attempts allowed."""


def generate(recipe: Recipe, registry: Registry, profile: Profile | None = None) -> Case:
    """The case that a recipe stands for: as many nodes as it asks for. Raises Exhausted."""
    growth, favored = _grown(recipe, registry, profile, valued=True)
    mark = {} if favored is None else {"favored_size": favored}
    return _case(growth, {"seed": recipe.seed, "index": recipe.index, **mark})


def generate_graph(recipe: Recipe, registry: Registry, profile: Profile | None = None) -> Graph:
    """A graph of as many nodes as a recipe asks for, without values: its types are valid, but its operators may be
    undefined on what they get. Raises Exhausted."""
    return _grown(recipe, registry, profile, valued=False)[0].graph()


def _grown(recipe: Recipe, registry: Registry, profile: Profile | None, valued: bool) -> tuple[Growth, int | None]:
    rng = recipe.rng()
    favored = recipe.favored_size(rng)
    growth = Growth(
        recipe.framework,
        rng,
        recipe.max_elements,
        nodes=recipe.nodes,
        profile=profile,
        favored=favored,
        valued=valued,
    )
    at_hand = registry.of(recipe.framework, recipe.operators)
    if not at_hand:
        raise Exhausted(f"none of the operators {', '.join(recipe.operators or registry)} exists in {recipe.framework}")
    for _ in range(recipe.nodes * ATTEMPTS_A_NODE):
        if len(growth.nodes) == recipe.nodes:
            return growth, favored
        _extend(growth, registry, recipe.operators, rng)
    raise Exhausted(
        f"{len(growth.nodes)} of {recipe.nodes} nodes with {recipe.nodes * ATTEMPTS_A_NODE} operators tried"
    )


def _extend(growth: Growth, registry: Registry, names: tuple[str, ...], rng: random.Random) -> bool:
    """Try to insert a node: onto an unused value, before an input, or wherever an operator fits; whether one was."""
    chance = rng.random()
    anchor = growth.pool.unused() if chance < ANCHORED else None
    if anchor is not None:
        takers = registry.taking(anchor.dtype, len(anchor.shape), growth.framework, names)
        op = rng.choice(takers) if takers else None
        return op is not None and any(growth.insert(op, ask=False, anchor=anchor) for _ in range(ATTEMPTS_AN_ANCHOR))
    op = rng.choice(registry.of(growth.framework, names))
    if growth.nodes and chance > 1 - BACKWARD and growth.insert_before(op):
        return True
    return any(growth.insert(op, ask=left == 0) for left in reversed(range(ATTEMPTS_AN_OPERATOR)))


def single_operator_case(
    op: Operator,
    framework: str,
    rng: random.Random,
    bound: Mapping[str, str] | None = None,
    max_elements: int = 512,
    profile: Profile | None = None,
    favored: int | None = None,
) -> Case:
    """A case whose graph is one use of the operator. Raises Exhausted.

    bound: dtypes of its variables. favored: a size that operands often have; axes are empty only where it is 0.
    """
    for attempt in range(ATTEMPTS_A_NODE):
        growth = Growth(framework, rng, max_elements, profile=profile, favored=favored)
        if growth.insert(op, bound, ask=attempt >= ATTEMPTS_AN_OPERATOR):
            return _case(growth, {"operator": op.name})
    raise Exhausted(f"no use of {op.name} found in {ATTEMPTS_A_NODE} attempts (dtypes {dict(bound or {})})")


def _case(growth: Growth, origin: Mapping[str, object]) -> Case:
    graph = growth.graph()
    leaves = {v.name: growth.arrays[v.name] for v in (*graph.inputs, *graph.weights)}
    return Case(graph, growth.framework, leaves, dict(origin))
