"""A campaign's books: all that it has done and decided, in one SQLite file, so that it goes on after any end.

Key insight: what a campaign knows is a function of its executions in their order, so the executions are what is written
down, each in one transaction with all that followed from it: the finding that waits, or the bucket that counts it. To
go on is to take the same executions in once more, without running them. So that this stays short, the state itself is
written now and then (`snapshot`), and executions are kept in full since then only.

Tables: `executions` (one row a case and route, which is why none can count twice), `recent` (what they showed, since
the snapshot), `waiting` (findings to be minimized, in order), `buckets`, `flaky`, `errors`, and `facts` by name; and
those of the control's `sample` (`graphfuzz.campaign.sample`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.epochs import Epochs, State
from graphfuzz.campaign.known import NONE, KnownIssue
from graphfuzz.campaign.refusals import Trials
from graphfuzz.campaign.sample import TABLES as SAMPLE_TABLES
from graphfuzz.campaign.sample import Estimates, Sample
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.statistics import Bucket, Flaky, HarnessError, Point, Statistics
from graphfuzz.errors import UsageError
from graphfuzz.generator import Support
from graphfuzz.graph import Case, Features, case_from_bytes, case_to_bytes
from graphfuzz.oracle.verdict import Outcome

BOOKS = "campaign.sqlite"
LOCK = "campaign.lock"
LAYOUT = 3
"""Of the tables."""
MOMENT = 0.05
"""How long a campaign waits for one who looks whether its folder is held, in seconds."""
SNAPSHOT = 5000
"""After how many cases the state is written anew: taking in so many again takes about a second a route."""

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE executions (
    "case" INTEGER, route TEXT, lane TEXT NOT NULL, verdict TEXT NOT NULL, stage TEXT NOT NULL, new INTEGER NOT NULL,
    apart REAL, PRIMARY KEY ("case", route)
) WITHOUT ROWID;
CREATE TABLE recent (
    number INTEGER PRIMARY KEY, "case" INTEGER NOT NULL, lane TEXT NOT NULL, outcome BLOB NOT NULL,
    features BLOB NOT NULL, trials BLOB NOT NULL, failed BLOB
);
CREATE TABLE waiting (
    number INTEGER PRIMARY KEY, "case" INTEGER NOT NULL, lane TEXT NOT NULL, told BLOB NOT NULL, finding BLOB NOT NULL,
    outcome BLOB NOT NULL
);
CREATE TABLE buckets (slug TEXT PRIMARY KEY, bucket BLOB NOT NULL);
CREATE TABLE flaky (number INTEGER PRIMARY KEY, told BLOB NOT NULL);
CREATE TABLE errors (number INTEGER PRIMARY KEY, told BLOB NOT NULL);
"""

T = TypeVar("T")


class Found(msgspec.Struct, frozen=True, eq=False):
    """A finding that waits to be minimized."""

    place: Place
    case: Case
    outcome: Outcome


class Waiting(msgspec.Struct, frozen=True):
    """What is kept in mind of it meanwhile: its number in the books, and what may tell whether it is news."""

    number: int
    route: str
    verdict: str
    operators: frozenset[str]


class Facts(msgspec.Struct, frozen=True):
    """What a campaign begins with, and keeps.

    begun: date, ISO 8601. corpus: the folder of entries. support: what was known of routes. probes: the options by
    which `graphfuzz.campaign.beginning` knows that again. versions: of the packages of its routes. known: the known
    issues, and the file that told them.
    """

    configuration: Configuration
    begun: str
    corpus: str
    support: dict[str, Support] = {}
    probes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    known: tuple[KnownIssue, ...] = ()
    known_file: str = NONE


