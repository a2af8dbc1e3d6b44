"""Generated cases: valid, of the size asked for, defined everywhere, and the same whenever they are made."""

import random
import subprocess
import sys

import numpy as np
import pytest

from graphfuzz.generator import Exhausted, Recipe, generate, single_operator_case
from graphfuzz.graph import LIMITS, case_to_json, evaluate, pack_arrays, validate, within
from graphfuzz.spec import FLOATS, INDICES, Registry, index, operator, tensor, unary, variadic
from graphfuzz.spec.operator import FRAMEWORKS

RECIPES = [Recipe(7, i, FRAMEWORKS[i % 2], nodes=1 + i % 12) for i in range(60)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.framework}-{r.index}")
def test_cases_are_valid_defined_and_as_large_as_asked(recipe, registry):
    case = generate(recipe, registry)
    validate(case.graph, registry, recipe.framework)
    assert len(case.graph.nodes) == recipe.nodes
    for name, array in evaluate(case.graph, case.tensors, registry).items():
        assert array.size <= recipe.max_elements, name
        assert array.dtype == bool or np.isfinite(array).all(), name
        assert array.dtype == bool or within(array, (-LIMITS[str(array.dtype)], LIMITS[str(array.dtype)])), name


def test_a_case_is_the_same_in_another_process_and_after_other_work(registry):
    recipes = [Recipe(3, i, "torch") for i in range(6)]
    here = [_digest(generate(recipe, registry)) for recipe in reversed(recipes)][::-1]
    program = (
        "from graphfuzz.generator import *; from graphfuzz.spec import load_registry;"
        "from graphfuzz.graph import LIMITS, case_to_json, pack_arrays; import hashlib; r = load_registry();"
        "cases = [generate(Recipe(3, i, 'torch'), r) for i in range(6)];"
        "print([hashlib.sha256(case_to_json(c).encode() + pack_arrays(c.tensors)).hexdigest() for c in cases])"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == str(here)


def _digest(case):
    import hashlib

    return hashlib.sha256(case_to_json(case).encode() + pack_arrays(case.tensors)).hexdigest()


def test_operators_asked_for_are_the_only_ones_used(registry):
    case = generate(Recipe(0, 0, "torch", nodes=12, operators=("relu", "add")), registry)
    assert set(case.graph.operators()) <= {"relu", "add"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_operator_can_be_used_and_every_use_is_valid(framework, registry):
    for name in (name for name in registry if framework in registry[name].emissions):
        case = generate(Recipe(5, 0, framework, nodes=1, operators=(name,), zeros=0), registry)
        validate(case.graph, registry, framework)
        assert list(case.graph.operators()) == [name]


def test_a_rule_that_nothing_satisfies_is_given_up(registry):
    @operator(tensor("x"), dtypes=FLOATS, reference=lambda x: x, torch="{x}")
    def impossible(require, x):
        """Refuse everything."""
        require(False, "nothing fits")
        return x.shape

    with pytest.raises(Exhausted, match="impossible"):
        single_operator_case(impossible, "torch", random.Random(0))
    with pytest.raises(Exhausted, match="0 of 3 nodes"):
        generate(Recipe(0, 0, "torch", nodes=3), Registry([impossible]))


def test_values_stay_in_the_declared_domain():
    log = unary("log", FLOATS, domain=(0.5, 2.0), reference=np.log, torch="torch.log({x})")
    for seed in range(50):
        (x,) = single_operator_case(log, "torch", random.Random(seed)).tensors.values()
        assert within(x, (0.5, 2.0))


def test_indices_point_into_the_operand_they_are_declared_for():
    @operator(
        tensor("x", rank=1),
        index("i", rank=1, domain=lambda x, i: (0, x.shape[0] - 1)),
        dtypes={"T": FLOATS, "I": INDICES},
        reference=lambda x, i: x[i],
        torch="{x}[{i}]",
    )
    def pick(require, x, i):
        """Elements by position."""
        return i.shape

    for seed in range(50):
        case = single_operator_case(pick, "torch", random.Random(seed))
        x, i = (case.tensors[name] for name in case.graph.nodes[0].inputs)
        assert i.min() >= 0
        assert i.max() < x.shape[0]


@pytest.mark.parametrize(
    ("op", "is_right"),
    [
        (unary("scale", ("int8",), reference=lambda x: x * 20, torch="{x} * 20"), lambda x: abs(x * 20).max() <= 100),
        (
            unary("odd", ("int32",), reference=abs, torch="{x}", defined=lambda x: bool((x % 2 == 1).all())),
            lambda x: (x % 2 == 1).all(),
        ),
    ],
    ids=["overflowing", "undefined"],
)
def test_undefined_and_overflowing_uses_are_not_generated(op, is_right):
    made = 0
    for seed in range(60):
        try:
            case = single_operator_case(op, "torch", random.Random(seed))
        except Exhausted:
            continue
        made += 1
        assert all(is_right(a.astype("int64")) for a in case.tensors.values())
    assert made > 5


def test_operands_are_made_to_fit_by_arithmetic_and_by_z3():
    @operator(variadic("xs", (2, 3), rank=(2,)), dtypes=FLOATS, reference=lambda *xs: xs[0], torch="({xs})[0]")
    def puzzle(require, *xs):
        """Take the first of operands whose sizes solve an equation."""
        require(xs[0].shape[0] * xs[1].shape[1] == xs[0].shape[1] * 3 + xs[1].shape[0], "the puzzle is solved")
        return xs[0].shape

    for seed in range(10):
        graph = single_operator_case(puzzle, "torch", random.Random(seed)).graph
        a, b, *_ = (graph.values()[name] for name in graph.nodes[0].inputs)
        assert a.shape[0] * b.shape[1] == a.shape[1] * 3 + b.shape[0]


@pytest.mark.parametrize(("zeros", "ones", "favored"), [(1.0, 0.0, 0), (0.0, 1.0, 1), (0.0, 0.0, None)])
def test_a_share_of_the_cases_is_full_of_zeros_or_ones_and_marked(zeros, ones, favored, registry):
    recipes = [Recipe(5, index, "torch", nodes=5, zeros=zeros, ones=ones) for index in range(12)]
    cases = [generate(recipe, registry) for recipe in recipes]
    assert all(case.origin.get("favored_size") == favored for case in cases)
    sizes = [size for case in cases for leaf in case.graph.inputs for size in leaf.shape]
    assert (0 in sizes) == (favored == 0)
    if favored is not None:
        assert sizes.count(favored) / len(sizes) > 0.05
