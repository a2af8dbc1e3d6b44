"""Simulated quantization: floats rounded to what a few bits can hold.

https://docs.pytorch.org/docs/stable/generated/torch.fake_quantize_per_tensor_affine.html
https://www.tensorflow.org/api_docs/python/tf/quantization
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    Defect,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    emission,
    flag,
    named,
    number,
    operator,
    size,
    tensor,
    weight,
)
from operators.precision import Array, wide

SINGLE = ("float32",)
PRECISE = ("float32", "float64")

RANGES = {"uint8": (0, 255), "int8": (-128, 127), "uint7": (0, 127), "uint4": (0, 15)}
"""The smallest and largest quantum; the exporters know the first three."""


def _untied(quanta: Array) -> bool:
    """No number lies (nearly) halfway between two quanta, where rounding is the implementation's choice."""
    return bool(np.all(np.abs(quanta - np.floor(quanta) - 0.5) > 1e-3))


# PyTorch


def _rounded(x: Array, scale: Any, zero: Any, kind: str) -> Array:
    low, high = RANGES[kind]
    return np.asarray((np.clip(np.round(wide(x) / scale) + zero, low, high) - zero) * scale)


def _torch_range(kind: str) -> str:
    low, high = RANGES[kind]
    return f"{low}, {high}"


_PER_TENSOR: dict[str, Any] = {"scale": number(0.05, 0.5), "zero": size(0, 15), "kind": choice(*RANGES)}


@operator(
    tensor("x"),
    attrs=_PER_TENSOR,
    dtypes=SINGLE,
    empty=True,
    defined=lambda x, *, scale, zero, kind: _untied(wide(x) / scale),
    reference=lambda x, *, scale, zero, kind: _rounded(x, scale, zero, kind),
    torch=lambda x, scale, zero, kind: (
        f"torch.fake_quantize_per_tensor_affine({x}, {scale}, {zero}, {_torch_range(kind)})"
    ),
)
def fake_quantize(require: Require, x: Tensor, *, scale: float, zero: int, kind: str) -> Shape:
    """Floats rounded to multiples of a scale, inside a range."""
    return x.shape


@operator(
    tensor("x"),
    attrs=_PER_TENSOR,
    dtypes=SINGLE,
    empty=True,
    defined=lambda x, *, scale, zero, kind: _untied(wide(x) / np.float32(scale)),
    reference=lambda x, *, scale, zero, kind: _rounded(x, float(np.float32(scale)), zero, kind),
    torch=lambda x, scale, zero, kind: (
        f"torch.fake_quantize_per_tensor_affine({x}, torch.tensor({scale}), "
        f"torch.tensor({zero}, dtype=torch.int32), {_torch_range(kind)})"
    ),
)
def fake_quantize_by_tensors(require: Require, x: Tensor, *, scale: float, zero: int, kind: str) -> Shape:
    """The same, scale and zero being tensors."""
    return x.shape


def _per_channel(x: Array, scale: Array, zero: Array, *, along: int, kind: str) -> Array:
    return _rounded(x, wide(_spread(scale, x, along)), _spread(zero, x, along), kind)


def _spread(values: Array, x: Array, along: int) -> Array:
    return values.reshape([-1 if i == along % x.ndim else 1 for i in range(x.ndim)])


@operator(
    tensor("x", rank=range(1, 5)),
    weight("scale", rank=1, domain=(0.05, 0.5)),
    weight("zero", "Z", rank=1, domain=(0, 15)),
    attrs={"along": axis(), "kind": choice(*RANGES)},
    dtypes={"T": SINGLE, "Z": ("int32",)},
    defined=lambda x, scale, zero, *, along, kind: _untied(wide(x) / wide(_spread(scale, x, along))),
    reference=_per_channel,
    torch=lambda x, scale, zero, along, kind: (
        f"torch.fake_quantize_per_channel_affine({x}, {scale}, {zero}, {along % x.rank}, {_torch_range(kind)})"
    ),
)
def fake_quantize_channels(require: Require, x: Tensor, scale: Tensor, zero: Tensor, *, along: int, kind: str) -> Shape:
    """The same with a scale and a zero for each slice along an axis."""
    count = x.shape[along % x.rank]
    require(scale.shape[0] == count, "there is a scale for each slice")
    require(zero.shape[0] == count, "there is a zero for each slice")
    return x.shape


# TensorFlow


def _nudged(low: float, high: float, bits: int, narrow: bool) -> tuple[float, float, float]:
    """The ends of the range moved such that zero is a quantum, and the scale.

    https://www.tensorflow.org/api_docs/python/tf/quantization/fake_quant_with_min_max_args
    """
    first, last = int(narrow), 2**bits - 1
    scale = (high - low) / (last - first)
    zero = np.clip(np.floor(first - low / scale + 0.5), first, last)
    return (first - zero) * scale, (last - zero) * scale, scale


def _fake_quant(x: Array, *, low: float, high: float, bits: int, narrow: bool) -> Array:
    least, most, scale = _nudged(low, high, bits, narrow)
    return np.floor((np.clip(wide(x), least, most) - least) / scale + 0.5) * scale + least


