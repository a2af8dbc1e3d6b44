"""torch-script-ort: invalid-model with max.

onnx.onnx_cpp2py_export.shape_inference.InferenceError: [ShapeInferenceError] (op_type:ReduceMax, node name:
/ReduceMax): data typestr: T, has unsupported type: tensor(int16)

Versions: graphfuzz 0.1.0, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, torch 2.13.0+cpu
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: int16[1]
    v0: int16[] = max(x0, axes=(0,), keepdims=False)
    return  v0
"""

from __future__ import annotations

import sys
import traceback

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self, weights):
        super().__init__()

    def forward(self, x0):
        v0 = torch.amax(x0, dim=(0,), keepdim=False)
        return v0


weights = {}

inputs = {
    "x0": np.array([0], "int16"),
}

axes = {}


def as_tensor(array: Array) -> Any:
    """An array as a tensor of its own; PyTorch reads no bfloat16 of NumPy's."""
    import ml_dtypes
    import torch

    half = array.dtype == ml_dtypes.bfloat16
    return torch.from_numpy(np.array(array, "float32" if half else None)).to(torch.bfloat16 if half else None)


def as_array(tensor: Any) -> Array:
    """A tensor as an array."""
    import ml_dtypes
    import torch

    half = tensor.dtype == torch.bfloat16
    return np.asarray(tensor.float().numpy(force=True).astype(ml_dtypes.bfloat16) if half else tensor.numpy(force=True))


def run_torch(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The module's outputs for these inputs."""
    import torch

    with torch.no_grad():
        made = model(*map(as_tensor, inputs.values()))
    return [as_array(t) for t in (made if isinstance(made, tuple) else (made,))]


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


class WrongInputs(Exception):
    """The converted model asks for inputs that the source model does not have."""


def check(proto: Any, inputs: Values, inference: bool = True) -> None:
    """Raises unless the model has no other inputs, and passes ONNX's check; with inference, the full one."""
    import onnx

    given = {value.name for value in proto.graph.initializer} | set(inputs)
    strange = [value.name for value in proto.graph.input if value.name not in given]
    if strange:
        raise WrongInputs(f"the converted model has inputs that the source model has not: '{', '.join(strange)}'")
    onnx.checker.check_model(proto, full_check=inference)


def is_known(error):
    """Whether the InferenceError of this report is the error or among its causes; any other error is passed on."""
    traceback.print_exception(error)
    said = "data typestr: T, has unsupported type:"
    cause = error
    while cause is not None:
        if type(cause).__name__ == "InferenceError" and said in " ".join(str(cause).split()):
            return True
        cause = cause.__cause__ or cause.__context__
    raise error


def fails():
    """Whether it still fails."""
    source = Model(weights).eval()
    expected = run_torch(source, inputs)
    model = convert(source, inputs, axes)
    try:
        check(model, inputs)
    except Exception as error:
        return is_known(error)
    return False


if __name__ == "__main__":
    try:
        failed = fails()
    except Exception:
        traceback.print_exc()
        print("SOMETHING ELSE went wrong")
        sys.exit(2)
    print("STILL FAILS: invalid-model" if failed else "FIXED: no invalid-model")
    sys.exit(1 if failed else 0)
