"""What may be done to a case, as data, and the doing of it.

An edit is a small frozen record, so that a reduction can be told, counted and done again. Key insight: dropping a node,
cutting the graph at a tensor and keeping one output are one edit, `Keep`: whatever the kept nodes need from a node
that is gone becomes an input, fed with the value it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from graphfuzz.graph import Array, Case, Graph, Node, Value, kept, pruned
from graphfuzz.spec.dtypes import is_complex, is_float


class Keep(msgspec.Struct, frozen=True, tag=True):
    """Keep these nodes (by name) and outputs; missing operands become inputs with their recorded values."""

    nodes: tuple[str, ...]
    outputs: tuple[str, ...]


class Bypass(msgspec.Struct, frozen=True, tag=True):
    """Take one of a node's operands in place of one of its outputs."""

    output: str
    operand: str


class Fill(msgspec.Struct, frozen=True, tag=True):
    """Plainer values for an input or weight: "zero", "one", "bare" (zeros beside NaN and infinities), "integer" (those
    rounded) or "short" (few digits)."""

    leaf: str
    how: str


class Bind(msgspec.Struct, frozen=True, tag=True):
    """Keep these of the inputs of other sizes, by number from 1; with none the shapes are static."""

    bindings: tuple[int, ...]


class Rename(msgspec.Struct, frozen=True, tag=True):
    """The names that a graph grown in this shape would have: x0, x1, ... w0, ... v0, ..."""


Edit: TypeAlias = Keep | Bypass | Fill | Bind | Rename
Bindings: TypeAlias = Sequence[Mapping[str, Array]]
"""Every value of a graph by name, at each of the case's bindings, its own first."""

FILLS = ("zero", "one", "bare", "integer", "short")


def edited(case: Case, edit: Edit, values: Bindings) -> Case | None:
    """The case after an edit; `values` are those of everything in the graph. None where the edit makes no graph."""
    match edit:
        case Keep():
            return _leaves(case, kept(case.graph, edit.nodes, edit.outputs), values)
        case Bypass():
            return _leaves(case, bypassed(case.graph, edit.output, edit.operand), values)
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


def _leaves(case: Case, graph: Graph, values: Bindings) -> Case | None:
    if not graph.inputs or not graph.nodes or not graph.outputs:
        return None
    own, *others = values
    tensors = {v.name: own[v.name] for v in (*graph.inputs, *graph.weights)}
    bindings = tuple({v.name: other[v.name] for v in graph.inputs} for other in others)
    twins = tuple(pair for pair in case.twins if set(pair) <= set(graph.outputs))
    return msgspec.structs.replace(case, graph=graph, tensors=tensors, bindings=bindings, twins=twins)


def _filled(arrays: Mapping[str, Array], fill: Fill) -> dict[str, Array]:
    return {name: plainer(array, fill.how) if name == fill.leaf else array for name, array in arrays.items()}


def bypassed(graph: Graph, output: str, operand: str) -> Graph:
    """The graph with every use of `output` replaced by `operand`, and what is then unused removed."""
    made = {v.name for node in graph.nodes for v in node.outputs}

    def through(name: str) -> str:
        return operand if name == output else name

    nodes = tuple(Node(n.op, tuple(map(through, n.inputs)), n.attrs, n.outputs) for n in graph.nodes)
    outputs = dict.fromkeys(o for o in map(through, graph.outputs) if o in made)
    return pruned(Graph(graph.inputs, graph.weights, nodes, tuple(outputs))) if outputs else graph


def plainer(array: Array, how: str) -> Array:
    """The same type with plainer values."""
    if how == "zero":
        return np.zeros_like(array)
    if how == "one":
        return np.ones_like(array)
    if how == "bare":
        return np.where(np.isfinite(array), np.zeros_like(array), array)
    if is_complex(str(array.dtype)):
        return np.asarray(np.round(array, 0 if how == "integer" else 2))
    if not is_float(str(array.dtype)):
        return array
    if how == "integer":
        return np.asarray(np.round(array))
    return np.asarray(np.round(array.astype("float64"), 2)).astype(array.dtype)


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
