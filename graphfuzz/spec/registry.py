"""All operators at hand, from packs found through the entry point group `graphfuzz.operators` or named by path.

A pack is a package (or module) whose attribute `OPERATORS` is a sequence of `Operator`s; it may have `PATTERNS` and
`REWRITES`, too. Ours has no more rights than any other.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoints, entry_points
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import msgspec

from graphfuzz.errors import GraphfuzzError, PackError, SpecError, UsageError
from graphfuzz.spec.dtype_limits import within
from graphfuzz.spec.inference import kinds_of
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.patterns import Pattern, Rewrite

T = TypeVar("T", Pattern, Rewrite)

GROUP = "graphfuzz.operators"


class Registry(Mapping[str, Operator]):
    """Operators by name, in name order; patterns and rewrites beside them, in name order, too."""

    def __init__(
        self, operators: Sequence[Operator], patterns: Sequence[Pattern] = (), rewrites: Sequence[Rewrite] = ()
    ) -> None:
        self._operators: dict[str, Operator] = {}
        self._of: dict[tuple[str, tuple[str, ...]], Sequence[Operator]] = {}
        self._taking: dict[tuple[str, tuple[str, ...]], Mapping[tuple[str, int], Sequence[Operator]]] = {}
        self._within: dict[tuple[str, ...], Registry] = {}
        """What `of`, `taking` and `within` have answered: a campaign asks for every case, or node."""
        for op in sorted(operators, key=lambda op: op.name):
            if op.name in self._operators:
                raise SpecError(f"operator '{op.name}', field 'name': two operators have this name; rename one")
            self._operators[op.name] = op
        self.patterns = _sorted("pattern", patterns)
        self.rewrites = _sorted("rewrite", rewrites)

    def __getitem__(self, name: str) -> Operator:
        try:
            return self._operators[name]
        except KeyError:
            raise UsageError(f"there is no operator '{name}'; `graphfuzz ops` lists them") from None

    def __contains__(self, name: object) -> bool:
        return name in self._operators

    def __iter__(self) -> Iterator[str]:
        return iter(self._operators)

    def __len__(self) -> int:
        return len(self._operators)

    def of(self, framework: str, names: tuple[str, ...] = ()) -> Sequence[Operator]:
        """The operators that a framework has, all or of the named ones. Raises UsageError for an unknown name."""
        found = self._of.get((framework, names))
        if found is None:
            found = [self[name] for name in names or self if framework in self[name].emissions]
            self._of[framework, names] = found
        return found

    def taking(self, dtype: str, rank: int, framework: str, names: tuple[str, ...] = ()) -> Sequence[Operator]:
        """Those of the same that may take a tensor of a dtype and rank as some operand."""
        takers = self._taking.get((framework, names))
        if takers is None:
            takers = self._taking[framework, names] = _takers(self.of(framework, names), framework)
        return takers.get((dtype, rank), ())

    def only(self, names: Sequence[str]) -> Registry:
        """The named operators. Raises UsageError for a name that does not exist."""
        return Registry([self[name] for name in names], self.patterns, self.rewrites)

    def within(self, dtypes: tuple[str, ...]) -> Registry:
        """The same with those uses only whose operands and outputs are all of these dtypes (any, where it is empty),
        and without what has none."""
        if not dtypes:
            return self
        found = self._within.get(dtypes)
        if found is None:
            operators = [op for op in (within(op, dtypes) for op in self.values()) if op is not None]
            found = Registry(operators, _limited(self.patterns, dtypes), _limited(self.rewrites, dtypes))
            self._within[dtypes] = found
        return found


def _takers(operators: Sequence[Operator], framework: str) -> Mapping[tuple[str, int], Sequence[Operator]]:
    """Those that may take a tensor of a dtype and rank, for each of these."""
    found: dict[tuple[str, int], list[Operator]] = {}
    for op in operators:
        for kind in dict.fromkeys(kind for parameter in op.parameters for kind in kinds_of(op, framework, parameter)):
            found.setdefault(kind, []).append(op)
    return found


def _limited(blocks: Sequence[T], dtypes: Collection[str]) -> list[T]:
    """The patterns, or rewrites, with these of their dtypes only, and without those that have none."""
    left = [msgspec.structs.replace(b, dtypes=tuple(d for d in b.dtypes if d in dtypes)) for b in blocks]
    return [block for block in left if block.dtypes]


def _sorted(kind: str, named: Sequence[T]) -> tuple[T, ...]:
    found = sorted(named, key=lambda one: one.name)
    for one, other in pairwise(found):
        if one.name == other.name:
            raise SpecError(f"{kind} '{one.name}': two have this name; rename one")
    return tuple(found)


def installed_packs() -> EntryPoints:
    """The entry points of the installed packs, each of which names a module."""
    return entry_points(group=GROUP)


def load_registry(paths: Sequence[str] = ()) -> Registry:
    """Every installed pack's operators, and those of the packs in the folders (or files) named.

    Raises PackError for a pack that does not import, has no OPERATORS or has the name of another module, SpecError for
    a mistake in a declaration.
    """
    packs = [_pack(point.module, f"entry point '{point.name}'") for point in installed_packs()]
    for path in paths:
        file = _pack_file(path)
        packs.append(_pack(_pack_name(file), f"--operators {path}", file))

    def given(kind: str) -> list[Any]:
        return [one for pack in packs for one in getattr(pack, kind, ())]

    return Registry(given("OPERATORS"), given("PATTERNS"), given("REWRITES"))


def _pack_file(path: str) -> Path:
    """The file to run for a pack: a package's `__init__.py`, or the module itself."""
    location = Path(path).resolve()
    file = location / "__init__.py" if location.is_dir() else location
    if not (file.is_file() and file.suffix == ".py"):
        raise PackError(f"--operators {path}: no such pack; name a folder with __init__.py, or a .py file")
    return file


