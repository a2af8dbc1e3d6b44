"""replay, show, minimize and ops, on entries whose routes stand in for a converter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from graphfuzz.cli import main
from graphfuzz.corpus import make_entry, read_entry, write_entry
from graphfuzz.corpus.replay import CANNOT_RUN, CHANGED, DAMAGED, FIXED, STILL_FAILING, compared, obstacle
from graphfuzz.graph import Graph
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK, UNSTABLE, UNSUPPORTED, Outcome
from graphfuzz.spec.registry import Registry
from tests.corpus import plain_routes
from tests.examples import ROUTE, case_of, crash, node, relu_case, value, wrong

PLAIN = "tests.corpus.plain_routes:"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def store(folder: Path, recorded: str, runs_on: str, registry: Registry) -> Path:
    """An entry of what the route `recorded` does wrong, to be run on the route `runs_on`."""
    outcome = judge(relu_case(), getattr(plain_routes, recorded), registry)
    entry = make_entry(relu_case(), outcome, plain_routes.right, registry, "2026-01-02")
    slug = f"{recorded}-{runs_on}".replace("_", "-")
    return write_entry(folder, replace(entry, finding=replace(entry.finding, route=PLAIN + runs_on, slug=slug)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, registry) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    for recorded, runs_on in (("wrong", "wrong"), ("wrong", "right"), ("raising", "wrong"), ("wrong", "nowhere")):
        store(folder, recorded, runs_on, registry)
    yield folder
    shutil.rmtree(folder)


def test_replay_says_for_each_entry_what_has_become_of_it(corpus):
    result = invoke("replay", corpus, "--json")
    assert result.exit_code == 1, result.output
    lines = json.loads(result.stdout)
    assert {Path(line["entry"]).name: line["status"] for line in lines} == {
        "wrong-wrong": STILL_FAILING,
        "wrong-right": FIXED,
        "raising-wrong": CHANGED,
        "wrong-nowhere": CANNOT_RUN,
    }
    assert "nowhere" in next(line["now"] for line in lines if line["status"] == CANNOT_RUN)


def test_replay_for_people_counts_and_names(corpus):
    result = invoke("replay", corpus / "wrong-right", corpus / "wrong-nowhere")
    assert result.exit_code == 3
    assert "2 entries: 1 fixed, 1 cannot run" in result.stdout
    assert f"fixed: {corpus / 'wrong-right'}" in result.stderr


def test_replay_of_a_damaged_entry_still_runs_the_others(corpus, tmp_path):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus / "wrong-right", folder / "sound")
    shutil.copytree(corpus / "wrong-right", folder / "damaged")
    (folder / "damaged" / "case.json").write_text("{")
    result = invoke("replay", folder, "--json")
    assert result.exit_code == 2
    assert [line["status"] for line in json.loads(result.stdout)] == [DAMAGED, FIXED]
    assert "case.json" in result.stderr


def test_replay_of_one_route_leaves_the_others(corpus):
    result = invoke("replay", corpus, "--route", "torch-script-ort")
    assert (result.exit_code, result.stdout) == (0, "no entries\n")


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        ([FIXED, FIXED], 0),
        ([FIXED, STILL_FAILING, CANNOT_RUN], 1),
        ([CHANGED], 1),
        ([FIXED, CANNOT_RUN], 3),
        ([STILL_FAILING, CANNOT_RUN, DAMAGED], 2),
    ],
)
def test_exit_codes(statuses, code):
    from graphfuzz.cli.replay import exit_code

    assert exit_code(statuses) == code


def test_what_has_become_of_a_finding(registry):
    def of(verdict: str) -> Outcome:
        return Outcome(ROUTE, verdict, "compare")

    finding = make_entry(relu_case(), wrong(relu_case()), plain_routes.right, registry, "2026-01-02").finding
    assert compared(finding, wrong(relu_case())) == STILL_FAILING
    assert compared(finding, wrong(relu_case(), "dtype")) == CHANGED
    assert [compared(finding, of(v)) for v in (OK, UNSUPPORTED)] == [FIXED, FIXED]
    assert [compared(finding, of(v)) for v in (UNSTABLE, HARNESS_ERROR)] == [CHANGED, CANNOT_RUN]
    assert compared(finding, crash()) == CHANGED
    raised = make_entry(relu_case(), crash("then"), plain_routes.right, registry, "2026-01-02").finding
    assert compared(raised, crash("now in other words")) == STILL_FAILING
    assert compared(raised, crash(error="KeyError")) == CHANGED


def test_why_an_entry_cannot_run(registry, monkeypatch):
    sound = entry = make_entry(relu_case(), crash(), plain_routes.right, registry, "2026-01-02")
    assert obstacle(sound, registry) is None
    assert "no such operator: relu" in str(obstacle(sound, registry.only(["sin"])))
    elsewhere = replace(entry, finding=replace(entry.finding, route="torch-tvm"))
    assert "no route 'torch-tvm'" in str(obstacle(elsewhere, registry))
    bad = case_of(Graph((value("x0"),), (), (node("relu", "x0", value("v0", shape=(7,))),), ("v0",)))
    assert "rules have changed" in str(obstacle(replace(sound, case=bad), registry))
    monkeypatch.setattr(
        plain_routes, "absent", replace(plain_routes.right, packages=("no-such-package",)), raising=False
    )
    absent = replace(entry, finding=replace(entry.finding, route=PLAIN + "absent"))
    assert obstacle(absent, registry) == "not installed: no-such-package"


def test_show_prints_graph_finding_and_reproduction(corpus):
    path = corpus / "wrong-wrong"
    result = invoke("show", path)
    assert result.exit_code == 0
    assert "v0: float32[2, 3] = relu(x0)" in result.stdout
    assert "wrong-output" in result.stdout
    assert "2026-01-02" in result.stdout
    assert (path / "repro.py").read_text() in result.stdout


def test_show_prints_the_traceback_when_asked(corpus):
    path = corpus / "raising-wrong"
    assert "the cause" in invoke("show", path, "--traceback").stdout
    assert "Traceback (most recent" not in invoke("show", path).stdout


def test_minimize_makes_an_entry_smaller(registry, tmp_path):
    nodes = [node(op, f"v{i - 1}" if i else "x0", value(f"v{i}")) for i, op in enumerate(["sin", "relu", "cos"])]
    case = case_of(Graph((value("x0"),), (), tuple(nodes), ("v2",)))
    outcome = judge(case, plain_routes.raising, registry)
    entry = make_entry(case, outcome, plain_routes.raising, registry, "2026-01-02")
    path = write_entry(tmp_path, replace(entry, finding=replace(entry.finding, route=PLAIN + "raising")))
    result = invoke("minimize", path, "-o", tmp_path / "smaller", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "3 nodes to 1" in result.stdout
    smaller = read_entry(Path(result.stdout.splitlines()[-1]))
    assert len(smaller.case.graph.nodes) == 1
    assert smaller.finding.first_seen == "2026-01-02"


def test_minimize_of_what_is_fixed_says_so(corpus, tmp_path):
    result = invoke("minimize", corpus / "wrong-right", "-o", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 1
    assert "was wrong-output, now ok" in result.stdout


def test_ops_lists_every_operator(registry):
    rows = json.loads(invoke("ops", "--json").stdout)
    assert [row["name"] for row in rows] == list(registry)
    relu = next(row for row in rows if row["name"] == "relu")
    assert relu["frameworks"] == ["keras", "torch"]
    assert "float32" in relu["dtypes"]["T"]
    assert f"{len(registry)} operators" in invoke("ops").stdout
