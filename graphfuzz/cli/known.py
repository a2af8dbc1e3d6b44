"""`graphfuzz known`: the known issues that campaigns do not generate."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from graphfuzz.campaign.known import (
    FILE,
    KnownIssue,
    Suppression,
    check_issue,
    is_expired,
    issue_text,
    pattern_of,
    read_known,
)
from graphfuzz.campaign.replaying import Replayer, read_jobs
from graphfuzz.cli.progress import telling
from graphfuzz.corpus.entry import read_entry
from graphfuzz.corpus.files import check_replaceable, replace_file
from graphfuzz.errors import UsageError
from graphfuzz.generator import Bar, share_stopped
from graphfuzz.oracle.route import load_route
from graphfuzz.spec.registry import Registry, load_registry

DAYS = 180
"""How long an issue suppresses anything, where nobody says until when."""
TO_DO = 1
"""The exit code of `probe` where an issue has expired or is mended."""

_file = click.option(
    "--known",
    "file",
    type=click.Path(path_type=Path),
    default=Path(FILE),
    show_default=True,
    help="The file of issues.",
)
_packs = click.option(
    "--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable)."
)


@click.group()
def known() -> None:
    """List, add and probe known issues: defects that are reported, and that campaigns need not find again.

    While an issue stands, its pattern of nodes is not generated and its findings are counted in its entry's bucket.
    Every campaign runs the entry in the beginning and daily; once that does not fail any more, or the issue's last day
    has passed, nothing of it is suppressed.
    """


@known.command("list")
@_file
@_packs
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object an issue.")
def list_(file: Path, packs: tuple[str, ...], as_json: bool) -> None:
    """The issues, what they suppress, and which share of all uses of operators on their route that is."""
    registry = load_registry(packs)
    issues = read_known(file, registry)
    shares = [_share(issue, registry) for issue in issues]
    if as_json:
        told = [{**msgspec.to_builtins(issue), "share": share} for issue, share in zip(issues, shares, strict=True)]
        click.echo(json.dumps(told, indent=2))
        return
    table = Table("title", "route", "until", "pattern", "share of uses", "link", title=str(file), title_justify="left")
    for issue, share in zip(issues, shares, strict=True):
        until = f"{issue.until} (expired)" if is_expired(issue) else str(issue.until)
        pattern = " or ".join(map(describe, issue.bars)) or "none: its findings alone"
        table.add_row(issue.title, issue.route, until, pattern, f"{share:.2%}", issue.link)
    Console().print(table)


@known.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("--link", required=True, help="The issue in the target's own tracker.")
@click.option("--title", help="What people call it. [default: what was found]")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help=f"Its last day, YYYY-MM-DD. [default: in {DAYS} days]")
@click.option("--no-pattern", is_flag=True, help="Count its findings; go on making cases of its kind.")
@_file
@_packs
def add(
    entry: Path,
    link: str,
    title: str | None,
    until: datetime | None,
    no_pattern: bool,
    file: Path,
    packs: tuple[str, ...],
) -> None:
    """Add the defect that the corpus entry ENTRY shows.

    Its pattern is the node to blame, on dtypes, ranks and attributes as plain as the minimizer could make them; edit
    the file where more or less should be suppressed.
    """
    registry = load_registry(packs)
    check_replaceable(file)
    others = read_known(file, registry) if file.exists() else ()
    found = read_entry(entry)
    bar = None if no_pattern else pattern_of(found, registry)
    if bar is None and not no_pattern:
        raise UsageError(f"{entry}: no single node is to blame, so there is no pattern to suppress; give --no-pattern")
    issue = KnownIssue(
        title=title or f"{bar.operator if bar else found.finding.route}: {found.finding.summary()}"[:100],
        link=link,
        route=found.finding.route,
        entry=os.path.relpath(entry, file.parent),
        until=until.date() if until else _in_time(),
        operator=bar.operator if bar else "",
        dtypes=bar.dtypes if bar else (),
        ranks=bar.ranks if bar else (),
        attributes=dict(bar.attributes) if bar else {},
    )
    check_issue(issue, found, registry)
    if issue.title in {other.title for other in others}:
        raise UsageError(f"{file}: has an issue titled '{issue.title}'; name this one by --title")
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    replace_file(file, before + ("\n" if before else "") + issue_text(issue))
    click.echo(issue_text(issue), nl=False)
    click.echo(f"added to {file}: suppresses {_share(issue, registry):.2%} of the uses on {issue.route}", err=True)


@known.command()
@_file
@_packs
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
def probe(file: Path, packs: tuple[str, ...], workers: int) -> None:
    """Run the issues' entries; exit code 1 where one is mended or has expired, so that its issue should go."""
    issues = read_known(file, load_registry(packs))
    suppression = Suppression(issues)
    jobs, _ = read_jobs([Path(issue.entry) for issue in issues], (), ())
    with Replayer(workers, sorted({job.route for job in jobs}), packs=packs) as replayer:
        futures = [replayer.submit(job) for job in jobs]
        lines = [future.result() for future in telling("probing")(futures)]
    suppression.learn(lines)
    standing = suppression.standing()
    for issue, line in zip(issues, lines, strict=True):
        how = "stands" if issue in standing else "expired" if is_expired(issue) else "mended"
        click.echo(f"{how}: {issue.title} ({line.status}: {line.now})")
    sys.exit(0 if len(standing) == len(issues) else TO_DO)


def describe(bar: Bar) -> str:
    """A pattern, for people: `roll of float32, rank 1 or 2, dims ()`."""
    parts = [bar.operator + (f" of {' or '.join(bar.dtypes)}" if bar.dtypes else "")]
    parts += [f"rank {' or '.join(map(str, bar.ranks))}"] if bar.ranks else []
    parts += [f"{name} {' or '.join(bins)}" for name, bins in bar.attributes.items()]
    return ", ".join(parts)


def _share(issue: KnownIssue, registry: Registry) -> float:
    framework = load_route(issue.route).framework
    return share_stopped(issue.bars, registry.of(framework), framework)


def _in_time() -> date:
    return datetime.now(UTC).date() + timedelta(days=DAYS)
