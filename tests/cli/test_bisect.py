"""`graphfuzz bisect` from end to end, on an index of tiny wheels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.cli import main
from graphfuzz.corpus import make_entry, read_entry, write_entry
from graphfuzz.corpus.bisection import read_bisections
from graphfuzz.corpus.entry import BISECTION
from graphfuzz.oracle.route import load_route
from tests.examples import ROUTE, relu_case, wrong
from tests.wheels import make_wheel

SCRIPT = """\
import sys
import tinyrt
failed = tinyrt.answer() != 42
print("STILL FAILS: wrong-output" if failed else "FIXED: no wrong-output")
sys.exit(failed)
"""
RIGHT = "def answer():\n    return 42\n"
WRONG = "def answer():\n    return 41\n"
VERSIONS = {"1.0": "import tinydep, nowhere", "1.1": f"import tinydep\n{RIGHT}", "1.2": "", "1.3": WRONG, "1.4": RIGHT}
REQUIRES = {"1.0": ["tinydep", "nowhere"], "1.1": ["tinydep"]}


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    for version, source in VERSIONS.items():
        make_wheel(folder, "tinyrt", version, source, REQUIRES.get(version, []))
    make_wheel(folder, "tinydep", "2.0", "")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def offline(index, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))


@pytest.fixture
def stored(registry, tmp_path) -> Path:
    entry = make_entry(relu_case(), wrong(relu_case()), load_route(ROUTE), registry, "2026-01-02")
    path = write_entry(tmp_path / "corpus", entry)
    (path / "repro.py").write_text(SCRIPT)
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bisect", *(str(a) for a in arguments)])


def test_the_version_that_brought_it_is_named_stored_and_shown(stored, cache):
    result = invoke(stored, "--package", "TinyRT", "--to", "1.3", "--cache", cache)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "tinyrt: first bad version: one of 1.2, 1.3 (1.1 is good)"
    too_old = "ModuleNotFoundError: No module named 'tinydep'; with what it requires: cannot be installed"
    assert f"tinyrt 1.0: cannot tell: {too_old}" in result.stderr
    (bisection,) = read_bisections(stored)
    states = [(probe.version, probe.state) for probe in bisection.probes]
    assert states == [("1.0", "cannot tell"), ("1.1", "good"), ("1.2", "cannot tell"), ("1.3", "bad")]
    shown = CliRunner().invoke(main, ["show", str(stored)]).stdout
    assert "bisect tinyrt        first bad version: one of 1.2, 1.3 (1.1 is good)" in shown
    write_entry(stored.parent, read_entry(stored))
    assert read_bisections(stored) == [bisection]


def test_all_versions_tell_what_came_and_went_and_what_was_laid_beside(stored, cache):
    result = invoke(stored, "--package", "tinyrt", "--all", "--from", "1.1", "--json", "--dry-run", "--cache", cache)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["conclusions"] == [
        "first bad version: one of 1.2, 1.3 (1.1 is good)",
        "first good version: 1.4 (1.3 is bad)",
    ]
    beside = {probe["version"]: probe["beside"] for probe in told["bisection"]["probes"]}
    assert beside == {"1.1": {"tinydep": "2.0"}, "1.2": {}, "1.3": {}, "1.4": {}}
    assert not (stored / BISECTION).exists()


def test_ends_that_agree_and_versions_that_cannot_tell_have_their_exit_code(stored, cache):
    agree = invoke(stored, "--package", "tinyrt", "--from", "1.3", "--to", "1.3", "--cache", cache)
    assert (agree.exit_code, agree.stdout.splitlines()[-1]) == (
        1,
        "tinyrt: no change: bad in all versions that can tell of those probed: 1.3",
    )
    neither = invoke(stored, "--package", "tinyrt", "--from", "1.2", "--to", "1.2", "--cache", cache)
    assert (neither.exit_code, neither.stdout.splitlines()[-1]) == (1, "tinyrt: no version that was probed can tell")


def test_a_damaged_bisection_is_named_before_anything_runs(stored, cache):
    (stored / BISECTION).write_text("{")
    result = invoke(stored, "--package", "tinyrt", "--cache", cache / "untouched")
    assert (result.exit_code, BISECTION in result.stderr) == (2, True)
    assert not (cache / "untouched").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--package"),
        (["--package", "no-such-package"], "no versions of 'no-such-package'"),
        (["--package", "tinyrt", "--with", "tinydep 2"], "is no requirement"),
    ],
)
def test_bad_input_is_one_line(options, said, stored, cache):
    result = invoke(stored, *options, "--cache", cache)
    assert result.exit_code == 2
    assert result.stderr.startswith("graphfuzz: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
