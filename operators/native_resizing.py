"""Resizing images as Keras and TensorFlow do it: pixels' centers half a pixel from the border, or older conventions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    flag,
    sizes,
    tensor,
)
from operators.precision import Array
from operators.resizing import (
    centers,
    corners,
    cubic_weights,
    is_sure,
    kernel_weights,
    linear_weights,
    nearest_weights,
    weighted,
)
from operators.spatial import FIRST, LAST, declared
from operators.spelling import in_layer

MODES = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5")
RESIZED = ("int8", "uint8", "int16", "uint16", "int32", "int64", *FLOATS)
"""What TensorFlow's resizing kernels take."""

Box = tuple[int, int]


def covering_weights(made: int, n: int) -> Array:
    """Each output is the mean of the input over n / made entries, the border ones in part."""
    left = np.arange(made)[:, None] * (n / made)
    shared = np.minimum(left + n / made, np.arange(n) + 1) - np.maximum(left, np.arange(n))
    weights: Array = np.maximum(shared, 0.0) / (n / made)
    return weights


def _in_table(made: int, scale: Fraction, offset: Fraction) -> bool:
    """Whether cubic weights stand in TensorFlow's table of 1024 positions between two pixels (resize_bicubic_op.cc);
    it takes the next one, so that other positions are known to some thousandth only."""
    return all(((i + offset) * scale - offset) * 1024 % 1 == 0 for i in range(made))


def _matrix(mode: str, antialias: bool, n: int, m: int) -> Array:
    """tf.image.resize's weights along one axis: https://www.tensorflow.org/api_docs/python/tf/image/resize"""
    places, scale = centers(m, n / m), n / m
    if mode == "nearest":
        return nearest_weights(np.floor((np.arange(m) + 0.5) * scale), n)
    if mode == "area":
        return covering_weights(m, n)
    if mode == "bilinear" and not antialias:
        return linear_weights(places, n)
    if mode == "bicubic" and not antialias:
        return cubic_weights(places, n, -0.5, only_inside=True)
    return kernel_weights(mode, places, n, max(scale, 1.0) if antialias else 1.0)


def _is_defined(mode: str, antialias: bool, n: int, m: int) -> bool:
    if mode == "nearest":
        return is_sure(m, Fraction(n, m), 0.5)
    return mode != "bicubic" or antialias or _in_table(m, Fraction(n, m), Fraction(1, 2))


# Keras' images: (height, width, channels) or a batch of them, in either layout


def _axes(rank: int, layout: str) -> Box:
    """The axes of height and width."""
    return (rank - 2, rank - 1) if layout == FIRST else (rank - 3, rank - 2)


