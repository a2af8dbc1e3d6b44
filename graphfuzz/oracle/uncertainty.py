"""How well a case determines its own outputs: the uncertainty of each element, whatever computes it.

The largest of three movements counts: of the source model when run in float64; of the outputs when attributes are
rounded to float32, where ONNX has them so; and of the outputs in Monte Carlo arithmetic (Parker, "Monte Carlo
Arithmetic", 1997), where the NumPy references run in float64 and every float on the way is moved by a few spacings of
the dtype that it has in the case. The spacing is that of the element or, as kernels are accurate relative to the whole
tensor only (sums that cancel, `exp(x) - 1`, the tail of GELU, where `1 + tanh(u)` cancels), that of the upper
quartile of the tensor's magnitudes, if larger; exact values stay (see `exactness`).

A complex number is a pair of floats (see `parts`), each moved by spacings of the whole number's magnitude: products of
complex numbers are accurate relative to that.

An element of a bool or integer output, and one that turns into NaN or infinity, is wholly uncertain (infinite) if
anything changes it: it lies downstream of a discontinuity that rounding can cross. NaN and infinities that are given
stay as they are; what operators make of them is uncertain where rounding decides it (whether a factor beside an
infinity is zero, or which sign it has), and where the source framework does not make what the references do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from graphfuzz.graph import Array, Case, Graph, Node, Values, evaluate, parts, widened, widened_values
from graphfuzz.oracle.exactness import exact_values, mixing_nodes
from graphfuzz.spec.dtypes import epsilon, is_complex, is_float, part, smallest_normal
from graphfuzz.spec.registry import Registry

SPACINGS = 2.0
"""By how many spacings of its dtype a float is moved: four times what rounding one result may cost."""

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
    rounded: Collection[float] = (),
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The outputs in float64, and each output's uncertainty (float64, of the output's shape), by name; complex ones
    as their `parts`.

    expected: the source model's outputs. float64: the widened source model's, None where it has no float64 form (the
    references stand in). settled: whether the uncertainties found so far suffice. rounded: see `compare`. The same case
    gives the same result.
    """
    wide = widened(case.graph, registry, case.framework)
    graph, leaves = (case.graph, case.tensors) if wide is None else (wide, widened_values(case.tensors))
    base = {name: parts(array) for name, array in evaluate(graph, leaves, registry).items()}
    against = base if float64 is None else {name: parts(array) for name, array in float64.items()}
    own = {name: parts(expected[name]) for name in case.graph.outputs}
    amounts = {name: distance(array, against[name]) + _undefined(array, base[name]) for name, array in own.items()}
    for trial, moved in enumerate(_trials(case, graph, leaves, registry, base, rounded)):
        amounts = {name: np.maximum(amounts[name], distance(parts(moved[name]), base[name])) for name in amounts}
        if trial % STEP == STEP - 1 and settled(amounts):
            break
    return {name: against[name] for name in amounts}, amounts


def _trials(
    case: Case, graph: Graph, leaves: Values, registry: Registry, base: Values, rounded: Collection[float]
) -> Iterator[Values]:
    """The graph's values with attributes rounded, with every value rounded (zeros having either sign: which one a
    maximum or a sum has is the implementation's choice), and TRIALS times with noise.

    base: the undisturbed ones, as their `parts`.
    """
    dtypes = {name: value.dtype for name, value in case.graph.values().items()}
    exact = exact_values(case.graph, registry, case.framework, base)
    coarse = {v.name: registry[node.op].spacings for node in graph.nodes for v in node.outputs}
    mixing = mixing_nodes(graph, registry, case.framework, evaluate(graph, leaves, registry))
    rng = np.random.default_rng(0)
    yield evaluate(_with_rounded_attributes(graph, rounded), leaves, registry)
    for zero in (0.0, -0.0):
        yield evaluate(graph, leaves, registry, _rounded(dtypes, zero))
    for trial in range(TRIALS):
        noise = _Noise(dtypes, base, exact, mixing, coarse, rng, trial % 4 == 3)
        yield evaluate(graph, leaves, registry, noise.disturb, noise.disturb_operand)


