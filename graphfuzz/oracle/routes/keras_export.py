"""Keras on TensorFlow by Keras' own export (`Model.export(format="onnx")`), which uses tf2onnx, to ONNX Runtime."""

from __future__ import annotations

from typing import Any

import msgspec

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.routes import tf2onnx
from graphfuzz.oracle.routes.tf2onnx import strictly


def exported(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The Keras model as an ONNX model of opset 18.

    The inputs' shapes are given, as they are known: without, Keras takes every first axis for one of any size.
    """
    import tempfile
    from pathlib import Path

    import keras
    import onnx

    shapes = {name: array.shape for name, array in inputs.items()}
    if axes:
        shapes = {n: [None if s else size for size, s in zip(shapes[n], axes[n], strict=True)] for n in inputs}
    signature = [keras.InputSpec(shape=shapes[name], dtype=str(a.dtype), name=name) for name, a in inputs.items()]

    def export() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "model.onnx")
            model.export(file, format="onnx", verbose=False, input_signature=[signature], opset_version=18)
            return onnx.load(file)

    return strictly(export)


route = msgspec.structs.replace(
    tf2onnx.route,
    name="keras-export-ort",
    converter='keras.Model.export(format="onnx")',
    convert=exported,
    ledger=None,
    is_default=False,
)
