"""Sampling at places that are computed: PyTorch's grids, TensorFlow's boxes, Keras' coordinates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    flag,
    index,
    number,
    size,
    sizes,
    tensor,
)
from operators.precision import Array, wide
from operators.resizing import keys
from operators.spatial import declared
from operators.spelling import in_layer

SPACE = {2: "a plane", 3: "space"}
MARGIN = 1e-3
"""How far a place must be from where the result jumps, so that rounding cannot carry it over."""


def _unnormalized(grid: Array, n: int, aligned: bool) -> Array:
    """-1 and 1 are the centers (aligned) or the borders of the first and the last pixel."""
    return (grid + 1) / 2 * (n - 1) if aligned else ((grid + 1) * n - 1) / 2


def _reflected(places: Array, n: int, aligned: bool) -> Array:
    """Reflected at the first and last pixels' centers (aligned) or borders, as often as it takes."""
    low, span = (0.0, n - 1.0) if aligned else (-0.5, float(n))
    if span == 0:
        return np.zeros_like(places)
    off = np.abs(places - low) % (2 * span)
    return np.where(off > span, 2 * span - off, off) + low


def _padded(places: Array, n: int, mode: str, aligned: bool) -> Array:
    if mode == "reflection":
        places = _reflected(places, n, aligned)
    return places if mode == "zeros" else np.clip(places, 0, n - 1)


def _taken(image: Array, places: Sequence[Array]) -> Array:
    """image (channels, *spatial) at whole places (one array an axis), zero outside: (channels, *places)."""
    whole = [p.astype(int) for p in places]
    inside = np.logical_and.reduce([(p >= 0) & (p < n) for p, n in zip(whole, image.shape[1:], strict=True)])
    clipped = [np.clip(p, 0, n - 1) for p, n in zip(whole, image.shape[1:], strict=True)]
    return np.where(inside, image[(slice(None), *clipped)], 0.0)


def _sampled(image: Array, grid: Array, mode: str, padding: str, aligned: bool) -> Array:
    """One image (channels, *spatial) at the places of one grid (*made, axes), the last axis first."""
    spatial = image.shape[1:]
    places = [_unnormalized(grid[..., -1 - a], n, aligned) for a, n in enumerate(spatial)]
    if mode != "bicubic":
        places = [_padded(p, n, padding, aligned) for p, n in zip(places, spatial, strict=True)]
    if mode == "nearest":
        return _taken(image, [np.rint(p) for p in places])
    made = np.zeros((image.shape[0], *grid.shape[:-1]))
    for taps in itertools.product(range(-1, 3) if mode == "bicubic" else range(2), repeat=len(spatial)):
        at = [np.floor(p) + t for p, t in zip(places, taps, strict=True)]
        near = [p - a for p, a in zip(places, at, strict=True)]
        share = math.prod(keys(d, -0.75) if mode == "bicubic" else np.maximum(0, 1 - np.abs(d)) for d in near)
        if mode == "bicubic":
            at = [_padded(a, n, padding, aligned) for a, n in zip(at, spatial, strict=True)]
        made += share * _taken(image, at)
    return made


def _grid_reference(x: Any, grid: Any, mode: str, padding: str, aligned: bool) -> Any:
    pairs = zip(wide(x), wide(grid), strict=True)
    return np.stack([_sampled(image, places, mode, padding, aligned) for image, places in pairs])


def _grid_defined(x: Any, grid: Any, mode: str, padding: str, aligned: bool) -> bool:
    """No place is midway between two pixels where one of them is taken, nor (reflected) where the slope turns twice."""
    if mode != "nearest":
        return True
    for a, n in enumerate(x.shape[2:]):
        places = _unnormalized(wide(grid)[..., -1 - a], n, aligned)
        shares = [p % 1 for p in (places, _padded(places, n, padding, aligned))]
        if any(np.any(np.abs(share - 0.5) < 10 * MARGIN) for share in shares):
            return False
    return True


