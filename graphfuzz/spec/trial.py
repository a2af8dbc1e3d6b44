"""Trying a declaration out: its rule is run, and its templates are filled, without any framework.

A trial that the rule refuses says nothing: most uses drawn at random are invalid. One that fails in any other way would
fail in the middle of a campaign, in every case.
"""

from __future__ import annotations

import random
import string
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from graphfuzz.spec import dtypes as dtype_groups
from graphfuzz.spec.attributes import Choice, Number, Size
from graphfuzz.spec.dims import Dim, symbol
from graphfuzz.spec.inference import Requirements, rank_of, size_attributes, symbolic_attributes
from graphfuzz.spec.operator import Operand, Operator, Parameter, Rejected, Tensor, resolve

Problem: TypeAlias = tuple[str, str]
"""A field of a declaration, and what is wrong with it."""

TRIALS = 6
"""How many structures are tried: the smallest ranks, the largest ones, then random ones."""
SIZES = (4, 4, 1, 2, 3, 5, 8)
"""Sizes tried; mostly equal ones, which more rules accept."""


class _Use(msgspec.Struct, frozen=True):
    operands: tuple[Tensor, ...]
    attrs: Mapping[str, Any]
    bound: Mapping[str, str]
    framework: str

    def __str__(self) -> str:
        types = ", ".join(f"{t.dtype}{list(t.shape)}" for t in self.operands)
        return f"{types}{'; ' if self.attrs else ''}{', '.join(f'{k}={v!r}' for k, v in self.attrs.items())}"


def rule_problems(op: Operator) -> Iterator[Problem]:
    """What the rule does, in a few structures drawn with a fixed seed, that it must not, on sizes and on symbols."""
    rng = random.Random(0)
    for trial in range(TRIALS):
        framework = list(op.emissions)[trial % len(op.emissions)]
        parameters = _parameters(op, rng)
        operands, bound = _operands(op, framework, parameters, trial, rng)
        ranks = rank_of(parameters, [t.rank for t in operands])
        attrs: dict[str, Any] = {}
        for name, kind in op.attrs.items():
            try:
                attrs[name] = kind.draw(rng, ranks.__getitem__)
            except Exception as error:  # noqa: BLE001 - a kind of the pack's own may fail in any way
                yield f"attrs.{name}", f"cannot be drawn for the ranks {dict(ranks)}: {_said(error)}"
                return
        choices = (attrs, symbolic_attributes(op, attrs)) if size_attributes(op) else (attrs,)
        for given in (operands, _symbolic_operands(operands)):
            for chosen in choices:
                yield from _outcome_problems(op, _Use(given, chosen, bound, framework))


def _parameters(op: Operator, rng: random.Random) -> list[Parameter]:
    """The parameter of each operand, as many of a variadic one as it may take."""
    return [p for p in op.parameters for _ in range(rng.choice(p.arity))]


def _operands(
    op: Operator, framework: str, parameters: list[Parameter], trial: int, rng: random.Random
) -> tuple[tuple[Tensor, ...], dict[str, str]]:
    """Operands of known sizes, and the dtypes of the variables in them."""
    limits = op.emissions[framework].dtypes
    drawn = {v: rng.choice(limits.get(v, choices)) for v, choices in op.variables.items()}
    bound = {p.dtype: drawn[p.dtype] for p in parameters if p.dtype in drawn}
    pick = (min, max, rng.choice)[min(trial, 2)]
    common = rng.choice(SIZES)
    tensors = []
    for parameter in parameters:
        sizes = [common if trial % 2 == 0 else rng.choice(SIZES) for _ in range(pick(parameter.ranks))]
        tensors.append(Tensor(bound.get(parameter.dtype, parameter.dtype), tuple(sizes)))
    return tuple(tensors), bound


def _symbolic_operands(operands: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(Tensor(t.dtype, tuple(symbol(f"s{i}_{a}") for a in range(t.rank))) for i, t in enumerate(operands))


def _outcome_problems(op: Operator, use: _Use) -> Iterator[Problem]:
    try:
        result = op.rule(Requirements(use.framework, []), *use.operands, **use.attrs)
    except Rejected:
        return
    except Exception as error:  # noqa: BLE001 - whatever else a rule raises is what is looked for
        yield "rule", f"raises {_said(error)}, for {use}"
        return
    shapes = result if isinstance(result, list) else [result]
    if not shapes or not all(map(_is_shape, shapes)):
        text = repr(result)[:100]
        yield "rule", f"returns {text} for {use}; a shape is a tuple of sizes, several shapes are a list of them"
    elif len(op.returns) not in (1, len(shapes)):
        yield "returns", f"has {len(op.returns)} entries, the rule makes {len(shapes)} outputs for {use}"
    else:
        yield from _returns_problems(op, use)


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(
        isinstance(s, Dim) or (isinstance(s, int) and not isinstance(s, bool)) for s in shape
    )


def _returns_problems(op: Operator, use: _Use) -> Iterator[Problem]:
    for result in op.returns:
        try:
            dtype = resolve(result, use.framework, use.bound, use.attrs)
        except Exception as error:  # noqa: BLE001 - a function of the pack's own may fail in any way
            yield "returns", f"raises {_said(error)}, for {use}"
            return
        if dtype not in dtype_groups.KNOWN:
            yield "returns", f"gives {dtype!r}, which is no dtype, for {use}"


def _said(error: Exception) -> str:
    """The error on one line, with the line of the pack's own function that led to it."""
    called = traceback.extract_tb(error.__traceback__)[:2][-1]
    return f"{type(error).__name__} ({' '.join(str(error).split())}) in '{called.name}', line {called.lineno}"


def template_problem(op: Operator, text: Any, has_layer: bool) -> str | None:
    """What is wrong with the text of an emission: of another type, with unknown names, or no expression once filled."""
    if not isinstance(text, str):
        return None if callable(text) else f"is {text!r}; an emission is a template, a function or emission(...)"
    names = _dummies(op) | ({"layer": "layer"} if has_layer else {})
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
        unknown = [field for field in fields if field.split(".")[0].split("[")[0] not in names]
        if unknown:
            return f"template {text!r} uses {unknown}, neither operands nor attributes"
        compile(text.format(**names), "template", "eval")
    except SyntaxError as error:
        return f"template {text!r} is no Python expression: {error.msg}"
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        return f"template {text!r}: {type(error).__name__}: {error}"
    return None


def _dummies(op: Operator) -> dict[str, Any]:
    """What a template may name: operands of the highest rank, attributes with a value where the ranks do not matter."""
    names: dict[str, Any] = {}
    for parameter in op.parameters:
        operand = Operand("v", "float32", (2,) * max(parameter.ranks))
        names[parameter.name] = "v, v" if parameter.variadic else operand
    for name, kind in op.attrs.items():
        known = isinstance(kind, Choice | Number | Size)
        names[name] = kind.draw(random.Random(0), lambda operand: 0) if known else _Anything()
    return names


class _Anything:
    """An attribute's value whose structure is unknown: whatever a template takes of it reads as a name."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __getitem__(self, key: Any) -> _Anything:
        return self

    def __repr__(self) -> str:
        return "a"

    def __format__(self, spec: str) -> str:
        return "a"
