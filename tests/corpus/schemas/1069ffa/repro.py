"""torch-script-ort: wrong-output with cumsum.

v0 is int32, not int64

Versions: graphfuzz 0.1.0, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, torch 2.13.0+cpu
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: int32[6, 8, 15]
    v0: int64[6, 8, 15] = cumsum(x0, axis=0)
    return  v0
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self, weights):
        super().__init__()

    def forward(self, x0):
        v0 = torch.cumsum(x0, dim=0)
        return v0


tensors = np.load(Path(__file__).with_name("tensors.npz"))
weights = {name: tensors[name] for name in []}
inputs = {name: tensors[name] for name in ["x0"]}


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


def load_onnx(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU, with one thread and its default optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_onnx(session: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs, in order; fed by name, because exporters may drop inputs that nothing uses."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    return list(session.run(None, {value.name: inputs[value.name] for value in session.get_inputs()}, options))


def within(expected: Array, actual: Array, allowed: Array | float) -> Array:
    """Element by element: both NaN, or equal (infinities by sign), or finite and at most `allowed` apart."""
    with np.errstate(all="ignore"):
        near = np.abs(expected - actual) <= allowed
    finite = np.isfinite(expected) & np.isfinite(actual)
    same: Array = (near & finite) | (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    return same


def fails():
    """Whether it still fails."""
    source = Model(weights).eval()
    expected = run_torch(source, inputs)
    model = convert(source, inputs)
    session = load_onnx(model.SerializeToString())
    actual = run_onnx(session, inputs)
    for name, a, b in zip(["v0"], expected, actual):
        print(f"{name}: source model gives {a.dtype}{list(a.shape)}\n{a}")
        print(f"{name}: converted model gives {b.dtype}{list(b.shape)}\n{b}")
    typed = [[(a.dtype, a.shape) for a in outputs] for outputs in (expected, actual)]
    return typed[0] != typed[1]


if __name__ == "__main__":
    try:
        failed = fails()
    except Exception:
        traceback.print_exc()
        print("SOMETHING ELSE went wrong")
        sys.exit(2)
    print("STILL FAILS: wrong-output" if failed else "FIXED: no wrong-output")
    sys.exit(1 if failed else 0)
