"""The passes: plain functions from a case to the edits worth trying, the most promising first.

`PASSES` is the order in which the engine goes through them. A pass never judges: what an edit leads to is checked,
and kept only where it is smaller and shows the same defect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from graphfuzz.graph import Case, Graph, Node, Value
from graphfuzz.minimizer.arrays import FILLS, plainer
from graphfuzz.minimizer.edits import (
    Bind,
    Bypass,
    Drop,
    Edit,
    Fill,
    Keep,
    Rename,
    Replace,
    Unite,
    canonical_names,
)
from graphfuzz.minimizer.plain import fewer_axes, plain_attributes, plain_dtypes
from graphfuzz.minimizer.sizes import smaller_sizes
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry

Pass = Callable[[Case, Registry], Iterator[Edit]]
PLAIN_OPERATORS = 2
"""How many of the plainest operators are tried in a node's place."""


def isolate_one_node(case: Case, registry: Registry) -> Iterator[Edit]:
    """Each node alone, the last first: a defect shows where its effect is seen more often than far before it."""
    for node in reversed(case.graph.nodes):
        yield _isolation(case.graph, [node])


def isolate_neighbors(case: Case, registry: Registry) -> Iterator[Edit]:
    """Each node with one that it takes an operand from."""
    producers = case.graph.producers()
    for node in reversed(case.graph.nodes):
        for before in dict.fromkeys(producers[name].name for name in node.inputs if name in producers):
            yield _isolation(case.graph, [producers[before], node])


def keep_one_output(case: Case, registry: Registry) -> Iterator[Edit]:
    """Each output alone, with what it depends on."""
    graph = case.graph
    if len(graph.outputs) > 1:
        everything = tuple(node.name for node in graph.nodes)
        yield from (Keep(everything, (output,)) for output in reversed(graph.outputs))


def cut_at_a_tensor(case: Case, registry: Registry) -> Iterator[Edit]:
    """What lies after a tensor, which becomes an input; and what lies before it, which becomes the output.

    The cuts nearest to half of the graph come first, as in a binary search.
    """
    graph = case.graph
    half = len(graph.nodes) / 2
    edits = {edit: None for value in graph.producers() for edit in (_after(graph, value), _before(graph, value))}
    yield from sorted(edits, key=lambda edit: abs(len(edit.nodes) - half))


def drop_one_node(case: Case, registry: Registry) -> Iterator[Edit]:
    """All nodes but one; its outputs become inputs."""
    graph = case.graph
    for gone in reversed(graph.nodes):
        yield _isolation(graph, [node for node in graph.nodes if node is not gone])


def bypass_one_node(case: Case, registry: Registry) -> Iterator[Edit]:
    """An operand in place of an output of the same type."""
    values = case.graph.values()
    weights = {w.name for w in case.graph.weights}
    for node in reversed(case.graph.nodes):
        for output in node.outputs:
            for name in dict.fromkeys(node.inputs):
                operand = values[name]
                if name not in weights and (operand.dtype, operand.shape) == (output.dtype, output.shape):
                    yield Bypass(output.name, name)


def drop_one_output(case: Case, registry: Registry) -> Iterator[Edit]:
    """All outputs but one."""
    graph = case.graph
    if len(graph.outputs) > 1:
        everything = tuple(node.name for node in graph.nodes)
        for gone in graph.outputs:
            yield Keep(everything, tuple(o for o in graph.outputs if o != gone))


def fewer_bindings(case: Case, registry: Registry) -> Iterator[Edit]:
    """Static shapes; else one set of other sizes."""
    if case.bindings:
        yield Bind(())
    if len(case.bindings) > 1:
        yield from (Bind((number,)) for number in range(1, len(case.bindings) + 1))


def replace_one_node(case: Case, registry: Registry) -> Iterator[Edit]:
    """One of the plainest operators in the place of a node among others, on an operand of the type of its output."""
    if len(case.graph.nodes) == 1:
        return
    values = case.graph.values()
    weights = {w.name for w in case.graph.weights}
    for node in reversed(case.graph.nodes):
        if len(node.outputs) == 1:
            made = node.outputs[0]
            plain = _plainest(registry, case.framework, made)
            for name in dict.fromkeys(node.inputs):
                operand = values[name]
                if name not in weights and (operand.dtype, operand.shape) == (made.dtype, made.shape):
                    yield from (Replace(node.name, op.name, name) for op in plain if op.name != node.op)


