"""What probing found, and the cache that keeps it between runs, as it does what operators become when captured.

The cache holds one file a route (or reader) and family (the module that declares operators), named by a digest of all
that its content depends on: the versions of the route's packages, the text of the route's own file and that of the
declaring file. An edit therefore makes one family's probes be missing, or a route's, and an update a route's.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from graphfuzz.errors import UsageError
from graphfuzz.interchange import Example, Reader
from graphfuzz.oracle.ledger import Stock
from graphfuzz.oracle.route import Route, installed
from graphfuzz.spec.origins import Origin, digest

SCHEMA = 2
NONE_FOUND = "none-found"
"""Stands for a verdict where the generator found no case."""


class Trial(msgspec.Struct, frozen=True):
    """One case on one route. key: of `graphfuzz.conformance.case_at`. what: the reason of a verdict other than ok.

    entries: of the ledger, used by the conversion; operators: ONNX's, in the model. use: the `typed_use` that it is;
    empty where there was no case.
    """

    key: str
    verdict: str
    stage: str
    what: str
    entries: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    use: str = ""

    @property
    def ran(self) -> bool:
        """Whether the converted model was run to its end, and its outputs compared."""
        return self.stage == "compare" and self.verdict != "harness-error"

    @property
    def dtypes(self) -> str:
        """The dtype binding, "T=float32,I=int64"."""
        return self.key.split("/")[2]


Probes = dict[str, tuple[Trial, ...]]
"""The trials of operators, by name."""

Examples = dict[str, tuple[Example, ...]]
"""What operators become when captured, by name."""

Kept = TypeVar("Kept", Probes, Stock, Examples)


class Cache:
    """A folder of probes. complain: told of every damaged file, which then counts as missing."""

    def __init__(self, folder: Path, complain: Callable[[str], None] = lambda text: None) -> None:
        self.folder = folder
        self.complain = complain

    def probes(self, route: Route, origin: Origin) -> Probes:
        """A family's probes on a route; empty where there are none. Raises UsageError where that cannot be read."""
        return self._read(self._path(route, origin.module, origin.digest), Probes) or {}

    def keep_probes(self, route: Route, origin: Origin, probes: Probes) -> None:
        """Store a family's probes in place of those that there are. Raises UsageError where that cannot be done."""
        self._write(self._path(route, origin.module, origin.digest), probes)

    def stock(self, route: Route) -> Stock | None:
        """The route's ledger, as read before."""
        return self._read(self._path(route, "ledger", ""), Stock)

    def keep_stock(self, route: Route, stock: Stock) -> None:
        """Store a route's ledger. Raises UsageError."""
        self._write(self._path(route, "ledger", ""), stock)

    def examples(self, reader: Reader, origin: Origin) -> Examples:
        """What a family's operators become; empty where that is not known. Raises UsageError."""
        return self._read(self._path(reader, origin.module, origin.digest), Examples) or {}

    def keep_examples(self, reader: Reader, origin: Origin, examples: Examples) -> None:
        """Store what a family's operators become. Raises UsageError."""
        self._write(self._path(reader, origin.module, origin.digest), examples)

    def _path(self, route: Route | Reader, name: str, family: str) -> Path:
        works = (route.convert, *route.helpers) if isinstance(route, Route) else (route.captured, *route.decide)
        own = "".join(digest(function.__code__.co_filename) for function in works)
        decides = [SCHEMA, route.name, sorted(installed(route.packages).items()), own, name, family]
        key = hashlib.sha256(msgspec.json.encode(decides)).hexdigest()[:16]
        return self.folder / re.sub(r"[^\w.-]", "_", route.name) / f"{name}-{key}.json"

    def _read(self, path: Path, kind: type[Kept]) -> Kept | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"--cache {self.folder}: cannot be read ({error.strerror}); name another") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.complain(f"{path} is damaged ({error}) and counts as missing")
            return None

    def _write(self, path: Path, kept: Probes | Stock | Examples) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(kept))
            os.replace(name, path)
        except OSError as error:
            raise UsageError(f"--cache {self.folder}: cannot be written ({error.strerror}); name another") from None


def support(trials: Iterable[Trial]) -> Mapping[str, tuple[str, str]]:
    """For each dtype binding, one word and what it rests on: "ok" where every case agreed (or was unstable), else the
    verdict that counts most: a finding before a harness error, before "unsupported", before no case at all."""
    found: dict[str, tuple[str, str]] = {}
    for trial in trials:
        word = "ok" if trial.verdict in ("ok", "unstable") else trial.verdict
        kept = found.setdefault(trial.dtypes, (word, trial.what))
        if _weight(word) > _weight(kept[0]):
            found[trial.dtypes] = (word, trial.what)
    return found


def _weight(word: str) -> int:
    mild = (NONE_FOUND, "ok", "unsupported", "harness-error")
    return mild.index(word) if word in mild else len(mild)
