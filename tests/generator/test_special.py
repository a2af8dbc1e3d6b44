"""The lane `special`: NaN and infinities in leaves, and operators that declare themselves wherever these go."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuzz.generator import Recipe, generate
from graphfuzz.generator.values import beside_specials, with_specials
from graphfuzz.graph import Case, Values, bound_cases, evaluate, is_special
from graphfuzz.minimizer.admission import admitted
from graphfuzz.spec import FLOATS, Registry
from graphfuzz.spec.dtypes import is_float
from graphfuzz.spec.operator import FRAMEWORKS

CASES = 40


def recipe(index: int, framework: str, lane: str = "special", **fields: float) -> Recipe:
    return Recipe(17, index, framework, nodes=1 + index % 8, lane=lane, turn=index, **fields)  # type: ignore[arg-type]


def values(case: Case, registry: Registry) -> Values:
    return evaluate(case.graph, case.tensors, registry)


@pytest.fixture(scope="module", params=FRAMEWORKS)
def made(request: pytest.FixtureRequest, registry: Registry) -> list[Case]:
    return [generate(recipe(index, request.param, dynamic=0.5), registry) for index in range(CASES)]


def test_most_cases_are_the_lanes_own_and_show_a_special_value(made: list[Case], registry: Registry) -> None:
    own = [case for case in made if case.origin["lane"] == "special"]
    assert len(own) > 0.9 * CASES
    for case in own:
        assert any(map(is_special, case.tensors.values()))
        arrays = values(case, registry)
        predicates = [node for node in case.graph.nodes if not all(is_float(value.dtype) for value in node.outputs)]
        consumed = {name for node in predicates for name in node.inputs}
        assert any(is_special(arrays[name]) for name in {*case.graph.outputs, *consumed})


def test_special_values_go_to_operators_that_declare_themselves_only(made: list[Case], registry: Registry) -> None:
    others = 0
    for bound in (bound for case in made for bound in bound_cases(case, registry)):
        arrays = values(bound, registry)
        for node in bound.graph.nodes:
            declared = bound.framework in registry[node.op].special
            others += not declared
            assert declared or not any(is_special(arrays[name]) for name in node.inputs)
    assert others > CASES / 4


def test_the_minimizer_admits_them_by_the_same_rule(made: list[Case], registry: Registry) -> None:
    assert all(admitted(case, registry) is not None for case in made)


def test_other_bindings_have_special_values_where_the_case_has(made: list[Case]) -> None:
    dynamic = [case for case in made if case.bindings and any(map(is_special, case.inputs().values()))]
    assert dynamic
    for case in dynamic:
        for inputs in case.bindings:
            assert [is_special(array) for array in inputs.values()] == list(map(is_special, case.inputs().values()))


def test_where_no_operator_declares_itself_the_lane_gives_way(registry: Registry) -> None:
    case = generate(recipe(0, "torch", operators=("sinc",)), registry)  # type: ignore[arg-type]
    assert case.origin["lane"] == "random"


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("lane", ["random", "sweep", "pair"])
def test_other_lanes_stay_free_of_them(lane: str, framework: str, registry: Registry) -> None:
    for index in range(10):
        case = generate(recipe(index, framework, lane), registry)
        assert not any(map(is_special, values(case, registry).values()))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (2,), (3, 40)])
def test_some_elements_become_special_up_to_a_third(dtype: str, shape: tuple[int, ...]) -> None:
    kinds = set()
    for seed in range(60):
        array = with_specials(np.random.default_rng(seed), np.ones(shape, dtype))
        assert array.dtype == dtype
        count = int(np.sum(~np.isfinite(array)))
        assert 1 <= count <= max(1, array.size // 3)
        kinds.add(tuple(sorted({str(value) for value in array[~np.isfinite(array)].astype("float64").tolist()})))
    assert {("nan",), ("inf",), ("-inf",)} <= kinds


def test_fresh_values_leave_special_ones_where_they_are() -> None:
    old, fresh = np.array([1, np.nan, -np.inf, 4]), np.array([5.0, 6, 7, 8])
    np.testing.assert_array_equal(beside_specials(old, fresh), [5, np.nan, -np.inf, 8])
    assert beside_specials(np.array([1, 2, 3, 4]), fresh) is fresh
