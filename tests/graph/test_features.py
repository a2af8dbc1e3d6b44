"""A graph's features: uses by dtype and rank, attributes by bin, pairs and paths."""

import pytest

from graphfuzz.graph import Graph, Node, Value, features
from graphfuzz.graph.features import attribute_bin


def test_a_diamond_has_its_pairs_and_both_paths():
    x, a, b, c, d = (Value(name, "float32", (2, 3)) for name in "xabcd")
    nodes = (
        Node("relu", ("x",), {}, (a,)),
        Node("exp", ("a",), {}, (b,)),
        Node("sum", ("a",), {"axes": (1,), "keepdims": True}, (c,)),
        Node("add", ("b", "c"), {}, (d,)),
    )
    found = features(Graph((x,), (), nodes, ("d",)))
    assert found.pairs == (("relu", "exp"), ("relu", "sum"), ("exp", "add"), ("sum", "add"))
    assert found.sequences == (("relu", "exp", "add"), ("relu", "sum", "add"))
    assert found.uses == (
        "relu float32 2",
        "exp float32 2",
        "sum float32 2",
        "sum axes=1×1",
        "sum keepdims=True",
        "add float32 2",
    )


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([True], "True"),
        (["same"], "same"),
        ([2], "2"),
        ([-5, -2], "negative"),
        ([4, 6], "small even"),
        ([9, 17], "large odd"),
        ([0.5, 0.01], "below 1"),
        ([-0.5], "-below 1"),
        ([1.0], "1.0"),
        ([(3, 3)], "2×3"),
        ([(1, 4), (4, 1)], "2 1/small even"),
    ],
)
def test_attribute_values_of_one_class_have_one_bin(values, name):
    assert {attribute_bin(value) for value in values} == {name}
