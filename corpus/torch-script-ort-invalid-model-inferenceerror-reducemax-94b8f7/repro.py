"""torch-script-ort: invalid-model with max.

onnx.onnx_cpp2py_export.shape_inference.InferenceError: [ShapeInferenceError] (op_type:ReduceMax, node name:
/ReduceMax): data typestr: T, has unsupported type: tensor(int16)

Versions: graphfuzz 0.1.0, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, torch 2.13.0+cpu
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: int16[3, 6]
    v0: int16[1, 6] = max(x0, axes=(-2,), keepdims=True)
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
        v0 = torch.amax(x0, dim=(-2,), keepdim=True)
        return v0


weights = {}

inputs = {
    "x0": np.zeros((3, 6), "int16"),
}


def run_torch(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The module's outputs for these inputs."""
    import torch

    with torch.no_grad():
        made = model(*(torch.from_numpy(np.array(a)) for a in inputs.values()))
    return [t.numpy() for t in (made if isinstance(made, tuple) else (made,))]


def convert(model: Any, inputs: dict[str, Array]) -> Any:
    """The module as an ONNX model, by the exporter that traces TorchScript, with its default options."""
    import io
    import warnings

    import numpy as np
    import onnx
    import torch

    arguments = tuple(torch.from_numpy(np.array(array)) for array in inputs.values())
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, arguments, buffer, input_names=list(inputs), dynamo=False, verbose=False)
    return onnx.load_from_string(buffer.getvalue())


class WrongInputs(Exception):
    """The converted model asks for inputs that the source model does not have."""


def check(proto: Any, inputs: Values) -> None:
    """Raises unless the model has no other inputs, and passes ONNX's full check, which includes strict inference."""
    import onnx

    given = {value.name for value in proto.graph.initializer} | set(inputs)
    strange = [value.name for value in proto.graph.input if value.name not in given]
    if strange:
        raise WrongInputs(f"the converted model has inputs that the source model has not: '{', '.join(strange)}'")
    onnx.checker.check_model(proto, full_check=True)


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
    model = convert(source, inputs)
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
