"""Keras on TensorFlow through TFLiteConverter to TensorFlow Lite's interpreter."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from graphfuzz.graph import Array, Axes, Values
from graphfuzz.materializer import run_captured_keras
from graphfuzz.oracle.causes import by_statement, class_name, raised_in, root_cause
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.routes.tf2onnx import traced
from graphfuzz.oracle.target import Target


def convert_to_tflite(model: Any, inputs: dict[str, Array], axes: Axes) -> bytes:
    """The Keras model as a TFLite model of TFLite's own operators."""
    import tensorflow as tf

    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def load_tflite(model: bytes, resolver: str = "AUTO") -> Any:
    """An interpreter of the model with one thread. resolver: a name of TensorFlow's `OpResolverType`."""
    import warnings

    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's copy of the interpreter is deprecated in favor of LiteRT's
        kernels = tf.lite.experimental.OpResolverType[resolver]
        return tf.lite.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kernels)


def run_tflite(interpreter: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs, in order; inputs that it does not use are left out."""
    runner = interpreter.get_signature_runner()
    made = runner(**{name: inputs[name] for name in runner.get_input_details()})
    return [made[f"output_{position}"] for position in range(len(made))]


def run_with(resolver: str, model: Any, inputs: Values) -> list[Array]:
    """The outputs by other kernels."""
    return run_tflite(load_tflite(model, resolver), dict(inputs))


_BEYOND = re.compile(
    r"op is neither a custom op nor a flex op|failed to legalize operation '[\w.]+' that was explicitly"
)
_ERROR = re.compile(r"\berror: ")
"""How the converter says of an operation that TFLite has none such; and how it begins whatever it objects to."""


def refused(error: BaseException) -> bool:
    """Whether all that the converter objects to are operations that TFLite has not, or the dtype of an input."""
    root = root_cause(error)
    if class_name(root).endswith("lite.python.convert_phase.ConverterError"):
        objections = _ERROR.split(str(root))[1:]
        return bool(objections) and all(_BEYOND.search(said) or _SUMMARY in said for said in objections)
    (file, function), *_ = [*raised_in(root), ("", "")]
    of_dtypes = file.endswith("/tensorflow/lite/python/convert.py") and function.startswith("convert_")
    return isinstance(root, ValueError) and by_statement(root) and of_dtypes and function.endswith("_tflite_type")


_SUMMARY = "failed while converting: "
"""With this the converter lists once more what it objected to."""

TFLITE = Target(
    name="tflite",
    file="model.tflite",
    pack=bytes,
    load=load_tflite,
    run=run_tflite,
    lacks=lambda error: False,
    plain=partial(run_with, "BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    reference=partial(run_with, "BUILTIN_REF"),
)
route = Route(
    name="tflite",
    framework="keras",
    packages=("tensorflow-cpu", "keras", "numpy"),
    converter="TFLiteConverter",
    convert=convert_to_tflite,
    refused=refused,
    preload=("tensorflow", "keras"),
    captured=run_captured_keras,
    programs={"tf.function": traced},
    target=TFLITE,
)
