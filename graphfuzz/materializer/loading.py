"""Source text made into a running module, with its lines kept for tracebacks and `inspect`."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType
from typing import Any


def execute(source: str) -> dict[str, Any]:
    """The names that the source defines. Whatever the source raises passes through.

    They are those of a module that can be imported: TorchDynamo and AutoGraph look functions up in theirs.
    """
    filename = f"<graphfuzz {hashlib.sha256(source.encode()).hexdigest()[:12]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = sys.modules[filename] = ModuleType(filename)
    exec(compile(source, filename, "exec"), vars(module))
    return vars(module)
