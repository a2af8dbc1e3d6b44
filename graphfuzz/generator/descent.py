"""Search for values of leaves by gradient, with no derivatives.

The leaves that a use depends on are shifted, or scaled where they are too far apart, all at once in random directions:
simultaneous perturbation (Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient
approximation", 1992). As the least violation is known, zero, so is the step: the one that would reach it, were
the violation linear (Polyak, "Minimization of unsmooth functionals", 1969).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from graphfuzz.generator.insertion import Use
from graphfuzz.generator.intervals import met
from graphfuzz.generator.valuation import Computed, Valuation, replaced, unnamed
from graphfuzz.generator.values import beside_specials, inside, ordinary_bounds
from graphfuzz.graph import LIMITS, Array, apply, extent, is_defined
from graphfuzz.spec.dtypes import is_float
from graphfuzz.spec.operator import Bounds

EVALUATIONS = 8
"""How often at the most it is computed what follows from the leaves."""
STEP = 0.25
"""By how much leaves are moved (of their size, where they are scaled) to see what changes."""
REACH = 16.0
"""By how much they are moved at the most."""
MARGIN = 1.02
"""How far beyond the end of the violation a step goes: there may be rounding."""


class _Trial(msgspec.Struct):
    """Leaves, what they violate, and whether that asks for a smaller spread."""

    leaves: Mapping[str, Array]
    violation: float
    spread: bool


class _Task(msgspec.Struct):
    """A use whose operands or outputs leave their bounds. ranges: what the leaves' other consumers need."""

    values: Valuation
    use: Use
    bounds: Sequence[Bounds | None]
    operands: Sequence[Array]
    ranges: Mapping[str, Bounds]

    def trial(self, leaves: Mapping[str, Array]) -> _Trial:
        """What these leaves violate: infinitely much, where a node's use is not ordinary."""
        changed = self.values.revalued(leaves)
        if changed is None:
            return _Trial(leaves, math.inf, False)
        return self.judged(leaves, replaced(self.use, self.operands, changed))

    def judged(self, leaves: Mapping[str, Array], arrays: Sequence[Array]) -> _Trial:
        """What these leaves violate, with which the operands are these."""
        below, above = 0.0, 0.0
        for array, limit in zip(arrays, self.bounds, strict=True):
            if limit is not None and array.size:
                low, high = extent(array)
                below, above = below + max(0.0, limit[0] - low), above + max(0.0, high - limit[1])
        if below or above:
            return _Trial(leaves, below + above, bool(below and above))
        node = unnamed(self.use)
        if not is_defined(self.use.op, node, arrays):
            return _Trial(leaves, math.inf, False)
        return _Trial(leaves, sum(map(_excess, apply(self.use.op, node, arrays))), True)

    def moved(self, leaves: Mapping[str, Array], signs: Sequence[float], by: float, spread: bool) -> dict[str, Array]:
        """The leaves, scaled or shifted, as far as their consumers allow."""
        found = {}
        for (name, array), sign in zip(leaves.items(), signs, strict=True):
            wide = array.astype("float64")
            wide = wide * (1 + by * sign) if spread else wide + by * sign
            found[name] = beside_specials(array, inside(wide, str(array.dtype), *self.ranges[name]))
        return found


def descend(values: Valuation, use: Use, bounds: Sequence[Bounds | None]) -> Computed | None:
    """The use's values with other numbers in the floats among the leaves that it depends on; None where none are found
    with which it and all others are ordinary."""
    names = dict.fromkeys(leaf for v in use.live if v is not None for leaf in values.draft.leaves_of(v.name))
    leaves = {leaf.name: values.arrays[leaf.name] for leaf in names if is_float(leaf.dtype)}
    if not leaves:
        return None
    ranges = {name: met(values.needs(name)[0], ordinary_bounds(str(a.dtype))) for name, a in leaves.items()}
    task = _Task(values, use, bounds, values.operands(use, bounds), ranges)
    now = task.judged(leaves, task.operands)
    for _ in range(EVALUATIONS // 2):
        if not 0 < now.violation < math.inf:
            break
        signs = values.rng.choice((-1.0, 1.0), len(leaves)).tolist()
        slope = (task.trial(task.moved(now.leaves, signs, STEP, now.spread)).violation - now.violation) / STEP
        if not slope or not math.isfinite(slope):
            continue
        by = max(-REACH, min(REACH, -MARGIN * now.violation / slope))
        there = task.trial(task.moved(now.leaves, signs, by, now.spread))
        now = there if there.violation < now.violation else now
    return values.with_leaves(use, bounds, task.operands, now.leaves) if now.violation == 0 else None


def _excess(array: Array) -> float:
    """How much too large the values of an output are, as a multiple of their limit."""
    low, high = extent(array) if array.size else (0.0, 0.0)
    return max(0.0, max(-low, high) / LIMITS[str(array.dtype)] - 1)
