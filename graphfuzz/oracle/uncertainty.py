"""How well a case determines its own outputs: the uncertainty of each element, whatever computes it.

Two sources, of which the larger counts: how far the source model is from itself in float64, and how far the outputs
move in Monte Carlo arithmetic (Parker, "Monte Carlo Arithmetic", 1997), where the NumPy references run in float64 and
every float on the way is moved by a few spacings of the dtype that it has in the case. The spacing is that of the
element and, as kernels are accurate relative to the whole tensor only (sums that cancel, `exp(x) - 1`, polynomials near
their zeros), that of the tensor's median magnitude as well; exact zeros stay. An element of a bool or
integer output, and one that turns into NaN or infinity, is wholly uncertain (infinite) if anything changes it: it lies
downstream of a discontinuity that rounding can cross.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphfuzz.graph import Array, Case, Values, evaluate, widened, widened_values
from graphfuzz.spec.dtypes import epsilon, is_float
from graphfuzz.spec.registry import Registry

SPACINGS = 4.0
"""By how many spacings of its dtype a float is moved: the error of one faithful kernel is 1 to 4 of them."""

TRIALS = 32
"""The most trials with noise. Over a discontinuity at one element, n trials miss with probability about 2**-n."""

STEP = 8
"""After how many trials it is asked again whether more are needed."""


def measure(
    case: Case,
    registry: Registry,
    expected: Values,
    float64: Values | None,
    settled: Callable[[Values], bool] = lambda amounts: False,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The outputs in float64, and each output's uncertainty (float64, of the output's shape), by name.

    expected: the source model's outputs. float64: the widened source model's, None where it has no float64 form (the
    references stand in). settled: whether the uncertainties found so far suffice. The same case gives the same result.
    """
    wide = widened(case.graph, registry, case.framework)
    graph, leaves = (case.graph, case.tensors) if wide is None else (wide, widened_values(case.tensors))
    base = evaluate(graph, leaves, registry)
    against = base if float64 is None else float64
    amounts = {name: distance(expected[name], against[name]) for name in case.graph.outputs}
    dtypes = {name: value.dtype for name, value in case.graph.values().items()}
    rng = np.random.default_rng(0)
    disturbances = [_rounded(dtypes)] + [_noisy(dtypes, base, rng, trial % 4 == 3) for trial in range(TRIALS)]
    for trial, disturb in enumerate(disturbances):
        if trial % STEP == 0 and trial and settled(amounts):
            break
        moved = evaluate(graph, leaves, registry, disturb)
        amounts = {name: np.maximum(amounts[name], distance(moved[name], base[name])) for name in amounts}
    return {name: against[name] for name in amounts}, amounts


def distance(a: Array, b: Array) -> Array:
    """How far elements lie apart: floats by value, infinitely if not both are NaN or one infinity; others 0 or inf."""
    if not is_float(str(a.dtype)):
        return np.where(a == b, 0.0, np.inf)
    with np.errstate(all="ignore"):
        apart = np.abs(a.astype("float64") - b.astype("float64"))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    return np.where(same, 0.0, np.where(finite, apart, np.inf))


def _rounded(dtypes: dict[str, str]) -> Callable[[str, Array], Array]:
    """Every float rounded to its own dtype: overflow to infinity, and numbers below the normal ones flushed to zero."""

    def disturb(name: str, array: Array) -> Array:
        with np.errstate(all="ignore"):
            narrow = array.astype(dtypes[name])
            tiny = np.finfo(dtypes[name]).tiny
            return np.where(np.abs(narrow) < tiny, np.zeros_like(narrow), narrow).astype(array.dtype)

    return disturb


def _noisy(
    dtypes: dict[str, str], base: Values, rng: np.random.Generator, uniform: bool
) -> Callable[[str, Array], Array]:
    """Every float moved by SPACINGS of its dtype up or down (or by any part of that), except exact ones."""

    def disturb(name: str, array: Array) -> Array:
        step = rng.uniform(-1.0, 1.0, array.shape)
        relative = SPACINGS * epsilon(dtypes[name]) * (step if uniform else np.sign(step))
        with np.errstate(all="ignore"):
            size = np.where(array == 0, 0.0, np.abs(array.astype("float64")) + _median_magnitude(base[name]))
            moved = array + (size * relative).astype(array.dtype)
        moved = np.where(np.isfinite(array), moved, array)
        return np.where(array == base[name], array, moved) if _is_short(base[name], dtypes[name]) else moved

    return disturb


def _median_magnitude(array: Array) -> float:
    """The (lower) median of the magnitudes that are finite and not zero; zero where there is none."""
    sizes = np.sort(np.abs(array[np.isfinite(array) & (array != 0)].astype("float64")))
    return float(sizes[(sizes.size - 1) // 2]) if sizes.size else 0.0


def _is_short(array: Array, dtype: str) -> bool:
    """Whether all elements are multiples of 1/16 far inside the dtype's precision.

    Such a tensor was not computed with rounding errors but counted, compared, rounded, or given: on it every
    implementation is exact. Without this rule nothing could be said of a rounding mode, which shows at ties only.
    """
    with np.errstate(all="ignore"):
        short = (array * 16 == np.round(array * 16)) & (np.abs(array) <= 1 / (64 * epsilon(dtype)))
    return bool(np.all(short))
