"""Files that people write for a command, and those that a command writes for others: there whole or not at all."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphfuzz.errors import UsageError


def read_toml(file: Path, kind: str) -> dict[str, Any]:
    """What a TOML file says. kind: what to name instead, for people. Raises UsageError where it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); name {kind}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: is not TOML ({error})") from None


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
