"""tf2onnx-ort: wrong-output with floor_divide_by.

1 of 1 elements of v0 differ. The worst, at ():
    source model     -2.0 (in float64: -2.0)
    converted model  -1.0
    allowed          0.0

Versions: graphfuzz 0.1.0, keras 3.15.1, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, tensorflow-cpu 2.21.0,
tf2onnx 1.17.0
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: int64[]
    v0: int64[] = floor_divide_by(x0, number=-2)
    return  v0
"""

from __future__ import annotations

import os
import sys
import traceback

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # TensorFlow: without, CPUs have no channels-first convolution

import keras
import numpy as np
from keras import layers, ops


def build(weights):
    x0 = keras.Input(batch_shape=(), dtype="int64", name="x0")
    v0 = x0 // -2
    return keras.Model([x0], [v0])


weights = {}

inputs = {
    "x0": np.array(3, "int64"),
}

axes = {}


def run_keras(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs for these inputs, in inference mode."""
    import tensorflow as tf

    made = model([tf.constant(a) for a in inputs.values()], training=False)
    return [t.numpy() for t in (made if isinstance(made, list | tuple) else (made,))]


def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The Keras model as an ONNX model of opset 18, tf2onnx's newest, with the inputs' shapes as they are known.

    tf2onnx logs what it cannot convert, and goes on; that is made an exception here: a failed handler's own, and
    NotImplementedError where TensorFlow operators remain in ONNX's default domain.
    """
    import logging

    import onnx
    import tensorflow as tf
    import tf2onnx

    class Failures(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR and record.exc_info and record.exc_info[1]:
                raise record.exc_info[1]

    shapes = {name: array.shape for name, array in inputs.items()}
    if axes:
        shapes = {n: [None if s else size for size, s in zip(shapes[n], axes[n], strict=True)] for n in inputs}
    signature = [tf.TensorSpec(shapes[name], array.dtype, name) for name, array in inputs.items()]
    function = tf.function(lambda *arrays: model(list(arrays), training=False))
    logger, failures = logging.getLogger("tf2onnx"), Failures()
    logger.addHandler(failures)
    logger.propagate = False
    try:
        proto, _ = tf2onnx.convert.from_function(function, signature, opset=18)
    finally:
        logger.removeHandler(failures)
    unknown, graphs = set(), [proto.graph]
    for graph in graphs:
        for node in graph.node:
            graphs.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
            if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type):
                unknown.add(node.op_type)
    if unknown:
        raise NotImplementedError(f"tf2onnx left TensorFlow operators as they are: {', '.join(sorted(unknown))}")
    return proto


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
    source = build(weights)
    expected = run_keras(source, inputs)
    model = convert(source, inputs, axes)
    session = load_onnx(model.SerializeToString())
    actual = run_onnx(session, inputs)
    for name, a, b in zip(["v0"], expected, actual):
        print(f"{name}: source model gives {a.dtype}{list(a.shape)}\n{a}")
        print(f"{name}: converted model gives {b.dtype}{list(b.shape)}\n{b}")
    typed = [[(a.dtype, a.shape) for a in outputs] for outputs in (expected, actual)]
    if typed[0] != typed[1]:
        return True
    return bool((actual[0] != expected[0]).any())


if __name__ == "__main__":
    try:
        failed = fails()
    except Exception:
        traceback.print_exc()
        print("SOMETHING ELSE went wrong")
        sys.exit(2)
    print("STILL FAILS: wrong-output" if failed else "FIXED: no wrong-output")
    sys.exit(1 if failed else 0)
