"""What witnesses together say of the stage, as a table: pure, no target runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from graphfuzz.graph import Graph
from graphfuzz.oracle.attribution import evidence as words
from graphfuzz.oracle.attribution import inquire
from graphfuzz.oracle.attribution.evidence import ALIKE, OTHERWISE, SILENT, SOUND, Decision, Witness, decide
from graphfuzz.oracle.attribution.taxonomy import cause, location, symptom
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.verdict import Mismatch, Outcome
from tests.examples import node, relu_case, value

PROGRAM, PART, DETAIL = words.program("trace"), words.without("folder"), words.without("folder/step")
RULE = words.optimizer("Rule")

FINDINGS = {
    "wrong": Outcome("r", "wrong-output", "compare", mismatch=Mismatch("value", "v0", "differs")),
    "crash": Outcome("r", "conversion-crash", "conversion", "ValueError"),
    "invalid": Outcome("r", "invalid-model", "check", "ValidationError"),
    "load": Outcome("r", "load-failure", "load", "Fail"),
    "run": Outcome("r", "run-failure", "run", "Fail"),
}

Table = list[tuple[str, dict[str, str], str, str]]

TABLE: Table = [
    ("wrong", {PROGRAM: ALIKE, words.REFERENCE: ALIKE}, words.CAPTURE, ""),
    ("wrong", {PROGRAM: OTHERWISE, words.REFERENCE: ALIKE, words.PLAIN_RUNTIME: ALIKE}, words.NODE_CONVERSION, ""),
    ("wrong", {words.REFERENCE: ALIKE, words.PLAIN_RUNTIME: ALIKE, PART: ALIKE}, words.NODE_CONVERSION, ""),
    (
        "wrong",
        {words.REFERENCE: ALIKE, words.PLAIN_RUNTIME: ALIKE, PART: SOUND},
        words.CONVERTER_OPTIMIZATION,
        "folder",
    ),
    (
        "wrong",
        {words.REFERENCE: ALIKE, words.PLAIN_RUNTIME: ALIKE, PART: SOUND, DETAIL: SOUND},
        words.CONVERTER_OPTIMIZATION,
        "folder/step",
    ),
    ("wrong", {words.REFERENCE: SOUND, words.PLAIN_RUNTIME: ALIKE, PART: ALIKE}, words.RUNTIME_KERNEL, ""),
    ("wrong", {words.REFERENCE: SOUND, words.PLAIN_RUNTIME: SOUND, RULE: SOUND}, words.RUNTIME_OPTIMIZATION, "Rule"),
    ("wrong", {words.REFERENCE: SILENT, words.PLAIN_RUNTIME: SOUND, PART: SOUND}, words.RUNTIME_OPTIMIZATION, ""),
    ("run", {PROGRAM: ALIKE, words.REFERENCE: OTHERWISE}, words.CAPTURE, ""),
    ("crash", {PROGRAM: ALIKE}, words.CAPTURE, ""),
    ("crash", {PROGRAM: SOUND, PART: SOUND}, words.CONVERTER_OPTIMIZATION, "folder"),
    ("crash", {PROGRAM: SOUND, PART: ALIKE}, words.NODE_CONVERSION, ""),
    ("invalid", {PROGRAM: SOUND, PART: SOUND}, words.CONVERTER_OPTIMIZATION, "folder"),
    ("invalid", {PROGRAM: SOUND, words.RUNTIME: OTHERWISE}, words.MODEL_VALIDITY, ""),
    ("invalid", {words.STRUCTURE: ALIKE, words.RUNTIME: OTHERWISE}, words.MODEL_VALIDITY, ""),
    ("invalid", {words.STRUCTURE: SOUND, words.RUNTIME: OTHERWISE}, words.NODE_CONVERSION, ""),
    (
        "invalid",
        {words.STRUCTURE: SOUND, words.RUNTIME: OTHERWISE, PART: SOUND},
        words.CONVERTER_OPTIMIZATION,
        "folder",
    ),
    ("invalid", {words.STRUCTURE: SOUND, words.RUNTIME: OTHERWISE, PART: OTHERWISE}, words.NODE_CONVERSION, ""),
    ("load", {words.REFERENCE: SOUND, words.RULES: SOUND, words.PLAIN_RUNTIME: ALIKE}, words.RUNTIME_LOAD, ""),
    ("load", {words.REFERENCE: SOUND, words.RULES: ALIKE, words.PLAIN_RUNTIME: OTHERWISE}, words.NODE_CONVERSION, ""),
    ("run", {words.REFERENCE: SOUND, words.RULES: ALIKE, words.PLAIN_RUNTIME: ALIKE}, words.NODE_CONVERSION, ""),
    ("load", {words.REFERENCE: SOUND, words.PLAIN_RUNTIME: ALIKE}, words.RUNTIME_LOAD, ""),
    ("load", {words.REFERENCE: SOUND, words.PLAIN_RUNTIME: SOUND}, words.RUNTIME_OPTIMIZATION, ""),
    ("run", {words.REFERENCE: SOUND, words.PLAIN_RUNTIME: ALIKE}, words.RUNTIME_KERNEL, ""),
    ("run", {words.REFERENCE: OTHERWISE, words.PLAIN_RUNTIME: ALIKE}, words.NODE_CONVERSION, ""),
]


def told(finding: str, said: dict[str, str]) -> Decision:
    heard = [Witness(name, word) for name, word in said.items()] + [Witness(words.ACTED, SOUND, "", ("Rule",))]
    return decide(FINDINGS[finding], heard, ["trace"], ["folder", "folder/step"])


@pytest.mark.parametrize(("finding", "said", "stage", "optimizer"), TABLE)
def test_the_stage(finding: str, said: dict[str, str], stage: str, optimizer: str) -> None:
    found = told(finding, said)
    assert (found.stage, found.optimizer, found.contradiction) == (stage, optimizer, "")


@pytest.mark.parametrize(
    ("finding", "said", "stage", "words_of_it"),
    [
        ("wrong", {words.REFERENCE: ALIKE, words.PLAIN_RUNTIME: SOUND}, words.RUNTIME_OPTIMIZATION, "does not agree"),
        ("wrong", {words.REFERENCE: SOUND, words.PLAIN_RUNTIME: ALIKE, PART: SOUND}, words.RUNTIME_KERNEL, "optimized"),
        ("wrong", {words.REFERENCE: SILENT, words.PLAIN_RUNTIME: ALIKE}, words.NODE_CONVERSION, "undecided"),
        ("wrong", {words.NUMPY: SOUND, words.REFERENCE: ALIKE}, words.NODE_CONVERSION, "operators' references"),
        (
            "wrong",
            {words.REFERENCE: ALIKE, words.PLAIN_RUNTIME: ALIKE, words.REFERENCE_AND_RUNTIME: ALIKE},
            words.NODE_CONVERSION,
            "from each other",
        ),
        ("invalid", {words.RUNTIME: SOUND}, words.MODEL_VALIDITY, "refuses a model that the runtime runs"),
        (
            "invalid",
            {words.STRUCTURE: SOUND, words.RUNTIME: SOUND},
            words.MODEL_VALIDITY,
            "refuses a model that the runtime runs",
        ),
        ("crash", {PROGRAM: OTHERWISE}, words.CAPTURE, "in another way"),
        ("run", {PROGRAM: OTHERWISE, words.REFERENCE: OTHERWISE}, words.CAPTURE, "in another way"),
        ("load", {words.REFERENCE: SILENT, words.PLAIN_RUNTIME: ALIKE}, words.RUNTIME_LOAD, "undecided"),
    ],
)
def test_contradictions_are_told(finding: str, said: dict[str, str], stage: str, words_of_it: str) -> None:
    found = told(finding, said)
    assert found.stage == stage
    assert words_of_it in found.contradiction


def unused_route() -> Route:
    return Route("r", "torch", (), lambda model, inputs, axes: None, lambda error: False)


def test_when_time_has_ended_nobody_is_asked_and_that_is_told() -> None:
    found = inquire(relu_case().graph, FINDINGS["wrong"], unused_route(), lambda question: pytest.fail(question), 0.0)
    assert [witness.name for witness in found.evidence] == ["time"]
    assert found.node == "v0"
    assert not found.proof


def answering(**said: str) -> Callable[[str], Witness]:
    """Witnesses that say what is told, and otherwise that the fault is there all the same. Names by their constants."""
    told = {getattr(words, name): word for name, word in said.items()}
    return lambda question: Witness(question, told.get(question, ALIKE))


@pytest.mark.parametrize("finding", ["wrong", "run", "load"])
def test_the_evaluator_in_the_runtimes_place_proves_a_kernel(finding: str) -> None:
    ask = answering(REFERENCE=SOUND, RULES=SOUND)
    found = inquire(relu_case().graph, FINDINGS[finding], unused_route(), ask)
    assert (found.stage.partition(" ")[0], found.node, found.proof) == ("runtime", "v0", "kernel")


@pytest.mark.parametrize(("seconds", "proof"), [(60.0, "sub-graph"), (4.0, "")])
def test_another_framework_is_asked_where_there_is_time_to_import_it(seconds: float, proof: str) -> None:
    asked = []

    def ask(question: str) -> Witness:
        asked.append(question)
        return Witness(question, SOUND if question == words.abroad("v0") else ALIKE)

    assert inquire(relu_case().graph, FINDINGS["crash"], unused_route(), ask, seconds).proof == proof
    assert (words.abroad("v0") in asked) == bool(proof)


def test_a_lenient_evaluator_proves_nothing() -> None:
    found = inquire(relu_case().graph, FINDINGS["load"], unused_route(), answering(REFERENCE=SOUND))
    assert (found.stage, found.node, found.proof) == ("node conversion", "v0", "")


def test_a_wrong_node_may_show_at_another_one() -> None:
    x, v0, v1 = value("x0"), value("v0"), value("v1")
    graph = Graph((x,), (), (node("relu", "x0", v0), node("negative", "v0", v1)), ("v1",))
    said = {words.alone("v0"): OTHERWISE, words.alone("v1"): SOUND, words.REFERENCE: OTHERWISE}

    def ask(question: str) -> Witness:
        return Witness(question, said.get(question, ALIKE))

    assert inquire(graph, FINDINGS["run"], unused_route(), ask).node == "v0"
    assert inquire(graph, FINDINGS["crash"], unused_route(), ask).node == "v0"  # the smallest failing prefix
    said[words.up_to("v0")] = SOUND
    assert inquire(graph, FINDINGS["crash"], unused_route(), ask).node == "v1"


def test_a_prefix_that_is_wrong_in_any_way_convicts_its_last_node() -> None:
    x, v0, v1 = value("x0"), value("v0"), value("v1")
    graph = Graph((x,), (), (node("relu", "x0", v0), node("negative", "v0", v1)), ("v1",))
    said = {words.alone("v0"): SOUND, words.alone("v1"): SOUND, words.up_to("v0"): OTHERWISE}

    def ask(question: str) -> Witness:
        return Witness(question, said.get(question, ALIKE))

    assert inquire(graph, FINDINGS["run"], unused_route(), ask).node == "v0"
    assert inquire(graph, FINDINGS["crash"], unused_route(), ask).node == "v1"  # of a crash, another one is another


@pytest.mark.parametrize(
    ("rules", "failing", "mends", "stage"),
    [
        (SOUND, ("Conv",), ALIKE, words.RUNTIME_KERNEL),
        (SOUND, ("Conv",), SOUND, words.NODE_CONVERSION),
        (SOUND, (), ALIKE, words.NODE_CONVERSION),  # the evaluator runs the model, and differs
        (ALIKE, (), ALIKE, words.NODE_CONVERSION),
        (SILENT, (), ALIKE, words.NODE_CONVERSION),
    ],
)
def test_a_model_that_keeps_to_the_rules_and_that_nothing_mends(
    rules: str, failing: tuple[str, ...], mends: str, stage: str
) -> None:
    """Two runtimes that fail on it do not convict the converter; that no other one tells is said."""
    said = {words.REFERENCE: OTHERWISE, words.RULES: rules, words.elsewhere("v0"): mends}

    def ask(name: str) -> Witness:
        return Witness(name, said.get(name, ALIKE), "", failing if name == words.RULES else ())

    found = inquire(relu_case().graph, FINDINGS["run"], unused_route(), ask)
    assert found.stage == stage
    assert bool(found.contradiction) == (stage == words.RUNTIME_KERNEL)


@pytest.mark.parametrize(
    ("alone", "victim", "rest", "node"),
    [
        ("wrong-output", "", SOUND, "v0"),
        ("invalid-model", "", SOUND, "v0"),
        ("", "", SOUND, "v1"),  # nothing is wrong of v0 alone
        ("wrong-output", "", ALIKE, "v1"),  # v1 crashes whatever v0 is
        ("wrong-output", "wrong-output", SOUND, "v1"),  # v1 is wrong alone, too
    ],
)
def test_a_crash_at_a_node_that_another_one_misled(alone: str, victim: str, rest: str, node: str) -> None:
    def heard(question: str) -> Witness:
        further = {words.alone("v0"): alone, words.alone("v1"): victim, words.up_to("v0"): alone}
        if question in further:
            return Witness(question, SOUND, "", (further[question],) if further[question] else ())
        return Witness(question, rest if question == words.rest("v0") else ALIKE)

    found = inquire(two_nodes(), FINDINGS["crash"], unused_route(), heard)
    assert (found.node, found.proof) == (node, "sub-graph" if node == "v0" else "")


def two_nodes() -> Graph:
    x, v0, v1 = value("x0"), value("v0"), value("v1")
    return Graph((x,), (), (node("relu", "x0", v0), node("negative", "v0", v1)), ("v1",))


def test_what_follows_from_an_objection_is_no_cause() -> None:
    message = """[ShapeInferenceError] Inference error(s): (op_type:MaxPool, node name: n): [ShapeInferenceError] \
