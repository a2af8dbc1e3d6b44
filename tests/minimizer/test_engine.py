"""The engine's contract: only admissible, ever smaller cases of the same defect, within the budget, always the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from graphfuzz.generator import Recipe, generate
from graphfuzz.graph import Case, Graph, case_to_json, evaluate, validate
from graphfuzz.minimizer import BUDGET, HANG_BUDGET, minimize, size
from graphfuzz.minimizer.admission import admitted, not_ordinary, values_of
from graphfuzz.minimizer.passes import bypass_one_node
from graphfuzz.oracle.verdict import HANG, OK, Outcome
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry
from tests.examples import ROUTE, case_of, checker, crash, node, value, wrong


def row(*ops: str) -> Case:
    nodes = [node(op, f"v{i - 1}" if i else "x0", value(f"v{i}")) for i, op in enumerate(ops)]
    return case_of(Graph((value("x0"),), (), tuple(nodes), (f"v{len(ops) - 1}",)))


@pytest.mark.parametrize("index", range(6))
def test_every_candidate_is_admissible_and_smaller(index, registry):
    case = generate(Recipe(3, index, "torch", nodes=6), registry)
    seen: list[Case] = []
    check = checker(lambda c: len(c.graph.nodes) >= 3, seen)
    reduction = minimize(case, check([case])[0], check, registry, budget=150)
    assert reduction.runs == len(seen) - 1 <= 150
    for each in seen[1:]:
        validate(each.graph, registry, "torch")
        assert admitted(each, registry) is not None
        assert size(each, registry) < size(case, registry)
    assert size(reduction.case, registry) <= size(case, registry)
    assert len(reduction.case.graph.nodes) >= 3


def test_cut_tensors_are_fed_with_what_they_were(registry):
    case = row("sin", "exp", "negative")
    values = evaluate(case.graph, case.tensors, registry)
    seen: list[Case] = []
    check = checker(lambda c: "negative" in c.graph.operators(), seen)
    minimize(case, wrong(case), check, registry, budget=1, width=1)
    assert np.array_equal(seen[0].tensors["v1"], values["v1"])


def test_a_domain_is_never_left(registry):
    """Without the absolute value, the logarithm would be fed with negative numbers."""
    case = row("absolute", "log")
    case.tensors["x0"][:] = [[-1, 1, 2], [1, 1, 1]]
    seen: list[Case] = []
    check = checker(lambda c: "log" in c.graph.operators(), seen)
    reduction = minimize(case, wrong(case), check, registry, passes=[bypass_one_node])
    assert [list(c.graph.operators()) for c in seen] == [["absolute"]]
    assert list(reduction.case.graph.operators()) == ["absolute", "log"]


@pytest.mark.parametrize(
    "other",
    [
        crash("another thing altogether"),
        crash(error="KeyError"),
        Outcome(ROUTE, "invalid-model", "check", error="ValueError", message="no such thing"),
        Outcome("tf2onnx-ort", "conversion-crash", "conversion", error="ValueError", message="no such thing"),
        Outcome(ROUTE, OK, "compare"),
    ],
)
def test_the_defect_never_changes(other, registry):
    """A smaller case that fails otherwise is another finding, not a step of this one."""
    case = row("sin", "exp", "negative", "cos")

    def check(cases: Sequence[Case]) -> list[Outcome]:
        return [crash() if len(c.graph.nodes) > 2 else other for c in cases]

    reduction = minimize(case, crash(), check, registry)
    assert len(reduction.case.graph.nodes) == 3
    assert reduction.outcome.message == "no such thing"


def test_another_kind_of_mismatch_is_another_defect(registry):
    case = row("sin", "exp", "negative")

    def check(cases: Sequence[Case]) -> list[Outcome]:
        return [wrong(c, "value" if len(c.graph.nodes) > 1 else "dtype") for c in cases]

    reduction = minimize(case, wrong(case), check, registry)
    assert len(reduction.case.graph.nodes) == 2


@pytest.mark.parametrize("width", [1, 2, 8])
def test_the_same_again(width, registry):
    case = generate(Recipe(5, 1, "torch", nodes=8), registry)
    found = []
    for _ in range(2):
        check = checker(lambda c: len(c.graph.nodes) >= 2)
        reduction = minimize(case, check([case])[0], check, registry, width=width)
        found.append((case_to_json(reduction.case), reduction.runs, reduction.steps))
    assert found[0] == found[1]


def test_a_budget_of_nothing_leaves_the_case(registry):
    case = row("sin", "exp")
    reduction = minimize(case, wrong(case), checker(lambda c: True), registry, budget=0)
    assert (reduction.case, reduction.runs, reduction.steps) == (case, 0, ())


def test_steps_tell_the_way(registry):
    case = row("sin", "exp", "negative")
    reduction = minimize(case, wrong(case), checker(lambda c: "exp" in c.graph.operators()), registry)
    assert reduction.steps[0].pass_name == "isolate_one_node"
    assert [step.nodes for step in reduction.steps] == sorted((s.nodes for s in reduction.steps), reverse=True)


def test_a_case_outside_its_domains_is_brought_inside(registry):
    """Such a case may stem from an older declaration; what it is reduced to lies within the present ones."""
    case = row("sin", "log", "negative")
    reduction = minimize(case, crash(), lambda cases: [crash() for _ in cases], registry)
    assert len(reduction.case.graph.nodes) == 1
    assert admitted(reduction.case, registry) is not None


def test_a_case_that_is_no_valid_graph_is_returned_as_it_is(registry):
    case = row("sin", "no_such_operator")
    reduction = minimize(case, crash(), lambda cases: [crash() for _ in cases], registry)
    assert (reduction.case, reduction.runs) == (case, 0)


def test_one_output_of_several_is_kept(registry):
    parts = (value("v0", shape=(1, 3)), value("v1", shape=(1, 3)))
    graph = Graph((value("x0"),), (), (node("split", "x0", *parts, sections=(1, 1), axis=0),), ("v0", "v1"))
    validate(graph, registry, "torch")
    case = case_of(graph)
    reduction = minimize(case, wrong(case), checker(lambda c: "split" in c.graph.operators()), registry)
    assert len(reduction.case.graph.outputs) == 1


def test_a_hang_is_given_few_runs(registry):
    """Each candidate that still hangs costs the whole time limit."""
    case = generate(Recipe(5, 1, "torch", nodes=12), registry)
    hang = Outcome(ROUTE, HANG, "conversion", error="TimeLimit", message="no result within 60 seconds")
    reduction = minimize(case, hang, lambda cases: [Outcome(ROUTE, OK, "compare") for _ in cases], registry)
    assert reduction.runs == HANG_BUDGET < BUDGET
    longer = minimize(case, hang, lambda cases: [Outcome(ROUTE, OK, "compare") for _ in cases], registry, budget=12)
    assert longer.runs == 12


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_the_deadline_is_kept_between_batches(batches, registry):
    case = row("sin", "exp", "negative", "cos", "tanh")
    seen: list[int] = []
    wrapped = checker(lambda c: len(c.graph.nodes) > 2)

    def check(cases: Sequence[Case]) -> list[Outcome]:
        seen.append(len(cases))
        return wrapped(cases)

    reduction = minimize(case, wrong(case), check, registry, width=2, deadline=lambda: len(seen) >= batches)
    assert len(seen) == batches
    assert reduction.runs == sum(seen)


def with_operator(registry: Registry, op: Operator) -> Registry:
    return Registry([op if other.name == op.name else other for other in registry.values()])


def raising_on(op: str, field: str, registry: Registry) -> Registry:
    """A registry in which one of the operator's functions fails where an operand has a zero, as an edit makes them."""

    def fail(*arrays: np.ndarray, **attrs: object) -> object:
        if not all(a.all() for a in arrays if isinstance(a, np.ndarray)):
            raise ZeroDivisionError("the pack's own mistake")
        return original(*arrays, **attrs)

    original = getattr(registry[op], field) or (lambda *arrays, **attrs: True)
    return with_operator(registry, replace(registry[op], **{field: fail}))


