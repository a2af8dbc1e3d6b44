"""The computation graph: frozen, typed, acyclic; the only thing that travels between the parts and to disk.

Every value (input, weight, node output) carries its type, so that a graph can be read without its operators; that the
types are what the operators' rules say is `validate`'s matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import networkx as nx

from graphfuzz.errors import InvalidGraph
from graphfuzz.spec.inference import check_attributes, infer, parameters_of, rank_of
from graphfuzz.spec.operator import Operator, Rejected, Tensor
from graphfuzz.spec.registry import Registry

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class Value(msgspec.Struct, frozen=True, order=True):
    """A named tensor of a known type."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


class Node(msgspec.Struct, frozen=True):
    """One use of an operator: operands by name, attributes, outputs with their types."""

    op: str
    inputs: tuple[str, ...]
    attrs: dict[str, Any]
    outputs: tuple[Value, ...]

    @property
    def name(self) -> str:
        """The node's name: that of its first output."""
        return self.outputs[0].name


class Graph(msgspec.Struct, frozen=True):
    """Inputs and weights, nodes in an order in which they can run, and the names of the outputs."""

    inputs: tuple[Value, ...]
    weights: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def values(self) -> dict[str, Value]:
        """Every value by name: inputs, weights, node outputs, in that order."""
        found = {v.name: v for v in (*self.inputs, *self.weights)}
        found.update((v.name, v) for node in self.nodes for v in node.outputs)
        return found

    def producers(self) -> dict[str, Node]:
        """The node that makes each value that a node makes."""
        return {v.name: node for node in self.nodes for v in node.outputs}

    def operators(self) -> Iterator[str]:
        """The operators' names, node by node."""
        return (node.op for node in self.nodes)


def normalize_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with lists (as JSON has them) made tuples (as rules have them)."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in attrs.items()}


def operands(graph: Graph, node: Node, values: Mapping[str, Value] | None = None) -> list[Tensor]:
    """A node's operands as a rule sees them."""
    known = values or graph.values()
    return [Tensor(known[name].dtype, known[name].shape) for name in node.inputs]


def output_types(op: Operator, given: Sequence[Tensor], attrs: Mapping[str, Any], framework: str) -> list[Tensor]:
    """What one use of an operator makes, every declared requirement checked. Raises Rejected."""
    parameters = parameters_of(op, len(given))
    check_attributes(op, rank_of(parameters, [t.rank for t in given]), attrs)
    return infer(op, given, attrs, framework)


def validate(graph: Graph, registry: Registry, framework: str) -> None:
    """Infer every type again and compare. Raises InvalidGraph, naming the node and what is wrong with it."""
    known: dict[str, Value] = {}
    weights = {w.name for w in graph.weights}

    def define(value: Value, where: str) -> None:
        if not NAME.match(value.name) or value.name in known:
            raise InvalidGraph(f"{where}: '{value.name}' is no valid name, or is used twice")
        if any(size < 0 for size in value.shape):
            raise InvalidGraph(f"{where}: {value} has a negative size")
        known[value.name] = value

    for leaf in (*graph.inputs, *graph.weights):
        define(leaf, "inputs and weights")
    for position, node in enumerate(graph.nodes):
        where = f"node {position} ({node.op})"
        if node.op not in registry:
            raise InvalidGraph(f"{where}: there is no such operator; install the pack that has it")
        missing = [name for name in node.inputs if name not in known]
        if missing:
            raise InvalidGraph(f"{where}: {', '.join(missing)} not defined before use")
        op = registry[node.op]
        try:
            found = output_types(op, operands(graph, node, known), node.attrs, framework)
            parameters = parameters_of(op, len(node.inputs))
        except Rejected as reason:
            raise InvalidGraph(f"{where}: it is required that {reason}") from None
        for parameter, name in zip(parameters, node.inputs, strict=True):
            if parameter.role == "weight" and name not in weights:
                raise InvalidGraph(f"{where}: '{parameter.name}' is fed by {name}, which is no weight")
        inferred = [(t.dtype, t.shape) for t in found]
        stated = [(v.dtype, v.shape) for v in node.outputs]
        if inferred != stated:
            raise InvalidGraph(f"{where}: the outputs are {stated}, the rule says {inferred}")
        for value in node.outputs:
            define(value, where)
    made = {v.name for node in graph.nodes for v in node.outputs}
    if not graph.outputs or not set(graph.outputs) <= made or len(set(graph.outputs)) != len(graph.outputs):
        raise InvalidGraph(f"outputs: {list(graph.outputs)} must be distinct node outputs, at least one")


def to_networkx(graph: Graph) -> nx.DiGraph:
    """Values and nodes as one directed graph, for traversal, slicing and hashing.

    Graph nodes are ("value", name) and ("node", name); edges carry `position`, the operand's or output's index.
    """
    view = nx.DiGraph()
    for value in graph.values().values():
        view.add_node(("value", value.name), dtype=value.dtype, shape=value.shape)
    for node in graph.nodes:
        view.add_node(("node", node.name), op=node.op, attrs=node.attrs)
        for position, name in enumerate(node.inputs):
            view.add_edge(("value", name), ("node", node.name), position=position)
        for position, value in enumerate(node.outputs):
            view.add_edge(("node", node.name), ("value", value.name), position=position)
    return view


def pruned(graph: Graph, outputs: Sequence[str] | None = None) -> Graph:
    """The part of the graph that these outputs (its own unless told) depend on."""
    wanted = tuple(outputs or graph.outputs)
    needed = set(wanted)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if any(v.name in needed for v in node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    return Graph(
        inputs=tuple(v for v in graph.inputs if v.name in needed),
        weights=tuple(v for v in graph.weights if v.name in needed),
        nodes=tuple(reversed(kept)),
        outputs=wanted,
    )


def kept(graph: Graph, nodes: Iterable[str], outputs: Iterable[str]) -> Graph:
    """The graph of these nodes and outputs, operands from elsewhere made inputs, in the order of their making."""
    names = set(nodes)
    chosen = tuple(node for node in graph.nodes if node.name in names)
    made = {v.name for node in chosen for v in node.outputs}
    weights = {w.name for w in graph.weights}
    needed = {name for node in chosen for name in node.inputs} - made - weights
    inputs = tuple(v for v in graph.values().values() if v.name in needed)
    return pruned(Graph(inputs, graph.weights, chosen, tuple(o for o in outputs if o in made)))


def text(graph: Graph) -> str:
    """The graph for people: one line a value."""
    lines = [f"input   {v}" for v in graph.inputs] + [f"weight  {v}" for v in graph.weights]
    for node in graph.nodes:
        attrs = "".join(f", {k}={v!r}" for k, v in node.attrs.items())
        made = ", ".join(map(str, node.outputs))
        lines.append(f"{made} = {node.op}({', '.join(node.inputs)}{attrs})")
    return "\n".join([*lines, f"return  {', '.join(graph.outputs)}"])
