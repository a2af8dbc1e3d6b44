"""PyTorch through the `torch.export`-based exporter (`torch.onnx.export(dynamo=True)`, the default) to ONNX Runtime."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.materializer.torch_source import run_torch
from graphfuzz.oracle.causes import by_statement, raised_in, root_cause
from graphfuzz.oracle.ledger import replaced
from graphfuzz.oracle.ledger_torchlib import ledger
from graphfuzz.oracle.route import Route


def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The module as an ONNX model, by the default exporter with its default options."""
    import logging
    import warnings

    import ml_dtypes
    import numpy as np
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)

    def tensor(array: Array) -> Any:
        half = array.dtype == ml_dtypes.bfloat16
        return torch.from_numpy(np.array(array, "float32" if half else None)).to(torch.bfloat16 if half else None)

    arguments = tuple(map(tensor, inputs.values()))
    options: dict[str, Any] = {"dynamo": True, "verbose": False}
    if axes:
        options["dynamic_shapes"] = tuple({i: s for i, s in enumerate(axes[name]) if s} for name in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(model, arguments, input_names=list(inputs), **options)
    assert program is not None
    return program.model_proto


_STATIC = "Found the following conflicts between user-specified ranges and inferred ranges from model tracing"
"""How `torch.export` says that an axis was to be dynamic and cannot be (torch/_export/non_strict_utils.py)."""


def captured(model: Any, inputs: dict[str, Array], axes: Axes, given: dict[str, Array]) -> list[Array]:
    """The outputs of the program that `torch.export` captures, as the exporter asks for it first.

    Its guards are part of it: it raises for sizes that it was not captured for
    (https://docs.pytorch.org/docs/stable/export.html#constraints-dynamic-shapes).
    """
    return run_torch(_exported(model, inputs, axes).module(), given)


def decomposed(model: Any, inputs: dict[str, Array], axes: Axes, given: dict[str, Array]) -> list[Array]:
    """The outputs of the captured program once it is decomposed into the operators that the exporter translates."""
    from torch.onnx._internal.exporter import _decomp, _registration

    known = _decomp.get_onnx_implemented_overloads(_registration.ONNXRegistry.from_torchlib())
    program = _exported(model, inputs, axes)
    table = _decomp.create_onnx_friendly_decomposition_table(set(known))
    return run_torch(program.run_decompositions(table).module(), given)


def _exported(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The captured program."""
    import torch

    programs = []
    marks = tuple({i: torch.export.Dim.DYNAMIC for i, s in enumerate(axes.get(name, ())) if s} for name in inputs)

    def capture(*arguments: Any) -> Any:
        shapes = marks if axes else None
        programs.append(torch.export.export(model, arguments, dynamic_shapes=shapes, strict=False))
        return model(*arguments)

    run_torch(capture, inputs)
    return programs[0]


def unoptimized() -> AbstractContextManager[None]:
    """While in effect, the exporter does not optimize what it has translated."""
    import torch

    return replaced(torch.onnx, "export", lambda export: partial(export, optimize=False))


def refused(error: BaseException) -> bool:
    """Whether no translation exists for an operator, or a translation says itself that it does not cover the use.

    The exporter wraps whatever it raises, so the root cause decides: its dispatcher's own exception, or a
    NotImplementedError raised by a statement of torchlib (not by something that it calls). That Python's own branches
    must not depend on data, and that an axis cannot be dynamic, `torch.export` says itself while it captures, by
    exceptions of its own or by its `make_constraints`
    (https://docs.pytorch.org/docs/stable/export.html#data-shape-dependent-control-flow).
    """
    root = root_cause(error)
    kind = type(root)
    file, function = next(iter(raised_in(root)), ("", ""))
    if kind.__module__ == "torch.fx.experimental.symbolic_shapes":
        captures = type(error).__name__ == "TorchExportError"
        return captures and kind.__name__ in ("GuardOnDataDependentSymNode", "ConstraintViolationError")
    if file.endswith("/torch/_export/non_strict_utils.py") and function == "make_constraints":
        return kind is ValueError and str(root).startswith(_STATIC)
    if kind.__module__.startswith("torch.onnx"):
        return kind.__name__ in ("DispatchError", "UnsupportedOperatorError")
    torchlib = "/torch_lib/ops/" in file or "/exporter/_torchlib/" in file
    return isinstance(root, NotImplementedError) and torchlib and by_statement(root)


route = Route(
    name="torch-dynamo-ort",
    framework="torch",
    packages=("torch", "onnx", "onnxscript", "onnxruntime", "numpy"),
    convert=convert,
    refused=refused,
    preload=(
        "torch",
        "torch.onnx._internal.exporter._compat",
        "torch.onnx._internal.exporter._torchlib.ops",
        "torch._dynamo",
        "torch._export.non_strict_utils",
        "torch._functorch._aot_autograd.aot_autograd_result",
        "torch._functorch.aot_autograd",
        "onnxscript.function_libs.torch_lib.ops",
        "onnx.shape_inference",
        "onnxruntime",
    ),
    captured=captured,
    ledger=ledger,
    programs={"torch.export": captured, "decompositions": decomposed},
    without={"optimize": unoptimized},
    converter="torch.onnx.export(dynamo=True)",
    is_default=True,
)
