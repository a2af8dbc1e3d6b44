"""Keras on TensorFlow through tf2onnx (`tf2onnx.convert.from_function`) to ONNX Runtime."""

from __future__ import annotations

import re
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.materializer import run_captured_keras
from graphfuzz.oracle.causes import raised_in, root_cause
from graphfuzz.oracle.ledger_tf2onnx import ledger
from graphfuzz.oracle.route import Route

_SPOKEN = "support|opset|unable to convert|cannot convert|not implemented|only allows"
"""How handlers say that a use is beyond them."""


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


def refused(error: BaseException) -> bool:
    """Whether TensorFlow operators remained, or a handler says itself that it does not support the use.

    A handler's word counts where the handler (or `make_sure`, which it called) raised a ValueError or
    NotImplementedError that says so in words; its other failed assertions are crashes.
    """
    root = root_cause(error)
    places = raised_in(root)
    if not places:
        return False
    (file, function), caller = places[0], places[1:]
    if isinstance(root, NotImplementedError) and function == "convert" and file.endswith("/routes/tf2onnx.py"):
        return True
    if file.endswith("/tf2onnx/utils.py") and function == "make_sure" and caller:
        file = caller[0][0]
    spoken = re.search(_SPOKEN, str(root), re.IGNORECASE) is not None
    return isinstance(root, ValueError | NotImplementedError) and "/tf2onnx/onnx_opset/" in file and spoken


route = Route(
    name="tf2onnx-ort",
    framework="keras",
    packages=("tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy"),
    convert=convert,
    refused=refused,
    preload=("tensorflow", "keras", "tf2onnx.convert", "onnx.shape_inference", "onnxruntime"),
    captured=run_captured_keras,
    ledger=ledger,
)
