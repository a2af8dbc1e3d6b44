"""Findings kept: their signatures, and the entries that hold them."""

from graphfuzz.corpus.entry import Entry, check_writable, entries, make_entry, read_entry, remove_entry, write_entry
from graphfuzz.corpus.finding import Finding
from graphfuzz.corpus.signature import Signature, kind, normalize, signature

__all__ = [
    "Entry",
    "Finding",
    "Signature",
    "check_writable",
    "entries",
    "kind",
    "make_entry",
    "normalize",
    "read_entry",
    "remove_entry",
    "signature",
    "write_entry",
]