def _grid_sample(spatial: int) -> Operator:
    def rule(require: Require, x: Tensor, grid: Tensor, *, mode: str, padding: str, aligned: bool) -> Shape:
        *made, axes = grid.shape[1:]
        require(grid.shape[0] == x.shape[0], "there is a grid for each image")
        require(axes == spatial, "a place has a coordinate for each axis")
        return (*x.shape[:2], *made)

    return declared(
        f"grid_sample{spatial}d",
        f"x (batch, channels, ...) at the grid's places in {SPACE[spatial]}, from -1 to 1 inside; last axis first.",
        rule,
        tensor("x", rank=spatial + 2),
        tensor("grid", rank=spatial + 2, domain=(-1.5, 1.5)),
        attrs={
            "mode": choice("bilinear", "nearest", *(["bicubic"] if spatial == 2 else [])),
            "padding": choice("zeros", "border", "reflection"),
            "aligned": flag(),
        },
        dtypes=("float32", "float64"),
        domain=(-8.0, 8.0),
        defined=_grid_defined,
        reference=_grid_reference,
        torch='F.grid_sample({x}, {grid}, mode="{mode}", padding_mode="{padding}", align_corners={aligned})',
    )


def _affine_grid(spatial: int) -> Operator:
    def rule(require: Require, theta: Tensor, *, made: Sequence[Size], channels: Size, aligned: bool) -> Shape:
        require(theta.shape[1] == spatial, "there is a row for each axis")
        require(theta.shape[2] == spatial + 1, "there is a column for each axis and one for the shift")
        return (theta.shape[0], *made, spatial)

    def reference(theta: Any, made: Any, channels: Any, aligned: bool) -> Any:
        axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in made]
        if not aligned:
            axes = [axis * (n - 1) / n for axis, n in zip(axes, made, strict=True)]
        points = np.meshgrid(*axes, indexing="ij")
        base = np.stack([*points[::-1], np.ones(tuple(made))], -1)
        return np.einsum("...c,brc->b...r", base, wide(theta))

    def call(theta: Operand, made: Any, channels: int, aligned: bool) -> str:
        return f"F.affine_grid({theta}, {(theta.shape[0], channels, *made)}, align_corners={aligned})"

    return declared(
        f"affine_grid{spatial}d",
        f"Where the affine maps theta take the pixels of images of this size in {SPACE[spatial]}, from -1 to 1.",
        rule,
        tensor("theta", rank=3),
        attrs={"made": sizes(1, 8, count=spatial), "channels": size(1, 3), "aligned": flag()},
        dtypes=("float32", "float64"),
        domain=(-8.0, 8.0),
        reference=reference,
        torch=call,
    )


# TensorFlow


def _box_places(low: Array, high: Array, n: int, made: int) -> Array:
    """Where one box' outputs lie: https://www.tensorflow.org/api_docs/python/tf/image/crop_and_resize"""
    if made == 1:
        return 0.5 * (low + high)[:, None] * (n - 1)
    return low[:, None] * (n - 1) + np.arange(made) * ((high - low) * (n - 1) / (made - 1))[:, None]


def _crop_places(x: Any, boxes: Any, crop: Sequence[int]) -> list[Array]:
    wider = wide(boxes)
    return [_box_places(wider[:, a], wider[:, a + 2], x.shape[1 + a], crop[a]) for a in range(2)]


def _crop_reference(x: Any, boxes: Any, image: Any, crop: Any, method: str, beyond: float) -> Any:
    rows, columns = _crop_places(x, boxes, crop)
    made = np.empty((len(image), *crop, x.shape[3]))
    for b, which in enumerate(image):
        y, x_ = np.meshgrid(rows[b], columns[b], indexing="ij")
        first = np.moveaxis(wide(x)[which], -1, 0)
        inside = (y >= 0) & (y <= x.shape[1] - 1) & (x_ >= 0) & (x_ <= x.shape[2] - 1)
        if method == "nearest":
            found = _taken(first, [np.floor(y + 0.5), np.floor(x_ + 0.5)])
        else:
            found = np.zeros((x.shape[3], *crop))
            for taps in itertools.product(range(2), repeat=2):
                at = [np.floor(p) + t for p, t in zip((y, x_), taps, strict=True)]
                share = np.maximum(0, 1 - np.abs(y - at[0])) * np.maximum(0, 1 - np.abs(x_ - at[1]))
                found += share * _taken(first, at)
        made[b] = np.moveaxis(np.where(inside, found, beyond), 0, -1)
    return made


def _crop_defined(x: Any, boxes: Any, image: Any, crop: Any, method: str, beyond: float) -> bool:
    """No place is at the border, where what is beyond begins, nor midway between pixels of which one is taken."""
    for a, places in enumerate(_crop_places(x, boxes, crop)):
        last = x.shape[1 + a] - 1
        if last > 0 and np.any((np.abs(places) < MARGIN) | (np.abs(places - last) < MARGIN)):
            return False
        if method == "nearest" and np.any(np.abs(places % 1 - 0.5) < MARGIN):
            return False
    return True


