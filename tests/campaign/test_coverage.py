"""Coverage counts what is new, and a guide that knows it steers toward the rest."""

import random

from graphfuzz.campaign.coverage import Coverage, News
from graphfuzz.generator import Guide, Recipe, generate_graph
from graphfuzz.graph import Features, features

CHAIN = Features(("relu float32 2", "sum float32 2", "sum keepdims=True"), (("relu", "sum"),), (), 2)


def test_what_is_new_is_counted_once():
    coverage = Coverage()
    assert coverage.add(CHAIN, False) == News(3, 1, 0)
    assert coverage.add(CHAIN, False) == News(0, 0, 0)
    assert (len(coverage.uses), coverage.pairs, len(coverage.sequences)) == (3, 1, 0)


def test_what_fails_more_often_than_the_rest_is_failing():
    coverage = Coverage()
    for _ in range(10):
        coverage.add(CHAIN, True)
        coverage.add(Features(("exp float32 1",), (), (), 1), False)
        coverage.add(Features(("relu float32 2",), (), (), 1), False)
    assert set(coverage.guide().failing) == {"sum"}


def test_a_guide_prefers_unseen_pairs_rare_operators_and_failing_ones(registry):
    two = [registry["relu"], registry["tanh"]]

    def share(guide, producers):
        return sum(guide.choose(producers, two, random.Random(seed)).name == "relu" for seed in range(100))

    assert 20 < share(Guide(), ["exp"]) < 80
    assert share(Guide(consumers={"exp": {"tanh"}}), ["exp"]) > 95
    assert share(Guide(counts={"tanh": 1000}), [None]) > 70
    assert share(Guide(failing={"relu"}), [None]) > 95
    seen = Guide(uses={"tanh float32 2"})
    assert sum(seen.choose([None], two, random.Random(i), ("float32", 2)).name == "relu" for i in range(100)) > 95


def test_guided_graphs_have_more_that_is_new(registry):
    plain, guided = Coverage(), Coverage()
    for index in range(60):
        recipe = Recipe(3, index, "torch", nodes=10)
        plain.add(features(generate_graph(recipe, registry)), False)
        guided.add(features(generate_graph(recipe, registry, guide=guided.guide())), False)
    assert guided.pairs > 1.2 * plain.pairs
    assert len(guided.sequences) > 1.5 * len(plain.sequences)
    assert len(guided.uses) > len(plain.uses)
