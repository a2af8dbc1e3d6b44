"""A route's ledger as data and as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphfuzz.campaign.accounts import OPEN, REACHED, TRIED, Account, Row

SHOWN = 4
"""How many operators are named beside an entry; `--json` names all."""


def account_data(account: Account, rows: Sequence[Row]) -> dict[str, Any]:
    """An account as JSON data, with these of its rows."""
    onnx = [{"name": name, "reached": list(by)} for name, by in account.onnx]
    return {
        "route": account.route,
        "opset": account.opset,
        "figures": account.figures(),
        "entries": [{"standing": row.standing, **msgspec.to_builtins(row)} for row in rows],
        "onnx": onnx,
        "unlisted": list(account.unlisted),
    }


def print_account(console: Console, account: Account, rows: Sequence[Row]) -> None:
    """The rows, then what they come to."""
    table = Table("entry", "reached by", box=None, pad_edge=False)
    for standing in (REACHED, TRIED, OPEN):
        for row in rows:
            if row.standing == standing:
                table.add_row(Text(row.name), Text(_reached(row)))
    for row in rows:
        if row.reason is not None:
            table.add_row(Text(row.name), Text(f"need not be: {row.reason.text}; {row.reason.evidence}", style="dim"))
    console.print(table)
    for line in summary(account):
        console.print(Text(line), soft_wrap=True)


def _reached(row: Row) -> str:
    if row.standing == OPEN:
        return OPEN
    names = row.reached or row.tried
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ("" if row.reached else "no case ran: ") + " ".join(names[:SHOWN]) + more


def summary(account: Account) -> list[str]:
    """The figures, in sentences."""
    f = account.figures()
    lines = [
        f"{account.route}: {f['entries']:.0f} entries, {f['present']:.0f} of them present, "
        f"{f['producible']:.0f} producible by a plain inference module",
        f"reached by cases that ran: {f['reached']:.0f}, {f['share']:.1%} of the producible, "
        f"{f['share_of_present']:.1%} of those present; {f['tried']:.0f} more by cases of which none ran",
        f"ONNX operators at opset {account.opset} in models that ran: "
        f"{f['onnx_reached']:.0f} of {f['onnx_operators']:.0f}",
    ]
    if account.unlisted:
        lines.append(f"used, but in no list (a mistake of the ledger): {', '.join(account.unlisted)}")
    return lines
