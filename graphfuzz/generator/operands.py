"""Which of the values that there are become a node's operands, and which operands are made for it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from graphfuzz.generator.draft import INPUTS, Draft
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.insertion import draw_bound
from graphfuzz.generator.valuation import Types, Valuation
from graphfuzz.graph import Value
from graphfuzz.spec.inference import dtypes_of, places_for
from graphfuzz.spec.operator import Operator, Parameter

NEW_INPUTS = 0.15
"""How often an operand is a new input although a live value may fit."""
RELATIVES = 0.7
"""How often an operand has the shape of the one before it, if one fits: residual joins, concatenations of relatives."""
SHARED_WEIGHTS = 0.1
"""How often a node shares a weight with another one, if one fits."""
LIVE_INDICES = 0.2
"""How often an index is a live value, if one fits."""

Operands = tuple[Sequence[Value | None], dict[str, str]]
"""A live value, or None for one to be made, for each operand, and the dtypes of the signature's variables."""


class Chooser:
    """Draws operands among the values of a draft. guide: prefers new pairs of producer and consumer."""

    def __init__(
        self, framework: str, rng: random.Random, draft: Draft, values: Valuation | Types, guide: Guide | None
    ) -> None:
        self.framework = framework
        self.rng = rng
        self.draft = draft
        self.values = values
        self.guide = guide

    def draw(self, op: Operator, given: Mapping[str, str], anchor: Value | None) -> Operands | None:
        """Operands for one use; None where a further input is needed that there may not be.

        given: the dtypes of some variables. anchor: a live value that shall be an operand.
        """
        bound = dict(given)
        parameters = self._parameters(op)
        place = None
        if anchor is not None:
            place = self.rng.choice(places_for(op, self.framework, anchor.dtype, len(anchor.shape)))
            if place >= len(parameters):
                return None
            bound[parameters[place].dtype] = anchor.dtype
        chosen: list[Value | None] = []
        depends = False
        for i, parameter in enumerate(parameters):
            value = anchor if i == place else self._draw(op, parameter, bound, chosen)
            if value is not None and parameter.dtype in op.variables:
                bound[parameter.dtype] = value.dtype
            if parameter.role == "tensor":
                if value is None and not depends and not self.draft.has_room():
                    return None
                depends = True
            chosen.append(value)
        return chosen, draw_bound(op, self.framework, self.rng, bound)

    def all_made(self, op: Operator, target: Value) -> Operands | None:
        """Operands of which none is live, for a first output of the target's dtype; None where it cannot have that."""
        variable = op.returns[0] if isinstance(op.returns[0], str) else ""
        if variable and target.dtype not in dtypes_of(op, self.framework, variable):
            return None
        given = {variable: target.dtype} if variable in op.variables else {}
        bound = draw_bound(op, self.framework, self.rng, given)
        return [None] * len(self._parameters(op)), bound

    def _parameters(self, op: Operator) -> tuple[Parameter, ...]:
        """The parameter of each operand, of as many as are drawn of a variadic one."""
        last = op.parameters[-1]
        if not last.variadic:
            return op.parameters
        return op.parameters[:-1] + (last,) * self.rng.choice(last.arity)

    def _draw(
        self, op: Operator, parameter: Parameter, bound: Mapping[str, str], chosen: Sequence[Value | None]
    ) -> Value | None:
        """A live value by the parameter's role; None to have one made."""
        if parameter.role == "tensor" or (parameter.role == "index" and self.rng.random() < LIVE_INDICES):
            return self._draw_live(op, parameter, bound, chosen)
        if parameter.role == "weight" and self.rng.random() < SHARED_WEIGHTS:
            return self._draw_weight(op, parameter, bound)
        return None

    def _draw_live(
        self, op: Operator, parameter: Parameter, bound: Mapping[str, str], chosen: Sequence[Value | None]
    ) -> Value | None:
        """A live value that fits, often of another operand's shape; None to have one made."""
        pool, inputs = self.draft.pool, self.draft.inputs
        if not pool or (not self.guide and len(inputs) < INPUTS and self.rng.random() < NEW_INPUTS):
            return None
        dtypes = self._dtypes(op, parameter.dtype, bound)

        def fits(value: Value) -> bool:
            return self.values.allow(op, parameter, value)

        def better(value: Value) -> bool:
            if value in chosen:
                return False
            return self.guide is None or self.guide.is_new(self.draft.producers.get(value.name), op.name)

        relative = next((v for v in reversed(chosen) if v is not None), None)
        chance = self.rng.random()
        if relative is not None and len(relative.shape) in parameter.ranks and (chance < RELATIVES or self.guide):
            found = pool.of_shape(relative.shape, dtypes, fits, better)
            if found is not None:
                return found
        return pool.of_kind(dtypes, parameter.ranks, fits, better)

    def _draw_weight(self, op: Operator, parameter: Parameter, bound: Mapping[str, str]) -> Value | None:
        """A weight that other nodes have; None to have one made."""
        dtypes = self._dtypes(op, parameter.dtype, bound)
        fitting = [
            w
            for w in self.draft.weights
            if w.dtype in dtypes and len(w.shape) in parameter.ranks and self.values.allow(op, parameter, w)
        ]
        return self.rng.choice(fitting) if fitting else None

    def _dtypes(self, op: Operator, dtype: str, bound: Mapping[str, str]) -> Sequence[str]:
        """The dtypes that a dtype of the signature, or a variable, stands for beside those that are bound."""
        return (bound[dtype],) if dtype in bound else dtypes_of(op, self.framework, dtype)
