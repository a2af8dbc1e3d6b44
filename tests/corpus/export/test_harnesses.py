"""What is exported runs where it is for, and fails there while the defect is there, and not where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import pytest
from msgspec.structs import replace

from graphfuzz.corpus import Entry, make_entry, read_entry
from graphfuzz.corpus.export import FORMATS
from graphfuzz.graph import Graph
from graphfuzz.oracle.route import load_route
from tests.examples import case_of, node, value, wrong

CORPUS = Path(__file__).parents[3] / "corpus"

_REPORTS = '''
import contextlib, io, re, runpy
from pathlib import Path
import pytest

FOLDER = Path(__file__).parent
PATHS = {path.stem: path for path in FOLDER.glob("*.md")}
PATHS |= {path.parent.name: path for path in FOLDER.glob("*/repro.py")}

@pytest.mark.parametrize("name", sorted(PATHS))
def test_code(name):
    """Runs a report's code, which fails with what it raised or printed, or a script, which ends with its exit code."""
    text, said = PATHS[name].read_text(), io.StringIO()
    if PATHS[name].suffix == ".py":
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(PATHS[name]), run_name="__main__")
        pytest.fail(f"exit code {ended.value.code}")
    code = re.search(r"```python\\n(.*?)```", text, re.DOTALL)[1]
    with contextlib.redirect_stdout(said):
        exec(compile(code, name, "exec"), {"__name__": "__main__"})
    pytest.fail(said.getvalue())
