"""Real converters on small cases: agreement, clean refusals told from crashes, and their own wrong models caught."""

from __future__ import annotations

import inspect
import random
from typing import Any

import msgspec
import numpy as np
import pytest

from graphfuzz.generator import single_operator_case
from graphfuzz.graph import Array, Axes, Case, Graph, Node, Value
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route, load_route, route_names
from graphfuzz.oracle.runtime import lacks_kernel, load_onnx, run_onnx
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec import FLOATS, REAL, Registry, unary

ROUTES = ("torch-dynamo-ort", "torch-script-ort", "tf2onnx-ort")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def chain(route: Route, *operators: str, x: Array | None = None) -> Case:
    """A case that applies operators in turn; every value is an output, and one input is used by nothing."""
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4) if x is None else x
    kind, shape = str(x.dtype), x.shape
    names = ["x", *(f"y{i}" for i in range(len(operators)))]
    nodes = tuple(
        Node(op, (given,), {}, (Value(made, kind, shape),))
        for op, given, made in zip(operators, names, names[1:], strict=False)
    )
    unused = Value("unused", "int64", (2,))
    graph = Graph((unused, Value("x", kind, shape)), (), nodes, tuple(names[1:]))
    return Case(graph, route.framework, {"unused": np.array([1, 2]), "x": x})


def outcome(name: str, registry: Registry, *operators: str, x: Array | None = None) -> Outcome:
    route = load_route(name)
    return judge(chain(route, *operators, x=x), route, registry)


def test_all_routes_are_installed() -> None:
    assert set(ROUTES) <= set(route_names())


@pytest.mark.parametrize("name", ROUTES)
def test_agreement(name: str, registry: Registry) -> None:
    stages: list[str] = []
    route = load_route(name)
    found = judge(chain(route, "relu", "exp", "tanh"), route, registry, stages.append)
    assert found.verdict == "ok", found.traceback
    assert list(dict.fromkeys(stages)) == ["materialization", "source", "conversion", "check", "load", "run", "compare"]
    assert set(found.seconds) == set(stages)
    assert set(found.versions) == {"graphfuzz", *route.packages}
    assert "not installed" not in found.versions.values()


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (1, 2, 3, 1, 2)])
def test_ranks(name: str, shape: tuple[int, ...], registry: Registry) -> None:
    assert outcome(name, registry, "relu", x=np.ones(shape, dtype="float32")).verdict == "ok"


@pytest.mark.parametrize("name", ROUTES)
def test_names_and_self_containment(name: str, registry: Registry) -> None:
    """The text of `convert` alone, executed in a bare module, converts; and the inputs keep their names."""
    from graphfuzz.materializer import build, source

    route = load_route(name)
    made = chain(route, "relu")
    model = build(source(made.graph, registry, route.framework), route.framework, {})
    names: dict[str, Any] = {"__name__": "bare"}
    for function in (*route.helpers, route.convert):
        exec("from __future__ import annotations\n" + inspect.getsource(function), names)
    proto = names["convert"](model, made.inputs(), {})
    assert {value.name for value in proto.graph.input} <= {"x", "unused"}
    for function in (load_onnx, run_onnx):
        exec("from __future__ import annotations\n" + inspect.getsource(function), names)
    given = names["run_onnx"](names["load_onnx"](proto.SerializeToString()), made.inputs())
    np.testing.assert_array_equal(given[0], np.maximum(made.tensors["x"], 0))


def only(name: str, torch: str | None = None, keras: str | None = None, dtypes: Any = FLOATS) -> Registry:
    """A registry of one operator without a true reference, for what ends before values matter."""
    return Registry([unary(name, dtypes, reference=lambda x: x, torch=torch, keras=keras)])


