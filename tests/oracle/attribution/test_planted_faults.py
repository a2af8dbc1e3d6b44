"""Faults planted on each route: the right stage, the right node, and the repair that mends it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import msgspec
import numpy as np
import pytest

from graphfuzz.graph import Array, Axes, Case, Graph
from graphfuzz.oracle.attribution import Attribution, attribute
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.routes.warm import remembered_registry
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.spec import Registry, unary
from tests.examples import case_of, node, value
from tests.oracle.test_broken_converters import BREAKS
from tests.oracle.test_routes import ROUTES, chain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

X = np.linspace(-2, 2, 8, dtype="float32")
DYNAMO, SCRIPT, TENSORFLOW = ROUTES


def blamed(case: Case, route: Route, registry: Registry, verdict: str, is_registry_broken: bool = False) -> Attribution:
    """The attribution of a case's finding; by workers' short cuts, unless what they remember is what is broken."""
    with nullcontext() if is_registry_broken else remembered_registry():
        outcome = judge(case, route, registry)
        assert outcome.verdict == verdict, outcome.summary() + outcome.traceback
        return attribute(case, outcome, route, registry, Tolerance(), seconds=60)


def weighted(route: Route, op: str, weight: tuple[int, ...] = (3,)) -> Case:
    """relu, `op` with a weight, negative."""
    w, names = value("w0", shape=weight), ("v0", "v1", "v2")
    v0, v1, v2 = (value(name) for name in names)
    nodes = (node("relu", "x0", v0), node(op, "v0 w0", v1), node("negative", "v1", v2))
    made = case_of(Graph((value("x0"),), (w,), nodes, ("v2",)))
    return msgspec.structs.replace(made, framework=route.framework)


def changing(route: Route, change: Callable[[Any], None]) -> Route:
    """The route with its converted models changed."""

    def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        made = route.convert(model, inputs, axes)
        change(made)
        return made

    return msgspec.structs.replace(route, convert=convert)


def to_sigmoid(model: Any) -> None:
    for made in model.graph.node:
        if made.op_type == "Tanh":
            made.op_type = "Sigmoid"


@pytest.mark.parametrize("name", ROUTES)
def test_a_wrong_node_conversion(name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    BREAKS[name](monkeypatch)
    route = load_route(name)
    found = blamed(chain(route, "relu", "tanh", "exp", x=X), route, registry, "wrong-output", is_registry_broken=True)
    assert (found.stage, found.node, found.operator) == ("node conversion", "y1", "tanh"), found
    assert (found.proof, found.contradiction) == ("sub-graph", ""), found
    assert (found.location, found.symptom, found.cause) == ("Node conversion", "Wrong model", "Algorithmic error")
    assert any("converted to Sigmoid" in witness.detail for witness in found.evidence)


def _break_dynamo_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.onnx._internal.exporter._onnx_program import ONNXProgram

    plain = ONNXProgram.optimize

    def optimize(self: Any) -> None:
        plain(self)
        for made in self.model.graph:
            if made.op_type == "Tanh":
                made.op_type = "Sigmoid"

    monkeypatch.setattr(ONNXProgram, "optimize", optimize)


def _break_tf2onnx_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    from tf2onnx import optimizer

    class Breaking(optimizer._optimizers["remove_identity"]):  # type: ignore[misc]
        def optimize(self, graph: Any, iteration: int) -> Any:
            for made in graph.get_nodes():
                if made.type == "Tanh":
                    made.type = "Sigmoid"
            return super().optimize(graph, iteration)

    monkeypatch.setitem(optimizer._optimizers, "remove_identity", Breaking)


def _break_grappler(monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorflow.python.grappler import tf_optimizer

    plain = tf_optimizer.OptimizeGraph

    def optimize(config: Any, *arguments: Any, **options: Any) -> Any:
        made = plain(config, *arguments, **options)
        if "constfold" in config.graph_options.rewrite_options.optimizers:
            for n in made.node:
                n.op = "Sigmoid" if n.op == "Tanh" else n.op
        return made

    monkeypatch.setattr(tf_optimizer, "OptimizeGraph", optimize)


@pytest.mark.parametrize(
    ("name", "break_it", "optimizer"),
    [
        (DYNAMO, _break_dynamo_optimizer, "optimize"),
        (TENSORFLOW, _break_tf2onnx_optimizer, "tf2onnx/remove_identity"),
        (TENSORFLOW, _break_grappler, "Grappler/constfold"),
    ],
)
def test_a_wrong_converter_optimization(
    name: str,
    break_it: Callable[[pytest.MonkeyPatch], None],
    optimizer: str,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_it(monkeypatch)
    route = load_route(name)
    found = blamed(chain(route, "relu", "tanh", "exp", x=X), route, registry, "wrong-output")
    assert (found.stage, found.optimizer, found.node) == ("converter optimization", optimizer, "y1"), found
    assert (found.proof, found.location, found.contradiction) == ("optimization off", "Optimization", "")


def test_a_wrong_constant_folding(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    plain = torch._C._jit_pass_onnx_constant_fold

    def fold(*arguments: Any) -> Any:
        return {name: tensor * 2 for name, tensor in plain(*arguments).items()}

    monkeypatch.setattr(torch._C, "_jit_pass_onnx_constant_fold", fold)
    route = load_route(SCRIPT)
    found = blamed(weighted(route, "add"), route, registry, "wrong-output")
    assert (found.stage, found.optimizer) == ("converter optimization", "do_constant_folding"), found
    assert (found.node, found.proof) == ("v1", "optimization off")


def _wrong_runtime(monkeypatch: pytest.MonkeyPatch, breaks: Callable[..., bool]) -> None:
    """Sessions for models with Sigmoid in Tanh's place, where `breaks`, by their options and disabled optimizers."""
    import onnx
    import onnxruntime

    plain = onnxruntime.InferenceSession

    def session(model: bytes, options: Any, **more: Any) -> Any:
        proto = onnx.load_from_string(model)
        if breaks(options, more.get("disabled_optimizers", ())):
            to_sigmoid(proto)
            if options.log_severity_level <= 1:
                os.write(2, b"GraphTransformer PlantedFusion modified: 1 with status: OK\n")
        return plain(proto.SerializeToString(), options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)


