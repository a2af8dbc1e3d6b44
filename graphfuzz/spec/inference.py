"""The two readings of a declaration: types from known sizes, and conditions on unknown ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from graphfuzz.spec.attributes import Size as SizeAttribute
from graphfuzz.spec.attributes import Sizes as SizesAttribute
from graphfuzz.spec.dims import Condition, Dim, negate, symbol
from graphfuzz.spec.operator import MAX_RANK, Operator, Parameter, Rejected, Tensor, resolve


@lru_cache(1 << 14)
def parameters_of(op: Operator, count: int) -> tuple[Parameter, ...]:
    """The parameter that each of `count` operands belongs to. Raises Rejected where the count does not fit."""
    parameters = op.parameters
    last = parameters[-1]
    extra = count - (len(parameters) - 1)
    if (extra not in last.arity) if last.variadic else (extra != 1):
        raise Rejected(f"the number of operands fits {op.name}, not {count}")
    return parameters if extra == 1 else parameters[:-1] + (last,) * extra


@lru_cache(1 << 16)
def places_for(op: Operator, framework: str, dtype: str, rank: int) -> Sequence[int]:
    """The parameters, by their places, that may be a live tensor of this dtype and rank in a framework."""
    return [i for i, p in enumerate(op.parameters) if (dtype, rank) in kinds_of(op, framework, p)]


def kinds_of(op: Operator, framework: str, parameter: Parameter) -> Sequence[tuple[str, int]]:
    """The dtypes and ranks of the live tensors that may be a parameter's operand in a framework."""
    if parameter.role != "tensor":
        return []
    return [(dtype, rank) for dtype in dtypes_of(op, framework, parameter.dtype) for rank in parameter.ranks]


def dtypes_of(op: Operator, framework: str, dtype: str) -> tuple[str, ...]:
    """The dtypes that a variable of the signature may stand for in a framework; a dtype stands for itself."""
    return op.emissions[framework].dtypes.get(dtype, op.variables.get(dtype, (dtype,)))


def rank_of(parameters: Sequence[Parameter], ranks: Sequence[int]) -> Mapping[str, int]:
    """The rank of each operand by parameter name (of the first, for a variadic one)."""
    found: dict[str, int] = {}
    for parameter, rank in zip(parameters, ranks, strict=True):
        found.setdefault(parameter.name, rank)
    return found


def infer(op: Operator, operands: Sequence[Tensor], attrs: Mapping[str, Any], framework: str) -> list[Tensor]:
    """The outputs' types for operands of known sizes. Raises Rejected with the requirement that does not hold.

    Every rank, dtype and requirement is checked; that the attributes are of their kinds is `check_attributes`' part.
    """
    if not op.empty and any(0 in operand.shape for operand in operands):
        raise Rejected("no axis is empty")
    return _apply(op, operands, attrs, framework, Requirements(framework))


def conditions(
    op: Operator, operands: Sequence[Tensor], attrs: Mapping[str, Any], framework: str, least: int = 0
) -> tuple[list[Tensor], list[tuple[Condition, str]]]:
    """The outputs' types as expressions, and what must hold with its reasons, where some sizes are unknown.

    Includes the bounds of size attributes, and that every size is at least `least`, or 1 if no axis may be empty.
    Raises Rejected where a requirement that needs no unknown fails already.
    """
    stated: list[tuple[Condition, str]] = []

    collect = Requirements(framework, stated)
    smallest = least if op.empty else max(1, least)
    reason = f"a size is at least {smallest}"
    for operand in operands:
        for size in operand.shape:
            if isinstance(size, Dim):
                stated.append((size >= smallest, reason))
            elif size < smallest:
                raise Rejected(reason)
    for name, kind in size_attributes(op).items():
        reason = f"'{name}' lies in [{kind.low}, {kind.high}]"
        for value in attrs[name] if isinstance(kind, SizesAttribute) else (attrs[name],):
            collect(value >= kind.low, reason)
            collect(value <= kind.high, reason)
    return _apply(op, operands, attrs, framework, collect), stated


