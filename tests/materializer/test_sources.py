"""The sources: readable, and what they compute is what the references say."""

import numpy as np
import pytest

from graphfuzz.generator import Recipe, generate
from graphfuzz.graph import Graph, Node, Value, evaluate
from graphfuzz.materializer import build, run, source
from graphfuzz.spec import Registry, Require, Shape, Tensor, emission, operator, tensor, unary, variadic

PAIRS = (("x0", "v0"), ("v0", "v1"))


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


def _one(op, values, attrs, out, weights=()):
    """A graph of one use: values by name and (dtype, shape), those in `weights` being weights."""
    made = {name: Value(name, *kind) for name, kind in values.items()}
    inputs = tuple(v for v in made.values() if v.name not in weights)
    node = Node(op.name, tuple(values), attrs, (Value("v0", *out),))
    return Graph(inputs, tuple(made[name] for name in weights), (node,), ("v0",))


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_bfloat16_passes_as_input_weight_and_output(framework, registry):
    kind = ("bfloat16", (3,))
    graph = _one(registry["add"], {"x0": kind, "w0": kind}, {}, kind, weights=("w0",))
    leaves = {"x0": np.array([1, 2, 3], "bfloat16"), "w0": np.array([0.5, -2, 1.0078125], "bfloat16")}
    model = build(source(graph, registry, framework), framework, {"w0": leaves["w0"]})
    (made,) = run(model, framework, {"x0": leaves["x0"]})
    assert made.dtype == "bfloat16"
    np.testing.assert_array_equal(made, leaves["x0"] + leaves["w0"])


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_helpers_stand_above_the_model_once(framework):
    twice = emission("plus_one(plus_one({x}))", helper="def plus_one(x):\n    return x + 1")
    op = unary("plus_two", ("float32",), reference=lambda x: x + 2, torch=twice, keras=twice)
    nodes = tuple(Node("plus_two", (before,), {}, (Value(after, "float32", (2,)),)) for before, after in PAIRS)
    graph = Graph((Value("x0", "float32", (2,)),), (), nodes, ("v1",))
    written = source(graph, Registry([op]), framework)
    assert written.count("def plus_one(x):\n    return x + 1\n\n\n") == 1
    (made,) = run(build(written, framework, {}), framework, {"x0": np.zeros(2, "float32")})
    np.testing.assert_array_equal(made, [4, 4])


def test_a_layers_parameters_may_be_a_function_of_its_operands():
    @operator(
        tensor("x", rank=2),
        variadic("weights", (1, 2), rank=(1, 2), role="weight"),
        dtypes=("float32",),
        reference=lambda x, kernel, *bias: x @ kernel.T + sum(bias),
        torch=emission(
            "{layer}({x})",
            layer=lambda weights, **_: f"nn.Linear(3, 2, bias={len(weights.each) == 2})",
            state=lambda weights, **_: dict(zip(("weight", "bias"), weights.each, strict=False)),
        ),
    )
    def dense(require: Require, x: Tensor, *weights: Tensor) -> Shape:
        """A dense layer."""
        return (x.shape[0], weights[0].shape[0])

    kinds = {"x0": ("float32", (1, 3)), "w0": ("float32", (2, 3)), "w1": ("float32", (2,))}
    arrays = {"w0": np.ones((2, 3), "float32"), "w1": np.array([5, 7], "float32")}
    graph = _one(dense, kinds, {}, ("float32", (1, 2)), weights=("w0", "w1"))
    model = build(source(graph, Registry([dense]), "torch"), "torch", arrays)
    (made,) = run(model, "torch", {"x0": np.ones((1, 3), "float32")})
    np.testing.assert_array_equal(made, [[8, 10]])
