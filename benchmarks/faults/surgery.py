"""Surgery on ONNX models: what planted faults do to nodes, weights and outputs.

An *alteration* changes one node of a model and says whether it found something to change; `nodes` makes a surgery of
it. What an element type or shape decides is read off ONNX's shape inference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from benchmarks.faults.fault import Altered, Surgery

FLOAT, INT32, INT64, BOOL, FLOAT16, DOUBLE, BFLOAT16 = 1, 6, 7, 9, 10, 11, 16
"""ONNX's numbers for element types (onnx.TensorProto.DataType)."""

_MOVES = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


class Patient:
    """A model under surgery."""

    def __init__(self, proto: Any) -> None:
        self.proto = proto

    @cached_property
    def types(self) -> dict[str, tuple[int, tuple[int | None, ...] | None]]:
        """Element type and sizes of each value of the main graph, None for what is not known: as inference tells, or
        where it objects to what the model says, as the model says."""
        import onnx

        try:
            graph = onnx.shape_inference.infer_shapes(self.proto).graph
        except onnx.shape_inference.InferenceError:
            graph = self.proto.graph
        found: dict[str, tuple[int, tuple[int | None, ...] | None]] = {}
        found.update((t.name, (t.data_type, tuple(t.dims))) for t in graph.initializer)
        for value in (*graph.value_info, *graph.input, *graph.output):
            tensor = value.type.tensor_type
            sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
            found[value.name] = (tensor.elem_type, sizes if tensor.HasField("shape") else None)
        return found

    @cached_property
    def initializers(self) -> dict[str, Any]:
        """The tensors of the model's initializers by name."""
        return {tensor.name: tensor for tensor in self.proto.graph.initializer}

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The tensors of Constant nodes by name."""
        made = [node for node in self.proto.graph.node if node.op_type == "Constant"]
        return {node.output[0]: a.t for node in made for a in node.attribute if a.name == "value"}

    def origin(self, name: str) -> Any:
        """The constant tensor that a value holds, or was before nodes laid it out in another way or cast it, as
        converters do that leave folding to an optimizer; None where there is none."""
        maker = next((node for node in self.proto.graph.node if name in node.output), None)
        if maker is not None and maker.op_type in _MOVES:
            return self.origin(maker.input[0])
        return self.initializers.get(name) or self.constants.get(name)

    def dtype(self, name: str) -> int:
        """The element type, 0 where it is unknown."""
        return self.types.get(name, (0, None))[0]

    def rank(self, name: str) -> int | None:
        """The number of axes, None where it is unknown."""
        sizes = self.sizes(name)
        return None if sizes is None else len(sizes)

    def sizes(self, name: str) -> tuple[int | None, ...] | None:
        """The sizes, those unknown None; None where not even their number is known."""
        return self.types.get(name, (0, None))[1]

    def after(self, node: Any, renamed: str, *added: Any) -> None:
        """Give the node's first output another name, and put nodes behind it."""
        nodes = self.proto.graph.node
        at = next(i for i, other in enumerate(nodes) if other is node or other.output[:1] == node.output[:1])
        nodes[at].output[0] = renamed
        for offset, each in enumerate(added, 1):
            nodes.insert(at + offset, each)


Alteration: TypeAlias = Callable[[Any, Patient], bool]
Condition: TypeAlias = Callable[[Any, Patient], bool]


def nodes(operator: str | Sequence[str], change: Alteration, where: Condition | None = None) -> Surgery:
    """The alteration of every node of these operators in the main graph for which the condition holds."""
    operators = (operator,) if isinstance(operator, str) else tuple(operator)

    def operate(proto: Any) -> Altered:
        patient, altered = Patient(proto), []
        for node in [n for n in proto.graph.node if n.op_type in operators]:
            name = node.output[0]
            if (where is None or where(node, patient)) and change(node, patient):
                altered.append(name)
        return altered

    return operate


def both(*surgeries: Surgery) -> Surgery:
    """One after the other: the same mistake in several forms that a converter makes."""
    return lambda proto: [name for surgery in surgeries for name in surgery(proto)]


def of_dtype(*dtypes: int) -> Condition:
    """The first operand is of one of these element types."""
    return lambda node, patient: bool(node.input) and patient.dtype(node.input[0]) in dtypes


def of_rank(rank: int) -> Condition:
    """The first operand has so many axes."""
    return lambda node, patient: bool(node.input) and patient.rank(node.input[0]) == rank


