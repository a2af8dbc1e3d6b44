"""Warm, disposable worker processes; the engine's side.

Every case runs in a worker, which is forked from a server that has imported the targets and the operator packs. A case
that kills its worker, or takes too long, costs that worker; the next case gets a new one within some 30 ms. Each worker
is a Pebble pool of one, so that one can be replaced without the others noticing.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec
from pebble import ProcessExpired, ProcessPool

from graphfuzz.campaign import child
from graphfuzz.campaign.child import Result as Result
from graphfuzz.campaign.child import Task as Task
from graphfuzz.campaign.health import BROKEN, FRESH, SPENT, Health, Tally, look
from graphfuzz.campaign.lending import Lender
from graphfuzz.campaign.processes import LEFT, WorkerContext
from graphfuzz.campaign.scratch import Scratch
from graphfuzz.errors import GraphfuzzError, UsageError
from graphfuzz.graph import Case, features
from graphfuzz.oracle.causes import ALLOCATORS
from graphfuzz.oracle.judge import failure
from graphfuzz.oracle.ledger import Stock
from graphfuzz.oracle.route import load_route, versions
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import HANG, HARNESS_ERROR, PROCESS_CRASH, UNSUPPORTED, Outcome
from graphfuzz.spec.registry import installed_packs

OURS = ("generation", "materialization", "source", "compare")
"""The stages in which no converter and no runtime is at work: dying there is our mistake."""

ATTEMPTS = 3
"""How often a task is given out that a worker's death, before it took the task, brought back."""

KILLED = "killed from outside"
"""The cause of deaths by SIGKILL after which the task was given out once more."""

LOG = 64 << 10
"""How much of what a dead worker said is read, in bytes: of its beginning, and of its end."""

PATIENCE = 0.2
"""How often a thread that waits for a worker looks whether all is to stop, in seconds."""


class Limits(msgspec.Struct, frozen=True):
    """What one case may take.

    seconds: wall time, generation included. stage_seconds: wall time of each stage; None for no limit but the case's.
    memory_bytes: beyond what a worker has after its imports. recycle_after: the cases that one worker runs.
    """

    seconds: float = 60.0
    stage_seconds: float | None = None
    memory_bytes: int = 4 << 30
    recycle_after: int = 500


class Pool(Protocol):
    """What a campaign needs of workers, here or elsewhere."""

    def submit(self, task: Task) -> Future[Result]:
        """As `Workers.submit`."""


