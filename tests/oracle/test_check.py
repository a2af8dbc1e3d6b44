"""The check of a converted model: what ends a case at once, and what the runtime has a say in."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphfuzz.graph import Array, Case, Graph, Node, Value
from graphfuzz.oracle.causes import disputes_shapes
from graphfuzz.oracle.checking import check
from graphfuzz.oracle.converted import float_attributes
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.target import Target
from graphfuzz.oracle.targets import ONNX_RUNTIME
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec import FLOATS, Registry, unary

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

X = np.arange(60, dtype="float32").reshape(2, 2, 5, 3)


def model(op: str, y: tuple[int, ...], kind: int = TensorProto.FLOAT, inputs: int = 1, **attrs: Any) -> Any:
    """A model of one node whose output is declared to be of this shape and type."""
    names = ["x"] * inputs
    node = helper.make_node(op, names, ["y"], **attrs)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)
    graph = helper.make_graph([node], "g", [given], [helper.make_tensor_value_info("y", kind, y)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def objection(proto: Any) -> Exception:
    with pytest.raises(onnx.shape_inference.InferenceError) as caught:
        check(proto, {"x": X})
    return caught.value


def test_disputes_about_shapes_are_told_from_others() -> None:
    assert disputes_shapes(objection(model("Relu", (2, 2, 5, 9))))
    assert disputes_shapes(objection(model("Relu", (2, 2))))
    assert disputes_shapes(objection(model("MatMul", (2, 2, 5, 3), inputs=2)))
    assert not disputes_shapes(objection(model("Relu", X.shape, TensorProto.DOUBLE)))
    assert not disputes_shapes(objection(model("Not", X.shape)))
    assert not disputes_shapes(objection(model("Transpose", X.shape, perm=[0, 1, 2, 7])))
    assert not disputes_shapes(ValueError("Inferred shape and existing shape differ in rank"))


def test_one_complaint_that_is_not_about_shapes_is_enough() -> None:
    both = (
        "[ShapeInferenceError] Inference error(s): (op_type:Relu, node name: a(1)): [ShapeInferenceError] Inferred "
        "shape and existing shape differ in rank: (2) vs (4)\n(op_type:Not): [TypeInferenceError] Inferred elem type"
    )
    assert not disputes_shapes(onnx.shape_inference.InferenceError(both))
    assert disputes_shapes(onnx.shape_inference.InferenceError(both.split("\n")[0]))


def outcome(
    proto: Any,
    reference: Any = lambda x: np.maximum(x, 0),
    torch: str = "torch.relu({x})",
    target: Target = ONNX_RUNTIME,
) -> Outcome:
    """The verdict on a route whose converter makes this model of a unary operator."""
    registry = Registry([unary("made", FLOATS, reference=reference, torch=torch)])
    value = Value("x", "float32", X.shape)
    case = Case(
        Graph((value,), (), (Node("made", ("x",), {}, (Value("y", "float32", X.shape),)),), ("y",)), "torch", {"x": X}
    )
    route = load_route("torch-script-ort")
    route = msgspec.structs.replace(route, convert=lambda source, inputs, axes: proto, target=target)
    return judge(case, route, registry)


def test_a_type_error_ends_the_case_at_once() -> None:
    found = outcome(model("Not", X.shape))
    assert (found.verdict, found.stage) == ("invalid-model", "check")
    assert "load" not in found.seconds


def test_wrong_shapes_that_the_runtime_runs_into_are_an_invalid_model() -> None:
    """Outputs differ (here in shape), or the runtime refuses to load or run: the checker's own error is reported."""
    found = outcome(model("Transpose", X.shape, perm=[0, 1, 3, 2]))
    assert {"check", "load"} <= set(found.seconds)
    assert (found.verdict, found.stage, found.mismatch) == ("invalid-model", "check", None)
    assert found.error.endswith("InferenceError")
    assert "Inferred shape and existing shape differ in dimension 2: (3) vs (5)" in found.message
    assert found.message in found.traceback
    assert "check_model" in found.traceback
    assert found.model
    assert found.expected
    found = outcome(model("MatMul", X.shape, inputs=2))
    assert (found.verdict, found.stage) == ("invalid-model", "check")
    assert "Incompatible dimensions" in found.message


def test_a_kernel_that_is_missing_says_nothing_about_shapes() -> None:
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

    def refuse(proto: bytes) -> Any:
        raise NoKernel("Could not find an implementation")

    target = msgspec.structs.replace(ONNX_RUNTIME, load=refuse)
    found = outcome(model("Transpose", X.shape, perm=[0, 1, 3, 2]), target=target)
    assert (found.verdict, found.stage) == ("unsupported", "load")


def test_a_defect_of_shape_inference_is_not_the_converters(registry: Registry) -> None:
    """Pooling with ceil_mode: inference forgets that the last window must start inside (onnx/onnx#5711)."""
    case = pooled(np.random.default_rng(0).normal(size=(7, 2, 5, 3)).astype("float32"), (7, 2, 2, 4))
    found = judge(case, load_route("torch-dynamo-ort"), registry)
    assert found.verdict == "ok", found.traceback
    with pytest.raises(onnx.shape_inference.InferenceError, match="existing shape differ"):
        check(onnx.load_from_string(found.model), case.inputs())


def pooled(x: Array, shape: tuple[int, ...]) -> Case:
    attrs = {"window": (3, 4), "strides": (3, 1), "padding": (1, 2), "ceil_mode": True}
    node = Node("max_pool2d", ("x",), attrs, (Value("y", "float32", shape),))
    return Case(Graph((Value("x", "float32", x.shape),), (), (node,), ("y",)), "torch", {"x": x})


def test_numbers_in_attributes_are_read_off_but_not_those_that_could_be_tensors() -> None:
    inner = helper.make_graph(
        [helper.make_node("LeakyRelu", ["x"], ["z"], alpha=0.25)],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, X.shape)],
    )
    proto = model("Elu", X.shape, alpha=0.1)
    proto.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner))
    proto.graph.node.append(helper.make_node("Constant", [], ["k"], value_float=0.75))
    found = float_attributes(proto)
    assert {float(np.float32(0.1)), 0.25} <= found
    assert 0.75 not in found
