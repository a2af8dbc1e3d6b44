"""Examples of what our own operators become: the table, learned, from which foreign calls are read backward.

Nothing here knows an operator of either side by name. A single-operator case is written and captured like anybody's
model; where that makes one call, the call is an example of the operator with its attributes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.conformance import bindings, case_at
from graphfuzz.generator import Exhausted
from graphfuzz.graph import Array, Case
from graphfuzz.graph.graph import normalize_attributes
from graphfuzz.interchange.program import Call, Program, family
from graphfuzz.interchange.reader import Reader
from graphfuzz.materializer import build, source
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry

CASES = 4
"""How many cases of an operator are captured: attributes are told apart by where they differ."""

PLAIN = 2
"""How many of one that has no attributes."""

OTHERS = 3
"""After how many cases that become several calls, and none that becomes one, an operator is given up."""

UNBOUND = -1
"""Stands in for an operand of the case where a call takes something else: a constant, a weight written otherwise."""


class Example(msgspec.Struct, frozen=True):
    """A call that a use of our operator became.

    taken: for each operand of the call, which of the use's operands it is, or UNBOUND. made: for each output of the
    use, which of the call's outputs it is. turned: for each operand of the call, the order that the axes of the use's
    operand have in it; empty where they are as they were.
    """

    operator: str
    attrs: dict[str, Any]
    call: Call
    taken: tuple[int, ...]
    made: tuple[int, ...]
    turned: tuple[tuple[int, ...], ...]

    def attributes(self) -> dict[str, Any]:
        """The attributes as rules have them."""
        return normalize_attributes(self.attrs)


Table = Mapping[str, Mapping[str, Sequence[Example]]]
"""Examples by the family of their targets and by operator: an overload may stand for another."""


def table_of(examples: Iterable[Example]) -> Table:
    """The examples by family and operator."""
    table: dict[str, dict[str, list[Example]]] = {}
    for example in examples:
        table.setdefault(family(example.call.target), {}).setdefault(example.operator, []).append(example)
    return table


def example_keys(op: Operator, framework: str, count: int) -> list[str]:
    """The cases (see `graphfuzz.conformance.case_at`) that an operator is captured in: what an operator becomes hardly
    depends on dtypes, so they are of a single dtype binding, float32 where there is that."""
    bound = max(bindings(op, framework), key=lambda dtypes: list(dtypes.values()).count("float32"))
    text = ",".join(f"{variable}={dtype}" for variable, dtype in bound.items())
    return [f"{op.name}/{framework}/{text}/{number}" for number in range(count)]


def examples_of(name: str, reader: Reader, registry: Registry) -> tuple[Example, ...]:
    """The examples that an operator's cases give; none where it becomes several calls, or cannot be captured."""
    found: list[Example] = []
    op, others = registry[name], 0
    wanted = CASES if op.attrs else PLAIN
    for key in example_keys(op, reader.framework, 2 * wanted):
        try:
            example = example_of(case_at(key, registry), reader, registry)
        except Exhausted:
            continue
        except Exception:  # noqa: BLE001 - a framework refuses to capture in whatever class it likes
            break
        if example is None:
            others += 1
            if others == OTHERS and not found:
                break
        elif all(example != other for other in found):
            found.append(example)
        if len(found) == wanted:
            break
    return tuple(found)


def example_of(case: Case, reader: Reader, registry: Registry) -> Example | None:
    """The example that a single-operator case gives. Raises whatever building and capturing raise."""
    program = captured(case, reader, registry)
    if len(program.calls) != 1:
        return None
    (node,), (call,) = case.graph.nodes, program.calls
    if not set(program.outputs) <= set(call.outputs) or len(program.outputs) != len(node.outputs):
        return None
    made = tuple(call.outputs.index(name) for name in program.outputs)
    taken = _taken(case, program, call)
    return Example(node.op, node.attrs, call, tuple(i for i, _ in taken), made, tuple(order for _, order in taken))


def captured(case: Case, reader: Reader, registry: Registry) -> Program:
    """The program that a case's source model is. Raises whatever building and capturing raise."""
    model = build(source(case.graph, registry, case.framework), case.framework, case.weights())
    return reader.captured(model, case.inputs())


def same_array(one: Array | None, other: Array | None) -> bool:
    """Whether two arrays are of one dtype and shape and hold the same numbers."""
    if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))


def _taken(case: Case, program: Program, call: Call) -> list[tuple[int, tuple[int, ...]]]:
    """Which operand of the case's node each operand of the call is, and how its axes are turned: inputs by their place,
    weights by their values."""
    (node,) = case.graph.nodes
    inputs = dict(zip(program.inputs, (v.name for v in case.graph.inputs), strict=True))
    free, orders = dict(case.weights()), dict[str, tuple[int, ...]]()
    names: dict[str, str | None] = {}
    for name in dict.fromkeys(call.operands):
        names[name] = inputs.get(name)
        if name not in inputs:
            names[name], orders[name] = _held(free, program.values.get(name))
            free.pop(names[name] or "", None)
    known = [(names[name], orders.get(name, ())) for name in call.operands]
    return [(UNBOUND if name is None else node.inputs.index(name), order) for name, order in known]


def _held(weights: Mapping[str, Array], held: Array | None) -> tuple[str | None, tuple[int, ...]]:
    """The weight that an operand is, and the order that the weight's axes have in it."""
    for name, array in weights.items():
        if same_array(array, held):
            return name, ()
    for name, array in weights.items():
        if held is not None and sorted(array.shape) == sorted(held.shape) and array.ndim > 1:
            for order in itertools.permutations(range(array.ndim)):
                if same_array(array.transpose(order), held):
                    return name, order
    return None, ()
