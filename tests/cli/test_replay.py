"""replay, on entries whose routes stand in for a converter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from graphfuzz.campaign.replaying import Replayer
from graphfuzz.cli import main
from graphfuzz.cli.replay import exit_code
from graphfuzz.corpus import make_entry, write_entry
from graphfuzz.corpus.replay import (
    ALSO_FAILING,
    CANNOT_RUN,
    CHANGED,
    DAMAGED,
    FIXED,
    FLAKY,
    NOT_FAILING,
    STATUSES,
    STILL_FAILING,
    Line,
)
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.tolerance import parse_tolerance
from tests.corpus import plain_routes
from tests.examples import relu_case
from tests.stored import PLAIN, store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *(str(a) for a in arguments)])


def statuses(result: Result) -> dict[str, str]:
    return {Path(line["entry"]).name: line["status"] for line in json.loads(result.stdout)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, registry) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    for recorded, runs_on in (("wrong", "wrong"), ("wrong", "right"), ("raising", "wrong"), ("wrong", "nowhere")):
        store(folder, recorded, runs_on, registry)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def in_process(monkeypatch, registry) -> None:
    """Routes that harm nothing need no workers."""
    monkeypatch.setattr(Replayer, "_workers", lambda self, job: None)
    monkeypatch.setattr(Replayer, "_run", lambda self, _, job: judge(job.entry.case, load_route(job.route), registry))


def test_replay_says_for_each_entry_what_has_become_of_it(corpus, tmp_path):
    reports = tmp_path / "reports"
    result = invoke(corpus, "--json", "--repeats", 1, "--junit", reports / "r.xml", "--sarif", reports / "r.sarif")
    assert result.exit_code == 1, result.output
    assert statuses(result) == {
        "wrong-wrong": STILL_FAILING,
        "wrong-right": FIXED,
        "raising-wrong": CHANGED,
        "wrong-nowhere": CANNOT_RUN,
    }
    lines = {Path(line["entry"]).name: line for line in json.loads(result.stdout)}
    assert "nowhere" in lines["wrong-nowhere"]["now"]
    assert [lines[name]["runs"] for name in sorted(lines)] == [2, 0, 2, 1]
    assert ElementTree.parse(reports / "r.xml").getroot().get("failures") == "2"
    (run,) = json.loads((reports / "r.sarif").read_text())["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["wrong-output", "wrong-output"]


def test_replay_for_people_counts_and_names(in_process, corpus):
    result = invoke(corpus / "wrong-right", corpus / "wrong-nowhere", "--repeats", 0)
    assert result.exit_code == 3
    assert "2 entries: 1 fixed, 1 cannot run" in result.stdout
    assert f"fixed: {corpus / 'wrong-right'}" in result.stderr


def test_replay_on_other_routes_says_which_fail_too(in_process, corpus):
    routes = (PLAIN + "wrong", PLAIN + "right", PLAIN + "of_keras")
    result = invoke(corpus / "wrong-wrong", "--json", "--repeats", 0, *(word for r in routes for word in ("--on", r)))
    assert result.exit_code == 1, result.output
    told = {line["route"].removeprefix(PLAIN): line["status"] for line in json.loads(result.stdout)}
    assert told == {"wrong": STILL_FAILING, "right": NOT_FAILING, "of_keras": CANNOT_RUN}
    other = invoke(corpus / "wrong-right", "--on", PLAIN + "wrong")
    assert (other.exit_code, other.stdout.splitlines()[-1]) == (1, "1 entries: 1 also failing")
    assert f"wrong-right on {PLAIN}wrong" in other.stdout


def test_replay_of_a_damaged_entry_still_runs_the_others(in_process, corpus, tmp_path):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus / "wrong-right", folder / "sound")
    shutil.copytree(corpus / "wrong-right", folder / "damaged")
    (folder / "damaged" / "case.json").write_text("{")
    result = invoke(folder, "--json", "--repeats", 0)
    assert result.exit_code == 2
    assert statuses(result) == {"damaged": DAMAGED, "sound": FIXED}
    assert "case.json" in result.stderr


def test_replay_of_one_route_leaves_the_others(corpus):
    result = invoke(corpus, "--route", "torch-script-ort")
    assert (result.exit_code, result.stdout) == (0, "no entries\n")


def test_only_news_fails_where_statuses_are_expected(in_process, corpus, tmp_path):
    known, expect = tmp_path / "corpus", tmp_path / "expected.toml"
    for name in ("wrong-wrong", "wrong-nowhere"):
        shutil.copytree(corpus / name, known / name)
    options = (known, "--repeats", 0, "--expect", expect)
    assert "--update-expect writes it" in invoke(*options).stderr
    written = invoke(*options, "--update-expect")
    assert (written.exit_code, len(expect.read_text().splitlines())) == (0, 7)
    again = invoke(*options)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, "all as expected")
    expect.write_text(
        expect.read_text().replace("still failing: wrong-output", "fixed: ok").replace("-nowhere", "-gone")
    )
    news = invoke(*options, "--json")
    assert news.exit_code == 1
    lines = [(line["expected"], line["news"]) for line in json.loads(news.stdout)]
    assert lines == [("", "regression"), ("fixed: ok", "regression")]
    assert "1 expected entries were not run: wrong-gone" in news.stderr


def test_a_fix_is_news_too(in_process, corpus, tmp_path):
    expect = tmp_path / "expected.toml"
    expect.write_text(f'["{PLAIN}right"]\nwrong-right = "still failing"\n')
    result = invoke(corpus / "wrong-right", "--repeats", 0, "--expect", expect)
    assert result.exit_code == 1
    assert "improvement: wrong-right on" in result.stdout


@pytest.mark.parametrize("option", ["--junit", "--sarif", "--expect"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(option, corpus, tmp_path):
    (tmp_path / "file").write_text("")
    update = ["--update-expect"] if option == "--expect" else []
    result = invoke(corpus, option, tmp_path / "file" / "below", *update)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "cannot be written" in result.stderr


def test_expectations_need_a_file_and_names_that_differ(corpus, tmp_path):
    assert "--expect FILE" in invoke(corpus, "--update-expect").stderr
    shutil.copytree(corpus / "wrong-right", tmp_path / "wrong-right")
    result = invoke(corpus / "wrong-right", tmp_path, "--expect", tmp_path / "expected", "--update-expect")
    assert result.exit_code == 2
    assert "have the same" in result.stderr


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([], 0),
        ([FIXED, NOT_FAILING], 0),
        ([FIXED, STILL_FAILING, CANNOT_RUN], 1),
        ([CHANGED], 1),
        ([FLAKY], 1),
        ([ALSO_FAILING], 1),
        ([FIXED, CANNOT_RUN], 3),
        ([STILL_FAILING, CANNOT_RUN, DAMAGED], 2),
    ],
)
def test_exit_codes(said, code):
    assert exit_code([Line("x", "r", status, "") for status in said]) == code


def test_exit_codes_where_statuses_are_expected():
    as_expected = [Line("x", "r", status, "", news="") for status in STATUSES if status != DAMAGED]
    news = Line("x", "r", FIXED, "", news="improvement")
    damaged = Line("x", "", DAMAGED, "", news="regression")
    assert [exit_code(lines) for lines in (as_expected, [*as_expected, news], [news, damaged])] == [0, 1, 2]
    assert [exit_code(lines, settled=True) for lines in ([news], [damaged])] == [0, 2]


def test_the_help_explains_every_status():
    said = invoke("--help").output
    assert all(f"{status} " in said for status in STATUSES)


def test_replay_runs_each_entry_by_the_rule_it_was_found_under(registry, tmp_path):
    """The same outputs are wrong by one rule and right by another."""
    outcome = judge(relu_case(), plain_routes.off_by_little, registry, tolerance=parse_tolerance("absolute:1e-4"))
    for slug, tolerance, seconds in (("strict", "absolute:1e-4", 30.0), ("loose", "absolute:0.1", 40.0)):
        entry = make_entry(
            relu_case(), outcome, plain_routes.right, registry, "2026-01-02", tolerance=tolerance, seconds=seconds
        )
        finding = replace(entry.finding, route=PLAIN + "off_by_little", slug=slug)
        write_entry(tmp_path, replace(entry, finding=finding))
    result = invoke(tmp_path, "--json", "--workers", 1, "--repeats", 0)
    assert statuses(result) == {"strict": STILL_FAILING, "loose": FIXED}
