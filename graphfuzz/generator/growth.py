"""Grow a graph node by node, with the values of everything in it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from graphfuzz.generator.bars import Bar
from graphfuzz.generator.draft import Draft
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.insertion import Use, draw_bound, draw_use
from graphfuzz.generator.operands import Chooser
from graphfuzz.generator.profile import Profile
from graphfuzz.generator.recipe import TOTAL_ELEMENTS
from graphfuzz.generator.repair import Repair
from graphfuzz.generator.sizing import Sizer
from graphfuzz.generator.support import Support
from graphfuzz.generator.valuation import Types, Valuation
from graphfuzz.graph import Array, Graph, Value
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import Operator

KEPT = 0.25
"""The share of a graph's elements that every node has its equal share of, however large the others are."""


class Growth:
    """A graph that grows.

    max_elements: of one tensor. max_total: of all; the share `KEPT` is kept for the nodes to come. nodes: how many it
    shall have. favored: as in `Sizer`. valued: whether values grow with it; without, only its types are valid.
    guide: steers the choice of operands. support: what of their uses is to be avoided; bars: what none of them may
    be. special: as in `Valuation`; 0 for a graph without NaN and infinities.
    """

    def __init__(
        self,
        framework: str,
        rng: random.Random,
        max_elements: int,
        *,
        max_total: int = TOTAL_ELEMENTS,
        nodes: int = 1,
        profile: Profile | None = None,
        favored: int | None = None,
        valued: bool = True,
        guide: Guide | None = None,
        support: Support | None = None,
        bars: Sequence[Bar] = (),
        special: float = 0.0,
    ) -> None:
        self.framework = framework
        self.rng = rng
        self.guide = guide
        self.nodes = nodes
        self.max_total = max_total
        profile = profile or Profile()
        self.sizer = Sizer(framework, rng, max_elements, max_total, profile.solver, favored)
        self._draw = partial(draw_use, sizer=self.sizer, guide=guide, support=support, bars=bars)
        self.draft = Draft(rng, nodes)
        seed = rng.getrandbits(64)
        values = Valuation(self.draft, seed, framework, special) if valued else Types()
        self.values: Valuation | Types = values
        self.finder = Repair(values, profile.fits) if isinstance(values, Valuation) else values
        self.sizer.room -= self._kept()
        self.chooser = Chooser(framework, rng, self.draft, self.values, guide)

    def insert(
        self,
        op: Operator,
        bound: Mapping[str, str] | None = None,
        *,
        thorough: bool = False,
        anchor: Value | None = None,
    ) -> bool:
        """Try one use of the operator on what there is; whether it was inserted.

        bound: the dtypes of some variables. thorough: whether values are searched for by gradient, and sizes of a first
        node are asked of z3, where there is no cheaper way. anchor: a live value that shall be an operand.
        """
        given = self.chooser.draw(op, bound or {}, anchor)
        ask = thorough and not self.draft.nodes  # later another operator is cheaper: z3 placed 2 nodes of 75,000
        use = given and self._draw(op, *given, ask=ask)
        return use is not None and self._place(use, thorough)

    def insert_on(
        self, op: Operator, live: Sequence[Value | None], *, thorough: bool = False, like: Value | None = None
    ) -> bool:
        """Try one use of the operator on exactly these operands (None: made for it); whether it was inserted.

        like: a value of whose type the first output shall be.
        """
        dtypes = zip(parameters_of(op, len(live)), live, strict=True)
        given = {p.dtype: value.dtype for p, value in dtypes if value is not None and p.dtype in op.variables}
        bound = draw_bound(op, self.framework, self.rng, given)
        use = self._draw(op, live, bound, ask=thorough, target=like)
        return use is not None and self._place(msgspec.structs.replace(use, target=None), thorough)

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
        use = given and self._draw(op, *given, ask=False, target=target)
        return use is not None and self._place(use, thorough=False)

    def _place(self, use: Use, thorough: bool) -> bool:
        computed = self.finder.compute(use, search=thorough)
        if computed is None:
            return False
        self.values.keep(self.draft.place(use), computed)
        self.sizer.room = self.max_total - self.draft.elements - self._kept()
        return True

    def _kept(self) -> int:
        """The elements kept for the nodes after the next one."""
        missing = max(0, self.nodes - len(self.draft.nodes) - 1)
        return int(KEPT * self.max_total * missing / self.nodes)
