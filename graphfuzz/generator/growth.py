"""Grow a graph node by node, with the values of everything in it."""

from __future__ import annotations

import random
from collections.abc import Mapping

from graphfuzz.generator.draft import Draft
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.insertion import Use, draw_use
from graphfuzz.generator.operands import Chooser
from graphfuzz.generator.sizing import Sizer
from graphfuzz.generator.valuation import Types, Valuation
from graphfuzz.graph import Value
from graphfuzz.solver import Profile
from graphfuzz.spec.operator import Operator


class Growth:
    """A graph that grows.

    nodes: how many it shall have. favored: as in `Sizer`. valued: whether values grow with it; without, only its
    types are valid. guide: steers the choice of operands.
    """

    def __init__(
        self,
        framework: str,
        rng: random.Random,
        max_elements: int,
        *,
        nodes: int = 1,
        profile: Profile | None = None,
        favored: int | None = None,
        valued: bool = True,
        guide: Guide | None = None,
    ) -> None:
        self.framework = framework
        self.rng = rng
        self.guide = guide
        self.sizer = Sizer(framework, rng, max_elements, profile or Profile(), favored)
        self.draft = Draft(rng, nodes)
        seed = rng.getrandbits(64)
        self.values: Valuation | Types = Valuation(self.draft, seed) if valued else Types()
        self.chooser = Chooser(framework, rng, self.draft, self.values, guide)

    def insert(
        self, op: Operator, bound: Mapping[str, str] | None = None, *, ask: bool, anchor: Value | None = None
    ) -> bool:
        """Try one use of the operator on what there is; whether it was inserted.

        bound: the dtypes of some variables. ask: as in `draw_use`. anchor: a live value that shall be an operand.
        """
        given = self.chooser.draw(op, bound or {}, anchor)
        use = given and draw_use(op, *given, self.sizer, ask=ask)
        return use is not None and self._place(use)

    def insert_before(self, op: Operator) -> bool:
        """Try one use of the operator whose first output takes an input's place; whether it was inserted."""
        target = self.rng.choice(self.draft.inputs)
        given = self.chooser.all_made(op, target)
        use = given and draw_use(op, *given, self.sizer, ask=False, target=target)
        return use is not None and self._place(use)

    def _place(self, use: Use) -> bool:
        computed = self.values.compute(use)
        if computed is None:
            return False
        self.values.keep(self.draft.place(use), computed)
        return True
