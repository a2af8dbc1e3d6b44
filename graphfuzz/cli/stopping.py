"""Ctrl-C that ends a command where it can end: an exception in the middle of anything could end it anywhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT (Ctrl-C) or SIGTERM has come meanwhile; a second one does what it did before."""
    came: list[int] = []

    def heed(number: int, frame: object) -> None:
        restore()
        came.append(number)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, heed) for number in SIGNALS}
    try:
        yield lambda: bool(came)
    finally:
        restore()
