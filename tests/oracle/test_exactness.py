"""Which values are exact, on the operators of the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphfuzz.graph import Array, Graph, Node, Value, evaluate
from graphfuzz.oracle.exactness import exact_values, mixing_nodes
from graphfuzz.spec import Registry

SHORT = np.array([0.5, -1.5, 2.5, 4.0], dtype="float32")
LONG = np.array([0.3, -1.7, 2.6, 4.2], dtype="float32")


def exact(registry: Registry, op: str, *leaves: Array, made: str = "float32", **attrs: Any) -> set[str]:
    """The exact ones among the leaves x0, x1, ... and the output y of one operator on them."""
    inputs = tuple(Value(f"x{i}", str(leaf.dtype), leaf.shape) for i, leaf in enumerate(leaves))
    node = Node(op, tuple(v.name for v in inputs), attrs, (Value("y", made, leaves[0].shape),))
    graph = Graph(inputs, (), (node,), ("y",))
    values = evaluate(graph, {v.name: leaf for v, leaf in zip(inputs, leaves, strict=True)}, registry)
    return set(exact_values(graph, registry, "torch", values))


@pytest.mark.parametrize("op", ["add", "multiply", "maximum"])
def test_what_integers_have_too_is_exact_on_short_values(registry: Registry, op: str) -> None:
    assert exact(registry, op, SHORT, SHORT) == {"x0", "x1", "y"}
    assert exact(registry, op, LONG, SHORT) == {"x1"}


def test_a_quotient_is_not_even_of_integers(registry: Registry) -> None:
    assert exact(registry, "divide", SHORT, SHORT) == {"x0", "x1"}
    whole = np.array([3, 5, 7, 49])
    assert exact(registry, "divide", whole, whole) == set()


def test_what_only_floats_have_is_not(registry: Registry) -> None:
    zero = np.zeros(4, dtype="float32")
    assert exact(registry, "exp", zero) == {"x0"}
    assert exact(registry, "tanh", np.full(4, 30, dtype="float32")) == {"x0"}
    assert exact(registry, "rsqrt", np.ones(4, dtype="float32")) == {"x0"}


@pytest.mark.parametrize("op", ["floor", "ceil", "round"])
def test_what_was_rounded_is(registry: Registry, op: str) -> None:
    assert exact(registry, op, LONG) == {"y"}


@pytest.mark.parametrize(("op", "leaf"), [("add", SHORT), ("floor", LONG)])
def test_nan_and_infinities_change_nothing_about_the_others(registry: Registry, op: str, leaf: Array) -> None:
    for special in (np.nan, np.inf, -np.inf):
        given = leaf.copy()
        given[1] = special
        assert "y" in exact(registry, op, *([given, SHORT] if op == "add" else [given]))


def test_a_cast_of_an_integer_is(registry: Registry) -> None:
    assert exact(registry, "cast", np.array([1, 2, 3]), dtype="float32") == {"y"}


@pytest.mark.parametrize(
    ("op", "attrs", "mixes"),
    [
        ("softmax", {"axis": 0}, True),
        ("mean", {"axes": (0,), "keepdims": True}, True),
        ("sum", {"axes": (0,), "keepdims": True}, False),
        ("flip", {"axes": (0,)}, False),
        ("exp", {}, False),
        ("hard_shrink", {"threshold": 0.5}, False),
    ],
)
def test_what_mixes_elements_by_more_than_integers_arithmetic(
    registry: Registry, op: str, attrs: dict[str, Any], mixes: bool
) -> None:
    shape = (1,) if attrs.get("keepdims") else SHORT.shape
    node = Node(op, ("x0",), attrs, (Value("y", "float32", shape),))
    graph = Graph((Value("x0", "float32", SHORT.shape),), (), (node,), ("y",))
    values = evaluate(graph, {"x0": SHORT}, registry)
    assert mixing_nodes(graph, registry, "torch", values) == ({"y"} if mixes else set())
