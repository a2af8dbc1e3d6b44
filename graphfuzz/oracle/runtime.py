"""ONNX Runtime: load a model, run it. Both functions are self-contained, for their text goes into `repro.py`."""

from __future__ import annotations

import re
from typing import Any

from graphfuzz.graph import Array


def load_onnx(model: bytes) -> Any:
    """A session of ONNX Runtime on the CPU, with one thread and its default optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_onnx(session: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs, in order; fed by name, because exporters may drop inputs that nothing uses.

    bfloat16, which the runtime cannot pass as a NumPy array, travels as its bits.
    """
    import ctypes

    import ml_dtypes
    import numpy as np
    from onnxruntime import OrtValue, RunOptions

    def given(array: Array) -> Any:
        if array.dtype == ml_dtypes.bfloat16:
            return OrtValue.ortvalue_from_numpy_with_onnx_type(np.array(array).view("uint16"), 16)
        return OrtValue.ortvalue_from_numpy(np.array(array, order="C"))

    def made(value: Any) -> Array:
        if value.data_type() != "tensor(bfloat16)":
            return np.asarray(value.numpy())
        bits = ctypes.string_at(value.data_ptr(), 2 * int(np.prod(value.shape())))
        return np.frombuffer(bits, ml_dtypes.bfloat16).reshape(value.shape())

    options = RunOptions()
    options.log_severity_level = 4
    feeds = {value.name: given(inputs[value.name]) for value in session.get_inputs()}
    return [made(value) for value in session.run_with_ort_values(None, feeds, options)]


def lacks_kernel(error: BaseException) -> bool:
    """Whether the runtime says that it has no kernel for an operator and dtype.

    It does so by its status NOT_IMPLEMENTED; recurrent kernels do it as they run, by RUNTIME_EXCEPTION and these words.
    """
    if not type(error).__module__.startswith("onnxruntime"):
        return False
    spoken = re.search(r"Status Message: \w+ operator does not support \w+ yet", str(error)) is not None
    return type(error).__name__ == "NotImplemented" or (type(error).__name__ == "RuntimeException" and spoken)
