"""Values for inputs and weights, drawn from bins inside a domain."""

from __future__ import annotations

import math

import numpy as np

from graphfuzz.graph import Array, joined
from graphfuzz.spec.dtypes import UNSIGNED, is_complex, is_float, part
from graphfuzz.spec.operator import Bounds

_FLOATS: Bounds = (-8.0, 8.0)
_SIGNED: Bounds = (-10, 10)
_UNSIGNED: Bounds = (0, 20)


def natural_bounds(dtype: str) -> Bounds:
    """The range that values of a dtype are drawn from where no operator asks for another."""
    if is_float(dtype) or is_complex(dtype):
        return _FLOATS
    return _UNSIGNED if dtype in UNSIGNED else _SIGNED


def draw_array(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], bounds: Bounds | None, least: float = 0.0
) -> Array:
    """An array of values (of complex ones, the parts) in `bounds` (inclusive; the natural ones unless told), none of a
    magnitude below `least`."""
    if dtype == "bool":
        return np.asarray(rng.random(shape) < rng.choice([0.5, 0.5, 0.1, 0.9]))
    low, high = bounds or natural_bounds(dtype)
    if is_complex(dtype):
        parts = _away(_draw_floats(rng, (*shape, 2), low, high), least, high)
        return joined(_inside(parts, part(dtype), low, high))
    if not is_float(dtype):
        drawn = np.asarray(rng.integers(int(low), int(high), shape, endpoint=True))
        return _away(drawn, math.ceil(least), high).astype(dtype)
    return _inside(_away(_draw_floats(rng, shape, low, high), least, high), dtype, low, high)


def _away(values: Array, least: float, high: float) -> Array:
    """The values, those nearer to zero than `least` moved away from it by that much."""
    if not least:
        return values
    step = np.where((values < 0) | (high < least), -least, least)
    return np.asarray(np.where(np.abs(values) < least, values + step, values))


def _draw_floats(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> Array:
    """Uniform over the range, or whole numbers, near the origin, uniform with zeros, or signed powers of two."""
    uniform = np.asarray(rng.uniform(low, high, shape))
    bin_ = rng.integers(10)
    if bin_ < 6:
        return uniform
    if bin_ == 6:
        return np.round(uniform)
    if bin_ == 7:
        return uniform * 1e-3
    if bin_ == 8:
        return np.where(rng.random(shape) < 0.3, 0.0, uniform)
    return np.asarray(np.sign(uniform) * 2.0 ** rng.integers(-6, 4, shape))


def _inside(values: Array, dtype: str, low: float, high: float) -> Array:
    """Values of the dtype that lie in bounds even after rounding to it."""
    cast = np.clip(values, low, high).astype(dtype)
    wide = cast.astype("float64")
    cast = np.where(wide < low, np.nextafter(cast, np.array(np.inf, dtype)), cast)
    return np.asarray(np.where(wide > high, np.nextafter(cast, np.array(-np.inf, dtype)), cast)).astype(dtype)
