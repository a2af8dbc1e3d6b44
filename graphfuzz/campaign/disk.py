"""How much of the disk a campaign takes: its own folder, and what it has added to the corpus."""

from __future__ import annotations

import os
import time
from pathlib import Path

from graphfuzz.campaign.statistics import Statistics

EVERY = 2.0
"""After how many seconds it is looked up anew: a thousand entries take 20 ms."""


class Disk:
    """The bytes that a campaign takes. folder: its own, None where it has none. statistics: name what it has stored."""

    def __init__(self, folder: Path | None, statistics: Statistics) -> None:
        self.folder = folder
        self.statistics = statistics
        self._taken = 0
        self._next = -float("inf")

    def taken(self) -> int:
        """The bytes, as they were a moment ago at the latest."""
        if time.monotonic() >= self._next:
            self._taken = taken(self.folder, self.statistics)
            self._next = time.monotonic() + EVERY
        return self._taken


def taken(folder: Path | None, statistics: Statistics) -> int:
    """The bytes of all files in a campaign's folder and in the entries that it has added to the corpus."""
    stored = {Path(bucket.path).resolve() for bucket in statistics.found() if not bucket.known}
    places = stored if folder is None else {folder.resolve(), *stored}
    return sum(_size(place) for place in places if places.isdisjoint(place.parents))


def _size(folder: Path) -> int:
    """The bytes of the files at or below a folder; of what is gone by now, none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total