@pytest.mark.parametrize("field", ["reference", "defined"])
def test_what_a_pack_raises_on_is_not_admissible(field, registry):
    broken = raising_on("sin", field, registry)
    case = row("exp", "sin")
    assert admitted(case, broken) is not None
    seen: list[Case] = []
    reduction = minimize(case, wrong(case), checker(lambda c: "sin" in c.graph.operators(), seen), broken)
    assert list(reduction.case.graph.operators()) == ["sin"]
    assert reduction.case.tensors["x0"].all()
    zero = replace(reduction.case, tensors={"x0": np.zeros_like(reduction.case.tensors["x0"])})
    assert admitted(zero, registry) is not None
    assert admitted(zero, broken) is None


def test_a_domain_that_raises_is_not_admissible(registry):
    def domain(**given: object) -> tuple[float, float]:
        raise ZeroDivisionError("the pack's own mistake")

    op = registry["sin"]
    broken_op = replace(op, parameters=tuple(replace(p, domain=domain) for p in op.parameters))
    assert admitted(row("sin"), with_operator(registry, broken_op)) is None


def test_a_wrong_reference_is_not_admissible(registry):
    op = replace(registry["sin"], reference=lambda *arrays, **attrs: np.zeros((7, 7)))
    broken = with_operator(registry, op)
    case = row("sin", "exp")
    assert admitted(case, broken) is None
    reduction = minimize(case, crash(), lambda cases: [crash() for _ in cases], broken)
    assert (reduction.case, reduction.runs) == (case, 0)


