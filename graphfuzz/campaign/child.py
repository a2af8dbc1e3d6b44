"""What runs inside a worker process: the targets are imported, limited and used here and nowhere else.

A worker leaves two files for each case, so that its death can be read afterwards: `<number>.stage`, the stage it
is in, and `<number>.log`, what it wrote to standard error, faulthandler's words among it.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import psutil

from graphfuzz.campaign.lending import borrowed
from graphfuzz.campaign.refusals import Trials, try_alone
from graphfuzz.campaign.scratch import own_temporary_folder
from graphfuzz.conformance import case_at
from graphfuzz.errors import UsageError
from graphfuzz.generator import CONTROL, Bar, Guide, Profile, Recipe, Support, generate
from graphfuzz.graph import Case, Features, features
from graphfuzz.interchange import Example, Given, Table, Translation, examples_of, load_reader, translated
from graphfuzz.oracle.attribution import Attribution, Examiner, Witness, attribute
from graphfuzz.oracle.judge import judge_made
from graphfuzz.oracle.ledger import Stock, Used, take_stock, used_of
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.routes.warm import remembered_registry
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK, PROCESS_CRASH, UNSUPPORTED, Outcome
from graphfuzz.spec.registry import Registry, load_registry

CLEAR_EVERY = 30
"""Keras keeps every model's graph until its session is cleared (130 ms): after how many cases that is worth it."""

IMPORTED = 100
"""How many more modules there are after another framework was imported: what it takes up stays for good, and is not
held against the worker."""

PLAIN_EVERY = 16
"""Of how many cases one is converted without anything remembered; probing, which records, spares itself that."""

COLLECTED = 50_000
"""After how many new objects the youngest are looked through for garbage: some 10 MB of them."""

STACKS_AT = 0.9
"""At which share of the time limit a worker writes down where it is."""


TRYING = "trying"
"""Stands for a stage while the uses of a case that was refused are tried alone: a death then changes no verdict."""


class Settings(msgspec.Struct, frozen=True):
    """What a worker is started with. folder: for its files. The limits: as in `Limits`."""

    routes: tuple[str, ...]
    packs: tuple[str, ...]
    tolerance: Tolerance
    folder: str
    seconds: float
    stage_seconds: float | None
    memory_bytes: int
    recycle_after: int


class Task(msgspec.Struct, frozen=True, eq=False):
    """A case, or the recipe or key (of `graphfuzz.conformance`) of one, on a route.

    plain: in a fresh worker, with nothing remembered. record: tell what the conversion used, if the route can. guide:
    steers how the recipe's case is made, or the file that the worker borrows it from. start: what the recipe's mutation
    starts from. support: what is known of the route, or its file; a case made from a recipe avoids what is refused, but
    for the control's; where it is refused, uses of which nothing is known are tried alone. bars: patterns of nodes that
    such a case is not to have. finding: not to be judged but attributed; with a question, by that witness alone.
    seconds: the time limit, where it is another than every case's.
    """

    route: str
    case: Case | None
    recipe: Recipe | None
    plain: bool = False
    key: str | None = None
    record: bool = False
    guide: Guide | Path | None = None
    start: Case | None = None
    support: Support | Path | None = None
    bars: tuple[Bar, ...] = ()
    finding: Outcome | None = None
    question: str = ""
    seconds: float | None = None


class Result(msgspec.Struct, frozen=True, eq=False):
    """The outcome, and the case wherever there is something to look into (not for `ok` and `unsupported`).

    used: what the conversion used, where the task asked for that and the worker lived. profile: what generating took.
    features: what a case that a worker made exercises. trials: what its uses came to, each alone. attribution, witness:
    as `used`.
    """

    outcome: Outcome
    case: Case | None
    used: Used | None = None
    profile: Profile = msgspec.field(default_factory=Profile)
    features: Features | None = None
    trials: Trials = Trials()
    attribution: Attribution | None = None
    witness: Witness | None = None


class Reply(msgspec.Struct, frozen=True, eq=False):
    """What a worker makes of one case. spent: whether it should be replaced before the next."""

    result: Result
    spent: bool


def collect_seldom() -> None:
    """Spend less on collecting garbage: not on what has been made so far, modules and operators, which lives as long as
    the process; and not after each few hundred new objects, as next to none of a case's are in cycles."""
    gc.freeze()
    gc.set_threshold(COLLECTED)


