"""A graph in the making: leaves are made as nodes need them, and names are given."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping

import msgspec

from graphfuzz.generator.insertion import Use
from graphfuzz.generator.pool import Pool
from graphfuzz.generator.sizing import known_shape
from graphfuzz.graph import Graph, Node, Value
from graphfuzz.spec.operator import Operator, Parameter, Tensor

INPUTS = 4
NODES_AN_INPUT = 4
"""A graph has at most `INPUTS` inputs; where nothing else fits, one for so many of the nodes asked for."""
CONSTANTS = 0.25
"""The share of made operands beside others that are constants."""


class Draft:
    """What there is of a graph that shall have so many nodes. elements: those of all of its values."""

    def __init__(self, rng: random.Random, nodes: int) -> None:
        self.rng = rng
        self.elements = 0
        self.max_inputs = max(INPUTS, nodes // NODES_AN_INPUT)
        self.inputs: list[Value] = []
        self.weights: list[Value] = []
        self.nodes: list[Node] = []
        self.values: dict[str, Value] = {}
        """All of them, by name."""
        self.operators: dict[str, Operator] = {}
        """Those of the nodes, by name."""
        self.producers: dict[str, str] = {}
        """The operator that makes a value, by the value's name."""
        self.pool = Pool(rng)
        self._named: Counter[str] = Counter()
        """How many names begin with a letter."""

    def graph(self) -> Graph:
        """The graph as it stands; values that no node uses are its outputs."""
        outputs = tuple(v.name for node in self.nodes for v in node.outputs if v.name not in self.pool.used)
        return Graph(tuple(self.inputs), tuple(self.weights), tuple(self.nodes), outputs)

    def has_room(self) -> bool:
        """Whether there may be one more input."""
        return len(self.inputs) < self.max_inputs

    def leaves_of(self, name: str) -> list[Value]:
        """The inputs and weights that a value depends on, itself if it is one."""
        needed = {name}
        for node in reversed(self.nodes):
            if any(value.name in needed for value in node.outputs):
                needed.update(node.inputs)
        return [leaf for leaf in (*self.inputs, *self.weights) if leaf.name in needed]

    def resume(self, graph: Graph, operators: Mapping[str, Operator]) -> None:
        """Begin with a graph that another draft has made. operators: those of its nodes, by name."""
        self.inputs, self.weights, self.nodes = list(graph.inputs), list(graph.weights), list(graph.nodes)
        self.values = dict(graph.values())
        self.elements = sum(math.prod(value.shape) for value in self.values.values())
        for value in graph.inputs:
            self.pool.add(value)
        for node in graph.nodes:
            self.operators[node.op] = operators[node.op]
            self.producers.update((value.name, node.op) for value in node.outputs)
            for value in node.outputs:
                self.pool.add(value)
            self.pool.use(node.inputs)
        for name in self.values:
            self._named[name[0]] = max(self._named[name[0]], int(name[1:]) + 1)

    def add_leaf(self, dtype: str, shape: tuple[int, ...], as_input: bool) -> Value:
        """A new input, or a new weight."""
        leaf = Value(self._name("x" if as_input else "w"), dtype, shape)
        self.values[leaf.name] = leaf
        self.elements += math.prod(shape)
        (self.inputs if as_input else self.weights).append(leaf)
        if as_input:
            self.pool.add(leaf)
        return leaf

    def place(self, use: Use) -> Node:
        """The use as a node behind all others, or before them where its first output is to be what an input was."""
        return self._append(use) if use.target is None else self._prepend(use, use.target)

    def _append(self, use: Use) -> Node:
        node = self._node(use)
        self.nodes.append(node)
        for value in node.outputs:
            self.pool.add(value)
        return node

    def _prepend(self, use: Use, target: Value) -> Node:
        self.inputs.remove(target)
        del self.values[target.name]
        self.elements -= math.prod(target.shape)
        node = self._node(use)
        new = node.outputs[0]
        self.pool.replace(target, new)
        for value in node.outputs[1:]:
            self.pool.add(value)
        renamed = {target.name: new.name}
        others = [msgspec.structs.replace(n, inputs=tuple(renamed.get(i, i) for i in n.inputs)) for n in self.nodes]
        self.nodes = [node, *others]
        return node

    def _node(self, use: Use) -> Node:
        """A node with its operands; leaves are made for those that have none."""
        depends = False
        names = []
        for parameter, value, operand in zip(use.parameters, use.live, use.operands, strict=True):
            leaf = value or self._make_leaf(use, parameter, operand, depends)
            depends = depends or parameter.role == "tensor"
            names.append(leaf.name)
        self.pool.use(names)
        self.operators[use.op.name] = use.op
        outputs = tuple([Value(self._name("v"), t.dtype, known_shape(t)) for t in use.outputs])
        for value in outputs:
            self.values[value.name] = value
            self.elements += math.prod(value.shape)
            self.producers[value.name] = use.op.name
        return Node(use.op.name, tuple(names), use.attrs, outputs)

    def _make_leaf(self, use: Use, parameter: Parameter, operand: Tensor, depends: bool) -> Value:
        """A new leaf: an input or a constant for a tensor, a weight for a weight, either for an index.

        The first tensor is an input, or an index where there is none: of constants alone nothing is to be computed, and
        a constant before an operator's sign (`array / x`) is the constant's library's to compute.
        """
        if parameter.role == "tensor":
            as_input = not depends or (self.has_room() and self.rng.random() >= CONSTANTS)
        elif parameter.role == "index":
            alone = not any(p.role == "tensor" for p in use.parameters)
            as_input = alone or (len(self.inputs) < INPUTS and self.rng.random() < 0.5)
        else:
            as_input = False
        return self.add_leaf(operand.dtype, known_shape(operand), as_input)

    def _name(self, letter: str) -> str:
        self._named[letter] += 1
        return f"{letter}{self._named[letter] - 1}"
