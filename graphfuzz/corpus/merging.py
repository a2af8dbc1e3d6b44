"""Two corpora made one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from graphfuzz.corpus.entry import add_entry, read_entry
from graphfuzz.errors import EntryError

ADDED = "added"
UNITED = "united"
DAMAGED = "damaged"


def merge(paths: Iterable[Path], into: Path) -> Iterator[tuple[str, Path, str]]:
    """Add these entries to a corpus one by one (see `add_entry`), telling of each what became of it, where, why.

    What cannot be read stays where it is. Once more, or in another order, gives the same. Raises EntryError where an
    entry cannot be written, or the one that it would be united with cannot be read.
    """
    for path in paths:
        try:
            entry = read_entry(path)
        except EntryError as error:
            yield DAMAGED, path, str(error)
            continue
        was = (into / entry.slug).exists()
        yield UNITED if was else ADDED, add_entry(into, entry), ""