class Journal:
    """The books of one campaign, open for writing; in memory where no folder is named."""

    def __init__(
        self, connection: sqlite3.Connection, facts: Facts, folder: Path = Path(), lock: int | None = None
    ) -> None:
        self.facts = facts
        self.sample = Sample(connection)
        self._db = connection
        self._folder = folder
        self._lock = lock

    @staticmethod
    def begun(facts: Facts, folder: Path | None = None) -> Journal:
        """Books of a new campaign. Raises UsageError where the folder has some already, or cannot be written."""
        if folder is None:
            return Journal(_tables(sqlite3.connect(":memory:", isolation_level=None), facts), facts)
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / BOOKS).exists():
                raise UsageError(
                    f"{folder}: has a campaign; go on with it by --resume {folder}, or name another folder"
                )
            lock = _locked(folder)
            new = folder / f"{BOOKS}.new"
            new.unlink(missing_ok=True)
            _tables(_connected(new), facts).close()
            new.replace(folder / BOOKS)
            return Journal(_connected(folder / BOOKS), facts, folder, lock)

    @staticmethod
    def resumed(folder: Path) -> Journal:
        """The books of the campaign in a folder. Raises UsageError where there is none, or a process is at it."""
        if not (folder / BOOKS).is_file():
            raise UsageError(f"{folder}: no campaign is there ({BOOKS} is missing); name the folder of one")
        with _told(folder):
            lock = _locked(folder)
            return _opened(_connected(folder / BOOKS), folder, lock)

    @property
    def folder(self) -> Path | None:
        """Where the books are; None in memory."""
        return None if self._lock is None else self._folder

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)

    @contextmanager
    def step(self) -> Iterator[None]:
        """All or nothing of what is written meanwhile. Raises UsageError where it cannot be."""
        with _told(self._folder), self._db:
            self._db.execute("BEGIN")
            yield

    def take(
        self, place: Place, outcome: Outcome, new: int, features: Features | None, trials: Trials, failed: Case | None
    ) -> None:
        """An execution, and what it shows: `new` is how much of that nothing before it had."""
        row = (place.index, outcome.route, place.lane, outcome.verdict, outcome.stage, new, outcome.apart)
        self._db.execute("INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if features is not None:
            brief = msgspec.structs.replace(outcome, model=b"", expected=b"")
            case = None if failed is None else case_to_bytes(failed)
            shown = (place.index, place.lane, *map(_packed, (brief, features, trials)), case)
            self._db.execute(
                'INSERT INTO recent ("case", lane, outcome, features, trials, failed) VALUES (?, ?, ?, ?, ?, ?)', shown
            )

    def wait(self, found: Found) -> Waiting:
        """A finding more that waits to be minimized."""
        told = found.outcome.route, found.outcome.verdict, frozenset(found.case.graph.operators())
        query = 'INSERT INTO waiting ("case", lane, told, finding, outcome) VALUES (?, ?, ?, ?, ?)'
        row = (found.place.index, found.place.lane, _packed(told), case_to_bytes(found.case), _packed(found.outcome))
        return Waiting(self._db.execute(query, row).lastrowid or 0, *told)

    def waiting(self) -> Iterator[Waiting]:
        """The findings that wait, in order."""
        for number, told in self._db.execute("SELECT number, told FROM waiting ORDER BY number"):
            yield Waiting(number, *_unpacked(told, tuple[str, str, frozenset[str]]))

    def found(self, waiting: Waiting) -> Found:
        """One of them, whole."""
        query = 'SELECT "case", lane, finding, outcome FROM waiting WHERE number = ?'
        index, lane, case, outcome = self._db.execute(query, (waiting.number,)).fetchone()
        where = f"the finding in case {index} of the campaign"
        return Found(Place(index, lane), case_from_bytes(case, where), _unpacked(outcome, Outcome))

    def settle(self, waiting: Waiting) -> None:
        """A finding waits no more."""
        self._db.execute("DELETE FROM waiting WHERE number = ?", (waiting.number,))

    def bucket(self, bucket: Bucket) -> None:
        """A bucket as it is now."""
        query = "INSERT INTO buckets VALUES (?, ?) ON CONFLICT (slug) DO UPDATE SET bucket = excluded.bucket"
        self._db.execute(query, (bucket.signature.slug, _packed(bucket)))

    def flaky(self, told: Flaky) -> None:
        """A finding that did not repeat."""
        self._db.execute("INSERT INTO flaky (told) VALUES (?)", (_packed(told),))

    def error(self, told: HarnessError) -> None:
        """A mistake of our own."""
        self._db.execute("INSERT INTO errors (told) VALUES (?)", (_packed(told),))

    def count(self, statistics: Statistics) -> None:
        """What is counted; the lists in it are written where they grow."""
        self._put("counts", msgspec.structs.replace(statistics, buckets={}, harness_errors=[], flaky=[], growth=[]))

    def grow(self, growth: list[Point]) -> None:
        """The points of the campaign's growth."""
        self._put("growth", growth)

    def snapshot(self, epochs: Epochs) -> None:
        """All that was taken in so far, as a state."""
        self._put("state", epochs.state())
        self._db.execute("DELETE FROM recent")

    def epochs(self, frameworks: Mapping[str, str]) -> Epochs | None:
        """What all executions have shown; None where there is no snapshot, as the campaign has never begun."""
        state = self._fact("state", State)
        if state is None:
            return None
        epochs = Epochs.restored(frameworks, state)
        for index, lane, outcome, features, trials, failed in self._db.execute(
            'SELECT "case", lane, outcome, features, trials, failed FROM recent ORDER BY number'
        ):
            case = None if failed is None else case_from_bytes(failed, f"case {index} of the campaign")
            told = _unpacked(outcome, Outcome), _unpacked(features, Features)
            epochs.add(index, lane, *told, case, _unpacked(trials, Trials))
        return epochs

    def statistics(self) -> Statistics:
        """Everything that was counted."""
        found = self._fact("counts", Statistics) or Statistics()
        again = Statistics()
        again.verdicts.update({route: _counter(counts, int) for route, counts in found.verdicts.items()})
        again.seconds.update({route: _counter(seconds, float) for route, seconds in found.seconds.items()})
        again.lanes.update(found.lanes)
        return msgspec.structs.replace(
            found,
            verdicts=again.verdicts,
            seconds=again.seconds,
            lanes=again.lanes,
            buckets={b.signature.slug: b for b in self._listed("SELECT bucket FROM buckets ORDER BY rowid", Bucket)},
            flaky=list(self._listed("SELECT told FROM flaky ORDER BY number", Flaky)),
            harness_errors=list(self._listed("SELECT told FROM errors ORDER BY number", HarnessError)),
            growth=self._fact("growth", list[Point]) or [],
            waiting=self._db.execute("SELECT count(*) FROM waiting").fetchone()[0],
        )

    def done(self) -> set[tuple[int, str]]:
        """The executions of the last case that was taken in, by case and route."""
        query = 'SELECT "case", route FROM executions WHERE "case" = (SELECT max("case") FROM executions)'
        return set(self._db.execute(query))

    def _fact(self, name: str, kind: type[T]) -> T | None:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else _unpacked(row[0], kind)

    def _put(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, _packed(value)))

    def _listed(self, query: str, kind: type[T]) -> Iterable[T]:
        return (_unpacked(data, kind) for (data,) in self._db.execute(query))


