"""Converters that are wrong on NaN or infinities only are found out, and right ones are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphfuzz.graph import Array, Axes, Case, Graph, evaluate
from graphfuzz.minimizer import minimize
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec import Registry
from tests.examples import checker, node, value, wrong

SIZE = 8
Step = tuple[str, list[str], str]

RELU: list[Step] = [("Less", ["x0", "zero"], "b"), ("Where", ["b", "zero", "x0"], "y")]
"""NaN is not less than zero, and stays."""
RELU_WITHOUT_NAN: list[Step] = [("Greater", ["x0", "zero"], "b"), ("Where", ["b", "x0", "zero"], "y")]
LARGER: list[Step] = [("Max", ["x0", "x1"], "y")]
LARGER_WITHOUT_NAN: list[Step] = [("Greater", ["x0", "x1"], "b"), ("Where", ["b", "x0", "x1"], "y")]
IS_INFINITE: list[Step] = [("IsInf", ["x0"], "y")]
IS_POSITIVE_INFINITE: list[Step] = [("Greater", ["x0", "large"], "y")]


def route(steps: list[Step], made: int) -> Route:
    """A converter that makes these nodes of any model: `y` of the inputs."""

    def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
        from onnx import TensorProto, helper

        numbers = {"zero": 0.0, "large": 1e30}
        used = {name for _, given, _ in steps for name in given}
        graph = helper.make_graph(
            [helper.make_node(op, given, [name]) for op, given, name in steps],
            "planted",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIZE]) for name in inputs],
            [helper.make_tensor_value_info("y", made, [SIZE])],
            [helper.make_tensor(n, TensorProto.FLOAT, [], [v]) for n, v in numbers.items() if n in used],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

    return Route("planted", "torch", (), convert, lambda error: False, ())


def judged(op: str, steps: list[Step], registry: Registry, made: str = "float32") -> Outcome:
    arrays = {
        "x0": np.array([1.5, -2.0, np.nan, np.inf, -np.inf, 0.5, np.nan, 3.0], "float32"),
        "x1": np.array([0.5, np.nan, 1.0, 2.0, np.inf, -0.5, np.nan, 4.0], "float32"),
    }
    names = ["x0", "x1"] if op == "maximum" else ["x0"]
    inputs = tuple(value(name, shape=(SIZE,)) for name in names)
    graph = Graph(inputs, (), (node(op, " ".join(names), value("v0", made, (SIZE,))),), ("v0",))
    case = Case(graph, "torch", {name: arrays[name] for name in names})
    return judge(case, route(steps, 9 if made == "bool" else 1), registry)


@pytest.mark.parametrize(
    ("op", "steps", "made"),
    [("relu", RELU, "float32"), ("maximum", LARGER, "float32"), ("is_infinite", IS_INFINITE, "bool")],
)
def test_a_right_converter_is_ok(op: str, steps: list[Step], made: str, registry: Registry) -> None:
    found = judged(op, steps, registry, made)
    assert found.verdict == "ok", found.traceback


@pytest.mark.parametrize(
    ("op", "steps", "made", "what", "index"),
    [
        ("relu", RELU_WITHOUT_NAN, "float32", "special", 2),
        ("maximum", LARGER_WITHOUT_NAN, "float32", "special", 2),
        ("is_infinite", IS_POSITIVE_INFINITE, "bool", "value", 4),
    ],
)
def test_one_that_loses_nan_or_an_infinity_is_found(
    op: str, steps: list[Step], made: str, what: str, index: int, registry: Registry
) -> None:
    found = judged(op, steps, registry, made)
    assert (found.verdict, found.stage) == ("wrong-output", "compare"), found.traceback
    assert found.mismatch is not None
    assert (found.mismatch.what, found.mismatch.index) == (what, (index,))


def test_such_a_finding_is_minimized_with_its_special_values(registry: Registry) -> None:
    ops = ("sin", "relu", "negative", "exp")
    nodes = [node(op, f"v{i - 1}" if i else "x0", value(f"v{i}", shape=(4,))) for i, op in enumerate(ops)]
    graph = Graph((value("x0", shape=(4,)),), (), tuple(nodes), ("v3",))
    case = Case(graph, "torch", {"x0": np.array([0.25, np.nan, -0.37, 0.5], "float32")})

    def fails(each: Case) -> bool:
        arrays = evaluate(each.graph, each.tensors, registry)
        return any(np.isnan(arrays[n.inputs[0]]).any() for n in each.graph.nodes if n.op == "relu")

    kept = minimize(case, wrong(case, registry=registry), checker(fails), registry).case
    assert list(kept.graph.operators()) == ["relu"]
    np.testing.assert_array_equal(kept.tensors["x0"], np.nan)
