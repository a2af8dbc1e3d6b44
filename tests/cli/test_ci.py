"""`graphfuzz fuzz --ci`: what makes its exit code, and what it takes where nothing is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.statistics import Bucket, HarnessError, Statistics
from graphfuzz.cli import ci
from graphfuzz.corpus.entry import entries
from graphfuzz.corpus.signature import Signature
from graphfuzz.errors import UsageError
from tests.cli.test_fuzz import fuzz

ROUTE = "torch-script-ort"
BROKEN = ("--route", "tests.broken_routes:torch_script", "--only", "tanh", "--dtype", "float32", "--nodes", 1)
OPTIONS = {"ci": True, "seconds": None, "seed": None, "cases": None, "lanes": (), "probes": None, "nodes": 10}
ERROR = HarnessError(3, ROUTE, "it broke", "Traceback ...")


def bucket(known: bool, operator: str = "relu") -> Bucket:
    told = Signature(ROUTE, "wrong-output", (operator,), "differs")
    return Bucket(told, "1 of 1 elements differ", f"corpus/{told.slug}", 1, 0, "random", 2, known)


def statistics(*buckets: Bucket, errors: tuple[HarnessError, ...] = (), **counts: int) -> Statistics:
    made = Statistics(cases=2, given=2, harness_errors=list(errors))
    made.verdicts[ROUTE]["ok"] = 2
    made.buckets = {one.signature.slug: one for one in buckets}
    for name, count in counts.items():
        setattr(made, name, count)
    return made


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (statistics(), 0),
        (statistics(bucket(known=True)), 0),
        (statistics(bucket(known=False)), 1),
        (statistics(bucket(known=True), bucket(known=False, operator="tanh")), 1),
        (statistics(bucket(known=False), errors=(ERROR,)), 3),
        (statistics(cases=1), 3),
        (statistics(given=3), 3),
        (statistics(waiting=1), 3),
        (statistics(bucket(known=False), cases=1), 1),
    ],
)
def test_only_news_or_what_did_not_run_fails(seen: Statistics, code: int) -> None:
    configuration = Configuration((ROUTE,), 0, cases=2)
    assert ci.exit_code(seen, configuration, ci=True) == code
    assert ci.exit_code(seen, configuration, ci=False) == (3 if seen.harness_errors else 0)


def test_the_same_cases_are_made_where_nothing_is_told() -> None:
    given = ci.completed(OPTIONS)
    told = {"seed": 0, "cases": ci.CASES, "lanes": ("random=1",), "probes": "none"}
    assert given == {**OPTIONS, **told}
    own = {**OPTIONS, "seed": 5, "cases": 7, "lanes": ("sweep=1",), "probes": "1a2b3c4d"}
    assert ci.completed(own) == own
    assert ci.completed({**OPTIONS, "ci": False}) == {**OPTIONS, "ci": False, "probes": "stored"}
    with pytest.raises(UsageError, match="give --cases instead of --seconds"):
        ci.completed({**OPTIONS, "seconds": 5.0})


def test_what_is_new_is_told_with_its_path_and_as_a_failure(tmp_path: Path) -> None:
    seen = statistics(bucket(known=True), bucket(known=False, operator="tanh"), errors=(ERROR,), cases=1)
    new = next(one for one in seen.found() if not one.known)
    configuration = Configuration((ROUTE, "tf2onnx-ort"), 0, cases=2)
    assert ci.verdict(seen, configuration) == f"ci: 1 new; ended after 1 of 2 cases\nnew  {new.path}"
    ci.write_junit(tmp_path / "j.xml", seen, configuration)
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert [root.get(name) for name in ("name", "tests", "failures", "errors")] == ["graphfuzz fuzz", "5", "1", "1"]
    told = {str(case.get("name")): [(child.tag, child.get("type")) for child in case] for case in root.iter("testcase")}
    assert told["2 cases"] == told["0 cases"] == []
    assert told[new.signature.slug] == [("failure", "wrong-output")]
    assert told["case 3"] == [("error", "harness-error")]
    assert [("skipped", "wrong-output")] in told.values()
    with pytest.raises(UsageError, match="cannot be written"):
        ci.write_junit(tmp_path / "no" / "j.xml", seen, configuration)


def test_a_bucket_is_news_once_and_known_from_then_on(tmp_path: Path) -> None:
    options = ("--ci", "--cases", 2, *BROKEN, "--corpus", tmp_path / "corpus")
    first = fuzz(*options, "--junit", tmp_path / "j.xml", "--log", tmp_path / "first.jsonl")
    assert first.exit_code == 1, first.output
    found = entries([tmp_path / "corpus"])
    assert found
    assert [line[5:] for line in first.output.splitlines() if line.startswith("new  ")] == [str(p) for p in found]
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == str(len(found))
    second = fuzz(*options, "--log", tmp_path / "second.jsonl")
    assert second.exit_code == 0, second.output
    assert "ci: nothing new\n" in second.output
    assert entries([tmp_path / "corpus"]) == found
    told = [(tmp_path / name).read_text().splitlines() for name in ("first.jsonl", "second.jsonl")]
    assert [[_case(line) for line in lines] for lines in told] == [[("random", 0), ("random", 1)]] * 2


def _case(line: str) -> tuple[Any, ...]:
    told = json.loads(line)
    return told["lane"], told["case"]
