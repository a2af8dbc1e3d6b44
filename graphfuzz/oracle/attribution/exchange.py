"""Repairs found by trying: something of the converted model exchanged for something else that fits its place.

Nothing of the source says which it should be, so such a repair counts only where the model is right on other inputs,
too. Each converted node of the blamed one has one thing exchanged; then all that are of the same operator have, for a
converter that is wrong about an operator is so wherever it makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice, permutations
from typing import Any

import numpy as np

from graphfuzz.oracle.attribution.patient import Patient, Repair

AXES = 4
"""How many axes are taken for possible; permutations of more are not tried."""
SMALL = 8
"""The most elements that a list of numbers has."""

Change = Callable[[Any, int], bool]
"""Changes the node at a position of a model, and says whether it could."""


def attributes(patient: Patient) -> Iterator[Repair]:
    """Other numbers for the whole numbers among a node's attributes, and among the constants that it takes."""
    for positions in _places(patient):
        node = patient.proto.graph.node[positions[0]]
        for name, held in _held_attributes(node, patient).items():
            for value in _other_numbers(held):
                yield from _changed(patient, positions, f"{name}={value}", _with_attribute(name, value))
        for at, name in enumerate(node.input):
            array = _constants(patient).get(name)
            if array is not None and array.dtype.kind == "i" and array.ndim < 2 and 0 < array.size <= SMALL:
                for value in _other_numbers(array.tolist()):
                    made = np.array(value, array.dtype)
                    yield from _changed(patient, positions, f"{value} as operand {at}", _with_constant(at, made))


def spread(patient: Patient, words: str, value: Any) -> Iterator[Repair]:
    """Numbers of the source, each as a constant operand of one of as many nodes of an operator."""
    numbers = value if isinstance(value, tuple) and all(isinstance(number, int) for number in value) else ()
    known, nodes = _constants(patient), patient.proto.graph.node
    for positions in _places(patient):
        if not 1 < len(positions) == len(numbers) <= AXES:
            continue
        for at, name in enumerate(nodes[positions[0]].input):
            if name in known and known[name].dtype.kind == "i" and known[name].size == 1:
                for order in permutations(numbers):
                    proto = patient.copy()
                    for position, number in zip(positions, order, strict=True):
                        _with_constant(at, np.full_like(known[name], number))(proto, position)
                    told = f"{order}, the source's {words}, as operands {at} of {nodes[positions[0]].op_type}"
                    yield Repair(told, proto, patient.inputs)


def orders(patient: Patient) -> Iterator[Repair]:
    """Operands of a node in another order."""
    for positions in _places(patient):
        for order in other_orders(len(patient.proto.graph.node[positions[0]].input)):
            yield from _changed(patient, positions, f"operands in the order {list(order)}", _in_order(order))


def other_orders(length: int) -> Iterator[Sequence[int]]:
    """Every order of so many things but the present one; none of more than four."""
    return islice(permutations(range(length)), 1, None) if length <= 4 else iter(())


def operands(patient: Patient) -> Iterator[Repair]:
    """Another value of the model, made before, in place of an output or of an operand; first of those nobody makes."""
    graph, types = patient.proto.graph, _types(patient)
    known = [value.name for value in (*graph.input, *graph.initializer)]
    made = {name for node in graph.node for name in node.output} | set(known)
    for missing in (True, False):
        for position in _plain(patient):
            for at, name in enumerate(graph.node[position].input):
                if name and (name not in made) == missing:
                    before = _made_before(patient, position, known)
                    for other in before:
                        if other != name and (missing or _alike(types, name, other)):
                            words = f"{other} as operand {at}"
                            yield from _changed(patient, [position], words, _with_operand(at, other))
        if missing:
            yield from _outputs(patient)


def operators(patient: Patient) -> Iterator[Repair]:
    """Another operator of the same signature; ONNX's own in place of one of the same name from elsewhere; none where
    another node makes the same value."""
    yield from _without_twins(patient)
    for positions in _places(patient):
        node = patient.proto.graph.node[positions[0]]
        names = [node.op_type] if node.domain else _of_signature(node.op_type, _opset(patient.proto))
        for name in names:
            yield from _changed(patient, positions, name, _with_operator(name))


def _plain(patient: Patient) -> list[int]:
    """The node's converted nodes but for those with subgraphs: a loop could be made endless."""
    nodes = patient.proto.graph.node
    return [i for i in patient.region if not any(attribute.g.node for attribute in nodes[i].attribute)]


def _without_twins(patient: Patient) -> Iterator[Repair]:
    nodes = patient.proto.graph.node
    own = {name for position in patient.region for name in nodes[position].output}
    makers = {name: [i for i, node in enumerate(nodes) if name in node.output] for name in own}
    for name in sorted(own):
        for position in makers[name] if len(makers[name]) > 1 else ():
            proto = patient.copy()
            del proto.graph.node[position]
            yield Repair(f"{name} made once", proto, patient.inputs, tried=True)


def _places(patient: Patient) -> Iterator[list[int]]:
    """The node's converted nodes, all of an operator at once, and then each."""
    nodes = patient.proto.graph.node
    groups: dict[tuple[str, str], list[int]] = {}
    for position in _plain(patient):
        groups.setdefault((nodes[position].domain, nodes[position].op_type), []).append(position)
    yield from groups.values()
    for group in groups.values():
        if len(group) > 1:
            yield from ([position] for position in group)


def _changed(patient: Patient, positions: Sequence[int], words: str, change: Change) -> Iterator[Repair]:
    """The model with the same change at each position, if it can be made there."""
    proto = patient.copy()
    if all(change(proto, position) for position in positions):
        nodes = patient.proto.graph.node
        place = (
            f"{nodes[positions[0]].op_type}, {len(positions)} times" if positions[1:] else nodes[positions[0]].op_type
        )
        yield Repair(f"{words} of {place}", proto, patient.inputs, tried=True)


