"""Where exported entries run: the harnesses of the projects that they are exported for, in a process of their own."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

SECONDS = 1800
"""How long a harness may take for all that it is given."""

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


class Unavailable(Exception):
    """A harness that cannot be had here; says why."""


class Died(Exception):
    """What a test tests took the whole process down."""


def pytest_failures(python: str, folder: Path, importable: Sequence[Path] = ()) -> dict[str, str]:
    """What that Python's pytest says of the modules `test_*.py` of a folder: how each failed, or nothing. Of a
    parametrized test the parameter stands for the module. importable: further folders to import from. Raises Died."""
    names = sorted(path.name for path in folder.glob("test_*.py"))
    command = [python, "-W", "ignore", "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(folder), "--junitxml=said.xml", *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, importable))},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if ran.returncode < 0:
        raise Died(f"pytest was ended by signal {-ran.returncode}")
    if ran.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {ran.returncode}: {ran.stdout}{ran.stderr}")
    found = {}
    for case in ElementTree.parse(folder / "said.xml").iter("testcase"):
        parameter = re.search(r"\[(.*)\]", case.attrib["name"])
        failure = case.find("failure")
        module = case.attrib["classname"].split(".")[0].removeprefix("test_").replace("_", "-")
        found[parameter[1] if parameter else module] = (
            "" if failure is None else f"{failure.attrib['message']}\n{failure.text}"
        )
    return found


def backend_passes(python: str, folder: Path) -> tuple[dict[str, bool], dict[str, bool]]:
    """Which of the tests in `simple` below a folder, in the layout of ONNX's backend tests, ONNX Runtime passes: as it
    is, and without its optimizations. Raises Died."""
    command = [python, "-W", "ignore", "-c", _RUNNER, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if ran.returncode < 0:
        raise Died(f"the runner was ended by signal {-ran.returncode}")
    if ran.returncode:
        raise RuntimeError(f"the runner ended with {ran.returncode}: {ran.stderr}")
    optimized, plain = (
        {name: said == "True" for name, said in (word.split("=") for word in line.split())}
        for line in ran.stdout.splitlines()
    )
    return optimized, plain


def tf2onnx_tests(python: str, folder: Path) -> Path:
    """tf2onnx's own tests, from its source distribution, and what they import, below a folder that keeps them. Raises
    Unavailable."""
    tests = folder / f"tf2onnx-{version('tf2onnx')}"
    if tests.exists():
        return tests
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch)
        pip = [python, "-m", "pip", "-q", "--disable-pip-version-check"]
        for command in (
            [*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", str(made), f"tf2onnx=={version('tf2onnx')}"],
            [*pip, "install", "--no-deps", "--target", str(made / "tests"), "parameterized"],
        ):
            ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            if ran.returncode:
                raise Unavailable(f"tf2onnx's tests cannot be had: {ran.stderr.strip().splitlines()[-1:]}")
        (archive,) = made.glob("*.tar.gz")
        with tarfile.open(archive) as sources:
            for name in ("backend_test_base.py", "common.py", "tfjs_runner.py"):
                file = sources.extractfile(f"{archive.name.removesuffix('.tar.gz')}/tests/{name}")
                assert file is not None
                (made / "tests" / name).write_bytes(file.read())
        (made / "tests").rename(tests)
    return tests
