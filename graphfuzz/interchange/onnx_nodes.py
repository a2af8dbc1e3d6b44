"""Nodes of ONNX as calls, and calls run as models of one node.

A call's target is the operator with the version of its definition, "Slice.13", "com.microsoft.FusedGelu.1": of another
version it is another overload. Arguments are named as the definition names them (https://onnx.ai/onnx/operators/),
operands and attributes alike: what was an attribute and is an operand since stands under the same name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.interchange.program import CONSTANT, PLACE, Call, constant, is_place, number, places
from graphfuzz.oracle.runtime import load_onnx, run_onnx

CAPTURED = "captured"
"""The argument that has what the graphs among a node's attributes take from around it, by name."""

IR_VERSION = 10
"""Of models of one node: old enough for every runtime."""


def as_call(node: Any, opsets: Mapping[str, int], outputs: Sequence[str], constants: Mapping[str, Any]) -> Call:
    """A node as a call that makes these outputs. constants: as JSON, by the names of operands that are."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = opsets.get(domain, 1)
    schema = _schema(node.op_type, version, domain)
    operands: list[str] = []

    def written(name: str) -> Any:
        if not name:
            return None
        operands.append(name)
        place = {PLACE: len(operands) - 1}
        return {**place, CONSTANT: constants[name]} if name in constants else place

    arguments: dict[str, Any] = {}
    for formal, given in _inputs(node, schema):
        arguments[formal] = [written(name) for name in given] if isinstance(given, list) else written(given)
    defaults = [(name, a.default_value) for name, a in schema.attributes.items()] if schema else []
    attributes = {name: value for name, value in defaults if value.type} | {a.name: a for a in node.attribute}
    arguments |= {name: _as_json(value) for name, value in sorted(attributes.items())}
    captured = dict.fromkeys(name for a in node.attribute for graph in _graphs(a) for name in free_names(graph))
    if captured:
        arguments[CAPTURED] = {name: written(name) for name in captured}
    target = ".".join(filter(None, (domain, node.op_type, str(schema.since_version if schema else version))))
    return Call(target, arguments, tuple(operands), tuple(outputs))


def run(call: Call, operands: Sequence[Any]) -> list[Any]:
    """A call's outputs for other operands, by ONNX's reference evaluator, or by ONNX Runtime where that has none, or
    none of the dtypes that it should have. Raises whatever the latter raises."""
    from onnx.reference import ReferenceEvaluator

    model = _model(call, operands)
    names = [value.name for value in model.graph.input]
    feeds = {name: given for name, given in _named(call, operands) if name in names}
    try:
        with np.errstate(all="ignore"):
            made = [_as_value(value) for value in ReferenceEvaluator(model).run(None, feeds)]
        if _are_typed(made, model):
            return made
    except Exception:  # noqa: BLE001 - the evaluator raises in whatever class its operators do
        pass
    return list(run_onnx(load_onnx(model.SerializeToString()), feeds))


def free_names(graph: Any) -> Iterator[str]:
    """The names that a graph uses and does not define."""
    own = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        inner = (name for a in node.attribute for sub in _graphs(a) for name in free_names(sub))
        yield from (name for name in (*node.input, *inner) if name and name not in own)
        own.update(node.output)
    yield from (value.name for value in graph.output if value.name not in own)


def _graphs(attribute: Any) -> list[Any]:
    return [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def _schema(name: str, version: int, domain: str) -> Any:
    """An operator's definition; None where there is none."""
    import onnx

    try:
        return onnx.defs.get_schema(name, version, domain)
    except onnx.defs.SchemaError:
        return None


def _inputs(node: Any, schema: Any) -> Iterator[tuple[str, str | list[str]]]:
    """What a node takes, by the definition's names; by number where it has none. Empty names stand for nothing."""
    given = list(node.input)
    if schema is None:
        yield from ((str(i), name) for i, name in enumerate(given))
        return
    for i, formal in enumerate(schema.inputs):
        is_rest = formal.option == formal.option.__class__.Variadic
        yield formal.name, given[i:] if is_rest else "".join(given[i : i + 1])


def _as_json(attribute: Any) -> Any:
    """An attribute's value: a number, text or list of these; a message by its kind. Floats, which ONNX has in float32
    only, are as short as they can be written."""
    import onnx

    def item(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        if isinstance(value, float):
            return constant(float(str(np.float32(value))))
        if isinstance(value, onnx.TensorProto):
            value = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(value))
        if hasattr(value, "SerializeToString"):
            return {type(value).__name__: base64.b64encode(value.SerializeToString(deterministic=True)).decode()}
        return value

    value = onnx.helper.get_attribute_value(attribute)
    return list(map(item, value)) if isinstance(value, list | tuple) or hasattr(value, "extend") else item(value)


def _from_json(value: Any) -> Any:
    import onnx

    if isinstance(value, list):
        return list(map(_from_json, value))
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        return getattr(onnx, kind).FromString(base64.b64decode(text))
    return number(value) if isinstance(value, str) and number(value) is not None else value


def _model(call: Call, operands: Sequence[Any]) -> Any:
    """The model of one node; constants are initializers."""
    import onnx

    rest, _, version = call.target.rpartition(".")
    domain, _, name = rest.rpartition(".")
    names = [f"i{i}" for i in range(len(operands))]
    inputs, attributes, fixed = list[str](), dict[str, Any](), set[str]()
    for key, value in call.arguments.items():
        if key == CAPTURED:
            continue
        if value is None or is_place(value) or any(map(is_place, value if isinstance(value, list) else ())):
            inputs += [names[place] for place in places(value)] if value else [""]
            fixed |= {names[value[PLACE]]} if isinstance(value, dict) and CONSTANT in value else set()
        elif value != []:
            attributes[key] = _from_json(value)
    while inputs and not inputs[-1]:
        inputs.pop()
    node = onnx.helper.make_node(name, inputs, list(call.outputs), domain=domain, **attributes)
    given = dict(_named(call, operands))
    weights = [onnx.numpy_helper.from_array(given[name], name) for name in sorted(fixed)]
    values = [_info(name, value) for name, value in given.items() if name not in fixed]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in call.outputs]
    graph = onnx.helper.make_graph([node], "call", values, outputs, weights)
    opsets = {domain: int(version)} if not domain else {"": onnx.defs.onnx_opset_version() - 1, domain: int(version)}
    imports = [onnx.helper.make_opsetid(space, number) for space, number in opsets.items()]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def _named(call: Call, operands: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The operands by their names in the model of one node."""
    outer = {place[PLACE]: name for name, place in call.arguments.get(CAPTURED, {}).items()}
    yield from ((outer.get(i, f"i{i}"), operand) for i, operand in enumerate(operands))


def _info(name: str, value: Any) -> Any:
    import onnx

    if not isinstance(value, np.ndarray):
        return onnx.helper.make_empty_tensor_value_info(name)
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _as_value(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else np.asarray(value)


def _are_typed(made: Sequence[Any], model: Any) -> bool:
    """Whether arrays are of the dtypes that the definition says."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph.output
    stated = [value.type.tensor_type.elem_type for value in inferred]
    pairs = zip(made, stated, strict=True)
    return all(onnx.helper.np_dtype_to_tensor_dtype(a.dtype) == s for a, s in pairs if s and isinstance(a, np.ndarray))
