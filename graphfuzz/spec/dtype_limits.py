"""Operators of which only the uses in some dtypes are wanted: the same declaration with fewer dtypes and choices."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from graphfuzz.spec.attributes import Choice
from graphfuzz.spec.inference import dtypes_of
from graphfuzz.spec.operator import Operator, Rejected, Returns, resolve

Use = tuple[Mapping[str, str], Mapping[str, Any]]
"""The dtypes of the signature's variables, and attributes."""


def within(op: Operator, dtypes: Collection[str]) -> Operator | None:
    """The operator with those uses only whose operands and outputs are all of these dtypes; None where it has none.

    Dtypes and choices that no such use has are taken away, so that next to none is drawn in vain; what is left is told
    by the outputs' dtypes, which the rule then refuses.
    """
    emissions = {}
    options: dict[str, set[Any]] = defaultdict(set)
    for framework, emission in op.emissions.items():
        uses = list(_uses(op, framework, dtypes))
        if uses:
            had = {variable: {bound[variable] for bound, _ in uses} for variable in op.variables}
            left = {v: tuple(d for d in dtypes_of(op, framework, v) if d in had[v]) for v in op.variables}
            emissions[framework] = msgspec.structs.replace(emission, dtypes=left)
        for _, attrs in uses:
            for name, value in attrs.items():
                options[name].add(value)
    if not emissions:
        return None
    choices = {name: Choice(tuple(o for o in _choice(op, name).options if o in had)) for name, had in options.items()}
    returns = tuple(_limited(each, dtypes) if callable(each) else each for each in op.returns)
    return msgspec.structs.replace(op, emissions=emissions, attrs={**op.attrs, **choices}, returns=returns)


def _uses(op: Operator, framework: str, dtypes: Collection[str]) -> Iterator[Use]:
    """Every binding, with every choice of attributes where outputs may depend on them, that has these dtypes only."""
    if any(p.dtype not in op.variables and p.dtype not in dtypes for p in op.parameters):
        return
    found = [[d for d in dtypes_of(op, framework, variable) if d in dtypes] for variable in op.variables]
    others, choices = _attributes(op) if any(map(callable, op.returns)) else ({}, {})
    for names in itertools.product(*found):
        bound = dict(zip(op.variables, names, strict=True))
        for values in itertools.product(*choices.values()):
            attrs = dict(zip(choices, values, strict=True))
            if all(resolve(each, framework, bound, {**others, **attrs}) in dtypes for each in op.returns):
                yield bound, attrs


def _attributes(op: Operator) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """A value of each attribute that is no choice, and the options of each that is one."""
    ranks = {parameter.name: parameter.ranks[-1] for parameter in op.parameters}
    rng = random.Random(op.name)
    others = {n: kind.draw(rng, ranks.__getitem__) for n, kind in op.attrs.items() if not isinstance(kind, Choice)}
    return others, {name: kind.options for name, kind in op.attrs.items() if isinstance(kind, Choice)}


def _choice(op: Operator, name: str) -> Choice:
    kind = op.attrs[name]
    assert isinstance(kind, Choice), "no other attribute is walked through"
    return kind


def _limited(returns: Returns, dtypes: Collection[str]) -> Returns:
    """A function that gives an output's dtype, and refuses the use where that is none of these."""

    def result(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
        dtype = resolve(returns, framework, bound, attrs)
        if dtype not in dtypes:
            raise Rejected(f"the output is one of {', '.join(dtypes)}, not {dtype}")
        return dtype

    return result
