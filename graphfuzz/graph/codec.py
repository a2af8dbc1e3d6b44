"""A graph as canonical JSON: sorted keys, one value a line, schema version in front, so that diffs are readable."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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


Step = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a file's data from one schema to the next, its number apart. What was written before a field was there has the
field's default, and needs no step; another meaning, name or place does."""


def upgraded(data: Any, steps: Sequence[Step], where: str) -> dict[str, Any]:
    """A file's data as the newest schema has it. steps: from schema 1 to 2, from 2 to 3, ...

    Raises EntryError, naming `where`, for a schema that this graphfuzz does not read; KeyError and TypeError where
    there is none.
    """
    found, known = data["schema"], len(steps) + 1
    if not isinstance(found, int) or isinstance(found, bool) or found > known:
        raise EntryError(f"{where}: schema {found!r} is newer than {known}, which this graphfuzz reads; update it")
    if found < 1:
        raise EntryError(f"{where}: there is no schema {found}; restore it or delete the entry")
    newest: dict[str, Any] = data
    for step in steps[found - 1 :]:
        newest = step(newest)
    return {**newest, "schema": known}


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
