"""`graphfuzz status`: how campaigns are, read from outside."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from graphfuzz.campaign.status import RUNNING, Status, campaigns, read_status
from graphfuzz.cli import BAD_INPUT
from graphfuzz.cli.campaign_view import WIDE, View, say
from graphfuzz.cli.status_screen import screen, status_line, summary
from graphfuzz.cli.stopping import stoppable
from graphfuzz.errors import GraphfuzzError

LOOK = 1.0
"""How often a followed campaign is looked at, in seconds."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as in the campaign's status.json.")
@click.option("--follow", is_flag=True, help="Tell again whenever there is news, until the campaign has ended.")
def status(folder: Path, as_json: bool, follow: bool) -> None:
    """Tell how the campaign in DIR is: running, ended or dead. Several campaigns in DIR are told in a line each.

    The campaign is not disturbed. Exit code: 0, or 2 where there is none or it cannot be read.
    """
    folders = campaigns(folder)
    several = folders != [folder]
    found = [one for path in folders if (one := _read(path, several)) is not None]
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if not follow:
        _tell(console, found, several, as_json)
    elif as_json or not console.is_terminal:
        _follow_plainly(found, console, as_json)
    else:
        _follow(found, console, several)
    if len(found) < len(folders):
        sys.exit(BAD_INPUT)


def _read(folder: Path, several: bool) -> Status | None:
    """The status of a campaign. Where there are several, one that cannot be read is told on stderr and left out."""
    try:
        return read_status(folder)
    except GraphfuzzError as error:
        if not several:
            raise
        click.echo(f"graphfuzz: {error}", err=True)
        return None


def _tell(console: Console, found: Sequence[Status], several: bool, as_json: bool) -> None:
    if as_json:
        data = msgspec.json.encode(found if several else found[0])
        click.echo(msgspec.json.format(data).decode())
    else:
        console.print(summary(found) if several else screen(found[0], console.width))


def _follow(found: Sequence[Status], console: Console, several: bool) -> None:
    """Draw until none runs; the last picture stays."""

    def draw() -> RenderableType:
        return summary(found) if several else screen(found[0], console.width, console.height - 1)

    with Live(console=console, get_renderable=draw, auto_refresh=False) as live:
        for now in _looks(found):
            found = now
            live.refresh()


def _follow_plainly(found: Sequence[Status], console: Console, as_json: bool) -> None:
    """A line a campaign, now and then, until none runs."""
    told = -View.EVERY
    for number, now in enumerate(_looks(found)):
        if number * LOOK - told < View.EVERY and _runs(now):
            continue
        told = number * LOOK
        for one in now:
            if as_json:
                click.echo(msgspec.json.encode(one))
            else:
                say(console, f"{one.campaign}: {one.state} · {status_line(one).strip()}")


def _looks(found: Sequence[Status]) -> Iterator[Sequence[Status]]:
    """The campaigns as they are now, and again after a while, until none runs or Ctrl-C."""
    with stoppable() as stopped:
        yield found
        while _runs(found) and not stopped():
            time.sleep(LOOK)
            found = [read_status(Path(one.campaign)) for one in found]
            yield found


def _runs(found: Sequence[Status]) -> bool:
    return any(one.state == RUNNING for one in found)
