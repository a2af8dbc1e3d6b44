"""Whether entries are as they should be, and as this graphfuzz would write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.storage import whereabouts
from graphfuzz.errors import InvalidGraph
from graphfuzz.graph import bound_cases, validate
from graphfuzz.spec.registry import Registry


def faults(path: Path, entry: Entry, registry: Registry) -> list[str]:
    """What is wrong with an entry that could be read, in words."""
    return list(_faults(path, entry, registry))


def _faults(path: Path, entry: Entry, registry: Registry) -> Iterator[str]:
    if path.name != entry.slug:
        yield f"the folder is not called {entry.slug}"
    if entry.finding.signature.slug != entry.slug:
        yield f"the signature is that of {entry.finding.signature.slug}"
    for name in outdated(path, entry):
        yield f"{name} is not as this graphfuzz writes it; `graphfuzz corpus migrate` rewrites it"
    try:
        validate(entry.case.graph, registry, entry.case.framework)
        bound_cases(entry.case, registry)
    except InvalidGraph as error:
        yield f"the graph is not valid: {error}"
    made = set(entry.case.graph.outputs)
    if entry.expected and set(entry.expected) != made:
        yield f"outputs are recorded of {sorted(entry.expected)}, not of {sorted(made)}"
    try:
        compile(entry.repro, "repro.py", "exec")
    except (SyntaxError, ValueError) as error:
        yield f"repro.py is no Python: {error}"


def outdated(path: Path, entry: Entry) -> list[str]:
    """The JSON files of an entry, just read, that are of an older schema, or not canonical."""
    written, place = entry.files(), whereabouts(path)
    names = [name for name in ("case.json", "finding.json", "seen.json") if (place / name).exists()]
    return [name for name in names if (place / name).read_bytes() != written.get(name)]
