"""A route's ledger: what its converter registers, which of that a conversion used, and why the rest is out of reach.

All three are read from the installed packages; nothing is listed by hand. An entry that no predicate explains is not
reached *yet*: it stays in the denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

ABSENT = "absent"
"""No model of the installed framework, converted as the route converts, leads to the entry."""
OUTSIDE = "outside"
"""Some model leads to it, but none that maps tensors of known shapes to tensors of determined numbers."""


class Entry(msgspec.Struct, frozen=True):
    """One thing that a converter translates, by the converter's own name; `detail`: what else is known of it."""

    name: str
    detail: str = ""


class Reason(msgspec.Struct, frozen=True):
    """Why an entry is no debt of ours. kind: ABSENT or OUTSIDE. text: for a group. evidence: what says so."""

    kind: str
    text: str
    evidence: str


Predicate = Callable[[str], Reason | None]


class Ledger(msgspec.Struct, frozen=True):
    """What a route knows of its converter; each function imports the converter when it is called.

    entries: all that the converter registers. recording: a context in which every conversion adds the names of the
    entries that it uses to the set given, and changes in nothing else. reason: why an entry (by name) need not be
    reached, or None. opset: of the models that the route makes.
    """

    entries: Callable[[], Sequence[Entry]]
    recording: Callable[[set[str]], AbstractContextManager[None]]
    reason: Predicate
    opset: Callable[[], int]


class Stock(msgspec.Struct, frozen=True):
    """A ledger read: every entry with the reason it has, and the ONNX operators in force at the route's `opset`."""

    entries: tuple[tuple[Entry, Reason | None], ...]
    opset: int
    operators: tuple[str, ...]


class Used(msgspec.Struct, frozen=True):
    """What one conversion used: entries of the ledger, and operators of ONNX where a model came out. Both sorted."""

    entries: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()


def take_stock(ledger: Ledger) -> Stock:
    """All that the ledger tells."""
    entries = tuple((entry, ledger.reason(entry.name)) for entry in ledger.entries())
    return Stock(entries, ledger.opset(), onnx_entries(ledger.opset()))


def used_of(entries: Iterable[str], model: bytes) -> Used:
    """What the recorded entries and the serialized model (empty: none was made) come to."""
    return Used(tuple(sorted(entries)), onnx_operators(model) if model else ())


def first_of(*predicates: Predicate) -> Predicate:
    """The reason of the first predicate that has one."""

    def reason(name: str) -> Reason | None:
        return next((found for found in (predicate(name) for predicate in predicates) if found), None)

    return reason


@contextmanager
def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """While in effect, `owner.name` is what `make` makes of it."""
    plain = vars(owner)[name]
    setattr(owner, name, make(plain))
    try:
        yield
    finally:
        setattr(owner, name, plain)


def onnx_operators(model: bytes) -> tuple[str, ...]:
    """The operators in a serialized model, subgraphs and functions included, each as "Name-since", sorted.

    `since` is the opset that introduced the form of the operator in force; other domains stand before the name.
    """
    import onnx

    proto = onnx.load_from_string(model)
    opsets = {opset.domain: opset.version for opset in proto.opset_import}
    local = {(function.domain, function.name) for function in proto.functions}
    used, nodes = set(), [*proto.graph.node, *(node for function in proto.functions for node in function.node)]
    for node in nodes:
        nodes.extend(inner for attribute in node.attribute for inner in attribute.g.node)
        if (node.domain, node.op_type) not in local:
            used.add(_since(node.op_type, node.domain, opsets.get(node.domain, 1)))
    return tuple(sorted(used))


def onnx_entries(opset: int) -> tuple[str, ...]:
    """Every operator of ONNX's default domain in force at an opset, deprecated ones left out, as `onnx_operators`."""
    import onnx

    latest: dict[str, Any] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= opset:
            kept = latest.setdefault(schema.name, schema)
            latest[schema.name] = max(kept, schema, key=lambda s: s.since_version)
    return tuple(sorted(f"{name}-{schema.since_version}" for name, schema in latest.items() if not schema.deprecated))


def _since(name: str, domain: str, opset: int) -> str:
    import onnx

    prefix = f"{domain}::" if domain not in ("", "ai.onnx") else ""
    try:
        return f"{prefix}{name}-{onnx.defs.get_schema(name, opset, domain).since_version}"
    except onnx.defs.SchemaError:
        return f"{prefix}{name}"
