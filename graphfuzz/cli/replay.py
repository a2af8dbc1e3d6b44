"""`graphfuzz replay`: entries run again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from graphfuzz.campaign.replaying import REPEATS, Job, Replayer, read_jobs
from graphfuzz.corpus.entry import entries
from graphfuzz.corpus.expectation import Expectations, expectations_text, judged, read_expectations, updated
from graphfuzz.corpus.files import check_replaceable, replace_file
from graphfuzz.corpus.replay import BROKEN, CANNOT_RUN, FAILED, STATUSES, Line, standing
from graphfuzz.errors import UsageError
from graphfuzz.oracle.route import load_route
from graphfuzz.report.junit import junit_xml
from graphfuzz.report.replay import show_replay
from graphfuzz.report.sarif import sarif

HELP = """Run corpus entries again: the entries at or below each PATH (corpus/ unless told), on their own routes or
on others (--on).

Each is judged by the tolerance and within the limits that it was found under, in a fresh process. What does not show
its finding is run again (--repeats).

\b
{statuses}

With --expect FILE, a status that FILE does not expect of the entry is news: a regression, or an improvement.

Exit code: 0 where nothing fails, or with --expect where nothing is news; 1 where anything still fails, has changed or
is flaky, or with --expect where there is news, good or bad; 2 for bad input (a damaged entry among them); 3 where some
cannot run and nothing fails (without --expect).
""".format(statuses="\n".join(f"{status:<14} {text}" for status, text in STATUSES.items()))

_FILE = click.Path(path_type=Path)


@click.command(help=HELP)
@click.argument("paths", nargs=-1, type=_FILE)
@click.option("--route", "routes", multiple=True, help="Only entries of this route (repeatable).")
@click.option("--on", "on", multiple=True, metavar="ROUTE", help="Run on this route, not on the own (repeatable).")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--case-seconds", type=click.FloatRange(min=1), help="Time limit a case. [default: as recorded]")
@click.option(
    "--repeats",
    type=click.IntRange(min=0),
    default=REPEATS,
    show_default=True,
    help="Further runs of what does not show its finding.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object an entry.")
@click.option("--junit", type=_FILE, help="Write JUnit XML to this file.")
@click.option("--sarif", "sarif_log", type=_FILE, help="Write SARIF 2.1.0 to this file.")
@click.option("--expect", type=_FILE, help="The file of expected statuses: only news fails.")
@click.option("--update-expect", is_flag=True, help="Write what is so now to that file; exit code 0.")
def replay(
    paths: tuple[Path, ...],
    routes: tuple[str, ...],
    on: tuple[str, ...],
    packs: tuple[str, ...],
    workers: int,
    case_seconds: float | None,
    repeats: int,
    as_json: bool,
    junit: Path | None,
    sarif_log: Path | None,
    expect: Path | None,
    update_expect: bool,
) -> None:
    """Run entries again; `HELP` says it all."""
    for name in (*routes, *on):
        load_route(name)
    expected = _expected(expect, update_expect)
    for path in (junit, sarif_log, expect if update_expect else None):
        if path is not None:
            check_replaceable(path)
    jobs, lines = read_jobs(entries(paths or [Path("corpus")]), routes, on)
    for line in lines:
        click.echo(f"graphfuzz: {line.now}", err=True)
    if expected is not None:
        _require_distinct(jobs)
    used = sorted({job.route for job in jobs})
    with Replayer(workers, used, packs=packs, seconds=case_seconds, repeats=repeats) as replayer:
        lines += _run(replayer, jobs)
    lines.sort(key=lambda line: (line.entry, line.route))
    if expected is not None:
        lines = [judged(line, expected) for line in lines]
    for path, written in ((junit, junit_xml), (sarif_log, sarif)):
        if path is not None:
            replace_file(path, written(lines))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(lines), indent=2))
    else:
        show_replay(lines, Console())
    if expect is not None and expected is not None:
        _tell_missing(expect, expected, lines)
        if update_expect:
            replace_file(expect, expectations_text(updated(expected, lines)))
    sys.exit(exit_code(lines, settled=update_expect))


def exit_code(lines: Sequence[Line], *, settled: bool = False) -> int:
    """The exit code for all lines. settled: what is news now is expected from now on."""
    counted = {standing(line) for line in lines}
    if BROKEN in counted:
        return 2
    if settled:
        return 0
    if FAILED in counted:
        return 1
    return 3 if any(line.status == CANNOT_RUN and line.news is None for line in lines) else 0


def _expected(expect: Path | None, update: bool) -> Expectations | None:
    """What is expected: None where no file says it, nothing where the file is only to be written."""
    if expect is None:
        if update:
            raise UsageError("--update-expect: name the file with --expect FILE")
        return None
    return {} if update and not expect.exists() else read_expectations(expect)


def _require_distinct(jobs: Sequence[Job]) -> None:
    """The file of expected statuses knows an entry by its folder's name."""
    seen: dict[tuple[str, str], Path] = {}
    for job in jobs:
        other = seen.setdefault((job.route, job.path.absolute().name), job.path)
        if other is not job.path:
            raise UsageError(f"--expect knows an entry by its folder's name, and {other} and {job.path} have the same")


def _run(replayer: Replayer, jobs: Sequence[Job]) -> Iterator[Line]:
    with _progress(len(jobs)) as tell:
        for future in as_completed([replayer.submit(job) for job in jobs]):
            line = future.result()
            tell(line)
            yield line


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Line], None]]:
    """Told of each entry that has run: a bar on a terminal, else a plain line; both on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda line: click.echo(f"{line.status}: {line.entry}", err=True)
        return
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console, transient=True) as bar:
        task = bar.add_task("replay", total=total)
        yield lambda line: bar.advance(task)


def _tell_missing(expect: Path, expected: Expectations, lines: Sequence[Line]) -> None:
    missing = sorted(name for route, name in expected.keys() - {(line.route, line.name) for line in lines})
    if missing:
        click.echo(f"{expect}: {len(missing)} expected entries were not run: {', '.join(missing)}", err=True)
