"""A graph as canonical JSON: sorted keys, one value a line, schema version in front, so that diffs are readable."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from graphfuzz.errors import EntryError
from graphfuzz.graph.graph import Graph, Node, Value, normalize_attributes


def graph_to_json(graph: Graph) -> Any:
    """Plain JSON data for a graph."""
    return msgspec.to_builtins(graph)


def graph_from_json(data: Any) -> Graph:
    """The graph in plain JSON data. Raises msgspec.ValidationError, naming the path of what does not fit."""
    graph = msgspec.convert(data, Graph)
    nodes = tuple(
        Node(n.op, n.inputs, normalize_attributes(n.attrs), tuple(map(_value, n.outputs))) for n in graph.nodes
    )
    return Graph(tuple(map(_value, graph.inputs)), tuple(map(_value, graph.weights)), nodes, graph.outputs)


def check_schema(found: Any, known: int, where: str) -> None:
    """Raises EntryError, naming `where`, for a file of a schema that this graphfuzz does not read."""
    if not isinstance(found, int) or found > known:
        raise EntryError(f"{where}: schema {found!r} is newer than {known}, which this graphfuzz reads; update it")


def _value(value: Value) -> Value:
    return Value(value.name, value.dtype, tuple(value.shape))


def canonical(data: Any, indent: str = "") -> str:
    """JSON text: objects one key a line in sorted order, anything that fits into 100 characters on one line."""
    flat = json.dumps(data, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if len(flat) + len(indent) <= 100 or not isinstance(data, dict | list | tuple) or not data:
        return flat
    inner = indent + "  "
    if isinstance(data, dict):
        rows = [f"{inner}{json.dumps(k, ensure_ascii=False)}: {canonical(data[k], inner)}" for k in sorted(data)]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    rows = [f"{inner}{canonical(item, inner)}" for item in data]
    return "[\n" + ",\n".join(rows) + f"\n{indent}]"
