"""Which uses of our operators a foreign call may be, the likeliest first: examples read backward.

A proposal is only a guess that our rules admit: types fit, attributes are valid. Whether it is right, capturing it says
(`translation`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.graph import Array, output_types
from graphfuzz.interchange.examples import UNBOUND, Example, Table
from graphfuzz.interchange.program import CONSTANT, PLACE, Call, Program, family, is_place, number, places, slots
from graphfuzz.spec.attributes import Attribute, Choice
from graphfuzz.spec.inference import parameters_of, rank_of
from graphfuzz.spec.operator import Operator, Rejected, Tensor
from graphfuzz.spec.registry import Registry

COMBINATIONS = 3000
"""How many combinations of attributes are held against an operator's rule, at most."""
FITTING = 8
"""How many of those that fit are proposed for one operator."""


class Proposal(msgspec.Struct, frozen=True, eq=False):
    """A use that a call may be.

    operands: by the program's names, and arrays where the call has a number in their place. types: of its outputs.
    made: which of the call's outputs they are.
    """

    operator: str
    operands: tuple[str | Array, ...]
    attrs: dict[str, Any]
    types: tuple[Tensor, ...]
    made: tuple[int, ...]


def proposals(call: Call, program: Program, table: Table, registry: Registry, framework: str) -> Iterator[Proposal]:
    """The uses that a call may be, those of the operators first whose examples look most like it."""
    known = table.get(family(call.target), {})
    likeness = {
        name: min(_differences(call, example, examples) for example in examples) for name, examples in known.items()
    }
    for name in sorted(known, key=lambda name: (likeness[name], len(registry[name].attrs), name)):
        yield from itertools.islice(_uses(call, program, registry[name], known[name], framework), FITTING)


def _differences(call: Call, example: Example, examples: Sequence[Example]) -> int:
    """How many arguments an example has otherwise than a call, though no example and no attribute varies them."""
    found = 0 if example.call.target == call.target else len(call.arguments)
    for name, value in call.arguments.items():
        theirs = example.call.arguments.get(name)
        varies = any(other.call.arguments.get(name) != theirs for other in examples)
        found += value != theirs and not varies
    return found


def _uses(
    call: Call, program: Program, op: Operator, examples: Sequence[Example], framework: str
) -> Iterator[Proposal]:
    tried = set[str]()
    for example in examples:
        for operands in _swapped(_operands(call, program, example), program):
            if (mark := f"{list(map(_mark, operands))}{example.made}") in tried:
                continue
            tried.add(mark)
            arrays = [program.values.get(o) if isinstance(o, str) else o for o in operands]
            types = [Tensor(str(a.dtype), a.shape) for a in arrays if a is not None]
            if len(types) != len(operands) or not _fits_roles(op, operands, program):
                continue
            for attrs in _attributes(call, program, op, examples, types):
                made = _typed(call, program, op, types, attrs, framework, example)
                if made is not None:
                    yield made(operands, attrs)


def _mark(operand: str | Array) -> str:
    return operand if isinstance(operand, str) else f"{operand.dtype}{operand.shape}{hash(operand.tobytes())}"


def _swapped(operands: list[str | Array] | None, program: Program) -> Iterator[list[str | Array]]:
    """The operands, and with each matrix among the weights the other way around."""
    if operands is None:
        return
    yield operands
    for i, operand in enumerate(operands):
        array = program.values.get(operand) if isinstance(operand, str) and operand in program.weights else None
        if array is not None and array.ndim == 2:
            yield [*operands[:i], np.ascontiguousarray(array.T), *operands[i + 1 :]]


def _operands(call: Call, program: Program, example: Example) -> list[str | Array] | None:
    """Our operands, in order: what stands where the example has each. None where the example has none for one of them,
    or something else stands there."""
    alike = len(example.taken) == len(call.operands)
    given = list(zip(example.taken, call.operands, strict=True)) if alike else _aligned(call, program, example)
    turned = {ours: order for ours, order in zip(example.taken, example.turned, strict=True) if order}
    found: dict[int, str | Array] = {}
    for ours, theirs in given or ():
        if ours >= 0 and found.setdefault(ours, theirs) is not theirs and _mark(found[ours]) != _mark(theirs):
            return None
    if found.keys() != set(range(len(found))):
        return None
    return [_turned_back(found[i], turned.get(i, ()), program) for i in range(len(found))]


def _turned_back(operand: str | Array, order: tuple[int, ...], program: Program) -> str | Array:
    """The operand whose axes a call has in this order. Only a weight is turned."""
    array = program.values.get(operand) if isinstance(operand, str) else operand
    is_weight = not isinstance(operand, str) or operand in program.weights
    if not order or array is None or array.ndim != len(order) or not is_weight:
        return operand
    return np.ascontiguousarray(array.transpose(np.argsort(order)))


