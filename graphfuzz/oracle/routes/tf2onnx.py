"""Keras on TensorFlow through tf2onnx (`tf2onnx.convert.from_function`) to ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.materializer import run_captured_keras
from graphfuzz.oracle.causes import by_statement, raised_in, root_cause
from graphfuzz.oracle.ledger import replaced
from graphfuzz.oracle.ledger_tf2onnx import ledger
from graphfuzz.oracle.route import Route

_SPOKEN = "support|opset|unable to convert|cannot convert|not implemented|only allows"
"""How handlers say that a use is beyond them."""


def strictly(convert: Callable[[], Any]) -> Any:
    """What a conversion by tf2onnx makes, but for what tf2onnx logs that it cannot convert, and leaves as it is.

    That is made an exception here: a failed handler's own, and NotImplementedError where TensorFlow operators remain in
    ONNX's default domain.
    """
    import logging

    import onnx

    class Failures(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR and record.exc_info and record.exc_info[1]:
                raise record.exc_info[1]

    logger, failures = logging.getLogger("tf2onnx"), Failures()
    logger.addHandler(failures)
    logger.propagate = False
    try:
        proto = convert()
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


def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The Keras model as an ONNX model of opset 18, tf2onnx's newest, with the inputs' shapes as they are known."""
    import tensorflow as tf
    import tf2onnx

    shapes = {name: array.shape for name, array in inputs.items()}
    if axes:
        shapes = {n: [None if s else size for size, s in zip(shapes[n], axes[n], strict=True)] for n in inputs}
    signature = [tf.TensorSpec(shapes[name], array.dtype, name) for name, array in inputs.items()]
    function = tf.function(lambda *arrays: model(list(arrays), training=False))
    return strictly(lambda: tf2onnx.convert.from_function(function, signature, opset=18)[0])


OPTIMIZERS = (
    "optimize_transpose",
    "remove_redundant_upsample",
    "fold_constants",
    "const_dequantize_optimizer",
    "loop_optimizer",
    "merge_duplication",
    "reshape_optimizer",
    "global_pool_optimizer",
    "q_dq_optimizer",
    "remove_identity",
    "remove_back_to_back",
    "einsum_optimizer",
)
"""tf2onnx's own (tf2onnx/optimizer/__init__.py)."""


def traced(model: Any, inputs: dict[str, Array], axes: Axes, given: dict[str, Array]) -> list[Array]:
    """The outputs of the TensorFlow graph that is traced, run without TensorFlow's optimizer, Grappler."""
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        return run_captured_keras(model, inputs, axes, given)
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


def without_grappler(names: tuple[str, ...]) -> AbstractContextManager[None]:
    """While in effect, TensorFlow's own optimizer, which tf2onnx runs first, does without some of its parts."""
    from tensorflow.python.grappler import tf_optimizer

    def without(optimize: Callable[..., Any]) -> Callable[..., Any]:
        def optimized(config: Any, *arguments: Any, **options: Any) -> Any:
            used = config.graph_options.rewrite_options.optimizers
            used[:] = [name for name in used if name not in names]
            return optimize(config, *arguments, **options)

        return optimized

    return replaced(tf_optimizer, "OptimizeGraph", without)


def without_optimizers(names: tuple[str, ...]) -> AbstractContextManager[None]:
    """While in effect, tf2onnx does without some of its optimizers; without any, where none is named."""
    from tf2onnx import optimizer

    def without(known: Mapping[str, Any]) -> dict[str, Any]:
        return {name: made for name, made in known.items() if names and name not in names}

    return replaced(optimizer, "_optimizers", without)


def refused(error: BaseException) -> bool:
    """Whether TensorFlow operators remained, or a handler says itself that it does not support the use.

    A handler's word counts where a statement of the handler (or of `make_sure`, which it called) raised a ValueError or
    NotImplementedError that says so in words; its other failed assertions are crashes.
    """
    root = root_cause(error)
    places = raised_in(root)
    if not by_statement(root):
        return False
    (file, function), caller = places[0], places[1:]
    if isinstance(root, NotImplementedError) and function == "strictly" and file.endswith("/routes/tf2onnx.py"):
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
    programs={"tf.function": traced},
    without={
        "Grappler": partial(without_grappler, ("constfold", "dependency")),
        "Grappler/constfold": partial(without_grappler, ("constfold",)),
        "Grappler/dependency": partial(without_grappler, ("dependency",)),
        "tf2onnx": partial(without_optimizers, ()),
        **{f"tf2onnx/{name}": partial(without_optimizers, (name,)) for name in OPTIMIZERS},
    },
    helpers=(strictly,),
    converter="tf2onnx",
    is_default=True,
)
