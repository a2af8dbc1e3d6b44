"""tf2onnx-ort: invalid-model with add_mixed.

onnx.onnx_cpp2py_export.shape_inference.InferenceError: [ShapeInferenceError] Inference error(s):
(op_type:Add, node name: functional_1/BiasAdd): [ShapeInferenceError] Inferred shape and existing shape differ
in dimension 2: (2) vs (1)

Versions: graphfuzz 0.1.0, keras 3.15.1, numpy 2.4.6, onnx 1.23.2, onnxruntime 1.31.1, tensorflow-cpu 2.21.0,
tf2onnx 1.17.0
Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.

    input   x0: float32[1, 2, 1]
    v0: float32[1, 2, 1] = add_mixed(x0, x0)
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
    x0 = keras.Input(batch_shape=(1, 2, 1), dtype="float32", name="x0")
    v0 = x0 + x0
    return keras.Model([x0], [v0])


weights = {}

inputs = {
    "x0": np.zeros((1, 2, 1), "float32"),
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
    said = "Inferred shape and existing shape differ in dimension"
    cause = error
    while cause is not None:
        if type(cause).__name__ == "InferenceError" and said in " ".join(str(cause).split()):
            return True
        cause = cause.__cause__ or cause.__context__
    raise error


def fails():
    """Whether it still fails."""
    source = build(weights)
    expected = run_keras(source, inputs)
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
