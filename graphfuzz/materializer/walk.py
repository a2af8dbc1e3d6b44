"""What both frameworks' sources have in common: each node's expressions, from its operator's emission."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from graphfuzz.graph import Graph, Node, Value
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import Emission, Operand, Operands
from graphfuzz.spec.registry import Registry


class Step(msgspec.Struct, frozen=True):
    """One node, written out: `targets = call`; for a layer also its construction and its parameters' sources.

    helper: the source of functions that the call uses.
    """

    node: Node
    helper: str
    call: str
    layer: str | None
    state: tuple[tuple[str, str], ...]

    @property
    def targets(self) -> str:
        """The left side of the node's assignment."""
        return ", ".join(v.name for v in self.node.outputs)


def steps(
    graph: Graph,
    registry: Registry,
    framework: str,
    weight_text: Callable[[str], str],
    layer_text: Callable[[Node], str],
) -> list[Step]:
    """Every node's step. weight_text: how a weight is written in a call; layer_text: how a node's layer is."""
    values = graph.values()
    weights = {w.name for w in graph.weights}
    return [_step(node, registry, framework, values, weights, weight_text, layer_text(node)) for node in graph.nodes]


def _step(
    node: Node,
    registry: Registry,
    framework: str,
    values: Mapping[str, Value],
    weights: set[str],
    weight_text: Callable[[str], str],
    layer: str,
) -> Step:
    op = registry[node.op]
    emission: Emission = op.emissions[framework]

    def named(text: Callable[[str], str]) -> dict[str, Any]:
        names: dict[str, Any] = {"layer": layer} if emission.layer else {}
        given: dict[str, list[Operand]] = {parameter.name: [] for parameter in op.parameters}
        for parameter, name in zip(parameters_of(op, len(node.inputs)), node.inputs, strict=True):
            given[parameter.name].append(Operand(text(name), values[name].dtype, values[name].shape))
        for parameter in op.parameters:
            operands = given[parameter.name]
            names[parameter.name] = Operands(operands) if parameter.variadic else operands[0]
        return {**names, **node.attrs}

    def fill(template: str | Callable[..., str], text: Callable[[str], str]) -> str:
        names = named(text)
        return template.format(**names) if isinstance(template, str) else template(**names)

    def given_text(name: str) -> str:
        return f'weights["{name}"]'

    if callable(emission.state):
        state = tuple(emission.state(**named(given_text)).items())
    else:
        state = tuple((target, fill(source, given_text)) for target, source in emission.state)
    return Step(
        node=node,
        helper=emission.helper,
        call=fill(emission.call, lambda name: weight_text(name) if name in weights else name),
        layer=None if emission.layer is None else fill(emission.layer, str),
        state=state,
    )


def helpers(walked: Sequence[Step]) -> str:
    """The functions that the nodes' calls use, each once."""
    return "".join(f"{text}\n\n\n" for text in dict.fromkeys(step.helper for step in walked) if text)


def used_in_calls(graph: Graph, walked: Sequence[Step]) -> list[str]:
    """The weights that calls name, as opposed to those that only fill layers."""
    named = {word for step in walked for word in re.findall(r"\w+", step.call)}
    return [w.name for w in graph.weights if w.name in named]


def used_as(role: str, graph: Graph, registry: Registry) -> set[str]:
    """The values that some node takes in a role: as a "tensor", as an "index"."""
    return {
        name
        for node in graph.nodes
        for parameter, name in zip(parameters_of(registry[node.op], len(node.inputs)), node.inputs, strict=True)
        if parameter.role == role
    }
