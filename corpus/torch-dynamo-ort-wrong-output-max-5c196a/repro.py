"""torch-dynamo-ort: wrong-output with max.

v0 is float32, not float16

Versions: graphfuzz 0.1.0, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, onnxscript 0.7.2, torch 2.13.0+cpu
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: float16[1]
    v0: float16[] = max(x0, axes=(0,), keepdims=False)
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
    "x0": np.array([0.0], "float16"),
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


def load_onnx(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU, with one thread and its default optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_onnx(session: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs, in order; fed by name, because exporters may drop inputs that nothing uses.

    bfloat16, which the runtime cannot pass as a NumPy array, travels as its bits. Where the model takes floats for a
    complex input, it gets them as PyTorch's exporter converts complex inputs (torch/onnx/_internal/exporter/
    _onnx_program.py, `_convert_complex_to_real_representation`): real and imaginary part along one more, last axis.
    Outputs are copied: one that is an input as it is lies in that input's memory, which goes with it.
    """
    import ctypes

    import ml_dtypes
    import numpy as np
    from onnxruntime import OrtValue, RunOptions

    def given(array: Array, wanted: str) -> Any:
        if np.iscomplexobj(array) and wanted in ("tensor(float)", "tensor(double)"):
            array = np.stack([array.real, array.imag], -1)
        if array.dtype == ml_dtypes.bfloat16:
            return OrtValue.ortvalue_from_numpy_with_onnx_type(np.array(array).view("uint16"), 16)
        return OrtValue.ortvalue_from_numpy(np.array(array, order="C"))

    def made(value: Any) -> Array:
        if value.data_type() != "tensor(bfloat16)":
            return np.array(value.numpy())
        bits = ctypes.string_at(value.data_ptr(), 2 * int(np.prod(value.shape())))  # a copy, too
        return np.frombuffer(bits, ml_dtypes.bfloat16).reshape(value.shape())

    options = RunOptions()
    options.log_severity_level = 4
    feeds = {value.name: given(inputs[value.name], value.type) for value in session.get_inputs()}
    return [made(value) for value in session.run_with_ort_values(None, feeds, options)]


def within(expected: Array, actual: Array, allowed: Array | float) -> Array:
    """Element by element: both NaN, or equal (infinities by sign), or finite and at most `allowed` apart."""
    expected, actual = expected.astype("float64"), actual.astype("float64")
    with np.errstate(all="ignore"):
        near = np.abs(expected - actual) <= allowed
    finite = np.isfinite(expected) & np.isfinite(actual)
    same: Array = (near & finite) | (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    return same


def fails():
    """Whether it still fails."""
    source = Model(weights).eval()
    expected = run_torch(source, inputs)
    model = convert(source, inputs, axes)
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
