"""Files that a command writes for others to read: there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphfuzz.errors import UsageError


def check_replaceable(path: Path) -> None:
    """Make the folder where it is missing, and try to write there. Raises UsageError."""
    with _writing(path):
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def replace_file(path: Path, text: str) -> None:
    """Write the file, in place of an older one, at once for whoever reads it. Raises UsageError."""
    with _writing(path):
        write_whole(path, text)


def write_whole(path: Path, text: str) -> None:
    """The same, for a file that the user has not named. Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); name another file") from None
