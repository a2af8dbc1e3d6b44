"""What a worker may remember between exports without changing any.

Two thirds of an export by PyTorch's default exporter are `ONNXRegistry.from_torchlib`, which parses the source of
some 500 functions and, being a function of the installed packages alone, comes to the same result every time.
`tests/oracle/test_warm.py` holds the models with and without to be equal byte by byte; workers still convert a share of
the cases the plain way, and `repro.py` always does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MODULE = "torch.onnx._internal.exporter._registration"

_registries: dict[tuple[Any, ...], Any] = {}
"""The registries made in this process, by the arguments of `from_torchlib`."""


@contextmanager
def remembered_registry() -> Iterator[None]:
    """While in effect, the exporter's registry is copied from the first one made. Nothing, where it is not imported."""
    kind = getattr(sys.modules.get(MODULE), "ONNXRegistry", None)
    plain = vars(kind).get("from_torchlib") if kind is not None else None
    if kind is None or plain is None:
        yield
        return

    def from_torchlib(cls: Any, *arguments: Any, **options: Any) -> Any:
        key = (cls, *arguments, *sorted(options.items()))
        if key not in _registries:
            _registries[key] = plain.__func__(cls, *arguments, **options)
        return _copy(_registries[key])

    kind.from_torchlib = classmethod(from_torchlib)
    try:
        yield
    finally:
        kind.from_torchlib = plain


def _copy(registry: Any) -> Any:
    """A registry of its own: an export may register a model's custom functions in it."""
    made = type(registry)()
    vars(made).update(vars(registry))
    made.functions = {target: list(found) for target, found in registry.functions.items()}
    return made
