"""Guides on their way to the workers: one grows with the campaign, and is sent once an epoch instead of once a case."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from pathlib import Path

import msgspec

from graphfuzz.generator import Guide

KEPT = 4
"""How many guides there are at a time: tasks of two epochs are given out, in two frameworks."""


class Lender:
    """Files of guides in a folder. A guide's file goes when `KEPT` others have been lent since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lent: deque[Path] = deque()

    def lend(self, guide: Guide) -> Path:
        """The file of a guide, by its name, for `borrowed`."""
        path = self.folder / f"{guide.name}.guide"
        if path not in self._lent:
            path.write_bytes(msgspec.msgpack.encode(guide))
            self._lent.append(path)
            if len(self._lent) > KEPT:
                self._lent.popleft().unlink()
        return path


@lru_cache(KEPT)
def borrowed(path: Path) -> Guide:
    """The guide in a file; it is read once."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Guide)
