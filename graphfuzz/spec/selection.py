"""Operators and dtypes as people name them: by name, by a pattern, and operators by their family or pack."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from graphfuzz.errors import UsageError
from graphfuzz.spec.dtypes import ANY, COMPLEX
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.origins import origins

FAMILY, PACK = "family:", "pack:"
"""What goes before the name of a family (the last part of the name of the module that declares it), or of a pack."""
NEAREST = 3
"""How many names are told that are nearest to one that is none."""


def matching(operators: Mapping[str, Operator], patterns: Iterable[str]) -> tuple[str, ...]:
    """The names that each pattern (`relu`, `conv*`, `family:pooling`, `pack:operators`) matches, in turn.

    Raises UsageError for one that matches none.
    """
    patterns = tuple(patterns)
    groups: dict[str, list[str]] = {}
    if any(pattern.startswith((FAMILY, PACK)) for pattern in patterns):
        for name, origin in origins(operators).items():
            groups.setdefault(FAMILY + origin.family, []).append(name)
            groups.setdefault(PACK + origin.module.partition(".")[0], []).append(name)
    found: dict[str, None] = {}
    for pattern in patterns:
        if pattern.startswith((FAMILY, PACK)):
            prefix = FAMILY if pattern.startswith(FAMILY) else PACK
            chosen = _matching(pattern, [group for group in groups if group.startswith(prefix)], prefix[:-1])
            found.update((name, None) for group in chosen for name in groups[group])
        else:
            found.update((name, None) for name in _matching(pattern, tuple(operators), "operator"))
    return tuple(found)


def matching_dtypes(only: Sequence[str], without: Sequence[str] = ()) -> tuple[str, ...]:
    """The dtypes that match a pattern of `only` (all, where it is empty) and none of `without`.

    Raises UsageError for a pattern that matches none, and where none is left.
    """
    known = (*ANY, *COMPLEX)
    chosen = {dtype for pattern in only for dtype in _matching(pattern, known, "dtype")} or set(known)
    chosen -= {dtype for pattern in without for dtype in _matching(pattern, known, "dtype")}
    if not chosen:
        raise UsageError("no dtype is left; leave one in")
    return tuple(dtype for dtype in known if dtype in chosen)


def _matching(pattern: str, names: Sequence[str], what: str) -> list[str]:
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        near = difflib.get_close_matches(pattern, names, n=NEAREST, cutoff=0.0)
        raise UsageError(f"there is no {what} '{pattern}'; the nearest are {', '.join(near)}")
    return found
