"""`repro.py` runs alone: exit 1 while the finding stands, 0 once it is fixed, 2 where something else is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from graphfuzz.corpus import make_entry, read_entry, repro, script, write_entry
from graphfuzz.corpus.telling import telling_words
from graphfuzz.errors import EntryError
from graphfuzz.graph import Case, Graph
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import HANG, PROCESS_CRASH, Outcome
from graphfuzz.spec import COMPLEX, FLOATS, Registry, unary
from tests.corpus import plain_routes
from tests.examples import case_of, crash, node, relu_case, value
from tests.warm_scripts import Runner, warm_runner

RUNNERS: list[Runner] = []


@pytest.fixture(scope="module", autouse=True)
def runner() -> Iterator[None]:
    with warm_runner() as made:
        RUNNERS[:] = [made]
        yield


def run(path: Path) -> subprocess.CompletedProcess[str]:
    """The entry's script, in a process that has imported what it imports, and no graphfuzz."""
    return RUNNERS[0].run(path / "repro.py")


def run_alone(path: Path) -> subprocess.CompletedProcess[str]:
    """The entry's script, in a fresh process that cannot import graphfuzz from where it stands."""
    command = [sys.executable, "-W", "ignore", str(path / "repro.py")]
    return subprocess.run(command, capture_output=True, text=True, cwd=path.parent, timeout=200)


def stored(case: Case, outcome: Outcome, route: Route, registry, folder: Path, **found_under) -> Path:
    return write_entry(folder, make_entry(case, outcome, route, registry, "2026-01-02", **found_under))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("wrong", "wrong-output"),
        ("special", "wrong-output"),
        ("other_dtype", "wrong-output"),
        ("other_shape", "wrong-output"),
        ("invalid", "invalid-model"),
        ("disputed", "invalid-model"),
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


def test_it_runs_in_an_interpreter_of_its_own(registry, tmp_path):
    case, route = relu_case(), plain_routes.wrong
    ended = run_alone(stored(case, judge(case, route, registry), route, registry, tmp_path))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, "STILL FAILS: wrong-output"), ended.stderr


def test_twins_must_agree_with_each_other(registry, tmp_path):
    """Each is as near to the source model as it must be, and twice as far from the other."""
    nodes = (node("relu", "x0", value("v0")), node("maximum", "v0 v0", value("v1")))
    case = replace(case_of(Graph((value("x0"),), (), nodes, ("v0", "v1"))), twins=(("v0", "v1"),))
    rule = "absolute:0.1"
    outcome = judge(case, plain_routes.apart, registry, tolerance=parse_tolerance(rule))
    assert outcome.verdict == "wrong-output", outcome.traceback
    assert (outcome.mismatch.what, outcome.mismatch.output) == ("twins", "v1")
    assert judge(replace(case, twins=()), plain_routes.apart, registry, tolerance=parse_tolerance(rule)).verdict == "ok"
    path = stored(case, outcome, plain_routes.apart, registry, tmp_path, tolerance=rule)
    assert run(path).returncode == 1
    assert read_entry(path).case.twins == (("v0", "v1"),)


def bound_case(rows: int = 2) -> Case:
    """A relu to be run on five rows, too."""
    shape = (rows, 3)
    graph = Graph((value("x0", shape=shape),), (), (node("relu", "x0", value("v0", shape=shape)),), ("v0",))
    return replace(case_of(graph), bindings=({"x0": np.linspace(-1, 1, 15, dtype="float32").reshape(5, 3)},))