Attribute strides has incorrect size
(op_type:Slice, node name: m): [TypeInferenceError] Input 0 expected to have type but instead is null
"""
    found = Outcome("r", "invalid-model", "check", "onnx.InferenceError", message.replace("\\\n", ""))
    assert cause(found, "") == "Shape problem"


def test_what_does_not_show_again_is_nobodys() -> None:
    found = inquire(relu_case().graph, FINDINGS["wrong"], unused_route(), lambda question: Witness(question, SOUND))
    assert (found.stage, found.location) == ("", "indistinct")
    assert "did not show" in found.contradiction


@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        ("Fail", "Type Error: Type parameter (T) bound to different types", "Type problem: node"),
        ("Fail", "Inferred elem type differs from existing elem type", "Type problem: tensor"),
        ("Fail", "Inferred shape and existing shape differ", "Shape problem"),
        ("Fail", "No Op registered for Foo with domain_version of 18", "Incompatibility: external"),
        ("TypeError", "f() got an unexpected keyword argument", "API misuse"),
        ("AttributeError", "'NoneType' object has no attribute 'y'", "Type problem: conventional"),
        ("RuntimeError", "boom", "Others"),
    ],
)
def test_causes_of_errors(error: str, message: str, expected: str) -> None:
    assert cause(Outcome("r", "load-failure", "load", error, message), "") == expected


def test_words_of_the_study() -> None:
    assert location(words.MODEL_VALIDITY, "v0") == "Node conversion"
    assert location(words.RUNTIME_KERNEL, "v0") == "Runtime"
    assert symptom(FINDINGS["load"], "Runtime") == "Crash"
    assert symptom(FINDINGS["load"], "Node conversion") == "Wrong model"
    assert cause(FINDINGS["wrong"], "initializer") == "Type problem: tensor"
    assert cause(FINDINGS["wrong"], "") == "Algorithmic error"


def test_what_kills_a_process_is_found_by_halves() -> None:
    names = tuple(f"Fusion{i}" for i in range(23))
    asked = []

    def ask(question: str) -> Witness:
        asked.append(question)
        if question == words.ACTED:
            return Witness(question, SOUND, "", names)
        disabled = question.removeprefix(words.optimizer("")).split(", ")
        told = SOUND if question in (words.REFERENCE, words.PLAIN_RUNTIME) or "Fusion7" in disabled else ALIKE
        return Witness(question, told)

    found = inquire(relu_case().graph, Outcome("r", "process-crash", "load", "SIGSEGV"), unused_route(), ask)
    assert (found.stage, found.optimizer, found.proof) == (words.RUNTIME_OPTIMIZATION, "Fusion7", "optimization off")
    assert len([question for question in asked if "Fusion" in question]) <= 6
