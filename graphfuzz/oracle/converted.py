"""What is read off a converted model."""

from __future__ import annotations

from typing import Any


def float_attributes(proto: Any) -> frozenset[float]:
    """The numbers in the attributes of a model's nodes, those of subgraphs and functions included.

    ONNX has them in float32 only, so that a float64 model's `epsilon` or `alpha` cannot be but rounded. A Constant's is
    left out: it could have been a tensor.
    """
    found: set[float] = set()
    nodes = [*proto.graph.node, *(node for function in proto.functions for node in function.node)]
    while nodes:
        node = nodes.pop()
        for attribute in node.attribute:
            nodes += [*attribute.g.node, *(inner for graph in attribute.graphs for inner in graph.node)]
            if node.op_type != "Constant":
                found.update((attribute.f, *attribute.floats))
    return frozenset(found)
