"""Layers of one's own inside Keras models, as people write them for what Keras has no function for: TensorFlow's own
operators, or functions of Keras that only work on the tensors that a layer gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphfuzz.spec import emission
from graphfuzz.spec.operator import Emission

_LAYER = """
import tensorflow as tf


class {name}_layer_of_ones_own(layers.Layer):
    def __init__(self, **options):
        super().__init__(autocast=False)
        for option, value in options.items():
            setattr(self, option, value)

    def compute_output_spec(self, *given):
        return super().compute_output_spec(*(keras.KerasTensor(tensor.shape, tensor.dtype) for tensor in given))

    def call(self, {operands}):
        return {expression}
"""


def in_own_layer(
    name: str, expression: str, operands: Sequence[str], attrs: Sequence[str] = (), **fields: Any
) -> Emission:
    """The emission of the operator `name` whose layer computes `expression`: of `operands`, and attributes as `self.*`.

    The layer takes every operand for a dense one: Keras infers that the product of a tensor and a Python number is
    sparse (keras/src/ops/numpy.py, Multiply.compute_output_spec), which TensorFlow's own operators refuse then.
    fields: more for `emission`, such as dtypes.
    """
    options = ", ".join(f"{a}={{{a}!r}}" for a in attrs)
    given = ", ".join(f"{{{o}}}" for o in operands)
    helper = _LAYER.format(name=name, operands=", ".join(operands), expression=expression)
    return emission(f"{name}_layer_of_ones_own({options})({given})", helper=helper, **fields)
