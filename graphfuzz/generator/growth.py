"""Grow a graph node by node, with the values of everything in it.

Values are computed along with the types, on the operators' references. Key insight: whether an operator is defined on
a tensor is then a look at its values, so a graph never leaves a domain, and needs no search for inputs afterwards.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from graphfuzz.generator.guide import Guide
from graphfuzz.generator.insertion import Inserter, Use, draw_bound
from graphfuzz.generator.pool import Pool
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import (
    Array,
    Graph,
    Node,
    Value,
    defined_outputs,
    extent,
    in_domain,
    operand_bounds,
    ordinary_outputs,
    plain_bounds,
)
from graphfuzz.solver import Profile
from graphfuzz.spec.inference import dtypes_of, takes
from graphfuzz.spec.operator import Bounds, Operator, Parameter, Tensor

INPUTS = 4
NODES_AN_INPUT = 4
"""A graph has at most `INPUTS` inputs; where nothing else fits, one for so many of the nodes asked for."""
NEW_INPUTS = 0.15
"""How often an operand is a new input although a live value may fit."""
RELATIVES = 0.7
"""How often an operand has the shape of the one before it, if one fits: residual joins, concatenations of relatives."""
CONSTANTS = 0.25
"""The share of made operands beside others that are constants."""
SHARED_WEIGHTS = 0.1
"""How often a node shares a weight with another one, if one fits."""
LIVE_INDICES = 0.2
"""How often an index is a live value, if one fits."""


class Growth:
    """A graph in the making.

    nodes: how many it shall have. favored: as in `Inserter`. valued: whether values grow with it; without, only its
    types are valid. guide: steers the choice of operands.
    """

    def __init__(
        self,
        framework: str,
        rng: random.Random,
        max_elements: int,
        *,
        nodes: int = 1,
        profile: Profile | None = None,
        favored: int | None = None,
        valued: bool = True,
        guide: Guide | None = None,
    ) -> None:
        self.framework = framework
        self.rng = rng
        self.values_rng = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
        self.inserter = Inserter(framework, max_elements, profile or Profile(), favored)
        self.max_inputs = max(INPUTS, nodes // NODES_AN_INPUT)
        self.valued = valued
        self.guide = guide
        self.inputs: list[Value] = []
        self.weights: list[Value] = []
        self.nodes: list[Node] = []
        self.operators: dict[str, Operator] = {}
        """Those of the nodes, by name."""
        self.producers: dict[str, str] = {}
        """The operator that makes a value, by the value's name."""
        self.pool = Pool(rng)
        self.named: Counter[str] = Counter()
        """How many names begin with a letter."""
        self.arrays: dict[str, Array] = {}
        self.extents: dict[str, Bounds] = {}
        """Of the values that were asked about."""

    def insert(
        self, op: Operator, bound: Mapping[str, str] | None = None, *, ask: bool, anchor: Value | None = None
    ) -> bool:
        """Try one use of the operator on what there is; whether it was inserted.

        ask: as in `Inserter.use`. anchor: a live value that shall be an operand.
        """
        given = self._draw_operands(op, bound, anchor)
        if given is None:
            return False
        live, bound = given
        use = self.inserter.use(op, live, bound, self.rng, ask)
        if use is None:
            return False
        if not self.valued:
            self._append(use)
            return True
        bounds = operand_bounds(op, use.parameters, use.operands, use.attrs)
        if not all(map(self._is_in_domain, use.parameters, use.live, bounds)):
            return False
        arrays = self._values(use, bounds)
        made = defined_outputs(op, _unnamed(use), arrays)
        if made is None:
            return False
        self._learn(self._append(use), arrays, made)
        return True

    def insert_before(self, op: Operator) -> bool:
        """Try one use of the operator whose first output takes an input's place; whether it was inserted."""
        wanted = self.rng.choice(self.inputs)
        variable = op.returns[0] if isinstance(op.returns[0], str) else ""
        if variable in op.variables and wanted.dtype not in dtypes_of(op, self.framework, variable):
            return False
        bound = draw_bound(op, self.framework, self.rng, {variable: wanted.dtype} if variable in op.variables else None)
        live: list[Value | None] = [None] * len(self._drawn_parameters(op))
        use = self.inserter.use(op, live, bound, self.rng, False, wanted)
        if use is None:
            return False
        if not self.valued:
            self._prepend(use, wanted)
            return True
        arrays = self._values(use, operand_bounds(op, use.parameters, use.operands, use.attrs))
        made = defined_outputs(op, _unnamed(use), arrays)
        fresh = None if made is None else self._revalued(wanted.name, made[0])
        if made is None or fresh is None:
            return False
        self.arrays.update(fresh)
        for name in fresh:
            self.extents.pop(name, None)
        self._learn(self._prepend(use, wanted), arrays, made)
        return True

    def graph(self) -> Graph:
        """The graph as it stands; values that no node uses are its outputs."""
        outputs = tuple(v.name for node in self.nodes for v in node.outputs if v.name not in self.pool.used)
        return Graph(tuple(self.inputs), tuple(self.weights), tuple(self.nodes), outputs)

    # Operands

    def _drawn_parameters(self, op: Operator) -> tuple[Parameter, ...]:
        last = op.parameters[-1]
        return op.parameters[:-1] + (last,) * (self.rng.choice(last.arity) if last.variadic else 1)

    def _draw_operands(
        self, op: Operator, given: Mapping[str, str] | None, anchor: Value | None
    ) -> tuple[list[Value | None], dict[str, str]] | None:
        """A live value, or None for one to be made, for each operand, and the dtypes of the variables."""
        bound = dict(given or {})
        parameters = self._drawn_parameters(op)
        place = None
        if anchor is not None:
            fitting = takes(op, self.framework, anchor.dtype, len(anchor.shape))
            place = self.rng.choice([i for i, fits in enumerate(fitting) if fits])
            if place >= len(parameters):
                return None
            bound[parameters[place].dtype] = anchor.dtype
        chosen: list[Value | None] = []
        depends = False
        for i, parameter in enumerate(parameters):
            value = None
            if i == place:
                value = anchor
            elif parameter.role == "tensor" or (parameter.role == "index" and self.rng.random() < LIVE_INDICES):
                value = self._draw_live(op, parameter, bound, chosen)
            elif parameter.role == "weight" and self.rng.random() < SHARED_WEIGHTS:
                value = self._draw_weight(op, parameter, bound)
            if value is not None and parameter.dtype in op.variables:
                bound[parameter.dtype] = value.dtype
            if parameter.role == "tensor":
                if value is None and not depends and not self._has_room():
                    return None
                depends = True
            chosen.append(value)
        return chosen, draw_bound(op, self.framework, self.rng, bound)

    def _has_room(self) -> bool:
        """Whether there may be one more input."""
        return len(self.inputs) < self.max_inputs

    def _draw_live(
        self, op: Operator, parameter: Parameter, bound: Mapping[str, str], chosen: Sequence[Value | None]
    ) -> Value | None:
        """A live value that fits, often of another operand's shape; None to have one made."""
        if not self.pool or (not self.guide and len(self.inputs) < INPUTS and self.rng.random() < NEW_INPUTS):
            return None
        dtypes = self._dtypes(op, parameter.dtype, bound)

        def fits(value: Value) -> bool:
            return self._is_in_domain(parameter, value, plain_bounds(op, parameter, value.dtype))

        def better(value: Value) -> bool:
            if any(value is other for other in chosen):
                return False
            return self.guide is None or self.guide.is_new(self.producers.get(value.name), op.name)

        relative = next((v for v in reversed(chosen) if v is not None), None)
        chance = self.rng.random()
        if relative is not None and len(relative.shape) in parameter.ranks and (chance < RELATIVES or self.guide):
            found = self.pool.of_shape(relative.shape, dtypes, fits, better)
            if found is not None:
                return found
        return self.pool.of_kind(dtypes, parameter.ranks, fits, better)

    def _draw_weight(self, op: Operator, parameter: Parameter, bound: Mapping[str, str]) -> Value | None:
        """A weight that other nodes have; None to have one made."""
        dtypes = self._dtypes(op, parameter.dtype, bound)
        fitting = [
            w
            for w in self.weights
            if w.dtype in dtypes
            and len(w.shape) in parameter.ranks
            and self._is_in_domain(parameter, w, plain_bounds(op, parameter, w.dtype))
        ]
        return self.rng.choice(fitting) if fitting else None

    def _dtypes(self, op: Operator, dtype: str, bound: Mapping[str, str]) -> Sequence[str]:
        """The dtypes that a dtype of the signature, or a variable, stands for beside those that are bound."""
        return (bound[dtype],) if dtype in bound else dtypes_of(op, self.framework, dtype)

    # Values

    def _is_in_domain(self, parameter: Parameter, value: Value | None, bounds: Bounds | None) -> bool:
        """Whether a live value's numbers lie in the bounds; those of a made one will."""
        if value is None or not self.valued or (bounds is None and not parameter.least):
            return True
        array = self.arrays[value.name]
        known = self.extents.get(value.name)
        if known is None:
            known = self.extents[value.name] = extent(array)
        return in_domain(parameter, bounds, array, known)

    def _values(self, use: Use, bounds: Sequence[Bounds | None]) -> list[Array]:
        """The operands' arrays; those to be made are drawn from where the operator is defined."""
        return [
            draw_array(self.values_rng, operand.dtype, _shape(operand), limit, parameter.least)
            if value is None
            else self.arrays[value.name]
            for parameter, value, operand, limit in zip(use.parameters, use.live, use.operands, bounds, strict=True)
        ]

    def _revalued(self, name: str, array: Array) -> dict[str, Array] | None:
        """What the nodes make of another value of an input; None where that is no ordinary use of one of them."""
        fresh = {name: array}
        for node in self.nodes:
            if not any(name in fresh for name in node.inputs):
                continue
            arrays = [fresh.get(name, self.arrays[name]) for name in node.inputs]
            types = [Tensor(str(a.dtype), a.shape) for a in arrays]
            made = ordinary_outputs(self.operators[node.op], node, types, arrays)
            if made is None:
                return None
            fresh.update(zip((value.name for value in node.outputs), made, strict=True))
        return fresh

    def _learn(self, node: Node, arrays: Sequence[Array], made: Sequence[Array]) -> None:
        self.arrays.update(zip(node.inputs, arrays, strict=True))
        self.arrays.update(zip((value.name for value in node.outputs), made, strict=True))

    # The graph

    def _append(self, use: Use) -> Node:
        node = self._node(use)
        self.nodes.append(node)
        for value in node.outputs:
            self.pool.add(value)
        return node

    def _prepend(self, use: Use, wanted: Value) -> Node:
        """Make the node the first, and its first output what an input was."""
        self.inputs.remove(wanted)
        node = self._node(use)
        new = node.outputs[0]
        self.pool.replace(wanted, new)
        for value in node.outputs[1:]:
            self.pool.add(value)
        renamed = {wanted.name: new.name}
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
        self.pool.used.update(names)
        self.operators[use.op.name] = use.op
        outputs = tuple(Value(self._name("v"), t.dtype, _shape(t)) for t in use.outputs)
        self.producers.update((value.name, use.op.name) for value in outputs)
        return Node(use.op.name, tuple(names), use.attrs, outputs)

    def _make_leaf(self, use: Use, parameter: Parameter, operand: Tensor, depends: bool) -> Value:
        """A new leaf: an input or a constant for a tensor, a weight for a weight, either for an index.

        The first tensor is an input, or an index where there is none: of constants alone nothing is to be computed, and
        a constant before an operator's sign (`array / x`) is the constant's library's to compute.
        """
        if parameter.role == "tensor":
            as_input = not depends or (self._has_room() and self.rng.random() >= CONSTANTS)
        elif parameter.role == "index":
            alone = not any(p.role == "tensor" for p in use.parameters)
            as_input = alone or (len(self.inputs) < INPUTS and self.rng.random() < 0.5)
        else:
            as_input = False
        leaf = Value(self._name("x" if as_input else "w"), operand.dtype, _shape(operand))
        (self.inputs if as_input else self.weights).append(leaf)
        if as_input:
            self.pool.add(leaf)
        return leaf

    def _name(self, letter: str) -> str:
        self.named[letter] += 1
        return f"{letter}{self.named[letter] - 1}"


def _unnamed(use: Use) -> Node:
    """The use as a node, before it has its place."""
    return Node(use.op.name, (), use.attrs, tuple(Value("", t.dtype, _shape(t)) for t in use.outputs))


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)  # type: ignore[arg-type]
