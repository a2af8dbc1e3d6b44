"""The readers, by the names of the files that they read and by the frameworks in whose words they do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graphfuzz.errors import UsageError
from graphfuzz.interchange.onnx_reader import PREFIX, onnx_reader
from graphfuzz.interchange.reader import Reader
from graphfuzz.interchange.tensorflow_reader import reader as tensorflow_reader
from graphfuzz.interchange.torch_reader import reader as torch_reader
from graphfuzz.oracle.route import load_route

READERS: Mapping[str, Reader] = {reader.name: reader for reader in (torch_reader, tensorflow_reader)}
"""Those that need no route."""

FOLDER = "a folder"
"""Stands for a suffix."""

READABLE: Mapping[str, Mapping[str, str]] = {
    ".py": {"torch": torch_reader.name, "keras": tensorflow_reader.name},
    ".onnx": {"torch": f"{PREFIX}torch-script-ort", "keras": f"{PREFIX}tf2onnx-ort"},
    ".keras": {"keras": tensorflow_reader.name},
    FOLDER: {"keras": tensorflow_reader.name},
}
"""The readers by suffix and framework, that first which is meant unless told; of ONNX, those by the routes that convert
in the least time."""


def reader_of(file: Path, framework: str | None = None, converter: str | None = None) -> Reader:
    """The reader of a file (or folder) in a framework's words; of an ONNX model, by a route's conversions.

    Raises UsageError where there is no such file, or none reads it so.
    """
    if not file.exists():
        raise UsageError(f"{file}: there is no such file")
    names = READABLE.get(FOLDER if file.is_dir() else file.suffix)
    if names is None:
        *others, last = (kind for kind in READABLE if kind != FOLDER)
        raise UsageError(f"{file}: cannot be imported; what can, ends in {', '.join(others)} or {last}")
    if converter is not None:
        if not all(name.startswith(PREFIX) for name in names.values()):
            raise UsageError(f"--converter {converter}: {file} is no ONNX model")
        names = {load_route(converter).framework: f"{PREFIX}{converter}"}
    chosen = framework or next(iter(names))
    if chosen not in names:
        asked = f"--converter {converter}" if converter else str(file)
        raise UsageError(f"{asked}: is for {' or '.join(names)}, not {chosen}")
    return load_reader(names[chosen])


def load_reader(name: str) -> Reader:
    """The reader of this name. Raises UsageError where it is named after a route that there is not."""
    return READERS[name] if name in READERS else onnx_reader(load_route(name.removeprefix(PREFIX)))
