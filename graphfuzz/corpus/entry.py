"""A corpus entry: one minimized finding in a folder that people, git and `graphfuzz replay` can all read.

    <slug>/case.json      the case without its arrays
           tensors.npz    inputs, weights, and the source model's recorded outputs as `expected.<name>`;
                          inputs of other sizes as `<name>.1`, `<name>.2`, ...
           finding.json   what was found, in what versions, since when
           repro.py       runs alone; exit 1 while the finding stands
           model.onnx     the converted model, where one was produced

An entry is there whole or not at all: it is written to a temporary folder beside its place, synced, and renamed.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from graphfuzz.corpus.finding import (
    MEMORY,
    SECONDS,
    TOLERANCE,
    Finding,
    finding_from_json,
    finding_to_json,
    make_finding,
)
from graphfuzz.corpus.repro import repro_source
from graphfuzz.errors import EntryError
from graphfuzz.graph import Array, Case, case_from_json, case_to_json, pack_arrays, unpack_arrays
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import Registry

EXPECTED = "expected."
TEMPORARY = ".writing-"
ASIDE = ".replaced-"


class Entry(msgspec.Struct, frozen=True, eq=False):
    """A finding with everything needed to see it again. expected: the source model's outputs by name."""

    case: Case
    finding: Finding
    expected: dict[str, Array]
    repro: str
    model: bytes = b""

    @property
    def slug(self) -> str:
        """The folder's name."""
        return self.finding.slug


def make_entry(
    case: Case,
    outcome: Outcome,
    route: Route,
    registry: Registry,
    first_seen: str,
    *,
    tolerance: str = TOLERANCE,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    attribution: Attribution | None = None,
) -> Entry:
    """The entry of a (minimized) finding. first_seen: a date, ISO 8601.

    tolerance: the rule of comparison in force, as `parse_tolerance` reads it. seconds, memory (bytes): what the case
    was allowed to take. attribution: who is to blame, where that was asked. Raises EntryError where the outcome's arrays cannot be read or the route's source cannot be
    shown, UsageError for a tolerance that does not exist.
    """
    finding = make_finding(
        case.graph, outcome, first_seen, tolerance=tolerance, seconds=seconds, memory=memory, attribution=attribution
    )
    told = msgspec.structs.replace(outcome, message=finding.message, traceback=finding.traceback)
    expected = unpack_arrays(outcome.expected, "the recorded outputs") if outcome.expected else {}
    script = repro_source(case, told, route, registry, tolerance=tolerance, seconds=seconds, memory=memory)
    return Entry(case, finding, expected, script, outcome.model)


def write_entry(folder: Path, entry: Entry) -> Path:
    """Store the entry below the folder, in place of one of the same slug. Returns where it is.

    What killed writers left behind is removed. Raises EntryError where it cannot be written;
    an entry of the same slug that was there before is there still.
    """
    place = folder / entry.slug
    with _writing(place):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        temporary = _temporary(folder)
        try:
            temporary.mkdir()
            for name, content in _files(entry).items():
                _write_synced(temporary / name, content)
            _sync_folder(temporary)
            _move_into_place(temporary, place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(folder)
    return place


def write_case(folder: Path, case: Case) -> Path:
    """Store a case of which nothing is found, as an entry has it: `case.json` and `tensors.npz`. Raises EntryError."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write_synced(folder / "tensors.npz", pack_arrays(case.arrays()))
        _write_synced(folder / "case.json", case_to_json(case).encode())
    return folder


def remove_entry(path: Path) -> None:
    """Remove an entry's folder, at once for whoever looks for entries. Raises EntryError where that is impossible."""
    with _writing(path):
        temporary = _temporary(path.parent)
        path.rename(temporary)
        shutil.rmtree(temporary)


def check_writable(folder: Path) -> None:
    """Make the folder where it is missing, and try to write there. Raises EntryError."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        trial = _temporary(folder)
        trial.mkdir()
        trial.rmdir()


def read_entry(path: Path) -> Entry:
    """The entry in a folder. Raises EntryError where it is missing, damaged or newer than this graphfuzz."""
    if not path.is_dir():
        raise EntryError(f"{path}: there is no such entry; name a folder that holds a case.json")
    arrays = unpack_arrays(_read(path / "tensors.npz"), str(path / "tensors.npz"))
    given = {name: a for name, a in arrays.items() if not name.startswith(EXPECTED)}
    case = case_from_json(_read(path / "case.json"), given, str(path / "case.json"))
    finding = finding_from_json(_read(path / "finding.json"), str(path / "finding.json"))
    expected = {name.removeprefix(EXPECTED): a for name, a in arrays.items() if name.startswith(EXPECTED)}
    model = path / "model.onnx"
    return Entry(case, finding, expected, _text(path / "repro.py"), _read(model) if model.exists() else b"")


def entries(paths: Iterable[Path]) -> list[Path]:
    """The folders of all entries at or below these paths, sorted. Raises EntryError for a path that does not exist."""
    found: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            raise EntryError(f"{path}: there is no such folder; name an entry, or a folder of entries")
        try:
            found.update(_entries_below(path))
        except OSError as error:
            raise EntryError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return sorted(found)


def _entries_below(path: Path) -> Iterator[Path]:
    names = {p.name for p in path.iterdir()}
    if {"case.json", "finding.json"} & names:
        yield path
        return
    for name in sorted(names):
        replaced = name.startswith(ASIDE) and name.removeprefix(ASIDE) not in names
        if (path / name).is_dir() and (replaced or not name.startswith(".")):
            yield from _entries_below(path / name)


def _files(entry: Entry) -> dict[str, bytes]:
    expected = {EXPECTED + name: array for name, array in entry.expected.items()}
    files = {
        "case.json": case_to_json(entry.case).encode(),
        "tensors.npz": pack_arrays({**entry.case.arrays(), **expected}),
        "finding.json": finding_to_json(entry.finding).encode(),
        "repro.py": entry.repro.encode(),
    }
    return {**files, "model.onnx": entry.model} if entry.model else files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise EntryError(f"{path}: is missing; restore it or delete the entry") from None
    except OSError as error:
        raise EntryError(f"{path}: cannot be read: {error.strerror}") from None


def _text(path: Path) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError as error:
        raise EntryError(f"{path}: not a text file ({error}); restore it or delete the entry") from None


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EntryError(
            f"{place}: cannot be written: {error.strerror or error}; free some space or choose another folder"
        ) from error


def _temporary(folder: Path) -> Path:
    """A new name in the folder that `entries` passes over, and `_remove_leftovers` removes once its writer is gone."""
    return folder / f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex}"


def _remove_leftovers(folder: Path) -> None:
    """Clear away what killed writers left; an entry that had stepped aside and was not replaced goes back."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        writer = leftover.name.removeprefix(TEMPORARY).partition("-")[0]
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):
            shutil.rmtree(leftover)
    for aside in folder.glob(f"{ASIDE}*"):
        place = folder / aside.name.removeprefix(ASIDE)
        if place.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(place)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move_into_place(temporary: Path, place: Path) -> None:
    """Rename over an older entry; a rename cannot replace a full folder, so the older one steps aside first.

    A kill between the two renames leaves the older entry aside, where `entries` finds it.
    """
    if not place.exists():
        temporary.rename(place)
        return
    aside = place.parent / f"{ASIDE}{place.name}"
    place.rename(aside)
    temporary.rename(place)
    shutil.rmtree(aside)