def _crop_and_resize() -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        boxes: Tensor,
        image: Tensor,
        *,
        crop: Sequence[Size],
        method: str,
        beyond: float,
    ) -> Shape:
        require(boxes.shape[1] == 4, "a box has four sides")
        require(boxes.shape[0] == image.shape[0], "each box has its image")
        return (boxes.shape[0], *crop, x.shape[3])

    call = "tf.image.crop_and_resize(x, boxes, image, {crop}, method={method!r}, extrapolation_value={beyond})"
    return declared(
        "tf_crop_and_resize",
        "Boxes (top, left, bottom, right; shares of the image) of chosen images (batch, height, width, channels).",
        rule,
        tensor("x", rank=4),
        tensor("boxes", "float32", rank=2, domain=(-0.2, 1.2)),
        index("image", "int32", rank=1, domain=lambda x, **_: (0, x.shape[0] - 1)),
        attrs={"crop": sizes(1, 6, count=2), "method": choice("bilinear", "nearest"), "beyond": number(0, 4)},
        dtypes=("float32", "float16", "float64", "uint8", "int32"),
        returns="float32",
        domain=(-8.0, 8.0),
        defined=_crop_defined,
        reference=_crop_reference,
        keras=in_layer("x, boxes, image", call),
    )


# Keras


def _folded(places: Array, n: int, fill: str) -> tuple[Array, Array]:
    """Whole places brought into [0, n), and which of them were inside, as keras.ops.image.map_coordinates does."""
    inside = (places >= 0) & (places < n)
    if fill in ("constant", "nearest"):
        return np.clip(places, 0, n - 1), inside | (fill == "nearest")
    if fill == "wrap":
        return places % n, np.ones_like(inside)
    turned = np.abs(places) % (2 * n)
    return np.where(turned < n, turned, 2 * n - turned - (fill == "reflect")), np.ones_like(inside)


def _mapped(x: Any, places: Any, order: int, fill: str, value: float) -> Any:
    made = np.zeros(places.shape[1:])
    whole = wide(places)
    corners = [(0,)] * x.ndim if order == 0 else [(0, 1)] * x.ndim
    for taps in itertools.product(*corners):
        at = [np.rint(p) if order == 0 else np.floor(p) + t for p, t in zip(whole, taps, strict=True)]
        share = math.prod(np.maximum(0, 1 - np.abs(p - a)) for p, a in zip(whole, at, strict=True)) if order else 1.0
        cells = [_folded(a, n, fill) for a, n in zip(at, x.shape, strict=True)]
        found = wide(x)[tuple(cell.astype(int) for cell, _ in cells)]
        made += share * np.where(np.logical_and.reduce([known for _, known in cells]), found, value)
    return made


def _map_defined(x: Any, places: Any, order: int, fill: str, value: float) -> bool:
    """Order 0 takes the nearest entry: none is midway between two. Folding is where it is certain what it means:
    numpy and SciPy mirror about the border entries or outside them, while Keras 3.15's modes differ from both beyond
    one turn, so places stay inside for them."""
    if order == 0 and np.any(np.abs(wide(places) % 1 - 0.5) < 10 * MARGIN):
        return False
    inside = all(np.all((p > -0.5) & (p < n - 1)) for p, n in zip(wide(places), x.shape, strict=True))
    return inside or fill in ("constant", "nearest", "wrap")


def _map_coordinates() -> Operator:
    def rule(require: Require, x: Tensor, places: Tensor, *, order: int, fill: str, value: float) -> Shape:
        require(places.shape[0] == x.rank, "a place has a coordinate for each axis")
        return places.shape[1:]

    return declared(
        "map_coordinates",
        "x at places (axes, ...), by the nearest entry (order 0) or linearly (order 1), filled outside.",
        rule,
        tensor("x", rank=(1, 2, 3)),
        tensor("places", "float32", rank=(2, 3), domain=(-2.0, 8.0)),
        attrs={
            "order": choice(1, 0),
            "fill": choice("constant", "nearest", "wrap", "mirror", "reflect"),
            "value": number(0, 2),
        },
        dtypes=("float32",),
        domain=(-8.0, 8.0),
        defined=_map_defined,
        reference=_mapped,
        keras='ops.image.map_coordinates({x}, {places}, {order}, "{fill}", {value})',
    )


OPERATORS: Sequence[Operator] = [
    *map(_grid_sample, SPACE),
    *map(_affine_grid, SPACE),
    _crop_and_resize(),
    _map_coordinates(),
]