class _Worker:
    """The state of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registry: Registry = load_registry(settings.packs)
        self.routes: dict[str, Route] = {name: load_route(name) for name in settings.routes}
        self.tasks = 0
        for route in self.routes.values():
            for module in route.preload:
                _import(module)
        _use_one_thread()
        collect_seldom()
        self.baseline = _data_bytes()
        limit = self.baseline + settings.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def route(self, name: str) -> Route:
        """The route; one that was not announced is loaded now."""
        if name not in self.routes:
            self.routes[name] = load_route(name)
        return self.routes[name]

    def is_spent(self) -> bool:
        """Whether it has run as many cases as it should, or kept an eighth of the memory that one case may take."""
        grown = _data_bytes() - self.baseline
        return self.tasks >= self.settings.recycle_after or grown > self.settings.memory_bytes // 8


_workers: list[_Worker] = []
"""The one worker that this process is, once started: what survives from task to task must live in the process."""


def start(settings: Settings) -> None:
    """Make this process a worker. Whatever goes wrong is written to `start.log` in the settings' folder."""
    _write_to(Path(settings.folder) / "start.log")
    own_temporary_folder(Path(settings.folder))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    faulthandler.enable(2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _workers.append(_Worker(settings))


def ready() -> bool:
    """Answered by a worker that has started."""
    return True


def make(task: Task) -> Case:
    """The case of a task, made where it can harm nothing."""
    return _case(_workers[0], task, Profile())


def stock(route_name: str) -> Stock:
    """What the route's converter registers. Raises UsageError where that cannot be told."""
    ledger = _workers[0].route(route_name).ledger
    if ledger is None:
        raise UsageError(f"route '{route_name}' has no ledger")
    return take_stock(ledger)


def examples(name: str, reader_name: str) -> tuple[Example, ...]:
    """What an operator becomes where a reader captures it."""
    with remembered_registry():
        return examples_of(name, load_reader(reader_name), _workers[0].registry)


def imported(file: Path, given: Given, reader_name: str, table: Table, partial: bool) -> Translation:
    """Somebody else's model in our operators. Raises UsageError."""
    reader = load_reader(reader_name)
    with remembered_registry():
        return translated(reader.read(file, given), table, _workers[0].registry, reader, partial)


def work(number: int, task: Task) -> Reply:
    """One case, made if need be, and judged."""
    worker, process = _workers[0], os.getpid()
    worker.tasks += 1
    folder, seconds = Path(worker.settings.folder), worker.settings.seconds
    _write_to(folder / f"{number}.log")
    stage = os.open(folder / f"{number}.stage", os.O_CREAT | os.O_WRONLY, 0o600)
    faulthandler.dump_traceback_later(seconds * STACKS_AT, file=2)
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 10)  # a worker whose engine was killed must end, too
    try:
        return _reply(worker, task, partial(_begin, stage, worker.settings.stage_seconds))
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) and end.code else 1)
    finally:
        if os.getpid() != process:
            os._exit(0)  # the target has forked, and both came back: one worker is enough
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        os.close(stage)


def _reply(worker: _Worker, task: Task, report: Callable[[str], None]) -> Reply:
    if task.finding is not None:
        return _attributed(worker, task, task.finding, report)
    route, entries, profile = worker.route(task.route), set[str](), Profile()
    with ExitStack() as stack:
        if task.record or (not task.plain and worker.tasks % PLAIN_EVERY):
            stack.enter_context(remembered_registry())
        if task.record and route.ledger is not None:
            stack.enter_context(route.ledger.recording(entries))
        made, outcome = judge_made(
            lambda: _case(worker, task, profile), route, worker.registry, report, worker.settings.tolerance
        )
        known, trials = borrowed(task.support, Support), Trials()
        if known is not None and made is not None and outcome.verdict == UNSUPPORTED:
            report(TRYING)
            trials = try_alone(made, route, worker.registry, known, worker.settings.tolerance)
    if route.framework == "keras" and worker.tasks % CLEAR_EVERY == 0:
        importlib.import_module("keras").backend.clear_session()
    used = used_of(entries, outcome.model) if task.record else None
    seen = features(made.graph) if made is not None and task.case is None else None
    spent = worker.is_spent() or outcome.verdict in (HARNESS_ERROR, PROCESS_CRASH)
    if outcome.verdict in (OK, UNSUPPORTED):
        outcome, made = msgspec.structs.replace(outcome, model=b"", expected=b""), None
    return Reply(Result(outcome, made, used, profile, seen, trials), spent)


def _attributed(worker: _Worker, task: Task, finding: Outcome, report: Callable[[str], None]) -> Reply:
    """A finding's attribution, or one witness' word on it."""
    report("attribution")
    assert task.case is not None, "a finding has a case"
    about = (task.case, finding, worker.route(task.route), worker.registry, worker.settings.tolerance)
    modules, held = len(sys.modules), _data_bytes()
    with remembered_registry():
        if task.question:
            result = Result(finding, None, witness=Examiner(*about).ask(task.question))
        else:
            result = Result(finding, None, attribution=attribute(*about))
    if len(sys.modules) > modules + IMPORTED:
        worker.baseline += _data_bytes() - held
    return Reply(result, worker.is_spent())


def _case(worker: _Worker, task: Task, profile: Profile) -> Case:
    if task.case is not None:
        return task.case
    if task.key is not None:
        return case_at(task.key, worker.registry)
    assert task.recipe is not None, "a task has a case, a key or a recipe"
    support = None if task.recipe.lane == CONTROL else borrowed(task.support, Support)
    return generate(task.recipe, worker.registry, profile, borrowed(task.guide, Guide), task.start, support, task.bars)


def _import(module: str) -> None:
    """Import a module that a route preloads; a private one that this version lacks only saves no time."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        if "._" not in module:
            raise


def _begin(file: int, seconds: float | None, stage: str) -> None:
    """Note the stage that begins. seconds: how long it may take; the kernel kills what takes longer, whatever it is at,
    unless it blocks signals."""
    os.pwrite(file, stage.ljust(16).encode(), 0)
    if seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        faulthandler.dump_traceback_later(seconds * STACKS_AT, file=2)


def _write_to(path: Path) -> None:
    """Send standard error to a file; only this process' own words of one case stand in it."""
    sys.stderr.flush()
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(file, 2)
    os.close(file)


def _data_bytes() -> int:
    """The process' private writable memory, which is what RLIMIT_DATA limits (Linux)."""
    return int(psutil.Process().memory_info().data)


def _use_one_thread() -> None:
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
    if "tensorflow" in sys.modules:
        threading = sys.modules["tensorflow"].config.threading
        threading.set_intra_op_parallelism_threads(1)
        threading.set_inter_op_parallelism_threads(1)
