"""Models of unknown sizes: converted once, run at several; what was baked in at export is found on every route."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphfuzz.graph import Array, Axes, Case, Graph, Value, symbolic_axes
from graphfuzz.oracle.declared import misdeclared
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.runtime import load_onnx, run_onnx
from graphfuzz.spec import Registry, unary
from tests.examples import case_of, node, value
from tests.oracle.test_routes import ROUTES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

OWN = (2, 3, 4)


def dynamic(route: Route, *shapes: tuple[int, ...], op: str = "ones_like") -> Case:
    """`op` of an input of the first shape, to be run on the others as well."""
    graph = Graph((value("x0", shape=OWN),), (), (node(op, "x0", value("v0", shape=OWN)),), ("v0",))
    own, *others = ({"x0": np.full(shape, 0.5, "float32")} for shape in (OWN, *shapes))
    return Case(graph, route.framework, own, {}, tuple(others))


@pytest.mark.parametrize("name", ROUTES)
def test_one_model_serves_all_sizes(name: str, registry: Registry) -> None:
    route = load_route(name)
    found = judge(dynamic(route, (5, 3, 4), (7, 3, 6)), route, registry)
    assert found.verdict == "ok", found.traceback
    (given,) = onnx.load_from_string(found.model).graph.input
    dims = given.type.tensor_type.shape.dim
    assert [d.HasField("dim_value") for d in dims] == [False, True, False]


def baked(model: Any, inputs: dict[str, Array]) -> Any:
    """The ONNX model with every shape that it computes replaced by what that is for these inputs."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    shapes = [n for n in made.graph.node if n.op_type == "Shape"]
    assert shapes, "the model computes no shape"
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(n.output[0], TensorProto.INT64, None) for n in shapes)
    found = run_onnx(load_onnx(probe.SerializeToString()), inputs)
    for n, array in zip(shapes, found, strict=True):
        made.graph.node.remove(n)
        made.graph.initializer.append(numpy_helper.from_array(array, n.output[0]))
    return made


@pytest.mark.parametrize("name", ROUTES)
def test_a_size_that_is_baked_in_at_export_is_found(name: str, registry: Registry) -> None:
    route = load_route(name)

    def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        return baked(route.convert(model, inputs, axes), inputs)

    broken = msgspec.structs.replace(route, convert=convert)
    case = dynamic(route, (5, 3, 4), (7, 3, 6))
    found = judge(case, broken, registry)
    assert (found.verdict, found.binding) == ("wrong-output", 1), found.traceback
    static = msgspec.structs.replace(case, bindings=())
    assert judge(static, route, registry).verdict == "ok"


@pytest.mark.parametrize("name", ROUTES)
def test_a_wrong_symbolic_shape_is_found(name: str, registry: Registry) -> None:
    """The model is right and says that its output is as large as it was at export."""
    route = load_route(name)

    def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        made = route.convert(model, inputs, axes)
        made.graph.output[0].type.tensor_type.shape.dim[0].dim_value = OWN[0]
        return made

    found = judge(dynamic(route, (5, 3, 4)), msgspec.structs.replace(route, convert=convert), registry)
    assert (found.verdict, found.binding) == ("wrong-output", 1)
    assert found.mismatch is not None
    assert (found.mismatch.what, found.mismatch.output) == ("declared", "v0")


