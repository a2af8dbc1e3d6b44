"""Workers on many machines: tasks are leased to hosts, and what a lost host had in hand is leased again.

To a campaign they are what `Workers` on its own machine are: a task in, a result in time. Its order of results, its
journal and its decisions stay where they are, in the one process that asked; so what it finds does not depend on where
its cases ran, or how often one was run.
"""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import psutil

from graphfuzz.campaign.health import LOST, Health
from graphfuzz.campaign.hosting import News, Setup, installation, packed_lease, read_pack
from graphfuzz.campaign.lending import KEPT, label, packed
from graphfuzz.campaign.workers import Limits, Result, Task
from graphfuzz.errors import UsageError
from graphfuzz.generator import Guide, Support
from graphfuzz.oracle.route import load_route, versions
from graphfuzz.oracle.verdict import HARNESS_ERROR, Outcome

AHEAD = 3
"""How many tasks a host is given at a time, a worker: as many as a campaign gives out."""
ATTEMPTS = 3
"""How many hosts may die with a task in hand, on nodes that live on, until it is taken for the cause."""
STARTS = 3
"""How often in a row a host is started on a machine before that is given up."""
PATIENCE = 10.0
"""How long what ends is waited for, in seconds."""
EVERY = 1.0
"""How often the cluster is asked for its nodes, in seconds."""

T = TypeVar("T", Guide, Support)


class Lost(Exception):
    """A host does not answer, and never will."""


class Line(Protocol):
    """The way to a host. Each of these but `give` and `stop` raises Lost."""

    def open(self) -> str:
        """As `Host.open`."""

    def give(self, lease: bytes, loans: Sequence[Any]) -> None:
        """As `Host.give`, without waiting for it. loans: as `Cluster.lend` gave them."""

    def harvest(self) -> bytes:
        """As `Host.harvest`."""

    def stop(self) -> None:
        """End the host, if it is still there, within seconds."""


class Cluster(Protocol):
    """Machines, and how to have hosts on them. Leaving it ends what was started for it."""

    def __enter__(self) -> Cluster: ...

    def __exit__(self, *exc: object) -> None: ...

    def nodes(self) -> Mapping[str, int]:
        """The CPUs of each node that lives, by its name."""

    def installation(self, node: str, routes: Sequence[str]) -> Mapping[str, str]:
        """What is installed there, as `hosting.installation`. Raises Lost; UsageError where graphfuzz is missing."""

    def start(self, node: str, number: int, setup: bytes) -> Line:
        """A host on that node, on so many CPUs, once they are free."""

    def lend(self, data: bytes) -> Any:
        """Keep something where every host can have it; what stands for it."""


class _Job(msgspec.Struct, eq=False):
    """A task on its way. loans: what it borrows, by name. losses: the nodes whose hosts died with it in hand."""

    number: int
    task: Task
    loans: dict[str, Any]
    future: Future[Result] = msgspec.field(default_factory=Future)
    losses: list[str] = msgspec.field(default_factory=list)


class _Seat(msgspec.Struct, eq=False):
    """A host's place in the cluster. line: once it is checked; health: once it has joined. jobs: those in hand."""

    node: str
    number: int
    line: Line | None = None
    health: Health | None = None
    jobs: dict[int, _Job] = msgspec.field(default_factory=dict)

    def has_room_for(self, job: _Job) -> bool:
        """A host takes one suspect at a time, so that the next death tells them apart."""
        suspected = bool(job.losses) and any(other.losses for other in self.jobs.values())
        return self.health is not None and len(self.jobs) < AHEAD * self.number and not suspected


