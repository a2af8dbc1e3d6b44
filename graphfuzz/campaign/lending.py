"""What grows with a campaign, on its way to the workers: it is sent once an epoch instead of once a case."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from graphfuzz.generator import Guide, Support

T = TypeVar("T", Guide, Support)

KEPT = 12
"""How many there are at a time: tasks of two epochs are given out, with a guide for each of two frameworks, and what is
known of each of four routes."""

Lent: TypeAlias = Guide | Support


class Lender:
    """Files in a folder. One goes when `KEPT` others have been lent since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lent: deque[Path] = deque()

    def lend(self, lent: Lent) -> Path:
        """The file for `borrowed`, by the name."""
        path = self.folder / f"{lent.name}.{type(lent).__name__.lower()}"
        if path not in self._lent:
            path.write_bytes(msgspec.msgpack.encode(lent))
            self._lent.append(path)
            if len(self._lent) > KEPT:
                self._lent.popleft().unlink()
        return path


@lru_cache(KEPT)
def borrowed(path: Path, kind: type[T]) -> T:
    """What is in a file; it is read once."""
    return msgspec.msgpack.decode(path.read_bytes(), type=kind)