class Workers:
    """A number of workers, as a context manager. Leaving it stops them at once, whatever they are at.

    routes: by name; their targets are imported beforehand. packs: paths of further operator packs. warm: further
    modules that workers will need, of this and later ones, as the first fixes what workers are forked with. Entering it
    raises UsageError where a worker cannot start.

    Findings are attributed by a worker beside them, the examiner, which no other task replaces: it asks the converters
    of other routes, too, and importing these takes longer than asking. It works while one of the others does not.
    """

    def __init__(
        self,
        number: int,
        routes: Sequence[str],
        *,
        packs: Sequence[str] = (),
        limits: Limits = Limits(),  # noqa: B008 - frozen
        tolerance: str = "conditioning",
        warm: Sequence[str] = (),
    ) -> None:
        self.number = number
        self.limits = limits
        targets = (module for route in routes for module in load_route(route).preload)
        self._preload = [*warm, *targets, *(point.module for point in installed_packs())]
        rule = parse_tolerance(tolerance)
        self._scratch = Scratch()
        self._settings = child.Settings(
            routes=tuple(routes),
            packs=tuple(packs),
            tolerance=rule,
            folder=str(self._scratch.path),
            seconds=limits.seconds,
            stage_seconds=limits.stage_seconds,
            memory_bytes=limits.memory_bytes,
            recycle_after=limits.recycle_after,
        )
        self._lender = Lender(self._scratch.path)
        self._numbers = count()
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="worker")
        self._deaths, self._replaced = Tally(), Tally()
        self._slots = [_Slot(self._settings, self._stopping, self._replaced) for _ in range(number)]
        self._examiner = _Slot(self._settings, self._stopping, self._replaced)
        self._examining, self._has_examined = threading.Lock(), False
        self._idle: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._idle.put(slot)

    def __enter__(self) -> Workers:
        _warm(self._preload)
        try:
            self._slots[0].call(child.ready)
        except (ProcessExpired, RuntimeError) as error:
            complaint = self._slots[0].complaint
            self.__exit__()
            raise UsageError(f"a worker cannot start: {complaint or error}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for slot in (*self._slots, self._examiner):
            slot.pool.stop()
        for slot in (*self._slots, self._examiner):
            slot.pool.join()
        self._scratch.close()

    def submit(self, task: Task) -> Future[Result]:
        """The task's result, in time. It fails only with CancelledError, when the workers are stopped."""
        lend = self._lender.lend
        task = msgspec.structs.replace(task, guide=lend(task.guide), support=lend(task.support))
        return self._threads.submit(self._run, task)

    def ask(self, function: Callable[..., Any], *arguments: Any, seconds: float | None = None) -> Future[Any]:
        """What a function of `graphfuzz.campaign.child` returns in a worker, in time.

        It fails with what the function raises, TimeoutError, ProcessExpired, or CancelledError when all is to stop.
        """
        return self._threads.submit(self._ask, function, arguments, seconds)

    def health(self) -> Health:
        """How the workers are, and what has become of others since they began."""
        return look(len(self._slots) + self._has_examined, self._deaths, self._replaced)

    def stock(self, route: str) -> Stock:
        """What the route's converter registers, told by a worker. Raises UsageError where that cannot be told."""
        try:
            told: Stock = self.ask(child.stock, route).result()
        except GraphfuzzError:
            raise
        except Exception as error:
            raise UsageError(f"the ledger of '{route}' cannot be read: {type(error).__name__}: {error}") from error
        return told

    def _ask(self, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float | None) -> Any:
        slot = self._idle.get()
        try:
            return slot.call(function, *arguments, timeout=seconds)
        finally:
            self._idle.put(slot)

    def _run(self, task: Task) -> Result:
        slot, number = self._idle.get(), next(self._numbers)
        try:
            if task.finding is None or task.question:
                return self._attempt(slot, number, task)
            with self._examining:
                self._has_examined = True
                return self._attempt(self._examiner, number, task)
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the processes' boundary is one of a stage, too
            return Result(failure(load_route(task.route), "generation", error), task.case)
        finally:
            self._idle.put(slot)
            for kind in ("stage", "log"):
                (self._scratch.path / f"{number}.{kind}").unlink(missing_ok=True)

    def _attempt(self, slot: _Slot, number: int, task: Task) -> Result:
        if task.plain:
            slot.replace(FRESH)
        seconds = self.limits.seconds if task.seconds is None else min(task.seconds, self.limits.seconds)
        try:
            reply: child.Reply = self._work(slot, number, task, seconds)
        except TimeoutError:
            message = f"no result within {seconds:g} seconds"
            return self._dead(slot, number, task, HANG, "TimeLimit", message)
        except ProcessExpired as death:
            if death.exitcode == -signal.SIGALRM and self.limits.stage_seconds is not None:
                message = f"no end of the stage within {self.limits.stage_seconds:g} seconds"
                return self._dead(slot, number, task, HANG, "TimeLimit", message)
            return self._dead(slot, number, task, PROCESS_CRASH, _cause(death.exitcode), "")
        if reply.spent:
            slot.replace(SPENT)
        return reply.result

    def _work(self, slot: _Slot, number: int, task: Task, seconds: float) -> child.Reply:
        """What the worker replies. One that was killed by SIGKILL, which comes from outside, tells nothing of the task:
        it is given out once more; where memory was scarce, that tells."""
        try:
            reply: child.Reply = slot.call(child.work, number, task, timeout=seconds)
        except ProcessExpired as death:
            if death.exitcode != -signal.SIGKILL:
                raise
            self._deaths.add(KILLED)
            reply = slot.call(child.work, number, task, timeout=seconds)
        return reply

    def _dead(self, slot: _Slot, number: int, task: Task, verdict: str, error: str, message: str) -> Result:
        """What a worker that did not answer left behind, as a result."""
        self._deaths.add(error)
        stage = _read(self._scratch.path, f"{number}.stage").strip() or "generation"
        log = _read(self._scratch.path, f"{number}.log")
        route = load_route(task.route)
        outcome = Outcome(
            route=route.name,
            verdict=HARNESS_ERROR if stage in OURS else UNSUPPORTED if stage == child.TRYING else verdict,
            stage=stage,
            error=error,
            message=message or _last_words(log),
            traceback=log[-20000:],
            versions=versions(route),
        )
        case = self._case(slot, task, stage)
        return Result(outcome, case, features=features(case.graph) if case is not None and task.case is None else None)

    def _case(self, slot: _Slot, task: Task, stage: str) -> Case | None:
        """The case that the dead worker had in hand, made again unless making it is what went wrong."""
        if task.case is not None or stage == "generation":
            return task.case
        made: Case = slot.call(child.make, task, timeout=self.limits.seconds)
        return made


class _Slot:
    """Room for one worker."""

    def __init__(self, settings: child.Settings, stopping: threading.Event, replaced: Tally) -> None:
        self._settings = settings
        self._replaced = replaced
        self._stopping = stopping
        self.pool = self._new()

    def _new(self) -> ProcessPool:
        arguments = (self._settings,)
        return ProcessPool(max_workers=1, initializer=child.start, initargs=arguments, context=WorkerContext())

    def replace(self, why: str) -> None:
        """Stop this worker; the next call starts another."""
        self._replaced.add(why)
        self._renew()

    def _renew(self) -> None:
        self.pool.stop()
        self.pool.join()
        self.pool = self._new()

    @property
    def complaint(self) -> str:
        """The last line of what a worker that could not start said."""
        return _read(self._settings.folder, "start.log").strip().rpartition("\n")[2]

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Any:
        """The function's result in the worker.

        Raises what it raises, TimeoutError, ProcessExpired, BrokenProcessPool where no worker can be started, and
        CancelledError when all is to stop.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self._call(function, arguments, timeout)
            except BrokenProcessPool:
                self.replace(BROKEN)
        return self._call(function, arguments, timeout)

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float | None) -> Any:
        try:
            future = self.pool.schedule(function, args=arguments)
        except RuntimeError as error:  # Pebble's word for a pool that lost its worker between two tasks
            raise BrokenProcessPool(str(error)) from error
        began: float | None = None
        while not wait([future], timeout=PATIENCE).done:
            if self._stopping.is_set():
                raise CancelledError
            if began is None and future.running():
                began = time.monotonic()
            if timeout is not None and began is not None and time.monotonic() - began > timeout:
                self._renew()  # not left to Pebble, which goes by the clock on the wall, and that may be set
                raise TimeoutError
        return future.result()


def _warm(modules: Sequence[str]) -> None:
    """Have the fork server import these, targets and operator packs, and what a worker's main module will import again.

    A server that runs already keeps what it has imported; its workers import the rest themselves. What is not ours is
    named in a variable, as the server would not survive one whose import fails with anything but ImportError.
    """
    ours = [
        name for name in sys.modules if name.partition(".")[0] == "graphfuzz" and name != "graphfuzz.campaign.child"
    ]
    os.environ["GRAPHFUZZ_PRELOAD"] = " ".join(dict.fromkeys(modules))
    preload = ["graphfuzz.campaign.forkserver", *ours, "graphfuzz.campaign.child"]
    multiprocessing.get_context("forkserver").set_forkserver_preload(preload)


def _cause(exitcode: int | None) -> str:
    """The signal's name, or the exit code."""
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {0 if exitcode == LEFT else exitcode}"


_ABORTS = ("terminate called", "what():", "Check failed", "Assertion", "Fatal Python error")


def _last_words(log: str) -> str:
    """What a dying process said of the cause, on one line."""
    lines = [line.strip()[:500] for line in log.splitlines() if any(said in line for said in _ABORTS)]
    said = "; ".join(lines[:3])
    return f"memory limit: {said}" if any(word in log for word in ALLOCATORS) else said


def _read(folder: str | Path, name: str) -> str:
    """A file's text, without the middle of one that is very long; empty where there is none."""
    try:
        with Path(folder, name).open("rb") as file:
            first = file.read(2 * LOG)
            length = file.seek(0, os.SEEK_END)
            if length > 2 * LOG:
                file.seek(-LOG, os.SEEK_END)
                first = first[:LOG] + b"\n...\n" + file.read()
    except FileNotFoundError:
        return ""
    return first.decode(errors="replace")
