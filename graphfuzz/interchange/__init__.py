"""Somebody else's models as cases of our operators, by tables that are learned from our own."""

from graphfuzz.interchange.examples import Example, Table, examples_of, table_of
from graphfuzz.interchange.program import Call, Program
from graphfuzz.interchange.reader import Given, Reader
from graphfuzz.interchange.readers import load_reader, reader_of
from graphfuzz.interchange.translation import Translation, Unknown, translated

__all__ = [
    "Call",
    "Example",
    "Given",
    "Program",
    "Reader",
    "Table",
    "Translation",
    "Unknown",
    "examples_of",
    "load_reader",
    "reader_of",
    "table_of",
    "translated",
]
