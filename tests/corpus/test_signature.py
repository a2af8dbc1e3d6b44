"""One defect, one bucket: what is told apart, and what is not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from graphfuzz.corpus.signature import kind, known_by, normalize, signature, site
from graphfuzz.graph import Graph
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.causes import complaints
from graphfuzz.oracle.verdict import INVALID_MODEL, LOAD_FAILURE, PROCESS_CRASH, RUN_FAILURE, Mismatch, Outcome
from tests.examples import ROUTE, case_of, crash, node, relu_case, value, wrong

TRACEBACK = """Traceback (most recent call last):
  File "/somewhere/site-packages/torch/onnx/_core.py", line 12, in _translate
    x
  File "/somewhere/site-packages/torch/onnx/ops/{file}.py", line 34, in {function}
    y
IndexError: list index out of range

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/somewhere/site-packages/torch/onnx/_core.py", line 99, in export
    z
torch.onnx.ConversionError: failed
"""


def blame(operator, stage="node conversion"):
    return Attribution(stage, "v0", operator)


def two_nodes():
    """A sine, then a rectifier."""
    nodes = (node("sin", "x0", value("v0")), node("relu", "v0", value("v1")))
    return Graph((value("x0"),), (), nodes, ("v1",))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("axis 3 is out of range for rank 2", "axis -1 is out of range for rank 4"),
        ("shapes [2, 3] and [4] differ", "shapes (1,) and [7, 1, 3] differ"),
        ("cannot find 'v3'", 'cannot find "x_17"'),
        ("at 0x7f8842 in /usr/lib/python3/x.py:12", "at 0x12ab in /home/me/other/y.py:7"),
        ("Type 'tensor(int8)' of Relu is invalid", "Type 'tensor(uint8)' of Relu is invalid"),
        ("type 'tensor(bool)' is invalid", "type 'tensor(float)' is invalid"),
        ("(op_type:Pow, node name: node_pow_1): no", "(op_type:Pow, node name: functional_3_1/Pow): no"),
        ("no kernel for Erf(13) in float64", "no kernel for Erf(9) in float16"),
        ("node node_add_7 has no output", "node node_add_12 has no output"),
        ("value 1e-05 differs", "value -3.25 differs"),
        ("T=INT8 | FLOAT16 | DOUBLE, dim", "T=DOUBLE | INT8 | FLOAT16 | INT64, dim"),
        ("\x1b[31mfailed\x1b[0m  at\n 1", "failed at 2"),
        ("running LSTM node. Name:'LSTM__28' failed", "running LSTM node. Name:'/v0_layer/LSTM' failed"),
        ("%2 scope: <graphfuzz c02ae19>.Model", "%2 scope: <graphfuzz 7d0>.Model"),
        ("<torch.Tensor object at 0x7f00> is wrong", "<torch.Tensor object at 0x9a1> is wrong"),
    ],
)
def test_what_belongs_to_one_graph_or_machine_does_not_count(one, other):
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no kernel for Erf(13)", "no kernel for Abs(13)"),
        ("operator 'Relu' is bad", "operator 'Celu' is bad"),
        ("Exporting the operator 'aten::frac' failed", "Exporting the operator 'aten::trunc' failed"),
        ("ReduceL1 is bad", "ReduceL2 is bad"),
        ("Conv2d is bad", "Conv1d is bad"),
    ],
)
def test_what_tells_defects_apart_stays(one, other):
    assert normalize(one) != normalize(other)


def test_what_the_exporter_tells_of_the_graph_does_not_count():
    told = (
        "no complex types  [Caused by the value '{0} defined in (%{0} : {1} = onnx::Mul(%v2, %90)\n)' (type 'Tensor')"
    )
    assert (
        normalize(told.format("v3", "Double(1, 21)"))
        == normalize(told.format("x2", "Float(*, *)"))
        == "no complex types"
    )


def test_the_graphs_own_names_do_not_count():
    assert normalize("v7 has no shape", ["v7"]) == normalize("x0 has no shape", ["x0"])


def test_the_site_is_where_the_root_cause_was_raised():
    outcome = crash(error="IndexError", traceback=TRACEBACK.format(file="shape", function="aten_squeeze"))
    assert site(outcome) == "shape.py:aten_squeeze"
    assert site(crash()) == ""


def test_the_same_generic_error_in_two_places_is_two_defects(registry):
    graph = relu_case().graph
    found = [
        signature(
            crash("list index out of range", "IndexError", traceback=TRACEBACK.format(file="a", function=f)),
            graph,
            registry,
        )
        for f in ("squeeze", "unsqueeze", "squeeze")
    ]
    assert found[0] == found[2] != found[1]
    assert found[0].operators == ()


def test_what_the_runtime_says_is_told_apart_by_the_operator_to_blame(registry):
    outcome = Outcome(ROUTE, RUN_FAILURE, "run", error="a.b.Fail", message="while running LSTM node. Name:'LSTM_3' no")
    one, other = relu_case().graph, two_nodes()
    alone = signature(outcome, one, registry, blame("relu"))
    assert (
        alone == signature(outcome, other, registry, blame("relu")) != signature(outcome, other, registry, blame("sin"))
    )
    assert alone.slug.startswith("torch-script-ort-run-failure-relu-")
    assert signature(outcome, other, registry).operators == ("sin", "relu")


def test_stages_are_told_apart(registry):
    case = relu_case()
    kernel, converter = (
        signature(wrong(case), case.graph, registry, blame("relu", s)) for s in ("runtime kernel", "capture")
    )
    assert kernel.slug != converter.slug


def test_a_place_in_the_converter_tells_the_defect_whatever_operator_is_to_blame(registry):
    outcome = crash(error="IndexError", traceback=TRACEBACK.format(file="shape", function="aten_squeeze"))
    graph = two_nodes()
    assert signature(outcome, graph, registry, blame("relu")) == signature(outcome, graph, registry, blame("sin"))


def test_a_finding_is_known_by_its_error_where_the_operator_to_blame_is_in_it(registry):
    outcome = Outcome(ROUTE, RUN_FAILURE, "run", error="a.b.Fail", message="while running LSTM node. Name:'LSTM_3' no")
    of_sin = signature(outcome, two_nodes(), registry, blame("sin", "runtime kernel"))
    known = {"of exp": signature(outcome, two_nodes(), registry, blame("exp")), "of sin": of_sin}
    assert known_by(known, outcome, two_nodes()) == "of sin"
    assert known_by(known, outcome, relu_case().graph) is None
    assert known_by(known, replace(outcome, message="something else"), two_nodes()) is None
    case = relu_case()
    assert known_by({"wrong": signature(wrong(case), case.graph, registry)}, wrong(case), case.graph) is None


def test_the_order_of_the_checkers_objections_does_not_count(registry):
    objections = [
        "(op_type:Add, node name: b/Add_7): [ShapeInferenceError] Incompatible dimensions\n",
        "(op_type:Abs, node name: a/Abs): X typestr: T, has unsupported type: tensor(int4)\n",
    ]
    head = "[ShapeInferenceError] "
    graph = relu_case().graph
    one, other = (
        Outcome(
            ROUTE,
            INVALID_MODEL,
            "check",
            error="InferenceError",
            message=head + "Inference error(s): " + "".join(order),
        )
        for order in (objections, objections[::-1])
    )
    assert complaints(one.message) == [head + objection.strip() for objection in objections]
    assert kind(one, graph) == kind(other, graph)
    assert "Abs" in kind(one, graph)[2]
    assert kind(one, graph) != kind(replace(one, message=head + objections[0]), graph)


def test_it_does_not_count_behind_which_node_a_wrong_translation_is_objected_to(registry):
    graph = two_nodes()
    told = "[ShapeInferenceError] (op_type:{}, node name: n): Inferred shape and existing shape differ in rank"
    one, other, third = (
        signature(
            Outcome(ROUTE, INVALID_MODEL, "check", error="InferenceError", message=told.format(op)), graph, registry, by
        )
        for op, by in (("Relu", blame("sin")), ("Sin", blame("sin")), ("Relu", blame("relu")))
    )
    assert one.slug == other.slug != third.slug


@pytest.mark.parametrize("verdict", [LOAD_FAILURE, PROCESS_CRASH])
def test_an_error_that_says_nothing_is_told_by_the_operators(verdict, registry):
    outcome = Outcome(ROUTE, verdict, "load", error="SIGSEGV")
    found = signature(outcome, relu_case().graph, registry)
    assert found.operators == ("relu",)
    assert found.slug.startswith(f"torch-script-ort-{verdict}-relu-")


def test_wrong_outputs_are_told_by_operators_kind_and_category(registry):
    case = relu_case()
    one = signature(wrong(case), case.graph, registry)
    assert (one.operators, one.message) == (("relu",), "value: float to float")
    assert one != signature(wrong(case, "dtype"), case.graph, registry)
    wide = Graph((value("x0", "float64"),), (), (node("relu", "x0", value("v0", "float64")),), ("v0",))
    assert one == signature(wrong(case), wide, registry)
    whole = Graph((value("x0", "int32"),), (), (node("relu", "x0", value("v0", "int32")),), ("v0",))
    assert one != signature(wrong(case), whole, registry)


def test_the_slug_is_a_function_of_the_signature_and_safe(registry):
    case = relu_case()
    nasty = signature(crash("../../etc: “no” \\ * ? | <x>" * 20, "A/B:C"), case.graph, registry)
    assert nasty.slug == nasty.slug.lower()
    assert set(nasty.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(nasty.slug) < 120
    assert replace(nasty, message=nasty.message + "!").slug != nasty.slug


def test_the_kind_ignores_the_operators_but_not_the_error(registry):
    case = relu_case()
    other = case_of(Graph((value("x0"),), (), (node("sin", "x0", value("v0")),), ("v0",)))
    assert kind(crash("at 1"), case.graph) == kind(crash("at 2"), other.graph)
    assert kind(crash("at 1"), case.graph) != kind(crash("on 1"), case.graph)
    special = Mismatch("special", "v0", "")
    assert kind(wrong(case), case.graph) != kind(replace(wrong(case), mismatch=special), case.graph)
