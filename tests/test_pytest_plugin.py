"""One test an entry, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.stored import PLAIN, store

ROOT = Path(__file__).parents[1]


def run(folder: Path, *arguments: object) -> tuple[int, dict[str, tuple[str, str]], str]:
    """The exit code, what became of each test, and what was printed, in a folder without tests."""
    command = [sys.executable, "-m", "pytest", "-p", "graphfuzz.pytest_plugin", "--strict-markers", "--junitxml=r.xml"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=280,
    )
    told = {}
    if (folder / "r.xml").exists():
        for case in ElementTree.parse(folder / "r.xml").iter("testcase"):
            kind = next((child for child in case), None)
            text = "" if kind is None else f"{kind.get('message')} {kind.text}"
            told[str(case.get("name"))] = ("passed" if kind is None else kind.get("type") or kind.tag, text)
    return done.returncode, told, done.stdout + done.stderr


@pytest.fixture
def corpus(tmp_path, registry) -> Path:
    return tmp_path / "corpus"


def test_known_defects_are_expected_failures_and_only_a_changed_one_fails(corpus, registry):
    for recorded, runs_on in (("wrong", "wrong"), ("wrong", "right"), ("raising", "wrong"), ("wrong", "nowhere")):
        store(corpus, recorded, runs_on, registry)
    damaged = store(corpus, "wrong", "invalid", registry)
    (damaged / "case.json").write_text("{")
    code, told, _ = run(corpus.parent, "--graphfuzz-corpus", "corpus", "--graphfuzz-repeats", 0, "-m", "graphfuzz")
    assert code == 1
    assert {name: kind for name, (kind, _) in told.items()} == {
        "wrong-wrong": "pytest.xfail",
        "wrong-right": "passed",
        "raising-wrong": "failure",
        "wrong-nowhere": "pytest.skip",
        "wrong-invalid": "failure",
    }
    assert "changed: wrong-output" in told["raising-wrong"][1]
    assert "graphfuzz replay" in told["raising-wrong"][1]
    assert "nowhere" in told["wrong-nowhere"][1]
    assert "case.json" in told["wrong-invalid"][1]


def test_where_statuses_are_expected_whatever_is_news_fails(corpus, registry):
    for recorded in ("wrong", "raising"):
        store(corpus, recorded, "nowhere", registry)
    (corpus.parent / "expected.toml").write_text(f'["{PLAIN}nowhere"]\nraising-nowhere = "cannot run"\n')
    code, told, _ = run(corpus.parent, "--graphfuzz-corpus", "corpus", "--graphfuzz-expect", "expected.toml")
    assert code == 1
    assert {name: kind for name, (kind, _) in told.items()} == {
        "raising-nowhere": "pytest.skip",
        "wrong-nowhere": "failure",
    }
    assert "regression: expected nothing; cannot run" in told["wrong-nowhere"][1]


def test_entries_are_spread_over_the_processes_of_xdist(corpus, registry):
    for recorded, runs_on in (("wrong", "of_keras"), ("raising", "of_keras"), ("wrong", "nowhere")):
        store(corpus, recorded, runs_on, registry)
    of = ("--graphfuzz-route", PLAIN + "of_keras")
    code, told, said = run(corpus.parent, "-n", 2, "--graphfuzz-corpus", corpus, *of)
    assert code == 0, said
    assert {name: kind for name, (kind, _) in told.items()} == {
        "wrong-of-keras": "pytest.skip",
        "raising-of-keras": "pytest.skip",
    }


def test_a_test_on_another_route_is_named_after_it(corpus, registry):
    store(corpus, "wrong", "nowhere", registry)
    code, told, said = run(corpus.parent, "--graphfuzz-corpus", "corpus", "--graphfuzz-on", PLAIN + "of_keras")
    assert (code, list(told)) == (0, [f"wrong-nowhere[{PLAIN}of_keras]"]), said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--graphfuzz-corpus", "nowhere"), "there is no such folder"),
        (("--graphfuzz-corpus", ".", "--graphfuzz-route", "torch-tvm"), "there is no route 'torch-tvm'"),
        (("--graphfuzz-corpus", ".", "--graphfuzz-expect", "none.toml"), "--update-expect writes it"),
    ],
)
def test_bad_input_is_an_error_of_collection(arguments, said, tmp_path):
    code, _, printed = run(tmp_path, *arguments)
    assert code == 2, printed
    assert said in printed
    assert "Traceback" not in printed


def test_without_a_corpus_nothing_is_imported_and_nothing_else_is_collected(tmp_path):
    (tmp_path / "test_it.py").write_text("import sys\ndef test_it(): assert 'graphfuzz.corpus' not in sys.modules\n")
    code, told, said = run(tmp_path)
    assert (code, told) == (0, {"test_it": ("passed", "")}), said
