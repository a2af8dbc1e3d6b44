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

    def call(self, {operands}):
        return {expression}
"""


def in_own_layer(
    name: str, expression: str, operands: Sequence[str], attrs: Sequence[str] = (), **fields: Any
) -> Emission:
    """The emission of the operator `name` whose layer computes `expression`: of `operands`, and attributes as `self.*`.

    fields: more for `emission`, such as dtypes.
    """
    options = ", ".join(f"{a}={{{a}!r}}" for a in attrs)
    given = ", ".join(f"{{{o}}}" for o in operands)
    helper = _LAYER.format(name=name, operands=", ".join(operands), expression=expression)
    return emission(f"{name}_layer_of_ones_own({options})({given})", helper=helper, **fields)
