"""The source model's outputs against the converted model's: count, dtype, shape, values.

Bools and integers agree when equal, and floats within a plain rule (see `tolerance`). NaN agrees with NaN alone,
whatever its sign and payload, of which IEEE 754 (6.2, 6.3) leaves most to implementations; an infinity with the same
one alone; and -0.0 with 0.0, since which of them a sum or a maximum is, is the implementation's choice. Complex numbers
are compared as pairs of floats, `expected` below being the whole number's magnitude; the last index of an element then
tells its part: 0 for the real one, 1 for the imaginary one.

What lies beyond the plain rule is held against the element's uncertainty, which is measured only then. An element may
be off by

    margin * uncertainty + rtol * |expected| + atol

Twins (see `graphfuzz.oracle.twins`) may be that far from each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from graphfuzz.graph import Array, Case, Graph, Values, parts
from graphfuzz.oracle.tolerance import Tolerance, within
from graphfuzz.oracle.twins import twins_disagree
from graphfuzz.oracle.uncertainty import measure
from graphfuzz.oracle.verdict import OK, UNSTABLE, WRONG_OUTPUT, Mismatch
from graphfuzz.spec.dtypes import is_complex, is_float
from graphfuzz.spec.registry import Registry


def compare(
    case: Case,
    registry: Registry,
    expected: Values,
    actual: Sequence[Array],
    tolerance: Tolerance,
    float64: Callable[[], Values | None] = lambda: None,
    rounded: Collection[float] = (),
) -> tuple[str, Mismatch | None]:
    """`ok`, `unstable` or `wrong-output`, for the latter two with the element that is furthest off.

    expected: by output name. actual: in order. float64: runs the widened source model, where there is one; called only
    when outputs differ. rounded: the numbers that the converted model has as attributes, hence in float32.
    Raises WrongReference.
    """
    wrong = _structure(case.graph, expected, actual)
    if wrong:
        return WRONG_OUTPUT, wrong
    given = {name: parts(array) for name, array in zip(case.graph.outputs, actual, strict=True)}
    compared = [name for name in case.graph.outputs if name not in uncompared(case.graph, registry)]
    allowed = {name: _plain(expected[name], tolerance) for name in compared}
    whole, expected = expected, {name: parts(array) for name, array in expected.items()}
    differ = {name: ~_agree(expected[name], given[name], allowed[name]) for name in compared}

    def worst(masks: Values, limits: Values, wide: Values) -> Mismatch | None:
        """Where an output differs from the source model's or, if none does, from its twin."""
        if any(mask.any() for mask in masks.values()):
            return _first_worst(expected, given, masks, limits, wide)
        return twins_disagree(case, expected, given, limits)

    found = worst(differ, allowed, {})
    if found is None:
        return OK, None
    if not tolerance.conditioning:
        return WRONG_OUTPUT, found

    def limits(amounts: Values) -> dict[str, Array]:
        return {name: allowed[name] + tolerance.margin * amounts[name] for name in compared}

    def beyond(amounts: Values) -> dict[str, Array]:
        near = {name: _agree(expected[name], given[name], limit) for name, limit in limits(amounts).items()}
        return {name: differ[name] & ~near[name] & np.isfinite(amounts[name]) for name in compared}

    def settled(amounts: Values) -> bool:
        return worst(beyond(amounts), limits(amounts), {}) is None

    wide, amounts = measure(case, registry, whole, float64(), settled, rounded)
    wrong = worst(beyond(amounts), limits(amounts), wide)
    if wrong is not None:
        return WRONG_OUTPUT, wrong
    return UNSTABLE, worst(differ, limits(amounts), wide) or found


def largest_difference(graph: Graph, registry: Registry, expected: Values, actual: Sequence[Array]) -> float:
    """The largest absolute difference of two elements of a model's outputs, as the studies took it: NaN differs from
    nothing. Infinite where types differ, which no difference tells. What is the implementation's choice is left out.
    """
    largest, chosen = 0.0, uncompared(graph, registry)
    for (name, wanted), given in zip(expected.items(), actual, strict=False):
        if name in chosen:
            continue
        if wanted.dtype != given.dtype or wanted.shape != given.shape:
            return math.inf
        with np.errstate(all="ignore"):
            apart = np.abs(parts(wanted).astype("float64") - parts(given).astype("float64"))
        largest = max(largest, float(np.nan_to_num(apart, nan=0.0, posinf=math.inf).max(initial=0.0)))
    return largest


def uncompared(graph: Graph, registry: Registry) -> set[str]:
    """The values that are the implementation's choice, or depend on one that is."""
    found: set[str] = set()
    for node in graph.nodes:
        if not registry[node.op].compared or found.intersection(node.inputs):
            found.update(value.name for value in node.outputs)
    return found


def _structure(graph: Graph, expected: Values, actual: Sequence[Array]) -> Mismatch | None:
    if len(actual) != len(graph.outputs):
        return Mismatch("count", "", f"{len(actual)} outputs, not {len(graph.outputs)}")
    for name, given in zip(graph.outputs, actual, strict=True):
        wanted = expected[name]
        if given.dtype != wanted.dtype:
            return Mismatch("dtype", name, f"{name} is {given.dtype}, not {wanted.dtype}")
        if given.shape != wanted.shape:
            return Mismatch("shape", name, f"{name} has shape {list(given.shape)}, not {list(wanted.shape)}")
    return None


def _plain(expected: Array, tolerance: Tolerance) -> Array:
    """What the plain rule allows each element (each part of a complex one); nothing for bools and integers."""
    dtype = str(expected.dtype)
    if is_complex(dtype):
        return np.stack([tolerance.plain(dtype, np.abs(expected.astype("complex128")))] * 2, -1)
    if not is_float(dtype):
        return np.zeros(expected.shape)
    finite = np.isfinite(expected)
    return np.where(finite, tolerance.plain(dtype, np.where(finite, np.abs(expected.astype("float64")), 0.0)), 0.0)


def _agree(expected: Array, actual: Array, allowed: Array) -> Array:
    if not is_float(str(expected.dtype)):
        return np.asarray(expected == actual)
    return within(expected.astype("float64"), actual.astype("float64"), allowed)


def _first_worst(expected: Values, given: Values, masks: Values, allowed: Values, wide: Values) -> Mismatch:
    """The worst element of the first output with any under its mask."""
    name = next(name for name, mask in masks.items() if mask.any())
    return _worst(name, expected[name], given[name], masks[name], allowed[name], wide.get(name))


def _worst(name: str, expected: Array, actual: Array, mask: Array, allowed: Array, wide: Array | None) -> Mismatch:
    """The element that is furthest beyond what it was allowed; NaN and infinity on one side come first."""
    with np.errstate(all="ignore"):
        apart = np.abs(expected.astype("float64") - actual.astype("float64"))
        excess = np.where(np.isfinite(apart), apart - np.where(np.isfinite(allowed), allowed, 0.0), np.inf)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(mask, excess, -np.inf)), mask.shape))
    wanted, given, limit = float(expected[index]), float(actual[index]), float(allowed[index])
    special = bool(np.isfinite(wanted) != np.isfinite(given)) or not (np.isfinite(wanted) or wanted == given)
    count = int(mask.sum())
    return Mismatch(
        what="special" if special else "value",
        output=name,
        detail=f"{name}{list(index)} is {given!r}, not {wanted!r}; allowed difference {limit:.3g}; "
        f"{count} of {mask.size} elements differ",
        differ=count,
        total=int(mask.size),
        index=index,
        expected=wanted,
        float64=None if wide is None else float(wide[index]),
        actual=given,
        allowed=limit,
    )
