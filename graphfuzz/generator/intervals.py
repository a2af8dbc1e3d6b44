"""Intervals of values; None stands for all numbers."""

from __future__ import annotations

import math
from typing import overload

from graphfuzz.spec.dtypes import is_complex, is_float
from graphfuzz.spec.operator import Bounds


@overload
def met(a: Bounds | None, b: Bounds) -> Bounds: ...


@overload
def met(a: Bounds | None, b: Bounds | None) -> Bounds | None: ...


def met(a: Bounds | None, b: Bounds | None) -> Bounds | None:
    """What lies in both, perhaps nothing: then the first bound exceeds the second."""
    if a is None or b is None:
        return a or b
    return (max(a[0], b[0]), min(a[1], b[1]))


def holds_any(bounds: Bounds | None, dtype: str) -> bool:
    """Whether a number of the dtype lies in the bounds."""
    if bounds is None or is_float(dtype) or is_complex(dtype):
        return bounds is None or bounds[0] <= bounds[1]
    return math.ceil(bounds[0]) <= math.floor(bounds[1])


def narrowed(bounds: Bounds | None, wanted: Bounds | None, dtype: str) -> Bounds | None:
    """The bounds, with the wanted ones if that leaves any number of the dtype."""
    both = met(bounds, wanted)
    return both if holds_any(both, dtype) else bounds


def stretched(bounds: Bounds, source: Bounds, target: Bounds) -> Bounds:
    """Where the linear map of one interval onto another takes the bounds; where they are, if there is no such map."""
    if not (source[0] < source[1] and target[0] < target[1]):
        return bounds
    slope = (target[1] - target[0]) / (source[1] - source[0])
    return (target[0] + slope * (bounds[0] - source[0]), target[0] + slope * (bounds[1] - source[0]))
