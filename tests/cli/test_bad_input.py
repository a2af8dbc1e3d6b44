"""Bad input of any kind: one clear line on stderr, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.cli import COMMANDS, main
from graphfuzz.corpus import Entry, make_entry, write_entry
from graphfuzz.oracle.route import load_route
from tests.examples import ROUTE, relu_case, wrong


@pytest.fixture
def entry(registry) -> Entry:
    return make_entry(relu_case(), wrong(relu_case()), load_route(ROUTE), registry, "2026-01-02")


@pytest.fixture
def stored(entry, tmp_path) -> Path:
    return write_entry(tmp_path / "corpus", entry)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def assert_refused(result: Result, *said: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("graphfuzz: ")
    assert result.stderr.count("\n") == 1
    for text in said:
        assert text in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_an_unknown_option(command):
    assert_refused(invoke(command, "--no-such-option"), "--no-such-option", f"{command} --help")


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["show"], ["minimize"]])
def test_a_wrong_command_line_is_one_line(arguments):
    assert_refused(invoke(*arguments))


def test_an_unknown_route_is_named_with_those_there_are(stored):
    assert_refused(invoke("replay", stored, "--route", "torch-tvm"), "torch-tvm", "torch-dynamo-ort")


@pytest.mark.parametrize(
    ("lane", "said"), [("patern=1", "'pattern'"), ("pattern", "NAME=SHARE"), ("pattern=0", "no lane has a share")]
)
def test_a_lane_that_is_none_is_named_before_anything_starts(lane, said, tmp_path):
    assert_refused(invoke("fuzz", "--lane", lane, "--corpus", tmp_path / "corpus"), said)
    assert not (tmp_path / "corpus").exists()


def test_a_missing_pack_is_named(stored):
    for command in (["ops"], ["replay", stored], ["minimize", stored]):
        assert_refused(invoke(*command, "--operators", "nowhere/at/all"), "nowhere/at/all")


@pytest.mark.parametrize("command", ["show", "minimize", "replay"])
def test_a_missing_entry_is_named(command, tmp_path):
    assert_refused(invoke(command, tmp_path / "none"), str(tmp_path / "none"))


def _truncate(path: Path) -> None:
    (path / "tensors.npz").write_bytes((path / "tensors.npz").read_bytes()[:50])


def _remove(path: Path) -> None:
    (path / "case.json").unlink()


def _make_newer(path: Path) -> None:
    data = json.loads((path / "finding.json").read_text())
    (path / "finding.json").write_text(json.dumps({**data, "schema": 2}))


@pytest.mark.parametrize(
    ("damage", "said"), [(_truncate, "tensors.npz"), (_remove, "case.json"), (_make_newer, "schema 2 is newer")]
)
@pytest.mark.parametrize("command", ["show", "minimize", "replay"])
def test_a_damaged_entry_is_named(command, damage, said, stored):
    damage(stored)
    assert_refused(invoke(command, stored), said)


def test_a_folder_that_cannot_be_written_is_named(stored, tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(invoke("minimize", stored, "-o", tmp_path / "file" / "x"), "cannot be written")


def test_the_overview_imports_no_command():
    code = "from graphfuzz.cli import main; import sys; main(['-h'], standalone_mode=False); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert not [name for name in ("numpy", "torch", "tensorflow", "rich", "graphfuzz.corpus") if f"'{name}'" in loaded]
    for name, line in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_no_command_shows_the_overview():
    result = invoke()
    assert result.exit_code == 0
    assert "replay" in result.output
