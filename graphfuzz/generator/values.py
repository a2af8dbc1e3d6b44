"""Values for inputs and weights, drawn from bins inside a domain.

An array's values are uniform mostly, else of one kind on which implementations differ: zeros of both signs, ties of
a rounding, equal elements, powers of two, subnormal numbers, the bounds themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from graphfuzz.graph import LIMITS, Array, is_special, joined, within
from graphfuzz.spec.dtypes import UNSIGNED, is_complex, is_float, part, smallest_normal
from graphfuzz.spec.operator import Bounds

UNUSUAL = 0.4
"""The share of arrays that are not uniform."""
LARGE = 1 / 32
"""The share, of the arrays for which no operator asks for a range, that have the range of all ordinary values."""
ZEROS = 0.3
"""The share of zeros in an array that shall have some."""
TRUE = (0.5, 0.5, 0.5, 0.5, 0.1, 0.9, 0.0, 1.0)
"""The shares of true elements that a bool array may have."""

SPECIAL = ((np.nan,), (np.inf,), (-np.inf,), (np.inf, -np.inf), (np.nan, np.inf, -np.inf))
"""The special values that an array may have: of one kind, or mixed."""

_FLOATS: Bounds = (-8.0, 8.0)
_SIGNED: Bounds = (-10, 10)
_UNSIGNED: Bounds = (0, 20)

Bin = Callable[[np.random.Generator, Array, float, float, str], Array]
"""Makes its kind of values of uniform ones: (random numbers, uniform values, low, high, dtype). What comes out need not
lie in the range."""


def natural_bounds(dtype: str) -> Bounds:
    """The range that values of a dtype are drawn from where no operator asks for another."""
    if is_float(dtype) or is_complex(dtype):
        return _FLOATS
    return _UNSIGNED if dtype in UNSIGNED else _SIGNED


def ordinary_bounds(dtype: str) -> Bounds:
    """The range of all values that an ordinary case may have (see `LIMITS`)."""
    return (0 if dtype in UNSIGNED else -LIMITS[dtype], LIMITS[dtype])


def draw_array(
    rng: np.random.Generator,
    dtype: str,
    shape: tuple[int, ...],
    bounds: Bounds | None,
    least: float = 0.0,
    *,
    plain: bool = False,
) -> Array:
    """An array of values (of complex ones, the parts) in `bounds` (inclusive), all finite, none smaller than `least`.

    Without bounds it has the dtype's natural ones, rarely its `LIMITS`. plain: uniform, and never those.
    """
    if dtype == "bool":
        return np.asarray(rng.random(shape) < TRUE[rng.integers(len(TRUE))])
    if bounds is None and not plain and rng.random() < LARGE:
        bounds = ordinary_bounds(dtype)
    low, high = bounds or natural_bounds(dtype)
    share = 0.0 if plain else UNUSUAL
    if is_complex(dtype):
        return joined(_draw_floats(rng, part(dtype), (*shape, 2), low, high, least, share))
    if is_float(dtype):
        return _draw_floats(rng, dtype, shape, low, high, least, share)
    return _draw_integers(rng, dtype, shape, math.ceil(low), math.floor(high), math.ceil(least), share)


def with_specials(rng: np.random.Generator, array: Array) -> Array:
    """The floats, of which there are some, up to a third of them (at least one) NaN or infinite."""
    kinds = SPECIAL[rng.integers(len(SPECIAL))]
    made = array.copy()
    places = rng.choice(array.size, rng.integers(1, max(1, array.size // 3), endpoint=True), replace=False)
    made.reshape(-1)[places] = rng.choice(kinds, places.size)
    return made


def beside_specials(old: Array, fresh: Array) -> Array:
    """Fresh values in place of the old ones that are finite; NaN and infinities stay where they are."""
    return np.where(np.isfinite(old), fresh, old) if is_special(old) else fresh


def _draw_floats(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], low: float, high: float, least: float, unusual: float
) -> Array:
    drawn = np.asarray(rng.uniform(low, high, shape))
    if rng.random() < unusual and drawn.size:
        drawn = _pick(rng, FLOAT_BINS)(rng, drawn, low, high, dtype)
    return inside(_away(drawn, least, low, high), dtype, low, high)


def _draw_integers(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], low: int, high: int, least: int, unusual: float
) -> Array:
    drawn = np.asarray(rng.integers(low, high, shape, endpoint=True))
    if rng.random() < unusual and drawn.size:
        drawn = np.clip(_pick(rng, INTEGER_BINS)(rng, drawn, low, high, dtype), low, high)
    return np.clip(_away(drawn, least, low, high), low, high).astype(dtype) if least else drawn.astype(dtype)


def _pick(rng: np.random.Generator, bins: Mapping[str, Bin]) -> Bin:
    return list(bins.values())[rng.integers(len(bins))]


def _some_zeros(rng: np.random.Generator, uniform: Array, low: float, high: float, dtype: str) -> Array:
    """Some elements zero; negative zero in place of a negative float."""
    return np.asarray(uniform * (rng.random(uniform.shape) >= ZEROS))


def _few(count: int) -> Bin:
    """No more than `count` different numbers."""
    return lambda rng, uniform, low, high, dtype: np.take(
        uniform, rng.integers(min(count, uniform.size), size=uniform.shape)
    )


def _powers(rng: np.random.Generator, uniform: Array, low: float, high: float, dtype: str) -> Array:
    """Powers of two, from an exponent on that may be as low as the dtype's."""
    top = math.log2(max(-low, high)) if low < high else 0.0
    least = min(top, math.log2(smallest_normal(dtype)))
    exponents = np.floor(rng.uniform(rng.uniform(least, top), top, uniform.shape))
    return np.asarray(np.copysign(2.0**exponents, uniform))


