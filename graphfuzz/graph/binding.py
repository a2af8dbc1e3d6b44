"""Dynamic shapes: one graph on inputs of several sizes.

A case's further `bindings` are inputs of other sizes for the same nodes, attributes and weights. An axis is dynamic
where its size differs from binding to binding; that needs no declaration beside the arrays, and cannot contradict them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from graphfuzz.errors import InvalidGraph
from graphfuzz.graph.case import Case
from graphfuzz.graph.graph import Graph, Node, Value, operands, output_types
from graphfuzz.spec.operator import Rejected
from graphfuzz.spec.registry import Registry

Axes: TypeAlias = Mapping[str, tuple[str | None, ...]]
"""For each input and output, by name and in order, the symbol of each dynamic axis and None for the others.

Empty where no axis is dynamic.
"""


def rebound(graph: Graph, shapes: Mapping[str, tuple[int, ...]], registry: Registry, framework: str) -> Graph:
    """The same nodes on inputs of other shapes, every type inferred again. Raises InvalidGraph."""
    inputs = tuple(Value(v.name, v.dtype, shapes[v.name]) for v in graph.inputs)
    return retyped(msgspec.structs.replace(graph, inputs=inputs), registry, framework)


def retyped(graph: Graph, registry: Registry, framework: str) -> Graph:
    """The same with every node's output types inferred again. Raises InvalidGraph."""
    known = {v.name: v for v in (*graph.inputs, *graph.weights)}
    nodes = []
    for node in graph.nodes:
        try:
            made = output_types(registry[node.op], operands(graph, node, known), node.attrs, framework)
        except Rejected as reason:
            raise InvalidGraph(f"{node.op}, on other types: it is required that {reason}") from None
        if len(made) != len(node.outputs):
            raise InvalidGraph(f"{node.op}, with other attributes: it has {len(made)} outputs")
        outputs = tuple(
            Value(v.name, t.dtype, tuple(t.shape))  # type: ignore[arg-type]
            for v, t in zip(node.outputs, made, strict=True)
        )
        known.update((v.name, v) for v in outputs)
        nodes.append(Node(node.op, node.inputs, node.attrs, outputs))
    return Graph(graph.inputs, graph.weights, tuple(nodes), graph.outputs)


def bound_cases(case: Case, registry: Registry) -> list[Case]:
    """The case at each of its bindings, its own first; each of these has no further ones. Raises InvalidGraph."""
    found = [msgspec.structs.replace(case, bindings=())]
    for inputs in case.bindings:
        shapes = {name: array.shape for name, array in inputs.items()}
        graph = rebound(case.graph, shapes, registry, case.framework)
        found.append(msgspec.structs.replace(case, graph=graph, tensors={**case.tensors, **inputs}, bindings=()))
    return found


def symbolic_axes(graphs: Sequence[Graph]) -> Axes:
    """The dynamic axes of the inputs and outputs of one graph at all its bindings.

    Axes that have one size at every binding share a symbol: that is what these runs can hold a converted model to.
    """
    symbols: dict[tuple[int, ...], str] = {}

    def symbol(sizes: tuple[int, ...]) -> str | None:
        return symbols.setdefault(sizes, f"d{len(symbols)}") if len(set(sizes)) > 1 else None

    named = [graph.values() for graph in graphs]
    found = {
        name: tuple(map(symbol, zip(*(values[name].shape for values in named), strict=True)))
        for name in (*(v.name for v in graphs[0].inputs), *graphs[0].outputs)
    }
    return found if symbols else {}
