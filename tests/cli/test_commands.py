"""show, minimize and ops, on entries whose routes stand in for a converter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from graphfuzz.cli import main
from graphfuzz.corpus import entries, make_entry, read_entry, write_entry
from graphfuzz.corpus.storage import TEMPORARY
from graphfuzz.graph import Graph
from graphfuzz.oracle.judge import judge
from graphfuzz.spec.registry import Registry
from tests.corpus import plain_routes
from tests.examples import case_of, node, value
from tests.stored import PLAIN, store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, registry) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpus")
    for recorded, runs_on in (("wrong", "wrong"), ("wrong", "right"), ("raising", "wrong")):
        store(folder, recorded, runs_on, registry)
    yield folder
    shutil.rmtree(folder)


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


def test_an_interrupted_minimization_stores_what_it_has(registry, tmp_path, monkeypatch):
    monkeypatch.setattr("graphfuzz.cli.minimize.stoppable", lambda: nullcontext(lambda: True))
    path = sine_relu(registry, tmp_path)
    result = invoke("minimize", path, "-o", tmp_path / "smaller", "--workers", 1)
    assert (result.exit_code, len(list((tmp_path / "smaller").glob("[!.]*")))) == (0, 1)
    assert "the smallest case so far is stored" in result.stderr


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
