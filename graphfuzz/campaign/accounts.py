"""The account of a route's ledger: which entries our operators reach, which they need not, and which they owe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from graphfuzz.campaign.probes import Probes, Trial
from graphfuzz.oracle.ledger import ABSENT, OUTSIDE, Reason, Stock

REACHED = "reached"
TRIED = "tried"
OPEN = "not reached yet"


class Row(msgspec.Struct, frozen=True):
    """One entry. reached: the operators by which cases got to it and ran; tried: those whose cases got to it only.

    reason: why it need not be reached; an entry that is reached has none, whatever a predicate says.
    """

    name: str
    detail: str
    reached: tuple[str, ...]
    tried: tuple[str, ...]
    reason: Reason | None

    @property
    def standing(self) -> str:
        """REACHED, the kind of the reason, TRIED or OPEN."""
        if self.reached:
            return REACHED
        return self.reason.kind if self.reason else TRIED if self.tried else OPEN


class Account(msgspec.Struct, frozen=True):
    """A route's rows in the ledger's order, and ONNX's operators at `opset`: each with our operators that reach it.

    unlisted: what conversions used and the ledger does not list: a defect of the ledger, if there is any.
    """

    route: str
    rows: tuple[Row, ...]
    opset: int
    onnx: tuple[tuple[str, tuple[str, ...]], ...]
    unlisted: tuple[str, ...]

    def count(self, *standings: str) -> int:
        """How many rows stand so."""
        return sum(row.standing in standings for row in self.rows)

    def figures(self) -> dict[str, float]:
        """The counts, and two shares of entries reached: of what a plain inference module can lead to ("producible"),
        and of everything that the installed framework can ("present")."""
        reached, entries = self.count(REACHED), len(self.rows)
        present = entries - self.count(ABSENT)
        producible = present - self.count(OUTSIDE)
        return {
            "entries": entries,
            "present": present,
            "producible": producible,
            "reached": reached,
            "tried": self.count(TRIED),
            "share": reached / producible if producible else 0.0,
            "share_of_present": reached / present if present else 0.0,
            "onnx_operators": len(self.onnx),
            "onnx_reached": sum(bool(by) for _, by in self.onnx),
        }


def account(route: str, stock: Stock, probes: Probes) -> Account:
    """What the trials of a route come to, held against its ledger."""
    trials = [(name, trial) for name, several in probes.items() for trial in several]
    ran = _users((name, trial) for name, trial in trials if trial.ran)
    any_ = _users(trials)
    onnx = _users(((name, trial) for name, trial in trials if trial.ran), "operators")
    rows = []
    for entry, reason in stock.entries:
        reached = ran.get(entry.name, ())
        tried = tuple(name for name in any_.get(entry.name, ()) if name not in reached)
        rows.append(Row(entry.name, entry.detail, reached, tried, None if reached else reason))
    return Account(
        route,
        tuple(rows),
        stock.opset,
        tuple((name, onnx.get(name, ())) for name in stock.operators),
        tuple(sorted(set(any_) - {row.name for row in rows})),
    )


def _users(trials: Iterable[tuple[str, Trial]], field: str = "entries") -> Mapping[str, tuple[str, ...]]:
    """By which operators' trials each entry (or ONNX operator) was used."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, trial in trials:
        for used in getattr(trial, field):
            found[used].add(name)
    return {used: tuple(sorted(names)) for used, names in found.items()}
