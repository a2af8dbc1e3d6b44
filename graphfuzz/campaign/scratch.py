"""A folder for what a process needs while it lives; it goes when the process ends, or when the next one begins."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

import psutil

PREFIX = "graphfuzz-"
LOCK = "lock"
YOUNG = 60.0
"""How old a folder must be, in seconds, before its lock says anything: it is made a moment before."""


class Scratch:
    """The folder, held by a lock as long as this process lives. Making one raises OSError where it cannot be made."""

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock: int | None = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder, if it is there."""
        shutil.rmtree(self.path, ignore_errors=True)  # a process that a target left behind may still write there
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(place: Path) -> None:
    """Remove the folders that nobody holds."""
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        try:
            if time.time() - lock.stat().st_mtime < YOUNG:
                continue
            handle = os.open(lock, os.O_RDWR)
        except OSError:
            continue  # it is another user's, or went meanwhile
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(handle)


def own_temporary_folder(scratch: Path) -> None:
    """Have this process, a worker, and what it starts make temporary files in a folder of its own; those of workers
    that are gone go."""
    for other in scratch.glob("tmp-*"):
        if not psutil.pid_exists(int(other.name.removeprefix("tmp-"))):
            shutil.rmtree(other, ignore_errors=True)
    own = scratch / f"tmp-{os.getpid()}"
    own.mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
