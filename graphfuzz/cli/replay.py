"""`graphfuzz replay`: entries run again."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from graphfuzz.campaign.workers import Limits, Result, Task, Workers
from graphfuzz.corpus.entry import Entry, entries, read_entry
from graphfuzz.corpus.replay import CANNOT_RUN, CHANGED, DAMAGED, FIXED, STILL_FAILING, compared, obstacle
from graphfuzz.errors import EntryError
from graphfuzz.oracle.route import load_route
from graphfuzz.spec.registry import load_registry

STYLES = {STILL_FAILING: "red", CHANGED: "yellow", FIXED: "green", CANNOT_RUN: "magenta", DAMAGED: "bold red"}


class Line(msgspec.Struct, frozen=True):
    """What replay says of one entry."""

    entry: str
    route: str
    was: str
    status: str
    now: str


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--route", "routes", multiple=True, help="Only entries of this route (repeatable).")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--case-seconds", type=click.FloatRange(min=1), help="Time limit a case. [default: as recorded]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object an entry.")
def replay(
    paths: tuple[Path, ...],
    routes: tuple[str, ...],
    packs: tuple[str, ...],
    workers: int,
    case_seconds: float | None,
    as_json: bool,
) -> None:
    """Run corpus entries again on their routes: the entries at or below each PATH (corpus/ unless told).

    Each is judged by the tolerance and within the limits that it was found under.

    \b
    still failing   the same verdict, with the same error or kind of mismatch
    changed         another finding, or one that is no longer decidable
    fixed           no finding any more: the outputs agree, or the converter refuses cleanly
    cannot run      a package, route or operator is missing here

    Exit code: 0 where all are fixed, 1 where any still fails or has changed, 2 for bad input (a damaged entry among
    them), 3 where some cannot run and all others are fixed.
    """
    for name in routes:
        load_route(name)
    found, lines = _read(entries(paths or [Path("corpus")]), routes)
    registry = load_registry(packs)
    runnable: list[tuple[Path, Entry]] = []
    for path, entry in found:
        reason = obstacle(entry, registry)
        if reason:
            lines.append(_line(path, entry, CANNOT_RUN, reason))
        else:
            runnable.append((path, entry))
    with _progress(len(runnable)) as tell:
        for (tolerance, limits), group in alike(runnable, case_seconds).items():
            names = sorted({entry.finding.route for _, entry in group})
            number = min(workers, len(group))
            with Workers(number, names, packs=packs, limits=limits, tolerance=tolerance) as pool:
                lines += _run(pool, group, tell)
    lines.sort(key=lambda line: line.entry)
    _report(lines, as_json)
    sys.exit(exit_code([line.status for line in lines]))


def exit_code(statuses: Sequence[str]) -> int:
    """The exit code for what was said of all entries."""
    if DAMAGED in statuses:
        return 2
    if STILL_FAILING in statuses or CHANGED in statuses:
        return 1
    return 3 if CANNOT_RUN in statuses else 0


def _read(paths: Sequence[Path], routes: Sequence[str]) -> tuple[list[tuple[Path, Entry]], list[Line]]:
    """The entries, and a line for each that cannot be read."""
    found: list[tuple[Path, Entry]] = []
    damaged: list[Line] = []
    for path in paths:
        try:
            entry = read_entry(path)
        except EntryError as error:
            click.echo(f"graphfuzz: {error}", err=True)
            damaged.append(Line(str(path), "", "", DAMAGED, str(error)))
            continue
        if not routes or entry.finding.route in routes:
            found.append((path, entry))
    return found, damaged


def alike(
    runnable: Sequence[tuple[Path, Entry]], seconds: float | None
) -> dict[tuple[str, Limits], list[tuple[Path, Entry]]]:
    """The entries by the tolerance and limits that they were found under. seconds: a time limit in place of theirs."""
    groups: dict[tuple[str, Limits], list[tuple[Path, Entry]]] = {}
    for path, entry in runnable:
        rule = entry.finding.tolerance, recorded_limits(entry, seconds)
        groups.setdefault(rule, []).append((path, entry))
    return groups


def recorded_limits(entry: Entry, seconds: float | None) -> Limits:
    """The limits that an entry was found under, but with another time limit where one is given."""
    return Limits(seconds=seconds or entry.finding.seconds_a_case, memory_bytes=entry.finding.memory_a_case)


def _run(pool: Workers, runnable: Sequence[tuple[Path, Entry]], tell: Callable[[Line], None]) -> Iterator[Line]:
    waiting: dict[Future[Result], tuple[Path, Entry]] = {}
    for path, entry in runnable:
        waiting[pool.submit(Task(route=entry.finding.route, case=entry.case, recipe=None, plain=True))] = path, entry
    for future in as_completed(waiting):
        path, entry = waiting[future]
        outcome = future.result().outcome
        line = _line(path, entry, compared(entry.finding, outcome), outcome.summary())
        tell(line)
        yield line


def _line(path: Path, entry: Entry, status: str, now: str) -> Line:
    return Line(str(path), entry.finding.route, entry.finding.verdict, status, now)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Line], None]]:
    """Told of each entry that has run: a bar on a terminal, else a plain line; both on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda line: click.echo(f"{line.status}: {line.entry}", err=True)
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("replay", total=total)
        yield lambda line: bar.advance(task)


def _report(lines: Sequence[Line], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(lines), indent=2))
        return
    console = Console()
    if console.is_terminal:
        console.print(_table(lines))
    else:
        click.echo("".join(f"{_plain(line)}\n" for line in lines), nl=False)
    counts = Counter(line.status for line in lines)
    told = ", ".join(f"{counts[status]} {status}" for status in STYLES if counts[status])
    console.print(f"{len(lines)} entries: {told}" if lines else "no entries", highlight=False)


def _table(lines: Sequence[Line]) -> Table:
    table = Table("is", "entry", "now", box=None, pad_edge=False)
    for line in lines:
        status = Text(line.status, style=STYLES[line.status], no_wrap=True)
        table.add_row(status, Text(Path(line.entry).name, overflow="fold"), Text(line.now, no_wrap=True))
    return table


def _plain(line: Line) -> str:
    return f"{line.status:<13}  {line.entry}  {line.now}"
