"""The same graph in float64 (and complex128): the baseline that says which side of a difference is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphfuzz.graph.evaluation import Array, Values
from graphfuzz.graph.graph import Graph, Node, Value, operands, output_types
from graphfuzz.spec.dtypes import COMPLEX, FLOATS
from graphfuzz.spec.operator import Rejected
from graphfuzz.spec.registry import Registry


def _wide(dtype: Any) -> Any:
    if not isinstance(dtype, str):
        return dtype
    return "float64" if dtype in FLOATS else "complex128" if dtype in COMPLEX else dtype


def widened(graph: Graph, registry: Registry, framework: str) -> Graph | None:
    """Every float made float64 and every complex number complex128 (leaves, casts), types inferred again.

    None where an operator has no such form.
    """
    leaves = {v.name: Value(v.name, _wide(v.dtype), v.shape) for v in (*graph.inputs, *graph.weights)}
    known = dict(leaves)
    nodes: list[Node] = []
    for node in graph.nodes:
        attrs = widened_attributes(node.attrs)
        bare = Node(node.op, node.inputs, attrs, ())
        try:
            types = output_types(registry[node.op], operands(graph, bare, known), attrs, framework)
        except Rejected:
            return None
        outputs = tuple(Value(o.name, t.dtype, o.shape) for o, t in zip(node.outputs, types, strict=True))
        nodes.append(Node(node.op, node.inputs, attrs, outputs))
        known.update((o.name, o) for o in outputs)
    return Graph(
        inputs=tuple(leaves[v.name] for v in graph.inputs),
        weights=tuple(leaves[v.name] for v in graph.weights),
        nodes=tuple(nodes),
        outputs=graph.outputs,
    )


def widened_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a node in the widened graph."""
    return {name: _wide(value) for name, value in attrs.items()}


def widened_values(values: Values) -> dict[str, Array]:
    """The leaves' values for the widened graph."""
    return {name: array.astype(_wide(str(array.dtype)), copy=False) for name, array in values.items()}
