"""The index of a corpus: what its entries say of themselves, in one SQLite file that any of it can be lost from.

Key insight: the folders are the truth, and the index is what was read of them, each row with a stamp of the files that
it was read from. `open_index` compares the stamps and reads again what differs, so no writer has to know of the index,
and one that is missing, damaged or old is simply made. Where none can be written it is made in memory.

Tables: `entries` (a row an entry; `damage` says why one cannot be read), `operators`, `versions`, `coverage`, each by
path.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from graphfuzz.corpus.entry import Entry, entries, read_entry
from graphfuzz.corpus.sightings import count, first_seen, last_seen, versions_seen
from graphfuzz.corpus.storage import whereabouts
from graphfuzz.errors import EntryError
from graphfuzz.graph import features

INDEX = ".index.sqlite"
LAYOUT = 1
"""Of the tables; an index of another one is made again."""
PATIENCE = 30.0
"""How long to wait for another process that writes the index, in seconds."""

_TABLES = """
CREATE TABLE entries (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, damage TEXT NOT NULL DEFAULT '', bucket TEXT NOT NULL DEFAULT '',
    route TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT '',
    defect TEXT NOT NULL DEFAULT '', summary TEXT NOT NULL DEFAULT '', nodes INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0, model_bytes INTEGER NOT NULL DEFAULT 0, count INTEGER NOT NULL DEFAULT 0,
    first TEXT NOT NULL DEFAULT '', last TEXT NOT NULL DEFAULT ''
);
CREATE INDEX by_bucket ON entries (bucket);
CREATE INDEX by_defect ON entries (defect);
CREATE TABLE operators (path TEXT REFERENCES entries ON DELETE CASCADE, name TEXT, PRIMARY KEY (path, name));
CREATE TABLE versions (
    path TEXT REFERENCES entries ON DELETE CASCADE, package TEXT, version TEXT, PRIMARY KEY (path, package, version)
);
CREATE TABLE coverage (path TEXT REFERENCES entries ON DELETE CASCADE, item TEXT, PRIMARY KEY (path, item));
"""

Tell = Callable[[Sequence[Path]], Iterable[Path]]
"""Passes paths on one by one, and may tell how far it is."""


class Row(msgspec.Struct, frozen=True):
    """One entry as the index knows it.

    path: below the corpus. damage: why it cannot be read; then only path and bytes are known. bucket: its signature's
    slug. routes: its own, then those on which the same is seen (stage, verdict, blamed operators, message). operators:
    of its graph, sorted. summary: the finding in one line. bytes: of all its files; model_bytes: of the converted model
    alone. count, first, last: findings, and the dates (ISO 8601) of the first and last. versions: of each package that
    it was seen with. coverage: the uses (operator, dtype, rank) and pairs of operators in its graph, as text.
    """

    path: str
    damage: str
    bucket: str
    routes: tuple[str, ...]
    verdict: str
    stage: str
    operators: tuple[str, ...]
    summary: str
    nodes: int
    bytes: int
    model_bytes: int
    count: int
    first: str
    last: str
    versions: dict[str, list[str]]
    coverage: frozenset[str]


class Index:
    """The index of a corpus, as up to date as when it was opened."""

    def __init__(self, corpus: Path, connection: sqlite3.Connection) -> None:
        self.corpus = corpus
        self._db = connection

    def rows(
        self,
        *,
        routes: Sequence[str] = (),
        verdicts: Sequence[str] = (),
        operators: Sequence[str] = (),
        stages: Sequence[str] = (),
    ) -> list[Row]:
        """The entries by path: of any of these routes, verdicts and stages, with any of these operators."""
        wanted = [("e.route", routes), ("e.verdict", verdicts), ("e.stage", stages)]
        tests = [f"{column} IN ({_marks(values)})" for column, values in wanted if values]
        if operators:
            tests.append(f"e.path IN (SELECT path FROM operators WHERE name IN ({_marks(operators)}))")
        query = f"SELECT * FROM entries e WHERE {' AND '.join(tests) or '1'} ORDER BY path"
        return [self._row(found) for found in self._db.execute(query, [*routes, *verdicts, *stages, *operators])]

    def refresh(self, tell: Tell = lambda paths: paths) -> None:
        """Read again what is not as it was. Raises EntryError where the corpus cannot be listed."""
        known = dict(self._db.execute("SELECT path, stamp FROM entries"))
        stamps = {path: stamp(path) for path in (entries([self.corpus]) if self.corpus.exists() else [])}
        names = {path: str(path.relative_to(self.corpus)) for path in stamps}
        gone = known.keys() - names.values()
        changed = [path for path in stamps if known.get(names[path]) != stamps[path]]
        with self._db:
            self._db.executemany("DELETE FROM entries WHERE path = ?", [(name,) for name in gone])
        for path in tell(changed) if changed else ():
            with self._db:
                self._take(path, names[path], stamps[path])

    def _take(self, path: Path, name: str, mark: str) -> None:
        self._db.execute("DELETE FROM entries WHERE path = ?", (name,))
        try:
            entry = read_entry(path)
        except EntryError as error:
            if path.exists() or whereabouts(path).exists():
                self._insert({"path": name, "stamp": mark, "damage": str(error), "bytes": sum(_sizes(path).values())})
            return
        sizes, finding, seen = _sizes(path), entry.finding, entry.seen
        alike = msgspec.structs.replace(finding.signature, route="")
        self._insert(
            {
                "path": name,
                "stamp": mark,
                "bucket": finding.signature.slug,
                "route": finding.route,
                "verdict": finding.verdict,
                "stage": finding.signature.stage,
                "defect": json.dumps(msgspec.to_builtins(alike), sort_keys=True),
                "summary": finding.summary(),
                "nodes": len(entry.case.graph.nodes),
                "bytes": sum(sizes.values()),
                "model_bytes": sizes.get(entry.model_file, 0),
                "count": count(seen),
                "first": first_seen(seen),
                "last": last_seen(seen),
            }
        )
        versions = [(name, package, each) for package, found in versions_seen(seen).items() for each in found]
        self._db.executemany("INSERT INTO operators VALUES (?, ?)", [(name, op) for op in _operators(entry)])
        self._db.executemany("INSERT INTO versions VALUES (?, ?, ?)", versions)
        self._db.executemany("INSERT INTO coverage VALUES (?, ?)", [(name, item) for item in coverage(entry)])

    def _insert(self, values: dict[str, str | int]) -> None:
        query = f"INSERT INTO entries ({', '.join(values)}) VALUES ({_marks(values)})"
        self._db.execute(query, list(values.values()))

    def _row(self, found: sqlite3.Row) -> Row:
        own, path = found["route"], found["path"]
        others = self._column("SELECT DISTINCT route FROM entries WHERE defect = ? AND defect != ''", found["defect"])
        versions: dict[str, list[str]] = {}
        for package, version in self._db.execute(
            "SELECT package, version FROM versions WHERE path = ? ORDER BY package, version", (path,)
        ):
            versions.setdefault(package, []).append(version)
        same = {name: found[name] for name in found.keys() if name not in ("stamp", "route", "defect")}  # noqa: SIM118
        return Row(
            **same,
            routes=tuple(dict.fromkeys([own, *sorted(others)])) if own else (),
            operators=tuple(self._column("SELECT name FROM operators WHERE path = ? ORDER BY name", path)),
            versions=versions,
            coverage=frozenset(self._column("SELECT item FROM coverage WHERE path = ?", path)),
        )

    def _column(self, query: str, value: str) -> list[str]:
        return [text for (text,) in self._db.execute(query, (value,))]


@contextmanager
def open_index(corpus: Path, tell: Tell = lambda paths: paths, *, rebuild: bool = False) -> Iterator[Index]:
    """The index of a corpus, up to date. rebuild: whatever it says is made anew.

    It lies in the corpus, or in memory where it cannot be written there. Raises EntryError where the corpus cannot be
    listed.
    """
    place = corpus / INDEX
    if rebuild:
        _drop(place)
    for attempt in (place, place, Path(":memory:")):
        connection = None
        try:
            connection = _connected(attempt)
            index = Index(corpus, connection)
            index.refresh(tell)
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            if attempt != place:
                raise EntryError(f"{corpus}: cannot be indexed: {error}") from error
            if not isinstance(error, sqlite3.OperationalError):
                _drop(place)
            continue
        try:
            yield index
        finally:
            connection.close()
        return


def stamp(path: Path) -> str:
    """What changes whenever a file of an entry does: names, sizes, times and places of its files, as a digest."""
    digest = hashlib.sha256()
    try:
        for file in sorted(whereabouts(path).iterdir()):
            found = file.stat()
            digest.update(repr((file.name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)).encode())
    except FileNotFoundError:
        return ""  # replaced or removed meanwhile: not as anything was
    return digest.hexdigest()


def coverage(entry: Entry) -> list[str]:
    """What its graph exercises: uses ("operator dtype rank") and pairs ("producer > consumer")."""
    found = features(entry.case.graph)
    return [*found.typed_uses, *(f"{before} > {after}" for before, after in found.pairs)]


def _operators(entry: Entry) -> list[str]:
    return sorted(set(entry.case.graph.operators()))


def _sizes(path: Path) -> dict[str, int]:
    try:
        return {file.name: file.stat().st_size for file in whereabouts(path).iterdir()}
    except FileNotFoundError:
        return {}  # replaced or removed meanwhile; the stamp tells the next time


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _connected(place: Path) -> sqlite3.Connection:
    """An index of this layout, empty where there is none. Raises sqlite3.Error."""
    connection = sqlite3.connect(str(place), timeout=PATIENCE)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if layout not in (0, LAYOUT) or sound != "ok":
            raise sqlite3.DatabaseError(f"layout {layout}, {sound}")
        if layout == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _drop(place: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        place.with_name(place.name + suffix).unlink(missing_ok=True)
