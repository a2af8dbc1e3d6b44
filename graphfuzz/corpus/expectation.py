"""The statuses that are expected of entries, in a file, so that a converter's CI fails only on news.

One line an entry, sorted by route and name, with the verdict that the status rests on:

    [torch-script-ort]
    torch-script-ort-wrong-output-roll-39dc13 = "still failing: wrong-output"
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from graphfuzz.corpus.replay import (
    ALSO_FAILING,
    CANNOT_RUN,
    CHANGED,
    DAMAGED,
    FIXED,
    FLAKY,
    NOT_FAILING,
    STATUSES,
    STILL_FAILING,
    Line,
)
from graphfuzz.errors import UsageError
from graphfuzz.oracle.verdict import OK

REGRESSION = "regression"
IMPROVEMENT = "improvement"

_HEAD = "# What is expected of the entries: read by `graphfuzz replay --expect`, written with --update-expect.\n"
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_BADNESS = {
    FIXED: 0,
    NOT_FAILING: 0,
    FLAKY: 2,
    STILL_FAILING: 3,
    ALSO_FAILING: 3,
    CHANGED: 3,
    CANNOT_RUN: 4,
    DAMAGED: 5,
}
_UNKNOWN = 1
"""The badness of what was never run: where it fails now, that is worse, and where it does not, better."""


class Expected(msgspec.Struct, frozen=True):
    """A status, and the verdict it rests on; empty for any."""

    status: str
    verdict: str = ""

    def __str__(self) -> str:
        return f"{self.status}: {self.verdict}" if self.verdict else self.status


Expectations: TypeAlias = Mapping[tuple[str, str], Expected]
"""What is expected, by route and name of the entry's folder."""


def read_expectations(path: Path) -> Expectations:
    """What a file says. Raises UsageError, naming the line's entry where one is wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file; --update-expect writes it") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no file of expected statuses ({error})") from None
    expected = {}
    for route, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: '{route}' stands outside of any route's table")
        for name, said in table.items():
            status, _, verdict = str(said).partition(": ")
            if status not in STATUSES:
                raise UsageError(f"{path}: {name}: '{status}' is none of {', '.join(STATUSES)}")
            expected[route, name] = Expected(status, verdict)
    return expected


def expectations_text(expected: Expectations) -> str:
    """The file's text, canonical."""
    text = _HEAD
    for route in sorted({route for route, _ in expected}):
        rows = sorted((name, said) for (of, name), said in expected.items() if of == route)
        text += f"\n[{_key(route)}]\n" + "".join(f'{_key(name)} = "{said}"\n' for name, said in rows)
    return text


def updated(before: Expectations, lines: Iterable[Line]) -> Expectations:
    """What is expected once these lines are: what was not run stays as it was."""
    now = {(line.route, line.name): Expected(line.status, line.verdict) for line in lines if line.status != DAMAGED}
    return {**before, **now}


def judged(line: Line, expected: Expectations) -> Line:
    """The line, with whether it is news."""
    before = expected.get((line.route, line.name))
    return msgspec.structs.replace(line, expected=str(before or ""), news=_news(line, before))


def _news(line: Line, before: Expected | None) -> str:
    """Regression where it is worse, or as bad in another way; improvement where it is better; else empty.

    What is expected to be flaky may show its finding or not: a few runs do not tell which.
    """
    if before is None or before.status == CANNOT_RUN != line.status:
        worse = _BADNESS[line.status] - _UNKNOWN
    else:
        alike = (line.status, before.verdict or line.verdict) == (before.status, line.verdict)
        if alike or (before.status == FLAKY and line.status not in (CHANGED, CANNOT_RUN, DAMAGED)):
            return ""
        worse = _BADNESS[line.status] - _BADNESS[before.status]
    return IMPROVEMENT if worse < 0 or (worse == 0 and line.verdict == OK) else REGRESSION


def _key(name: str) -> str:
    return name if _BARE.match(name) else json.dumps(name, ensure_ascii=False)