def _fitted(x: Array, made: Sequence[int], axes: Box, fit: str) -> Array:
    """Cropped or padded about its middle to the result's proportions, as keras.src.backend.tensorflow.image does."""
    height, width = (x.shape[a] for a in axes)
    wished = (width * made[0] // made[1], height * made[1] // made[0])
    for axis, n, wish in zip(axes, (height, width), wished, strict=True):
        if fit == "crop":
            kept = max(min(n, wish), 1)
            x = x.take(range((n - kept) // 2, (n - kept) // 2 + kept), axis)
        elif fit == "pad":
            around = (max(n, wish) - n) // 2
            x = np.pad(x, [(around, around) if a == axis else (0, 0) for a in range(x.ndim)])
    return x


def _resized(x: Array, sizes: Any, mode: str, antialias: bool, fit: str, layout: str) -> Array:
    axes = _axes(x.ndim, layout)
    fitted = _fitted(x, sizes, axes, fit)
    matrices = [_matrix(mode, antialias, fitted.shape[a], m) for a, m in zip(axes, sizes, strict=True)]
    return weighted(fitted, matrices, axes[0])


def _defined(x: Array, sizes: Any, mode: str, antialias: bool, fit: str, layout: str) -> bool:
    axes = _axes(x.ndim, layout)
    fitted = _fitted(x, sizes, axes, fit)
    return all(_is_defined(mode, antialias, fitted.shape[a], m) for a, m in zip(axes, sizes, strict=True))


_FIT = {"stretch": "", "crop": ", crop_to_aspect_ratio=True", "pad": ", pad_to_aspect_ratio=True"}


def _call(x: Operand, sizes: Any, mode: str, antialias: bool, fit: str, layout: str) -> str:
    fill = ", fill_value=0" if fit == "pad" and x.dtype not in FLOATS else ""
    rest = f'antialias={antialias}{_FIT[fit]}{fill}, data_format="{layout}"'
    return f'ops.image.resize({x}, {sizes}, "{mode}", {rest})'


def _layer(x: Any, sizes: Any, mode: str, antialias: bool, fit: str, layout: str, **_: Any) -> str:
    rest = f'antialias={antialias}{_FIT[fit]}, data_format="{layout}", dtype="{x.dtype}"'
    return f'layers.Resizing({sizes[0]}, {sizes[1]}, "{mode}", {rest})'


def _image(name: str, modes: Sequence[str], dtypes: Sequence[str], keras: Any) -> Operator:
    def rule(
        require: Require, x: Tensor, *, sizes: Sequence[Size], mode: str, antialias: bool, fit: str, layout: str
    ) -> Shape:
        height, width = _axes(x.rank, layout)
        return (*x.shape[:height], *sizes, *x.shape[width + 1 :])

    return declared(
        name,
        "Images resized to a height and a width: stretched, or cropped or padded to the new proportions first.",
        rule,
        tensor("x", rank=(4, 3)),
        attrs={
            "sizes": sizes(1, 12, count=2),
            "mode": choice(*modes),
            "antialias": flag(),
            "fit": choice(*_FIT),
            "layout": choice(LAST, FIRST),
        },
        dtypes=dtypes,
        domain=(-8.0, 8.0),
        defined=_defined,
        reference=_resized,
        keras=keras,
    )


# Upsampling by whole numbers


def _upsampled(spatial: int, modes: Sequence[str], dtypes: Sequence[str]) -> Operator:
    bare = spatial == 1

    def first(rank: int, layout: str) -> int:
        return 2 if layout == FIRST else 1

    def rule(require: Require, x: Tensor, *, factors: Sequence[Size], mode: str, layout: str) -> Shape:
        start = first(x.rank, layout)
        made = [n * f for n, f in zip(x.shape[start : start + spatial], factors, strict=True)]
        return (*x.shape[:start], *made, *x.shape[start + spatial :])

    def reference(x: Any, factors: Any, mode: str, layout: str) -> Any:
        start = first(x.ndim, layout)
        axes = [(n, n * f) for n, f in zip(x.shape[start : start + spatial], factors, strict=True)]
        return weighted(x, [_matrix(mode, False, n, m) for n, m in axes], start)

    def defined(x: Any, factors: Any, mode: str, layout: str) -> bool:
        start = first(x.ndim, layout)
        axes = zip(x.shape[start : start + spatial], factors, strict=True)
        return mode == "nearest" or all(_is_defined(mode, False, n, n * f) for n, f in axes)

    def text(x: Any, factors: Any, mode: str, layout: str, **_: Any) -> str:
        rest = "" if bare else f', data_format="{layout}"'
        rest += f', interpolation="{mode}"' if spatial == 2 else ""
        return f'layers.UpSampling{spatial}D({factors[0] if bare else factors}{rest}, dtype="{x.dtype}")'

    suffix = "_smooth" if modes[0] != "nearest" else ""
    return declared(
        f"upsample{spatial}d{suffix}_layer",
        "Each spatial size times a whole number.",
        rule,
        tensor("x", rank=spatial + 2),
        attrs={
            "factors": sizes(1, 4, count=spatial),
            "mode": choice(*modes),
            "layout": choice(LAST) if bare else choice(LAST, FIRST),
        },
        dtypes=dtypes,
        domain=(-8.0, 8.0),
        defined=defined,
        reference=reference,
        keras=emission("{layer}({x})", layer=text),
    )


# TensorFlow's operators, with the coordinates of all its versions


def _place(convention: str, n: int, m: int) -> tuple[Fraction, Fraction]:
    """The scale and the offset of output i's place (i + offset) * scale - offset."""
    if convention == "aligned":
        return (Fraction(n - 1, m - 1) if m > 1 else Fraction(0)), Fraction(0)
    return Fraction(n, m), Fraction(1, 2) if convention == "centered" else Fraction(0)


def _tf_matrix(mode: str, convention: str, n: int, m: int) -> Array:
    if mode == "area":
        return covering_weights(m, n)
    places = corners(m, n) if convention == "aligned" else np.arange(m) * (n / m)
    if mode == "nearest" and convention == "aligned":
        return nearest_weights(np.floor(places + 0.5), n)
    if convention == "centered":
        return _matrix(mode, False, n, m)
    if mode == "nearest":
        return nearest_weights(np.floor(places), n)
    return cubic_weights(places, n, -0.75) if mode == "bicubic" else linear_weights(places, n)


def _tf_defined(mode: str, convention: str, n: int, m: int) -> bool:
    scale, offset = _place(convention, n, m)
    if mode == "bicubic":
        return _in_table(m, scale, offset)
    if mode == "nearest" and convention == "aligned":
        return all((i * scale).denominator != 2 for i in range(m))
    return mode != "nearest" or is_sure(m, scale, float(offset))


def _raw(mode: str, function: str, conventions: Sequence[str], returns: str) -> Operator:
    def rule(require: Require, x: Tensor, *, sizes: Sequence[Size], convention: str) -> Shape:
        return (x.shape[0], *sizes, x.shape[3])

    def reference(x: Any, sizes: Any, convention: str) -> Any:
        axes = zip(x.shape[1:3], sizes, strict=True)
        return weighted(x, [_tf_matrix(mode, convention, n, m) for n, m in axes], 1)

    def defined(x: Any, sizes: Any, convention: str) -> bool:
        return all(_tf_defined(mode, convention, n, m) for n, m in zip(x.shape[1:3], sizes, strict=True))

    def call(convention: str, sizes: Sequence[int], **_: Any) -> str:
        centered = f", half_pixel_centers={convention == 'centered'}" if "centered" in conventions else ""
        return f"tf.raw_ops.{function}(images=x, size={sizes}, align_corners={convention == 'aligned'}{centered})"

    return declared(
        f"tf_resize_{mode}",
        f"Images (batch, height, width, channels) resized to a height and a width; {mode}.",
        rule,
        tensor("x", rank=4),
        attrs={"sizes": sizes(1, 12, count=2), "convention": choice(*conventions)},
        dtypes=RESIZED,
        returns=returns,
        domain=(-8.0, 8.0),
        defined=defined,
        reference=reference,
        keras=in_layer("x", call),
    )


_CONVENTIONS = ("plain", "aligned", "centered")
OPERATORS: Sequence[Operator] = [
    _image("resize_image", MODES, ("float32",), _call),
    _image("resize_image_layer", MODES, ("float32",), emission("{layer}({x})", layer=_layer)),
    _image("resize_image_nearest", ("nearest",), RESIZED, _call),
    _upsampled(1, ("nearest",), FLOATS),
    _upsampled(2, ("nearest",), FLOATS),
    _upsampled(2, ("bilinear", "bicubic", "lanczos3", "lanczos5"), ("float32",)),
    _upsampled(3, ("nearest",), FLOATS),
    _raw("bilinear", "ResizeBilinear", _CONVENTIONS, "float32"),
    _raw("nearest", "ResizeNearestNeighbor", _CONVENTIONS, "T"),
    _raw("bicubic", "ResizeBicubic", _CONVENTIONS, "float32"),
    _raw("area", "ResizeArea", _CONVENTIONS[:1], "float32"),
]
