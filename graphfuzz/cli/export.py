"""`graphfuzz export`: entries in the forms in which other projects take them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import click

from graphfuzz.corpus.bisection import read_bisections
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.corpus.export import FORMATS, PROJECTS, report
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.spec.registry import load_registry


@click.command()
@click.argument("paths", metavar="ENTRY...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, type=click.Choice(list(FORMATS)), help="The format.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write to.")
@click.option("--project", type=click.Choice(list(PROJECTS)), help="Whom a report is for. [default: who is to blame]")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
def export(
    paths: tuple[Path, ...], form: str, output: Path, project: str | None, force: bool, packs: tuple[str, ...]
) -> None:
    """Write entries (at or below each ENTRY) in a form in which other projects take them. Each fails while its defect
    is there.

    \b
    script        a folder with the entry's reproduction; needs neither graphfuzz nor, mostly, any other file
    torch-pytest  a test of PyTorch's exporters, with torch.onnx.testing.assert_onnx_program
    tf2onnx-test  a test on tf2onnx's harness; goes into the folder `tests` of its sources
    onnx-backend  model.onnx and test_data_set_0, for onnx.backend.test and ONNX Runtime's onnx_test_runner;
                  expected is what the source model gives, so where the converter is at fault, a right runtime fails
    report        a bug report in Markdown for the project at fault; read it, and search for duplicates, first

    Nothing is written where an entry does not fit the format, or a file is there already.

    Exit code: 0; 2 for bad input.
    """
    if project and form != "report":
        raise UsageError(f"--project is for reports, not for {form}")
    registry = load_registry(packs)
    files: dict[str, bytes] = {}
    for path in entries(paths):
        if form == "report":
            files |= report(read_entry(path), registry, project, read_bisections(path))
        else:
            files |= FORMATS[form](read_entry(path), registry)
    if not files:
        raise UsageError("no entry is there; name one, or a folder of entries")
    _write(output, files, force)
    for name in files:
        click.echo(str(output / name))


def _write(folder: Path, files: Mapping[str, bytes], force: bool) -> None:
    """Write all files below the folder, each whole or not at all. Raises EntryError."""
    there = [folder / name for name in files if os.path.lexists(folder / name)]
    if there and not force:
        raise EntryError(f"{there[0]}: is there already; choose another folder, or replace it by --force")
    for name, content in files.items():
        try:
            _write_file(folder / name, content)
        except OSError as error:
            raise EntryError(f"{folder / name}: cannot be written: {error.strerror}; choose another folder") from error


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