@lru_cache(4096)
def size_attributes(op: Operator) -> Mapping[str, SizeAttribute | SizesAttribute]:
    """The attributes that a rule may relate to shapes: those whose values may be unknown."""
    return {name: kind for name, kind in op.attrs.items() if isinstance(kind, SizeAttribute | SizesAttribute)}


def symbolic_attributes(op: Operator, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with a symbol in place of each size among them."""
    asked = dict(attrs)
    for name, kind in size_attributes(op).items():
        several = isinstance(kind, SizesAttribute)
        asked[name] = (
            tuple(symbol(f"a_{name}_{i}") for i in range(len(attrs[name]))) if several else symbol(f"a_{name}")
        )
    return asked


def check_attributes(op: Operator, ranks: Mapping[str, int], attrs: Mapping[str, Any]) -> None:
    """Raises Rejected unless the attributes are exactly the declared ones, each of its kind."""
    if attrs.keys() != op.attrs.keys():
        raise Rejected(f"the attributes are {sorted(op.attrs)}, not {sorted(attrs)}")
    for name, kind in op.attrs.items():
        problem = kind.problem(attrs[name], ranks.__getitem__)
        if problem:
            raise Rejected(f"'{name}' is valid; it {problem}")


class Requirements:
    """The `Require` that rules get: what is known is decided at once (Rejected), what is not is collected in `stated`.

    Where nothing is to be collected, all must be known.
    """

    def __init__(self, framework: str, stated: list[tuple[Condition, str]] | None = None) -> None:
        self.framework = framework
        self.stated = stated

    def __call__(self, truth: Any, reason: str) -> None:
        if self.stated is not None and isinstance(truth, Condition):
            self.stated.append((truth, reason))
        elif not truth:
            raise Rejected(reason)


def _apply(
    op: Operator, operands: Sequence[Tensor], attrs: Mapping[str, Any], framework: str, require: Any
) -> list[Tensor]:
    bound = bind(op, framework, operands)
    result = op.rule(require, *operands, **attrs)
    for defect in op.emissions[framework].defects:
        require(negate(defect.when(*operands, **attrs)), f"{framework} is right, which it is not: {defect.what}")
    shapes = result if isinstance(result, list) else [result]
    returns = op.returns * len(shapes) if len(op.returns) == 1 else op.returns
    outputs = [Tensor(resolve(r, framework, bound, attrs), tuple(s)) for r, s in zip(returns, shapes, strict=True)]
    for output in outputs:
        if len(output.shape) > MAX_RANK:
            raise Rejected(f"no output has more than {MAX_RANK} axes")
    return outputs


def bind(op: Operator, framework: str, operands: Sequence[Tensor]) -> Mapping[str, str]:
    """What each dtype of the signature stands for. Raises Rejected where the operands' ranks or dtypes do not fit."""
    bound: dict[str, str] = {}
    for (name, ranks, variable, allowed), operand in zip(_places(op, framework, len(operands)), operands, strict=True):
        dtype, rank = operand.dtype, len(operand.shape)
        if rank not in ranks:
            raise Rejected(f"the rank of '{name}' is one of {list(ranks)}, not {rank}")
        if dtype not in allowed or bound.setdefault(variable, dtype) != dtype:
            raise Rejected(f"the dtype of '{name}' fits ({variable}), {dtype} does not")
    return bound


@lru_cache(1 << 14)
def _places(op: Operator, framework: str, count: int) -> list[tuple[str, tuple[int, ...], str, tuple[str, ...]]]:
    """The name of each operand's parameter, the ranks that it may have, the dtype of the signature, and what that may
    stand for. Raises Rejected where there is no such use."""
    if framework not in op.emissions:
        raise Rejected(f"{framework} has the operator {op.name}")
    return [(p.name, p.ranks, p.dtype, dtypes_of(op, framework, p.dtype)) for p in parameters_of(op, count)]