@pytest.mark.parametrize("name", ROUTES)
def test_a_wrong_runtime_optimization(name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    off = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    _wrong_runtime(
        monkeypatch,
        lambda options, disabled: options.graph_optimization_level != off and "PlantedFusion" not in disabled,
    )
    route = load_route(name)
    found = blamed(chain(route, "relu", "tanh", "exp", x=X), route, registry, "wrong-output")
    assert (found.stage, found.optimizer, found.node) == ("runtime optimization", "PlantedFusion", "y1"), found
    assert (found.proof, found.location, found.contradiction) == ("optimization off", "Runtime", "")


@pytest.mark.parametrize("name", ROUTES)
def test_a_wrong_kernel(name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    _wrong_runtime(monkeypatch, lambda options, disabled: True)
    route = load_route(name)
    found = blamed(chain(route, "relu", "tanh", "exp", x=X), route, registry, "wrong-output")
    assert (found.stage, found.node, found.proof) == ("runtime kernel", "y1", "kernel"), found
    assert (found.location, found.contradiction) == ("Runtime", "")


CAPTURED = {
    DYNAMO: "torch.compiler.is_exporting()",
    SCRIPT: "torch.jit.is_tracing()",
    TENSORFLOW: "not __import__('tensorflow').executing_eagerly()",
}


def otherwise(name: str, captured: str) -> Registry:
    """relu, and an operator that is the identity, or another expression when it is captured."""
    chosen = f"({captured} if {CAPTURED[name]} else {{x}} * 1)"
    keras = f"layers.Lambda(lambda t: {chosen.format(x='t')})({{x}})"
    op = unary("fickle", ("float32",), reference=lambda x: x, torch=chosen, keras=keras)
    relu = unary("plain", ("float32",), reference=lambda x: x + 1, torch="{x} + 1", keras="{x} + 1")
    return Registry([op, relu])


@pytest.mark.parametrize("name", ROUTES)
def test_a_wrong_capture(name: str) -> None:
    route, wrong = load_route(name), "{x} + 1" if name != TENSORFLOW else "t + 1"
    found = blamed(chain(route, "plain", "fickle", x=X), route, otherwise(name, wrong), "wrong-output")
    assert (found.stage, found.node, found.location) == ("capture", "y1", "Load"), found


@pytest.mark.parametrize("name", [DYNAMO, SCRIPT])
def test_a_crash_in_capture(name: str) -> None:
    route = load_route(name)
    found = blamed(chain(route, "plain", "fickle", x=X), route, otherwise(name, "1 / 0"), "conversion-crash")
    assert (found.stage, found.node, found.symptom) == ("capture", "y1", "Crash"), found
    assert found.proof == "sub-graph"


def test_a_crash_in_a_handler(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    from tf2onnx.handler import tf_op

    plain = tf_op.create_mapping

    def explode(graph: Any, made: Any, **given: Any) -> None:
        raise ZeroDivisionError("in a handler")

    monkeypatch.setattr(tf_op, "create_mapping", lambda *args: {**plain(*args), "Tanh": (explode, {})})
    route = load_route(TENSORFLOW)
    found = blamed(chain(route, "relu", "tanh", "exp", x=X), route, registry, "conversion-crash")
    assert (found.stage, found.node, found.proof) == ("node conversion", "y1", "sub-graph"), found
    assert (found.location, found.symptom) == ("Node conversion", "Crash")


@pytest.mark.parametrize("name", ROUTES)
def test_an_invalid_model(name: str, registry: Registry) -> None:
    def spoil(model: Any) -> None:
        for made in model.graph.node:
            if made.op_type == "Tanh":
                made.attribute.add(name="no_such_attribute", i=1, type=2)

    route = changing(load_route(name), spoil)
    found = blamed(chain(route, "relu", "tanh", "exp", x=X), route, registry, "invalid-model")
    assert (found.stage, found.node, found.proof) == ("model validity", "y1", "sub-graph"), found
    assert (found.location, found.symptom) == ("Node conversion", "Wrong model")


@pytest.mark.parametrize("name", ROUTES)
def test_a_weight_that_lost_precision(name: str, registry: Registry) -> None:
    from onnx import numpy_helper

    def round_weights(model: Any) -> None:
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype == "float32":
                tensor.CopyFrom(numpy_helper.from_array(array.astype("float16").astype("float32"), tensor.name))

    route = changing(load_route(name), round_weights)
    found = blamed(weighted(route, "add"), route, registry, "wrong-output")
    assert (found.stage, found.node, found.proof) == ("node conversion", "v1", "initializer"), found
    assert found.cause == "Type problem: tensor"


@pytest.mark.parametrize("name", ROUTES)
def test_a_wrong_attribute(name: str, registry: Registry) -> None:
    def turn(model: Any) -> None:
        from onnx import helper

        for made in model.graph.node:
            if made.op_type == "Softmax":
                del made.attribute[:]
                made.attribute.append(helper.make_attribute("axis", 0))

    route = changing(load_route(name), turn)
    x, v0, v1 = value("x0"), value("v0"), value("v1")
    case = case_of(Graph((x,), (), (node("softmax", "x0", v0, axis=1), node("negative", "v0", v1)), ("v1",)))
    case = msgspec.structs.replace(case, framework=route.framework)
    found = blamed(case, route, registry, "wrong-output")
    assert (found.stage, found.node, found.proof) == ("node conversion", "v0", "attribute"), found


@pytest.mark.parametrize("name", ROUTES)
def test_swapped_operands(name: str, registry: Registry) -> None:
    def swap(model: Any) -> None:
        for made in model.graph.node:
            if made.op_type == "Sub":
                made.input[:] = [made.input[1], made.input[0]]

    route = changing(load_route(name), swap)
    x, y, v0, v1 = value("x0"), value("x1"), value("v0"), value("v1")
    case = case_of(Graph((x, y), (), (node("subtract", "x0 x1", v0), node("exp", "v0", v1)), ("v1",)))
    case = msgspec.structs.replace(case, framework=route.framework)
    found = blamed(case, route, registry, "wrong-output")
    assert (found.stage, found.node, found.proof) == ("node conversion", "v0", "input layout or order"), found


def test_what_mends_by_accident_proves_nothing(registry: Registry) -> None:
    """With the source's slope in the constant's place, the model is right where only the first element is negative."""
    from onnx import TensorProto, helper

    def bake(model: Any) -> None:
        (made,) = model.graph.node
        given, result = made.input[0], made.output[0]
        made.CopyFrom(helper.make_node("Concat", ["slope", "one"], ["slopes"], axis=0))
        model.graph.node.append(helper.make_node("Mul", [given, "slopes"], [result]))
        for name, number in (("slope", 0.75), ("one", 1.0)):
            model.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [1], [number]))

    x, v0 = value("x0", shape=(2,)), value("v0", shape=(2,))
    graph = Graph((x,), (), (node("leaky_relu", "x0", v0, negative_slope=0.25),), ("v0",))
    case = Case(graph, "torch", {"x0": np.array([-1, 1], "float32")})
    found = blamed(case, changing(load_route(SCRIPT), bake), registry, "wrong-output")
    said = {witness.name: witness.said for witness in found.evidence}
    assert said["repair of v0 by attribute"] == "alike", found
    assert (found.stage, found.proof) == ("node conversion", "sub-graph")


def test_a_fault_that_outputs_hide(registry: Registry) -> None:
    """Only where relu's result is used by nothing but tanh does the converter make a sigmoid of tanh."""
    route = load_route(SCRIPT)

    def fuse(model: Any) -> None:
        if len(model.graph.output) == 1 and [made.op_type for made in model.graph.node][:2] == ["Relu", "Tanh"]:
            to_sigmoid(model)

    case = chain(route, "relu", "tanh", "exp", x=X)
    case = msgspec.structs.replace(case, graph=msgspec.structs.replace(case.graph, outputs=("y2",)))
    found = blamed(case, changing(route, fuse), registry, "wrong-output")
    assert (found.stage, found.node) == ("node conversion", "y1"), found
    said = {witness.name: witness.said for witness in found.evidence}
    assert (said["intermediate values"], said["y1 alone"], said["graph up to y1"]) == ("sound", "sound", "alike")


def test_what_is_switched_off_is_on_again() -> None:
    import torch

    for name in ROUTES:
        route = load_route(name)
        before = torch.onnx.export
        for off in route.without.values():
            with off():
                pass
        assert torch.onnx.export is before
