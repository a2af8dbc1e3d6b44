"""Plain types, sizes, attributes and operands: what passes propose, and what is left of planted defects."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuzz.graph import Case, Graph, validate
from graphfuzz.minimizer import minimize
from graphfuzz.minimizer.arrays import converted, fitted
from graphfuzz.minimizer.edits import Retype, Unite, edited
from graphfuzz.minimizer.passes import drop_one_operand, replace_one_node, unite_leaves
from graphfuzz.minimizer.plain import fewer_axes, plain_attributes, plain_dtypes
from graphfuzz.minimizer.sizes import smaller_sizes
from graphfuzz.spec.attributes import axes, axis, choice, number, permutation, sizes
from graphfuzz.spec.plainness import plainer_values
from tests.examples import case_of, checker, node, value, wrong


def rolled(shape=(4, 1, 6), dtype="float64", **attrs) -> Case:
    """x0 → roll → v0."""
    made = node("roll", "x0", value("v0", dtype, shape), **{"axis": 2, "shift": 4, **attrs})
    return case_of(Graph((value("x0", dtype, shape),), (), (made,), ("v0",)))


def joined(count: int) -> Case:
    """Several inputs of one type, joined."""
    leaves = tuple(value(f"x{i}") for i in range(count))
    together = node("concat", " ".join(leaf.name for leaf in leaves), value("v0", shape=(2 * count, 3)), axis=0)
    return case_of(Graph(leaves, (), (together,), ("v0",)))


def applied(case: Case, edit, registry) -> Case | None:
    return edited(case, edit, [case.tensors], registry)


def reduced(case: Case, fails, registry) -> Case:
    """The smallest case that a defect of this kind leaves."""
    return minimize(case, wrong(case), checker(fails), registry).case


@pytest.mark.parametrize(
    ("kind", "value", "plainest"),
    [
        (choice("linear", "cubic"), "cubic", "linear"),
        (number(0.0, 4.0), 0.125, 1.0),
        (number(2.0, 4.0), 3.517, 2.0),
        (axis(), -3, 0),
        (axes(), (2, -2), (0,)),
        (permutation(), (2, 0, 1), (0, 1, 2)),
        (sizes(1, 8, per="x"), (3, 1, 7), (1, 1, 1)),
    ],
)
def test_the_plainest_of_every_kind_comes_first_and_has_nothing_plainer(kind, value, plainest):
    found = plainer_values(kind, value, lambda of: 3)
    assert found[0] == plainest or plainer_values(kind, found[0], lambda of: 3)[0] == plainest
    assert plainer_values(kind, plainest, lambda of: 3) == []
    assert all(kind.problem(each, lambda of: 3) is None for each in found)


def test_values_are_cut_at_either_end_and_follow_the_dtype():
    array = np.arange(12, dtype="float64").reshape(3, 4)
    assert fitted(array, "float32", (2, 2)).tolist() == [[0, 1], [4, 5]]
    assert fitted(array, "float32", (1, 2), at_end=True).tolist() == [[10, 11]]
    assert fitted(array[:1], "int64", (4,)).tolist() == [0, 1, 2, 3]
    assert fitted(array[:1, :1], "int64", ()).shape == ()


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint8", [0, 200, 2, 0]), ("bool", [True, True, True, True]), ("int8", [-3, 100, 2, 0])]
)
def test_values_are_clipped_to_what_a_dtype_can_hold(dtype, expected):
    found = converted(np.array([-3.0, 1e9, 1.6, np.nan]), dtype)
    assert found.dtype == dtype
    assert found.tolist() == expected


def test_dtypes_are_replaced_in_leaves_and_attributes(registry):
    cast = node("cast", "x0", value("v0", "int16"), dtype="int16")
    case = case_of(Graph((value("x0", "float64"),), (), (cast,), ("v0",)))
    first = next(iter(plain_dtypes(case, registry)))
    assert first == Retype((value("x0", "float32"),))
    found = applied(rolled(dtype="int8"), Retype((value("x0", "float32", (4, 1, 6)),)), registry)
    assert found.graph.values()["v0"].dtype == "float32"
    validate(found.graph, registry, "torch")


def test_an_axis_of_one_goes_and_attributes_follow(registry):
    (edit,) = fewer_axes(rolled(), registry)
    found = applied(rolled(), edit, registry)
    assert found.tensors["x0"].shape == (4, 6)
    assert found.graph.nodes[0].attrs["axis"] == 1


def test_sizes_are_those_that_rules_allow(registry):
    """Two operands that are joined share an axis: neither shrinks alone."""
    shapes = {(v.name, v.shape) for edit in smaller_sizes(joined(2), registry) for v in edit.leaves}
    assert {("x0", (2, 1)), ("x1", (2, 1)), ("x0", (1, 3))} <= shapes
    for edit in smaller_sizes(joined(2), registry):
        found = applied(joined(2), edit, registry)
        validate(found.graph, registry, "torch")
        assert found.tensors["x0"].shape[1] == found.tensors["x1"].shape[1]


def test_operands_and_leaves_become_fewer(registry):
    three = joined(3)
    assert [len(applied(three, edit, registry).graph.inputs) for edit in drop_one_operand(three, registry)] == [2, 2, 2]
    assert list(unite_leaves(joined(2), registry)) == [Unite("x1", "x0")]
    found = applied(joined(2), Unite("x1", "x0"), registry)
    assert found.graph.nodes[0].inputs == ("x0", "x0")
    assert list(found.tensors) == ["x0"]


def test_attributes_become_plain_all_at_once_first(registry):
    first = next(iter(plain_attributes(rolled(), registry)))
    assert first == Retype(attrs=(("v0", {"axis": 0, "shift": 0}),))


def test_a_planted_defect_keeps_nothing_that_it_does_not_need(registry):
    """It needs a shift beyond the axis' size, as one of `roll` in the TorchScript exporter does."""

    def fails(case: Case) -> bool:
        roll = next((n for n in case.graph.nodes if n.op == "roll"), None)
        if roll is None:
            return False
        shape = case.graph.values()[roll.inputs[0]].shape
        return bool(shape) and abs(roll.attrs["shift"]) > shape[roll.attrs["axis"]] > 1

    found = reduced(rolled((4, 3, 4), axis=-1, shift=5), fails, registry)
    assert found.graph.nodes[0].attrs == {"axis": 0, "shift": 3}
    assert (found.graph.inputs[0].dtype, found.graph.inputs[0].shape) == ("float32", (2,))
    assert not found.tensors["x0"].any()


def test_a_defect_of_three_operands_keeps_three_uses_of_one(registry):
    found = reduced(joined(5), lambda case: len(case.graph.nodes[0].inputs) >= 3, registry)
    assert found.graph.nodes[0].inputs == ("x0", "x0", "x0")


def test_no_operator_is_brought_in_that_has_the_defect_alone(registry):
    """Whatever operator takes the first one's place fails by itself: that would be another defect."""
    shape = (1, 1, 2)
    nodes = (
        node("roll", "x0", value("v0", shape=shape), axis=2, shift=1),
        node("add", "v0 x0", value("v1", shape=shape)),
    )
    case = case_of(Graph((value("x0", shape=shape),), (), nodes, ("v1",)))
    assert list(replace_one_node(case, registry))

    def fails(each: Case) -> bool:
        ops = set(each.graph.operators())
        return len(ops) > 1 or not ops & {"roll", "add"}

    reduction = minimize(case, wrong(case), checker(fails), registry, passes=[replace_one_node])
    assert list(reduction.case.graph.operators()) == ["roll", "add"]
    assert reduction.slipped > 0
