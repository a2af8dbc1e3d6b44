"""How far outputs may differ: the plain rule, and by which options it is chosen."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array
from graphfuzz.spec.dtypes import part

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
    called wrong. rtol, atol: of the plain rule; None for the dtype's defaults. margin: how many times its
    uncertainty an element may be off.
    """

    conditioning: bool = True
    rtol: float | None = None
    atol: float | None = None
    margin: float = 1.5

    def plain(self, dtype: str) -> tuple[float, float]:
        """(rtol, atol) for a float dtype; for a complex one, those of its parts."""
        rtol, atol = DEFAULTS[part(dtype)]
        return (rtol if self.rtol is None else self.rtol, atol if self.atol is None else self.atol)


def parse_tolerance(text: str) -> Tolerance:
    """The rule named "conditioning", "absolute:ATOL" or "allclose:RTOL,ATOL". Raises UsageError."""
    kind, _, numbers = text.partition(":")
    values = [_number(part, text) for part in numbers.split(",")] if numbers else []
    if kind == "conditioning" and not values:
        return Tolerance()
    if kind == "absolute" and len(values) == 1:
        return Tolerance(conditioning=False, rtol=0.0, atol=values[0])
    if kind == "allclose" and len(values) == 2:
        return Tolerance(conditioning=False, rtol=values[0], atol=values[1])
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
        f"--tolerance {text}: write conditioning, absolute:ATOL or allclose:RTOL,ATOL (e.g. absolute:1e-3)"
    )


def within(expected: Array, actual: Array, allowed: Array | float) -> Array:
    """Element by element: both NaN, or equal (infinities by sign), or finite and at most `allowed` apart."""
    expected, actual = expected.astype("float64"), actual.astype("float64")
    with np.errstate(all="ignore"):
        near = np.abs(expected - actual) <= allowed
    finite = np.isfinite(expected) & np.isfinite(actual)
    same: Array = (near & finite) | (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    return same
