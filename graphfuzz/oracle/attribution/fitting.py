"""What would fit a place in a converted model: values of a type, other numbers, operators of a signature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations
from typing import Any

from graphfuzz.oracle.attribution.patient import Patient

AXES = 4
"""How many axes are taken for possible; permutations of more are not tried."""

_Type = tuple[int, tuple[int | str | None, ...] | None]


def types(patient: Patient) -> dict[str, _Type]:
    """Element types and shapes by name, as far as inference tells; where it objects, as the model says."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(patient.proto).graph
    except onnx.shape_inference.InferenceError:
        graph = patient.proto.graph
    found: dict[str, _Type] = {tensor.name: (tensor.data_type, tuple(tensor.dims)) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        tensor = value.type.tensor_type
        sizes = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
        found[value.name] = tensor.elem_type, sizes if tensor.HasField("shape") else None
    return found


def alike(types: dict[str, _Type], one: str, other: str) -> bool:
    """Whether two values are known to be of one type and shape."""
    return one in types and types[one] == types.get(other)


def constants(patient: Patient) -> dict[str, Any]:
    """The arrays of initializers and of Constant nodes."""
    from onnx import numpy_helper

    graph = patient.proto.graph
    made = {node.output[0]: a.t for node in graph.node for a in node.attribute if a.name == "value" and not node.input}
    found = {**made, **{tensor.name: tensor for tensor in graph.initializer}}
    return {name: numpy_helper.to_array(tensor) for name, tensor in found.items()}


def held_attributes(node: Any, patient: Patient) -> dict[str, Any]:
    """A node's attributes that are whole numbers or lists of them, with the schema's defaults for those not told; but
    no number that has no default and need not be told, for such are counts that the node's values have anyway."""
    from onnx import AttributeProto, defs, helper

    found, redundant = {}, set[str]()
    if defs.has(node.op_type, opset(patient.proto), node.domain):
        for attribute in defs.get_schema(node.op_type, opset(patient.proto), node.domain).attributes.values():
            if attribute.default_value.name:
                found[attribute.name] = attribute.default_value
            elif int(attribute.type.value) == AttributeProto.INT and not attribute.required:  # type: ignore[attr-defined]
                redundant.add(attribute.name)
    found.update((attribute.name, attribute) for attribute in node.attribute if attribute.name not in redundant)
    kinds = (AttributeProto.INT, AttributeProto.INTS)
    return {name: helper.get_attribute_value(made) for name, made in found.items() if made.type in kinds}


def other_numbers(held: int | list[int]) -> list[Any]:
    """What else could be meant: another axis or the other way of a flag; the same numbers in another order."""
    if isinstance(held, int):
        return [number for number in range(AXES) if number != held] + ([-1] if held != -1 else [])
    half, numbers = len(held) // 2, list(held)
    found = [numbers[::-1], numbers[half:] + numbers[:half], *_interleaved(numbers)]
    if len(numbers) == 1:
        found += [[number] for number in other_numbers(numbers[0])]
    elif len(numbers) <= AXES:
        found += map(list, permutations(numbers))
    return [made for i, made in enumerate(found) if made not in (numbers, *found[:i])]


def _interleaved(numbers: list[int]) -> list[list[int]]:
    """Pairs of an axis each as two lists of all axes, and the other way round."""
    half = len(numbers) // 2
    if len(numbers) % 2 or half < 2:
        return []
    return [
        numbers[::2] + numbers[1::2],
        [n for pair in zip(numbers[:half], numbers[half:], strict=True) for n in pair],
    ]


def opset(proto: Any) -> int:
    """The version of ONNX's own operators that a model asks for."""
    return next((int(opset.version) for opset in proto.opset_import if opset.domain in ("", "ai.onnx")), 1)


@cache
def of_signature(operator: str, opset: int) -> list[str]:
    """ONNX's operators that take and give the same kinds of things and need no more to be told, in their order."""
    from onnx import defs

    names = sorted({schema.name for schema in defs.get_all_schemas() if schema.domain == "" and not schema.deprecated})
    schemas = {name: defs.get_schema(name, opset) for name in names if defs.has(name, opset)}
    if operator not in schemas:
        return []
    own = schemas[operator]

    def signature(schema: Any) -> tuple[Any, ...]:
        return (schema.min_input, schema.max_input), _pattern(schema.inputs), _pattern(schema.outputs)

    return [
        name
        for name, schema in schemas.items()
        if name != operator
        and signature(schema) == signature(own)
        and not any(a.required and n not in own.attributes for n, a in schema.attributes.items())
    ]


def _pattern(parameters: Sequence[Any]) -> list[tuple[str, bool]]:
    """The type variable of each, and whether there may be several."""
    return [(parameter.type_str, parameter.option == parameter.option.Variadic) for parameter in parameters]