class LeasedWorkers:
    """Workers on the nodes of a cluster, as a context manager with the interface of `Workers`.

    number: of workers in total; None for one a CPU of the nodes that are there when it is entered. say: told of hosts
    that come and go, by other threads. Entering it raises UsageError where a node has other versions than this process,
    or a worker cannot start there. A node that comes later and is no better is told of, and not used.
    """

    def __init__(
        self,
        cluster: Cluster,
        number: int | None,
        routes: Sequence[str],
        *,
        packs: Sequence[str] = (),
        limits: Limits = Limits(),  # noqa: B008 - frozen
        tolerance: str = "conditioning",
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.number = number or sum(cluster.nodes().values())
        if not self.number:
            raise UsageError("the cluster has no CPUs now; say with --workers how many are to come")
        self._cluster, self._routes, self._say = cluster, tuple(routes), say
        self._packs, self._limits, self._tolerance = tuple(map(read_pack, packs)), limits, tolerance
        self._here = installation(routes)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._entered = False
        self._numbers = 0
        self._waiting: list[_Job] = []
        self._lent: dict[str, Any] = {}
        self._seats: list[_Seat] = []
        self._unfit: dict[str, str] = {}
        self._failed: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._replaced: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> LeasedWorkers:
        try:
            self._seat()
            if not self._seats:
                self._say("the cluster has no node with a CPU; waiting for one")
            self._thread(self._watch)
            self._thread(self._deal)
            while not self._is_ready():
                with self._changed:
                    self._changed.wait(EVERY)
        except BaseException:
            self.__exit__()
            raise
        self._entered = True
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        with self._changed:
            seats, jobs = self._seats, [job for seat in self._seats for job in seat.jobs.values()] + self._waiting
            self._seats, self._waiting = [], []
            self._changed.notify_all()
        stops = [threading.Thread(target=seat.line.stop) for seat in seats if seat.line is not None]
        for stop in stops:
            stop.start()
        for thread in (*stops, *self._threads):
            thread.join(PATIENCE)
        for job in jobs:
            if not job.future.done() and not job.future.cancel():
                job.future.set_exception(CancelledError())

    def submit(self, task: Task) -> Future[Result]:
        """The task's result, in time. It fails only with CancelledError, when the workers are stopped."""
        with self._changed:
            loans: dict[str, Any] = {}
            guide, support = self._lend(task.guide, loans), self._lend(task.support, loans)
            job = _Job(self._numbers, msgspec.structs.replace(task, guide=guide, support=support), loans)
            self._numbers += 1
            self._waiting.append(job)
            self._changed.notify_all()
        return job.future

    def health(self) -> Health:
        """How the workers are, as far as hosts have told, and what has become of others since they began."""
        with self._changed:
            told = [seat.health for seat in self._seats if seat.health is not None]
            deaths, replaced = Counter(self._deaths), Counter(self._replaced)
        for each in told:
            deaths.update(each.deaths)
            replaced.update(each.replaced)
        return Health(
            self.number,
            sum(each.alive for each in told),
            psutil.Process().memory_info().rss,
            sum(each.worker_memory for each in told),
            dict(deaths),
            dict(replaced),
        )

    def _lend(self, own: T | Path | None, loans: dict[str, Any]) -> T | Path | None:
        """The name that a host knows it by, lent if it is not yet; what has none goes itself."""
        if own is None or isinstance(own, Path) or not own.name:
            return own
        name = label(own)
        if name not in self._lent:
            self._lent[name] = self._cluster.lend(packed(own))
            if len(self._lent) > KEPT:
                del self._lent[next(iter(self._lent))]
        loans[name] = self._lent[name]
        return Path(name)

    def _is_ready(self) -> bool:
        """Whether every host of the beginning was checked, and one has joined. Raises UsageError."""
        with self._changed:
            if self._unfit:
                node, why = next(iter(self._unfit.items()))
                raise UsageError(f"node {node}: {why}")
            checked = all(seat.line is not None for seat in self._seats)
            return checked and any(seat.health is not None for seat in self._seats)

    def _thread(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch(self) -> None:
        """Have hosts on nodes that come."""
        while not self._stopping.wait(EVERY):
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._seat()

    def _seat(self) -> None:
        """Begin hosts on nodes that have none, as long as workers are missing."""
        nodes = self._cluster.nodes()
        with self._changed:
            taken = {seat.node for seat in self._seats}
            for node, cpus in sorted(nodes.items()):
                number = min(cpus, self.number - sum(seat.number for seat in self._seats))
                if number > 0 and node not in taken and node not in self._unfit and not self._stopping.is_set():
                    seat = _Seat(node, number)
                    self._seats.append(seat)
                    self._thread(self._serve, seat)

    def _serve(self, seat: _Seat) -> None:
        """A host's life, as seen from here."""
        try:
            why = self._begin(seat)
            if why:
                self._dismiss(seat, why)
                return
            while not self._stopping.is_set():
                assert seat.line is not None, "a host that has begun has a line"
                self._take(seat, pickle.loads(seat.line.harvest()))
        except Lost as loss:
            if not self._stopping.is_set():
                self._lose(seat, str(loss))

    def _begin(self, seat: _Seat) -> str:
        """Start a host where the same is installed as here; else, why not."""
        try:
            there = self._cluster.installation(seat.node, self._routes)
        except UsageError as error:
            return str(error)
        for name, ours in self._here.items():
            theirs = there.get(name, "not installed")
            if theirs != ours:
                return f"has {name} {theirs}, and here it is {ours}; findings would mix: install the same on every node"
        line = self._cluster.start(seat.node, seat.number, self._setup(seat.number))
        with self._changed:
            seat.line = line
        if self._stopping.is_set():
            line.stop()
        return line.open()

    def _setup(self, number: int) -> bytes:
        return pickle.dumps(Setup(number, self._routes, self._packs, self._limits, self._tolerance))

    def _take(self, seat: _Seat, news: News) -> None:
        """Count what a host tells: each task once, whoever else ran it."""
        with self._changed:
            joined = seat.health is None
            seat.health = news.health
            self._failed[seat.node] = 0
            done = [(job, result) for number, result in news.results if (job := seat.jobs.pop(number, None))]
            self._changed.notify_all()
        if joined:
            self._say(f"node {seat.node} has {seat.number} workers")
        for job, result in done:
            job.future.set_result(result)

    def _dismiss(self, seat: _Seat, why: str) -> None:
        """Do without a node."""
        if seat.line is not None:
            seat.line.stop()
        with self._changed:
            self._seats = [other for other in self._seats if other is not seat]
            self._unfit[seat.node] = why
            self._changed.notify_all()
        if self._entered:
            self._say(f"node {seat.node} is not used: {why}")

    def _lose(self, seat: _Seat, why: str) -> None:
        """Give out again what a lost host had in hand. Where its node lives on, which is certain only some seconds
        later, one of these tasks may be the cause."""
        if seat.line is not None:
            seat.line.stop()
        nodes, joined = self._cluster.nodes(), seat.health is not None
        if not joined:
            self._failed[seat.node] += 1
            if self._failed[seat.node] >= STARTS:
                self._dismiss(seat, f"no host stays up there: {why}")
                return
        with self._changed:
            if self._stopping.is_set():
                return
            jobs, seat.jobs = list(seat.jobs.values()), {}
            self._seats = [other for other in self._seats if other is not seat]
            if seat.health is not None:
                self._deaths.update(seat.health.deaths)
                self._replaced.update(seat.health.replaced)
                self._replaced[LOST] += seat.number
            for job in jobs:
                job.losses.append(seat.node)
            spoiled = [job for job in jobs if sum(node in nodes for node in job.losses) >= ATTEMPTS]
            again = [job for job in jobs if job not in spoiled]
            self._waiting = sorted([*self._waiting, *again], key=lambda job: job.number)
            alone = not any(other.health for other in self._seats)
            self._changed.notify_all()
        if joined:
            self._say(f"node {seat.node} lost its workers ({why}); {len(again)} cases are given out again")
            if alone:
                self._say("no workers are left in the cluster; waiting for a node")
        for job in spoiled:
            job.future.set_result(_spoiled(job.task, why))

    def _deal(self) -> None:
        """Lease what waits to hosts that have room, the least loaded first."""
        while not self._stopping.is_set():
            with self._changed:
                leases = self._leases()
                if not leases:
                    self._changed.wait(EVERY)
                    continue
            for line, jobs in leases:
                loans = {name: loan for job in jobs for name, loan in job.loans.items()}
                line.give(packed_lease([(job.number, job.task) for job in jobs], list(loans)), list(loans.values()))

    def _leases(self) -> list[tuple[Line, list[_Job]]]:
        leases: dict[int, tuple[Line, list[_Job]]] = {}
        left: list[_Job] = []
        for job in self._waiting:
            seat = min(
                (seat for seat in self._seats if seat.has_room_for(job)),
                key=lambda seat: len(seat.jobs) / seat.number,
                default=None,
            )
            if seat is None:
                left.append(job)
            elif job.future.running() or job.future.set_running_or_notify_cancel():
                assert seat.line is not None, "a host that has joined has a line"
                seat.jobs[job.number] = job
                leases.setdefault(id(seat), (seat.line, []))[1].append(job)
        self._waiting = left
        return list(leases.values())


def _spoiled(task: Task, why: str) -> Result:
    """What comes of a task that takes down each host, which runs nothing of it: our mistake."""
    route = load_route(task.route)
    message = f"{ATTEMPTS} hosts died with it in hand"
    outcome = Outcome(
        route=route.name,
        verdict=HARNESS_ERROR,
        stage="generation",
        error="HostLost",
        message=message,
        traceback=why,
        versions=versions(route),
    )
    return Result(outcome, task.case)
