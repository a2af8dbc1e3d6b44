"""Whether an edited case is still one that graphfuzz may hold against a target.

An edit that changes values can leave an operator's domain, make a tie or a NaN, or overflow: what a converted model
does then proves nothing. So the whole case is inferred and evaluated again, under the rules that generation follows.
"""

from __future__ import annotations

from graphfuzz.errors import InvalidGraph
from graphfuzz.graph import Array, Case, operands, ordinary_outputs, validate
from graphfuzz.spec.registry import Registry


def admitted(case: Case, registry: Registry) -> dict[str, Array] | None:
    """Every value of an admissible case by name; None for a case that is not admissible."""
    try:
        validate(case.graph, registry, case.framework)
    except InvalidGraph:
        return None
    values = dict(case.tensors)
    known = case.graph.values()
    for node in case.graph.nodes:
        given = [values[name] for name in node.inputs]
        made = ordinary_outputs(registry[node.op], node, operands(case.graph, node, known), given)
        if made is None:
            return None
        values.update((v.name, array) for v, array in zip(node.outputs, made, strict=True))
    return values
