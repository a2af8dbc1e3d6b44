"""Budgets of elements: of one tensor, and of a whole graph."""

import math
import random

import pytest

from graphfuzz.generator import Recipe, generate_graph
from graphfuzz.generator.growth import Growth
from graphfuzz.spec.operator import FRAMEWORKS


def elements(graph):
    return sum(math.prod(value.shape) for value in graph.values().values())


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("total", [1 << 17, 1 << 13])
def test_graphs_of_200_nodes_keep_their_budget(framework, total, registry):
    for index in range(2):
        graph = generate_graph(Recipe(2, index, framework, nodes=200, max_total_elements=total), registry)
        assert len(graph.nodes) == 200
        assert elements(graph) <= total
        assert total > 1 << 13 or elements(graph) > 0.9 * total


def test_a_small_budget_of_a_small_graph_is_kept(registry):
    for index in range(30):
        graph = generate_graph(Recipe(4, index, "torch", nodes=6, max_total_elements=200), registry)
        assert elements(graph) <= 200


def test_elements_are_counted_as_the_graph_grows_in_both_directions(registry):
    for seed in range(20):
        growth = Growth("torch", random.Random(seed), 512, nodes=4)
        for name in ("multiply", "relu", "concat"):
            growth.insert(registry[name])
        if growth.draft.nodes:
            growth.insert_before(registry["tanh"])
            assert growth.draft.elements == elements(growth.draft.graph())
