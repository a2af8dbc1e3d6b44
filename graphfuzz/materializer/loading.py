"""Source text made into a running module, with its lines kept for tracebacks and `inspect`."""

from __future__ import annotations

import hashlib
import linecache
from typing import Any


def execute(source: str) -> dict[str, Any]:
    """The names that the source defines. Whatever the source raises passes through."""
    filename = f"<graphfuzz {hashlib.sha256(source.encode()).hexdigest()[:12]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names: dict[str, Any] = {"__name__": filename}
    exec(compile(source, filename, "exec"), names)
    return names
