"""The sizes of a use of an operator: those of the operands that are made for it, and its attributes that are sizes.

They are taken as drawn where that is valid; else completed by arithmetic, and by z3 where that fails.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from graphfuzz.graph import Value
from graphfuzz.solver import Completion, Contradiction, GaveUp, Profile, Unsatisfiable, solve
from graphfuzz.spec.attributes import draw_size
from graphfuzz.spec.dims import Condition, Dim, evaluate
from graphfuzz.spec.inference import conditions, infer, size_attributes, symbolic_attributes
from graphfuzz.spec.operator import Operator, Rejected, Tensor

FAVORED_SHARE = 0.3
"""How often a size to be made is the favored one."""
STRETCHED = 0.2
"""How often an operand that is proposed for another one's shape has an axis of one element."""
COMPLETIONS = 4
"""How many times arithmetic is tried on one use."""

Decided = tuple[tuple[Tensor, ...], dict[str, Any], list[Tensor]]
"""Operands, attributes and outputs, all sizes known."""


class Sizer(msgspec.Struct):
    """Decides sizes.

    max_elements: the most a tensor may have. room: the most that all which a use adds may have. profile: the solver's.
    favored: a size that made operands often have; axes are empty only where it is 0.
    """

    framework: str
    rng: random.Random
    max_elements: int
    room: int
    profile: Profile
    favored: int | None = None

    @property
    def least(self) -> int:
        """The least size that an axis may have."""
        return 0 if self.favored == 0 else 1

    def affords(self, live: Sequence[Value | None], operands: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
        """Whether no tensor that is new, a made operand or an output, has too many elements, nor have all together."""
        made = [operand for operand, value in zip(operands, live, strict=True) if value is None]
        sizes = [math.prod(known_shape(tensor)) for tensor in (*made, *outputs)]
        return sum(sizes) <= self.room and self.least <= min(sizes) and max(sizes) <= self.max_elements

    def decide(
        self,
        op: Operator,
        operands: tuple[Tensor, ...],
        attrs: dict[str, Any],
        unknown: list[str],
        ask: bool,
        target: Value | None,
    ) -> Decided | None:
        """All sizes: drawn or proposed; or by arithmetic, the made ones alone, then with the size attributes; or by z3.

        unknown: the symbols among the operands' sizes. ask: whether z3 is asked where arithmetic finds none. target:
        what the first output shall be like. Raises Rejected where the structure itself is refused.
        """
        attributes = size_attributes(op)
        if not unknown or not _has_weights(op):  # weights seldom fit by chance
            drawn = self._proposed(operands, target) if unknown else operands
            try:
                outputs = infer(op, drawn, attrs, self.framework)
                if not _is_alike(outputs[0], target):
                    return None
                _meet(outputs, target)
            except Rejected:
                if not (attributes or unknown):
                    raise
            else:
                return drawn, attrs, outputs
        forms = [(attrs, unknown)] if unknown else []
        if attributes:
            asked = symbolic_attributes(op, attrs)
            symbols = [size.args[0] for name in attributes for size in _sizes(asked[name])]
            forms += [(asked, unknown + symbols)] if symbols else []
        for form, names in forms:
            try:
                found = self._complete(op, operands, form, attrs, names, target)
            except Contradiction:
                if names is forms[-1][1]:
                    return None
            else:
                if found is not None:
                    return found
        return self._solve(op, operands, attrs, target) if ask else None

    def _proposed(self, operands: tuple[Tensor, ...], target: Value | None) -> tuple[Tensor, ...]:
        """The operands, those to be made of the shape of one before them, or of the target, but for an axis of one
        element; or drawn."""
        draw = self._size_drawer(operands)
        found: list[Tensor] = []
        shapes = [] if target is None else [target.shape]
        for tensor in operands:
            if any(isinstance(size, Dim) for size in tensor.shape):
                like = next((shape for shape in reversed(shapes) if len(shape) == tensor.rank), None)
                shape = [draw() for _ in tensor.shape] if like is None else list(like)
                if like is not None and self.rng.random() < STRETCHED:
                    shape[self.rng.randrange(tensor.rank)] = 1
                tensor = Tensor(tensor.dtype, tuple(shape))
            found.append(tensor)
            shapes.append(known_shape(tensor))
        return tuple(found)

    def _complete(
        self,
        op: Operator,
        operands: tuple[Tensor, ...],
        asked: dict[str, Any],
        drawn: dict[str, Any],
        unknown: list[str],
        target: Value | None,
    ) -> Decided | None:
        """Unknown sizes by arithmetic, or None.

        asked: the attributes, those that are unknown as symbols. drawn: as drawn; those are tried rather.
        """
        try:
            outputs, stated = conditions(op, operands, asked, self.framework, self.least)
            stated += _meet(outputs, target)
        except Rejected:
            return None
        wishes, ranges = _drawn_sizes(op, asked, drawn), _ranges(op, asked)
        draw_made = self._size_drawer(operands)

        def draw(name: str) -> int:
            if name not in ranges:
                return draw_made()
            return wishes[name] if self.rng.random() < 0.5 else draw_size(self.rng, *ranges[name])

        task = Completion((condition for condition, _ in stated), unknown)
        for _ in range(COMPLETIONS):
            sizes = task.attempt(draw, self.rng)
            if sizes is not None:
                attrs = {name: _value_of(value, sizes) for name, value in asked.items()}
                return _known(operands, sizes), attrs, list(_known(outputs, sizes))
        return None

    def _solve(
        self,
        op: Operator,
        operands: tuple[Tensor, ...],
        attrs: dict[str, Any],
        target: Value | None,
    ) -> Decided | None:
        """Made sizes and size attributes by z3, what was drawn as its preference."""
        asked = symbolic_attributes(op, attrs)
        wishes = _drawn_sizes(op, asked, attrs)
        outputs, stated = conditions(op, operands, asked, self.framework, self.least)
        stated += _meet(outputs, target)
        draw = self._size_drawer(operands)
        for tensor in operands:
            wishes.update((s.args[0], draw()) for s in tensor.shape if isinstance(s, Dim))
        made = [size for t in outputs for size in t.shape if isinstance(size, Dim)]
        stated += [(size >= self.least, f"an output's size is at least {self.least}") for size in made]
        low = min([0, *(kind.low for kind in size_attributes(op).values())])
        try:
            sizes = solve(
                stated, wishes, reason=f"fit {op.name}", profile=self.profile, low=low, high=self.max_elements
            )
        except (Unsatisfiable, GaveUp):
            return None
        full = {**wishes, **sizes}
        fitted = {name: _value_of(value, full) for name, value in asked.items()}
        return _known(operands, full), fitted, list(_known(outputs, full))

    def _size_drawer(self, operands: Sequence[Tensor]) -> Callable[[], int]:
        """Draws a size such that the tensor of the highest rank still fits the budget."""
        rank = max((t.rank for t in operands), default=1)
        cap = max(2, min(32, int(self.max_elements ** (1 / max(rank, 1)))))

        def draw() -> int:
            favored = self.favored if self.rng.random() < FAVORED_SHARE else None
            return draw_size(self.rng, 1, cap) if favored is None else favored

        return draw


@lru_cache(1 << 14)
def _has_weights(op: Operator) -> bool:
    return any(parameter.role == "weight" for parameter in op.parameters)


def _is_alike(made: Tensor, target: Value | None) -> bool:
    """Whether an output has the target's dtype and rank, which are no matter of sizes."""
    return target is None or (made.dtype == target.dtype and made.rank == len(target.shape))


def _meet(outputs: Sequence[Tensor], target: Value | None) -> list[tuple[Condition, str]]:
    """What is left to hold for the first output to be of the target's type. Raises Rejected where it cannot be."""
    if target is None:
        return []
    made = outputs[0]
    if not _is_alike(made, target):
        raise Rejected(f"the output is a {target.dtype} of rank {len(target.shape)}")
    stated = []
    for size, wanted in zip(made.shape, target.shape, strict=True):
        if isinstance(size, Dim):
            stated.append((Condition("==", size, wanted), "the output has the size asked for"))
        elif size != wanted:
            raise Rejected("the output has the size asked for")
    return stated


def _drawn_sizes(op: Operator, asked: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, int]:
    """The drawn value of each symbol among the attributes asked for."""
    found: dict[str, int] = {}
    for name in size_attributes(op):
        pairs = zip(_sizes(asked[name]), _sizes(drawn[name]), strict=True)
        found.update((size.args[0], value) for size, value in pairs if isinstance(size, Dim))
    return found


def _ranges(op: Operator, asked: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """The bounds of each symbol among the attributes asked for."""
    return {
        size.args[0]: (kind.low, kind.high)
        for name, kind in size_attributes(op).items()
        for size in _sizes(asked[name])
        if isinstance(size, Dim)
    }


def known_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor whose sizes are all known."""
    return tuple(tensor.shape)  # type: ignore[arg-type]


def _sizes(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _value_of(value: Any, sizes: Mapping[str, int]) -> Any:
    return tuple(evaluate(v, sizes) for v in value) if isinstance(value, tuple) else evaluate(value, sizes)


def _known(tensors: Sequence[Tensor], sizes: Mapping[str, int]) -> tuple[Tensor, ...]:
    return tuple(
        [Tensor(t.dtype, tuple([evaluate(s, sizes) if isinstance(s, Dim) else s for s in t.shape])) for t in tensors]
    )
