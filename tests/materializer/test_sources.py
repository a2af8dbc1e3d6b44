"""The sources: readable, and what they compute is what the references say."""

import numpy as np
import pytest

from graphfuzz.generator import Recipe, generate
from graphfuzz.graph import Graph, Node, Value, evaluate
from graphfuzz.materializer import build, run, source

TOLERANCE = {"float16": 2e-2, "float32": 1e-3, "float64": 1e-6}


@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("index", range(15))
def test_a_generated_model_has_the_types_inferred(framework, index, registry):
    case = generate(Recipe(11, index, framework, nodes=6), registry)
    model = build(source(case.graph, registry, framework), framework, case.weights())
    made = run(model, framework, case.inputs())
    stated = case.graph.values()
    assert [(str(a.dtype), a.shape) for a in made] == [
        (stated[name].dtype, stated[name].shape) for name in case.graph.outputs
    ]


def _chain():
    x, y = Value("x0", "float32", (2, 3)), Value("x1", "float32", (3,))
    add = Node("add", ("x0", "x1"), {}, (Value("v0", "float32", (2, 3)),))
    return Graph((x, y), (), (add, Node("relu", ("v0",), {}, (Value("v1", "float32", (2, 3)),))), ("v1", "v0"))


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_outputs_come_in_the_graphs_order(framework, registry):
    graph = _chain()
    leaves = {"x0": np.arange(-3, 3, dtype="float32").reshape(2, 3), "x1": np.ones(3, "float32")}
    expected = evaluate(graph, leaves, registry)
    made = run(build(source(graph, registry, framework), framework, {}), framework, leaves)
    for name, array in zip(graph.outputs, made, strict=True):
        np.testing.assert_array_equal(array, expected[name])


def test_the_torch_source_reads_like_a_module(registry):
    written = source(_chain(), registry, "torch")
    assert "class Model(nn.Module):" in written
    assert "def forward(self, x0, x1):" in written
    assert "return v1, v0" in written


def test_the_keras_source_reads_like_a_functional_model(registry):
    written = source(_chain(), registry, "keras")
    assert 'x0 = keras.Input(batch_shape=(2, 3), dtype="float32", name="x0")' in written
    assert "return keras.Model([x0, x1], [v1, v0])" in written


def test_tracebacks_show_the_models_lines():
    with pytest.raises(ZeroDivisionError) as raised:
        build("class Model:\n    def __init__(self, weights):\n        1 / 0\n", "torch", {})
    assert "1 / 0" in str(raised.traceback[-1].statement)
