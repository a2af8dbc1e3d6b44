"""Cases and graphs, whole: what a recipe stands for, and single uses of an operator."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from graphfuzz.generator.bindings import with_bindings
from graphfuzz.generator.growth import Growth
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.profile import Profile
from graphfuzz.generator.recipe import Recipe
from graphfuzz.graph import Case, Graph, Value
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry

ANCHORED, ANCHORED_BY_GUIDE = 0.6, 0.95
"""How often an operator is sought for a value that no node uses, instead of operands for an operator."""
BACKWARD = 0.25
"""How often, of the other times, a node is sought that makes what has been an input."""
ATTEMPTS_A_NODE = 60
"""How many operators are drawn for each node asked for."""
ATTEMPTS_AN_OPERATOR = 8
"""How many uses of a drawn operator are tried before another is drawn: demanding operators must not become rare. In the
last one no way to sizes and values is too dear."""
ATTEMPTS_AN_ANCHOR = 2
"""How many uses of an operator are tried on a value, before another value and operator are drawn."""


class Exhausted(Exception):
    """No further node was found in the attempts allowed."""


def generate(recipe: Recipe, registry: Registry, profile: Profile | None = None, guide: Guide | None = None) -> Case:
    """The case that a recipe stands for: as many nodes as it asks for. Raises Exhausted."""
    growth = _grown(recipe, registry, profile, guide, valued=True)
    favored = growth.sizer.favored
    mark = {} if favored is None else {"favored_size": favored}
    case = _case(growth, {"seed": recipe.seed, "index": recipe.index, **mark})
    if favored is not None or growth.rng.random() >= recipe.dynamic:
        return case
    return with_bindings(case, registry, growth.rng, recipe.max_elements, (profile or Profile()).solver)


def generate_graph(
    recipe: Recipe, registry: Registry, profile: Profile | None = None, guide: Guide | None = None
) -> Graph:
    """A graph of as many nodes as a recipe asks for, without values: its types are valid, but its operators may be
    undefined on what they get. Raises Exhausted."""
    return _grown(recipe, registry, profile, guide, valued=False).draft.graph()


def _grown(recipe: Recipe, registry: Registry, profile: Profile | None, guide: Guide | None, valued: bool) -> Growth:
    rng = recipe.rng()
    favored = recipe.favored_size(rng)
    growth = Growth(
        recipe.framework,
        rng,
        recipe.max_elements,
        max_total=recipe.max_total_elements,
        nodes=recipe.nodes,
        profile=profile,
        favored=favored,
        valued=valued,
        guide=guide,
    )
    at_hand = registry.of(recipe.framework, recipe.operators)
    if not at_hand:
        raise Exhausted(f"none of the operators {', '.join(recipe.operators or registry)} exists in {recipe.framework}")
    for _ in range(recipe.nodes * ATTEMPTS_A_NODE):
        if len(growth.draft.nodes) == recipe.nodes:
            return growth
        _extend(growth, registry, recipe.operators, rng)
    raise Exhausted(
        f"{len(growth.draft.nodes)} of {recipe.nodes} nodes with {recipe.nodes * ATTEMPTS_A_NODE} operators tried"
    )


def _extend(growth: Growth, registry: Registry, names: tuple[str, ...], rng: random.Random) -> bool:
    """Try to insert a node: onto an unused value, before an input, or wherever an operator fits; whether one was."""
    guided = growth.guide is not None
    anchored = rng.random() < (ANCHORED_BY_GUIDE if guided else ANCHORED)
    anchor = growth.draft.pool.unused(newest=guided) if anchored else None
    if anchor is not None:
        takers = registry.taking(anchor.dtype, len(anchor.shape), growth.framework, names)
        op = _choose(growth, anchor, takers, rng) if takers else None
        return op is not None and any(growth.insert(op, anchor=anchor) for _ in range(ATTEMPTS_AN_ANCHOR))
    op = _choose(growth, None, registry.of(growth.framework, names), rng)
    if growth.draft.nodes and rng.random() < BACKWARD and growth.insert_before(op):
        return True
    return any(growth.insert(op, thorough=left == 0) for left in reversed(range(ATTEMPTS_AN_OPERATOR)))


def _choose(growth: Growth, anchor: Value | None, operators: Sequence[Operator], rng: random.Random) -> Operator:
    """Any operator, or what the guide prefers behind an unused value and those of its type."""
    if growth.guide is None:
        return rng.choice(operators)
    alike = [] if anchor is None else growth.draft.pool.alike(anchor)
    others = [growth.draft.producers[value.name] for value in alike if value.name in growth.draft.producers]
    first = None if anchor is None else growth.draft.producers.get(anchor.name)
    return growth.guide.choose([first, *others], operators, rng)


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
        if growth.insert(op, bound, thorough=attempt >= ATTEMPTS_AN_OPERATOR):
            return _case(growth, {"operator": op.name})
    raise Exhausted(f"no use of {op.name} found in {ATTEMPTS_A_NODE} attempts (dtypes {dict(bound or {})})")


def _case(growth: Growth, origin: Mapping[str, object]) -> Case:
    graph = growth.draft.graph()
    leaves = {v.name: growth.values.arrays[v.name] for v in (*graph.inputs, *graph.weights)}
    return Case(graph, growth.framework, leaves, dict(origin))