def _aligned(call: Call, program: Program, example: Example) -> list[tuple[int, str | Array]] | None:
    """What stands where the example has operands, with which of the use's operands each is: in a list as many as there
    are, numbers as arrays of the dtype of the call's first operand. None where something lacks."""
    first = program.values.get(call.operands[0]) if call.operands else None
    found: list[tuple[int, str | Array]] = []
    for name, theirs in example.call.arguments.items():
        value: Any = call.arguments.get(name)
        ours = [example.taken[place] for place in places(theirs)]
        if is_place(value) and len(ours) == 1:
            found.append((ours[0], call.operands[value[PLACE]]))
        elif is_place(value) and CONSTANT not in value:
            return None
        elif is_place(theirs) and ours == [UNBOUND]:
            continue
        elif is_place(theirs) and (constant := number(value)) is not None and first is not None:
            found.append((ours[0], np.asarray(constant, first.dtype)))
        elif ours:
            many = list(places(value))
            if not many or ours != list(range(ours[0], ours[0] + len(ours))):
                return None
            found += [(ours[0] + i, call.operands[place]) for i, place in enumerate(many)]
    return found


def _fits_roles(op: Operator, operands: Sequence[str | Array], program: Program) -> bool:
    """Whether what must be a weight is one."""
    try:
        parameters = parameters_of(op, len(operands))
    except Rejected:
        return False
    weights = set(program.weights)
    return all(
        p.role != "weight" or not isinstance(o, str) or o in weights for p, o in zip(parameters, operands, strict=True)
    )


def _typed(
    call: Call,
    program: Program,
    op: Operator,
    types: Sequence[Tensor],
    attrs: dict[str, Any],
    framework: str,
    example: Example,
) -> Any:
    """Makes the proposal of operands and attributes; None where the rule refuses them, or makes other types."""
    try:
        made = output_types(op, types, attrs, framework)
    except Rejected:
        return None
    places = example.made if len(example.made) == len(made) else tuple(range(len(made)))
    if max(places) >= len(call.outputs):
        return None
    for place, tensor in zip(places, made, strict=True):
        array = program.values.get(call.outputs[place])
        if array is None or (str(array.dtype), array.shape) != (tensor.dtype, tuple(tensor.shape)):
            return None
    return lambda operands, attrs: Proposal(op.name, tuple(operands), attrs, tuple(made), places)


def _attributes(
    call: Call, program: Program, op: Operator, examples: Sequence[Example], types: Sequence[Tensor]
) -> Iterator[dict[str, Any]]:
    """Combinations of attributes, the likeliest first; the kinds of attributes admit each by itself."""
    ranks = rank_of(parameters_of(op, len(types)), [t.rank for t in types])
    each = max(2, int(COMBINATIONS ** (1 / max(1, len(op.attrs)))))
    shapes = [program.values[name].shape for name in call.outputs if name in program.values]
    found = {name: _values(call, shapes, name, kind, examples, ranks)[:each] for name, kind in op.attrs.items()}
    orders = itertools.product(*(range(len(values)) for values in found.values()))
    for order in sorted(itertools.islice(orders, COMBINATIONS), key=sum):
        yield {name: values[i] for (name, values), i in zip(found.items(), order, strict=True)}


def _values(
    call: Call,
    shapes: Sequence[tuple[int, ...]],
    name: str,
    kind: Attribute,
    examples: Sequence[Example],
    ranks: Mapping[str, int],
) -> list[Any]:
    """What an attribute may be: what stands where it stood in the examples, what it was in them, anything else, and the
    shapes of what the call makes."""
    there = dict(slots(call.arguments))
    agreed = Counter(
        slot
        for example in examples
        for slot, value in slots(example.call.arguments)
        if slot in there and any(_same(v, example.attributes()[name]) for v in _readings(value, ranks))
    )
    learned = [there[slot] for slot, _ in sorted(agreed.items(), key=lambda item: (-item[1], item[0]))]
    seen = [example.attributes()[name] for example in examples]
    certain = bool(agreed) and max(agreed.values()) == len(examples)
    options = list(kind.options) if isinstance(kind, Choice) else []
    ordered = [*learned, *seen] if certain else [*seen, *learned]
    found: list[Any] = []
    for value in [*ordered, *options, *there.values(), *shapes]:
        for reading in _readings(value, ranks):
            if not any(_same(reading, other) for other in found) and _is_valid(kind, reading, ranks):
                found.append(reading)
    return found


def _readings(value: Any, ranks: Mapping[str, int]) -> list[Any]:
    """A constant as attributes may have it: as it is, as a number of the other kind, as an axis from the other end."""
    found = [value]
    if isinstance(value, int) and not isinstance(value, bool):
        found += [float(value), *(value - rank for rank in ranks.values()), *(value + rank for rank in ranks.values())]
    elif isinstance(value, float) and value.is_integer():
        found.append(int(value))
    elif isinstance(value, tuple):
        found += [tuple(map(float, value))] if all(isinstance(v, int) for v in value) else []
    return found


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _is_valid(kind: Attribute, value: Any, ranks: Mapping[str, int]) -> bool:
    try:
        return kind.problem(value, ranks.__getitem__) is None
    except Exception:  # noqa: BLE001 - a kind may not expect a value of another type
        return False
