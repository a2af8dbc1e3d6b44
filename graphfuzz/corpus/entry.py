"""A corpus entry: one minimized finding in a folder that people, git and `graphfuzz replay` can all read.

    <slug>/case.json      the case without its arrays
           tensors.npz    inputs, weights, and the source model's recorded outputs as `expected.<name>`;
                          inputs of other sizes as `<name>.1`, `<name>.2`, ...
           finding.json   what was found, in what versions, since when
           seen.json      how often campaigns have seen it, until when, in what versions; once there is more to tell
                          than that it was found
           repro.py       runs alone; exit 1 while the finding stands
           model.onnx     the converted model, where one was produced; of another format, model.tflite and the like
           history.json   how its case was made smaller (`graphfuzz.minimizer.history`)
           bisection.json the versions that brought or mended it, where that was asked (`graphfuzz.corpus.bisection`)

An entry is there whole or not at all, and what was counted stays counted when another takes its place
(`graphfuzz.corpus.storage`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec

from graphfuzz.corpus.finding import (
    MEMORY,
    SECONDS,
    TOLERANCE,
    Finding,
    finding_from_json,
    finding_to_json,
    make_finding,
)
from graphfuzz.corpus.repro import repro_source
from graphfuzz.corpus.sightings import (
    Sighting,
    Sightings,
    first_seen,
    first_sighting,
    once_more,
    sightings_from_json,
    sightings_to_json,
    united,
)
from graphfuzz.corpus.storage import LOCK, folders, identity, put_file, put_folder, remove_folder, whereabouts, writing
from graphfuzz.corpus.storage import check_writable as check_writable
from graphfuzz.errors import EntryError
from graphfuzz.graph import Array, Case, case_from_json, case_to_json, pack_arrays, unpack_arrays
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import Registry

EXPECTED = "expected."
SEEN = "seen.json"
MODEL, ONNX = "model", ".onnx"
"""What the file of the converted model is called, and how its name ends where it is ONNX's."""
BISECTION = "bisection.json"
"""What is no part of an `Entry`, and outlives its replacement: it says itself of which repro.py it is."""
READINGS = 5
"""How often an entry is read that others replace meanwhile, before its reader gives up."""


class Entry(msgspec.Struct, frozen=True, eq=False):
    """A finding with everything needed to see it again.

    expected: the source model's outputs by name. model: the converted model's file, which is called `model_file`.
    further: what campaigns have seen, by campaign, where that is more than the finding itself tells.
    """

    case: Case
    finding: Finding
    expected: dict[str, Array]
    repro: str
    model: bytes = b""
    model_file: str = MODEL + ONNX
    further: dict[str, Sighting] = {}

    @property
    def slug(self) -> str:
        """The folder's name."""
        return self.finding.slug

    @property
    def seen(self) -> dict[str, Sighting]:
        """What campaigns have seen of it, by campaign."""
        return self.further or first_sighting(self.finding, self.case.origin)

    def files(self) -> dict[str, bytes]:
        """The folder: files by name, the JSON among them canonical."""
        expected = {EXPECTED + name: array for name, array in self.expected.items()}
        files = {
            "case.json": case_to_json(self.case).encode(),
            "tensors.npz": pack_arrays({**self.case.arrays(), **expected}),
            "finding.json": finding_to_json(self.finding).encode(),
            "repro.py": self.repro.encode(),
        }
        if self.seen != first_sighting(self.finding, self.case.origin):
            files[SEEN] = sightings_to_json(self.seen).encode()
        return {**files, self.model_file: self.model} if self.model else files

    @property
    def onnx(self) -> bytes:
        """The converted model, if it is ONNX's."""
        return self.model if self.model_file.endswith(ONNX) else b""

    def size(self) -> tuple[int, int, str, bytes]:
        """Orders cases: fewer nodes first, then fewer elements, then what is nothing but an order."""
        arrays = self.case.arrays()
        elements = sum(array.size for array in arrays.values())
        return len(self.case.graph.nodes), elements, case_to_json(self.case), pack_arrays(arrays)


