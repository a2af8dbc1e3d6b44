"""The script that an entry holds, which needs the framework, the converter, the runtime and NumPy only."""

from __future__ import annotations

from graphfuzz.corpus.entry import Entry
from graphfuzz.graph import pack_arrays
from graphfuzz.spec.registry import Registry

TENSORS = "tensors.npz"


def script(entry: Entry, registry: Registry) -> dict[str, bytes]:
    """A folder with the script; with its arrays beside it, where it reads them from there."""
    files = {f"{entry.slug}/repro.py": entry.repro.encode()}
    if f'"{TENSORS}"' in entry.repro:
        files[f"{entry.slug}/{TENSORS}"] = pack_arrays(entry.case.arrays())
    return files