def _some_subnormal(rng: np.random.Generator, uniform: Array, low: float, high: float, dtype: str) -> Array:
    """Some elements below the normal numbers; many kernels take those for zeros."""
    return np.where(rng.random(uniform.shape) < ZEROS, np.sin(uniform) * smallest_normal(dtype), uniform)


def _bounds(rng: np.random.Generator, uniform: Array, low: float, high: float, dtype: str) -> Array:
    return np.where(rng.random(uniform.shape) < 0.5, low, high)


_COMMON_BINS: Mapping[str, Bin] = {"zeros": _some_zeros, "equal": _few(1), "few": _few(3), "bounds": _bounds}
FLOAT_BINS: Mapping[str, Bin] = {
    **_COMMON_BINS,
    "whole": lambda rng, uniform, low, high, dtype: np.round(uniform),
    "ties": lambda rng, uniform, low, high, dtype: np.floor(uniform) + 0.5,
    "near zero": lambda rng, uniform, low, high, dtype: uniform * 1e-3,
    "powers of two": _powers,
    "subnormal": _some_subnormal,
}
INTEGER_BINS: Mapping[str, Bin] = {
    **_COMMON_BINS,
    "negative": lambda rng, uniform, low, high, dtype: -np.abs(uniform),
    "zero and ones": lambda rng, uniform, low, high, dtype: uniform % 3 - 1,
}


def _away(values: Array, least: float, low: float, high: float) -> Array:
    """The values, those nearer to zero than `least` moved away from it by that much, to the side that has room."""
    if not least:
        return values
    near = np.clip(values, low, high)
    side = np.where((near < 0) & (low <= -least) | (high < least), -1, 1)
    return np.asarray(np.where(np.abs(near) < least, side * (np.abs(near) + least), near))


def inside(values: Array, dtype: str, low: float, high: float) -> Array:
    """Values of the dtype that lie in bounds even after rounding to it."""
    cast = np.asarray(np.minimum(np.maximum(values, low), high)).astype(dtype)
    if within(cast, (low, high)):
        return cast
    wide = cast.astype("float64")
    cast = np.where(wide < low, np.nextafter(cast, np.array(np.inf, dtype)), cast)
    return np.asarray(np.where(wide > high, np.nextafter(cast, np.array(-np.inf, dtype)), cast)).astype(dtype)