def make_entry(
    case: Case,
    outcome: Outcome,
    route: Route,
    registry: Registry,
    first_seen: str,
    *,
    tolerance: str = TOLERANCE,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    attribution: Attribution | None = None,
) -> Entry:
    """The entry of a (minimized) finding. first_seen: a date, ISO 8601.

    tolerance: the rule of comparison in force, as `parse_tolerance` reads it. seconds, memory (bytes): what the case
    was allowed to take. attribution: who is to blame, where that was asked. Raises EntryError where the outcome's
    arrays cannot be read or the route's source cannot be shown, UsageError for a tolerance that does not exist.
    """
    finding = make_finding(
        case.graph,
        outcome,
        registry,
        first_seen,
        tolerance=tolerance,
        seconds=seconds,
        memory=memory,
        attribution=attribution,
    )
    told = msgspec.structs.replace(outcome, message=finding.message, traceback=finding.traceback)
    expected = unpack_arrays(outcome.expected, "the recorded outputs") if outcome.expected else {}
    script = repro_source(case, told, route, registry, tolerance=tolerance, seconds=seconds, memory=memory)
    return Entry(case, finding, expected, script, outcome.model, route.target.file)


def write_entry(folder: Path, entry: Entry) -> Path:
    """Store the entry below the folder, in place of one of the same slug, whose sightings it takes over. Returns where.

    Raises EntryError where it cannot be written; an entry of the same slug that was there before is there still.
    """
    place = folder / entry.slug
    with writing(folder):
        _put(place, entry)
    return place


def write_case(folder: Path, case: Case) -> Path:
    """Store a case of which nothing is found, as an entry has it: `case.json` and `tensors.npz`.

    Raises EntryError where that cannot be written, and as `check_free` does.
    """
    place = folder.resolve()
    with writing(place.parent):
        check_free(place)
        put_folder(place, {"case.json": case_to_json(case).encode(), "tensors.npz": pack_arrays(case.arrays())})
    return folder


def check_free(folder: Path) -> None:
    """Raises EntryError where a folder holds anything but a case, in whose place another one may be written."""
    try:
        others = sorted({file.name for file in folder.iterdir()} - {"case.json", "tensors.npz", LOCK})
    except FileNotFoundError:
        return
    except OSError as error:
        raise EntryError(f"{folder}: cannot be a case's folder: {error.strerror}; name another") from None
    if others:
        raise EntryError(f"{folder}: holds {others[0]}, which is no part of a case; name a folder of its own")


def add_entry(folder: Path, entry: Entry) -> Path:
    """Store the entry below the folder; where one of the same slug is there, the smaller of the two stays.

    What was seen of either was seen of the bucket. Adding in any order, or again, gives the same, and writes nothing
    where it changes nothing. Returns where it is. Raises EntryError as `write_entry` and `read_entry` do.
    """
    place = folder / entry.slug
    with writing(folder):
        if not place.exists():
            _put(place, entry)
            return place
        there = read_entry(place)
        seen = united(there.seen, entry.seen)
        kept = entry if entry.size() < there.size() else there
        finding = msgspec.structs.replace(kept.finding, first_seen=first_seen(seen))
        kept = msgspec.structs.replace(kept, finding=finding, further=seen)
        if kept.files() != there.files():
            _put(place, kept)
    return place


def update_entry(path: Path, change: Callable[[Entry], Entry]) -> None:
    """Put what `change` makes of the entry in its place. Raises EntryError as `write_entry` and `read_entry` do."""
    with writing(path.parent):
        _put(path, change(read_entry(path)))


def count_sighting(
    path: Path, date: str, versions: Mapping[str, str], campaign: str, before: int | None = None
) -> None:
    """Count one more finding of an entry's bucket, as `once_more` does. An entry that was removed meanwhile stays
    removed. Raises EntryError."""
    if path.parent.is_dir():
        with writing(path.parent):
            _put_seen(path, lambda known: once_more(known, date, versions, campaign, before))


