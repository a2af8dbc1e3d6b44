"""What may be done to a case, as data, and the doing of it.

An edit is a small frozen record, so that a reduction can be told, counted and done again. Key insight: dropping a node,
cutting the graph at a tensor and keeping one output are one edit, `Keep`: whatever the kept nodes need from a node
that is gone becomes an input, fed with the value it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from graphfuzz.errors import InvalidGraph
from graphfuzz.graph import Array, Case, Graph, Node, Value, kept, pruned, retyped
from graphfuzz.minimizer.arrays import converted, fitted, plainer
from graphfuzz.spec.registry import Registry


class Keep(msgspec.Struct, frozen=True, tag=True):
    """Keep these nodes (by name) and outputs; missing operands become inputs with their recorded values."""

    nodes: tuple[str, ...]
    outputs: tuple[str, ...]


class Bypass(msgspec.Struct, frozen=True, tag=True):
    """Take one of a node's operands in place of one of its outputs."""

    output: str
    operand: str


class Replace(msgspec.Struct, frozen=True, tag=True):
    """Another operator in place of a node's, without attributes, on one of its operands."""

    node: str
    op: str
    operand: str


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Take the operand at a place away from a node."""

    node: str
    place: int


class Unite(msgspec.Struct, frozen=True, tag=True):
    """Take one leaf in place of another one of the same type."""

    leaf: str
    other: str


class Retype(msgspec.Struct, frozen=True, tag=True):
    """Other types for inputs and weights, whose values are cut to size and converted; other attributes for nodes (by
    name; those that are not named stay). at_end: whether the last values along each axis are kept, not the first."""

    leaves: tuple[Value, ...] = ()
    attrs: tuple[tuple[str, dict[str, Any]], ...] = ()
    at_end: bool = False


class Fill(msgspec.Struct, frozen=True, tag=True):
    """Plainer values for inputs and weights: "zero", "one", "minus one", "bare" (zeros beside NaN and infinities),
    "integer" (those rounded) or "short" (few digits)."""

    leaves: tuple[str, ...]
    how: str


class Bind(msgspec.Struct, frozen=True, tag=True):
    """Keep these of the inputs of other sizes, by number from 1; with none the shapes are static."""

    bindings: tuple[int, ...]


class Rename(msgspec.Struct, frozen=True, tag=True):
    """The names that a graph grown in this shape would have: x0, x1, ... w0, ... v0, ..."""


Edit: TypeAlias = Keep | Bypass | Replace | Drop | Unite | Retype | Fill | Bind | Rename
Bindings: TypeAlias = Sequence[Mapping[str, Array]]
"""Every value of a graph by name, at each of the case's bindings, its own first."""


def edited(case: Case, edit: Edit, values: Bindings, registry: Registry) -> Case | None:
    """The case after an edit; `values` are those of everything in the graph. None where the edit makes no graph."""
    graph = case.graph
    match edit:
        case Keep():
            return _leaves(case, kept(graph, edit.nodes, edit.outputs), values)
        case Bypass():
            return _leaves(case, bypassed(graph, edit.output, edit.operand), values)
        case Unite():
            return _leaves(case, united(graph, edit.leaf, edit.other), values)
        case Replace():
            return _changed(case, edit.node, values, registry, op=edit.op, inputs=(edit.operand,), attrs={})
        case Drop():
            (node,) = (n for n in graph.nodes if n.name == edit.node)
            left = node.inputs[: edit.place] + node.inputs[edit.place + 1 :]
            return _changed(case, edit.node, values, registry, inputs=left)
        case Retype():
            return _retyped(case, edit, registry)
        case Fill():
            return msgspec.structs.replace(
                case,
                tensors=_filled(case.tensors, edit),
                bindings=tuple(_filled(inputs, edit) for inputs in case.bindings),
            )
        case Bind():
            return msgspec.structs.replace(case, bindings=tuple(case.bindings[i - 1] for i in edit.bindings))
        case Rename():
            return renamed(case)


def _changed(case: Case, name: str, values: Bindings, registry: Registry, **fields: Any) -> Case | None:
    """The case with a node changed, and what is then unused removed."""
    graph = case.graph
    nodes = tuple(msgspec.structs.replace(n, **fields) if n.name == name else n for n in graph.nodes)
    try:
        graph = retyped(msgspec.structs.replace(graph, nodes=nodes), registry, case.framework)
    except InvalidGraph:
        return None
    return _leaves(case, pruned(graph), values)


