"""Growth in every direction: behind, before, onto the same operand, onto constants and shared weights."""

import random

import numpy as np
import pytest

from graphfuzz.generator import Recipe, generate_graph
from graphfuzz.generator.growth import Growth
from graphfuzz.graph import evaluate, validate
from graphfuzz.spec.operator import FRAMEWORKS

GRAPHS = 150


@pytest.fixture(scope="module", params=FRAMEWORKS)
def graphs(request, registry):
    return [generate_graph(Recipe(11, index, request.param, nodes=12), registry) for index in range(GRAPHS)]


@pytest.mark.parametrize("seed", range(25))
def test_what_is_inserted_before_takes_an_inputs_place(seed, registry):
    growth = Growth("torch", random.Random(seed), 512)
    assert all(any(growth.insert(registry[n], {"T": "float32"}) for _ in range(20)) for n in ("multiply", "relu"))
    behind = [node.op for node in growth.draft.nodes]
    if not any(growth.insert_before(registry[name]) for name in ("sigmoid", "tanh", "concat") * 5):
        return
    graph = growth.draft.graph()
    validate(graph, registry, "torch")
    assert [node.op for node in graph.nodes[1:]] == behind
    assert graph.nodes[0].outputs[0].name in {name for node in graph.nodes[1:] for name in node.inputs}
    leaves = {v.name: growth.values.arrays[v.name] for v in (*graph.inputs, *graph.weights)}
    for name, array in evaluate(graph, leaves, registry).items():
        np.testing.assert_array_equal(array, growth.values.arrays[name])


def test_some_is_inserted_before(registry):
    growths = [Growth("torch", random.Random(seed), 512) for seed in range(40)]
    begun = [growth for growth in growths if growth.insert(registry["multiply"])]
    assert sum(growth.insert_before(registry["tanh"]) for growth in begun) > 5


def test_graphs_without_values_are_valid(graphs, registry):
    frameworks = [f for f in FRAMEWORKS if all(f in registry[op].emissions for g in graphs for op in g.operators())]
    for graph in graphs:
        validate(graph, registry, frameworks[0])
        assert len(graph.nodes) == 12


def uses(graph, name):
    return sum(node.inputs.count(name) for node in graph.nodes)


def test_values_fan_out(graphs):
    forked = [v for g in graphs for v in g.values().values() if v not in g.weights and uses(g, v.name) > 1]
    assert len(forked) > GRAPHS


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_weights_are_shared_where_they_fit(framework, registry):
    layers = ("dense", "layer_norm")
    graphs = [generate_graph(Recipe(11, i, framework, nodes=12, operators=layers), registry) for i in range(20)]
    assert sum(uses(graph, w.name) > 1 for graph in graphs for w in graph.weights) > 10


def test_tensors_are_constants_sometimes_but_nothing_is_constant_alone(graphs, registry):
    constants = 0
    for graph in graphs:
        weights = {w.name for w in graph.weights}
        for node in graph.nodes:
            op = registry[node.op]
            if not op.parameters[-1].variadic:
                roles = [name for name, p in zip(node.inputs, op.parameters, strict=True) if p.role == "tensor"]
                constants += bool(weights & set(roles))
            assert not weights >= set(node.inputs), node
    assert constants > GRAPHS / 20


def test_graphs_have_several_inputs_and_outputs(graphs):
    assert {len(graph.inputs) for graph in graphs} >= {1, 2, 3, 4}
    assert {len(graph.outputs) for graph in graphs} >= {1, 2, 3, 4}
