"""Where an operator is declared: its family, and the text of the file that declares it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import msgspec

from graphfuzz.spec.operator import Operator


class Origin(msgspec.Struct, frozen=True):
    """A module that declares operators. family: its name's last part. digest: of its file's text (SHA-256, hex)."""

    module: str
    family: str
    file: str
    digest: str

    def edited(self) -> bool:
        """Whether the file has another text by now, or is gone."""
        return bool(self.file) and digest(self.file) != self.digest


def origins(operators: Mapping[str, Operator]) -> dict[str, Origin]:
    """The origin of each operator: of the modules whose OPERATORS has it, the one deepest in its pack."""
    found: dict[str, Origin] = {}
    known = {id(op): name for name, op in operators.items()}
    for module in sorted(_modules(), key=lambda module: (module.__name__.count("."), module.__name__)):
        origin = _origin(module)
        found.update((known[id(op)], origin) for op in module.OPERATORS if id(op) in known)
    nowhere = Origin("", "unknown", "", "")
    return {name: found.get(name, nowhere) for name in operators}


def _modules() -> list[ModuleType]:
    """The loaded modules with a list of operators."""
    loaded = [
        module for module in list(sys.modules.values()) if isinstance(vars(module).get("OPERATORS"), list | tuple)
    ]
    return [module for module in loaded if getattr(module, "__file__", None)]


def _origin(module: ModuleType) -> Origin:
    file = str(module.__file__)
    return Origin(module.__name__, module.__name__.rpartition(".")[2], file, digest(file))


def digest(file: str) -> str:
    """SHA-256 of a file's bytes, in hex; empty for a file that is gone."""
    path = Path(file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
