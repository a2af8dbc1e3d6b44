"""A host: the workers of one machine of a cluster, and what it takes to have them there.

The host's process imports no target, as little as a campaign's own does. All that goes in and out is bytes: tasks and
results, what is lent, and further operator packs; no disk need be shared.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import queue
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

import msgspec
from packaging.requirements import Requirement

from graphfuzz.campaign.health import Health
from graphfuzz.campaign.lending import Lender
from graphfuzz.campaign.workers import Limits, Result, Task, Workers
from graphfuzz.errors import GraphfuzzError, PackError
from graphfuzz.oracle.route import installed, load_route
from graphfuzz.spec.registry import installed_packs

PULSE = 1.0
"""After how many seconds a host answers that has nothing to tell."""
GATHER = 0.1
"""For how many seconds results are gathered while no worker is without a task: what a call of the cluster costs, some
milliseconds, is then shared by them."""
LOOK = 2.0
"""How many seconds what a host says of its health stays true."""


class Pack(msgspec.Struct, frozen=True):
    """A further operator pack on its way. name: of its folder or file; files: by path within that, or alone."""

    name: str
    files: Mapping[str, bytes]


class Setup(msgspec.Struct, frozen=True):
    """What a host is begun with: `number` workers, each as in `Workers`."""

    number: int
    routes: tuple[str, ...]
    packs: tuple[Pack, ...]
    limits: Limits
    tolerance: str


class News(msgspec.Struct, frozen=True):
    """What a host tells: results, by the numbers of their tasks, and how its workers are."""

    results: list[tuple[int, Result]]
    health: Health


class Host:
    """Workers that are given tasks by the lease, and asked for results. Its methods may be called side by side."""

    def __init__(self, setup: bytes) -> None:
        told: Setup = pickle.loads(setup)
        self._folder = tempfile.TemporaryDirectory(prefix="graphfuzz-host-")
        folder = Path(self._folder.name)
        self._lender = Lender(folder)
        self._workers = Workers(
            told.number,
            told.routes,
            packs=[unpacked(pack, folder / str(place)) for place, pack in enumerate(told.packs)],
            limits=told.limits,
            tolerance=told.tolerance,
        )
        self._done: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self._lock, self._in_hand = threading.Lock(), 0
        self._health: Health | None = None
        self._looked = 0.0

    def open(self) -> str:
        """Start; what is amiss if that cannot be, else empty."""
        try:
            self._workers.__enter__()
        except GraphfuzzError as error:
            return str(error)
        return ""

    def give(self, lease: bytes, *loans: bytes) -> None:
        """Take a lease: tasks with their numbers, and the names of what they borrow, which comes with it."""
        tasks, names = pickle.loads(lease)
        files = {
            Path(name): self._lender.keep(name, partial(bytes, loan)) for name, loan in zip(names, loans, strict=True)
        }
        with self._lock:
            self._in_hand += len(tasks)
        for number, task in tasks:
            own = msgspec.structs.replace(
                task, guide=files.get(task.guide, task.guide), support=files.get(task.support, task.support)
            )
            self._workers.submit(own).add_done_callback(partial(self._finish, number))

    def harvest(self) -> bytes:
        """The news since the last time, as soon as there are any, and in any case after `PULSE` seconds; the first time
        at once."""
        results: list[tuple[int, Result]] = []
        try:
            results.append(self._done.get(timeout=PULSE if self._health else 0))
            until = time.monotonic() + GATHER
            while True:
                spare = self._in_hand > self._workers.number
                results.append(self._done.get(timeout=max(0.0, until - time.monotonic()) if spare else 0))
        except queue.Empty:
            pass
        if self._health is None or time.monotonic() - self._looked > LOOK:
            self._health, self._looked = self._workers.health(), time.monotonic()
        return pickle.dumps(News(results, self._health))

    def close(self) -> None:
        """Stop the workers at once."""
        self._workers.__exit__()
        self._folder.cleanup()

    def _finish(self, number: int, future: Future[Result]) -> None:
        if not (future.cancelled() or isinstance(future.exception(), CancelledError)):
            with self._lock:
                self._in_hand -= 1
            self._done.put((number, future.result()))


def packed_lease(tasks: Sequence[tuple[int, Task]], names: Sequence[str]) -> bytes:
    """A lease for `Host.give`."""
    return pickle.dumps((list(tasks), list(names)))


def read_pack(path: str) -> Pack:
    """An operator pack, to be taken elsewhere; what is beside it, it must do without. Raises PackError."""
    place = Path(path).resolve()
    try:
        if place.is_file():
            return Pack(place.name, {"": place.read_bytes()})
        files = [file for file in place.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        return Pack(place.name, {str(file.relative_to(place)): file.read_bytes() for file in files})
    except OSError as error:
        raise PackError(f"--operators {path}: cannot be read ({error.strerror})") from error


def unpacked(pack: Pack, folder: Path) -> str:
    """The path of the pack below a folder that is its own, with all its files."""
    for name, data in pack.files.items():
        file = folder / pack.name / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return str(folder / pack.name)


def installation(routes: Sequence[str]) -> dict[str, str]:
    """What findings depend on, by name: Python, the sources of graphfuzz and of the installed operator packs, and the
    version of each package that these and the routes need."""
    try:
        needed = [Requirement(text) for text in requires("graphfuzz") or ()]
    except PackageNotFoundError:
        needed = []
    ours = [need.name for need in needed if need.marker is None or need.marker.evaluate()]
    theirs = [package for route in routes for package in load_route(route).packages]
    packages = ("graphfuzz", *(point.module for point in installed_packs()))
    return {
        "Python": platform.python_version(),
        **installed(tuple(dict.fromkeys([*ours, *theirs]))),
        **{f"{name} (sources)": _digest(name) for name in packages},
    }


def _digest(name: str) -> str:
    """Tells the sources of a package, or module, from others."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return "not installed"
    file = Path(spec.origin)
    files = sorted(file.parent.rglob("*.py")) if spec.submodule_search_locations else [file]
    told = hashlib.sha256()
    for each in files:
        told.update(str(each.relative_to(file.parent)).encode() + b"\0" + each.read_bytes() + b"\0")
    return told.hexdigest()[:12]
