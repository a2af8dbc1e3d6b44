"""What a graph exercises, as names: uses of operators, pairs of producer and consumer, sequences along its edges.

The evidence for these: three quarters of converter defects sit in the conversion of one node, where dtype, rank and
attributes decide; and the studies name sequences of three to five operators as what predicts a wrong model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from graphfuzz.graph.graph import Graph, Node, Value

LENGTHS = range(3, 6)
"""How many operators a sequence has."""
MOST_SEQUENCES = 2000
"""The most sequences of one graph that are told; only large ones have more."""


class Features(msgspec.Struct, frozen=True):
    """uses: "operator dtype rank", of the first operand, and "operator attribute=bin". pairs: producer and consumer.
    sequences: operators along a path. Each once, in order. nodes: how many the graph has."""

    uses: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    sequences: tuple[tuple[str, ...], ...]
    nodes: int

    @property
    def typed_uses(self) -> list[str]:
        """The names of operators on a dtype and rank."""
        return [use for use in self.uses if "=" not in use]


def features(graph: Graph) -> Features:
    """All that a graph exercises."""
    values = graph.values()
    producers = graph.producers()
    feeding = {id(node): [producers[name] for name in node.inputs if name in producers] for node in graph.nodes}
    uses = [use for node in graph.nodes for use in _uses(node, values)]
    pairs = [(before.op, node.op) for node in graph.nodes for before in feeding[id(node)]]
    sequences: dict[tuple[str, ...], None] = {}
    for node in graph.nodes:
        for path in _paths(node, feeding, LENGTHS[-1]):
            if len(path) in LENGTHS and len(sequences) < MOST_SEQUENCES:
                sequences[path] = None
    return Features(tuple(dict.fromkeys(uses)), tuple(dict.fromkeys(pairs)), tuple(sequences), len(graph.nodes))


def _uses(node: Node, values: dict[str, Value]) -> Iterator[str]:
    yield use_of(node, values)
    for name, value in node.attrs.items():
        yield attribute_use(node.op, name, attribute_bin(value))


def use_of(node: Node, values: Mapping[str, Value]) -> str:
    """The `typed_use` that a node is."""
    first = values[node.inputs[0]]
    return typed_use(node.op, first.dtype, len(first.shape))


def typed_use(op: str, dtype: str, rank: int) -> str:
    """The name of an operator's uses on a first operand of a dtype and rank."""
    return f"{op} {dtype} {rank}"


def attribute_use(op: str, attribute: str, bin_: str) -> str:
    """The name of an operator's uses with an attribute in a bin."""
    return f"{op} {attribute}={bin_}"


def _paths(node: Node, feeding: dict[int, list[Node]], length: int) -> Iterator[tuple[str, ...]]:
    """The operators along each path that ends in a node, of at most this length."""
    yield (node.op,)
    if length > 1:
        for before in feeding[id(node)]:
            for path in _paths(before, feeding, length - 1):
                yield (*path, node.op)


def attribute_bin(value: Any) -> str:
    """The class of attribute values that one stands for: itself, for words and truths; signs, sizes and parities."""
    if isinstance(value, bool | str) or value is None:
        return str(value)
    if isinstance(value, int):
        return str(value) if -1 <= value <= 3 else "negative" if value < 0 else f"{_size(value)} {_parity(value)}"
    if isinstance(value, float):
        return str(value) if value in (0.0, 1.0, -1.0) else f"{'-' if value < 0 else ''}{_size(abs(value))}"
    bins = [attribute_bin(v) for v in value]
    return f"{len(bins)}×{bins[0]}" if len(set(bins)) == 1 else f"{len(bins)} {'/'.join(sorted(set(bins)))}"


def _size(value: float) -> str:
    return "below 1" if value < 1 else "small" if value < 8 else "large"


def _parity(value: int) -> str:
    return "odd" if value % 2 else "even"
