"""Planted defects of known minimal form, for the minimizer: what a chain of uses must be like to show one.

A defect is shown by nodes that follow each other, of these operators, whose attributes, types and values fulfill its
condition. `elements` is the least that the leaves of such a graph have in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.graph import Case, Graph, Node, Value, Values, evaluate
from graphfuzz.spec import Registry


class Use(msgspec.Struct, frozen=True):
    """A node as a condition sees it: attributes by name, the types of its operands and of its first output, values."""

    attrs: Mapping[str, Any]
    given: Sequence[Value]
    made: Value
    values: Sequence[Any]

    @property
    def rank(self) -> int:
        """That of the first operand."""
        return len(self.given[0].shape)

    def axis(self, name: str = "axis", extra: int = 0) -> int:
        """An axis, counted from the front."""
        return int(self.attrs[name] % max(1, self.rank + extra))

    def axes(self) -> set[int]:
        """Axes, counted from the front."""
        return {axis % self.rank for axis in self.attrs["axes"]}

    def size(self) -> int:
        """That of the named axis of the first operand."""
        return self.given[0].shape[self.axis()]


class Form(msgspec.Struct, frozen=True):
    """A defect: the operators in a row, what must be the case of the last of them, and the elements it takes."""

    what: str
    operators: tuple[str, ...]
    elements: int
    when: Callable[[Use], bool]

    def shows(self, case: Case, registry: Registry) -> bool:
        """Whether a case has the defect."""
        chains = list(_chains(case.graph, self.operators))
        if not chains:
            return False
        values = evaluate(case.graph, case.tensors, registry)
        return any(self.when(_use(case.graph, chain[-1], values)) for chain in chains)


def _chains(graph: Graph, operators: Sequence[str]) -> Iterator[list[Node]]:
    """The rows of nodes of these operators, each of which takes what the one before makes."""
    producers = graph.producers()
    for node in graph.nodes:
        if node.op == operators[-1]:
            if len(operators) == 1:
                yield [node]
            else:
                before = {producers[name].name for name in node.inputs if name in producers}
                yield from ([*rest, node] for rest in _chains(graph, operators[:-1]) if rest[-1].name in before)


def _use(graph: Graph, node: Node, values: Values) -> Use:
    types = graph.values()
    return Use(node.attrs, [types[n] for n in node.inputs], node.outputs[0], [values[n] for n in node.inputs])


def _form(what: str, operators: str, elements: int, when: Callable[[Use], bool] = lambda use: True) -> Form:
    return Form(what, tuple(operators.split()), elements, when)


def _some(use: Use, condition: Callable[[Any], Any]) -> bool:
    return bool(np.any(condition(np.asarray(use.values[0]).astype("float64"))))


FORMS: Sequence[Form] = (
    _form("a float64", "relu", 1, lambda u: u.made.dtype == "float64"),
    _form("a float16", "tanh", 1, lambda u: u.made.dtype == "float16"),
    _form("a value over one", "sqrt", 1, lambda u: _some(u, lambda x: x > 1)),
    _form("a value that is not whole", "round", 1, lambda u: _some(u, lambda x: x != np.round(x))),
    _form("a negative value", "absolute", 1, lambda u: u.given[0].dtype != "bool" and _some(u, lambda x: x < 0)),
    _form("axes kept", "sum", 1, lambda u: u.attrs["keepdims"]),
    _form("two axes", "sum", 1, lambda u: len(u.attrs["axes"]) == 2),
    _form("the last of several axes", "mean", 1, lambda u: u.rank > 1 and u.axes() == {u.rank - 1}),
    _form("all of several axes", "max", 1, lambda u: u.rank > 1 and len(u.axes()) == u.rank),
    _form("an axis that is not the last", "softmax", 1, lambda u: u.rank > 1 and u.axis() < u.rank - 1),
    _form("a negative axis", "log_softmax", 1, lambda u: u.attrs["axis"] < 0),
    _form("three operands", "concat", 1, lambda u: len(u.given) > 2),
    _form(
        "two operands, the first the larger",
        "concat",
        3,
        lambda u: len(u.given) == 2 and u.size() > u.given[1].shape[u.axis()],
    ),
    _form("two operands along a last axis", "stack", 1, lambda u: len(u.given) > 1 and u.axis(extra=1) == u.rank),
    _form("three axes the other way round", "transpose", 1, lambda u: u.attrs["order"] == (2, 1, 0)),
    _form("fewer axes", "reshape", 1, lambda u: u.rank > len(u.made.shape)),
    _form("a shift beyond the size", "roll", 2, lambda u: abs(u.attrs["shift"]) > u.size() > 1),
    _form("three axes against two", "matmul", 2, lambda u: u.rank == 3 and len(u.given[1].shape) == 2),
    _form("a sum of several products", "matmul", 2, lambda u: u.given[0].shape[-1] > 1),
    _form("a stride", "conv2d", 2, lambda u: max(u.attrs["strides"]) > 1),
    _form("a window of several", "conv2d", 4, lambda u: max(u.given[1].shape[2:]) > 1 and not any(u.attrs["padding"])),
    _form("an incomplete window", "max_pool2d", 1, lambda u: u.attrs["ceil_mode"]),
    _form("a stride that is not the window", "max_pool2d", 1, lambda u: u.attrs["window"] != u.attrs["strides"]),
    _form(
        "padding that counts", "average_pool2d", 1, lambda u: any(u.attrs["padding"]) and u.attrs["count_include_pad"]
    ),
    _form("three axes", "batch_norm", 2, lambda u: u.rank == 3),
    _form("scales along two axes", "layer_norm", 2, lambda u: len(u.given[1].shape) == 2),
    _form("a condition that is stretched", "where", 2, lambda u: u.given[0].shape != u.made.shape),
    _form("an axis behind the first", "gather", 2, lambda u: u.axis() > 0),
    _form("three entries", "cumsum", 3, lambda u: u.rank > 0 and u.size() > 2),
    _form("a value that is not zero", "pad", 1, lambda u: u.attrs["value"] != 0),
    _form("every second entry", "strided_slice", 1, lambda u: 2 in u.attrs["steps"]),
    _form("three parts", "split", 3, lambda u: len(u.attrs["sections"]) == 3 and min(u.attrs["sections"]) > 0),
    _form(
        "a negative number to an integer",
        "cast",
        1,
        lambda u: u.made.dtype == "int32" and u.given[0].dtype != "bool" and _some(u, lambda x: x < 0),
    ),
    _form("two axes", "flip", 1, lambda u: len(u.attrs["axes"]) == 2),
    _form("a new last axis", "unsqueeze", 1, lambda u: u.axis(extra=1) == u.rank),
    _form("the axis kept", "argmax", 1, lambda u: u.attrs["keepdims"]),
    _form("four entries", "sort", 4, lambda u: u.rank > 0 and u.size() > 3),
    _form("an axis repeated", "tile", 1, lambda u: u.rank > 0 and max(u.attrs["repeats"]) > 1),
    _form("below the diagonal", "tril", 1, lambda u: u.attrs["offset"] < 0),
    _form("a transposition joined", "transpose reshape", 1, lambda u: u.rank > len(u.made.shape)),
    _form("one after the other", "exp log", 1),
    _form("one after the other", "relu sigmoid", 1),
    _form("one after the other", "cast multiply", 1, lambda u: u.made.dtype == "float32"),
)
