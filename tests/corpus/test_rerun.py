"""Whether a script that ran elsewhere shows the defect of its entry, something else, or nothing."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from graphfuzz.corpus.bisection import BAD, CANNOT_TELL, GOOD
from graphfuzz.corpus.finding import Finding, make_finding
from graphfuzz.corpus.repro import repro_source
from graphfuzz.corpus.rerun import Run, patience, run_script, told
from graphfuzz.oracle.verdict import CONVERSION_CRASH, INVALID_MODEL, PROCESS_CRASH, WRONG_OUTPUT, Outcome
from graphfuzz.spec import load_registry
from tests.corpus import plain_routes
from tests.examples import ROUTE, relu_case, wrong

GRAPH = relu_case().graph


def finding(verdict: str, what: str = "value", stage: str = "load", **fields: str) -> Finding:
    outcome = wrong(relu_case(), what) if verdict == WRONG_OUTPUT else Outcome(ROUTE, verdict, stage, **fields)
    return make_finding(GRAPH, outcome, load_registry(), "2026-01-02")


def failed(verdict: str, stdout: str = "", stderr: str = "") -> Run:
    return Run(1, f"{stdout}\nSTILL FAILS: {verdict}\n", stderr)


def outputs(dtype: str = "float32", shape: str = "[2, 3]") -> str:
    return f"v0: source model gives float32[2, 3]\n[[1.]]\nv0: converted model gives {dtype}{shape}\n[[2.]]"


def stack(*functions: str, signal: str = "Segmentation fault") -> str:
    frames = "".join(f'  File "{name}.py", line 7 in {name}\n' for name in functions)
    thread = "Current thread 0x1 (most recent call first):"
    return f"Fatal Python error: {signal}\n\n{thread}\n{frames}\nExtension modules: x\n"


def test_the_scripts_own_word_counts_not_the_exit_code_alone():
    known = finding(WRONG_OUTPUT)
    assert told(known, Run(0, "FIXED: no wrong-output\n", "")) == (GOOD, "FIXED: no wrong-output")
    assert told(known, Run(0, "", ""))[0] == CANNOT_TELL
    missing = "Traceback (most recent call last):\n  ...\nModuleNotFoundError: No module named 'tinyrt'\n"
    assert told(known, Run(1, "", missing)) == (CANNOT_TELL, "ModuleNotFoundError: No module named 'tinyrt'")
    assert told(known, Run(2, "SOMETHING ELSE went wrong", "pkg.TooOld: opset 99\n")) == (
        CANNOT_TELL,
        "pkg.TooOld: opset 99",
    )
    assert told(known, Run(-11, "", "")) == (CANNOT_TELL, "exit code -11")
    assert told(known, Run(None, "", ""))[0] == CANNOT_TELL


def test_a_childs_cause_is_told_and_not_its_parents():
    stderr = (
        "onnxruntime.Fail: Unsupported model IR version: 10\nRuntimeError: a Python exception came before the end\n"
    )
    said = told(finding(PROCESS_CRASH), Run(2, "SOMETHING ELSE went wrong\n", stderr))
    assert said == (CANNOT_TELL, "onnxruntime.Fail: Unsupported model IR version: 10")


@pytest.mark.parametrize(
    ("what", "stdout", "state"),
    [
        ("value", outputs(), BAD),
        ("special", outputs(), BAD),
        ("value", outputs("float64"), CANNOT_TELL),
        ("value", outputs(shape="[3, 2]"), CANNOT_TELL),
        ("dtype", outputs("float64"), BAD),
        ("dtype", outputs(shape="[3, 2]"), CANNOT_TELL),
        ("shape", outputs(shape="[]"), BAD),
        ("shape", outputs("int32"), CANNOT_TELL),
        ("declared", "v0 is declared float32[2, 4]", BAD),
        ("count", outputs("float64"), BAD),
    ],
)
def test_a_mismatch_of_another_kind_is_not_the_defect(what, stdout, state):
    assert told(finding(WRONG_OUTPUT, what), failed(WRONG_OUTPUT, stdout))[0] == state


def test_an_error_about_another_operator_is_not_the_defect():
    known = finding(
        INVALID_MODEL, "", "check", error="InferenceError", message="(op_type:Relu, node name: n): unsupported"
    )
    assert told(known, failed(INVALID_MODEL, stderr="(op_type:Relu, node name: m): unsupported"))[0] == BAD
    assert told(known, failed(INVALID_MODEL, stderr="(op_type:Max, node name: m): unsupported")) == (
        CANNOT_TELL,
        "fails otherwise: of Max",
    )
    plain = finding(CONVERSION_CRASH, "", "conversion", error="KeyError", message="x0")
    assert told(plain, failed(CONVERSION_CRASH, stderr="KeyError: x1"))[0] == BAD


@pytest.mark.parametrize(
    ("stderr", "state"),
    [
        (stack("session", "load_onnx", "fails"), BAD),
        (stack("session", "load_onnx", "fails", signal="Aborted"), CANNOT_TELL),
        (stack("session", "run_onnx", "fails"), CANNOT_TELL),
        (stack("export", "convert", "fails"), CANNOT_TELL),
        (stack("create", "importlib", "load_onnx", "fails"), CANNOT_TELL),
        ("", CANNOT_TELL),
    ],
)
def test_another_crash_is_not_the_defect(stderr, state):
    known = finding(PROCESS_CRASH, error="SIGSEGV", message="Fatal Python error: Segmentation fault")
    assert told(known, failed(PROCESS_CRASH, stderr=stderr))[0] == state


def test_a_memory_limit_wants_a_word_of_memory():
    known = finding(PROCESS_CRASH, error="MemoryError", message="memory limit: std::bad_alloc")
    assert told(known, failed(PROCESS_CRASH, stderr="what():  std::bad_alloc\n"))[0] == BAD
    assert told(known, failed(PROCESS_CRASH, stderr="ImportError: no\n")) == (
        CANNOT_TELL,
        "fails otherwise: ImportError: no",
    )


def test_a_script_that_crashes_indeed(tmp_path, registry):
    """The very text of a process crash's repro.py, with a conversion that dies."""
    outcome = Outcome(
        ROUTE, PROCESS_CRASH, "conversion", error="SIGSEGV", message="Fatal Python error: Segmentation fault"
    )
    source = repro_source(relu_case(), outcome, plain_routes.right, registry)
    head, _, rest = source.partition("class Model(")
    dying = rest[rest.index("def dies()") :]
    script = tmp_path / "repro.py"
    fails = "def fails():\n    import ctypes\n    convert(ctypes)\n\n\ndef convert(c):\n    c.string_at(0)\n\n\n"
    script.write_text(head.replace("import torch", "#").replace("from torch", "#") + fails + dying)
    known = make_finding(GRAPH, outcome, load_registry(), "2026-01-02")
    assert told(known, run_script(Path(sys.executable), script, 60)) == (BAD, "STILL FAILS: process-crash")


def test_a_run_is_ended_with_all_that_it_started(tmp_path):
    script = tmp_path / "repro.py"
    script.write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    run = run_script(Path(sys.executable), script, 2)
    assert run.code is None
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(run.stdout)) and psutil.Process(int(run.stdout)).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_hang_has_time_to_be_seen():
    known = finding("hang")
    assert patience(known) > known.seconds_a_case + 60