def _retyped(case: Case, edit: Retype, registry: Registry) -> Case | None:
    types, attrs = {v.name: v for v in edit.leaves}, dict(edit.attrs)
    graph = Graph(
        tuple(types.get(v.name, v) for v in case.graph.inputs),
        tuple(types.get(v.name, v) for v in case.graph.weights),
        tuple(msgspec.structs.replace(n, attrs={**n.attrs, **attrs.get(n.name, {})}) for n in case.graph.nodes),
        case.graph.outputs,
    )
    try:
        graph = retyped(graph, registry, case.framework)
    except InvalidGraph:
        return None
    tensors = {
        name: fitted(array, types[name].dtype, types[name].shape, edit.at_end) if name in types else array
        for name, array in case.tensors.items()
    }
    bindings = tuple(
        {name: converted(array, types[name].dtype) if name in types else array for name, array in inputs.items()}
        for inputs in case.bindings
    )
    return msgspec.structs.replace(case, graph=graph, tensors=tensors, bindings=bindings)


def _leaves(case: Case, graph: Graph, values: Bindings) -> Case | None:
    if not graph.inputs or not graph.nodes or not graph.outputs:
        return None
    own, *others = values
    tensors = {v.name: own[v.name] for v in (*graph.inputs, *graph.weights)}
    bindings = tuple({v.name: other[v.name] for v in graph.inputs} for other in others)
    twins = tuple(pair for pair in case.twins if set(pair) <= set(graph.outputs))
    return msgspec.structs.replace(case, graph=graph, tensors=tensors, bindings=bindings, twins=twins)


def _filled(arrays: Mapping[str, Array], fill: Fill) -> dict[str, Array]:
    return {name: plainer(array, fill.how) if name in fill.leaves else array for name, array in arrays.items()}


def bypassed(graph: Graph, output: str, operand: str) -> Graph:
    """The graph with every use of `output` replaced by `operand`, and what is then unused removed."""
    made = {v.name for node in graph.nodes for v in node.outputs}

    def through(name: str) -> str:
        return operand if name == output else name

    nodes = tuple(Node(n.op, tuple(map(through, n.inputs)), n.attrs, n.outputs) for n in graph.nodes)
    outputs = dict.fromkeys(o for o in map(through, graph.outputs) if o in made)
    return pruned(Graph(graph.inputs, graph.weights, nodes, tuple(outputs))) if outputs else graph


def united(graph: Graph, leaf: str, other: str) -> Graph:
    """The graph with every use of `leaf` replaced by `other`."""
    nodes = tuple(
        msgspec.structs.replace(n, inputs=tuple(other if name == leaf else name for name in n.inputs))
        for n in graph.nodes
    )
    return pruned(msgspec.structs.replace(graph, nodes=nodes))


def renamed(case: Case) -> Case:
    """The case with canonical names."""
    graph = case.graph
    names = canonical_names(graph)

    def value(v: Value) -> Value:
        return Value(names[v.name], v.dtype, v.shape)

    nodes = tuple(
        Node(n.op, tuple(names[i] for i in n.inputs), n.attrs, tuple(map(value, n.outputs))) for n in graph.nodes
    )
    fresh = Graph(
        inputs=tuple(map(value, graph.inputs)),
        weights=tuple(map(value, graph.weights)),
        nodes=nodes,
        outputs=tuple(names[o] for o in graph.outputs),
    )
    tensors, *bindings = ({names[n]: array for n, array in arrays.items()} for arrays in (case.tensors, *case.bindings))
    twins = tuple((names[one], names[other]) for one, other in case.twins)
    return msgspec.structs.replace(case, graph=fresh, tensors=tensors, bindings=tuple(bindings), twins=twins)


def canonical_names(graph: Graph) -> dict[str, str]:
    """Each value's canonical name by its present one."""
    found = {v.name: f"x{i}" for i, v in enumerate(graph.inputs)}
    found.update((v.name, f"w{i}") for i, v in enumerate(graph.weights))
    made = [v for node in graph.nodes for v in node.outputs]
    return {**found, **{v.name: f"v{i}" for i, v in enumerate(made)}}