@pytest.mark.parametrize(
    ("name", "verdict", "what", "binding"),
    [
        ("right", "run-failure", None, 1),
        ("baked", "wrong-output", "shape", 1),
        ("misdeclared", "wrong-output", "declared", 1),
        ("wrong", "wrong-output", "value", 0),
        ("symbolic", "ok", None, 0),
    ],
)
def test_a_finding_at_other_sizes_is_one_of_its_own(name, verdict, what, binding, registry, tmp_path):
    case, route = bound_case(), getattr(plain_routes, name)
    outcome = judge(case, route, registry)
    assert (outcome.verdict, outcome.binding) == (verdict, binding), outcome.traceback
    assert (outcome.mismatch and outcome.mismatch.what) == what
    if not outcome.is_finding:
        return
    path = stored(case, outcome, route, registry, tmp_path)
    failing = run(path)
    assert (failing.returncode, failing.stdout.splitlines()[-1]) == (1, f"STILL FAILS: {verdict}"), failing.stderr
    assert read_entry(path).finding.binding == binding
    assert np.array_equal(read_entry(path).case.bindings[0]["x0"], case.bindings[0]["x0"])
    assert ("at other sizes" in read_entry(path).finding.signature.message) == bool(binding)
    assert run(stored(case, outcome, plain_routes.symbolic, registry, tmp_path)).returncode == 0


def test_large_inputs_of_other_sizes_are_read_from_the_file(registry, tmp_path):
    case = bound_case(200)
    outcome = judge(case, plain_routes.baked, registry)
    outcome = replace(outcome, binding=1)
    assert 'f"{name}.1"' in (stored(case, outcome, plain_routes.baked, registry, tmp_path) / "repro.py").read_text()
    assert run(tmp_path / next(tmp_path.glob("[!.]*"))).returncode == 1


@pytest.mark.parametrize("name", ["wrong", "invalid", "disputed", "raising"])
def test_it_is_fixed_where_the_route_does_right(name, registry, tmp_path):
    case, route = relu_case(), getattr(plain_routes, name)
    outcome = judge(case, route, registry)
    mended = replace(plain_routes.right, name=route.name)
    fixed = run(stored(case, outcome, mended, registry, tmp_path))
    verdict = outcome.verdict
    assert (fixed.returncode, fixed.stdout.splitlines()[-1]) == (0, f"FIXED: no {verdict}"), fixed.stderr


COPIES = Registry([unary("copied", (*FLOATS, *COMPLEX), reference=np.positive, torch="{x}.clone()")])


@pytest.mark.parametrize("count", [3, repro.INLINE + 1])
@pytest.mark.parametrize(
    ("dtype", "wrong", "right"),
    [
        ("bfloat16", plain_routes.wrong_half, plain_routes.right_half),
        ("complex64", plain_routes.wrong_complex, plain_routes.right_complex),
    ],
)
def test_a_script_has_bfloat16_and_complex_numbers_as_they_are(dtype, wrong, right, count, tmp_path):
    """In its text, or from tensors.npz where they are many; the entry gives them back, too."""
    x = (np.linspace(0.1, 3, count) + (np.linspace(2, 4, count) * 1j if dtype == "complex64" else 0)).astype(dtype)
    graph = Graph((value("x0", dtype, x.shape),), (), (node("copied", "x0", value("v0", dtype, x.shape)),), ("v0",))
    case = Case(graph, "torch", {"x0": x}, {})
    outcome = judge(case, wrong, COPIES)
    assert outcome.verdict == "wrong-output", outcome.traceback
    failing = stored(case, outcome, wrong, COPIES, tmp_path / "failing")
    ended = run(failing)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, "STILL FAILS: wrong-output"), ended.stderr
    kept = read_entry(failing).case.tensors["x0"]
    assert (kept.dtype, kept.tobytes()) == (x.dtype, x.tobytes())
    fixed = run(stored(case, outcome, replace(right, name=wrong.name), COPIES, tmp_path / "fixed"))
    assert (fixed.returncode, fixed.stdout.splitlines()[-1]) == (0, "FIXED: no wrong-output"), fixed.stderr


def test_another_error_is_not_taken_for_the_finding(registry, tmp_path):
    outcome = crash(error="somewhere.ShapeError")
    ended = run(stored(relu_case(), outcome, plain_routes.raising, registry, tmp_path))
    assert ended.returncode == 2
    assert "SOMETHING ELSE" in ended.stdout


