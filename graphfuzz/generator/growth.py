"""Grow a graph node by node, with the values of everything in it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import msgspec

from graphfuzz.generator.draft import Draft
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.insertion import Use, draw_bound, draw_use
from graphfuzz.generator.operands import Chooser
from graphfuzz.generator.sizing import Sizer
from graphfuzz.generator.valuation import Types, Valuation
from graphfuzz.graph import Array, Graph, Value
from graphfuzz.solver import Profile
from graphfuzz.spec.inference import parameters_of
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
        use = given and draw_use(op, *given, self.sizer, ask=ask, guide=self.guide)
        return use is not None and self._place(use)

    def insert_on(
        self, op: Operator, live: Sequence[Value | None], *, ask: bool = False, like: Value | None = None
    ) -> bool:
        """Try one use of the operator on exactly these operands (None: made for it); whether it was inserted.

        like: a value of whose type the first output shall be.
        """
        dtypes = zip(parameters_of(op, len(live)), live, strict=True)
        given = {p.dtype: value.dtype for p, value in dtypes if value is not None and p.dtype in op.variables}
        bound = draw_bound(op, self.framework, self.rng, given)
        use = draw_use(op, live, bound, self.sizer, ask=ask, target=like, guide=self.guide)
        return use is not None and self._place(msgspec.structs.replace(use, target=None))

    def add_leaf(self, array: Array, as_input: bool) -> Value:
        """A new input, or a new weight, of this value."""
        leaf = self.draft.add_leaf(str(array.dtype), array.shape, as_input)
        self.values.hold({leaf.name: array})
        return leaf

    def resume(self, graph: Graph, arrays: Mapping[str, Array], operators: Mapping[str, Operator]) -> None:
        """Begin with a graph that another growth has made, and its values. operators: those of its nodes, by name."""
        self.draft.resume(graph, operators)
        self.values.hold(arrays)

    def insert_before(self, op: Operator) -> bool:
        """Try one use of the operator whose first output takes an input's place; whether it was inserted."""
        target = self.rng.choice(self.draft.inputs)
        given = self.chooser.all_made(op, target)
        use = given and draw_use(op, *given, self.sizer, ask=False, target=target, guide=self.guide)
        return use is not None and self._place(use)

    def _place(self, use: Use) -> bool:
        computed = self.values.compute(use)
        if computed is None:
            return False
        self.values.keep(self.draft.place(use), computed)
        return True
