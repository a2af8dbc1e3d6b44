"""How far a command is, told on stderr once it takes longer than a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import Progress

PATIENCE = 2.0
"""How long nothing is told, and then between two plain lines, in seconds."""

T = TypeVar("T")


def telling(what: str) -> Callable[[Sequence[T]], Iterator[T]]:
    """Passes things on one by one: a bar on a terminal, else a plain line now and then. what: is done to them."""

    def tell(things: Sequence[T]) -> Iterator[T]:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(what, total=len(things), visible=False)
            started = last = time.monotonic()
            for done, thing in enumerate(things):
                yield thing
                now = time.monotonic()
                bar.update(task, advance=1, visible=now - started > PATIENCE)
                if now - last > PATIENCE and not console.is_terminal:
                    click.echo(f"{what}: {done + 1} of {len(things)}", err=True)
                    last = now

    return tell
