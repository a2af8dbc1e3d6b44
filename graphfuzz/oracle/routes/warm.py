"""What a worker may remember between exports without changing any.

Most of an export by PyTorch's default exporter is done anew for every model and comes to the same result every time,
being a function of the installed packages alone: `ONNXRegistry.from_torchlib`, which parses the source of some 500
functions; the decomposition table; and, more than fifty times an export, the naming of all composite operators in
`torch.ops`. `tests/oracle/test_warm.py` holds the models with and without to be equal byte by byte; workers still
convert a share of the cases the plain way, and `repro.py` always does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from graphfuzz.oracle.ledger import replaced

MODULE = "torch.onnx._internal.exporter._registration"
DECOMPOSITIONS = "torch.onnx._internal.exporter._decomp"
COMPOSITES = "torch._export.utils"

_registries: dict[tuple[Any, ...], Any] = {}
"""The registries made in this process, by the arguments of `from_torchlib`."""


_tables: dict[frozenset[Any], Any] = {}
"""The decomposition tables made in this process, by the operators that they leave alone."""


@contextmanager
def remembered_registry() -> Iterator[None]:
    """While in effect, what is remembered is copied from the first one made. Nothing, where it is not imported."""
    makers = (
        (MODULE, "ONNXRegistry", "from_torchlib", _registries_remembered),
        (DECOMPOSITIONS, None, "create_onnx_friendly_decomposition_table", _tables_remembered),
        (COMPOSITES, None, "_materialize_cpp_cia_ops", _once),
    )
    with ExitStack() as stack:
        for module, owner, name, make in makers:
            found = sys.modules.get(module)
            found = getattr(found, owner, None) if owner else found
            if found is not None and name in vars(found):
                stack.enter_context(replaced(found, name, make))
        yield


def _registries_remembered(plain: Any) -> Any:
    def from_torchlib(cls: Any, *arguments: Any, **options: Any) -> Any:
        key = (cls, *arguments, *sorted(options.items()))
        if key not in _registries:
            _registries[key] = plain.__func__(cls, *arguments, **options)
        return _copy(_registries[key])

    return classmethod(from_torchlib)


def _copy(registry: Any) -> Any:
    """A registry of its own: an export may register a model's custom functions in it."""
    made = type(registry)()
    vars(made).update(vars(registry))
    made.functions = {target: list(found) for target, found in registry.functions.items()}
    return made


def _tables_remembered(plain: Callable[[Any], dict[Any, Any]]) -> Callable[[Any], dict[Any, Any]]:
    """Copies, because `run_decompositions` takes entries out of its table."""

    def create(registered: Any) -> dict[Any, Any]:
        key = frozenset(registered)
        if key not in _tables:
            _tables[key] = plain(registered)
        return dict(_tables[key])

    return create


def _once(plain: Callable[[], None]) -> Callable[[], None]:
    """Once for each time that this is in effect: no operator is added while a model is exported."""
    done: list[bool] = []

    def materialize() -> None:
        if not done:
            plain()
            done.append(True)

    return materialize