def distance(a: Array, b: Array) -> Array:
    """How far elements lie apart: floats by value, infinitely if not both are NaN or one infinity; others 0 or inf."""
    if not is_float(str(a.dtype)):
        return np.where(a == b, 0.0, np.inf)
    with np.errstate(all="ignore"):
        apart = np.abs(a.astype("float64") - b.astype("float64"))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    return np.where(same, 0.0, np.where(finite, apart, np.inf))


def _undefined(made: Array, reference: Array) -> Array:
    """Infinite where NaN or an infinity is not as the reference has it: then the source framework is wrong itself."""
    finite = np.isfinite(made) & np.isfinite(reference)
    return np.where(finite, 0.0, distance(made, reference))


def _with_rounded_attributes(graph: Graph, rounded: Collection[float]) -> Graph:
    """The graph with every number among its attributes that, as a float32, is one of `rounded` replaced by that."""

    def nearest(value: Any) -> Any:
        narrow = float(np.float32(value)) if isinstance(value, float) else None
        return narrow if narrow in rounded else value

    nodes = [
        msgspec.structs.replace(node, attrs={name: nearest(value) for name, value in node.attrs.items()})
        for node in graph.nodes
    ]
    return msgspec.structs.replace(graph, nodes=tuple(nodes))


def _rounded(dtypes: dict[str, str], zero: float) -> Callable[[str, Array], Array]:
    """Every float rounded to its own dtype: overflow to infinity, zeros and numbers below the normal ones to `zero`."""

    def disturb(name: str, array: Array) -> Array:
        with np.errstate(all="ignore"):
            narrow = array.astype(part(dtypes[name]))
            tiny = smallest_normal(dtypes[name])
            return np.where(np.abs(narrow) < tiny, np.full_like(narrow, zero), narrow).astype(array.dtype)

    return disturb


class _Noise(msgspec.Struct, frozen=True, eq=False):
    """Every float moved by SPACINGS of its dtype up or down (or, if `uniform`, by any part of that), but zeros.

    What is `exact` is moved only as an operand of nodes that are `mixing`: as rounding on their way would. What is
    `coarse`, zeros too, is moved by so many spacings of its largest magnitude.
    """

    dtypes: dict[str, str]
    base: Values
    exact: Collection[str]
    mixing: Collection[str]
    coarse: Mapping[str, float]
    rng: np.random.Generator
    uniform: bool

    def disturb(self, name: str, array: Array) -> Array:
        """A value, moved unless it is exact."""
        moved = self._moved(name, array)
        return np.where(array == self.base[name], array, moved) if name in self.exact else moved

    def disturb_operand(self, node: Node, name: str, array: Array) -> Array:
        """What a node gets of a value."""
        mixes = name in self.exact and node.name in self.mixing
        return self._moved(name, array) if mixes else array

    def _moved(self, name: str, array: Array) -> Array:
        step = self.rng.uniform(-1.0, 1.0, array.shape)
        relative = SPACINGS * epsilon(self.dtypes[name]) * (step if self.uniform else np.sign(step))
        with np.errstate(all="ignore"):
            sizes = np.abs(array.astype("float64"))
            if is_complex(self.dtypes[name]):
                sizes = np.broadcast_to(np.hypot(*np.moveaxis(sizes, -1, 0))[..., None], array.shape)
            larger = np.maximum(sizes, _usual_magnitude(self.base[name]))
            size = np.where(array == 0, 0.0, larger)
            if self.coarse.get(name):
                finite = np.where(np.isfinite(array), sizes, 0.0)
                size = np.maximum(size, self.coarse[name] / SPACINGS * np.max(finite, initial=0.0))
            moved = array + (size * relative).astype(array.dtype)
        return np.where(np.isfinite(array), moved, array)


def _usual_magnitude(array: Array) -> float:
    """The (lower) upper quartile of the magnitudes that are finite and not zero; zero where there is none.

    The tail of an activation may be most of a tensor, so that the median is too small; one outlier makes the mean huge.
    """
    sizes = np.sort(np.abs(array[np.isfinite(array) & (array != 0)].astype("float64")))
    return float(sizes[3 * (sizes.size - 1) // 4]) if sizes.size else 0.0
