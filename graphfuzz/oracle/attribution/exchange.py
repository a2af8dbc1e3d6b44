"""Repairs found by trying: something of the converted model exchanged for something else that fits its place.

Nothing of the source says which it should be, so such a repair counts only where the model is right on other inputs,
too. One thing is exchanged at all converted nodes of an operator, for a converter that is wrong about an operator is so
wherever it makes one; then at each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, permutations
from typing import Any

import numpy as np

from graphfuzz.oracle.attribution import fitting
from graphfuzz.oracle.attribution.patient import Patient, Repair

SMALL = 8
"""The most elements that a list of numbers has."""

Change = Callable[[Any, int], bool]
"""Changes the node at a position of a model, and says whether it could."""


def attributes(patient: Patient) -> Iterator[Repair]:
    """Other numbers for the whole numbers among a node's attributes, and among the constants that it takes."""
    for positions in _places(patient):
        node = patient.proto.graph.node[positions[0]]
        for name, held in fitting.held_attributes(node, patient).items():
            for value in fitting.other_numbers(held):
                yield from _changed(patient, positions, f"{name}={value}", with_attribute(name, value))
        for at, name in enumerate(node.input):
            array = fitting.constants(patient).get(name)
            if array is not None and array.dtype.kind == "i" and array.ndim < 2 and 0 < array.size <= SMALL:
                for value in fitting.other_numbers(array.tolist()):
                    made = np.array(value, array.dtype)
                    yield from _changed(patient, positions, f"{value} as operand {at}", _with_constant(at, made))


def spread(patient: Patient, words: str, value: Any) -> Iterator[Repair]:
    """Numbers of the source, each as a constant operand of one of as many nodes of an operator."""
    numbers = value if isinstance(value, tuple) and all(isinstance(number, int) for number in value) else ()
    known, nodes = fitting.constants(patient), patient.proto.graph.node
    for positions in _places(patient):
        if not 1 < len(positions) == len(numbers) <= fitting.AXES:
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
    graph, types = patient.proto.graph, fitting.types(patient)
    known = [value.name for value in (*graph.input, *graph.initializer)]
    made = {name for node in graph.node for name in node.output} | set(known)
    for missing in (True, False):
        for position in _plain(patient):
            for at, name in enumerate(graph.node[position].input):
                if name and (name not in made) == missing:
                    before = _made_before(patient, position, known)
                    for other in before:
                        if other != name and (missing or fitting.alike(types, name, other)):
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
        names = [node.op_type] if node.domain else fitting.of_signature(node.op_type, fitting.opset(patient.proto))
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


def with_attribute(name: str, value: Any) -> Change:
    """A node's attribute is this value, whether it had one or not."""
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
        if not onnx.defs.has(name, fitting.opset(proto)):
            return False
        known = onnx.defs.get_schema(name, fitting.opset(proto)).attributes
        for old in [attribute for attribute in node.attribute if attribute.name not in known]:
            node.attribute.remove(old)
        node.op_type, node.domain = name, ""
        return True

    return change


def _outputs(patient: Patient) -> Iterator[Repair]:
    """A value made within the region, of the source's type, in place of one of the node's results that are outputs."""
    from onnx import helper

    values, types = patient.ground.recorded[patient.ground.binding], fitting.types(patient)
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
                cut_off(proto, name)
                proto.graph.node.append(helper.make_node("Identity", [other], [name]))
                proto.graph.output[at].type.tensor_type.elem_type = dtype
                yield Repair(f"{other} as output {value.name}", proto, patient.inputs, tried=True)


def cut_off(proto: Any, name: str) -> None:
    """Whoever makes the value of this name makes one of another name, so that something else may be it."""
    for node in proto.graph.node:
        node.output[:] = [f"{made}.cut" if made == name else made for made in node.output]


def _made_before(patient: Patient, position: int, known: Sequence[str]) -> list[str]:
    """The values that a node may take, those that nobody takes first, then the latest."""
    nodes = patient.proto.graph.node
    made = [name for node in nodes[:position] for name in node.output if name]
    used = {name for node in nodes for name in node.input}
    return sorted([*made[::-1], *known], key=lambda name: name in used)
