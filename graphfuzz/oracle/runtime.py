"""ONNX Runtime: load a model, run it. The functions are self-contained, for their text goes into `repro.py`."""

from __future__ import annotations

import re
from typing import Any

from graphfuzz.graph import Array


def load_onnx(model: Any) -> Any:
    """A session of ONNX Runtime on the CPU, with one thread and its default optimizations, on a model or its bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    model = model if isinstance(model, bytes) else model.SerializeToString()
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


def as_complex(expected: list[Array], actual: list[Array]) -> list[Array]:
    """The outputs, those complex where the source model's are and the converted model gives pairs of floats.

    The exporter represents a complex tensor by a real one with one more, last axis of two (see `run_onnx`).
    """
    import numpy as np

    def joined(a: Array, b: Array) -> Array:
        if not np.iscomplexobj(a) or b.dtype not in ("float32", "float64") or b.shape != (*a.shape, 2):
            return b
        made = np.empty(a.shape, np.result_type(b.dtype, "complex64"))
        made.real, made.imag = b[..., 0], b[..., 1]
        return made

    if len(expected) != len(actual):
        return actual
    return [joined(a, b) for a, b in zip(expected, actual, strict=True)]


_LACKING = {
    "NotImplemented": "",
    "RuntimeException": r"returned while running (\w+) node\..* Status Message: \1 operator does not support \w+ yet",
    "Fail": r"MLDataType for: tensor\(\w+\) is not currently registered or supported",
}
"""What must be said along with a status of the runtime, by the exception that stands for it, for a kernel or dtype to
be lacking."""


def lacks_kernel(error: BaseException) -> bool:
    """Whether the runtime says that it has no kernel for an operator and dtype, or lacks the dtype altogether.

    It does so by its status NOT_IMPLEMENTED; recurrent kernels do it as they run, by RUNTIME_EXCEPTION and words of the
    very operator that ran; of a dtype (complex numbers), by FAIL and the words of `DataTypeImpl::TypeFromProto`.
    """
    words = _LACKING.get(type(error).__name__) if type(error).__module__.startswith("onnxruntime.capi.") else None
    return words is not None and re.search(words, str(error), re.DOTALL) is not None
