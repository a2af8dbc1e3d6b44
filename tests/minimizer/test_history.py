"""How a case was made smaller, as it is kept beside it."""

from __future__ import annotations

import pytest

from graphfuzz.errors import EntryError
from graphfuzz.graph import Graph, case_to_json, evaluate
from graphfuzz.minimizer import Reduction, minimize
from graphfuzz.minimizer.edits import edited
from graphfuzz.minimizer.history import HISTORY, read_history, store_history
from tests.examples import case_of, checker, node, value, wrong


def reduced(registry):
    nodes = (node("sin", "x0", value("v0")), node("concat", "v0 v0 v0", value("v1", shape=(6, 3)), axis=0))
    case = case_of(Graph((value("x0"),), (), nodes, ("v1",)))
    return case, minimize(case, wrong(case), checker(lambda c: "concat" in c.graph.operators()), registry)


def test_the_edits_that_are_kept_lead_to_the_case_again(registry, tmp_path):
    case, reduction = reduced(registry)
    (tmp_path / "entry").mkdir()
    store_history(tmp_path / "entry", reduction)
    history = read_history(tmp_path / "entry")
    assert (history.steps, history.runs) == (reduction.steps, reduction.runs)
    for step in history.steps:
        case = edited(case, step.edit, [evaluate(case.graph, case.tensors, registry)], registry)
    assert case_to_json(case) == case_to_json(reduction.case)
    assert history.summary().startswith(f"in {reduction.runs} runs: 1 × bypass one node, 2 × drop one operand")


def test_a_case_that_stayed_as_it_was_has_no_history(registry, tmp_path):
    case, reduction = reduced(registry)
    (tmp_path / "entry").mkdir()
    store_history(tmp_path / "entry", Reduction(case, reduction.outcome, (), 3))
    assert read_history(tmp_path / "entry") is None


@pytest.mark.parametrize("content", ["{", '{"schema": 1}', '{"schema": 9, "steps": []}'])
def test_a_damaged_history_is_told(content, tmp_path):
    (tmp_path / HISTORY).write_text(content)
    with pytest.raises(EntryError, match="history"):
        read_history(tmp_path)
