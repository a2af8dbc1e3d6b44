"""The readers, by the names of the files that they read and by the frameworks in whose words they do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graphfuzz.errors import UsageError
from graphfuzz.interchange.onnx_reader import PREFIX, onnx_reader
from graphfuzz.interchange.reader import Reader
from graphfuzz.interchange.torch_reader import reader as torch_reader
from graphfuzz.oracle.route import load_route

READERS: Mapping[str, Reader] = {reader.name: reader for reader in (torch_reader,)}
"""Those that need no route."""

SUFFIXES: Mapping[str, Mapping[str, str]] = {
    ".py": {"torch": torch_reader.name},
    ".onnx": {"torch": f"{PREFIX}torch-script-ort", "keras": f"{PREFIX}tf2onnx-ort"},
}
"""The readers of files, by framework; what comes first is asked unless told. The route that converts in the least time
teaches."""


def reader_of(file: Path, framework: str | None = None, converter: str | None = None) -> Reader:
    """The reader of a file in a framework's words, its own or the first unless told, and learned from a route's
    conversions where the file is a converted model. Raises UsageError where there is no such file, or none reads it."""
    if not file.exists():
        raise UsageError(f"{file}: there is no such file")
    if file.suffix not in SUFFIXES:
        raise UsageError(f"{file}: cannot be imported; what can, ends in {' or '.join(SUFFIXES)}")
    names = SUFFIXES[file.suffix]
    is_converted = any(name.startswith(PREFIX) for name in names.values())
    if converter is not None and not is_converted:
        raise UsageError(f"--converter {converter}: {file} is no converted model")
    if converter is not None:
        found = load_reader(f"{PREFIX}{converter}")
        if framework not in (None, found.framework):
            raise UsageError(f"--converter {converter}: is not for {framework}")
        return found
    chosen = framework or next(iter(names))
    if chosen not in names:
        raise UsageError(f"--framework {chosen}: {file} is for {' or '.join(names)}")
    return load_reader(names[chosen])


def load_reader(name: str) -> Reader:
    """The reader of this name. Raises UsageError where it is named after a route that there is not."""
    return READERS[name] if name in READERS else onnx_reader(load_route(name.removeprefix(PREFIX)))
