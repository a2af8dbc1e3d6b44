"""replay, show, minimize and ops, on entries whose routes stand in for a converter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from graphfuzz.campaign.workers import Limits
from graphfuzz.cli import main
from graphfuzz.cli.replay import alike
from graphfuzz.corpus import Entry, entries, make_entry, read_entry, write_entry
from graphfuzz.corpus.replay import CANNOT_RUN, CHANGED, DAMAGED, FIXED, STILL_FAILING, compared, obstacle
from graphfuzz.corpus.storage import TEMPORARY
from graphfuzz.graph import Graph
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.tolerance import parse_tolerance
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
    assert "tolerance conditioning, 60 seconds and 4 GiB a case" in result.stdout
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


def sine_relu(registry: Registry, folder: Path, recorded: str = "raising", **found_under: Any) -> Path:
    nodes = (node("sin", "x0", value("v0")), node("relu", "v0", value("v1")))
    case = case_of(Graph((value("x0"),), (), nodes, ("v1",)))
    route = getattr(plain_routes, recorded)
    entry = make_entry(case, judge(case, route, registry), route, registry, "2026-01-02", **found_under)
    return write_entry(folder, replace(entry, finding=replace(entry.finding, route=PLAIN + recorded)))


def test_minimize_beside_the_entry_takes_its_place(registry, tmp_path):
    path = sine_relu(registry, tmp_path, tolerance="absolute:0.5", seconds=50.0, memory=5 << 30)
    result = invoke("minimize", path, "--workers", 1)
    assert result.exit_code == 0, result.output
    (left,) = entries([tmp_path])
    assert left == Path(result.stdout.splitlines()[-1]) != path
    finding = read_entry(left).finding
    assert (finding.tolerance, finding.seconds_a_case, finding.memory_a_case) == ("absolute:0.5", 50.0, 5 << 30)


def test_minimize_keeps_the_entry_where_its_successor_cannot_be_written(registry, tmp_path, monkeypatch):
    path = sine_relu(registry, tmp_path)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith(TEMPORARY):
            raise OSError(28, "No space left on device", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    result = invoke("minimize", path, "--workers", 1)
    assert (result.exit_code, list(tmp_path.glob("[!.]*"))) == (2, [path])
    assert "No space left" in result.stderr


def test_replay_runs_each_entry_by_the_rule_it_was_found_under(registry, tmp_path, monkeypatch):
    """The same outputs are wrong by one rule and right by another."""
    outcome = judge(relu_case(), plain_routes.off_by_little, registry, tolerance=parse_tolerance("absolute:1e-4"))
    for slug, tolerance, seconds in (("strict", "absolute:1e-4", 30.0), ("loose", "absolute:0.1", 40.0)):
        entry = make_entry(
            relu_case(), outcome, plain_routes.right, registry, "2026-01-02", tolerance=tolerance, seconds=seconds
        )
        finding = replace(entry.finding, route=PLAIN + "off_by_little", slug=slug)
        write_entry(tmp_path, replace(entry, finding=finding))
    result = invoke("replay", tmp_path, "--json", "--workers", 1)
    lines = json.loads(result.stdout)
    assert {Path(line["entry"]).name: line["status"] for line in lines} == {"strict": STILL_FAILING, "loose": FIXED}


def test_entries_of_one_rule_share_their_workers(registry):
    def found_under(**rule: Any) -> tuple[Path, Entry]:
        return Path("x"), make_entry(relu_case(), crash(), plain_routes.right, registry, "2026-01-02", **rule)

    found = [found_under(), found_under(seconds=5.0), found_under(memory=1 << 30), found_under(tolerance="absolute:1")]
    assert [len(group) for group in alike([*found, *found], None).values()] == [2, 2, 2, 2]
    limits = {limits for _, limits in alike(found, 9.0)}
    assert limits == {Limits(seconds=9.0), Limits(seconds=9.0, memory_bytes=1 << 30)}


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
