"""What must hold of a graph's sizes where some of them are unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphfuzz.graph.graph import Graph
from graphfuzz.spec.dims import Condition, Dim, Size, evaluate, symbol
from graphfuzz.spec.inference import conditions
from graphfuzz.spec.operator import Tensor
from graphfuzz.spec.registry import Registry

Stated = list[tuple[Condition, str]]
"""Conditions, each with its reason."""


def requirements(
    graph: Graph,
    shapes: Mapping[str, tuple[Size, ...]],
    attrs: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, int],
    registry: Registry,
    framework: str,
    least: int,
) -> tuple[Stated, dict[str, int]]:
    """The conditions under which every node is valid; and each symbol's size, those that nodes compute among them.

    shapes: of leaves, with symbols; of the others, their own. attrs: by node, those with symbols in place of sizes.
    sizes: what each symbol is in the graph as it stands. Of alternatives (two sizes are equal, or one is 1), those hold
    that hold there. least: of each size that a node computes. Raises Rejected, which a valid graph does not.
    """
    stated: Stated = []
    own = dict(sizes)
    known = {v.name: Tensor(v.dtype, shapes.get(v.name, v.shape)) for v in (*graph.inputs, *graph.weights)}

    def named(name: str, size: Size, now: int) -> Size:
        """A symbol of its own for a size that is computed, so that expressions stay short."""
        if not isinstance(size, Dim) or size.op == "symbol":
            return size
        own[name] = now
        stated.append((Condition("==", symbol(name), size), "a size is what it is computed to be"))
        stated.append((symbol(name) >= least, f"a size is at least {least}"))
        return symbol(name)

    for node in graph.nodes:
        given = [known[name] for name in node.inputs]
        made, found = conditions(registry[node.op], given, {**node.attrs, **attrs.get(node.name, {})}, framework)
        stated += [(_on_branch(condition, own), reason) for condition, reason in found]
        for value, tensor in zip(node.outputs, made, strict=True):
            axes = enumerate(zip(tensor.shape, value.shape, strict=True))
            shape = tuple(named(f"{value.name}_{axis}", size, now) for axis, (size, now) in axes)
            known[value.name] = Tensor(tensor.dtype, shape)
    return stated, own


def _on_branch(condition: Condition, sizes: Mapping[str, int]) -> Condition:
    """The condition without the alternatives that do not hold for these sizes."""
    if condition.op not in ("or", "and"):
        return condition
    parts = [_on_branch(part, sizes) for part in condition.args if evaluate(part, sizes)]
    return parts[0] if len(parts) == 1 else Condition(condition.op, *parts)
