"""Patterns that are not generated."""

import pytest

from graphfuzz.generator import LANES, Bar, Recipe, generate, share_stopped, stopped
from graphfuzz.graph import Graph
from tests.examples import node, value

OPERATORS = ("relu", "add", "sum", "cumsum")


def graph_of(dtype):
    x, y, z = value("x", dtype), value("y", dtype), value("z", dtype)
    return Graph((x,), (), (node("relu", "x", y), node("cumsum", "y", z, axis=-1)), ("z",))


@pytest.mark.parametrize(
    ("bar", "named"),
    [
        (Bar("cumsum"), ["z"]),
        (Bar("relu", dtypes=("int64", "float32")), ["y"]),
        (Bar("relu", dtypes=("int64",)), []),
        (Bar("cumsum", ranks=(1, 2)), ["z"]),
        (Bar("cumsum", ranks=(3,)), []),
        (Bar("cumsum", attributes={"axis": ("0", "-1")}), ["z"]),
        (Bar("cumsum", attributes={"axis": ("0",)}), []),
    ],
)
def test_a_pattern_has_nodes_by_operator_dtype_rank_and_attributes(bar, named):
    assert [found.name for found in stopped([bar], graph_of("float32"))] == named


def test_any_operand_may_have_the_dtype():
    x, c, y = value("x", "int8"), value("c", "bool"), value("y", "int8")
    graph = Graph((c, x), (), (node("where", "c x x", y),), ("y",))
    assert stopped([Bar("where", dtypes=("int8",))], graph)


@pytest.mark.parametrize("lane", LANES)
def test_no_lane_makes_what_is_barred(lane, registry):
    bars = (Bar("add", dtypes=("float32",)), Bar("cumsum", attributes={"axis": ("-1", "negative")}))
    made = [
        generate(Recipe(3, index, "torch", 6, OPERATORS, lane=lane, turn=index), registry, bars=bars)
        for index in range(40)
    ]
    kinds = [n for case in made for n in case.graph.nodes if n.op in ("add", "cumsum")]
    assert kinds, "the operators themselves are made"
    assert not any(stopped(bars, case.graph) for case in made)


def test_what_cannot_be_made_otherwise_is_made(registry):
    bars = (Bar("relu"),)
    case = generate(Recipe(3, 0, "torch", 2, ("relu",), lane="sweep"), registry, bars=bars)
    assert stopped(bars, case.graph)


def test_no_bars_make_the_same_cases_as_ever(registry):
    recipe = Recipe(3, 5, "torch", 8)
    before, after = generate(recipe, registry), generate(recipe, registry, bars=(Bar("no_such_operator"),))
    assert before.graph == after.graph


def test_the_share_that_is_stopped(registry):
    operators = registry.of("torch", OPERATORS)
    whole = share_stopped([Bar(name) for name in OPERATORS], operators, "torch")
    assert (whole, share_stopped([], operators, "torch")) == (1.0, 0.0)
    one = share_stopped([Bar("relu")], operators, "torch")
    part = share_stopped([Bar("relu", dtypes=("float32",))], operators, "torch")
    ranked = share_stopped([Bar("relu", dtypes=("float32",), ranks=(2,))], operators, "torch")
    assert 0 < ranked < part < one < 1
    assert share_stopped([Bar("relu"), Bar("relu", ranks=(1,))], operators, "torch") == one, "nothing counts twice"
    drawn = share_stopped([Bar("cumsum", attributes={"axis": ("0",)})], operators, "torch")
    assert 0 < drawn < share_stopped([Bar("cumsum")], operators, "torch")
