"""`graphfuzz export`: all files or none, and one line for what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphfuzz.corpus.export import FORMATS
from tests.cli.test_bad_input import assert_refused, invoke

CORPUS = Path(__file__).parents[2] / "corpus"
TORCH = CORPUS / "torch-dynamo-ort-wrong-output-gelu-tanh-5db213"
KERAS = CORPUS / "tf2onnx-ort-wrong-output-log-216bc7"
CRASH = CORPUS / "torch-script-ort-process-crash-matmul-491454"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_several_entries_are_written_and_named(tmp_path):
    result = invoke("export", TORCH, KERAS, "--to", "report", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [str(tmp_path / "out" / f"{path.name}.md") for path in sorted([TORCH, KERAS])]
    assert files(tmp_path / "out") == sorted(f"{path.name}.md" for path in (TORCH, KERAS))


@pytest.mark.parametrize(
    ("entry", "form", "said"),
    [
        (KERAS, "torch-pytest", "for PyTorch's exporters"),
        (TORCH, "tf2onnx-test", "for tf2onnx"),
        (CRASH, "onnx-backend", "no ONNX model was recorded"),
        (CORPUS / "tf2onnx-ort-invalid-model-take-d10f73", "onnx-backend", "no input of the source model"),
    ],
)
def test_an_entry_that_does_not_fit_is_named_and_nothing_is_written(entry, form, said, tmp_path):
    other = KERAS if form == "tf2onnx-test" else TORCH
    assert_refused(invoke("export", other, entry, "--to", form, "-o", tmp_path / "out"), entry.name, said)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_there_is_replaced_by_force_only(tmp_path):
    path = tmp_path / f"{TORCH.name}.md"
    path.write_text("mine")
    assert_refused(invoke("export", TORCH, "--to", "report", "-o", tmp_path), str(path), "--force")
    assert path.read_text() == "mine"
    assert invoke("export", TORCH, "--to", "report", "-o", tmp_path, "--force").exit_code == 0
    assert path.read_text() != "mine"
    assert files(tmp_path) == [path.name]


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    assert_refused(invoke("export", TORCH, "--to", "script", "-o", tmp_path / "file"), str(tmp_path / "file"))


def test_projects_are_of_reports_only(tmp_path):
    assert_refused(invoke("export", TORCH, "--to", "script", "--project", "pytorch", "-o", tmp_path), "--project")
    result = invoke("export", TORCH, "--to", "report", "--project", "onnxruntime", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "### Execution Provider" in (tmp_path / f"{TORCH.name}.md").read_text()


@pytest.mark.parametrize("missing", [["--to", "report"], ["-o", "out"], ["--to", "pickle", "-o", "out"]])
def test_format_and_folder_must_be_told(missing):
    assert_refused(invoke("export", TORCH, *missing))


def test_the_help_tells_every_format():
    assert all(f"\n  {name} " in invoke("export", "--help").output for name in FORMATS)
