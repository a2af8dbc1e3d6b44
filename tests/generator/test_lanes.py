"""Every lane makes valid cases that are what its name says, and the same ones whenever it is asked."""

import numpy as np
import pytest

from graphfuzz.campaign.coverage import Coverage
from graphfuzz.generator import LANES, Guide, Recipe, generate
from graphfuzz.generator.lanes.sweep import targets
from graphfuzz.graph import LIMITS, case_to_json, evaluate, features, pack_arrays, text, validate, within
from graphfuzz.materializer import build, run, source
from graphfuzz.spec import Registry, rewrite
from graphfuzz.spec.dtype_bindings import bindings
from graphfuzz.spec.operator import FRAMEWORKS

CASES = 12


def recipe(lane, index, framework="torch", **fields):
    return Recipe(31, index, framework, **{"nodes": 1 + index % 8, "lane": lane, "turn": index, **fields})


@pytest.fixture(scope="module")
def made(registry):
    """Some cases of every lane in both frameworks, unguided."""
    return {
        (lane, framework): [generate(recipe(lane, i, framework), registry) for i in range(CASES)]
        for lane in LANES
        for framework in FRAMEWORKS
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("lane", LANES)
def test_cases_are_valid_defined_and_of_their_lane(lane, framework, made, registry):
    for case in made[lane, framework]:
        assert case.origin["lane"] == lane
        validate(case.graph, registry, framework)
        assert case.graph.inputs
        consumed = {name for node in case.graph.nodes for name in node.inputs}
        assert consumed >= {leaf.name for leaf in (*case.graph.inputs, *case.graph.weights)}
        for name, array in evaluate(case.graph, case.tensors, registry).items():
            limit = LIMITS[str(array.dtype)]
            finite = array[np.isfinite(array)] if lane == "special" else array
            assert array.dtype == bool or within(finite, (-limit, limit)), name


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_frameworks_run_what_lanes_make(framework, made, registry):
    for lane in LANES:
        case = made[lane, framework][3]
        model = build(source(case.graph, registry, framework), framework, case.weights())
        arrays = run(model, framework, case.inputs())
        stated = [case.graph.values()[name] for name in case.graph.outputs]
        assert [(str(a.dtype), a.shape) for a in arrays] == [(v.dtype, v.shape) for v in stated], lane


@pytest.mark.parametrize("lane", LANES)
def test_a_case_is_a_function_of_its_recipe_and_of_what_was_seen(lane, registry, made):
    def digest(case):
        return case_to_json(case), pack_arrays(case.tensors)

    seen = Coverage()
    for case in made["random", "torch"]:
        seen.add(features(case.graph), False)
    for guide in (None, seen.guide()):
        again = [digest(generate(recipe(lane, 5), registry, guide=guide)) for _ in range(2)]
        assert again[0] == again[1]


def test_a_lane_that_the_operators_leave_nothing_gives_way_to_random_growth(registry):
    case = generate(recipe("pattern", 3, operators=("relu", "tanh")), registry)
    assert case.origin["lane"] == "random"
    assert set(case.graph.operators()) <= {"relu", "tanh"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["cumsum", "clip", "conv1d"])
def test_a_sweep_shows_every_dtype_rank_and_attribute_bin(name, framework, registry):
    op = registry[name]
    aims = targets(op, framework)
    turns = (recipe("sweep", turn, framework, operators=(name,), zeros=0, ones=0) for turn in range(len(aims)))
    seen = {use for one in turns for use in features(generate(one, registry).graph).uses}
    first = op.parameters[0]
    dtypes = {bound.get(first.dtype, first.dtype) for bound in bindings(op, framework)}
    assert {f"{name} {dtype} {rank}" for dtype in dtypes for rank in first.ranks} <= {aim.use for aim in aims}
    missed = {aim.use for aim in aims} - seen
    assert len(missed) <= len(aims) / 20, missed


def test_a_sweep_walks_over_all_operators_and_to_what_has_not_been_seen(registry):
    names = ("relu", "tanh", "sigmoid", "exp")
    walk = [generate(recipe("sweep", i, operators=names), registry).graph.nodes[0].op for i in range(4)]
    assert set(walk) == set(names)
    aims = targets(registry["tanh"], "torch")
    guide = Guide(uses=frozenset(aim.use for aim in aims) - {"tanh float64 3"})
    for turn in range(5):
        case = generate(recipe("sweep", turn, operators=("tanh",), zeros=0), registry, guide=guide)
        assert "tanh float64 3" in features(case.graph).uses


def test_pairs_are_two_nodes_one_behind_the_other_and_new_where_some_are(made, registry):
    for framework in FRAMEWORKS:
        for case in made["pair", framework]:
            assert len(case.graph.nodes) == 2
            assert len(features(case.graph).pairs) == 1
    names = ("relu", "tanh", "exp")
    guide = Guide(consumers={name: frozenset(names) - {"exp"} for name in names})
    for turn in range(6):
        case = generate(recipe("pair", turn, operators=names), registry, guide=guide)
        assert case.graph.nodes[1].op == "exp"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_mutations_differ_from_what_they_start_from_and_keep_most_of_it(framework, made, registry):
    kept = []
    for index, start in enumerate(made["random", framework]):
        case = generate(recipe("mutation", index, framework), registry, start=start)
        validate(case.graph, registry, framework)
        assert text(case.graph) != text(start.graph)
        old, new = list(start.graph.operators()), list(case.graph.operators())
        kept.append(sum(op in new for op in old) / len(old))
    assert sum(kept) / len(kept) > 0.7


def test_every_kind_of_mutation_happens(registry):
    start = generate(Recipe(8, 1, "torch", nodes=4), registry)
    made = [generate(recipe("mutation", i), registry, start=start) for i in range(40)]
    assert {case.origin["mutation"] for case in made} == {"grown", "replaced", "redrawn", "retyped", "resized"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_pattern_is_grafted(framework, registry):
    count = len(registry.patterns)
    cases = [generate(recipe("pattern", turn, framework, nodes=6), registry) for turn in range(count)]
    assert {case.origin["pattern"] for case in cases} == {p.name for p in registry.patterns}
    assert sum(len(case.graph.nodes) for case in cases) / count > 6


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_twins_agree_on_the_references(framework, registry):
    rewrites = set()
    for turn in range(len(registry.rewrites) + 1):
        case = generate(recipe("rewrite", turn, framework, nodes=4), registry)
        rewrites.add(case.origin["rewrite"])
        values = evaluate(case.graph, case.tensors, registry)
        assert case.twins
        for one, other in case.twins:
            assert {one, other} <= set(case.graph.outputs)
            near = 0.05 if values[one].dtype.itemsize <= 2 else 1e-3
            np.testing.assert_allclose(
                values[one].astype("complex128"), values[other].astype("complex128"), near, near, equal_nan=True
            )
    assert len(rewrites) > 0.8 * len(registry.rewrites)


def test_a_wrong_rewrite_is_not_taken_for_a_form(registry):
    @rewrite(dtypes=("float32", "float64"))
    def squashed(net, x):
        """sigmoid(x), which is nowhere near x"""
        return net("sigmoid", x)

    names = ("sigmoid", "add_number")
    wrong = Registry([registry[name] for name in names], rewrites=[squashed])
    for turn in range(10):
        case = generate(recipe("rewrite", turn, nodes=3, zeros=0), wrong)
        assert case.origin["rewrite"] == "repeated"


@pytest.mark.parametrize("dtypes", [("float32",), ("float16", "int64", "bool"), ("complex64", "float32")])
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("lane", LANES)
def test_every_value_has_one_of_the_dtypes_asked_for(lane, framework, dtypes, registry, made):
    found = set()
    for index, start in enumerate(made["random", framework][:6]):
        case = generate(recipe(lane, index, framework, dtypes=dtypes), registry, start=start)
        arrays = [*case.tensors.values(), *(array for binding in case.bindings for array in binding.values())]
        found |= {value.dtype for value in case.graph.values().values()} | {str(array.dtype) for array in arrays}
        validate(case.graph, registry, framework)
    assert found
    assert found <= set(dtypes)


def test_dtypes_that_leave_a_lane_nothing_leave_random_growth(registry):
    case = generate(recipe("special", 3, dtypes=("int64",)), registry)
    assert case.origin["lane"] == "random"
    assert {value.dtype for value in case.graph.values().values()} == {"int64"}