def _connected(path: Path) -> sqlite3.Connection:
    """In WAL mode a kill loses nothing that was committed, and readers never wait; a power cut may lose the last
    steps, each whole."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _tables(connection: sqlite3.Connection, facts: Facts) -> sqlite3.Connection:
    connection.executescript(f"{_TABLES} {SAMPLE_TABLES} PRAGMA user_version = {LAYOUT};")
    connection.execute("INSERT INTO facts VALUES ('facts', ?)", (_packed(facts),))
    return connection


def _opened(connection: sqlite3.Connection, folder: Path, lock: int | None = None) -> Journal:
    """The journal of books that are there. Raises UsageError where another version wrote them."""
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout != LAYOUT:
        raise UsageError(f"{folder}: was written by another version of graphfuzz (layout {layout}, not {LAYOUT})")
    (data,) = connection.execute("SELECT value FROM facts WHERE name = 'facts'").fetchone()
    return Journal(connection, _unpacked(data, Facts), folder, lock)


def _locked(folder: Path) -> int:
    """Hold the folder as long as this process lives. Raises UsageError where another one does.

    Who only looks whether it is held (`is_held`) is in the way for less than a moment.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    for _ in range(2):
        if _locks(handle, fcntl.LOCK_EX):
            return handle
        time.sleep(MOMENT)
    os.close(handle)
    raise UsageError(f"{folder}: another process is at this campaign; end it first")


class Execution(msgspec.Struct, frozen=True):
    """One case on one route. apart: see `Outcome`; None where nothing was compared."""

    case: int
    route: str
    lane: str
    verdict: str
    stage: str
    apart: float | None


def executions(folder: Path) -> list[Execution]:
    """All that the books in a folder have, in order, as `look`."""
    with _reading(folder) as journal:
        query = 'SELECT "case", route, lane, verdict, stage, apart FROM executions ORDER BY "case", route'
        return [Execution(*row) for row in journal._db.execute(query)]


def look(folder: Path) -> tuple[Facts, Statistics, Estimates | None]:
    """What the books in a folder say at one moment, whether or not a process is at them. Raises UsageError.

    Books without a log beside them (`-wal`) are whole, and are read without making any file.
    """
    with _reading(folder) as journal:
        return journal.facts, journal.statistics(), journal.sample.estimates()


@contextmanager
def _reading(folder: Path) -> Iterator[Journal]:
    with _told(folder, "read"):
        how = "mode=ro" if (folder / f"{BOOKS}-wal").exists() else "immutable=1"
        address = f"{(folder / BOOKS).absolute().as_uri()}?{how}"
        with _opened(sqlite3.connect(address, uri=True, isolation_level=None), folder) as journal:
            journal._db.execute("BEGIN")
            yield journal


def is_held(folder: Path) -> bool:
    """Whether a process is at the campaign in a folder. Raises UsageError where that cannot be told."""
    with _told(folder, "read"):
        try:
            handle = os.open(folder / LOCK, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _locks(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)


def _locks(handle: int, how: int) -> bool:
    """Try to lock a file."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _told(folder: Path, done: str = "kept") -> Iterator[None]:
    """What the file system or SQLite objects to, as UsageError; so is what has another form than it should."""
    try:
        yield
    except (OSError, sqlite3.Error, msgspec.DecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        hint = "" if done == "read" else f"; mend that and go on by --resume {folder}"
        raise UsageError(f"{folder}: the campaign's books cannot be {done} ({why}){hint}") from error


def _packed(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def _unpacked(data: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(data, type=kind)


def _counter(counts: Mapping[str, T], kind: type[T]) -> dict[str, T]:
    return defaultdict(kind, counts)