def remove_entry(path: Path, heir: Path | None = None) -> None:
    """Remove an entry's folder, at once for whoever looks for entries. Raises EntryError where that is impossible.

    heir: an entry that takes over what was seen of this one, which stays where the heir is gone.
    """
    if not path.parent.is_dir():
        raise EntryError(f"{path}: there is no such entry")
    held = {place.parent.resolve() for place in (path, heir) if place is not None}
    with ExitStack() as stack:
        for folder in sorted(held):
            stack.enter_context(writing(folder))
        if heir is not None and not heir.is_dir():
            raise EntryError(f"{heir}: is gone, so {path} stays")
        if heir is not None:
            _put_seen(heir, lambda known: united(known, _seen(path)))
        remove_folder(path)


def read_entry(path: Path) -> Entry:
    """The entry in a folder, of any schema so far. Raises EntryError where it is missing, damaged or newer.

    What is replaced while it is read is read again.
    """
    for _ in range(READINGS):
        before = identity(path)
        try:
            entry = _read_entry(whereabouts(path))
        except EntryError:
            if before == identity(path):
                raise
        else:
            if before == identity(path):
                return entry
    raise EntryError(f"{path}: is replaced again and again by another process; read it when that has ended")


def _read_entry(path: Path) -> Entry:
    if not path.is_dir():
        raise EntryError(f"{path}: there is no such entry; name a folder that holds a case.json")
    arrays = unpack_arrays(_read(path / "tensors.npz"), str(path / "tensors.npz"))
    given = {name: a for name, a in arrays.items() if not name.startswith(EXPECTED)}
    case = case_from_json(_read(path / "case.json"), given, str(path / "case.json"))
    finding = finding_from_json(_read(path / "finding.json"), str(path / "finding.json"))
    expected = {name.removeprefix(EXPECTED): a for name, a in arrays.items() if name.startswith(EXPECTED)}
    (model, *_) = [*sorted(path.glob(f"{MODEL}.*")), path / (MODEL + ONNX)]
    made = _read(model) if model.exists() else b""
    return Entry(case, finding, expected, _text(path / "repro.py"), made, model.name, _further(path))


def _further(path: Path) -> dict[str, Sighting]:
    seen = path / SEEN
    return sightings_from_json(_read(seen), str(seen)) if seen.exists() else {}


def _put(place: Path, entry: Entry) -> None:
    """Put the entry in its place; what was seen of one there stays counted, if it can be read."""
    try:
        known = _seen(place) if place.exists() else {}
    except EntryError:
        known = {}
    files = msgspec.structs.replace(entry, further=united(known, entry.seen)).files()
    if (place / BISECTION).exists():
        files[BISECTION] = (place / BISECTION).read_bytes()
    put_folder(place, files)


def _seen(place: Path) -> dict[str, Sighting]:
    return _further(place) or read_entry(place).seen


def _put_seen(path: Path, change: Callable[[Sightings], dict[str, Sighting]]) -> None:
    if not path.is_dir():
        return
    known = _seen(path)
    changed = change(known)
    if changed != known:
        put_file(path / SEEN, sightings_to_json(changed).encode())


def entries(paths: Iterable[Path]) -> list[Path]:
    """The folders of all entries at or below these paths, sorted. Raises EntryError for a path that does not exist."""
    found: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            raise EntryError(f"{path}: there is no such folder; name an entry, or a folder of entries")
        try:
            found.update(_entries_below(path))
        except OSError as error:
            raise EntryError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return sorted(found)


def _entries_below(path: Path) -> Iterator[Path]:
    before = identity(path)
    place = before[0] if before else path
    if any((place / name).is_file() for name in ("case.json", "finding.json")):
        yield path
        return
    names = folders(place)
    if (identity(path) or ())[:2] != (before or ())[:2]:
        yield from _entries_below(path)  # it was replaced meanwhile
        return
    for name in names:
        yield from _entries_below(path / name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise EntryError(f"{path}: is missing; restore it or delete the entry") from None
    except OSError as error:
        raise EntryError(f"{path}: cannot be read: {error.strerror}") from None


def _text(path: Path) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError as error:
        raise EntryError(f"{path}: not a text file ({error}); restore it or delete the entry") from None