def _with_attribute(name: str, value: Any) -> Change:
    from onnx import helper

    def change(proto: Any, position: int) -> bool:
        node = proto.graph.node[position]
        for old in [attribute for attribute in node.attribute if attribute.name == name]:
            node.attribute.remove(old)
        node.attribute.append(helper.make_attribute(name, value))
        return True

    return change


def _with_constant(at: int, array: Any) -> Change:
    from onnx import numpy_helper

    def change(proto: Any, position: int) -> bool:
        node = proto.graph.node[position]
        name = f"{node.input[at]}.{position}" if at < len(node.input) else ""
        if name:
            node.input[at] = name
            proto.graph.initializer.append(numpy_helper.from_array(array, name))
        return bool(name)

    return change


def _with_operand(at: int, name: str) -> Change:
    def change(proto: Any, position: int) -> bool:
        proto.graph.node[position].input[at] = name
        return True

    return change


def _in_order(order: Sequence[int]) -> Change:
    def change(proto: Any, position: int) -> bool:
        node = proto.graph.node[position]
        if len(node.input) != len(order):
            return False
        node.input[:] = [node.input[at] for at in order]
        return True

    return change


def _with_operator(name: str) -> Change:
    import onnx

    def change(proto: Any, position: int) -> bool:
        node = proto.graph.node[position]
        if not onnx.defs.has(name, _opset(proto)):
            return False
        known = onnx.defs.get_schema(name, _opset(proto)).attributes
        for old in [attribute for attribute in node.attribute if attribute.name not in known]:
            node.attribute.remove(old)
        node.op_type, node.domain = name, ""
        return True

    return change


def _outputs(patient: Patient) -> Iterator[Repair]:
    """A value made within the region, of the source's type, in place of one of the node's results that are outputs."""
    from onnx import helper

    values, types = patient.ground.recorded[patient.ground.binding], _types(patient)
    for value in patient.node.outputs:
        if value.name not in patient.outputs:
            continue
        at = list(patient.outputs).index(value.name)
        name = patient.proto.graph.output[at].name
        dtype = helper.np_dtype_to_tensor_dtype(values[value.name].dtype)
        for position in reversed(patient.region):
            for other in patient.proto.graph.node[position].output:
                if other in ("", name) or types.get(other, (0, ()))[0] != dtype:
                    continue
                proto = patient.copy()
                for node in proto.graph.node:
                    node.output[:] = [f"{made}.cut" if made == name else made for made in node.output]
                proto.graph.node.append(helper.make_node("Identity", [other], [name]))
                proto.graph.output[at].type.tensor_type.elem_type = dtype
                yield Repair(f"{other} as output {value.name}", proto, patient.inputs, tried=True)


def _made_before(patient: Patient, position: int, known: Sequence[str]) -> list[str]:
    """The values that a node may take, those that nobody takes first, then the latest."""
    nodes = patient.proto.graph.node
    made = [name for node in nodes[:position] for name in node.output if name]
    used = {name for node in nodes for name in node.input}
    return sorted([*made[::-1], *known], key=lambda name: name in used)


_Type = tuple[int, tuple[int | str | None, ...] | None]


def _types(patient: Patient) -> dict[str, _Type]:
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


def _alike(types: dict[str, _Type], one: str, other: str) -> bool:
    """Whether two values are known to be of one type and shape."""
    return one in types and types[one] == types.get(other)


def _constants(patient: Patient) -> dict[str, Any]:
    """The arrays of initializers and of Constant nodes."""
    from onnx import numpy_helper

    graph = patient.proto.graph
    made = {node.output[0]: a.t for node in graph.node for a in node.attribute if a.name == "value" and not node.input}
    found = {**made, **{tensor.name: tensor for tensor in graph.initializer}}
    return {name: numpy_helper.to_array(tensor) for name, tensor in found.items()}


def _held_attributes(node: Any, patient: Patient) -> dict[str, Any]:
    """A node's attributes that are whole numbers or lists of them, with the schema's defaults for those not told; but
    no number that has no default and need not be told, for such are counts that the node's values have anyway."""
    from onnx import AttributeProto, defs, helper

    found, redundant = {}, set[str]()
    if defs.has(node.op_type, _opset(patient.proto), node.domain):
        for attribute in defs.get_schema(node.op_type, _opset(patient.proto), node.domain).attributes.values():
            if attribute.default_value.name:
                found[attribute.name] = attribute.default_value
            elif int(attribute.type.value) == AttributeProto.INT and not attribute.required:  # type: ignore[attr-defined]
                redundant.add(attribute.name)
    found.update((attribute.name, attribute) for attribute in node.attribute if attribute.name not in redundant)
    kinds = (AttributeProto.INT, AttributeProto.INTS)
    return {name: helper.get_attribute_value(made) for name, made in found.items() if made.type in kinds}


def _other_numbers(held: int | list[int]) -> list[Any]:
    """What else could be meant: another axis or the other way of a flag; the same numbers in another order."""
    if isinstance(held, int):
        return [number for number in range(AXES) if number != held] + ([-1] if held != -1 else [])
    half, numbers = len(held) // 2, list(held)
    found = [numbers[::-1], numbers[half:] + numbers[:half], *_interleaved(numbers)]
    if len(numbers) == 1:
        found += [[number] for number in _other_numbers(numbers[0])]
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


def _opset(proto: Any) -> int:
    """The version of ONNX's own operators that a model asks for."""
    return next((int(opset.version) for opset in proto.opset_import if opset.domain in ("", "ai.onnx")), 1)


@cache
def _of_signature(operator: str, opset: int) -> list[str]:
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
