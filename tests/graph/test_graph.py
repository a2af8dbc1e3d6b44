"""Graphs: validation by inferring again, canonical JSON, pruning, the networkx view."""

import networkx as nx
import numpy as np
import pytest
from msgspec.structs import replace

from graphfuzz.errors import EntryError, InvalidGraph
from graphfuzz.graph import (
    Case,
    Graph,
    Node,
    Value,
    case_from_json,
    case_to_json,
    evaluate,
    pack_arrays,
    pruned,
    text,
    to_networkx,
    unpack_arrays,
    validate,
)


@pytest.fixture
def graph():
    x, w = Value("x0", "float32", (2, 3)), Value("w0", "float32", (4, 3))
    b = Value("w1", "float32", (4,))
    dense = Node("linear", ("x0", "w0", "w1"), {}, (Value("v0", "float32", (2, 4)),))
    relu = Node("relu", ("v0",), {}, (Value("v1", "float32", (2, 4)),))
    cast = Node("cast", ("x0",), {"dtype": "float64"}, (Value("v2", "float64", (2, 3)),))
    return Graph((x,), (w, b), (dense, relu, cast), ("v1", "v2"))


@pytest.fixture
def case(graph):
    rng = np.random.default_rng(0)
    leaves = {v.name: rng.normal(size=v.shape).astype(v.dtype) for v in (*graph.inputs, *graph.weights)}
    return Case(graph, "torch", leaves, {"seed": 1})


def test_a_valid_graph_is_accepted_by_both_frameworks(graph, registry):
    validate(graph, registry, "torch")
    validate(graph, registry, "keras")


def _with_node(graph, position, **changes):
    nodes = list(graph.nodes)
    nodes[position] = replace(nodes[position], **changes)
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: _with_node(g, 0, outputs=(Value("v0", "float32", (2, 5)),)), "the rule says"),
        (lambda g: _with_node(g, 1, outputs=(Value("v1", "float64", (2, 4)),)), "the rule says"),
        (lambda g: _with_node(g, 1, inputs=("v2",)), "v2 not defined before use"),
        (lambda g: _with_node(g, 1, op="no_such_operator"), "no such operator"),
        (lambda g: _with_node(g, 2, attrs={"dtype": "complex12"}), "'dtype' is valid"),
        (lambda g: _with_node(g, 2, attrs={}), "the attributes are"),
        (lambda g: _with_node(g, 0, inputs=("x0", "x0", "w1")), "inner|fed by x0|required"),
        (lambda g: _with_node(g, 1, outputs=(Value("x0", "float32", (2, 4)),)), "used twice"),
        (lambda g: replace(g, outputs=("x0",)), "must be distinct node outputs"),
        (lambda g: replace(g, outputs=()), "at least one"),
    ],
)
def test_every_kind_of_mistake_is_refused_with_its_place(graph, registry, change, said):
    with pytest.raises(InvalidGraph, match=said):
        validate(change(graph), registry, "torch")


def test_json_is_canonical_and_comes_back_equal(case):
    written = case_to_json(case)
    back = case_from_json(written, case.tensors, "here")
    assert back.graph == case.graph
    assert back.framework == "torch"
    assert case_to_json(back) == written
    assert all(len(line) < 200 for line in written.splitlines())


def test_bindings_come_back_equal(case):
    shape = (5, *case.tensors["x0"].shape[1:])
    others = {v.name: np.ones(shape if v.name == "x0" else v.shape, v.dtype) for v in case.graph.inputs}
    bound = replace(case, bindings=(others, others))
    written = case_to_json(bound)
    back = case_from_json(written, unpack_arrays(pack_arrays(bound.arrays()), "here"), "here")
    assert [sorted(b) for b in back.bindings] == [sorted(others)] * 2
    assert all(np.array_equal(b[name], array) for b in back.bindings for name, array in others.items())
    with pytest.raises(EntryError, match=r"hold no x0\.2"):
        case_from_json(written, {n: a for n, a in bound.arrays().items() if n != "x0.2"}, "there")
    with pytest.raises(EntryError, match="not a complete case"):
        case_from_json(written.replace('"bindings": [', '"bindings": [3, '), bound.arrays(), "there")


def test_a_case_of_the_first_schema_is_static(case):
    first = case_to_json(case).replace('"schema": 2', '"schema": 1').replace('"bindings": [],', "")
    assert '"bindings"' not in first
    assert case_from_json(first, case.tensors, "there").bindings == ()


def test_arrays_come_back_equal_and_the_bytes_are_reproducible(case):
    special = {"s": np.array([np.nan, -0.0, np.inf], "float16"), "b": np.array(True), **case.tensors}
    packed = pack_arrays(special)
    assert packed == pack_arrays(dict(reversed(special.items())))
    back = unpack_arrays(packed, "here")
    assert all(back[n].dtype == a.dtype and back[n].tobytes() == a.tobytes() for n, a in special.items())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: t[: len(t) // 2], "not a complete case"),
        (lambda t: t.replace('"schema": 2', '"schema": 99'), "schema 99 is newer"),
        (lambda t: t.replace('"graph"', '"grph"'), "not a complete case"),
        (lambda t: t.replace('"shape": [2, 3]', '"shape": [2, 9]'), "hold no x0"),
        (lambda t: "[]", "not a complete case"),
    ],
)
def test_damage_is_named(case, damage, said):
    with pytest.raises(EntryError, match=said):
        case_from_json(damage(case_to_json(case)), case.tensors, "there/case.json")


def test_truncated_arrays_are_named(case):
    with pytest.raises(EntryError, match=r"tensors\.npz: not a readable"):
        unpack_arrays(pack_arrays(case.tensors)[:-30], "tensors.npz")


def test_evaluation_computes_every_value(case, registry):
    found = evaluate(case.graph, case.tensors, registry)
    x, w, b = (case.tensors[n] for n in ("x0", "w0", "w1"))
    np.testing.assert_allclose(found["v1"], np.maximum(x @ w.T + b, 0), rtol=1e-5)
    assert found["v2"].dtype == np.float64


def test_disturbing_reaches_every_float_and_nothing_else(case, registry):
    seen = []
    evaluate(case.graph, case.tensors, registry, lambda name, array: (seen.append(name), array)[1])
    assert seen == ["x0", "w0", "w1", "v0", "v1", "v2"]


def test_pruning_keeps_what_an_output_needs(graph):
    assert pruned(graph, ["v2"]) == Graph(graph.inputs, (), graph.nodes[2:], ("v2",))


def test_the_view_is_acyclic_and_complete(graph):
    view = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(view)
    assert set(nx.ancestors(view, ("value", "v1"))) >= {("value", "x0"), ("node", "v0"), ("value", "w0")}


def test_text_shows_every_value(graph):
    assert "v0: float32[2, 4] = linear(x0, w0, w1)" in text(graph)
