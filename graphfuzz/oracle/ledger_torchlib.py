"""The ledger of PyTorch's default exporter: the functions of torchlib, by the operator's overload."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from graphfuzz.oracle.ledger import ABSENT, OUTSIDE, Entry, Ledger, Reason, first_of, replaced
from graphfuzz.oracle.ledger_torch import has_tensor, is_gradient, is_random

COMPLEX = " [complex]"
"""What the name of a function for complex operands ends in."""


def entries() -> tuple[Entry, ...]:
    """Every overload (or Python function) that has a function; those of names that PyTorch lost among them."""
    names = {_name(target, meta.is_complex) for target, metas in _registry().functions.items() for meta in metas}
    return tuple(map(Entry, sorted(names | set(_lost()))))


@contextmanager
def recording(used: set[str]) -> Iterator[None]:
    """Adds each node's target for which the exporter finds a function."""
    from torch.onnx._internal.exporter import _dispatching

    def wrapped(plain: Callable[..., Any]) -> Callable[..., Any]:
        def dispatch(node: Any, registry: Any) -> Any:
            function, message = plain(node, registry)
            used.update(
                _name(node.target, meta.is_complex)
                for meta in registry.get_decomps(node.target)
                if meta.onnx_function is function
            )
            return function, message

        return dispatch

    with replaced(_dispatching, "dispatch", wrapped):
        yield


def opset() -> int:
    """The exporter's default."""
    return int(_registry().opset_version)


@cache
def _registry() -> Any:
    from torch.onnx._internal.exporter import _registration

    return _registration.ONNXRegistry.from_torchlib()


@cache
def _lost() -> frozenset[str]:
    """The names that torchlib registers and the exporter drops, because PyTorch has no such operator."""
    from torch.onnx._internal.exporter import _registration

    metas = importlib.import_module("torch.onnx._internal._lazy_import").onnxscript_apis.get_torchlib_ops()
    names = {meta.qualified_name for meta in metas if _registration._get_overload(meta.qualified_name) is None}
    return frozenset(names)


def _name(target: Any, is_complex: bool) -> str:
    """As torchlib writes it: "aten::add.Tensor", "_operator.add", "torch.ops.higher_order.cond"."""
    from torch._ops import HigherOrderOperator

    if isinstance(target, str):
        name = target
    elif issubclass(type(target), HigherOrderOperator):
        name = f"torch.ops.{target.namespace}.{target.name()}"
    else:
        name = target.name() if hasattr(target, "_schema") else f"{target.__module__}.{target.__name__}"
    return name + (COMPLEX if is_complex else "")


@cache
def _targets() -> dict[str, Any]:
    """The operator (or Python function) that each entry is for."""
    return {_name(target, False): metas[0].fx_target for target, metas in _registry().functions.items()}


def _overload(name: str) -> Any | None:
    """The overload that an entry is for; None where it is for something else, or lost."""
    target = _targets().get(name.removesuffix(COMPLEX))
    return target if hasattr(target, "_schema") else None


def _dropped(name: str) -> Reason | None:
    if name not in _lost():
        return None
    if name.startswith("quantized_decomposed::"):
        return Reason(OUTSIDE, "quantized models", "torch.ao defines these operators when it quantizes")
    return Reason(ABSENT, "PyTorch registers no such operator", "torch.ops has no such overload")


def _script_only(name: str) -> Reason | None:
    """TorchScript's own operators are not in the dispatcher, so torch.export never sees one."""
    import torch

    overload = _overload(name)
    if overload is None or torch._C._dispatch_has_kernel(overload.name()):
        return None
    return Reason(ABSENT, "an operator of TorchScript only", "the dispatcher has no such operator")


def _decomposed(name: str) -> Reason | None:
    """`run_decompositions` keeps a composite operator only where `torch._export.utils` lets it."""
    from torch._export.utils import _check_valid_to_preserve, _is_cia_op

    overload = _overload(name)
    if overload is None or not _is_cia_op(overload) or _check_valid_to_preserve(overload):
        return None
    evidence = "composite, and torch.export's _check_valid_to_preserve refuses it"
    return Reason(ABSENT, "decomposed before dispatch", evidence)


def _data_dependent(name: str) -> Reason | None:
    """Numbers that depend on data: torch.export's fake tensors have none, but for the few with an implementation."""
    from torch import Tag
    from torch._subclasses.fake_impls import op_implementations_dict

    overload = _overload(name)
    if overload is None or Tag.data_dependent_output not in overload.tags or overload in op_implementations_dict:
        return None
    return Reason(ABSENT, "torch.export refuses it", "tagged data_dependent_output, and fake tensors do not know it")


def _no_kernel(name: str) -> Reason | None:
    """Devices other than the processor are not at hand: the source model could not run."""
    import torch

    overload = _overload(name)
    if overload is None or _has_kernel(torch, overload.name()) or "prims::" in name:  # those have kernels in Python
        return None
    return Reason(OUTSIDE, "no kernel for a processor", "no kernel for CPU, and no composite one")


def _has_kernel(torch: Any, name: str) -> bool:
    composite = ("CompositeExplicitAutograd", "CompositeImplicitAutograd", "CompositeExplicitAutogradNonFunctional")
    return any(torch._C._dispatch_has_kernel_for_dispatch_key(name, key) for key in ("CPU", *composite))


def _random(name: str) -> Reason | None:
    overload = _overload(name)
    if overload is None or not is_random(overload._schema):
        return None
    return Reason(OUTSIDE, "random", "tagged nondeterministic_seeded, and nothing switches that off")


def _gradient(name: str) -> Reason | None:
    return Reason(OUTSIDE, "gradients", "named as a derivative") if is_gradient(name) else None


def _numbers(name: str) -> Reason | None:
    """What computes with symbolic numbers: sizes of dynamic shapes, or of results whose size depends on data."""
    overload = _overload(name)
    plain = name.startswith(("_operator.", "math.", "torch.sym_")) and name != "_operator.getitem"
    symbolic = name.startswith("aten::sym_") or (overload is not None and not has_tensor(overload._schema))
    if not plain and not symbolic:
        return None
    return Reason(OUTSIDE, "symbolic numbers", "computes with Python numbers: constants, where all shapes are known")


def _by_hand(name: str) -> Reason | None:
    if not name.startswith("onnx_symbolic::"):
        return None
    return Reason(OUTSIDE, "ONNX nodes written by hand", "torch.onnx.ops.symbolic is its only source")


REASONS = (
    _dropped,
    _script_only,
    _decomposed,
    _data_dependent,
    _random,
    _gradient,
    _numbers,
    _by_hand,
    _no_kernel,
)
ledger = Ledger(entries, recording, first_of(*REASONS), opset)
