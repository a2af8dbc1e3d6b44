"""Further bindings of a case: other sizes of one model, valid and defined throughout."""

from __future__ import annotations

import random

import numpy as np
import pytest

from graphfuzz.generator import Recipe, generate
from graphfuzz.generator.bindings import BINDINGS, LEAST, with_bindings
from graphfuzz.graph import Graph, Value, bound_cases, case_to_json, pack_arrays, symbolic_axes, validate
from graphfuzz.materializer import source
from graphfuzz.minimizer.admission import admitted
from graphfuzz.solver import Completion, Profile
from graphfuzz.spec import Registry
from tests.examples import case_of, node, value


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_every_binding_is_a_case_of_the_same_model(framework: str, registry: Registry) -> None:
    bound = 0
    for index in range(30):
        recipe = Recipe(21, index, framework, 6, zeros=0, ones=0, dynamic=1.0)
        case = generate(recipe, registry)
        cases = bound_cases(case, registry)
        axes = symbolic_axes([each.graph for each in cases])
        assert bool(axes) == bool(case.bindings)
        assert len(case.bindings) <= BINDINGS
        assert len({source(each.graph, registry, framework, axes) for each in cases}) == 1
        assert admitted(case, registry) is not None
        for each in cases[1:]:
            validate(each.graph, registry, framework)
            own, other = case.graph.values(), each.graph.values()
            changed = [(a, b) for n in own for a, b in zip(own[n].shape, other[n].shape, strict=True) if a != b]
            assert changed
            assert all(min(pair) >= LEAST for pair in changed)
            assert all(array.size <= recipe.max_elements for array in each.tensors.values())
        bound += bool(case.bindings)
    assert bound >= 15


def test_a_case_is_the_same_each_time(registry: Registry) -> None:
    recipes = [Recipe(4, index, "torch", 4, dynamic=1.0) for index in range(5)]
    made = [[generate(recipe, registry) for recipe in recipes] for _ in range(2)]
    one, two = ([case_to_json(c).encode() + pack_arrays(c.arrays()) for c in cases] for cases in made)
    assert one == two
    assert any(case.bindings for case in made[0])


def test_the_share_is_kept_and_cases_of_favored_sizes_are_static(registry: Registry) -> None:
    none = [generate(Recipe(4, i, "torch", 3, dynamic=0.0), registry) for i in range(20)]
    assert not any(case.bindings for case in none)
    ones = [generate(Recipe(4, i, "torch", 3, ones=1.0, dynamic=1.0), registry) for i in range(20)]
    assert not any(case.bindings for case in ones)


def test_related_sizes_change_together(registry: Registry) -> None:
    """The inputs of a sum have one shape, and of a product, what they must have in common."""
    a, b = value("x0", shape=(3, 4)), value("x1", shape=(4, 5))
    product = Value("v0", "float32", (3, 5))
    other = value("x2", shape=(3, 5))
    total = Value("v1", "float32", (3, 5))
    graph = Graph((a, b, other), (), (node("matmul", "x0 x1", product), node("add", "v0 x2", total)), ("v1",))
    for seed in range(5):
        case = with_bindings(case_of(graph), registry, random.Random(seed), 4096, Profile())
        for each in bound_cases(case, registry):
            shapes = {name: array.shape for name, array in each.tensors.items()}
            assert shapes["x0"][1] == shapes["x1"][0]
            assert shapes["x2"] == (shapes["x0"][0], shapes["x1"][1])


def test_what_a_weight_or_attribute_fixes_stays(registry: Registry) -> None:
    """The only sizes that a reshape to (6, 2) allows have twelve elements, so z3 finds others, or there are none."""
    x = value("x0", shape=(3, 4))
    graph = Graph((x,), (), (node("reshape", "x0", value("v0", shape=(6, 2)), shape=(6, 2)),), ("v0",))
    for seed in range(5):
        case = with_bindings(case_of(graph), registry, random.Random(seed), 4096, Profile())
        for inputs in case.bindings:
            assert inputs["x0"].size == 12


def test_z3_answers_where_arithmetic_does_not(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Completion, "attempt", lambda self, draw, rng: None)
    a, b, product = value("x0", shape=(3, 4)), value("x1", shape=(4, 5)), value("v0", shape=(3, 5))
    graph = Graph((a, b), (), (node("matmul", "x0 x1", product),), ("v0",))
    profile = Profile()
    case = with_bindings(case_of(graph), registry, random.Random(3), 4096, profile)
    assert profile.calls == {"bind other sizes": 2}
    assert len(case.bindings) == 2
    assert admitted(case, registry) is not None


def test_values_stay_in_the_range_of_the_case(registry: Registry) -> None:
    x = value("x0", shape=(2, 3))
    graph = Graph((x,), (), (node("log", "x0", value("v0", shape=(2, 3))),), ("v0",))
    case = case_of(graph)
    case.tensors["x0"][:] = [[1, 2, 3], [2, 2, 2.5]]
    made = with_bindings(case, registry, random.Random(1), 4096, Profile())
    assert made.bindings
    assert all(np.all((a["x0"] >= 1) & (a["x0"] <= 3)) for a in made.bindings)
