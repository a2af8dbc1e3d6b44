"""torch-script-ort: process-crash with lstm, matmul.

SIGSEGV: Fatal Python error: Segmentation fault

Versions: graphfuzz 0.1.0, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, torch 2.13.0+cpu
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: float16[1, 1, 1]
    input   x1: float16[1]
    weight  w0: float16[4, 1]
    weight  w1: float16[4]
    v0: float16[1, 1, 1] = lstm(x0, w0, w0, w1, w1, sequences=True)
    v1: float16[1, 1] = matmul(v0, x1)
    return  v1
"""

from __future__ import annotations

import subprocess
import sys
import traceback

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.v0_layer = nn.LSTM(1, 1, batch_first=True)
        self.v0_layer.weight_ih_l0 = nn.Parameter(torch.from_numpy(np.array(weights["w0"])), requires_grad=False)
        self.v0_layer.weight_hh_l0 = nn.Parameter(torch.from_numpy(np.array(weights["w0"])), requires_grad=False)
        self.v0_layer.bias_ih_l0 = nn.Parameter(torch.from_numpy(np.array(weights["w1"])), requires_grad=False)
        self.v0_layer.bias_hh_l0 = nn.Parameter(torch.from_numpy(np.array(weights["w1"])), requires_grad=False)

    def forward(self, x0, x1):
        v0 = self.v0_layer(x0)[0]
        v1 = torch.matmul(v0, x1)
        return v1


weights = {
    "w0": np.zeros((4, 1), "float16"),
    "w1": np.zeros((4,), "float16"),
}

inputs = {
    "x0": np.array([[[0.0]]], "float16"),
    "x1": np.array([0.0], "float16"),
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


def load_onnx(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU, with one thread and its default optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def fails():
    """Whether it still fails."""
    source = Model(weights).eval()
    expected = run_torch(source, inputs)
    model = convert(source, inputs, axes)
    try:
        check(model, inputs)
    except Exception:
        traceback.print_exc()  # the oracle, too, goes on where shape inference objects
    session = load_onnx(model.SerializeToString())
    return False


def dies():
    """Whether a process of its own does not survive."""
    ended = subprocess.run([sys.executable, __file__, "--once"], timeout=120)
    if ended.returncode == 2:
        raise RuntimeError("a Python exception came before the end")
    return ended.returncode != 0


if __name__ == "__main__" and "--once" in sys.argv:
    try:
        fails()
    except Exception:
        traceback.print_exc()
        sys.exit(2)
    sys.exit(0)

if __name__ == "__main__":
    try:
        failed = dies()
    except Exception:
        traceback.print_exc()
        print("SOMETHING ELSE went wrong")
        sys.exit(2)
    print("STILL FAILS: process-crash" if failed else "FIXED: no process-crash")
    sys.exit(1 if failed else 0)
