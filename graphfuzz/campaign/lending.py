"""What grows with a campaign, on its way to the workers: it is sent once an epoch instead of once a case."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from graphfuzz.generator import Guide, Support

T = TypeVar("T", Guide, Support)

KEPT = 12
"""How many there are at a time: tasks of two epochs are given out, with a guide for each of two frameworks, and what is
known of each of four routes."""


class Lender:
    """Files in a folder. One goes when `KEPT` others have been lent since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lent: deque[Path] = deque()

    def lend(self, own: T | Path | None) -> T | Path | None:
        """The file for `borrowed`, by the name; what has none goes itself."""
        if own is None or isinstance(own, Path) or not own.name:
            return own
        return self.keep(label(own), lambda: packed(own))

    def keep(self, name: str, data: Callable[[], bytes]) -> Path:
        """The file of this name, written if it is not there."""
        path = self.folder / name
        if path not in self._lent:
            path.write_bytes(data())
            self._lent.append(path)
            if len(self._lent) > KEPT:
                self._lent.popleft().unlink()
        return path


def label(own: Guide | Support) -> str:
    """The name of its file."""
    return f"{own.name}.{type(own).__name__.lower()}"


def packed(own: Guide | Support) -> bytes:
    """What is in its file."""
    return msgspec.msgpack.encode(own)


def borrowed(lent: T | Path | None, kind: type[T]) -> T | None:
    """What was lent; a file is read once."""
    return _read(lent, kind) if isinstance(lent, Path) else lent


@lru_cache(KEPT)
def _read(path: Path, kind: type[T]) -> T:
    return msgspec.msgpack.decode(path.read_bytes(), type=kind)
