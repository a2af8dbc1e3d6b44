"""Folders of files that are there whole or not at all, whatever ends their writer.

Key insight: who writes holds the lock of the folder written in, and the kernel lets go of it however a process ends. So
what temporary things lie there while one holds it were left by writers that are dead, and may be cleared away.

What comes is written beside its place, synced, and renamed. A rename cannot replace a folder that is not empty: the
older one steps aside first. Between the two renames it is found where it has stepped (`whereabouts`), by readers at any
moment and by the next writer if the last was killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from graphfuzz.errors import EntryError

LOCK = ".lock"
TEMPORARY = ".writing-"
ASIDE = ".replaced-"
PATIENCE = 60.0
"""How long a writer waits for another, in seconds; one write takes some milliseconds."""

_OURS = re.compile(re.escape(TEMPORARY) + r"(?:\d+-)?[0-9a-f]{32}\Z")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold a folder for writing: made where it is missing, and cleared of what killed writers left.

    Raises EntryError where that, or anything done meanwhile, cannot be written, or another process holds it for longer
    than PATIENCE.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, folder)
            _clear(folder)
            yield
        finally:
            os.close(handle)


def check_writable(folder: Path) -> None:
    """Make the folder where it is missing, clear away what killed writers left, try to write. Raises EntryError."""
    with writing(folder):
        trial = _temporary(folder)
        trial.mkdir()
        trial.rmdir()


def put_folder(place: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder of these files in its place, over one that is there. To be called while `writing` its parent.

    Raises OSError; what was there before is there still.
    """
    temporary = _temporary(place.parent)
    try:
        temporary.mkdir()
        for name, content in files.items():
            _write_synced(temporary / name, content)
        _sync(temporary)
        _move_into_place(temporary, place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(place.parent)


def put_file(path: Path, content: bytes) -> None:
    """Put a file into a folder, over one that is there. To be called while `writing` the folder's parent.

    Raises OSError; what was there before is there still.
    """
    temporary = _temporary(path.parent.parent)
    try:
        _write_synced(temporary, content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def remove_folder(place: Path) -> None:
    """Remove a folder, at once for whoever looks for it. To be called while `writing` its parent. Raises OSError."""
    temporary = _temporary(place.parent)
    place.rename(temporary)
    _sync(place.parent)
    _discard(temporary)


def whereabouts(place: Path) -> Path:
    """Where a folder is: in its place, or aside where its writer has not put its successor there (yet)."""
    aside = _aside(place)
    return aside if not place.exists() and aside.exists() else place


def identity(place: Path) -> tuple[Path, int, int] | None:
    """What another folder in the same place, this one once it steps aside, or another file in it, does not have; None
    where there is none."""
    where = whereabouts(place)
    try:
        found = where.stat()
    except OSError:
        return None
    return where, found.st_ino, found.st_mtime_ns


def folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; of one that stepped aside, its place's. No hidden ones."""
    try:
        names = [found.name for found in folder.iterdir() if found.is_dir()]
    except FileNotFoundError:
        names = []  # it was removed meanwhile
    return sorted({name.removeprefix(ASIDE) for name in names if name.startswith(ASIDE) or not name.startswith(".")})


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EntryError(
            f"{folder}: cannot be written: {error.strerror or error}; free some space or choose another folder"
        ) from error


def _lock(handle: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        else:
            return
        if time.monotonic() > deadline:
            raise EntryError(f"{folder}: another process has been writing there for {PATIENCE:.0f} s; end it, or wait")
        time.sleep(0.002)


def _clear(folder: Path) -> None:
    """Clear away what killed writers left; what had stepped aside and was not replaced goes back."""
    with os.scandir(folder) as found:
        names = [each.name for each in found if each.name.startswith((TEMPORARY, ASIDE))]
    for name in names:
        leftover = folder / name
        if name.startswith(ASIDE):
            place = folder / name.removeprefix(ASIDE)
            if place.exists():
                _discard(leftover)
            else:
                leftover.rename(place)
        elif _OURS.match(name):
            _discard(leftover)


def _temporary(folder: Path) -> Path:
    return folder / f"{TEMPORARY}{uuid.uuid4().hex}"


def _aside(place: Path) -> Path:
    return place.parent / f"{ASIDE}{place.name}"


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move_into_place(temporary: Path, place: Path) -> None:
    if not place.exists():
        temporary.rename(place)
        return
    aside = _aside(place)
    place.rename(aside)
    temporary.rename(place)
    _discard(aside)


def _discard(path: Path) -> None:
    """Remove what is there; of a link, the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
