"""Entries run again in workers: each run in a fresh one, by the tolerance and within the limits it was found under."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from graphfuzz.campaign.workers import Limits, Task, Workers
from graphfuzz.corpus.entry import Entry, read_entry
from graphfuzz.corpus.replay import DAMAGED, Line, is_settled, line_of, line_without_run, obstacle
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import load_registry

REPEATS = 2
"""How often an entry that does not show its finding is run again."""


class Job(msgspec.Struct, frozen=True, eq=False):
    """An entry in a folder, to be run on a route."""

    path: Path
    entry: Entry
    route: str


def read_jobs(paths: Iterable[Path], routes: Sequence[str], on: Sequence[str]) -> tuple[list[Job], list[Line]]:
    """What is to be run, and a line for each entry that cannot be read.

    routes: only entries found on these; all where none is named. on: where to run them, in place of their own routes.
    """
    jobs: list[Job] = []
    damaged: list[Line] = []
    for path in paths:
        try:
            entry = read_entry(path)
        except EntryError as error:
            damaged.append(Line(str(path), "", DAMAGED, str(error)))
            continue
        if not routes or entry.finding.route in routes:
            jobs += [Job(path, entry, route) for route in dict.fromkeys(on or [entry.finding.route])]
    return jobs, damaged


class Replayer:
    """Runs jobs in isolation, a number at a time, as a context manager. Leaving it stops all at once.

    routes: those of the jobs, by name. seconds: a time limit in place of the recorded ones. Raises PackError for an
    operator pack that cannot be loaded.
    """

    def __init__(
        self,
        number: int,
        routes: Sequence[str],
        *,
        packs: Sequence[str] = (),
        seconds: float | None = None,
        repeats: int = REPEATS,
    ) -> None:
        self._number, self._packs, self._seconds, self._repeats = number, packs, seconds, repeats
        self._registry = load_registry(packs)
        self._warm = _modules(routes)
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="replay")
        self._pools: dict[tuple[str, str, Limits], Workers | str] = {}
        self._lock, self._stopping, self._open = threading.Lock(), threading.Event(), ExitStack()

    def __enter__(self) -> Replayer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._open.close()
        self._threads.shutdown(wait=True)

    def submit(self, job: Job) -> Future[Line]:
        """What comes of a job, in time. It fails only with CancelledError, when all is stopped."""
        return self._threads.submit(self._line, job)

    def _line(self, job: Job) -> Line:
        reason = obstacle(job.entry, self._registry, job.route)
        workers = reason or self._workers(job)
        if isinstance(workers, str):
            return line_without_run(job.path, job.entry, job.route, workers)
        start = time.monotonic()
        outcomes = [self._run(workers, job)]
        if not is_settled(job.entry.finding, outcomes[0]):
            outcomes += [self._run(workers, job) for _ in range(self._repeats)]
        return line_of(job.path, job.entry, outcomes, time.monotonic() - start)

    def _run(self, workers: Workers, job: Job) -> Outcome:
        return workers.submit(Task(route=job.route, case=job.entry.case, recipe=None, plain=True)).result().outcome

    def _workers(self, job: Job) -> Workers | str:
        """The workers for a job's route and rule; where they cannot start, as a target cannot be imported, why."""
        tolerance, limits = job.entry.finding.tolerance, recorded_limits(job.entry, self._seconds)
        key = job.route, tolerance, limits
        with self._lock:
            if self._stopping.is_set():
                raise CancelledError
            if key not in self._pools:
                made = Workers(
                    self._number,
                    [job.route],
                    packs=self._packs,
                    limits=limits,
                    tolerance=tolerance,
                    warm=self._warm,
                )
                try:
                    self._pools[key] = self._open.enter_context(made)
                except UsageError as error:
                    self._pools[key] = str(error)
            return self._pools[key]


def recorded_limits(entry: Entry, seconds: float | None) -> Limits:
    """The limits that an entry was found under, but with another time limit where one is given."""
    return Limits(seconds=seconds or entry.finding.seconds_a_case, memory_bytes=entry.finding.memory_a_case)


def _modules(routes: Sequence[str]) -> list[str]:
    """What the routes import beforehand; one that there is not is told entry by entry, as an obstacle."""
    modules: list[str] = []
    for name in routes:
        with suppress(UsageError):
            modules += load_route(name).preload
    return modules
