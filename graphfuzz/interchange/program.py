"""A program of another framework's operators, as plain data, with every value that it makes when it runs.

It is what somebody else's model is read into, and what our own operators are captured as, so that one can be found in
the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from graphfuzz.graph import Array
from graphfuzz.spec.dtypes import KNOWN, is_float

PLACE = "operand"
"""The key of what stands for an operand among a call's arguments."""

CONSTANT = "constant"
"""The key, beside it, of the operand's value where that is a constant of the call: in one version of an operator an
attribute and in another an operand, it is found at the same place, and read alike."""

LONGEST = 16
"""How many numbers a constant has, at most. More are a weight."""


class Call(msgspec.Struct, frozen=True):
    """One use of a foreign operator.

    target: the operator's name. arguments: by name, every default filled in, as JSON; {"operand": i} stands for operand
    i, {"operand": i, "constant": ...} for one whose value the program has. operands: the values taken, in the order of
    `arguments`, one that is taken twice twice. outputs: the values made.
    """

    target: str
    arguments: dict[str, Any]
    operands: tuple[str, ...]
    outputs: tuple[str, ...]


class Program(msgspec.Struct, frozen=True, eq=False):
    """Calls in an order in which they can run. weights: parameters, buffers and constants. values: inputs, weights and
    what calls make, by name, as far as graphs know their dtypes. told: what the user should know of how it was read."""

    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    calls: tuple[Call, ...]
    outputs: tuple[str, ...]
    values: dict[str, Array]
    told: tuple[str, ...] = ()


def simplified(program: Program, constants: Iterable[str] = ()) -> Program:
    """The program without calls that nothing depends on; what takes no operand (zeros, a range), or nothing but these
    constants (numbers that the code has), is a weight."""
    fixed, made = set(constants), list[str]()
    for call in program.calls:
        if fixed.issuperset(call.operands):
            fixed.update(call.outputs)
            made += call.outputs
    needed, calls = set(program.outputs), list[Call]()
    for call in reversed(program.calls):
        if not fixed.issuperset(call.outputs) and needed & set(call.outputs):
            calls.append(call)
            needed.update(call.operands)
    weights = (*program.weights, *made)
    return msgspec.structs.replace(
        program, weights=tuple(w for w in weights if w in needed), calls=tuple(reversed(calls))
    )


def constant(value: Any) -> Any:
    """A number that JSON lacks (NaN, infinities, complex ones) in words; others as they are."""
    plain = not isinstance(value, float | complex) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else str(value)


def as_constant(array: Array) -> Any:
    """The JSON of what may be a constant of a call: a number, or a few in a row; None for anything else. Floats are as
    short as their dtype lets them be written."""
    if array.ndim > 2 or array.size > LONGEST or str(array.dtype) not in KNOWN:
        return None
    is_short = is_float(str(array.dtype))
    items = [constant(float(str(item)) if is_short else item.item()) for item in array.ravel()]
    return items if array.ndim else items[0]


def is_rearranged(made: Array, given: Iterable[Array]) -> bool:
    """Whether an array has the very elements of one of others, in whatever shape and order."""
    others = (a for a in given if (a.dtype, a.size) == (made.dtype, made.size))
    return any(np.array_equal(np.sort(made, None), np.sort(a, None)) for a in others)


def number(value: Any) -> bool | int | float | complex | None:
    """The number that an argument is, as `constant` has it; None for anything else."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        for read in (float, complex):
            with suppress(ValueError):
                return read(value)
    return None


def family(target: str) -> str:
    """An operator's name without that of the overload."""
    return target.rpartition(".")[0] or target


def slots(arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every place of an argument from which an attribute may come, by a name that says the same of any call, and the
    value there: whole arguments, two integers side by side, elements of lists from either end, and regular parts of
    lists."""
    for name, value in arguments.items():
        if not is_place(value):
            yield from _slots(name, value)
        elif CONSTANT in value:
            yield from _slots(name, value[CONSTANT])
    for (one, a), (other, b) in pairwise(arguments.items()):
        if type(a) is int and type(b) is int:
            yield f"{one}, {other}", (a, b)
            yield f"{other}, {one}", (b, a)


def _slots(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, list):
        yield name, value
        if isinstance(value, int | float):
            yield from ((f"{name}×{count}", (value,) * count) for count in (1, 2, 3))
        return
    if any(isinstance(item, dict | list) for item in value):
        return
    whole, half = tuple(value), len(value) // 2
    yield name, whole
    yield f"{name} reversed", whole[::-1]
    yield from ((f"{name}[{i}]", item) for i, item in enumerate(whole))
    yield from ((f"{name}[{i - len(whole)}]", item) for i, item in enumerate(whole))
    if half and len(value) % 2 == 0:
        parts = {"first half": whole[:half], "second half": whole[half:], "evens": whole[::2], "odds": whole[1::2]}
        for part, items in parts.items():
            yield f"{name} {part}", items
            yield f"{name} {part} reversed", items[::-1]


def is_place(value: Any) -> bool:
    """Whether an argument stands for an operand."""
    return isinstance(value, dict) and PLACE in value


def places(value: Any) -> Iterator[int]:
    """The operands that an argument mentions."""
    if is_place(value):
        yield value[PLACE]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from places(item)
