"""Proof by repair: something of the source model's is put in the converted model's place, and the model run again.

After FetaFix (Louloudakis et al., arXiv 2312.15101), whose order is kept: parameters, then hyperparameters, then input
handling, then a segment of the graph. What mends the model proves where the fault is. No operator is named: whatever
the source node has is tried wherever it fits, and after it what the model itself and ONNX have (see `exchange`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, permutations
from typing import Any

import numpy as np

from graphfuzz.graph import Array, Values
from graphfuzz.oracle.attribution import exchange
from graphfuzz.oracle.attribution.patient import Patient, Repair

INITIALIZER = "initializer"
ATTRIBUTE = "attribute"
ORDER = "input layout or order"
SUB_GRAPH = "sub-graph"
OPTIMIZATION_OFF = "optimization off"
KERNEL = "kernel"

KINDS = (INITIALIZER, ATTRIBUTE, ORDER, SUB_GRAPH)
"""What is repaired in a model, the most specific first; `OPTIMIZATION_OFF` and `KERNEL`, another evaluator
in the runtime's place, need no model to be changed."""

MOST, SECONDS = 120, 1.0
"""The most repairs of a kind that are tried on one model, and the most time in which another one is begun."""


def mended_by(patient: Patient, kind: str) -> str:
    """The first repair of a kind that mends the model, in words; empty where none does.

    A model that is not wrong as it is, but for what a repair is fed, cannot be mended. The same repair has to mend the
    model of a larger variant of the case, too (`_holds_at_large`).
    """
    makers: dict[str, tuple[Callable[[Patient], Iterator[Repair]], ...]] = {
        INITIALIZER: (_initializers,),
        ATTRIBUTE: (_attributes, exchange.attributes),
        ORDER: (exchange.orders, _orders, exchange.operands),
        SUB_GRAPH: (_sub_graph, exchange.operators),
    }
    end = time.monotonic() + SECONDS
    for make in makers[kind]:
        for repair in islice(make(patient), MOST):
            unchanged = Repair("", patient.proto, patient.inputs, repair.fed)
            if not patient.faults(repair) and patient.faults(unchanged):
                began = time.monotonic()
                if not patient.mends_by_accident(repair) and _holds_at_large(patient, repair, make):
                    return repair.words
                end += time.monotonic() - began
            if time.monotonic() > end:
                return ""
    return ""


def _holds_at_large(patient: Patient, repair: Repair, make: Callable[[Patient], Iterator[Repair]]) -> bool:
    """Whether the repair of the same words, if need be with other numbers, mends the model of a larger variant; where
    there is none, whether the node has more than one element to it."""
    larger = patient.larger
    if larger is None:
        return not patient.is_of_one_element
    made = list(islice(make(larger), MOST))
    same = [other for other in made if other.words == repair.words]
    same = same or [other for other in made if _without_numbers(other.words) == _without_numbers(repair.words)]
    return any(not larger.faults(other) for other in same)


def _without_numbers(words: str) -> str:
    return re.sub(r"\d+", "#", words)


def _initializers(patient: Patient) -> Iterator[Repair]:
    """A weight of the source in an initializer's place, its axes in any order, the nearest first; then all at once."""
    from onnx import numpy_helper

    weights = patient.ground.case.weights()
    nearest: dict[int, Array] = {}
    singly = []
    for position, tensor in enumerate(patient.proto.graph.initializer):
        held = numpy_helper.to_array(tensor)
        fits = sorted(_fitting(held, weights), key=lambda fit: fit[0])
        if fits and fits[0][0] > 0:
            nearest[position] = fits[0][2]
        singly += [(distance, position, name, array) for distance, name, array in fits if distance > 0]
    for _, position, name, array in sorted(singly, key=lambda found: found[:2]):
        yield _with_initializers(patient, f"{name} as the source has it", {position: array})
    if len(nearest) > 1:
        yield _with_initializers(patient, "all weights as the source has them", nearest)


def _fitting(held: Array, weights: Values) -> Iterator[tuple[float, str, Array]]:
    """The weights that fit an initializer, in each order of axes: how far off its values are, the name, the array."""
    for name, weight in weights.items():
        if weight.dtype.kind != held.dtype.kind or weight.ndim > 4 or weight.size != held.size:
            continue
        orders = [weight.transpose(axes) for axes in permutations(range(weight.ndim))]
        laid = [array for array in orders if array.shape == held.shape] or [weight.reshape(held.shape)]
        for array in laid:
            with np.errstate(all="ignore"):
                apart = np.abs(array.astype("float64") - held.astype("float64"))
            yield float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)), name, array.astype(held.dtype)


def _with_initializers(patient: Patient, words: str, arrays: Mapping[int, Array]) -> Repair:
    from onnx import numpy_helper

    proto = patient.copy()
    for position, array in arrays.items():
        tensor = proto.graph.initializer[position]
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), tensor.name))
    return Repair(words, proto, patient.inputs)


