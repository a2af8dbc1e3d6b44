"""What a corpus can do without: the entries that others stand for, and what goes first where it must be smaller.

Both are plans over the index, carried out entry by entry; whatever ends that in between, nothing but what the plan
names is gone, and carrying it out again does the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from graphfuzz.corpus.entry import Entry, remove_entry, update_entry
from graphfuzz.corpus.index import Row


class Removal(msgspec.Struct, frozen=True):
    """One step of a plan. path: of an entry, below the corpus. what: the entry, or its MODEL alone. frees: bytes.

    heir: the path of the entry of the same bucket that stays, if any; it takes over the sightings.
    """

    path: str
    what: str
    frees: int
    why: str
    heir: str = ""


ENTRY = "entry"
MODEL = "converted model"


def superfluous(rows: Sequence[Row]) -> list[Removal]:
    """The entries without which the others have the same buckets and coverage, by path.

    Which ones stay is a set cover: what must stay, then greedily what adds most (of these, the smaller), then without
    what the later ones made superfluous. Greedy is not always the smallest, but its logarithm at worst (Chvátal, 1979).
    Damaged entries stay: nothing is known of them.
    """
    sound = [row for row in rows if not row.damage]
    kept = _cover(sound)
    heirs = {row.bucket: row.path for row in sorted(kept, key=_size, reverse=True)}
    staying = {row.path for row in kept}
    return [
        Removal(
            row.path,
            ENTRY,
            row.bytes,
            f"{heirs[row.bucket]} is of the same bucket, and what it covers is covered without it",
            heirs[row.bucket],
        )
        for row in sound
        if row.path not in staying
    ]


def over_limit(rows: Sequence[Row], limit: int) -> list[Removal]:
    """What goes so that the entries take no more than `limit` bytes, in order.

    First what loses nothing: the superfluous entries, then converted models, the largest first, since `graphfuzz
    replay` and `repro.py` make them again. Then entries: those not seen for the longest time, of one day the largest.
    """
    first = superfluous(rows)
    gone = {removal.path for removal in first}
    left = [row for row in rows if row.path not in gone and not row.damage]
    models = sorted((row for row in left if row.model_bytes), key=lambda row: (-row.model_bytes, row.path))
    first += [Removal(row.path, MODEL, row.model_bytes, "can be made again") for row in models]
    oldest = sorted(left, key=lambda row: (row.last, -row.bytes, row.path))
    first += [Removal(row.path, ENTRY, row.bytes - row.model_bytes, f"not seen since {row.last}") for row in oldest]
    return list(_until(first, sum(row.bytes for row in rows) - limit))


def carry_out(corpus: Path, removals: Iterable[Removal]) -> None:
    """Remove what a plan names. Raises EntryError where that cannot be done; what came before is done."""
    for removal in removals:
        path = corpus / removal.path
        if removal.what == MODEL:
            update_entry(path, _without_model)
        else:
            remove_entry(path, corpus / removal.heir if removal.heir else None)


def _cover(rows: Sequence[Row]) -> list[Row]:
    items = {row.path: row.coverage | {f"bucket {row.bucket}"} for row in rows}
    holders = Counter(item for found in items.values() for item in found)
    kept = [row for row in rows if any(holders[item] == 1 for item in items[row.path])]
    left = [row for row in rows if row not in kept]
    missing = holders.keys() - {item for row in kept for item in items[row.path]}
    chosen: list[Row] = []
    while missing:
        best = min(left, key=lambda row: (-len(items[row.path] & missing), _size(row)))
        chosen.append(best)
        left.remove(best)
        missing -= items[best.path]
    times = Counter(item for row in (*kept, *chosen) for item in items[row.path])
    for row in sorted(chosen, key=_size, reverse=True):
        if all(times[item] > 1 for item in items[row.path]):
            chosen.remove(row)
            times.subtract(items[row.path])
    return kept + chosen


def _until(removals: Iterable[Removal], bytes_over: int) -> Iterable[Removal]:
    for removal in removals:
        if bytes_over <= 0:
            return
        yield removal
        bytes_over -= removal.frees


def _size(row: Row) -> tuple[int, int, str]:
    return row.nodes, row.bytes, row.path


def _without_model(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, model=b"")