def test_another_message_of_the_same_class_is_not_taken_for_the_finding(registry, tmp_path):
    outcome = crash("the rank is not supported", error="KeyError")
    ended = run(stored(relu_case(), outcome, plain_routes.raising, registry, tmp_path))
    assert ended.returncode == 2
    assert "SOMETHING ELSE" in ended.stdout


@pytest.mark.parametrize(
    ("message", "telling"),
    [
        ("expected 3 dims but got 'x0' of rank 2", "dims but got"),
        ("Unsupported: the axis\n  of Split is negative (v0)", "Unsupported: the axis of Split is negative"),
        ("In /home/someone/torch/onnx: no such operator", "no such operator"),
        ("'the cause'", ""),
        ("", ""),
        ("word " * 47 + "torch/onnx/utils.py", " ".join(["word"] * 47)),
    ],
)
def test_the_telling_words_are_free_of_names_numbers_and_paths(message, telling):
    said = telling_words(message)
    assert said in " ".join(message.split())
    assert said == telling


def loosened(outcome: Outcome, allowed: float) -> Outcome:
    assert outcome.mismatch is not None
    return replace(outcome, mismatch=replace(outcome.mismatch, allowed=allowed))


@pytest.mark.parametrize(("found_by", "runs_on"), [("wrong", "off_elsewhere"), ("off_elsewhere", "off_by_little")])
def test_a_wrong_output_is_looked_for_in_every_element(found_by, runs_on, registry, tmp_path):
    """The recorded element may come out right and others wrong still."""
    case = relu_case()
    case.tensors["x0"][:] = [[1, 0.5, 0], [0, 0, 0]]
    outcome = judge(case, getattr(plain_routes, found_by), registry)
    ended = run(stored(case, outcome, getattr(plain_routes, runs_on), registry, tmp_path))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, "STILL FAILS: wrong-output"), ended.stderr


@pytest.mark.parametrize(
    ("allowed", "tolerance"), [(0.01, "conditioning"), (1e-6, "absolute:0.01"), (1e-6, "allclose:0,0.01")]
)
def test_what_the_recorded_rule_allows_is_fixed(allowed, tolerance, registry, tmp_path):
    case = relu_case()
    outcome = loosened(judge(case, plain_routes.wrong, registry), allowed)
    ended = run(stored(case, outcome, plain_routes.off_by_little, registry, tmp_path, tolerance=tolerance))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "FIXED: no wrong-output"), ended.stderr


def test_a_wrong_output_beyond_another_tolerance_still_fails(registry, tmp_path):
    case = relu_case()
    outcome = judge(case, plain_routes.off_by_little, registry, tolerance=parse_tolerance("absolute:1e-4"))
    route = plain_routes.off_by_little
    assert run(stored(case, outcome, route, registry, tmp_path, tolerance="absolute:1e-4")).returncode == 1


def compares(case: Case, outcome: Outcome, registry, expected: list[float], actual: list[float]) -> bool:
    """What the script's own `fails` says of these outputs."""
    text = repro.repro_source(case, outcome, plain_routes.right, registry)
    names: dict[str, object] = {"np": np}
    exec("from __future__ import annotations\n" + text[text.index("def within") : text.index("if __name__")], names)
    arrays = {"expected": expected, "actual": actual}
    made = {name: [np.array(values, "float32")] for name, values in arrays.items()}
    stages = {
        "run_torch": lambda source, inputs: made["expected"],
        "run_onnx": lambda session, inputs: made["actual"],
        "load_onnx": lambda model: None,
        "convert_right": lambda source, inputs, axes: type("Proto", (), {"SerializeToString": lambda self: b""})(),
        "Model": lambda weights: type("Built", (), {"eval": lambda self: self})(),
        "weights": {},
        "inputs": {},
        "axes": {},
    }
    names.update(stages)
    return names["fails"]()  # type: ignore[operator]