def _fake_quant_defined(x: Array, *, low: float, high: float, bits: int, narrow: bool) -> bool:
    least, most, scale = _nudged(low, high, bits, narrow)
    zero = int(narrow) - low / scale
    return _untied((np.clip(wide(x), least, most) - least) / scale) and _untied(np.asarray(zero))


def _fake_quant_keras(name: str, function: str) -> Emission:
    source = f"""
    def {name}(x, low, high, bits, narrow):
        import tensorflow as tf

        return layers.Lambda(lambda x: {function}(x, low, high, num_bits=bits, narrow_range=narrow))(x)
    """
    return emission(f"{name}({{x}}, {{low}}, {{high}}, {{bits}}, {{narrow}})", helper=source)


def _faked(name: str, doc: str, keras: str | Emission) -> Operator:
    def rule(require: Require, x: Tensor, *, low: float, high: float, bits: int, narrow: bool) -> Shape:
        return x.shape

    return operator(
        tensor("x"),
        attrs={"low": number(-6, -0.5), "high": number(0.5, 6), "bits": choice(8, 4, 7), "narrow": flag()},
        dtypes=SINGLE,
        defined=_fake_quant_defined,
        reference=_fake_quant,
        keras=keras,
    )(named(name, doc, rule))


FAKED = [
    _faked(
        "fake_quant_args",
        "TensorFlow's rounding to a few bits between two constants.",
        _fake_quant_keras("fake_quant_args", "tf.quantization.fake_quant_with_min_max_args"),
    ),
    _faked(
        "fake_quant_vars",
        "TensorFlow's rounding to a few bits between two scalars.",
        _fake_quant_keras("fake_quant_vars", "tf.quantization.fake_quant_with_min_max_vars"),
    ),
    _faked(
        "keras_fake_quant",
        "Keras' rounding to a few bits between two scalars.",
        emission(
            "keras.quantizers.fake_quant_with_min_max_vars({x}, {low}, {high}, {bits}, {narrow})",
            defects=[
                Defect(
                    "in a functional model it drops num_bits and narrow_range",
                    lambda x, low, high, bits, narrow: bits != 8 or narrow,
                    "keras/src/quantizers/quantizers.py: fake_quant_with_min_max_vars makes "
                    "`FakeQuantWithMinMaxVars()` without its arguments",
                )
            ],
        ),
    ),
]


def _ends(x: Array, low: float, high: float, signed: bool, narrow: bool, given: bool) -> tuple[float, float, float]:
    """The range of x that is kept, and the quanta a unit.

    tensorflow/core/kernels/quantize_and_dequantize_op.h: the side that needs the coarser quanta decides; what lies
    outside is moved to an end only where the range is given.
    """
    first, last = (-127 if narrow else -128, 127) if signed else (0, 255)
    if not given:
        low, high = float(np.min(wide(x))), float(np.max(wide(x)))
    sides = [bound / end for bound, end in ((low, first), (high, last)) if bound * end > 0]
    quantum = max(sides)
    return first * quantum, last * quantum, quantum


def _dequantized(x: Array, *, version: int, low: float, high: float, signed: bool, narrow: bool, given: bool) -> Array:
    least, most, quantum = _ends(x, low, high, signed, narrow, given)
    kept = np.clip(wide(x), least, most) if given else wide(x)
    return np.asarray(np.round(kept / quantum) * quantum)


def _dequantized_defined(
    x: Array, *, version: int, low: float, high: float, signed: bool, narrow: bool, given: bool
) -> bool:
    if not given and (np.max(x) <= 0.1 or (np.min(x) >= -0.1)):
        return False
    least, most, quantum = _ends(x, low, high, signed, narrow, given)
    return _untied(np.clip(wide(x), least, most) / quantum)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={
        "version": choice(4, 3, 2),
        "low": number(-6, -0.5),
        "high": number(0.5, 6),
        "signed": choice(True, False),
        "narrow": flag(),
        "given": choice(True, False),
    },
    dtypes=PRECISE,
    defined=_dequantized_defined,
    reference=_dequantized,
    keras=emission(
        "quantize_and_dequantize({x}, {version}, {low}, {high}, {signed}, {narrow}, {given})",
        helper="""
        def quantize_and_dequantize(x, version, low, high, signed, narrow, given):
            import tensorflow as tf

            options = dict(signed_input=signed, range_given=given, narrow_range=narrow)

            def called(x):
                ends = dict(input_min=tf.constant(low, x.dtype), input_max=tf.constant(high, x.dtype))
                if version == 3:
                    return tf.raw_ops.QuantizeAndDequantizeV3(input=x, num_bits=8, **ends, **options)
                made = tf.raw_ops.QuantizeAndDequantizeV2 if version == 2 else tf.raw_ops.QuantizeAndDequantizeV4
                return made(input=x, num_bits=8, **ends, **options)

            return layers.Lambda(called, dtype=x.dtype)(x)
        """,
    ),
)
def quantize_and_dequantize(
    require: Require, x: Tensor, *, version: int, low: float, high: float, signed: bool, narrow: bool, given: bool
) -> Shape:
    """TensorFlow's rounding to eight bits and back, in a range that is given or the data's own."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    fake_quantize,
    fake_quantize_by_tensors,
    fake_quantize_channels,
    *FAKED,
    quantize_and_dequantize,
]
