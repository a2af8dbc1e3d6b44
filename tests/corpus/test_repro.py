"""`repro.py` runs alone: exit 1 while the finding stands, 0 once it is fixed, 2 where something else is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from graphfuzz.corpus import make_entry, repro, script, write_entry
from graphfuzz.errors import EntryError
from graphfuzz.graph import Case, Graph
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.verdict import HANG, PROCESS_CRASH, Outcome
from tests.corpus import plain_routes
from tests.examples import case_of, crash, node, relu_case, value


def run(path: Path) -> subprocess.CompletedProcess[str]:
    """The entry's script, in a fresh process that cannot import graphfuzz from where it stands."""
    command = [sys.executable, "-W", "ignore", str(path / "repro.py")]
    return subprocess.run(command, capture_output=True, text=True, cwd=path.parent, timeout=200)


def stored(case: Case, outcome: Outcome, route: Route, registry, folder: Path) -> Path:
    return write_entry(folder, make_entry(case, outcome, route, registry, "2026-01-02"))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("wrong", "wrong-output"),
        ("special", "wrong-output"),
        ("other_dtype", "wrong-output"),
        ("other_shape", "wrong-output"),
        ("invalid", "invalid-model"),
        ("other_inputs", "invalid-model"),
        ("unloadable", "load-failure"),
        ("unrunnable", "run-failure"),
        ("raising", "conversion-crash"),
    ],
)
def test_it_fails_as_the_oracle_says(name, verdict, registry, tmp_path):
    case, route = relu_case(), getattr(plain_routes, name)
    outcome = judge(case, route, registry)
    assert outcome.verdict == verdict, outcome.traceback
    failing = run(stored(case, outcome, route, registry, tmp_path))
    assert (failing.returncode, failing.stdout.splitlines()[-1]) == (1, f"STILL FAILS: {verdict}"), failing.stderr


@pytest.mark.parametrize("name", ["wrong", "invalid", "raising"])
def test_it_is_fixed_where_the_route_does_right(name, registry, tmp_path):
    case, route = relu_case(), getattr(plain_routes, name)
    outcome = judge(case, route, registry)
    mended = replace(plain_routes.right, name=route.name)
    fixed = run(stored(case, outcome, mended, registry, tmp_path))
    verdict = outcome.verdict
    assert (fixed.returncode, fixed.stdout.splitlines()[-1]) == (0, f"FIXED: no {verdict}"), fixed.stderr


def test_another_error_is_not_taken_for_the_finding(registry, tmp_path):
    outcome = crash(error="somewhere.ShapeError")
    ended = run(stored(relu_case(), outcome, plain_routes.raising, registry, tmp_path))
    assert ended.returncode == 2
    assert "SOMETHING ELSE" in ended.stdout


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("dying", Outcome("dying", PROCESS_CRASH, "conversion", error="SIGSEGV")),
        ("hanging", Outcome("hanging", HANG, "conversion", error="TimeLimit")),
        ("greedy", Outcome("greedy", PROCESS_CRASH, "conversion", error="MemoryError", message="memory limit: ")),
    ],
)
def test_what_takes_a_process_down_is_run_in_one_of_its_own(name, outcome, registry, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "HANG_SECONDS", 8)
    ended = run(stored(relu_case(), outcome, getattr(plain_routes, name), registry, tmp_path))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, f"STILL FAILS: {outcome.verdict}"), ended.stderr


def test_a_process_that_survives_is_no_crash(registry, tmp_path):
    outcome = Outcome("right", PROCESS_CRASH, "conversion", error="SIGSEGV")
    assert run(stored(relu_case(), outcome, plain_routes.right, registry, tmp_path)).returncode == 0


def large_case() -> Case:
    shape = (40, 40)
    graph = Graph((value("x0", shape=shape),), (), (node("relu", "x0", value("v0", shape=shape)),), ("v0",))
    return case_of(graph)


def test_large_tensors_are_read_from_the_file_beside_it(registry, tmp_path):
    case = large_case()
    outcome = judge(case, plain_routes.raising, registry)
    path = stored(case, outcome, plain_routes.raising, registry, tmp_path)
    assert 'with_name("tensors.npz")' in (path / "repro.py").read_text()
    assert (path / "repro.py").stat().st_size < 4000
    assert run(path).returncode == 1


def test_it_needs_neither_graphfuzz_nor_an_operator_pack(registry):
    for framework in ("torch", "keras"):
        case = replace(relu_case(), framework=framework)
        text = repro.repro_source(case, crash(), plain_routes.raising, registry)
        imports = [line.split()[1] for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))]
        assert not {name.partition(".")[0] for name in imports} & {"graphfuzz", "operators", "msgspec"}
        compile(text, "repro.py", "exec")


def test_it_tells_the_finding_first(registry):
    case = relu_case()
    outcome = judge(case, plain_routes.wrong, registry)
    text = repro.repro_source(case, outcome, plain_routes.wrong, registry)
    head = text.split('"""')[1]
    assert head.startswith("wrong: wrong-output with relu.")
    assert "source model" in head
    assert "allowed" in head
    assert "torch 2" in head
    assert "v0: float32[2, 3] = relu(x0)" in head
    order = [text.index(part) for part in ("class Model", "inputs = {", "def convert_wrong", "def fails")]
    assert order == sorted(order)


def test_a_message_cannot_break_out_of_the_description(registry):
    outcome = crash('"""\nimport os\n\\u0041 \\')
    text = repro.repro_source(relu_case(), outcome, plain_routes.raising, registry)
    names: dict[str, object] = {}
    exec(compile(text.split("from __future__")[0], "repro.py", "exec"), names)
    assert "os" not in names
    assert "\\u0041" in str(names["__doc__"])


def test_inputs_are_the_very_ones(registry):
    case = relu_case()
    case.tensors["x0"][0, :] = [0.1, np.float32(1) / 3, -0.0]
    text = repro.repro_source(case, crash(), plain_routes.raising, registry)
    names: dict[str, object] = {"np": np}
    exec(text[text.index("inputs = {") : text.index("def run_torch")], names)
    assert names["inputs"]["x0"].tobytes() == case.tensors["x0"].tobytes()


def test_a_route_without_source_is_refused(registry):
    route = replace(plain_routes.right, convert=len)
    with pytest.raises(EntryError, match="must be a function in a file"):
        repro.repro_source(relu_case(), crash(), route, registry)
