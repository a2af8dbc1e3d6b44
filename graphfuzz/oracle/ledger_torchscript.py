"""The ledger of PyTorch's TorchScript exporter: its registry of symbolic functions, by name and opset."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graphfuzz.oracle.ledger import ABSENT, OUTSIDE, Entry, Ledger, Reason, first_of, replaced
from graphfuzz.oracle.ledger_torch import has_tensor, is_of_numbers, is_random, schemas


def entries() -> tuple[Entry, ...]:
    """Every name that has a symbolic function, with the opsets that it has one for."""
    registry = _registration().registry
    return tuple(Entry(name, _opsets(registry.get_function_group(name))) for name in sorted(registry.all_functions()))


def _opsets(group: Any) -> str:
    return "opset " + ", ".join(map(str, sorted(group._functions)))


@contextmanager
def recording(used: set[str]) -> Iterator[None]:
    """Adds the name of each node whose symbolic function the exporter calls."""
    from torch.onnx._internal.torchscript_exporter import utils
    from torch.onnx._internal.torchscript_exporter._globals import GLOBALS

    registry = _registration().registry

    def wrapped(plain: Callable[..., Any]) -> Callable[..., Any]:
        def run(graph: Any, block: Any, node: Any, *rest: Any, **options: Any) -> Any:
            name = node.kind().removesuffix("_")  # as the exporter itself: in-place forms share a function
            if registry.is_registered_op(name, GLOBALS.export_onnx_opset_version):
                used.add(name)
            return plain(graph, block, node, *rest, **options)

        return run

    with replaced(utils, "_run_symbolic_function", wrapped):
        yield


def opset() -> int:
    """The exporter's default."""
    from torch.onnx._internal.torchscript_exporter._globals import GLOBALS

    return int(GLOBALS.export_onnx_opset_version)


def _registration() -> Any:
    """The module of the registry, filled: the exporter imports the modules that fill it when it first exports."""
    from torch.onnx._internal import torchscript_exporter
    from torch.onnx._internal.torchscript_exporter import registration

    for module in pkgutil.iter_modules(torchscript_exporter.__path__, f"{torchscript_exporter.__name__}."):
        if ".symbolic_opset" in module.name:
            importlib.import_module(module.name)
    return registration


def _not_at_opset(name: str) -> Reason | None:
    """The exporter's default opset has no form of it."""
    if _registration().registry.is_registered_op(name, opset()):
        return None
    return Reason(ABSENT, "no form at the route's opset", f"registered, but not for opset {opset()}")


def _no_schema(name: str) -> Reason | None:
    """PyTorch has no operator of the name, nor one that is looked up by it: names lose a "_" at their end first."""
    if not name.startswith("aten::") or schemas(name + "_") or (schemas(name) and not name.endswith("_")):
        return None
    evidence = f"TorchScript has no schema for {name}_" if name.endswith("_") else f"TorchScript has none for {name}"
    return Reason(ABSENT, "PyTorch has no operator that is looked up by the name", evidence)


def _not_traced(name: str) -> Reason | None:
    """The tracer records the parts of some operators instead of them."""
    generator = importlib.import_module("torchgen.packaged.autograd.gen_trace_type")
    if name.removeprefix("aten::") not in generator.DONT_RECORD_TRACE:
        return None
    return Reason(ABSENT, "the tracer records its parts instead", "torchgen's DONT_RECORD_TRACE has it")


def _quantized(name: str) -> Reason | None:
    if not name.startswith("quantized::"):
        return None
    return Reason(OUTSIDE, "quantized tensors", "the operators of quantized:: take quantized tensors")


def _random(name: str) -> Reason | None:
    overloads = [schema for schema in schemas(name) if has_tensor(schema)]
    if not overloads or not all(map(is_random, overloads)):
        return None
    return Reason(OUTSIDE, "random", "its overloads are tagged nondeterministic_seeded, and nothing switches that off")


def _numbers(name: str) -> Reason | None:
    """Arithmetic that only a scripted module's graph has; a traced one has tensors."""
    overloads = schemas(name)
    if not overloads or not all(map(is_of_numbers, overloads)):
        return None
    return Reason(OUTSIDE, "Python numbers of a scripted module", "its overloads take and make numbers only")


REASONS = (_not_at_opset, _no_schema, _not_traced, _quantized, _random, _numbers)
ledger = Ledger(entries, recording, first_of(*REASONS), opset)