@pytest.mark.parametrize("what", ["value", "special"])
@pytest.mark.parametrize("allowed", [0.001, float("inf"), float("nan"), None])
@pytest.mark.parametrize(
    ("actual", "fails"),
    [
        ([1, np.nan, np.inf, -np.inf], False),
        ([1, np.nan, np.inf, np.inf], True),
        ([1, 0, np.inf, -np.inf], True),
        ([np.nan, np.nan, np.inf, -np.inf], True),
        ([2, np.nan, np.inf, -np.inf], True),
        ([1, np.nan, np.inf], True),
    ],
)
def test_nan_and_infinities_agree_with_themselves_only(what, allowed, actual, fails, registry):
    case = relu_case()
    outcome = judge(case, plain_routes.wrong, registry)
    outcome = replace(outcome, mismatch=replace(outcome.mismatch, what=what, allowed=allowed))
    assert compares(case, outcome, registry, [1, np.nan, np.inf, -np.inf], actual) is fails


def test_integers_must_be_equal(registry):
    case = case_of(Graph((value("x0", "int64"),), (), (node("relu", "x0", value("v0", "int64")),), ("v0",)))
    mismatch = judge(relu_case(), plain_routes.wrong, registry).mismatch
    outcome = Outcome("right", "wrong-output", "compare", mismatch=replace(mismatch, allowed=5.0))
    assert "(actual[0] != expected[0]).any()" in repro.repro_source(case, outcome, plain_routes.right, registry)


@pytest.mark.parametrize("verdict", [HANG, PROCESS_CRASH])
def test_the_script_runs_every_step_up_to_the_fatal_one(verdict, registry):
    steps = {
        "conversion": "model = convert_right(source, inputs, axes)",
        "check": "    check(model, inputs)",
        "load": "session = load_onnx(",
        "run": "actual = run_onnx(",
    }
    for last, stage in enumerate(steps):
        outcome = Outcome("right", verdict, stage, error="SIGSEGV")
        text = repro.repro_source(relu_case(), outcome, plain_routes.right, registry)
        assert [step in text for step in steps.values()] == [i <= last for i in range(4)]
    with pytest.raises(EntryError, match="source is no target's"):
        repro.repro_source(relu_case(), Outcome("right", verdict, "source"), plain_routes.right, registry)


@pytest.mark.parametrize(("name", "stage"), [("deadly_to_check", "check"), ("disputed_and_deadly", "load")])
def test_a_crash_after_the_conversion_is_seen_again(name, stage, registry, tmp_path):
    """In the check, or after one that objects to shapes only."""
    outcome = Outcome(name, PROCESS_CRASH, stage, error="SIGSEGV")
    ended = run(stored(relu_case(), outcome, getattr(plain_routes, name), registry, tmp_path))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, "STILL FAILS: process-crash"), ended.stderr


def test_limits_are_those_it_was_found_under(registry):
    hang = Outcome("hanging", HANG, "conversion")
    text = repro.repro_source(relu_case(), hang, plain_routes.hanging, registry, seconds=7.5)
    assert f"timeout={7.5 + script.STARTUP_SECONDS:g}," in text
    starved = Outcome("greedy", PROCESS_CRASH, "conversion", error="MemoryError", message="memory limit: ")
    text = repro.repro_source(relu_case(), starved, plain_routes.greedy, registry, memory=3 << 29)
    assert f"(used + {3 << 29},)" in text
    assert "Allow this process 1.5 GiB" in text


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("dying", Outcome("dying", PROCESS_CRASH, "conversion", error="SIGSEGV")),
        ("hanging", Outcome("hanging", HANG, "conversion", error="TimeLimit")),
        ("greedy", Outcome("greedy", PROCESS_CRASH, "conversion", error="MemoryError", message="memory limit: ")),
    ],
)
def test_what_takes_a_process_down_is_run_in_one_of_its_own(name, outcome, registry, tmp_path, monkeypatch):
    if outcome.verdict == HANG:
        monkeypatch.setattr(script, "STARTUP_SECONDS", 10)
    seconds = 1 if outcome.verdict == HANG else 60
    ended = run(stored(relu_case(), outcome, getattr(plain_routes, name), registry, tmp_path, seconds=seconds))
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
