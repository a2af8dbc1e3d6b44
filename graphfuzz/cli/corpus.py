"""`graphfuzz corpus`: what a corpus holds, whether it is sound; and the commands that change it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphfuzz.cli.corpus_changes import limit, merge, migrate, prune
from graphfuzz.cli.progress import telling
from graphfuzz.corpus.checking import faults
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.corpus.index import Row, open_index
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.spec.registry import load_registry

FAULTY, DAMAGED = 1, 2
"""The exit codes of `check`."""
LOG_WIDTH = 140
"""How wide tables are where nothing says how wide the terminal is, in characters."""

corpus_argument = click.argument("folder", type=click.Path(path_type=Path), default=Path("corpus"))


@click.group(invoke_without_command=True)
@click.pass_context
def corpus(context: click.Context) -> None:
    """List, check, merge, prune, limit and migrate a corpus: a folder of entries (corpus/ unless told)."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (merge, prune, limit, migrate):
    corpus.add_command(command)


@corpus.command("list")
@corpus_argument
@click.option("--route", "routes", multiple=True, help="Only of this route (repeatable).")
@click.option("--verdict", "verdicts", multiple=True, help="Only of this verdict (repeatable).")
@click.option("--operator", "operators", multiple=True, help="Only with this operator in the graph (repeatable).")
@click.option("--stage", "stages", multiple=True, help="Only where this stage is to blame (repeatable).")
@click.option("--rebuild", is_flag=True, help="Make the index anew, whatever it says.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object an entry.")
def list_(
    folder: Path,
    routes: tuple[str, ...],
    verdicts: tuple[str, ...],
    operators: tuple[str, ...],
    stages: tuple[str, ...],
    rebuild: bool,
    as_json: bool,
) -> None:
    """List the buckets of the corpus FOLDER: how often each was seen, first and last, where and with what.

    Exit code: 0, or 2 for bad input, a damaged entry among it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name a corpus")
    with open_index(folder, telling("reading"), rebuild=rebuild) as index:
        rows = index.rows(routes=routes, verdicts=verdicts, operators=operators, stages=stages)
        damaged = [row for row in index.rows() if row.damage]
    sound = [row for row in rows if not row.damage]
    if as_json:
        click.echo(json.dumps([_data(row) for row in sound], indent=2))
    else:
        _print(sound)
    for row in damaged:
        click.echo(f"graphfuzz: {row.damage}", err=True)
    sys.exit(DAMAGED if damaged else 0)


@corpus.command()
@corpus_argument
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
def check(folder: Path, packs: tuple[str, ...]) -> None:
    """Check every entry of the corpus FOLDER: it loads, its name and JSON are as they should be, its graph is valid.

    Nothing is run; that is `graphfuzz replay`.

    Exit code: 0 where all is well, 1 where an entry has faults, 2 for bad input, a damaged entry among it.
    """
    paths = entries([folder])
    registry = load_registry(packs)
    damaged = faulty = 0
    for path in telling("checking")(paths):
        try:
            entry = read_entry(path)
        except EntryError as error:
            damaged += 1
            click.echo(f"graphfuzz: {error}", err=True)
            continue
        found = faults(path, entry, registry)
        faulty += bool(found)
        for fault in found:
            click.echo(f"{path}: {fault}")
    click.echo(f"{len(paths)} entries: {len(paths) - faulty - damaged} sound, {faulty} with faults, {damaged} damaged")
    sys.exit(DAMAGED if damaged else FAULTY if faulty else 0)


def _data(row: Row) -> dict[str, object]:
    data = msgspec.to_builtins(row)
    del data["damage"], data["coverage"]
    return {**data, "operators": sorted(row.operators)}


def _print(rows: Sequence[Row]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    table = Table(box=None, pad_edge=False)
    table.add_column("bucket", overflow="fold")
    table.add_column("to blame")
    for name in ("nodes", "seen"):
        table.add_column(name, justify="right")
    table.add_column("first", no_wrap=True)
    table.add_column("last", no_wrap=True)
    for row in rows:
        counts = str(row.nodes), str(row.count)
        table.add_row(
            Text(row.bucket),
            Text(row.stage or "not known", style="" if row.stage else "dim"),
            *counts,
            row.first,
            row.last,
        )
    if rows:
        console.print(table)
    size = sum(row.bytes for row in rows) / 1024
    console.print(f"{len({row.bucket for row in rows})} buckets, {len(rows)} entries, {size:.0f} KiB", highlight=False)
