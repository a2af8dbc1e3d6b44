"""Edits and passes: what each makes of a graph."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuzz.graph import Case, Graph, evaluate, text, validate
from graphfuzz.minimizer.arrays import plainer
from graphfuzz.minimizer.edits import Bypass, Fill, Keep, Rename, edited
from graphfuzz.minimizer.passes import (
    bypass_one_node,
    canonical_naming,
    cut_at_a_tensor,
    drop_one_node,
    isolate_neighbors,
    isolate_one_node,
    keep_one_output,
)
from tests.examples import case_of, node, value


@pytest.fixture
def case() -> Case:
    """x0 → sin → v0 → exp → v1 → add(v0, v1) → v2, returning v1 and v2."""
    nodes = (node("sin", "x0", value("v0")), node("exp", "v0", value("v1")), node("add", "v0 v1", value("v2")))
    return case_of(Graph((value("x0"),), (), nodes, ("v1", "v2")))


def made(case: Case, edit: object, registry) -> Case | None:
    return edited(case, edit, [evaluate(case.graph, case.tensors, registry)], registry)


def test_kept_nodes_are_fed_with_recorded_values(case, registry):
    values = evaluate(case.graph, case.tensors, registry)
    found = made(case, Keep(("v2",), ("v2",)), registry)
    assert [v.name for v in found.graph.inputs] == ["v0", "v1"]
    assert all(np.array_equal(found.tensors[name], values[name]) for name in ("v0", "v1"))
    validate(found.graph, registry, "torch")


def test_a_bypass_rewires_every_use_and_the_outputs(case, registry):
    found = made(case, Bypass("v1", "v0"), registry)
    assert text(found.graph).splitlines()[-2:] == ["v2: float32[2, 3] = add(v0, v0)", "return  v0, v2"]
    validate(found.graph, registry, "torch")


def test_a_bypass_that_leaves_no_output_changes_nothing(registry):
    case = case_of(Graph((value("x0"),), (), (node("sin", "x0", value("v0")),), ("v0",)))
    assert made(case, Bypass("v0", "x0"), registry).graph == case.graph


def test_a_graph_without_inputs_is_none(registry):
    graph = Graph(
        (value("x0"),),
        (value("w0"),),
        (node("add", "x0 w0", value("v0")), node("sin", "w0", value("v1"))),
        ("v0", "v1"),
    )
    assert made(case_of(graph), Keep(("v1",), ("v1",)), registry) is None


def test_renaming_gives_the_names_of_a_grown_graph(registry):
    graph = Graph((value("v7"),), (value("w3"),), (node("add", "v7 w3", value("x0")),), ("x0",))
    case = case_of(graph)
    (edit,) = canonical_naming(case, registry)
    found = made(case, edit, registry)
    assert edit == Rename()
    assert text(found.graph).splitlines()[2:] == ["v0: float32[2, 3] = add(x0, w0)", "return  v0"]
    assert np.array_equal(found.tensors["x0"], case.tensors["v7"])
    assert not list(canonical_naming(found, registry))


def test_isolation_keeps_the_outputs_that_others_use(case, registry):
    assert list(isolate_one_node(case, registry)) == [
        Keep(("v2",), ("v2",)),
        Keep(("v1",), ("v1",)),
        Keep(("v0",), ("v0",)),
    ]


def test_neighbors_are_pairs_along_an_edge(case, registry):
    pairs = [edit.nodes for edit in isolate_neighbors(case, registry)]
    assert pairs == [("v0", "v2"), ("v1", "v2"), ("v0", "v1")]


def test_cuts_come_nearest_to_half_first(case, registry):
    sizes = [len(edit.nodes) for edit in cut_at_a_tensor(case, registry)]
    assert [abs(size - 1.5) for size in sizes] == sorted(abs(size - 1.5) for size in sizes)
    assert Keep(("v1", "v2"), ("v1", "v2")) in list(cut_at_a_tensor(case, registry))


def test_dropping_and_single_outputs(case, registry):
    assert [edit.nodes for edit in drop_one_node(case, registry)] == [("v0", "v1"), ("v0", "v2"), ("v1", "v2")]
    assert [edit.outputs for edit in keep_one_output(case, registry)] == [("v2",), ("v1",)]


def test_only_operands_of_the_same_type_bypass(case, registry):
    assert list(bypass_one_node(case, registry)) == [
        Bypass("v2", "v0"),
        Bypass("v2", "v1"),
        Bypass("v1", "v0"),
        Bypass("v0", "x0"),
    ]
    cast = node("cast", "x0", value("v0", "int32"), dtype="int32")
    assert not list(bypass_one_node(case_of(Graph((value("x0"),), (), (cast,), ("v0",))), registry))


@pytest.mark.parametrize(
    ("how", "expected"), [("zero", [0, 0]), ("one", [1, 1]), ("integer", [1, -3]), ("short", [1.23, -2.57])]
)
def test_plainer_values_keep_the_type(how, expected, registry):
    found = plainer(np.array([1.234, -2.567], "float16"), how)
    assert found.dtype == np.float16
    assert np.array_equal(found, np.array(expected, "float16"))


@pytest.mark.parametrize("dtype", ["bfloat16", "complex64", "complex128"])
@pytest.mark.parametrize(("how", "expected"), [("zero", 0), ("one", 1), ("integer", 1), ("short", 1.23)])
def test_plainer_values_of_every_float_format(dtype, how, expected):
    turned = 1j if dtype.startswith("complex") else 0
    found = plainer((np.array([1.234]) * (1 + turned)).astype(dtype), how)
    wanted = expected if how == "one" else expected * (1 + turned)
    assert found.dtype == dtype
    assert found[0] == np.array(wanted).astype(dtype)


def test_filling_changes_one_leaf_only(case, registry):
    found = made(case, Fill(("x0",), "one"), registry)
    assert (found.tensors["x0"] == 1).all()
    assert not (case.tensors["x0"] == 1).all()