def _attributes(patient: Patient) -> Iterator[Repair]:
    """An attribute of the source node in place of one of its converted nodes', or of a constant that they take."""
    values = {n: v for n, v in patient.node.attrs.items() if isinstance(v, bool | int | float | tuple)}
    own = patient.region
    operands = {name for position in own for name in patient.proto.graph.node[position].input}
    for name, value in values.items():
        for position in own:
            yield from _in_attributes(patient, name, value, position)
        yield from _in_constants(patient, name, value, operands)
        yield from exchange.spread(patient, name, value)


def _in_attributes(patient: Patient, name: str, value: Any, position: int) -> Iterator[Repair]:
    """In each attribute that a node has, or could have by its schema, and that the value fits."""
    import onnx
    from onnx import AttributeProto, helper, numpy_helper

    made = patient.proto.graph.node[position]
    present = {attribute.name: attribute for attribute in made.attribute}
    kinds = {attribute.name: attribute.type for attribute in made.attribute}
    if onnx.defs.has(made.op_type, made.domain):
        for attribute in onnx.defs.get_schema(made.op_type, made.domain).attributes.values():
            kinds.setdefault(attribute.name, int(attribute.type.value))  # type: ignore[attr-defined]
    for attribute, kind in kinds.items():
        held = helper.get_attribute_value(present[attribute]) if attribute in present else None
        if kind == AttributeProto.TENSOR and held is not None:
            array = _as_array(value, numpy_helper.to_array(held))
            fitting: Any = None if array is None else numpy_helper.from_array(array, held.name)
        else:
            fitting = _as_attribute(value, kind, held)
        if fitting is None or fitting == held:
            continue
        proto = patient.copy()
        exchange.with_attribute(attribute, fitting)(proto, position)
        words = f"the source's {name}={value!r} as {attribute} of {made.op_type}"
        yield Repair(words, proto, patient.inputs)


def _as_attribute(value: Any, kind: int, held: Any) -> Any:
    """The value as an attribute of this kind; a list is filled up to the length of the one that is there."""
    from onnx import AttributeProto

    flat = list(value) if isinstance(value, tuple) else [value]
    if not all(isinstance(item, bool | int | float) for item in flat):
        return None
    if kind == AttributeProto.FLOAT and len(flat) == 1:
        return float(flat[0])
    if kind == AttributeProto.INT and len(flat) == 1 and float(flat[0]).is_integer():
        return int(flat[0])
    if kind == AttributeProto.INTS and all(float(item).is_integer() for item in flat):
        length = len(held) if held is not None else len(flat)
        return [int(item) for item in flat] * (length // len(flat)) if flat and length % len(flat) == 0 else None
    return None


def _as_array(value: Any, held: Array) -> Array | None:
    """The value as a constant of the type of another; None where it does not fit, or is the same."""
    flat = np.ravel(np.asarray(value))
    if flat.dtype == bool and not np.isin(held, (0, 1)).all():
        return None
    if flat.dtype.kind not in "biuf" or flat.size == 0 or held.size == 0 or held.size % flat.size:
        return None
    made = np.tile(flat, held.size // flat.size).reshape(held.shape).astype(held.dtype)
    return None if held.size > 64 or np.array_equal(made, held) else made


def _in_constants(patient: Patient, name: str, value: Any, operands: set[str]) -> Iterator[Repair]:
    """In each small initializer that the node's converted nodes take."""
    from onnx import numpy_helper

    for position, tensor in enumerate(patient.proto.graph.initializer):
        if tensor.name in operands:
            array = _as_array(value, numpy_helper.to_array(tensor))
            if array is not None:
                yield _with_initializers(patient, f"the source's {name}={value!r} as {tensor.name}", {position: array})


def _orders(patient: Patient) -> Iterator[Repair]:
    """Inputs of the model in another order, or with other axes first."""
    names = list(patient.inputs)
    for order in exchange.other_orders(len(names)):
        taken = dict(zip(names, (patient.inputs[names[i]] for i in order), strict=True))
        if all(_type(taken[name]) == _type(patient.inputs[name]) for name in names):
            yield Repair(f"inputs in the order {list(order)}", patient.proto, taken)
    for name, array in patient.inputs.items():
        for axes in exchange.other_orders(array.ndim):
            given = {**patient.inputs, name: np.ascontiguousarray(array.transpose(axes))}
            yield Repair(f"{name} with its axes in the order {list(axes)}", patient.proto, given)


def _type(array: Array) -> tuple[Any, ...]:
    return array.dtype, array.shape


def _sub_graph(patient: Patient) -> Iterator[Repair]:
    """The source's results of the blamed node given to all that uses them. Its own results prove nothing then."""
    proto, inputs = patient.copy(), dict(patient.inputs)
    types = dict(zip(patient.outputs, (value.type for value in patient.proto.graph.output), strict=True))
    fed = [value.name for value in patient.node.outputs if value.name in patient.outputs]
    for value in fed:
        name = patient.names[value]
        exchange.cut_off(proto, name)
        given = proto.graph.input.add(name=name)
        given.type.CopyFrom(types[value])
        inputs[name] = patient.ground.recorded[patient.ground.binding][value]
    if len(fed) == len(patient.node.outputs):
        yield Repair(f"the source's {', '.join(fed)} given to what follows", proto, inputs, frozenset(fed))