def drop_one_operand(case: Case, registry: Registry) -> Iterator[Edit]:
    """One operand fewer for a node that takes any number."""
    for node in case.graph.nodes:
        parameters = registry[node.op].parameters
        if parameters[-1].variadic:
            for place in reversed(range(len(parameters) - 1, len(node.inputs))):
                yield Drop(node.name, place)


def unite_leaves(case: Case, registry: Registry) -> Iterator[Edit]:
    """One leaf where there are two of one type."""
    leaves = (*case.graph.inputs, *case.graph.weights)
    for i, other in enumerate(leaves):
        for leaf in leaves[i + 1 :]:
            if (leaf.dtype, leaf.shape) == (other.dtype, other.shape):
                yield Unite(leaf.name, other.name)


def plain_values(case: Case, registry: Registry) -> Iterator[Edit]:
    """Plainer values, the plainest first: for all leaves at once, then for one at a time."""
    groups = [tuple(case.tensors), *((name,) for name in case.tensors)]
    for leaves in groups if len(case.tensors) > 1 else groups[1:]:
        for how in FILLS:
            if any((plainer(case.tensors[name], how) != case.tensors[name]).any() for name in leaves):
                yield Fill(leaves, how)


def canonical_naming(case: Case, registry: Registry) -> Iterator[Edit]:
    """The names of a freshly grown graph."""
    if any(old != new for old, new in canonical_names(case.graph).items()):
        yield Rename()


PASSES: Sequence[Pass] = (
    fewer_bindings,
    isolate_one_node,
    isolate_neighbors,
    keep_one_output,
    cut_at_a_tensor,
    drop_one_node,
    bypass_one_node,
    drop_one_output,
    drop_one_operand,
    unite_leaves,
    smaller_sizes,
    fewer_axes,
    plain_dtypes,
    plain_attributes,
    plain_values,
    replace_one_node,
    canonical_naming,
)


def _plainest(registry: Registry, framework: str, value: Value) -> list[Operator]:
    """The operators of one tensor and no attributes that make a value of its own type, those first that are shortest
    to write."""
    alone = [
        op
        for op in registry.taking(value.dtype, len(value.shape), framework)
        if len(op.parameters) == 1 and not op.parameters[0].variadic and not op.attrs and op.returns == ("T",)
    ]
    return sorted(alone, key=lambda op: (len(str(op.emissions[framework].call)), op.name))[:PLAIN_OPERATORS]


def _isolation(graph: Graph, nodes: Iterable[Node]) -> Keep:
    """These nodes; as outputs what the graph outputs or other nodes use, and what no kept node uses."""
    chosen = {node.name for node in nodes}
    inside = {name for node in graph.nodes if node.name in chosen for name in node.inputs}
    outside = {name for node in graph.nodes if node.name not in chosen for name in node.inputs}
    wanted = outside | set(graph.outputs)
    made = [v.name for node in graph.nodes if node.name in chosen for v in node.outputs]
    ends = [name for name in made if name in wanted and name not in inside]
    outputs = ends or [name for name in made if name not in inside]
    kept = outputs + [name for name in made if name in graph.outputs and name not in outputs]
    return Keep(tuple(node.name for node in graph.nodes if node.name in chosen), tuple(kept))


def _before(graph: Graph, value: str) -> Keep:
    needed = {value}
    names = []
    for node in reversed(graph.nodes):
        if any(v.name in needed for v in node.outputs):
            needed.update(node.inputs)
            names.append(node.name)
    return Keep(tuple(reversed(names)), (value,))


def _after(graph: Graph, value: str) -> Keep:
    """The nodes that the outputs still need where `value` is given; outputs that the cut makes inputs vanish."""
    needed = set(graph.outputs) - {value}
    names = []
    for node in reversed(graph.nodes):
        if any(v.name in needed for v in node.outputs):
            needed.update(name for name in node.inputs if name != value)
            names.append(node.name)
    return Keep(tuple(reversed(names)), tuple(o for o in graph.outputs if o != value))
