"""Mutations: a case that failed, or that a corpus keeps, made again with one thing changed.

The graph is replayed node by node into a new one, under the rules of growth. A node that no longer fits as it was gets
other attributes, then other operands, and is left out at last; what needed it has something else made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from graphfuzz.generator.job import Exhausted, Job
from graphfuzz.generator.narrowing import fixed
from graphfuzz.generator.net import GrowingNet, placed
from graphfuzz.graph import LIMITS, Array, Case, Node, Value, text, within
from graphfuzz.spec.attributes import draw_size
from graphfuzz.spec.dtypes import BOOL, COMPLEX, FLOATS, INTEGERS
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import Rejected

ATTEMPTS = 12
"""How many mutations are tried."""
OTHERS = 12
"""How many operators are tried in the place of one."""
MOST_GROWN = 3
"""The most nodes that a mutation grows."""
LARGEST = 12
"""The largest size that takes another one's place."""
GROUPS = (FLOATS, INTEGERS + BOOL, COMPLEX)
"""Dtypes that take each other's place."""

Change = Callable[[GrowingNet, Node, Sequence[Value | None]], Sequence[Value]]
"""Inserts what shall stand for a node on the operands that it has in the new graph. Raises Rejected."""


def make(job: Job) -> Case:
    """The job's start, or a random graph where there is none that the operators at hand make, changed in one thing."""
    start = job.start
    if start is None or not job.allows(start.graph):
        growth = job.growth()
        job.extend(growth, job.recipe.nodes)
        start = job.finish(growth)
    before = text(start.graph)
    told = {name: start.origin[name] for name in ("seed", "index") if name in start.origin}
    for _ in range(ATTEMPTS):
        mutation = job.rng.choice(MUTATIONS)
        net = GrowingNet(job.growth(), job.operators)
        try:
            mutation(job, net, start)
        except Rejected:
            continue
        case = job.finish(net.growth, mutation=mutation.__name__, of=told)
        if case.graph.nodes and text(case.graph) != before:
            return case
    raise Exhausted("no mutation of the graph was found")


def grown(job: Job, net: GrowingNet, start: Case) -> None:
    """Further nodes, behind the others or before them."""
    _replay(net, start, start.tensors)
    job.extend(net.growth, len(net.growth.draft.nodes) + job.rng.randint(1, MOST_GROWN))


def replaced(job: Job, net: GrowingNet, start: Case) -> None:
    """Another operator in a node's place: it takes the same operands and makes the same type."""

    def change(net: GrowingNet, node: Node, live: Sequence[Value | None]) -> Sequence[Value]:
        parameters = parameters_of(net.operators[node.op], len(live))
        tensors = [v for p, v in zip(parameters, live, strict=True) if v is not None and p.role == "tensor"]
        takers = [op for op in job.takers(tensors[0]) if op.name != node.op] if tensors else []
        for op in job.rng.sample(takers, min(OTHERS, len(takers))):
            try:
                return net.insert(op, placed(op, tensors, net.rng), node.outputs[0])
            except Rejected:
                continue
        raise Rejected("an operator of the same type is found")

    _replay(net, start, start.tensors, job.rng.choice(start.graph.nodes), change)


def redrawn(job: Job, net: GrowingNet, start: Case) -> None:
    """Other attributes of a node."""

    def change(net: GrowingNet, node: Node, live: Sequence[Value | None]) -> Sequence[Value]:
        made = net.insert(net.operators[node.op], live)
        net.require(net.growth.draft.nodes[-1].attrs != node.attrs, "the attributes are others")
        return made

    having = [node for node in start.graph.nodes if node.attrs]
    net.require(bool(having), "a node has attributes")
    _replay(net, start, start.tensors, job.rng.choice(having), change)


def retyped(job: Job, net: GrowingNet, start: Case) -> None:
    """Another dtype in place of one that leaves have."""
    old = str(job.rng.choice(list(start.tensors.values())).dtype)
    others = [d for group in GROUPS if old in group for d in group if d != old and d in (job.recipe.dtypes or group)]
    net.require(bool(others), "there is another dtype of the kind")
    new = job.rng.choice(others)
    with np.errstate(all="ignore"):
        cast = {name: a.astype(new) if a.dtype == old else a for name, a in start.tensors.items()}
    _replay(net, start, cast)


def resized(job: Job, net: GrowingNet, start: Case) -> None:
    """Another size in place of one that leaves have; their values are repeated, or cut."""
    sizes = sorted({size for array in start.tensors.values() for size in array.shape})
    net.require(bool(sizes), "there are axes")
    old, new = job.rng.choice(sizes), draw_size(job.rng, 1, LARGEST)

    def other(array: Array) -> Array:
        shape = tuple(new if size == old else size for size in array.shape)
        net.require(math.prod(shape) <= job.recipe.max_elements, "no tensor is too large")
        return np.resize(array, shape)

    _replay(net, start, {name: other(array) for name, array in start.tensors.items()})


MUTATIONS = (grown, replaced, redrawn, retyped, resized)


def _replay(
    net: GrowingNet, start: Case, tensors: dict[str, Array], at: Node | None = None, change: Change | None = None
) -> None:
    """Insert the start's nodes, on these values of its leaves, with a change at one node. Raises Rejected for that."""
    inputs = start.inputs()
    held: dict[str, Value] = {}
    for name, array in tensors.items():
        limit = LIMITS[str(array.dtype)]
        net.require(array.dtype == bool or within(array, (-limit, limit)), "values are of ordinary magnitude")
        held[name] = net.growth.add_leaf(array, as_input=name in inputs)
    for node in start.graph.nodes:
        live = [held.get(name) for name in node.inputs]
        if node is at and change is not None:
            made = change(net, node, live)
        else:
            made = _again(net, node, live, [None if name in tensors else held.get(name) for name in node.inputs])
        held.update((old.name, new) for old, new in zip(node.outputs, made, strict=False))


def _again(net: GrowingNet, node: Node, live: Sequence[Value | None], inner: Sequence[Value | None]) -> Sequence[Value]:
    """The node as it was; else with other attributes, then on leaves of its own; else nothing."""
    op = net.operators[node.op]
    for attrs, operands in ((node.attrs, live), ({}, live), ({}, inner)):
        try:
            return net.insert(fixed(op, attrs), operands)
        except Rejected:
            continue
    return ()
