"""The commands of `graphfuzz corpus` that change one: merge, prune, limit, migrate."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from graphfuzz.cli.progress import telling
from graphfuzz.corpus.checking import outdated
from graphfuzz.corpus.entry import check_writable, entries, read_entry, update_entry
from graphfuzz.corpus.index import Row, open_index
from graphfuzz.corpus.merging import DAMAGED
from graphfuzz.corpus.merging import merge as merge_entries
from graphfuzz.corpus.pruning import Removal, carry_out, over_limit, superfluous
from graphfuzz.errors import EntryError, UsageError

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3}

corpus_argument = click.argument("folder", type=click.Path(path_type=Path), default=Path("corpus"))
dry_run_option = click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")


class Size(click.ParamType[int]):
    """A number of bytes, with K, M or G for powers of 1024."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. A text that is none is a usage error."""
        found = re.fullmatch(r"(\d+)([kmg]?)(?:i?b)?", str(value).lower())
        if found is None:
            self.fail(f"{value!r} is no number of bytes, as 500K, 20M or 1G are", param, ctx)
        return int(found[1]) << 10 * _UNITS[found[2]]


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FROM... INTO")
def merge(sources: tuple[Path, ...]) -> None:
    """Add the entries at or below each FROM to the corpus INTO; FROM stays as it is.

    Of a bucket that both have, the smaller case stays, and what was seen of either is known of it; nothing is counted
    twice, however often two corpora are merged.

    Exit code: 0, or 2 for bad input, a damaged entry among it; all others are merged nevertheless.
    """
    if len(sources) < 2:
        raise UsageError("name the corpora to merge FROM, and the one to merge INTO")
    *froms, into = sources
    paths = entries(froms)
    check_writable(into)
    told: Counter[str] = Counter()
    for status, path, why in merge_entries(telling("merging")(paths), into):
        told[status] += 1
        click.echo(f"graphfuzz: {why}" if status == DAMAGED else f"{status}: {path}", err=status == DAMAGED)
    click.echo(f"{len(paths)} entries: {', '.join(f'{n} {status}' for status, n in told.items()) or 'none'}")
    sys.exit(2 if told[DAMAGED] else 0)


@click.command()
@corpus_argument
@dry_run_option
def prune(folder: Path, dry_run: bool) -> None:
    """Remove the entries without which the corpus FOLDER has the same buckets and the same coverage.

    Coverage is the uses of operators (operator, dtype, rank) and the pairs of producer and consumer in the graphs.
    Which entries stay is a greedy set cover: none of them could go, but another choice may be smaller.
    """
    _remove(folder, superfluous, dry_run)


@click.command()
@corpus_argument
@click.option("--max-bytes", type=Size(), required=True, help="What its files may take, as 500K, 20M or 1G.")
@dry_run_option
def limit(folder: Path, max_bytes: int, dry_run: bool) -> None:
    """Make the corpus FOLDER no larger than --max-bytes.

    \b
    What goes, in this order, until it fits:
    1. entries that `graphfuzz corpus prune` removes: nothing is lost with them
    2. converted models (model.onnx), the largest first: replay and repro.py make them again
    3. entries that were not seen for the longest time, of one day the largest: most likely fixed
    """
    _remove(folder, lambda rows: over_limit(rows, max_bytes), dry_run)


@click.command()
@corpus_argument
@dry_run_option
def migrate(folder: Path, dry_run: bool) -> None:
    """Rewrite the entries of the corpus FOLDER that are of an older schema, or whose JSON is not canonical.

    Entries of every older schema are read as they are; rewriting them makes differences readable.

    Exit code: 0, or 2 for bad input, a damaged entry among it; all others are rewritten nevertheless.
    """
    paths, rewritten, damaged = entries([folder]), 0, 0
    for path in telling("migrating")(paths):
        try:
            names = outdated(path, read_entry(path))
        except EntryError as error:
            damaged += 1
            click.echo(f"graphfuzz: {error}", err=True)
            continue
        if names and not dry_run:
            update_entry(path, lambda entry: entry)
        if names:
            rewritten += 1
            click.echo(f"{path}: {', '.join(names)}")
    click.echo(f"{len(paths)} entries: {rewritten} {'to rewrite' if dry_run else 'rewritten'}, {damaged} damaged")
    sys.exit(2 if damaged else 0)


def _remove(folder: Path, plan: Callable[[Sequence[Row]], list[Removal]], dry_run: bool) -> None:
    """Plan, carry out, tell."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name a corpus")
    with open_index(folder, telling("reading")) as index:
        rows = index.rows()
    for row in rows:
        if row.damage:
            click.echo(f"graphfuzz: {row.damage}", err=True)
    removals = plan(rows)
    if removals and not dry_run:
        check_writable(folder)
    for removal in telling("removing")(removals):
        if not dry_run:
            carry_out(folder, [removal])
        click.echo(f"{'would go' if dry_run else 'removed'}: {folder / removal.path} ({removal.what}): {removal.why}")
    size = sum(row.bytes for row in rows)
    left = size - sum(removal.frees for removal in removals)
    click.echo(f"{len(rows)} entries, {size} bytes; {len(removals)} {'would go' if dry_run else 'gone'}; {left} left")
