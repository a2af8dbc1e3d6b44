"""PyTorch through the TorchScript exporter (`torch.onnx.export(dynamo=False)`) to ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.materializer.torch_source import run_torch
from graphfuzz.oracle.causes import raised_in, root_cause
from graphfuzz.oracle.ledger import replaced
from graphfuzz.oracle.ledger_torchscript import ledger
from graphfuzz.oracle.route import Route

_REFUSALS = (
    "_onnx_unsupported",
    "_onnx_opset_unsupported",
    "_onnx_opset_unsupported_detailed",
    "_block_list_in_opset.<locals>.symbolic_fn",
)
"""The functions of `symbolic_helper.py` whose only purpose is to say that something is not supported."""

_DECLINED = "not (currently )?support|ONNX allows only"
"""How symbolic functions say so themselves."""

_UNKNOWN_TYPE = "Unknown torch or scalar type: "
"""How the exporter's table of types says that it has none for a dtype."""

_SPOKEN = (
    (r"ScalarType \w+ is an unexpected tensor scalar type", "/torch/onnx/"),
    (
        r"Detected that you are using FX to torch.jit.trace a dynamo-optimized function. This is not supported",
        "/torch/_dynamo/eval_frame.py",
    ),
    (r"Unknown number type: complex", "/torch/onnx/"),
)
"""What is said by a RuntimeError, and the innermost Python file that it comes from."""


ALIKE = 1e-2
"""How much a trace that is for other sizes as well may differ from the model: the same kernels run in both."""


def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The module as an ONNX model, by the exporter that traces TorchScript, with its default options."""
    import io
    import warnings

    import ml_dtypes
    import numpy as np
    import onnx
    import torch

    def tensor(array: Array) -> Any:
        half = array.dtype == ml_dtypes.bfloat16
        return torch.from_numpy(np.array(array, "float32" if half else None)).to(torch.bfloat16 if half else None)

    arguments = tuple(map(tensor, inputs.values()))
    options: dict[str, Any] = {"dynamo": False, "verbose": False}
    if axes:
        options["output_names"] = [name for name in axes if name not in inputs]
        options["dynamic_axes"] = {name: {i: s for i, s in enumerate(symbols) if s} for name, symbols in axes.items()}
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, arguments, buffer, input_names=list(inputs), **options)
    return onnx.load_from_string(buffer.getvalue())


def traced(model: Any, inputs: dict[str, Array], axes: Axes, given: dict[str, Array]) -> list[Array]:
    """The outputs of the TorchScript program that the exporter traces first."""
    import warnings

    import torch

    programs: list[Any] = []
    jit: Any = torch.jit

    def trace(*arguments: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            programs.append(jit.trace(model, arguments, check_trace=False))
        return model(*arguments)

    run_torch(trace, inputs)
    return run_torch(programs[0], given)


def captured(model: Any, inputs: dict[str, Array], axes: Axes, given: dict[str, Array]) -> list[Array]:
    """The same, where it is for `given` as well. Raises ValueError where it is not: a trace has one way through the
    program, and sizes that Python code asked for are numbers in it (torch.jit.trace's documentation).
    """
    import numpy as np

    made, expected = traced(model, inputs, axes, given), run_torch(model, given)
    for one, other in zip(made, expected, strict=True):
        alike = one.shape == other.shape and np.allclose(
            one.astype(np.complex128), other.astype(np.complex128), rtol=ALIKE, atol=ALIKE, equal_nan=True
        )
        if not alike:
            raise ValueError("the traced program gives other outputs than the model at these sizes")
    return made


def unfolded() -> AbstractContextManager[None]:
    """While in effect, the exporter folds no constants."""
    import torch

    return replaced(torch.onnx, "export", lambda export: partial(export, do_constant_folding=False))


@contextmanager
def without_peephole() -> Iterator[None]:
    """While in effect, the exporter rewrites no small patterns, neither before nor after it translates."""
    import torch

    with ExitStack() as stack:
        for name in ("_jit_pass_peephole", "_jit_pass_onnx_peephole"):
            stack.enter_context(replaced(torch._C, name, lambda plain: lambda *arguments: None))
        stack.enter_context(
            replaced(torch._C, "_jit_pass_onnx_eval_peephole", lambda plain: lambda graph, given: given)
        )
        yield


def refused(error: BaseException) -> bool:
    """Whether an operator has no symbolic function, or one said through the exporter's helper that it is unsupported.

    That is what was raised first, or last: a symbolic function may say so where it could not read a constant. Some
    symbolic functions raise the exporter's exception with such words themselves. Of a dtype that it has no ONNX
    type for, the exporter says that it did not expect it (`ATenTypeToOnnxType` in
    torch/csrc/jit/passes/onnx/helper.cpp) or does not know it, and of PyTorch's higher-order operators, that it does
    not support them.
    """
    return any(_refuses(each) for each in (root_cause(error), error))


def _refuses(root: BaseException) -> bool:
    file, function = next(iter(raised_in(root)), ("", ""))
    if type(root) is RuntimeError:
        return any(re.match(words, str(root)) and place in file for words, place in _SPOKEN)
    if not type(root).__module__.startswith("torch.onnx"):
        return False
    if type(root).__name__ == "UnsupportedOperatorError":
        return True
    if file.endswith("/_type_utils.py"):
        return str(root).startswith(_UNKNOWN_TYPE)
    if re.search(r"/symbolic_opset\d+\.py$", file):
        return re.search(_DECLINED, str(root), re.IGNORECASE) is not None
    return file.endswith("/symbolic_helper.py") and function in _REFUSALS


route = Route(
    name="torch-script-ort",
    framework="torch",
    packages=("torch", "onnx", "onnxruntime", "numpy"),
    convert=convert,
    refused=refused,
    preload=("torch", "torch.onnx", "torch.onnx.utils", "onnx.shape_inference", "onnxruntime"),
    ledger=ledger,
    captured=captured,
    programs={"torch.jit.trace": traced},
    without={"do_constant_folding": unfolded, "peephole": without_peephole},
    converter="torch.onnx.export(dynamo=False)",
    is_default=True,
)
