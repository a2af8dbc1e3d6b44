"""The control's executions as a sample, in the campaign's books: what was seen in which of them, era by era.

Of chances only the control may speak: nothing that was seen decides its cases, so they are drawn alike as long as the
versions under test and the configuration stay. When these change, a new era begins, and every count begins anew; what
older eras showed stays readable.

A unit is one execution of the control on a route; harness errors are none, as they say nothing of a target. It shows
species of three kinds:

* `buckets`: the one that its finding belongs to, once that is known.
* `uses`: an operator on a dtype and rank of its first operand; `pairs`: an operator behind another. They count where
  the converted model ran: what stands behind a refusal or a crash was not exercised.

A finding that waits to be minimized leaves its unit undecided. Since those that wait are those that may be new, buckets
are told of the units before the first undecided one only; findings are minimized in order, so that these are most. A
finding that does not repeat shows no bucket; one whose era ended meanwhile stays undecided then, as other versions may
have mended it.

Key insight: of a species, its first three units are all that any of the figures ask for, after any number of units: the
curve asks for the first, and once or twice is told by the other two. So a species is written three times at most.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.discovery import (
    Chance,
    Sightings,
    accumulation,
    discovery,
    least_number,
    share,
)
from graphfuzz.campaign.refusals import TAKEN
from graphfuzz.campaign.schedule import Place
from graphfuzz.corpus.sightings import today
from graphfuzz.generator import CONTROL
from graphfuzz.graph import Features
from graphfuzz.oracle.verdict import HARNESS_ERROR
from graphfuzz.spec.origins import origins
from graphfuzz.spec.registry import Registry

TABLES = """
CREATE TABLE IF NOT EXISTS eras (number INTEGER PRIMARY KEY, "case" INTEGER NOT NULL, era BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS samples (
    era INTEGER, route TEXT, units INTEGER NOT NULL, PRIMARY KEY (era, route)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undecided (
    "case" INTEGER, route TEXT, era INTEGER NOT NULL, unit INTEGER NOT NULL, PRIMARY KEY ("case", route)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS species (
    era INTEGER, route TEXT, kind TEXT, name TEXT, first INTEGER NOT NULL, second INTEGER, third INTEGER,
    PRIMARY KEY (era, route, kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repeats (
    era INTEGER, "case" INTEGER, route TEXT, verdict TEXT NOT NULL, again TEXT, PRIMARY KEY (era, "case", route)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS to_repeat ON repeats (era) WHERE again IS NULL;
"""
KINDS = ("buckets", "uses", "pairs")
APART = ("seconds", "cases", "findings", "disk", "minimizing", "workers", "repeated")
"""What of a configuration may change while an era lasts: no case depends on it."""


class Era(msgspec.Struct, frozen=True):
    """A time in which all cases of the control are drawn alike and run on the same versions.

    begun: date, ISO 8601. case: the first one. reason: what had changed. versions, settings: by name.
    """

    number: int
    begun: str
    case: int
    reason: str
    versions: dict[str, str]
    settings: dict[str, str]


class Discovery(msgspec.Struct, frozen=True):
    """What is known of one kind of species on a route.

    units: the executions that the figures are of; undecided: those beyond. seen, once, twice: how many species, and how
    many of them in one and two units. new: the chance that the next execution shows another one; None without units.
    at_least: how many there are at least, of buckets (`least_number`). curve: units, and species seen in so many.
    """

    route: str
    kind: str
    units: int
    undecided: int
    seen: int
    once: int
    twice: int
    new: Chance | None
    at_least: float | None
    curve: list[tuple[int, int]]


class Repeat(msgspec.Struct, frozen=True):
    """An execution that was repeated, with its verdicts."""

    case: int
    route: str
    verdict: str
    again: str


class Stability(msgspec.Struct, frozen=True):
    """In how many of the executions that were repeated in a fresh process the verdict was the same; the others."""

    route: str
    repeated: int
    same: int
    share: Chance | None
    differing: list[Repeat]


class Estimates(msgspec.Struct, frozen=True):
    """All that one era's sample says; the eras of the campaign, this one among them. `msgspec.to_builtins` makes it
    plain data."""

    era: Era
    discoveries: list[Discovery]
    stabilities: list[Stability]
    eras: list[Era]

    def rows(self) -> tuple[str, list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """What `graphfuzz.report.estimates` tells of it."""
        since = f" since case {self.era.case} ({self.era.reason})" if self.era.number > 1 else ""
        astuple = msgspec.structs.astuple
        return (
            f"what the control says{since}",
            [
                (d.route, d.kind, d.units, d.undecided, d.seen, d.once, d.new and astuple(d.new), d.at_least, d.curve)
                for d in self.discoveries
            ],
            [(s.route, s.repeated, s.same, s.share and astuple(s.share)) for s in self.stabilities],
            [astuple(repeat) for s in self.stabilities for repeat in s.differing],
        )


def settings_of(configuration: Configuration, registry: Registry) -> dict[str, str]:
    """What decides the control's cases, or their verdicts, beside versions, by name: the configuration, and the texts
    that declare operators."""
    fields = msgspec.structs.asdict(configuration).items()
    texts = sorted({origin.digest for origin in origins(registry).values()})
    return {
        **{name: msgspec.json.encode(value).decode() for name, value in fields if name not in APART},
        "operator specs": hashlib.sha256("".join([*registry, *texts]).encode()).hexdigest()[:8],
    }


class Sample:
    """The tables of the control's sample. Whatever writes belongs into a step of the journal, whose connection it is;
    `estimates` and `eras` may read another process' books."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def eras(self) -> list[Era]:
        """All of them, in order; none in books that are older than eras."""
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'eras'").fetchone() is None:
            return []
        rows = self._db.execute("SELECT era FROM eras ORDER BY number")
        return [msgspec.msgpack.decode(data, type=Era) for (data,) in rows]

    def enter(self, versions: Mapping[str, str], settings: Mapping[str, str], case: int) -> None:
        """Begin an era with this case, unless the last one had the same versions and settings."""
        eras, now = self.eras(), {**versions, **settings}
        before = {**eras[-1].versions, **eras[-1].settings} if eras else now
        changes = [
            f"{name} {before.get(name, 'of old')} is now {now.get(name, 'as of old')}"
            for name in {**before, **now}
            if before.get(name) != now.get(name)
        ]
        if changes or not eras:
            reason = ", ".join(changes) or "the first"
            self._begin(Era(len(eras) + 1, today(), case, reason, dict(versions), dict(settings)))

    def take(
        self, place: Place, route: str, verdict: str, features: Features | None, found: bool, repeated: bool
    ) -> None:
        """An execution, if it is a unit. found: whether a finding is to be decided. repeated: whether it is to be run
        once more."""
        if place.lane != CONTROL or verdict == HARNESS_ERROR:
            return
        era = self._era_of(place.index)
        query = "INSERT INTO samples VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET units = units + 1 RETURNING units"
        ((unit,),) = self._db.execute(query, (era, route)).fetchall()
        if found:
            self._db.execute("INSERT INTO undecided VALUES (?, ?, ?, ?)", (place.index, route, era, unit))
        if features is not None and verdict in TAKEN:
            self._see(era, route, "uses", features.typed_uses, unit)
            self._see(era, route, "pairs", [" ".join(pair) for pair in features.pairs], unit)
        if repeated:
            self._db.execute("INSERT INTO repeats VALUES (?, ?, ?, ?, NULL)", (era, place.index, route, verdict))

    def credit(self, case: int, route: str, bucket: str) -> None:
        """An undecided finding belongs to a bucket."""
        query = 'DELETE FROM undecided WHERE "case" = ? AND route = ? RETURNING era, unit'
        for era, unit in self._db.execute(query, (case, route)).fetchall():
            self._see(era, route, "buckets", [bucket], unit)

    def dismiss(self, case: int, route: str) -> None:
        """A finding shows no bucket, if it is undecided still."""
        query = 'DELETE FROM undecided WHERE "case" = ? AND route = ? AND era = (SELECT max(number) FROM eras)'
        self._db.execute(query, (case, route))

    def to_repeat(self) -> list[tuple[int, str]]:
        """The executions of this era that are to be run once more, and were not yet, by case and route."""
        query = 'SELECT "case", route FROM repeats WHERE era = (SELECT max(number) FROM eras) AND again IS NULL'
        return self._db.execute(query).fetchall()

    def repeat(self, case: int, route: str, again: str) -> None:
        """The verdict that an execution had when it was repeated."""
        query = 'UPDATE repeats SET again = ? WHERE "case" = ? AND route = ? AND again IS NULL'
        self._db.execute(query, (again, case, route))

    def estimates(self, number: int | None = None) -> Estimates | None:
        """What an era's sample says, the last one's where none is named; None where there is none.

        It reads every species of the era: half a second for 100,000.
        """
        eras = self.eras()
        wanted = [era for era in eras if number in (None, era.number)]
        if not wanted:
            return None
        era = wanted[-1]
        routes = self._db.execute("SELECT route, units FROM samples WHERE era = ?", (era.number,)).fetchall()
        return Estimates(
            era,
            [self._discovery(era.number, route, kind, units) for route, units in routes for kind in KINDS],
            [self._stability(era.number, route) for route, _ in routes],
            eras,
        )

    def _begin(self, era: Era) -> None:
        self._db.execute("INSERT INTO eras VALUES (?, ?, ?)", (era.number, era.case, msgspec.msgpack.encode(era)))

    def _era_of(self, case: int) -> int:
        """The last era that begins with this case or before."""
        (number,) = self._db.execute('SELECT max(number) FROM eras WHERE "case" <= ?', (case,)).fetchone()
        return int(number)

    def _see(self, era: int, route: str, kind: str, names: Sequence[str], unit: int) -> None:
        """A unit that shows some species."""
        for name in names:
            key = (era, route, kind, name)
            query = "SELECT first, second, third FROM species WHERE era = ? AND route = ? AND kind = ? AND name = ?"
            row = self._db.execute(query, key).fetchone()
            seen = Sightings(unit) if row is None else Sightings(*row).further(unit)
            told = msgspec.structs.astuple(seen)
            if told != row:
                self._db.execute("INSERT OR REPLACE INTO species VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, *told))

    def _discovery(self, era: int, route: str, kind: str, units: int) -> Discovery:
        query = "SELECT first, second, third FROM species WHERE era = ? AND route = ? AND kind = ?"
        species = [Sightings(*row) for row in self._db.execute(query, (era, route, kind))]
        decided = self._decided(era, route, units) if kind == "buckets" else units
        times = [s.times(decided) for s in species]
        return Discovery(
            route,
            kind,
            decided,
            units - decided,
            sum(map(bool, times)),
            times.count(1),
            times.count(2),
            discovery(decided, species) if decided else None,
            least_number(decided, species) if kind == "buckets" and decided else None,
            accumulation(decided, species),
        )

    def _decided(self, era: int, route: str, units: int) -> int:
        """How many units there are before the first undecided one."""
        query = "SELECT min(unit) FROM undecided WHERE era = ? AND route = ?"
        (first,) = self._db.execute(query, (era, route)).fetchone()
        return units if first is None else first - 1

    def _stability(self, era: int, route: str) -> Stability:
        query = 'SELECT "case", route, verdict, again FROM repeats WHERE era = ? AND route = ? AND again IS NOT NULL'
        repeats = [Repeat(*row) for row in self._db.execute(f'{query} ORDER BY "case"', (era, route))]
        differing = [repeat for repeat in repeats if repeat.again != repeat.verdict]
        same = len(repeats) - len(differing)
        return Stability(route, len(repeats), same, share(same, len(repeats)) if repeats else None, differing)
