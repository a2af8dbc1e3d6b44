"""One use of an operator: which operands, of which types, with which attributes.

Structure is drawn first: dtypes, which operands are live tensors and which are made, their ranks, the attributes. Sizes
that are still unknown are then completed by arithmetic, and by z3 where that fails.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from graphfuzz.graph import Value
from graphfuzz.solver import Completion, Contradiction, GaveUp, Profile, Unsatisfiable, solve
from graphfuzz.spec.attributes import draw_size
from graphfuzz.spec.dims import Condition, Dim, evaluate, prod, symbol
from graphfuzz.spec.inference import (
    check_attributes,
    conditions,
    dtypes_of,
    infer,
    parameters_of,
    rank_of,
    size_attributes,
    symbolic_attributes,
)
from graphfuzz.spec.operator import Operator, Parameter, Rejected, Tensor

DTYPE_WEIGHTS: Mapping[str, float] = {
    "float32": 6,
    "int64": 2,
    "int32": 2,
    "bool": 1.5,
    "complex64": 0.3,
    "complex128": 0.1,
}
"""How often a dtype is drawn for a made operand; 1 for the others."""
RANK_WEIGHTS = (0.5, 2, 4, 5, 5, 1, 0.5)
FAVORED_SHARE = 0.3
"""How often a size to be made is the favored one."""
COMPLETIONS = 4
"""How many times arithmetic is tried on one use."""


class Use(msgspec.Struct, frozen=True):
    """A decided use: each operand is a live value or, where it is None, one to be made of the type beside it.

    target: the input whose place the first output takes; None behind all nodes.
    """

    op: Operator
    parameters: tuple[Parameter, ...]
    live: tuple[Value | None, ...]
    operands: tuple[Tensor, ...]
    attrs: dict[str, Any]
    outputs: tuple[Tensor, ...]
    target: Value | None = None


def known_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor whose sizes are all known."""
    return tuple(tensor.shape)  # type: ignore[arg-type]


def draw_bound(op: Operator, framework: str, rng: random.Random, given: Mapping[str, str]) -> dict[str, str]:
    """A dtype for each variable of the signature, among those that the framework has; `given` ones are kept."""
    bound = dict(given)
    for variable in op.variables:
        if variable not in bound:
            allowed = dtypes_of(op, framework, variable)
            bound[variable] = rng.choices(allowed, [DTYPE_WEIGHTS.get(d, 1.0) for d in allowed])[0]
    return bound


def draw_rank(parameter: Parameter, rng: random.Random) -> int:
    """A rank that the parameter allows."""
    return rng.choices(parameter.ranks, [RANK_WEIGHTS[r] for r in parameter.ranks])[0]


