"""A converted model as people read it: ONNX's own text, without what exporters note about themselves."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

LONGEST = 3000
"""The most characters of a model's text that are shown."""
_VALUES = re.compile(r"\{([-+.,\w ]{160})[-+.,\w ]{40,}\}")
_TARGET = re.compile(r"target=torch\.ops\.(\S+?)\]")
_OF_TENSORFLOW = re.compile(r"(?:.*/)([A-Za-z]\w*?)(?:_\d+)?(?:__\d+.*)?\Z")
"""The name of a TensorFlow node, in tf2onnx's name for what it made of it."""


class Contents(NamedTuple):
    """What a model holds: its operators in order, each once, without constants; what they translate, where it says."""

    operators: tuple[str, ...] = ()
    translated: tuple[str, ...] = ()


def stripped(model: bytes) -> Any:
    """The model without metadata, documentation and what is told of constants twice, which are of no consequence."""
    import onnx

    proto = onnx.load_from_string(model)
    for graph in _graphs(proto.graph):
        known = {tensor.name for tensor in graph.initializer}
        typed = [value for value in graph.value_info if value.name not in known]
        del graph.value_info[:]
        graph.value_info.extend(typed)
        for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
            part.ClearField("doc_string")
            part.ClearField("metadata_props")
    proto.ClearField("doc_string")
    proto.ClearField("metadata_props")
    return proto


def contents(model: bytes) -> Contents:
    """What the model holds; nothing of no model."""
    import onnx

    if not model:
        return Contents()
    proto = onnx.load_from_string(model)
    graphs = _graphs(proto.graph)
    nodes = [node for graph in graphs for node in graph.node]
    notes = (prop.value for node in nodes for prop in node.metadata_props if prop.key == "pkg.torch.onnx.fx_node")
    targets = dict.fromkeys(target for note in notes for target in _TARGET.findall(note))
    if proto.producer_name == "tf2onnx":
        targets = dict.fromkeys(match[1] for node in nodes if (match := _OF_TENSORFLOW.match(node.name)))
    operators = dict.fromkeys(node.op_type for node in nodes if node.op_type != "Constant")
    return Contents(tuple(operators), tuple(targets))


def shown(model: bytes) -> str:
    """The model's text with long constants cut short; empty where it is too long to be shown."""
    import onnx

    if not model:
        return ""
    text = _VALUES.sub(r"{\1...}", onnx.printer.to_text(stripped(model)))
    return text if len(text) <= LONGEST else ""


def parseable(model: bytes) -> str:
    """The text from which `onnx.parser.parse_model` makes the very model again; empty where it does not."""
    import onnx

    if not model:
        return ""
    proto = stripped(model)
    text = str(onnx.printer.to_text(proto))
    if len(text) > LONGEST or '"""' in text or "\\" in text:
        return ""
    try:
        again = onnx.parser.parse_model(text)
    except onnx.parser.ParseError:
        return ""
    return text if _canonical(again) == _canonical(proto) else ""


def _canonical(proto: Any) -> bytes:
    """The same bytes for models that differ in how constants are stored and defaults are spelled out only."""
    from onnx import numpy_helper

    for opset in proto.opset_import:
        opset.domain = opset.domain  # which makes a default explicit
    for graph in _graphs(proto.graph):
        tensors = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.HasField("t"))]
        for tensor in tensors:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            tensor.name = tensor.name
        for node in graph.node:
            node.name, node.domain = node.name, node.domain
    made: bytes = proto.SerializeToString(deterministic=True)
    return made


def _graphs(graph: Any) -> list[Any]:
    """A graph and all those in its nodes' attributes."""
    found = [graph]
    for each in found:
        found.extend(a.g for node in each.node for a in node.attribute if a.HasField("g"))
    return found
