"""What code scanning reads of a replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from graphfuzz.corpus.replay import ALSO_FAILING, CANNOT_RUN, CHANGED, DAMAGED, FIXED, FLAKY, STILL_FAILING, Line
from graphfuzz.oracle.verdict import FINDINGS, UNSTABLE
from graphfuzz.report.sarif import RULES, sarif


def run_of(*lines: Line) -> dict[str, Any]:
    log = json.loads(sarif(lines))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def failing(status: str = STILL_FAILING, verdict: str = "wrong-output", **fields: Any) -> Line:
    return Line("corpus/a", "r", status, "it differs", "r", "wrong-output", verdict, "r-wrong-output-relu-1", **fields)


def test_each_open_defect_is_a_result_with_its_rule_place_and_fingerprint():
    lines = [failing(), failing(CHANGED, "hang"), failing(FLAKY), failing(ALSO_FAILING), failing(CHANGED, UNSTABLE)]
    run = run_of(*lines)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(rule[part]["text"] for rule in rules for part in ("shortDescription", "fullDescription", "help"))
    assert [result["ruleId"] for result in run["results"]] == [line.verdict for line in lines]
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning", "error", "warning"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"].startswith("r: ")
        assert result["partialFingerprints"] == {"graphfuzzSignature/v1": "r-wrong-output-relu-1"}
        (place,) = result["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"] == "corpus/a/repro.py"
        assert "suppressions" not in result


def test_there_is_a_rule_for_every_verdict_that_a_result_can_have():
    assert set(RULES) == {*FINDINGS, UNSTABLE}


def test_what_is_expected_is_suppressed_and_what_is_news_is_not():
    known, new = run_of(failing(news="", expected="still failing"), failing(news="regression"))["results"]
    assert [s["justification"] for s in known["suppressions"]] == ["expected still failing"]
    assert "suppressions" not in new


def test_other_entries_are_notifications():
    run = run_of(Line("a", "r", FIXED, "ok"), Line("b", "r", CANNOT_RUN, "no torch"), Line("c", "", DAMAGED, "cut off"))
    (invocation,) = run["invocations"]
    assert run["results"] == []
    assert invocation["executionSuccessful"] is False
    told = [(n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]]
    assert told == [("note", "a: fixed: ok"), ("warning", "b: cannot run: no torch"), ("error", "c: damaged: cut off")]


def test_a_place_is_relative_to_the_working_folder_and_escaped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def uri(path: Path) -> str:
        (result,) = run_of(Line(str(path), "r", STILL_FAILING, "", verdict="hang"))["results"]
        return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])

    assert uri(tmp_path / "a b") == "a%20b/repro.py"
    assert uri(Path("/elsewhere")) == "file:///elsewhere/repro.py"