@pytest.mark.parametrize(
    ("name", "registry", "error"),
    [
        ("torch-dynamo-ort", only("polygamma", torch="torch.polygamma(3, {x})"), "DispatchError"),
        ("torch-script-ort", only("sinc", torch="torch.special.airy_ai({x})"), "UnsupportedOperatorError"),
        (
            "torch-script-ort",
            only("pool", torch="F.pixel_shuffle({x}[None], 1)[0]"),
            "OnnxExporterError",
        ),
        (
            "torch-script-ort",
            only("smoothed", torch="{x} + F.cross_entropy({x}, {x}.new_zeros(3).long(), label_smoothing=0.5)"),
            "SymbolicValueError",
        ),
        ("tf2onnx-ort", only("erfc", keras="keras.ops.erfinv({x})"), "NotImplementedError"),
    ],
)
def test_a_refusal_is_unsupported(name: str, registry: Registry, error: str) -> None:
    found = outcome(name, registry, *registry)
    assert (found.verdict, found.stage) == ("unsupported", "conversion"), found.traceback
    assert error in found.error


@pytest.mark.parametrize("name", ROUTES)
def test_a_missing_kernel_is_unsupported(name: str, registry: Registry) -> None:
    route = load_route(name)
    made = chain(route, "relu", "erf", x=np.array([0.5], dtype="float64"))
    found = judge(made, route, registry)
    assert (found.verdict, found.stage) == ("unsupported", "load"), found.traceback
    assert "NOT_IMPLEMENTED" in found.message


@pytest.mark.parametrize("operator", ["lstm", "gru"])
def test_a_recurrent_kernel_missing_is_unsupported(operator: str, registry: Registry) -> None:
    made = single_operator_case(registry[operator], "torch", random.Random(1), {"T": "float64"})
    found = judge(made, load_route("torch-script-ort"), registry)
    assert (found.verdict, found.stage) == ("unsupported", "run"), found.traceback


def test_other_words_of_the_runtime_are_failures() -> None:
    with pytest.raises(Exception, match="INVALID_PROTOBUF") as caught:
        load_onnx(b"no model")
    assert not lacks_kernel(caught.value)


@pytest.mark.parametrize("name", ROUTES[:2])
def test_a_torch_crash_is_a_crash_with_its_root_cause(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = only("sort", torch="torch.tanh({x})", dtypes=REAL)
    route = load_route(name)
    made = chain(route, "sort")

    def explode(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("inside the exporter")

    import torch

    if name == "torch-script-ort":
        monkeypatch.setattr(torch.onnx.utils, "_trace_and_get_graph_from_model", explode, raising=False)
        monkeypatch.setattr("torch.onnx._internal.torchscript_exporter.utils._model_to_graph", explode)
    else:
        monkeypatch.setattr("torch.onnx._internal.exporter._core._translate_fx_graph", explode)
    found = judge(made, route, registry)
    assert (found.verdict, found.stage, found.error) == ("conversion-crash", "conversion", "ZeroDivisionError")
    assert found.message == "inside the exporter"
    assert found.expected
    assert not found.model


def test_a_wrong_framework_and_a_wrong_emission_are_our_errors(registry: Registry) -> None:
    route = load_route("torch-script-ort")
    stray = chain(load_route("tf2onnx-ort"), "relu")
    assert judge(stray, route, registry).verdict == "harness-error"
    found = judge(chain(route, "bad"), route, only("bad", torch="torch.no_such_function({x})"))
    assert (found.verdict, found.stage, found.error) == ("harness-error", "source", "AttributeError")
    found = judge(chain(route, "cast"), route, only("cast", torch="{x}.double()"))
    assert (found.verdict, found.stage) == ("harness-error", "source")
    assert "float64" in found.message


def test_a_wrong_reference_is_our_error() -> None:
    route = load_route("torch-script-ort")
    broken = unary("tanh", FLOATS, reference=lambda x: x.ravel(), torch="torch.tanh({x})")
    wrong = msgspec.structs.replace(route, convert=_doubled(route))
    found = judge(chain(route, "tanh"), wrong, Registry([broken]))
    assert (found.verdict, found.stage) == ("harness-error", "compare")
    assert "WrongReference" in found.error


def _doubled(route: Route) -> Any:
    """The route's conversion, of the wrong model."""

    def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        import torch

        class Doubled(torch.nn.Module):
            def forward(self, unused: Any, x: Any) -> Any:
                return 2 * torch.tanh(x)

        return route.convert(Doubled().eval(), inputs, axes)

    return convert
