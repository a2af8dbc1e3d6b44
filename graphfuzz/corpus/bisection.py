"""Which version of a package brought a defect, or mended it: the search, and its result as an entry stores it.

Key insight: "cannot tell" is a third state. A version that is too old for the script, or too new, is neither good nor
bad, and the search goes round it as `git bisect skip` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from graphfuzz.corpus.entry import BISECTION
from graphfuzz.corpus.storage import put_file, writing
from graphfuzz.errors import EntryError
from graphfuzz.graph.codec import canonical, upgraded

BAD = "bad"
GOOD = "good"
CANNOT_TELL = "cannot tell"

SCHEMA = 1


class Probe(msgspec.Struct, frozen=True):
    """What the script did with one version. said: its last word. beside: what had to be installed along with it."""

    version: str
    state: str
    said: str
    beside: dict[str, str] = {}


class Bisection(msgspec.Struct, frozen=True):
    """One package's versions, and what those that were probed did.

    script: the SHA-256 of the repro.py that was run. companions: further requirements that were asked for. python,
    others: the versions that all probes share, of Python and of the other packages at work. date: ISO 8601. versions:
    all in the range, oldest first. probes: those that were run, oldest first.
    """

    package: str
    script: str
    companions: tuple[str, ...]
    python: str
    others: dict[str, str]
    date: str
    versions: tuple[str, ...]
    probes: tuple[Probe, ...]


class Change(msgspec.Struct, frozen=True):
    """The state from some version on. candidates: the versions of which one is the first, oldest first: the last is
    known to be, those before it cannot tell or were not asked. before: the newest known to be otherwise."""

    state: str
    candidates: tuple[str, ...]
    before: str


def search(versions: Sequence[str], state: Callable[[str], str]) -> None:
    """Ask for the state of few versions, given oldest first, until a change between two neighbors is found.

    Versions that cannot tell are passed over. At the old end they are taken for too old, so that none before them is
    asked. Where both ends agree nothing between is asked. state: may be asked for a version again, and says the same.
    """
    new = next((i for i in reversed(range(len(versions))) if state(versions[i]) != CANNOT_TELL), 0)
    if new == 0:
        return
    end, begin = state(versions[new]), state(versions[0])
    if begin == end:
        return
    old, known = 0, begin != CANNOT_TELL
    while new - old > 1:
        middle = next((i for i in _from_middle(old, new) if state(versions[i]) != CANNOT_TELL or not known), None)
        if middle is None:
            return
        if state(versions[middle]) == end:
            new = middle
        else:
            old, known = middle, known or state(versions[middle]) != CANNOT_TELL


def _from_middle(old: int, new: int) -> list[int]:
    """The positions strictly between two, the nearest to their middle first."""
    return sorted(range(old + 1, new), key=lambda i: abs(2 * i - old - new))


def changes(bisection: Bisection) -> list[Change]:
    """Where the state changes from one probed version that can tell to the next, oldest first."""
    told = [probe for probe in bisection.probes if probe.state != CANNOT_TELL]
    at = {version: i for i, version in enumerate(bisection.versions)}
    return [
        Change(new.state, bisection.versions[at[old.version] + 1 : at[new.version] + 1], old.version)
        for old, new in pairwise(told)
        if old.state != new.state
    ]


def conclusions(bisection: Bisection) -> list[str]:
    """What there is to say: the first version of each state that follows another, or that there is none."""
    found = [_said(change) for change in changes(bisection)]
    if found:
        return found
    states = {probe.state for probe in bisection.probes} - {CANNOT_TELL}
    told = ", ".join(probe.version for probe in bisection.probes if probe.state in states)
    return [f"no change: {state} in all versions that can tell of those probed: {told}" for state in states] or [
        "no version that was probed can tell"
    ]


def _said(change: Change) -> str:
    other = BAD if change.state == GOOD else GOOD
    *unsure, last = change.candidates
    among = f"one of {', '.join(change.candidates)}" if unsure else last
    return f"first {change.state} version: {among} ({change.before} is {other})"


def digest(script: str) -> str:
    """By which a stored bisection tells whether it is of this script."""
    return hashlib.sha256(script.encode()).hexdigest()


def read_bisections(entry: Path) -> list[Bisection]:
    """The bisections stored in an entry's folder, sorted by package; none where there are none. Raises EntryError."""
    path = entry / BISECTION
    try:
        data = upgraded(msgspec.json.decode(path.read_bytes()), (), str(path))
        return [_consistent(bisection) for bisection in msgspec.convert(data["bisections"], list[Bisection])]
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise EntryError(f"{path}: not a complete bisection ({error!r}); restore it or delete it") from None


def _consistent(bisection: Bisection) -> Bisection:
    """The bisection. Raises ValueError where it probed a version that is none of its own, or in no known state."""
    order = [bisection.versions.index(probe.version) for probe in bisection.probes]
    if order != sorted(order) or {probe.state for probe in bisection.probes} - {BAD, GOOD, CANNOT_TELL}:
        raise ValueError("probes out of order, or of no known state")
    return bisection


def store_bisection(entry: Path, bisection: Bisection) -> None:
    """Store it in the entry's folder, in place of an older one of the same package. Raises EntryError."""
    with writing(entry.resolve().parent):
        kept = [older for older in read_bisections(entry) if older.package != bisection.package]
        told = sorted([*kept, bisection], key=lambda one: one.package)
        content = canonical({"schema": SCHEMA, "bisections": msgspec.to_builtins(told)}) + "\n"
        put_file(entry / BISECTION, content.encode())


def facts(bisections: Sequence[Bisection], script: str) -> Iterator[tuple[str, str]]:
    """For `graphfuzz show`: a label and what was found, for each. script: the entry's own, as it is now."""
    for bisection in bisections:
        stale = "" if bisection.script == digest(script) else " (of an older repro.py)"
        yield f"bisect {bisection.package}", f"{'; '.join(conclusions(bisection))}{stale}"