def test_a_model_that_refuses_other_sizes_fails_there(registry: Registry) -> None:
    route = load_route("torch-script-ort")

    def static(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        return route.convert(model, inputs, {})

    found = judge(dynamic(route, (5, 3, 4), op="relu"), msgspec.structs.replace(route, convert=static), registry)
    assert (found.verdict, found.stage, found.binding) == ("run-failure", "run", 1)


def test_what_is_captured_for_some_sizes_only_is_no_fault_of_the_converter(registry: Registry) -> None:
    """The source branches on a size, and the model is for one branch. Of torch.export that is a guard; a trace
    says nothing and gives other outputs."""
    op = unary(
        "branching",
        ("float32",),
        reference=lambda x: x + 1 if x.shape[0] > 4 else x - 1,
        torch="({x} + 1 if {x}.shape[0] > 4 else {x} - 1)",
    )
    for route in map(load_route, ("torch-dynamo-ort", "torch-script-ort")):
        found = judge(dynamic(route, (7, 3, 4), op="branching"), route, Registry([op]))
        assert found.verdict == "unsupported", found.summary()
        found = judge(dynamic(route, (3, 3, 4), op="branching"), route, Registry([op]))
        assert found.verdict == "ok", found.summary()


def test_what_keras_cannot_build_of_unknown_sizes_is_no_fault_of_the_converter() -> None:
    op = unary("sized", ("float32",), reference=lambda x: x + x.shape[0], keras="({x} + float({x}.shape[0]))")
    route = load_route("tf2onnx-ort")
    found = judge(dynamic(route, (5, 3, 4), op="sized"), route, Registry([op]))
    assert (found.verdict, found.stage) == ("unsupported", "source"), found.summary()


def test_what_keras_cannot_trace_is_no_fault_of_the_converter(registry: Registry) -> None:
    """Traced, `keras.ops.associative_scan` gives a tensor of unknown rank, which `keras.ops.norm` asks for."""
    x, v, w = value("x0", shape=(6, 8, 1)), value("v0", shape=(6, 8, 1)), value("v1", shape=(1, 8, 1))
    scan = node("associative_scan", "x0", v, along=-3, backward=True, combine="add")
    graph = Graph((x,), (), (scan, node("norm_along_2", "v0", w, axis=-3, keepdims=True)), ("v1",))
    found = judge(msgspec.structs.replace(case_of(graph), framework="keras"), load_route("tf2onnx-ort"), registry)
    assert (found.verdict, found.stage) == ("unsupported", "source"), found.summary()
    assert "bad operand type for unary -" in found.message


def test_a_wrong_shape_is_found_where_nothing_is_dynamic(registry: Registry) -> None:
    route = load_route("torch-script-ort")

    def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        made = route.convert(model, inputs, axes)
        made.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 99
        return made

    static = msgspec.structs.replace(dynamic(route, (5, 3, 4), op="relu"), bindings=())
    found = judge(static, msgspec.structs.replace(route, convert=convert), registry)
    assert found.is_finding
    assert "99" in found.summary()


def test_a_source_that_states_its_sizes_is_our_mistake() -> None:
    op = unary("told", ("float32",), reference=lambda x: x, torch=lambda x, **_: f"{x}.reshape({x.shape})")
    route = load_route("torch-script-ort")
    found = judge(dynamic(route, (5, 3, 4), op="told"), route, Registry([op]))
    assert (found.verdict, found.stage) == ("harness-error", "materialization")


def test_axes_share_a_symbol_where_their_sizes_do() -> None:
    def graph(rows: int, columns: int) -> Graph:
        x = Value("x0", "float32", (rows, columns, 3))
        return Graph(
            (x,),
            (),
            (
                node(
                    "t",
                    "x0",
                    Value("v0", "float32", (columns, rows + columns)),
                ),
            ),
            ("v0",),
        )

    assert symbolic_axes([graph(2, 4), graph(3, 4), graph(5, 4)]) == {"x0": ("d0", None, None), "v0": (None, "d1")}
    assert symbolic_axes([graph(2, 4), graph(3, 5)]) == {"x0": ("d0", "d1", None), "v0": ("d1", "d2")}
    assert symbolic_axes([graph(2, 4)]) == {}


def declaring(*dims: int | str) -> Any:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", "b"])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)
    return helper.make_model(helper.make_graph([], "g", [given], [made]))


@pytest.mark.parametrize(
    ("dims", "shape", "wrong"),
    [
        (["a", "b"], (2, 3), None),
        (["b", "a"], (2, 3), "axis 0 of y is declared as b = 3, and is 2"),
        (["2*a", "a + b - 1"], (4, 4), None),
        (["2*a", "(a + b)//2"], (5, 2), "axis 0 of y is declared as 2*a = 4, and is 5"),
        ([2, 4], (2, 3), "axis 1 of y is declared as 4 = 4, and is 3"),
        (["unknown", "Max(1, a)"], (7, 3), None),
        (["unknown", "unknown"], (7, 3), "axis 1 of y is declared as unknown = 7, and is 3"),
    ],
)
def test_declared_shapes(dims: list[int | str], shape: tuple[int, ...], wrong: str | None) -> None:
    found = misdeclared(declaring(*dims), {"x": np.zeros((2, 3))}, [np.zeros(shape)])
    assert (found and found[1]) == wrong