def to(operator: str) -> Alteration:
    """Another operator with the same operands and attributes."""

    def alter(node: Any, patient: Patient) -> bool:
        node.op_type = operator
        return True

    return alter


def attribute(name: str, change: Callable[[Any, Any, Patient], Any], default: Any = None) -> Alteration:
    """Another value for an attribute. change: (value, node, patient) to the new value, or None for none. default: the
    value where the node does not tell."""

    def alter(node: Any, patient: Patient) -> bool:
        import onnx

        found = next((a for a in node.attribute if a.name == name), None)
        value = default if found is None else onnx.helper.get_attribute_value(found)
        new = None if value is None else change(value, node, patient)
        if new is None or new == value:
            return False
        if found is not None:
            node.attribute.remove(found)
        node.attribute.append(onnx.helper.make_attribute(name, new))
        return True

    return alter


def flipped(value: int, node: Any, patient: Patient) -> int:
    """The other way of a flag."""
    return 1 - value


def other_axis(value: int, node: Any, patient: Patient) -> int | None:
    """The axis before, around the end; none where there is one axis only."""
    rank = patient.rank(node.input[0])
    return (value - 1) % rank if rank is not None and rank > 1 else None


def swapped(first: int = 0) -> Alteration:
    """The operand at this position and the next change places, if they are of one element type."""

    def alter(node: Any, patient: Patient) -> bool:
        if len(node.input) < first + 2:
            return False
        one, other = node.input[first : first + 2]
        if one == other or patient.dtype(one) != patient.dtype(other):
            return False
        node.input[first], node.input[first + 1] = other, one
        return True

    return alter


def without(position: int) -> Alteration:
    """The last operand, which is optional and at this position, is forgotten."""

    def alter(node: Any, patient: Patient) -> bool:
        if len(node.input) != position + 1 or not node.input[position]:
            return False
        del node.input[position]
        return True

    return alter


def skipped(node: Any, patient: Patient) -> bool:
    """The node hands its first operand on; where that is of another type or shape, nothing."""
    if patient.types.get(node.input[0], 0) != patient.types.get(node.output[0], 1):
        return False
    del node.attribute[:]
    del node.input[1:]
    node.op_type = "Identity"
    return True


def zeroed(node: Any, patient: Patient) -> bool:
    """The first output is zero everywhere (NaN stays NaN)."""
    import onnx

    name = node.output[0]
    if patient.dtype(name) not in (FLOAT, DOUBLE, INT32, INT64):
        return False
    patient.after(node, f"{name}_", onnx.helper.make_node("Sub", [f"{name}_"] * 2, [name]))
    return True


def detoured(through: int) -> Alteration:
    """The first output, of float32 or float64, goes through a narrower type and back."""

    def alter(node: Any, patient: Patient) -> bool:
        import onnx

        name, dtype = node.output[0], patient.dtype(node.output[0])
        if dtype not in (FLOAT, DOUBLE) or dtype == through:
            return False
        there = onnx.helper.make_node("Cast", [f"{name}_"], [f"{name}__"], to=through)
        back = onnx.helper.make_node("Cast", [f"{name}__"], [name], to=dtype)
        patient.after(node, f"{name}_", there, back)
        return True

    return alter


def retyped(dtype: int, to: int) -> Alteration:
    """Where the first output, of an element type, is one of the model's and nothing else, it is of another; unoptimized
    models often have an Identity before their outputs."""

    def alter(node: Any, patient: Patient) -> bool:
        import onnx

        name = node.output[0]
        users = [other for other in patient.proto.graph.node if name in other.input]
        if len(users) == 1 and users[0].op_type == "Identity":
            return alter(users[0], patient)
        output = next((o for o in patient.proto.graph.output if o.name == name), None)
        if output is None or users or patient.dtype(name) != dtype:
            return False
        output.type.tensor_type.elem_type = to
        patient.after(node, f"{name}_", onnx.helper.make_node("Cast", [f"{name}_"], [name], to=to))
        return True

    return alter


def negated(node: Any, patient: Patient) -> bool:
    """The first output has the other sign."""
    import onnx

    name = node.output[0]
    if patient.dtype(name) not in (FLOAT, DOUBLE, INT32, INT64):
        return False
    patient.after(node, f"{name}_", onnx.helper.make_node("Neg", [f"{name}_"], [name]))
    return True


