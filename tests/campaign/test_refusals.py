"""What a route refuses is told by trying uses alone, and avoided from then on, but for the control."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from graphfuzz.campaign.refusals import Refusals, Trials, try_alone
from graphfuzz.generator import Recipe, Support, generate, support_of
from graphfuzz.generator.support import AVOIDED, OPERATORS
from graphfuzz.graph import Features, Graph, use_of
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec import Registry
from tests.examples import case_of, node, value

CHAIN = Graph(
    (value("x0"),),
    (),
    (node("relu", "x0", value("v0")), node("tanh", "v0", value("v1")), node("relu", "v1", value("v2"))),
    ("v2",),
)
RELU, TANH = "relu float32 2", "tanh float32 2"


@pytest.fixture(scope="module")
def route() -> Route:
    """PyTorch's TorchScript exporter, which refuses tanh here."""
    plain = load_route("torch-script-ort")

    def convert(model: Any, inputs: Any, axes: Any) -> Any:
        if "tanh" in type(model).forward.__code__.co_names:
            raise NotImplementedError("declined")
        return plain.convert(model, inputs, axes)

    return replace(plain, convert=convert, refused=lambda error: "declined" in str(error))


def test_the_use_that_is_refused_is_told_from_the_others(route: Route, registry: Registry) -> None:
    case = case_of(CHAIN)
    assert judge(case, route, registry).verdict == "unsupported"
    trials = try_alone(case, route, registry, Support(), Tolerance())
    assert (trials.taken, trials.refused) == ((RELU,), (TANH,))
    assert trials.seconds > 0


def test_what_is_known_is_not_tried_again(route: Route, registry: Registry) -> None:
    known = Support(taken=frozenset({RELU}), refused=frozenset({TANH}))
    trials = try_alone(case_of(CHAIN), route, registry, known, Tolerance())
    assert not trials.taken + trials.refused


def test_a_use_that_was_ever_taken_is_not_avoided() -> None:
    told, seen = Refusals(), Features((RELU, "sum keepdims=True"), (), (), 1)
    told.add(Outcome("r", "unsupported", "conversion"), seen, Trials((), (RELU, TANH)))
    rng = random.Random(0)
    assert sum(told.support("a").avoids(RELU, rng) for _ in range(1000)) / 1000 == pytest.approx(AVOIDED, abs=0.03)
    told.add(Outcome("r", "wrong-output", "compare"), seen, Trials())
    assert told.support("b") == support_of({RELU}, {RELU, TANH}, "b")
    assert not any(told.support("b").avoids(RELU, rng) for _ in range(100))
    assert not any(told.support("b").avoids("exp float32 1", rng) for _ in range(100))


def test_what_is_refused_at_one_rank_is_refused_at_all() -> None:
    known = support_of({"sum float32 1"}, {"sum int8 1", "sum float32 2"})
    assert [known.refuses(use) for use in ("sum int8 3", "sum float32 2", "sum float32 3")] == [True, True, False]


@pytest.mark.parametrize(("taken", "told"), [((), True), (("exp int8 1",), False)])
def test_an_operator_refused_on_several_dtypes_is_refused_on_all(taken: tuple[str, ...], told: bool) -> None:
    refused = [f"exp {dtype} 2" for dtype in ("float32", "float16", "int32")]
    assert support_of(taken, refused).refuses("exp bool 0") == told
    assert support_of(taken, refused).refuses("exp way=a word or two") == told
    assert not support_of(taken, refused[1:]).refuses("exp bool 0")


@pytest.mark.parametrize(("taken", "told"), [((), True), (("exp uint16 1",), False)])
def test_a_dtype_that_several_operators_are_refused_on_is_refused(taken: tuple[str, ...], told: bool) -> None:
    refused = [f"op{number} uint16 1" for number in range(OPERATORS)]
    assert support_of(taken, refused).refuses("add uint16 0") == told
    assert not support_of(taken, refused[1:]).refuses("add uint16 0")


@pytest.mark.parametrize("lane", ["random", "guided", "sweep", "pair"])
def test_cases_avoid_what_is_refused(lane: str, registry: Registry) -> None:
    names = ("relu", "tanh", "add", "negative")
    refused = frozenset(f"tanh {dtype} {rank}" for dtype in ("float16", "float32", "float64") for rank in range(7))
    counts = []
    for support in (None, Support(refused=refused)):
        recipes = [Recipe(2, i, "torch", 8, names, lane=lane, turn=i) for i in range(40)]
        graphs = [generate(recipe, registry, support=support).graph for recipe in recipes]
        counts.append(sum(use_of(n, graph.values()) in refused for graph in graphs for n in graph.nodes))
    assert counts[0] > 5
    assert counts[1] < counts[0] / 2, counts


def test_where_everything_is_refused_cases_are_made_all_the_same(registry: Registry) -> None:
    refused = frozenset(f"inverse {dtype} {rank}" for dtype in ("float32", "float64") for rank in range(7))
    case = generate(Recipe(2, 1, "torch", 2, ("inverse",)), registry, support=Support(refused=refused))
    assert set(case.graph.operators()) == {"inverse"}
