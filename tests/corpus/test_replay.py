"""What is said of an entry that was run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from graphfuzz.corpus import Entry, make_entry
from graphfuzz.corpus.replay import (
    ALSO_FAILING,
    BROKEN,
    CANNOT_RUN,
    CHANGED,
    DAMAGED,
    FAILED,
    FIXED,
    FLAKY,
    NOT_FAILING,
    PASSED,
    SKIPPED,
    STATUSES,
    STILL_FAILING,
    Line,
    compared,
    line_of,
    obstacle,
    standing,
)
from graphfuzz.graph import Graph
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK, UNSTABLE, UNSUPPORTED, Outcome
from tests.corpus import plain_routes
from tests.examples import ROUTE, case_of, crash, node, relu_case, value, wrong
from tests.stored import PLAIN

RIGHT, UNDECIDED, WRONG = Outcome(ROUTE, OK, "compare"), Outcome(ROUTE, UNSTABLE, "compare"), wrong(relu_case())


@pytest.fixture(scope="module")
def entry(registry) -> Entry:
    return make_entry(relu_case(), WRONG, plain_routes.right, registry, "2026-01-02")


def test_what_has_become_of_a_finding(entry, registry):
    def of(verdict: str) -> str:
        return compared(entry.finding, Outcome(ROUTE, verdict, "compare"))

    assert compared(entry.finding, WRONG) == STILL_FAILING
    assert compared(entry.finding, wrong(relu_case(), "dtype")) == CHANGED
    assert [of(v) for v in (OK, UNSUPPORTED)] == [FIXED, FIXED]
    assert [of(v) for v in (UNSTABLE, HARNESS_ERROR)] == [CHANGED, CANNOT_RUN]
    assert compared(entry.finding, crash()) == CHANGED
    raised = make_entry(relu_case(), crash("then"), plain_routes.right, registry, "2026-01-02").finding
    assert compared(raised, crash("now in other words")) == STILL_FAILING
    assert compared(raised, crash(error="KeyError")) == CHANGED


def test_on_another_route_any_finding_counts_and_nothing_is_fixed(entry):
    elsewhere = [replace(o, route="other") for o in (WRONG, crash(), RIGHT, UNDECIDED)]
    assert [compared(entry.finding, o) for o in elsewhere] == [ALSO_FAILING, ALSO_FAILING, NOT_FAILING, NOT_FAILING]
    line = line_of(Path("corpus/x"), entry, elsewhere[:1], 0.5)
    assert (line.is_own, line.route, line.found_on) == (False, "other", ROUTE)
    assert line.again() == "graphfuzz replay corpus/x --on other"
    assert line.bucket != entry.slug


def test_an_import_that_fails_now_is_not_the_converters_defect(entry, registry):
    missing = crash("No module named 'onnxscript'", error="ModuleNotFoundError")
    assert compared(entry.finding, missing) == CANNOT_RUN
    recorded = make_entry(relu_case(), missing, plain_routes.right, registry, "2026-01-02")
    assert compared(recorded.finding, missing) == STILL_FAILING


@pytest.mark.parametrize(
    ("outcomes", "status", "verdict", "shown"),
    [
        ([WRONG], STILL_FAILING, "wrong-output", 1),
        ([RIGHT, RIGHT, RIGHT], FIXED, "ok", 0),
        ([RIGHT, WRONG, RIGHT], FLAKY, "wrong-output", 1),
        ([RIGHT, crash(), UNDECIDED], FLAKY, "conversion-crash", 0),
        ([RIGHT, UNDECIDED, RIGHT], FLAKY, "unstable", 0),
        ([crash(), crash()], CHANGED, "conversion-crash", 0),
        ([RIGHT, Outcome(ROUTE, HARNESS_ERROR, "source")], CANNOT_RUN, "harness-error", 0),
    ],
)
def test_runs_that_differ_make_an_entry_flaky(entry, outcomes, status, verdict, shown):
    line = line_of(Path("x"), entry, outcomes, 1.0)
    assert (line.status, line.verdict, line.shown, line.runs) == (status, verdict, shown, len(outcomes))
    assert line.now.startswith(f"shown by {shown} of {len(outcomes)} runs") == (status == FLAKY)


def test_why_an_entry_cannot_run(entry, registry, monkeypatch):
    assert obstacle(entry, registry, ROUTE) is None
    assert "no such operator: relu" in str(obstacle(entry, registry.only(["sin"]), ROUTE))
    assert "no route 'torch-tvm'" in str(obstacle(entry, registry, "torch-tvm"))
    assert "takes models of keras" in str(obstacle(entry, registry, PLAIN + "of_keras"))
    bad = case_of(Graph((value("x0"),), (), (node("relu", "x0", value("v0", shape=(7,))),), ("v0",)))
    assert "rules have changed" in str(obstacle(replace(entry, case=bad), registry, ROUTE))
    needy = replace(plain_routes.right, packages=("no-such-package", "nor-this"))
    monkeypatch.setattr(plain_routes, "needy", needy, raising=False)
    found = replace(entry, finding=replace(entry.finding, versions={"nor-this": "2.1"}))
    told = "not installed: no-such-package, nor-this (found with 2.1)"
    assert obstacle(found, registry, PLAIN + "needy") == told


def test_how_each_status_counts_with_and_without_expectations():
    def counted(news: str | None) -> dict[str, str]:
        return {status: standing(Line("x", ROUTE, status, "", news=news)) for status in STATUSES}

    assert counted(None) == {
        **dict.fromkeys((STILL_FAILING, CHANGED, ALSO_FAILING, FLAKY), FAILED),
        **dict.fromkeys((FIXED, NOT_FAILING), PASSED),
        CANNOT_RUN: SKIPPED,
        DAMAGED: BROKEN,
    }
    assert set(counted("regression").values()) == {FAILED, BROKEN}
    assert {status for status, count in counted("").items() if count == PASSED} == {FIXED, NOT_FAILING}
    assert FAILED not in counted("").values()
