"""All operators at hand, from packs found through the entry point group `graphfuzz.operators` or named by path.

A pack is a package (or module) whose attribute `OPERATORS` is a sequence of `Operator`s. Ours has no more rights than
any other.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from graphfuzz.errors import GraphfuzzError, PackError, SpecError, UsageError
from graphfuzz.spec.operator import Operator

GROUP = "graphfuzz.operators"


class Registry(Mapping[str, Operator]):
    """Operators by name, in name order."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        self._operators: dict[str, Operator] = {}
        for op in sorted(operators, key=lambda op: op.name):
            if op.name in self._operators:
                raise SpecError(f"operator '{op.name}', field 'name': two operators have this name; rename one")
            self._operators[op.name] = op

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

    def only(self, names: Sequence[str]) -> Registry:
        """The named operators. Raises UsageError for a name that does not exist."""
        return Registry([self[name] for name in names])


def load_registry(paths: Sequence[str] = ()) -> Registry:
    """Every installed pack's operators, and those of the packs in the folders (or files) named.

    Raises PackError for a pack that does not import or has no OPERATORS, SpecError for a mistake in a declaration.
    """
    operators: list[Operator] = []
    for point in entry_points(group=GROUP):
        operators += _operators_of(point.module, f"entry point '{point.name}'")
    for path in paths:
        operators += _operators_of(_module_at(path), f"--operators {path}")
    return Registry(operators)


def _module_at(path: str) -> str:
    location = Path(path).resolve()
    if location.is_file() and location.suffix == ".py":
        location = location.with_suffix("")
    elif not (location / "__init__.py").is_file():
        raise PackError(f"--operators {path}: no such pack; name a folder with __init__.py, or a .py file")
    if str(location.parent) not in sys.path:
        sys.path.insert(0, str(location.parent))
    return location.name


def _operators_of(module_name: str, where: str) -> Sequence[Operator]:
    try:
        module: ModuleType = importlib.import_module(module_name)
    except GraphfuzzError as error:
        raise type(error)(f"{where}: {error}") from error
    except Exception as error:
        raise PackError(f"{where}: importing '{module_name}' failed: {type(error).__name__}: {error}") from error
    operators = getattr(module, "OPERATORS", None)
    if not isinstance(operators, Sequence) or not all(isinstance(op, Operator) for op in operators):
        raise PackError(
            f"{where}: '{module_name}' has no OPERATORS, a sequence of operators; define it in its __init__"
        )
    return operators
