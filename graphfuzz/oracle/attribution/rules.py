"""What ONNX's document asks of a node on the values at hand, which neither its checker nor its inference on shapes
alone can see.

ONNX's inference knows most of it where operands are constants. The rest, on what indices are in range and which shapes
go together, is a table here, after https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from graphfuzz.graph import Array, Values
from graphfuzz.oracle.attribution.nodes import taken
from graphfuzz.oracle.execution import feeds

_Given: TypeAlias = Sequence[Array]
_Rule: TypeAlias = Callable[[_Given, Mapping[str, Any]], str]
"""From a node's operands and attributes: what is wrong, in words, or nothing."""

POSITIVE = ("strides", "dilations", "kernel_shape")
"""Attributes of which each entry is at least 1, whatever operator has them."""


class AgainstRules(Exception):
    """A node is against its operator's rules."""


def require_rules(model: bytes, inputs: Values) -> str:
    """The operator of the node at which the reference evaluator, which tells the operands' values, fails; empty where
    it comes to the end. That node is still looked at, and none after it. Raises AgainstRules, or onnx's InferenceError,
    where a node, on the very values that it takes, is against its operator's rules.

    The evaluator is lenient there. ONNX's inference is not, where operands are constants; so each node is a model of
    its own here. Nodes with subgraphs are not looked at.
    """
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    proto = onnx.load_from_string(model)
    values: dict[str, Any] = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    values.update(feeds(ReferenceEvaluator(proto), inputs))
    for node in proto.graph.node:
        given = {name: values[name] for name in taken(node) if name in values}
        if not any(attribute.g.node for attribute in node.attribute) and not _has_sequences(given):
            _require(proto, node, given)
        try:
            made = ReferenceEvaluator(_alone(proto, node, given, as_constants=False)).run(None, given)
        except Exception:  # noqa: BLE001 - the evaluator's failure is told by its own witness
            return str(node.op_type)
        values.update(zip((name for name in node.output if name), made, strict=True))
    return ""


def _require(proto: Any, node: Any, given: Values) -> None:
    """Raises where one node is against the rules."""
    import onnx
    from onnx import helper

    onnx.shape_inference.infer_shapes(_alone(proto, node, given, as_constants=True), strict_mode=True, data_prop=True)
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    wrong = [f"{name} {list(attributes[name])}" for name in POSITIVE if min(attributes.get(name, ()), default=1) < 1]
    rule = _RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if rule is not None and not wrong:
        wrong = [rule([np.asarray(given[name]) for name in node.input if name], attributes)]
    if any(wrong):
        raise AgainstRules(f"{node.op_type} '{node.name}': {', '.join(wrong)}")


def _has_sequences(given: Mapping[str, Any]) -> bool:
    return any(isinstance(value, list) for value in given.values())


def _alone(proto: Any, node: Any, given: Mapping[str, Any], as_constants: bool) -> Any:
    """The model of one node, what it takes being constants or inputs."""
    from onnx import helper, numpy_helper

    known = [numpy_helper.from_array(np.asarray(array), name) for name, array in given.items() if as_constants]
    asked = [] if as_constants else [helper.make_empty_tensor_value_info(name) for name in given]
    made = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", asked, made, known)
    alone = helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    alone.functions.extend(proto.functions)
    return alone


def _outside(indices: Array, size: int) -> str:
    """The first index outside [-size, size - 1]."""
    wrong = indices[(indices < -size) | (indices >= size)]
    return f"index {wrong.flat[0]} of an axis of {size}" if wrong.size else ""


def _gather(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, indices = given
    return _outside(indices, data.shape[attributes.get("axis", 0)])


def _gather_elements(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, indices = given
    if data.ndim != indices.ndim:
        return f"indices of rank {indices.ndim} for data of rank {data.ndim}"
    return _gather(given, attributes)


def _scatter_elements(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, indices, updates = given
    if updates.shape != indices.shape:
        return f"updates of shape {list(updates.shape)} for indices of shape {list(indices.shape)}"
    return _gather_elements((data, indices), attributes)


def _gather_nd(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, indices, batch = given[0], given[1], attributes.get("batch_dims", 0)
    sizes = data.shape[batch : batch + indices.shape[-1]]
    if len(sizes) != indices.shape[-1]:
        return f"{indices.shape[-1]} indices for {data.ndim - batch} axes"
    return next(filter(None, (_outside(indices[..., axis], size) for axis, size in enumerate(sizes))), "")


def _scatter_nd(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, indices, updates = given
    wanted = (*indices.shape[:-1], *data.shape[indices.shape[-1] :])
    if updates.shape != wanted:
        return f"updates of shape {list(updates.shape)}, not {list(wanted)}"
    return _gather_nd((data, indices), {})


def _reshape(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, shape = given
    kept = not attributes.get("allowzero", 0)
    if kept and any(size == 0 and axis >= data.ndim for axis, size in enumerate(shape.tolist())):
        return f"a 0 of {shape.tolist()} where the data of rank {data.ndim} has no axis"
    sizes = [data.shape[axis] if kept and size == 0 else size for axis, size in enumerate(shape.tolist())]
    known = math.prod(size for size in sizes if size != -1)
    fits = (known and data.size % known == 0) if -1 in sizes else known == data.size
    return "" if fits else f"{data.size} elements as {shape.tolist()}"


def _col2im(given: _Given, attributes: Mapping[str, Any]) -> str:
    data, image, block = given
    axes = len(image)
    pads, ones = attributes.get("pads", [0] * 2 * axes), [1] * axes
    reach = zip(
        image.tolist(),
        block.tolist(),
        np.add(pads[:axes], pads[axes:]).tolist(),
        attributes.get("dilations", ones),
        attributes.get("strides", ones),
        strict=True,
    )
    blocks = math.prod(
        (size + pad - dilation * (width - 1) - 1) // stride + 1 for size, width, pad, dilation, stride in reach
    )
    return "" if blocks == data.shape[-1] else f"{data.shape[-1]} blocks where there are {blocks}"


_RULES: dict[str, _Rule] = {
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Reshape": _reshape,
    "Col2Im": _col2im,
}