def repeating(node: Any, patient: Patient) -> bool:
    """The second output repeats the first, if they are of one type."""
    import onnx

    if len(node.output) < 2 or not all(node.output[:2]):
        return False
    one, other = node.output[:2]
    if patient.types.get(one, 0) != patient.types.get(other, 1):
        return False
    node.output[1] = f"{other}_"
    at = list(patient.proto.graph.node).index(node)
    patient.proto.graph.node.insert(at + 1, onnx.helper.make_node("Identity", [one], [other]))
    return True


def first_instead(node: Any, patient: Patient) -> bool:
    """Of a sequence's second element, the first one: what an optimizer makes outputs of one node of."""
    position = patient.origin(node.input[1])
    if position is None or (position.int64_data[:1] != [1] and position.raw_data != np.array(1, "int64").tobytes()):
        return False
    return constant(1, lambda at: at - 1)(node, patient)


def narrowed(through: str, positions: Sequence[int] = (0, 1, 2)) -> Alteration:
    """Weights of float32 or float64 among the operands at these positions go through a narrower type and back."""
    kind: Any = getattr(ml_dtypes, through, None) or through

    def alter(node: Any, patient: Patient) -> bool:
        import onnx

        done = False
        for at, name in enumerate(node.input):
            tensor = patient.origin(name)
            if tensor is None or at not in positions or tensor.data_type not in (FLOAT, DOUBLE):
                continue
            array = onnx.numpy_helper.to_array(tensor)
            with np.errstate(over="ignore"):
                rough = array.astype(kind).astype(array.dtype)
            if not np.array_equal(rough, array, equal_nan=True):
                tensor.CopyFrom(onnx.numpy_helper.from_array(rough, tensor.name))
                done = True
        return done

    return alter


def constant(position: int, change: Callable[[Any], Any]) -> Alteration:
    """Another value for the constant operand at a position. change: array to array, or None for none."""

    def alter(node: Any, patient: Patient) -> bool:
        import onnx

        name = node.input[position] if position < len(node.input) else ""
        tensor = patient.initializers.get(name) or patient.constants.get(name)
        if tensor is None:
            return False
        array = onnx.numpy_helper.to_array(tensor)
        new = change(array)
        if new is None or np.array_equal(new, array, equal_nan=array.dtype.kind == "f"):
            return False
        fresh = f"{node.output[0]}_{position}"
        patient.proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(new, array.dtype), fresh))
        node.input[position] = fresh
        return True

    return alter


def shifted(value: Sequence[int], node: Any, patient: Patient) -> list[int] | None:
    """Padding of each axis moved by one from its beginning to its end, or back; none where there is none."""
    half = len(value) // 2
    pads = list(value)
    for axis in range(half):
        source, target = (axis, axis + half) if pads[axis] else (axis + half, axis)
        if pads[source]:
            pads[source], pads[target] = pads[source] - 1, pads[target] + 1
    return pads if pads != list(value) else None


def baked(node: Any, patient: Patient) -> bool:
    """A shape that is not known at export is that of an example in which every axis unknown has size one."""
    import onnx

    sizes = patient.sizes(node.input[0])
    if node.op_type != "Shape" or sizes is None or None not in sizes or node.attribute:
        return False
    name, value = node.output[0], np.array([1 if size is None else size for size in sizes], "int64")
    made = onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))
    node.CopyFrom(made)
    return True


def undefined(node: Any, patient: Patient) -> bool:
    """The first operand is a value that nobody makes."""
    node.input[0] = f"{node.input[0]}_of_nobody"
    return True


def given(name: str, value: Any) -> Alteration:
    """An attribute that the operator does not have."""

    def alter(node: Any, patient: Patient) -> bool:
        import onnx

        node.attribute.append(onnx.helper.make_attribute(name, value))
        return True

    return alter


def bare(name: str) -> Alteration:
    """An attribute that is required is missing."""

    def alter(node: Any, patient: Patient) -> bool:
        found = [a for a in node.attribute if a.name == name]
        for a in found:
            node.attribute.remove(a)
        return bool(found)

    return alter


def foreign(node: Any, patient: Patient) -> bool:
    """The node is of an operator set that the runtime does not have."""
    import onnx

    node.domain = "planted.fault"
    if all(opset.domain != node.domain for opset in patient.proto.opset_import):
        patient.proto.opset_import.append(onnx.helper.make_opsetid(node.domain, 1))
    return True


def twice(node: Any, patient: Patient) -> bool:
    """Another node makes the same value again."""
    copy = type(node)()
    copy.CopyFrom(node)
    patient.proto.graph.node.append(copy)
    return True
