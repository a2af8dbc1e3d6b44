"""Findings kept: their signatures, and the entries that hold them."""

from graphfuzz.corpus.entry import (
    Entry,
    add_entry,
    check_writable,
    count_sighting,
    entries,
    make_entry,
    read_entry,
    remove_entry,
    update_entry,
    write_entry,
)
from graphfuzz.corpus.finding import Finding
from graphfuzz.corpus.signature import Signature, kind, normalize, signature

__all__ = [
    "Entry",
    "Finding",
    "Signature",
    "add_entry",
    "check_writable",
    "count_sighting",
    "entries",
    "kind",
    "make_entry",
    "normalize",
    "read_entry",
    "remove_entry",
    "signature",
    "update_entry",
    "write_entry",
]
