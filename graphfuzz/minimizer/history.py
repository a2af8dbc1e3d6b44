"""How a case was made smaller, kept beside it: `history.json` in an entry's folder.

It has every edit that was kept, in order, so that a reduction can be read, and done again.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from graphfuzz.corpus.storage import put_file, writing
from graphfuzz.errors import EntryError
from graphfuzz.graph.codec import canonical, upgraded
from graphfuzz.minimizer.engine import Reduction, Step

HISTORY = "history.json"
SCHEMA = 1


class History(msgspec.Struct, frozen=True):
    """The edits that were kept; how many cases were run, and how many of those showed another defect."""

    steps: tuple[Step, ...]
    runs: int
    slipped: int

    def summary(self) -> str:
        """One line: what was done, how often, and in how many runs."""
        made = Counter(step.pass_name.replace("_", " ") for step in self.steps)
        return f"in {self.runs} runs: " + ", ".join(f"{count} × {name}" for name, count in made.items())


def store_history(entry: Path, reduction: Reduction) -> None:
    """Keep how an entry's case was made smaller, if it was; in place of what was kept before. Raises EntryError."""
    if not reduction.steps:
        return
    told = {"schema": SCHEMA, "runs": reduction.runs, "slipped": reduction.slipped, "steps": reduction.steps}
    with writing(entry.resolve().parent):
        put_file(entry / HISTORY, (canonical(msgspec.to_builtins(told)) + "\n").encode())


def read_history(entry: Path) -> History | None:
    """How an entry's case was made smaller; None where that was not kept. Raises EntryError for a damaged file."""
    path = entry / HISTORY
    if not path.exists():
        return None
    try:
        return msgspec.convert(upgraded(msgspec.json.decode(path.read_bytes()), (), str(path)), History)
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise EntryError(f"{path}: not a complete history ({error!r}); restore it or delete it") from None
