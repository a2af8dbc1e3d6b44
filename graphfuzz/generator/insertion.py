"""One use of an operator: which operands, of which types, with which attributes.

Structure is drawn first: dtypes, which operands are live tensors and which are made, their ranks, the attributes. Sizes
are decided then.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from graphfuzz.generator.bars import Bar
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.sizing import Sizer
from graphfuzz.generator.support import Support
from graphfuzz.graph import Value, attribute_bin, attribute_use, typed_use
from graphfuzz.spec.attributes import Ranks
from graphfuzz.spec.dims import Dim, symbol
from graphfuzz.spec.inference import check_attributes, dtypes_of, parameters_of, rank_of
from graphfuzz.spec.operator import Operator, Parameter, Rejected, Tensor

T = TypeVar("T")

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
REDRAWS = 4
"""How many times a guided attribute is drawn again whose bin has been seen."""


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


def draw_bound(op: Operator, framework: str, rng: random.Random, given: Mapping[str, str]) -> dict[str, str]:
    """A dtype for each variable of the signature, among those that the framework has; `given` ones are kept."""
    bound = dict(given)
    for variable in op.variables:
        if variable not in bound:
            allowed = dtypes_of(op, framework, variable)
            bound[variable] = _weighted(allowed, _dtype_weights(allowed), rng)
    return bound


@lru_cache(1 << 10)
def _dtype_weights(dtypes: tuple[str, ...]) -> list[float]:
    return list(accumulate(DTYPE_WEIGHTS.get(dtype, 1.0) for dtype in dtypes))


def draw_rank(parameter: Parameter, rng: random.Random) -> int:
    """A rank that the parameter allows."""
    return _weighted(parameter.ranks, _rank_weights(parameter.ranks), rng)


@lru_cache(1 << 8)
def _rank_weights(ranks: tuple[int, ...]) -> list[float]:
    return list(accumulate(RANK_WEIGHTS[rank] for rank in ranks))


def _weighted(options: Sequence[T], cumulated: Sequence[float], rng: random.Random) -> T:
    """One of the options by their weights, each added to those before it."""
    return options[bisect(cumulated, rng.random() * cumulated[-1], 0, len(options) - 1)]


def draw_use(
    op: Operator,
    live: Sequence[Value | None],
    bound: Mapping[str, str],
    sizer: Sizer,
    *,
    ask: bool,
    target: Value | None = None,
    guide: Guide | None = None,
    support: Support | None = None,
    bars: Sequence[Bar] = (),
) -> Use | None:
    """A use of the operator on these operands (None: to be made), or None where none was found.

    bound: the dtype of each variable. ask: whether z3 is asked where arithmetic finds no sizes. target: what the first
    output shall be like. guide: knows which attributes have been seen. support: what of the uses is to be avoided.
    bars: what none of them may be.
    """
    if sizer.least == 0 and not op.empty and any(0 in value.shape for value in live if value is not None):
        return None
    parameters = parameters_of(op, len(live))
    operands: tuple[Tensor, ...] = ()
    for parameter, value in zip(parameters, live, strict=True):
        operands += (_operand(parameter, value, bound, operands, sizer.rng, target),)
    if support and support.avoids(typed_use(op.name, operands[0].dtype, operands[0].rank), sizer.rng):
        return None
    ranks = rank_of(parameters, [len(t.shape) for t in operands]) if op.attrs else {}
    try:
        attrs = {name: _attribute(op, name, sizer.rng, ranks.__getitem__, guide) for name in op.attrs}
        unknown = [size.args[0] for t in operands for size in t.shape if isinstance(size, Dim)]
        if op.propose and not unknown:
            attrs.update(op.propose(sizer.rng, operands, attrs))
            check_attributes(op, ranks, attrs)
        decided = sizer.decide(op, operands, attrs, unknown, ask, target)
    except Rejected:
        return None
    if decided is None:
        return None
    operands, attrs, outputs = decided
    if any(bar.stops(op.name, operands, attrs) for bar in bars):
        return None
    if not sizer.affords(live, operands, outputs):
        return None
    return Use(op, parameters, tuple(live), tuple(operands), attrs, tuple(outputs), target)


def _attribute(op: Operator, name: str, rng: random.Random, rank: Ranks, guide: Guide | None) -> Any:
    """A drawn value of an attribute; a guided one of a bin that has not been seen, if a few draws find one."""
    value = op.attrs[name].draw(rng, rank)
    if guide is None:
        return value
    for _ in range(REDRAWS):
        if attribute_use(op.name, name, attribute_bin(value)) not in guide.uses:
            break
        value = op.attrs[name].draw(rng, rank)
    return value


def _operand(
    parameter: Parameter,
    value: Value | None,
    bound: Mapping[str, str],
    before: Sequence[Tensor],
    rng: random.Random,
    target: Value | None,
) -> Tensor:
    """A live operand as it is, one to be made with a symbol for each size, often of the rank of the one before it;
    variadic ones mostly, those for a target mostly of its rank."""
    if value is not None:
        return Tensor(value.dtype, value.shape)
    if before and before[-1].rank in parameter.ranks and rng.random() < (0.8 if parameter.variadic else 0.5):
        rank = before[-1].rank
    elif target is not None and len(target.shape) in parameter.ranks and rng.random() < 0.8:
        rank = len(target.shape)
    else:
        rank = draw_rank(parameter, rng)
    return Tensor(bound.get(parameter.dtype, parameter.dtype), _unknown_shape(len(before), rank))


@lru_cache(1 << 10)
def _unknown_shape(place: int, rank: int) -> tuple[Dim, ...]:
    return tuple(symbol(f"s{place}_{axis}") for axis in range(rank))
