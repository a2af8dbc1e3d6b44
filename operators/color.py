"""Colors of images, in the last axis or the third from last: brightness, hue, saturation and contrast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import FLOATS, Operator, Require, Shape, Tensor, choice, either, number, tensor
from operators.precision import Array, wide
from operators.spatial import FIRST, LAST, declared
from operators.spelling import in_layer


def _three(require: Require, x: Tensor, layout: str = LAST) -> Shape:
    require(x.shape[-3 if layout == FIRST else -1] == 3, "there are three channels")
    return x.shape


def _gray() -> Operator:
    def rule(require: Require, x: Tensor, *, layout: str) -> Shape:
        axis = x.rank - (3 if layout == FIRST else 1)
        require(either(x.shape[axis] == 1, x.shape[axis] == 3), "there are three channels, or one already")
        return (*x.shape[:axis], 1, *x.shape[axis + 1 :])

    def reference(x: Any, layout: str) -> Any:
        axis = x.ndim - (3 if layout == FIRST else 1)
        if x.shape[axis] == 1:
            return x
        return np.expand_dims(np.tensordot(wide(x), [0.2989, 0.5870, 0.1140], (axis, 0)), axis)

    return declared(
        "rgb_to_grayscale",
        "The brightness of colors: https://en.wikipedia.org/wiki/Luma_(video)",
        rule,
        tensor("x", rank=(4, 3)),
        attrs={"layout": choice(LAST, FIRST)},
        dtypes=FLOATS,
        domain=(0.0, 8.0),
        reference=reference,
        keras='ops.image.rgb_to_grayscale({x}, data_format="{layout}")',
    )


def hsv(rgb: Array) -> Array:
    """Hue, saturation, value of the last axis: https://en.wikipedia.org/wiki/HSL_and_HSV#From_RGB"""
    red, green, blue = np.moveaxis(wide(rgb), -1, 0)
    value = np.maximum(np.maximum(red, green), blue)
    span = value - np.minimum(np.minimum(red, green), blue)
    safe = np.where(span > 0, span, 1.0)
    sixth = np.select(
        [span == 0, value == red, value == green],
        [0.0, ((green - blue) / safe) % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return np.stack([sixth / 6, np.where(value > 0, span / np.where(value > 0, value, 1.0), 0.0), value], -1)


def rgb(hsv: Array) -> Array:
    """The inverse: https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative"""
    hue, saturation, value = np.moveaxis(wide(hsv), -1, 0)

    def channel(n: int) -> Array:
        k = (n + hue * 6) % 6
        return np.asarray(value - value * saturation * np.maximum(0, np.minimum(np.minimum(k, 4 - k), 1)))

    return np.stack([channel(5), channel(3), channel(1)], -1)


def _last(of: Callable[[Array], Array], layout: str) -> Callable[[Array], Array]:
    """A function on colors in the last axis, on those in this layout."""
    axis = -3 if layout == FIRST else -1
    return lambda x: np.moveaxis(of(np.moveaxis(x, axis, -1)), -1, axis)


def _hue_is_sure(x: Any, layout: str) -> bool:
    """Colors are no grays, and no reds, at which the hue jumps from 1 to 0."""
    found = hsv(np.moveaxis(x, -3 if layout == FIRST else -1, -1))
    span = found[..., 1] * found[..., 2]
    return bool(np.all(span > 0.05) and np.all((found[..., 0] > 0.02) & (found[..., 0] < 0.98)))


def _colors(name: str, doc: str, of: Callable[[Array], Array], defined: Any) -> Operator:
    def rule(require: Require, x: Tensor, *, layout: str) -> Shape:
        return _three(require, x, layout)

    return declared(
        name,
        doc,
        rule,
        tensor("x", rank=(4, 3)),
        attrs={"layout": choice(LAST, FIRST)},
        dtypes=("float32", "float64"),
        domain=(0.0, 1.0),
        defined=defined,
        reference=lambda x, layout: _last(of, layout)(x),
        keras=f'ops.image.{name}({{x}}, data_format="{{layout}}")',
    )


def _adjusted(name: str, doc: str, low: float, high: float, of: Callable[[Array, float], Array]) -> Operator:
    colors = name != "contrast"

    def rule(require: Require, x: Tensor, *, by: float) -> Shape:
        return _three(require, x) if colors else x.shape

    return declared(
        f"tf_adjust_{name}",
        doc,
        rule,
        tensor("x", rank=(4, 3)),
        attrs={"by": number(low, high)},
        dtypes=("float32",),
        domain=(0.0, 1.0),
        reference=lambda x, by: of(wide(x), by),
        keras=in_layer("x", f"tf.image.adjust_{name}(x, {{by}})"),
    )


def _contrast(x: Array, by: float) -> Array:
    mean = x.mean((-3, -2), keepdims=True)
    return np.asarray((x - mean) * by + mean)


def _turned(x: Array, by: float) -> Array:
    found = hsv(x)
    found[..., 0] = (found[..., 0] + by) % 1
    return rgb(found)


def _saturated(x: Array, by: float) -> Array:
    found = hsv(x)
    found[..., 1] = np.clip(found[..., 1] * by, 0, 1)
    return rgb(found)


OPERATORS: Sequence[Operator] = [
    _gray(),
    _colors("rgb_to_hsv", "Hue, saturation and value of colors.", hsv, _hue_is_sure),
    _colors("hsv_to_rgb", "Colors from hue, saturation and value.", rgb, None),
    _adjusted("contrast", "Differences from the mean of each channel, times a factor.", 0.0, 3.0, _contrast),
    _adjusted("hue", "Colors with another hue.", -1.0, 1.0, _turned),
    _adjusted("saturation", "Colors with another saturation.", 0.0, 2.0, _saturated),
]
