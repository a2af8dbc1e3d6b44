"""What is exported runs where it is for, and fails there while the defect is there, and not where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.harnesses import Unavailable, backend_passes, pytest_failures, tf2onnx_tests
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


def blameless(route: str, framework: str, registry, inner: int = 3) -> Entry:
    """An entry on a case that the route converts as it should, with a weight, as if it did not."""
    x, w, y = value("x0", shape=(2, inner)), value("w0", shape=(inner, 4)), value("v0", shape=(2, 4))
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
    """What pytest says, by test module, or report: how it failed, or nothing."""
    return pytest_failures(sys.executable, folder, importable)


def assert_said(found: dict[str, str], expected: dict[str, str]) -> None:
    assert found.keys() == expected.keys()
    for name, words in expected.items():
        assert (words in found[name]) if words else not found[name], f"{name}: {found[name]}"


def test_pytorchs_tests_and_reports(registry, tmp_path):
    """The precise differences, an invalid model, both exporters, a weight, and an optimizer of the runtime."""
    good = [blameless("torch-dynamo-ort", "torch", registry), blameless("torch-script-ort", "torch", registry)]
    tests = {
        "torch-dynamo-ort-wrong-output-gelu-tanh-5db213": "Absolute difference: 4.8",
        "torch-dynamo-ort-invalid-model-cast-b5d2c0": "single static assignment",
        "torch-script-ort-wrong-output-floor-divide-by-a03825": "Expected -1.0 but got 0.0",
        "torch-script-ort-wrong-output-cumsum-388f28": "torch.int32 != torch.int64",
    }
    reports = {
        "torch-dynamo-ort-wrong-output-scale-a0b4d2": "expected: 0.9\nactual:   0.8999999761581421\n",
        "torch-dynamo-ort-load-failure-where-2e6909": "Node input 'logical_not' is not a graph input",
        "torch-script-ort-wrong-output-attention-616d10": "['MatMulScaleFusion'] -0.8883855615856606",
        "torch-script-ort-wrong-output-roll-39dc13": "expected: -3.0\nactual:   8.0\n",
    }
    scripts = {"torch-script-ort-wrong-output-maximum-c4635f": "exit code 1"}
    write(tmp_path, [*map(stored, tests), *good], "torch-pytest", registry)
    write(tmp_path, map(stored, scripts), "script", registry)
    write(tmp_path, map(stored, reports), "report", registry)
    (tmp_path / "test_reports.py").write_text(_REPORTS)
    assert_said(failures(tmp_path), {**{entry.slug: "" for entry in good}, **tests, **reports, **scripts})


@pytest.fixture(scope="session")
def tf2onnx_folder(request) -> Path:
    """tf2onnx's own tests. Kept in pytest's cache."""
    try:
        return tf2onnx_tests(sys.executable, request.config.cache.mkdir("tf2onnx"))
    except Unavailable as error:
        pytest.skip(str(error))


def test_tf2onnxs_tests_and_reports(tf2onnx_folder, registry, tmp_path):
    """In tf2onnx's harness."""
    good = blameless("tf2onnx-ort", "keras", registry)
    tests = {
        "tf2onnx-ort-wrong-output-log-216bc7": "Mismatched elements: 1 / 1",
        "tf2onnx-ort-invalid-model-relu-3dbc00": "INVALID_GRAPH",
        "tf2onnx-ort-wrong-output-floor-divide-23b6ed": "Mismatched elements: 1 / 1",
    }
    reports = {
        "tf2onnx-ort-invalid-model-take-d10f73": "['x0', 'functional_1/Less/x:0']",
        "tf2onnx-ort-wrong-output-remainder-2ffc77": "expected: 3\nactual:   -4\n",
        "tf2onnx-ort-run-failure-greater-6e622f": "FastGelu",
    }
    write(tmp_path, [*map(stored, tests), good], "tf2onnx-test", registry)
    write(tmp_path, map(stored, reports), "report", registry)
    (tmp_path / "test_reports.py").write_text(_REPORTS)
    assert_said(failures(tmp_path, tf2onnx_folder), {good.slug: "", **tests, **reports})


def test_onnxs_backend_tests(registry, tmp_path):
    """A runtime's optimizer at fault: without optimizations the test is passed, so what it expects is right."""
    names = (
        "torch-dynamo-ort-wrong-output-attention-78b47c",
        "tf2onnx-ort-run-failure-greater-6e622f",
        "torch-dynamo-ort-wrong-output-gelu-tanh-5db213",
        "torch-dynamo-ort-invalid-model-cast-b5d2c0",
    )
    write(tmp_path / "simple", map(stored, names), "onnx-backend", registry)
    optimized, plain = backend_passes(sys.executable, tmp_path)
    tests = [f"test_{name.replace('-', '_')}" for name in names]
    assert optimized == dict.fromkeys(tests, False)
    assert plain == dict(zip(tests, [True, True, False, False], strict=True))


def test_a_script_that_reads_its_arrays_has_them_beside_it(registry, tmp_path):
    large = blameless("torch-script-ort", "torch", registry, 500)
    small = stored("torch-script-ort-wrong-output-roll-39dc13")
    write(tmp_path, [large, small], "script", registry)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"{large.slug}/repro.py", f"{large.slug}/tensors.npz", f"{small.slug}/repro.py"]
    assert (tmp_path / small.slug / "repro.py").read_text() == small.repro
