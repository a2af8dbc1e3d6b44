"""What replay says, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphfuzz.corpus.expectation import IMPROVEMENT, REGRESSION
from graphfuzz.corpus.replay import CANNOT_RUN, DAMAGED, FIXED, NOT_FAILING, STATUSES, Line

_STYLES = {FIXED: "green", NOT_FAILING: "green", CANNOT_RUN: "magenta", DAMAGED: "bold red"}
"""How statuses are shown; the others, which are open defects, in red."""


def show_replay(lines: Sequence[Line], console: Console) -> None:
    """Print a table on a terminal, else a plain line an entry; then the counts, and what is news."""
    if console.is_terminal:
        console.print(_table(lines))
    else:
        click.echo("".join(f"{_plain(line)}\n" for line in lines), nl=False)
    counts = Counter(line.status for line in lines)
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    click.echo(f"{len(lines)} entries: {told}" if lines else "no entries")
    for kind in (REGRESSION, IMPROVEMENT):
        for line in lines:
            if line.news == kind:
                click.echo(f"{kind}: {news(line)}")
    if lines and all(line.news == "" for line in lines):
        click.echo("all as expected")


def news(line: Line) -> str:
    """What is news of an entry."""
    return f"{line.name} on {line.route}: expected {line.expected or 'nothing'}; {line.status} now: {line.now}"


def _table(lines: Sequence[Line]) -> Table:
    table = Table("is", "entry", "now", box=None, pad_edge=False)
    for line in lines:
        status = Text(line.status, style=_STYLES.get(line.status, "red"), no_wrap=True)
        table.add_row(status, Text(_named(line, line.name), overflow="fold"), Text(line.now, no_wrap=True))
    return table


def _plain(line: Line) -> str:
    return f"{line.status:<13}  {_named(line, line.entry)}  {line.now}"


def _named(line: Line, name: str) -> str:
    """The entry, with the route where that is not its own."""
    return name if line.is_own else f"{name} on {line.route}"
