"""How a campaign's processes are: how many live, what they hold, and why some were replaced."""

from __future__ import annotations

import os
import threading
from collections import Counter

import msgspec
import psutil

SPENT, FRESH, BROKEN, LOST = "spent", "fresh", "broken", "lost"
"""Why a worker is replaced: it has run its number of cases, grown, or may be damaged; a case wants a fresh process; it
did not start, or was gone between two cases; its machine was lost."""


class Health(msgspec.Struct, frozen=True):
    """Of the processes at one moment, and since the campaign's process began.

    workers: how many there should be, the examiner among them once it was needed; alive: how many there are. memory:
    resident bytes of the campaign's process; worker_memory: of the workers and what they started, where shared pages
    count in each. deaths: cases that cost their worker, by cause (a signal, an exit code, a limit). replaced: workers
    stopped, by reason.
    """

    workers: int
    alive: int
    memory: int
    worker_memory: int
    deaths: dict[str, int]
    replaced: dict[str, int]


class Tally:
    """Counts by name that several threads add to."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """One more."""
        with self._lock:
            self._counts[name] += 1

    def counts(self) -> dict[str, int]:
        """All of them, by now."""
        with self._lock:
            return dict(self._counts)


def look(workers: int, deaths: Tally, replaced: Tally) -> Health:
    """The health of this process and of its workers, which a server forks for it: they are its grandchildren."""
    here = psutil.Process()
    parents, memory = {}, {}
    for process in here.children(recursive=True):
        try:
            parents[process.pid], memory[process.pid] = process.ppid(), process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
    servers = {pid for pid, parent in parents.items() if parent == os.getpid()}
    return Health(
        workers,
        sum(parent in servers for parent in parents.values()),
        here.memory_info().rss,
        sum(held for pid, held in memory.items() if pid not in servers),
        deaths.counts(),
        replaced.counts(),
    )
