"""The minimizer reaches *this* graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from graphfuzz.generator import Recipe, generate
from graphfuzz.graph import Case, Graph, evaluate, text
from graphfuzz.minimizer import minimize
from graphfuzz.spec.registry import Registry
from tests.examples import case_of, checker, node, value


def minimal(case: Case, fails: Callable[[Case], bool], registry: Registry) -> Case:
    check = checker(fails)
    assert fails(case)
    return minimize(case, check([case])[0], check, registry, budget=2000).case


def chain() -> Case:
    """Eight nodes in a row, with a side branch."""
    steps = ["negative", "relu", "sin", "tanh", "cos", "square", "sigmoid", "exp"]
    nodes = [node(op, f"v{i - 1}" if i else "x0", value(f"v{i}")) for i, op in enumerate(steps)]
    nodes.append(node("add", "v2 v5", value("v8")))
    return case_of(Graph((value("x0"),), (), tuple(nodes), ("v7", "v8")))


def feeds(case: Case, before: str, after: str) -> bool:
    producers = case.graph.producers()
    return any(
        n.op == after and any(i in producers and producers[i].op == before for i in n.inputs) for n in case.graph.nodes
    )


def is_upstream(case: Case, before: str, after: str) -> bool:
    producers = case.graph.producers()

    def above(name: str) -> bool:
        maker = producers.get(name)
        return maker is not None and (maker.op == before or any(map(above, maker.inputs)))

    return any(n.op == after and any(map(above, n.inputs)) for n in case.graph.nodes)


def operators(case: Case) -> list[str]:
    return list(case.graph.operators())


def test_one_operator_fed_by_a_negative_value(registry):
    def fails(case: Case) -> bool:
        values = evaluate(case.graph, case.tensors, registry)
        return any(n.op == "relu" and (values[n.inputs[0]] < 0).any() for n in case.graph.nodes)

    found = minimal(chain(), fails, registry)
    assert text(found.graph) == "input   x0: float32[]\nv0: float32[] = relu(x0)\nreturn  v0"
    assert (found.tensors["x0"] == np.round(found.tensors["x0"])).all()


def test_values_that_do_not_matter_become_zero(registry):
    found = minimal(chain(), lambda case: "tanh" in operators(case), registry)
    assert operators(found) == ["tanh"]
    assert not found.tensors["x0"].any()


@pytest.mark.parametrize(("before", "after"), [("relu", "sin"), ("square", "add"), ("sin", "add")])
def test_two_neighbors(before, after, registry):
    found = minimal(chain(), lambda case: feeds(case, before, after), registry)
    assert operators(found) == [before, after]
    assert len(found.graph.outputs) == 1


@pytest.mark.parametrize(("before", "after"), [("relu", "exp"), ("negative", "cos"), ("sin", "sigmoid")])
def test_what_lies_between_is_bypassed(before, after, registry):
    found = minimal(chain(), lambda case: is_upstream(case, before, after), registry)
    assert operators(found) == [before, after]


def test_unconnected_nodes_are_both_kept(registry):
    found = minimal(chain(), lambda case: {"negative", "exp"} <= set(operators(case)), registry)
    assert sorted(operators(found)) == ["exp", "negative"]


def test_three_in_a_row(registry):
    def fails(case: Case) -> bool:
        return feeds(case, "sin", "tanh") and feeds(case, "tanh", "cos")

    assert operators(minimal(chain(), fails, registry)) == ["sin", "tanh", "cos"]


def test_weights_stay_weights_and_those_of_removed_nodes_vanish(registry):
    wide = value("v0", shape=(2, 4))
    nodes = (
        node("linear", "x0 w0 w1", wide),
        node("linear", "v0 w2 w3", value("v1", shape=(2, 3))),
        node("relu", "v1", value("v2", shape=(2, 3))),
    )
    weights = (value("w0", shape=(4, 3)), value("w1", shape=(4,)), value("w2", shape=(3, 4)), value("w3", shape=(3,)))
    case = case_of(Graph((value("x0"),), weights, nodes, ("v2",)))

    def fails(c: Case) -> bool:
        shapes = {w.name: w.shape for w in c.graph.weights}
        return any(n.op == "linear" and shapes[n.inputs[1]] == (3, 4) for n in c.graph.nodes)

    found = minimal(case, fails, registry)
    assert operators(found) == ["linear"]
    assert [w.shape for w in found.graph.weights] == [(3, 4), (3,)]
    assert [i.shape for i in found.graph.inputs] == [(4,)]


def test_a_dtype_decides(registry):
    """An operator fails in float64 only: the cast that leads there is not needed."""
    nodes = (
        node("sin", "x0", value("v0")),
        node("cast", "v0", value("v1", "float64"), dtype="float64"),
        node("cos", "v1", value("v2", "float64")),
        node("cast", "v2", value("v3", "float32"), dtype="float32"),
        node("cos", "v3", value("v4")),
    )
    case = case_of(Graph((value("x0"),), (), nodes, ("v4",)))

    def fails(c: Case) -> bool:
        return any(n.op == "cos" and n.outputs[0].dtype == "float64" for n in c.graph.nodes)

    found = minimal(case, fails, registry)
    assert text(found.graph) == "input   x0: float64[]\nv0: float64[] = cos(x0)\nreturn  v0"


@pytest.mark.parametrize("index", range(12))
def test_generated_graphs_come_down_to_the_operator_at_fault(index, registry):
    case = generate(Recipe(7, index, "torch", nodes=8), registry)
    culprit = operators(case)[index % 8]
    found = minimal(case, lambda c: culprit in operators(c), registry)
    assert operators(found) == [culprit]