def _pack_name(file: Path) -> str:
    return file.parent.name if file.name == "__init__.py" else file.stem


def _module_at(file: Path, name: str) -> ModuleType:
    """The module in this file and no other, under its own name, so that its parts can import each other by name.

    Modules beside it can be imported, too, but hide none that is found elsewhere. Raises PackError where the name
    belongs to another module: one of them would be taken for the other.
    """
    other = _file_of(name)
    if other not in (None, str(file)):
        raise PackError(f"'{name}' is the name of another module, {other}; rename the pack")
    if name in sys.modules:
        return sys.modules[name]
    folder = file.parent if file.name == "__init__.py" else None
    beside = str((folder or file).parent)
    if beside not in sys.path:
        sys.path.append(beside)
    return _executed(file, name, None if folder is None else [str(folder)])


def _executed(file: Path, name: str, parts: list[str] | None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=parts)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"  # noqa: PT018 - no test
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _file_of(name: str) -> str | None:
    """Where the module that has this name comes from; None where the name is free (a folder without code has none)."""
    if name in sys.modules:
        return _resolved(getattr(sys.modules[name], "__file__", None) or "built in")
    found = importlib.util.find_spec(name)
    return None if found is None or found.origin is None else _resolved(found.origin)


def _resolved(origin: str) -> str:
    return str(Path(origin).resolve()) if Path(origin).is_file() else origin


def _pack(name: str, where: str, file: Path | None = None) -> ModuleType:
    """The pack, imported. Raises PackError, and what its declarations raise."""
    try:
        module = importlib.import_module(name) if file is None else _module_at(file, name)
    except GraphfuzzError as error:
        raise type(error)(f"{where}: {error}") from error
    except Exception as error:
        raise PackError(f"{where}: importing '{name}' failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, "OPERATORS") or not _is_sequence_of(Operator, module.OPERATORS):
        raise PackError(f"{where}: '{name}' has no OPERATORS, a sequence of operators; define it in its __init__")
    for kind, what in (("PATTERNS", Pattern), ("REWRITES", Rewrite)):
        if not _is_sequence_of(what, getattr(module, kind, ())):
            raise PackError(f"{where}: {kind} of '{name}' is no sequence of {kind.lower()}")
    return module


def _is_sequence_of(kind: type, given: Any) -> bool:
    return isinstance(given, Sequence) and all(isinstance(one, kind) for one in given)
