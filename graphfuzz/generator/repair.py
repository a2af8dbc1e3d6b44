"""Other values of leaves where a use that fits by its types is not an ordinary one.

Intervals first: the leaves upstream are drawn again inside the bounds that an operand needs, as if what lies between
only moved values about, or if it cannot have done only that, as if it were linear and increasing. What becomes of the
graph then decides. After that, if asked for, a search by gradient (see `descent`).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphfuzz.generator.descent import descend
from graphfuzz.generator.insertion import Use
from graphfuzz.generator.intervals import holds_any, met, narrowed, stretched
from graphfuzz.generator.profile import Fits
from graphfuzz.generator.valuation import Computed, Valuation
from graphfuzz.generator.values import beside_specials, draw_array, natural_bounds, ordinary_bounds
from graphfuzz.graph import Array, Value, contains, operand_bounds
from graphfuzz.spec.operator import Bounds

LEAVES = 3
"""Of how many leaves at the most a value depends for which they are drawn again."""


class Repair:
    """Finds ordinary values for uses, and counts how."""

    def __init__(self, values: Valuation, fits: Fits) -> None:
        self.values = values
        self.fits = fits
        self.in_vain: set[tuple[str, Bounds]] = set()
        """The values that could not be brought into some bounds: that is not tried again."""

    def compute(self, use: Use, search: bool) -> Computed | None:
        """The use's values, those of made operands drawn from where it is defined; None where none are found with which
        it and all others are ordinary. search: whether by gradient, too."""
        values = self.values
        bounds = operand_bounds(use.op, use.parameters, use.operands, use.attrs)
        inside = values.all_fit(use, bounds)
        computed = values.complete(use, values.operands(use, bounds)) if inside else None
        if computed is not None:
            self.fits.at_once += 1
            return computed
        computed = self._drawn_again(use, bounds) if inside else self._pulled_back(use, bounds)
        if computed is not None:
            self.fits.by_intervals += 1
            return computed
        computed = descend(values, use, bounds) if search else None
        if computed is not None:
            self.fits.by_gradient += 1
        else:
            self.fits.never += 1
        return computed

    def _drawn_again(self, use: Use, bounds: Sequence[Bounds | None]) -> Computed | None:
        """Made operands drawn again: uniform numbers of natural size, which have few ties and leave room for sums, and
        inside what the target's consumers need."""
        if None not in use.live:
            return None
        needs, _ = self.values.needs(use.target.name) if use.target else (None, 0.0)
        limits = []
        for limit, operand in zip(bounds, use.operands, strict=True):
            asked = narrowed(limit, needs, operand.dtype)
            limits.append(narrowed(asked, natural_bounds(operand.dtype), operand.dtype))
        return self.values.complete(use, self.values.operands(use, limits, plain=True))

    def _pulled_back(self, use: Use, bounds: Sequence[Bounds | None]) -> Computed | None:
        """Leaves drawn again where the operands that they lead to lie outside of their bounds."""
        values = self.values
        asked: set[tuple[str, Bounds]] = set()
        changed: dict[str, Array] = {}
        for parameter, value, limit in zip(use.parameters, use.live, bounds, strict=True):
            if value is None or limit is None or values.fits(parameter, value, limit):
                continue
            if (value.name, limit) in self.in_vain:
                return None
            asked.add((value.name, limit))
            leaves = values.draft.leaves_of(value.name)
            for leaf in leaves if len(leaves) <= LEAVES else ():
                drawn = self._drawn_for(leaf, value, limit, parameter.least) if leaf.dtype != "bool" else None
                if drawn is not None:
                    changed[leaf.name] = drawn
        computed = values.with_leaves(use, bounds, values.operands(use, bounds), changed) if changed else None
        if computed is None:
            self.in_vain |= asked
        return computed

    def _drawn_for(self, leaf: Value, value: Value, limit: Bounds, least: float) -> Array | None:
        """The leaf drawn again, so that a value which depends on it may come to lie in the bounds; None where the leaf
        can do nothing for that."""
        own, made = self.values.extent(leaf.name), self.values.extent(value.name)
        asked = limit if contains(own, made) else stretched(limit, made, own)
        if contains(asked, own):
            return None
        needs, least_needed = self.values.needs(leaf.name)
        wanted = met(asked, met(needs, ordinary_bounds(leaf.dtype)))
        if not holds_any(wanted, leaf.dtype):
            return None
        usual = narrowed(wanted, natural_bounds(leaf.dtype), leaf.dtype)
        drawn = draw_array(self.values.rng, leaf.dtype, leaf.shape, usual, max(least, least_needed))
        return beside_specials(self.values.arrays[leaf.name], drawn)
