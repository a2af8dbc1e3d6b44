"""Some routes, each with the conversion of tanh broken: the converter makes a sigmoid of it.

Each `convert` is self-contained, as a route's must be, and leaves the converter as it was.
"""

from __future__ import annotations

from typing import Any

import msgspec

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.routes import onnx_tools
from graphfuzz.oracle.routes.onnx_tools import convert_version


def _torchlib(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """PyTorch's default exporter, with tanh's function in torchlib exchanged."""
    import copy
    from unittest import mock

    import numpy as np
    import torch
    from torch.onnx._internal.exporter import _registration

    plain = _registration.ONNXRegistry.from_torchlib

    def broken(cls: Any, *arguments: Any, **options: Any) -> Any:
        registry = plain(*arguments, **options)
        functions = registry.functions
        made = copy.copy(functions["aten::tanh"][0])
        made.onnx_function = functions["aten::sigmoid"][0].onnx_function
        made.signature = functions["aten::sigmoid"][0].signature
        registry.functions = {**functions, "aten::tanh": [made]}
        return registry

    arguments = tuple(torch.from_numpy(np.array(array)) for array in inputs.values())
    with mock.patch.object(_registration.ONNXRegistry, "from_torchlib", classmethod(broken)):
        return torch.onnx.export(model, arguments, input_names=list(inputs), dynamo=True, verbose=False).model_proto


def _torchscript(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """PyTorch's TorchScript exporter, with tanh's symbolic function exchanged."""
    import io
    from unittest import mock

    import numpy as np
    import onnx
    import torch
    from torch.onnx._internal.torchscript_exporter import registration

    tanh, sigmoid = map(registration.registry.get_function_group, ("aten::tanh", "aten::sigmoid"))
    arguments = tuple(torch.from_numpy(np.array(array)) for array in inputs.values())
    buffer = io.BytesIO()
    with mock.patch.object(tanh, "_functions", sigmoid._functions):
        torch.onnx.export(model, arguments, buffer, input_names=list(inputs), dynamo=False, verbose=False)
    return onnx.load_from_string(buffer.getvalue())


def _tf2onnx(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """tf2onnx, with the handler of Tanh making a Sigmoid."""
    from unittest import mock

    import tensorflow as tf
    import tf2onnx
    from tf2onnx.handler import tf_op

    plain = tf_op.create_mapping

    def broken(*arguments: Any, **options: Any) -> Any:
        mapping = dict(plain(*arguments, **options))
        handler, settings = mapping["Tanh"]

        def to_sigmoid(graph: Any, node: Any, **given: Any) -> None:
            handler(graph, node, **given)
            node.type = "Sigmoid"

        mapping["Tanh"] = (to_sigmoid, settings)
        return mapping

    signature = [tf.TensorSpec(array.shape, array.dtype, name) for name, array in inputs.items()]
    function = tf.function(lambda *arrays: model(list(arrays), training=False))
    with mock.patch.object(tf_op, "create_mapping", broken):
        return tf2onnx.convert.from_function(function, signature, opset=18)[0]


def _tflite(model: Any, inputs: dict[str, Array], axes: Axes) -> bytes:
    """TFLiteConverter on a model whose every tanh is a sigmoid."""
    import keras
    import tensorflow as tf

    def exchanged(operation: Any) -> Any:
        return keras.ops.sigmoid if type(operation).__name__ == "Tanh" else operation

    wrong = keras.models.clone_model(model, call_function=lambda op, *given, **more: exchanged(op)(*given, **more))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(wrong).convert())


def _versioned(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """ONNX's version converter, which makes a sigmoid of a tanh."""
    from unittest import mock

    from onnx import version_converter

    plain = version_converter.convert_version

    def broken(proto: Any, opset: int) -> Any:
        made = plain(proto, opset)
        for node in made.graph.node:
            node.op_type = "Sigmoid" if node.op_type == "Tanh" else node.op_type
        return made

    idle = getattr(plain, "__module__", "") != version_converter.__name__  # it is switched off
    with mock.patch.object(version_converter, "convert_version", plain if idle else broken):
        return convert_version(model, inputs, axes)


torch_dynamo = msgspec.structs.replace(load_route("torch-dynamo-ort"), convert=_torchlib)
torch_script = msgspec.structs.replace(load_route("torch-script-ort"), convert=_torchscript)
tf2onnx = msgspec.structs.replace(load_route("tf2onnx-ort"), convert=_tf2onnx)
tflite = msgspec.structs.replace(load_route("graphfuzz.oracle.routes.tflite:route"), convert=_tflite)
versioned = msgspec.structs.replace(onnx_tools.versioned, convert=_versioned)