'''


def stored(slug: str) -> Entry:
    return read_entry(CORPUS / slug)


def blameless(route: str, framework: str, registry) -> Entry:
    """An entry on a case that the route converts as it should, with a weight, as if it did not."""
    x, w, y = value("x0", shape=(2, 3)), value("w0", shape=(3, 4)), value("v0", shape=(2, 4))
    case = case_of(Graph((x,), (w,), (node("matmul", "x0 w0", y),), ("v0",)))
    case = replace(case, framework=framework)
    return make_entry(case, replace(wrong(case), route=route), load_route(route), registry, "2026-01-02")


def write(folder: Path, entries: Iterable[Entry], form: str, registry) -> None:
    for entry in entries:
        for name, content in FORMATS[form](entry, registry).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def failures(folder: Path, *importable: Path) -> dict[str, str]:
    """What pytest says in a process of its own, by test module, or report: how it failed, or nothing."""
    names = sorted(
        path.name for path in folder.glob("test_*.py") if "_ort_" in path.name or path.name == "test_reports.py"
    )
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider"]
    paths = os.pathsep.join(map(str, importable))
    ran = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(folder), "--junitxml=said.xml", *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    found = {}
    for case in ElementTree.parse(folder / "said.xml").iter("testcase"):
        report = re.search(r"\[(.*)\]", case.attrib["name"])
        failure = case.find("failure")
        where = report[1] if report else case.attrib["classname"].split(".")[0].removeprefix("test_").replace("_", "-")
        found[where] = "" if failure is None else f"{failure.attrib['message']}\n{failure.text}"
    return found


def assert_said(found: dict[str, str], expected: dict[str, str]) -> None:
    assert found.keys() == expected.keys()
    for name, words in expected.items():
        assert (words in found[name]) if words else not found[name], f"{name}: {found[name]}"


def test_pytorchs_tests_and_reports(registry, tmp_path):
    """The precise differences, an invalid model, both exporters, a weight, and an optimizer of the runtime."""
    good = [blameless("torch-dynamo-ort", "torch", registry), blameless("torch-script-ort", "torch", registry)]
    tests = {
        "torch-dynamo-ort-wrong-output-gelu-tanh-5db213": "Greatest absolute difference: 4.8",
        "torch-dynamo-ort-invalid-model-cast-b5d2c0": "single static assignment",
        "torch-script-ort-wrong-output-floor-divide-by-5aef49": "Mismatched elements: 61 / 144",
        "torch-script-ort-wrong-output-cumsum-388f28": "torch.int32 != torch.int64",
    }
    reports = {
        "torch-dynamo-ort-wrong-output-scale-da78ea": "expected: 0.887\nactual:   0.8870000243186951\n",
        "torch-dynamo-ort-load-failure-where-2e6909": "Node input 'logical_not' is not a graph input",
        "torch-script-ort-wrong-output-attention-616d10": "['MatMulScaleFusion'] -0.47442446",
        "torch-script-ort-wrong-output-roll-4f7d20": "expected: 8\nactual:   -3\n",
    }
    scripts = {"torch-script-ort-wrong-output-roll-6b8f15": "exit code 1"}
    write(tmp_path, [*map(stored, tests), *good], "torch-pytest", registry)
    write(tmp_path, map(stored, scripts), "script", registry)
    write(tmp_path, map(stored, reports), "report", registry)
    (tmp_path / "test_reports.py").write_text(_REPORTS)
    assert_said(failures(tmp_path), {**{entry.slug: "" for entry in good}, **tests, **reports, **scripts})


@pytest.fixture(scope="session")
def tf2onnx_tests(request, tmp_path_factory) -> Path:
    """tf2onnx's own tests, from its source distribution, and what they import. Kept in pytest's cache."""
    folder = request.config.cache.mkdir(f"tf2onnx-{version('tf2onnx')}")
    if not (folder / "tests").exists():
        made = tmp_path_factory.mktemp("tf2onnx")
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
        fetched = [
            [*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", str(made), f"tf2onnx=={version('tf2onnx')}"],
            [*pip, "install", "--no-deps", "--target", str(made / "tests"), "parameterized"],
        ]
        for command in fetched:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=200)
            if ran.returncode:
                pytest.skip(f"tf2onnx's tests cannot be had: {ran.stderr.strip().splitlines()[-1:]}")
        (archive,) = made.glob("*.tar.gz")
        with tarfile.open(archive) as sources:
            for name in ("backend_test_base.py", "common.py", "tfjs_runner.py"):
                file = sources.extractfile(f"{archive.name.removesuffix('.tar.gz')}/tests/{name}")
                assert file is not None
                (made / "tests" / name).write_bytes(file.read())
        (made / "tests").rename(folder / "tests")
    return folder / "tests"


def test_tf2onnxs_tests_and_reports(tf2onnx_tests, registry, tmp_path):
    """In tf2onnx's harness."""
    good = blameless("tf2onnx-ort", "keras", registry)
    tests = {
        "tf2onnx-ort-wrong-output-log-216bc7": "Mismatched elements: 8 / 8",
        "tf2onnx-ort-invalid-model-relu-3dbc00": "INVALID_GRAPH",
        "tf2onnx-ort-wrong-output-floor-divide-23b6ed": "Mismatched elements: 28 / 72",
    }
    reports = {
        "tf2onnx-ort-invalid-model-take-d10f73": "['x0', 'functional_1/Less/x:0']",
        "tf2onnx-ort-wrong-output-remainder-2ffc77": "expected: 3\nactual:   -4\n",
        "tf2onnx-ort-run-failure-greater-6e622f": "FastGelu",
    }
    write(tmp_path, [*map(stored, tests), good], "tf2onnx-test", registry)
    write(tmp_path, map(stored, reports), "report", registry)
    (tmp_path / "test_reports.py").write_text(_REPORTS)
    assert_said(failures(tmp_path, tf2onnx_tests), {good.slug: "", **tests, **reports})


_RUNNER = """
import sys
import onnx.backend.test.runner as runner
from onnx.backend.test.loader import load_model_tests
import onnxruntime, onnxruntime.backend

own = load_model_tests(sys.argv[1], "simple")
runner.load_model_tests = lambda kind: own if kind == "simple" else []  # ONNX's own are some thousand
off = {case.name: {"graph_optimization_level": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL} for case in own}
for options in ({}, off):
    tests = runner.Runner(onnxruntime.backend, __name__, options).exclude("_cuda").test_suite
    result = tests.run(runner.unittest.TestResult())
    failed = {test.id().rpartition(".")[2] for test, _ in (*result.failures, *result.errors)}
    print(*(f"{case.name}={f'{case.name}_cpu' not in failed}" for case in own))
"""


def test_onnxs_backend_tests(registry, tmp_path):
    """A runtime's optimizer at fault: without optimizations the test is passed, so what it expects is right."""
    names = (
        "torch-dynamo-ort-wrong-output-attention-78b47c",
        "tf2onnx-ort-run-failure-greater-6e622f",
        "torch-dynamo-ort-wrong-output-gelu-tanh-5db213",
        "torch-dynamo-ort-invalid-model-cast-b5d2c0",
    )
    write(tmp_path / "simple", map(stored, names), "onnx-backend", registry)
    command = [sys.executable, "-W", "ignore", "-c", _RUNNER, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    optimized, plain = (dict(word.split("=") for word in line.split()) for line in ran.stdout.splitlines())
    tests = [f"test_{name.replace('-', '_')}" for name in names]
    assert optimized == dict.fromkeys(tests, "False")
    assert plain == dict(zip(tests, ["True", "True", "False", "False"], strict=True))


def test_a_script_that_reads_its_arrays_has_them_beside_it(registry, tmp_path):
    large, small = (
        stored("tf2onnx-ort-wrong-output-attention-a121f1"),
        stored("torch-script-ort-wrong-output-roll-4f7d20"),
    )
    write(tmp_path, [large, small], "script", registry)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"{large.slug}/repro.py", f"{large.slug}/tensors.npz", f"{small.slug}/repro.py"]
    assert (tmp_path / small.slug / "repro.py").read_text() == small.repro
