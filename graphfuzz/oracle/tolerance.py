"""How far outputs may differ: the plain rule, and by which options it is chosen."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array
from graphfuzz.spec.dtypes import epsilon, part, smallest_normal

DEFAULTS = {
    "bfloat16": (1.6e-2, 1e-5),
    "float16": (1e-3, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-10, 1e-10),
}
"""(rtol, atol) by dtype: the defaults of `torch.testing.assert_close`, but for float64, whose 1e-7 there would let
float64 that was computed in float32 pass."""


class Tolerance(msgspec.Struct, frozen=True):
    """The rule in force.

    conditioning: whether a difference beyond the plain rule is held against the element's uncertainty before it is
    called wrong. rtol, atol: of the plain rule; None for the dtype's defaults. ulp: in their place, how many units in
    the last place of the expected element. margin: how many times its uncertainty an element may be off.
    """

    conditioning: bool = True
    rtol: float | None = None
    atol: float | None = None
    ulp: float | None = None
    margin: float = 1.5

    def plain(self, dtype: str, magnitude: Array) -> Array:
        """What the plain rule allows elements of these finite magnitudes, in a float or complex dtype."""
        if self.ulp is not None:
            floor = np.floor(np.log2(np.maximum(magnitude, smallest_normal(dtype))))
            return np.asarray(self.ulp * epsilon(dtype) * np.exp2(floor))
        rtol, atol = self._rates(dtype)
        return np.asarray(rtol * magnitude + atol)

    def formula(self, dtype: str, magnitude: str) -> str:
        """The same as a Python expression, for `repro.py`. magnitude: the expression of the magnitudes."""
        if self.ulp is not None:
            least = smallest_normal(dtype)
            return f"{self.ulp * epsilon(dtype)!r} * np.exp2(np.floor(np.log2(np.maximum({magnitude}, {least!r}))))"
        rtol, atol = self._rates(dtype)
        return f"{rtol!r} * {magnitude} + {atol!r}"

    def _rates(self, dtype: str) -> tuple[float, float]:
        rtol, atol = DEFAULTS[part(dtype)]
        return (rtol if self.rtol is None else self.rtol, atol if self.atol is None else self.atol)


def parse_tolerance(text: str) -> Tolerance:
    """The rule named "conditioning", "absolute:ATOL", "allclose:RTOL,ATOL" or "ulp:UNITS". Raises UsageError."""
    kind, _, numbers = text.partition(":")
    values = [_number(part, text) for part in numbers.split(",")] if numbers else []
    if kind == "conditioning" and not values:
        return Tolerance()
    if kind == "absolute" and len(values) == 1:
        return Tolerance(conditioning=False, rtol=0.0, atol=values[0])
    if kind == "allclose" and len(values) == 2:
        return Tolerance(conditioning=False, rtol=values[0], atol=values[1])
    if kind == "ulp" and len(values) == 1:
        return Tolerance(conditioning=False, ulp=values[0])
    raise _nonsense(text)


def _number(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        raise _nonsense(text) from None
    if not (math.isfinite(value) and value >= 0):
        raise _nonsense(text)
    return value


def _nonsense(text: str) -> UsageError:
    return UsageError(
        f"--tolerance {text}: write conditioning, absolute:ATOL, allclose:RTOL,ATOL or ulp:UNITS (e.g. absolute:1e-3)"
    )


def within(expected: Array, actual: Array, allowed: Array | float) -> Array:
    """Element by element: both NaN, or equal (infinities by sign), or finite and at most `allowed` apart."""
    expected, actual = expected.astype("float64"), actual.astype("float64")
    with np.errstate(all="ignore"):
        near = np.abs(expected - actual) <= allowed
    finite = np.isfinite(expected) & np.isfinite(actual)
    same: Array = (near & finite) | (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    return same