def bound_row(*ops: str) -> Case:
    """The row, on five rows as well, and on seven."""
    case = row(*ops)
    others = [np.linspace(-1, 1, n * 3, dtype="float32").reshape(n, 3) for n in (5, 7)]
    return replace(case, bindings=tuple({"x0": array} for array in others))


def test_shapes_become_static_where_that_fails_as_well(registry):
    case = bound_row("sin", "exp")
    check = checker(lambda c: "exp" in c.graph.operators())
    reduction = minimize(case, wrong(case), check, registry)
    assert reduction.case.bindings == ()
    assert list(reduction.case.graph.operators()) == ["exp"]


def test_other_sizes_are_kept_where_they_are_what_fails(registry):
    """One set of other sizes stays; a node that goes is replaced by what it made at each of them."""
    case = bound_row("sin", "exp")
    seen: list[Case] = []
    check = checker(_has_seven, seen)
    reduction = minimize(case, wrong(case), check, registry)
    (inputs,) = reduction.case.bindings
    assert [array.shape for array in inputs.values()] == [(7, 3)]
    assert len(reduction.case.graph.nodes) == 1
    assert all(admitted(each, registry) is not None for each in seen)


def _has_seven(case: Case) -> bool:
    return any(array.shape[0] == 7 for inputs in case.bindings for array in inputs.values())


def flaky(fails, share: int, seen: list[Case]):
    """A `check` that shows the defect in every so many runs of a case that has it."""
    runs: dict[str, int] = {}
    steady = checker(fails)

    def check(cases: Sequence[Case]) -> list[Outcome]:
        seen.extend(cases)
        found = []
        for case, outcome in zip(cases, steady(cases), strict=True):
            mark = case_to_json(replace(case, origin={}))
            runs[mark] = runs.get(mark, 0) + 1
            found.append(outcome if runs[mark] % share == 0 else Outcome(ROUTE, OK, "compare"))
        return found

    return check


def test_what_is_flaky_is_kept_alive_by_trying_again(registry):
    case = row("sin", "exp", "negative", "cos")

    def fails(each: Case) -> bool:
        return "exp" in each.graph.operators()

    for rate, left in ((1.0, 4), (0.25, 1)):
        check = flaky(fails, 4, [])
        assert len(minimize(case, wrong(case), check, registry, rate=rate).case.graph.nodes) == left


def test_a_flaky_finding_takes_as_many_runs_as_its_confidence_asks_for(registry):
    """A case that shows 1 of 4 times is missed by 11 runs with a chance of 4.2%, by 10 with 5.6%."""
    case = row("sin", "exp")
    seen: list[Case] = []
    minimize(case, wrong(case), flaky(lambda each: False, 4, seen), registry, budget=1, width=1, rate=0.25)
    assert len(seen) == 11


def test_what_fails_otherwise_is_counted(registry):
    case = row("sin", "exp", "negative", "cos")

    def check(cases: Sequence[Case]) -> list[Outcome]:
        return [crash() if len(c.graph.nodes) > 2 else crash("another thing altogether") for c in cases]

    reduction = minimize(case, crash(), check, registry)
    assert len(reduction.case.graph.nodes) == 3
    assert reduction.slipped > 0


def test_what_was_not_ordinary_from_the_beginning_need_not_become_so(registry):
    case = row("sin", "log", "negative")
    case = replace(case, tensors={"x0": np.full((2, 3), -1.5, "float32")})
    assert admitted(case, registry) is None, "the logarithm of negative numbers"
    check = checker(lambda c: "log" in c.graph.operators())
    reduction = minimize(case, check([case])[0], check, registry, budget=60)
    assert reduction.steps[0].pass_name == "isolate_one_node"
    assert list(reduction.case.graph.operators()) == ["log"]
    assert not_ordinary(case, values_of(case, registry), registry) == {"log"}
    assert not_ordinary(row("sin"), values_of(row("sin"), registry), registry) == set()
