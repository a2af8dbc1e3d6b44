"""The readers, by the names of the files that they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graphfuzz.errors import UsageError
from graphfuzz.interchange.reader import Reader
from graphfuzz.interchange.torch_reader import reader as torch_reader

READERS: Mapping[str, Reader] = {reader.name: reader for reader in (torch_reader,)}
SUFFIXES: Mapping[str, str] = {".py": torch_reader.name}


def reader_of(file: Path) -> Reader:
    """The reader of a file. Raises UsageError where there is no such file, or none reads it."""
    if not file.exists():
        raise UsageError(f"{file}: there is no such file")
    if file.suffix not in SUFFIXES:
        raise UsageError(f"{file}: cannot be imported; what can, ends in {' or '.join(SUFFIXES)}")
    return READERS[SUFFIXES[file.suffix]]


def load_reader(name: str) -> Reader:
    """The reader of this name."""
    return READERS[name]
