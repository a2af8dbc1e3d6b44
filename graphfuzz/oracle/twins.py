"""The converted model against itself: outputs that are two forms of one computation must agree (metamorphic testing).

Each output is also held against the source model's. What twins add: a difference of two forms lies within one limit
where their distances from the source model, one to either side, could come to two; and it tells that the conversion
treats equal graphs differently.
"""

from __future__ import annotations

import numpy as np

from graphfuzz.graph import Array, Case, Values
from graphfuzz.oracle.tolerance import within
from graphfuzz.oracle.verdict import Mismatch

TWINS = "twins"
"""What a mismatch of twins is called."""


def twins_disagree(case: Case, expected: Values, actual: Values, limits: Values) -> Mismatch | None:
    """How twins differ in the converted model that agree in the source model; None where none do.

    expected, actual: the source and the converted model's outputs by name, complex ones as their `parts`. limits: how
    far each element of an output may be from the source model's (float64, of its shape); what right implementations
    may differ by is also what two forms may. Outputs without limits are not compared.

    That the source model's twins must agree makes a pair harmless of which an edit has left only the names.
    """
    for one, other in case.twins:
        if not limits.keys() >= {one, other} or expected[one].shape != expected[other].shape:
            continue
        allowed = np.maximum(limits[one], limits[other])
        differ = _differ(actual[one], actual[other], allowed)
        if differ.any() and not _differ(expected[one], expected[other], allowed).any():
            return _worst(one, other, actual, differ, allowed)
    return None


def _differ(a: Array, b: Array, allowed: Array) -> Array:
    """Where elements lie further apart than allowed; not where anything is."""
    return ~within(a, b, allowed) & np.isfinite(allowed)


def _worst(one: str, other: str, actual: Values, differ: Array, allowed: Array) -> Mismatch:
    a, b = (actual[name].astype("float64") for name in (one, other))
    with np.errstate(invalid="ignore"):
        apart = np.where(np.isfinite(a) & np.isfinite(b), np.abs(a - b), np.inf)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(differ, apart - allowed, -np.inf)), differ.shape))
    first, second, limit, count = float(a[index]), float(b[index]), float(allowed[index]), int(differ.sum())
    return Mismatch(
        what=TWINS,
        output=other,
        detail=f"{other}{list(index)} is {second!r}, its twin {one} {first!r}; allowed difference {limit:.3g}; "
        f"{count} of {differ.size} elements differ",
        differ=count,
        total=int(differ.size),
        index=index,
        expected=first,
        actual=second,
        allowed=limit,
    )