class Inserter(msgspec.Struct):
    """What inserting needs besides the operator.

    max_elements: the most a tensor may have. profile: the solver's. favored: a size that made operands often have;
    axes are empty only where it is 0.
    """

    framework: str
    max_elements: int
    profile: Profile
    favored: int | None = None

    @property
    def least(self) -> int:
        """The least size that an axis may have."""
        return 0 if self.favored == 0 else 1

    def use(
        self,
        op: Operator,
        live: Sequence[Value | None],
        bound: Mapping[str, str],
        rng: random.Random,
        ask: bool,
        target: Value | None = None,
    ) -> Use | None:
        """A use of the operator on these operands (None: to be made), or None where none was found.

        ask: whether z3 is asked where arithmetic finds no sizes. target: what the first output shall be like.
        """
        if not op.empty and any(0 in value.shape for value in live if value is not None):
            return None
        parameters = parameters_of(op, len(live))
        operands: tuple[Tensor, ...] = ()
        for parameter, value in zip(parameters, live, strict=True):
            operands += (self._operand(parameter, value, bound, operands, rng, target),)
        ranks = rank_of(parameters, [t.rank for t in operands])
        try:
            attrs = {name: kind.draw(rng, ranks.__getitem__) for name, kind in op.attrs.items()}
            unknown = [s.args[0] for t in operands for s in t.shape if isinstance(s, Dim)]
            if op.propose and not unknown:
                attrs.update(op.propose(rng, operands, attrs))
                check_attributes(op, ranks, attrs)
            decided = self._fit(op, operands, attrs, unknown, rng, ask, target)
        except Rejected:
            return None
        if decided is None or not self._affordable(decided):
            return None
        operands, attrs, outputs = decided
        return Use(op, parameters, tuple(live), tuple(operands), attrs, tuple(outputs), target)

    def _operand(
        self,
        parameter: Parameter,
        value: Value | None,
        bound: Mapping[str, str],
        before: Sequence[Tensor],
        rng: random.Random,
        target: Value | None,
    ) -> Tensor:
        """A live operand as it is, one to be made with a symbol for each size; variadic ones mostly of one rank, those
        for a target mostly of its rank."""
        if value is not None:
            return Tensor(value.dtype, value.shape)
        if parameter.variadic and before and rng.random() < 0.8:
            rank = before[-1].rank
        elif target is not None and len(target.shape) in parameter.ranks and rng.random() < 0.8:
            rank = len(target.shape)
        else:
            rank = draw_rank(parameter, rng)
        return Tensor(
            bound.get(parameter.dtype, parameter.dtype), tuple(symbol(f"s{len(before)}_{axis}") for axis in range(rank))
        )

    def _affordable(self, decided: tuple[Sequence[Tensor], Any, Sequence[Tensor]]) -> bool:
        operands, _, outputs = decided
        counts = [evaluate(prod(t.shape), {}) for t in (*operands, *outputs)]
        return all(self.least <= count <= self.max_elements for count in counts)

    def _fit(
        self,
        op: Operator,
        operands: tuple[Tensor, ...],
        attrs: dict[str, Any],
        unknown: list[str],
        rng: random.Random,
        ask: bool,
        target: Value | None,
    ) -> tuple[tuple[Tensor, ...], dict[str, Any], list[Tensor]] | None:
        """All sizes decided: as drawn; or by arithmetic, the made ones alone, then with the size attributes; or by z3.

        Raises Rejected where the structure itself is refused.
        """
        attributes = size_attributes(op)
        if not unknown:
            try:
                outputs = infer(op, operands, attrs, self.framework)
                _meet(outputs, target)
            except Rejected:
                if not attributes:
                    raise
            else:
                return operands, attrs, outputs
        asked = symbolic_attributes(op, attrs)
        symbols = [size.args[0] for name in attributes for size in _sizes(asked[name])]
        forms = [(attrs, unknown)] if unknown else []
        forms += [(asked, unknown + symbols)] if symbols else []
        for form, names in forms:
            try:
                found = self._complete(op, operands, form, attrs, names, rng, target)
            except Contradiction:
                if len(names) == len(unknown + symbols):
                    return None
            else:
                if found is not None:
                    return found
        return self._solve(op, operands, attrs, rng, target) if ask else None

    def _complete(
        self,
        op: Operator,
        operands: tuple[Tensor, ...],
        asked: dict[str, Any],
        drawn: dict[str, Any],
        unknown: list[str],
        rng: random.Random,
        target: Value | None,
    ) -> tuple[tuple[Tensor, ...], dict[str, Any], list[Tensor]] | None:
        """Unknown sizes by arithmetic, or None.

        asked: the attributes, those that are unknown as symbols. drawn: as drawn; those are tried rather.
        """
        try:
            outputs, stated = conditions(op, operands, asked, self.framework, self.least)
            stated += _meet(outputs, target)
        except Rejected:
            return None
        wishes, ranges = _drawn_sizes(op, asked, drawn), _ranges(op, asked)
        draw_made = self._size_drawer(operands, rng)

        def draw(name: str) -> int:
            if name not in ranges:
                return draw_made()
            return wishes[name] if rng.random() < 0.5 else draw_size(rng, *ranges[name])

        task = Completion((condition for condition, _ in stated), unknown)
        for _ in range(COMPLETIONS):
            sizes = task.attempt(draw, rng)
            if sizes is not None:
                attrs = {name: _value_of(value, sizes) for name, value in asked.items()}
                return _known(operands, sizes), attrs, list(_known(outputs, sizes))
        return None

    def _solve(
        self,
        op: Operator,
        operands: tuple[Tensor, ...],
        attrs: dict[str, Any],
        rng: random.Random,
        target: Value | None,
    ) -> tuple[tuple[Tensor, ...], dict[str, Any], list[Tensor]] | None:
        """Made sizes and size attributes by z3, what was drawn as its preference."""
        asked = symbolic_attributes(op, attrs)
        wishes = _drawn_sizes(op, asked, attrs)
        outputs, stated = conditions(op, operands, asked, self.framework, self.least)
        stated += _meet(outputs, target)
        draw = self._size_drawer(operands, rng)
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

    def _size_drawer(self, operands: Sequence[Tensor], rng: random.Random) -> Callable[[], int]:
        """Draws a size such that the tensor of the highest rank still fits the budget."""
        rank = max((t.rank for t in operands), default=1)
        cap = max(2, min(32, int(self.max_elements ** (1 / max(rank, 1)))))

        def draw() -> int:
            favored = self.favored if rng.random() < FAVORED_SHARE else None
            return draw_size(rng, 1, cap) if favored is None else favored

        return draw


def _meet(outputs: Sequence[Tensor], target: Value | None) -> list[tuple[Condition, str]]:
    """What is left to hold for the first output to be of the target's type. Raises Rejected where it cannot be."""
    if target is None:
        return []
    made = outputs[0]
    if made.dtype != target.dtype or made.rank != len(target.shape):
        raise Rejected(f"the output is a {target.dtype} of rank {len(target.shape)}")
    stated = []
    for size, wanted in zip(made.shape, target.shape, strict=True):
        if isinstance(size, Dim):
            stated.append((size == wanted, "the output has the size asked for"))
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


def _sizes(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _value_of(value: Any, sizes: Mapping[str, int]) -> Any:
    return tuple(evaluate(v, sizes) for v in value) if isinstance(value, tuple) else evaluate(value, sizes)


def _known(tensors: Sequence[Tensor], sizes: Mapping[str, int]) -> tuple[Tensor, ...]:
    return tuple(Tensor(t.dtype, tuple(evaluate(s, sizes) for s in t.shape)) for t in tensors)
