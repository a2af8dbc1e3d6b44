"""Converted nodes mapped back to the source graph's, by values: what the source graph calls a value, the model has as
an output once every value is one; the nodes between a node's operands and its results are what it was converted to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphfuzz.graph import Array, Node
from graphfuzz.oracle.attribution.ground import Ground
from graphfuzz.oracle.verdict import Mismatch


class Intermediates:
    """The case converted with every value as an output, and run. Raises what that raises."""

    def __init__(self, ground: Ground) -> None:
        source, graph = ground.all_source, ground.all_values.graph
        self.model, self.proto = ground.converted(source)
        made = ground.route.target.execute(self.model, source.cases[ground.binding].inputs())
        self.actual: dict[str, Array] = dict(zip(graph.outputs, made, strict=True))
        inputs = [v.name for v in graph.inputs]
        self.names = value_names(self.proto, inputs, graph.outputs) if self.proto is not None else {}
        own = {name: self.actual[name] for name in ground.case.graph.outputs}
        self.faulty = ground.values_held(own, self.proto) is not None

    def described(self, node: Node) -> str:
        """The node, and the operators that it was converted to, where these can be read."""
        if self.proto is None:
            return f"{node.name} ({node.op})"
        made = ", ".join(self.proto.graph.node[i].op_type for i in region(self.proto, self.names, node)) or "nothing"
        return f"{node.name} ({node.op}, converted to {made})"


def first_diverging(ground: Ground, seen: Intermediates) -> tuple[Node, Mismatch] | None:
    """The first node with a result that differs. Nodes are in an order in which they can run, so its operands agree."""
    for node in ground.case.graph.nodes:
        for value in node.outputs:
            if value.name not in ground.uncompared:
                mismatch = ground.values_held({value.name: seen.actual[value.name]}, seen.proto)
                if mismatch is not None:
                    return node, mismatch
    return None


def value_names(proto: Any, inputs: Iterable[str], outputs: Iterable[str]) -> dict[str, str]:
    """What the model calls the source graph's inputs and outputs where its nodes use them.

    Exporters give an output that is used further on a copy by Identity, which is seen through.
    """
    producers = {name: node for node in proto.graph.node for name in node.output}

    def through(name: str) -> str:
        while name in producers and producers[name].op_type == "Identity":
            name = producers[name].input[0]
        return name

    found = {name: name for name in inputs}
    made = (value.name for value in proto.graph.output)
    found.update((own, through(name)) for own, name in zip(outputs, made, strict=True))
    return found


def taken(node: Any) -> list[str]:
    """The values that a node takes, those that its subgraphs take from around them among them."""
    inner = [part for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) for part in graph.node]
    return [*node.input, *(name for part in inner for name in taken(part))]


def region(proto: Any, names: Mapping[str, str], node: Node) -> list[int]:
    """The positions of the model's nodes that one node of the source graph was converted to; constants are among them.

    Of a node whose results are no outputs of the model, all of the model's.
    """
    ends = {names[name] for name in node.inputs if name in names}
    producers = {name: i for i, made in enumerate(proto.graph.node) for name in made.output}
    wanted = [names[value.name] for value in node.outputs if value.name in names]
    found: set[int] = set() if wanted else set(range(len(proto.graph.node)))
    while wanted:
        name = wanted.pop()
        position = producers.get(name)
        if position is not None and name not in ends and position not in found:
            found.add(position)
            wanted += taken(proto.graph.node[position])
    return sorted(found)
