"""Grow a graph node by node, with the values of everything in it.

Values are computed along with the types, on the operators' references. Key insight: whether an operator is defined on
a tensor is then a look at its values, so a graph never leaves a domain, and needs no search for inputs afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from graphfuzz.generator.insertion import Inserter, Use, draw_bound
from graphfuzz.generator.recipe import Recipe
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import (
    Array,
    Case,
    Graph,
    Node,
    Value,
    defined_outputs,
    extent,
    in_domain,
    operand_bounds,
    plain_bounds,
)
from graphfuzz.solver import Profile
from graphfuzz.spec.operator import Bounds, Operator, Parameter, Tensor
from graphfuzz.spec.registry import Registry

INPUTS = 4
NODES_AN_INPUT = 4
"""A graph has at most `INPUTS` inputs; where nothing else fits, one for so many of the nodes asked for."""
ATTEMPTS_A_NODE = 60
ATTEMPTS_AN_OPERATOR = 8
"""How many uses of a drawn operator are tried before another is drawn: demanding operators must not become rare. In the
last one z3 is asked for sizes."""


PICKS = 4
"""How many live values are looked at before all are."""


class Exhausted(Exception):
    """No further node was found in the attempts allowed."""


class Growth:
    """A graph in the making.

    nodes: how many it shall have. valued: whether values grow with it; without, only its types are valid.
    """

    def __init__(
        self,
        framework: str,
        rng: random.Random,
        max_elements: int,
        profile: Profile | None = None,
        favored: int | None = None,
        nodes: int = 1,
        valued: bool = True,
    ) -> None:
        self.max_inputs = max(INPUTS, nodes // NODES_AN_INPUT)
        self.framework = framework
        self.rng = rng
        self.values_rng = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
        self.inserter = Inserter(framework, max_elements, profile or Profile(), favored)
        self.valued = valued
        self.inputs: list[Value] = []
        self.weights: list[Value] = []
        self.nodes: list[Node] = []
        self.live: list[Value] = []
        self.by_shape: dict[tuple[int, ...], list[Value]] = {}
        self.by_kind: dict[tuple[str, int], list[Value]] = {}
        """The live values again, by dtype and rank."""
        self.used: set[str] = set()
        self.produced = 0
        self.arrays: dict[str, Array] = {}
        self.extents: dict[str, Bounds] = {}
        """Of the values that were asked about."""

    def insert(self, op: Operator, bound: Mapping[str, str] | None = None, *, ask: bool) -> bool:
        """Try one use of the operator; whether it was inserted. ask: as in `Inserter.use`."""
        given = self._draw_operands(op, bound)
        if given is None:
            return False
        live, bound = given
        use = self.inserter.use(op, live, bound, self.rng, ask)
        if use is None:
            return False
        if not self.valued:
            self._commit(use)
            return True
        bounds = operand_bounds(op, use.parameters, use.operands, use.attrs)
        if not all(map(self._is_in_domain, use.parameters, use.live, bounds)):
            return False
        arrays = self._values(use, bounds)
        node = Node(op.name, (), use.attrs, tuple(Value("v", t.dtype, _shape(t)) for t in use.outputs))
        made = defined_outputs(op, node, arrays)
        if made is None:
            return False
        node = self._commit(use)
        self.arrays.update(zip(node.inputs, arrays, strict=True))
        self.arrays.update(zip((value.name for value in node.outputs), made, strict=True))
        return True

    def graph(self) -> Graph:
        """The graph as it stands; values that no node uses are its outputs."""
        outputs = tuple(v.name for node in self.nodes for v in node.outputs if v.name not in self.used)
        return Graph(tuple(self.inputs), tuple(self.weights), tuple(self.nodes), outputs)

    def _draw_operands(
        self, op: Operator, given: Mapping[str, str] | None
    ) -> tuple[list[Value | None], dict[str, str]] | None:
        """A live value, or None for one to be made, for each operand, and the dtypes of the variables."""
        parameters = op.parameters
        last = parameters[-1]
        if last.variadic:
            parameters = parameters[:-1] + (last,) * self.rng.choice(last.arity)
        bound = dict(given or {})
        chosen: list[Value | None] = []
        inputs_left = self.max_inputs - len(self.inputs)
        for parameter in parameters:
            value = None
            if parameter.role == "tensor" or (parameter.role == "index" and self.rng.random() < 0.2):
                value = self._draw_live(op, parameter, bound, chosen)
            if value is None and parameter.role == "tensor":
                inputs_left -= 1
                if inputs_left < 0:
                    return None
            if value is not None and parameter.dtype in op.variables:
                bound[parameter.dtype] = value.dtype
            chosen.append(value)
        return chosen, draw_bound(op, self.framework, self.rng, bound)

    def _draw_live(
        self, op: Operator, parameter: Parameter, bound: Mapping[str, str], chosen: Sequence[Value | None]
    ) -> Value | None:
        """A live value that fits, rather of another operand's shape, new, and unused; None to have one made."""
        if not self.live or (len(self.inputs) < INPUTS and self.rng.random() < 0.15):
            return None
        if parameter.dtype in bound:
            dtypes: Sequence[str] = (bound[parameter.dtype],)
        else:
            choices = op.variables.get(parameter.dtype, (parameter.dtype,))
            dtypes = op.emissions[self.framework].dtypes.get(parameter.dtype, choices)

        def fits(value: Value) -> bool:
            return self._is_in_domain(parameter, value, plain_bounds(op, parameter, value.dtype))

        relatives = [v for other in chosen if other is not None for v in self.by_shape[other.shape]]
        if relatives and len(relatives[0].shape) in parameter.ranks and self.rng.random() < 0.7:
            found = self._pick([[v for v in relatives if v.dtype in dtypes]], fits)
            if found is not None:
                return found
        kinds = [kind for kind in self.by_kind if kind[0] in dtypes and kind[1] in parameter.ranks]
        return self._pick([self.by_kind[kind] for kind in kinds], fits)

    def _pick(self, groups: Sequence[Sequence[Value]], fits: Callable[[Value], bool]) -> Value | None:
        """One that fits, the newer and the unused rather, or else any."""
        filled = [group for group in groups if group]
        for _ in range(PICKS if filled else 0):
            values = self.rng.choice(filled)
            value = values[int(len(values) * self.rng.random() ** 0.5)]
            if (value.name not in self.used or self.rng.random() < 0.3) and fits(value):
                return value
        left = [value for group in filled for value in group if fits(value)]
        return self.rng.choice(left) if left else None

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

    def _commit(self, use: Use) -> Node:
        names = [
            (value or self._make_leaf(use, parameter, operand)).name
            for parameter, value, operand in zip(use.parameters, use.live, use.operands, strict=True)
        ]
        self.used.update(names)
        outputs = tuple(Value(f"v{self.produced + i}", t.dtype, _shape(t)) for i, t in enumerate(use.outputs))
        self.produced += len(outputs)
        self.nodes.append(Node(use.op.name, tuple(names), use.attrs, outputs))
        for value in outputs:
            self._enliven(value)
        return self.nodes[-1]

    def _enliven(self, value: Value) -> None:
        self.live.append(value)
        self.by_shape.setdefault(value.shape, []).append(value)
        self.by_kind.setdefault((value.dtype, len(value.shape)), []).append(value)

    def _make_leaf(self, use: Use, parameter: Parameter, operand: Tensor) -> Value:
        """A new input for a tensor, a weight for a weight, either for an index.

        An index is an input where nothing else makes the node depend on one: a constant is no computation.
        """
        as_input = parameter.role == "tensor"
        if parameter.role == "index":
            alone = not any(p.role == "tensor" for p in use.parameters)
            as_input = alone or (len(self.inputs) < INPUTS and self.rng.random() < 0.5)
        if as_input:
            leaf = Value(f"x{len(self.inputs)}", operand.dtype, _shape(operand))
            self.inputs.append(leaf)
            self._enliven(leaf)
        else:
            leaf = Value(f"w{len(self.weights)}", operand.dtype, _shape(operand))
            self.weights.append(leaf)
        return leaf


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)  # type: ignore[arg-type]


def _case(growth: Growth, origin: Mapping[str, object]) -> Case:
    graph = growth.graph()
    leaves = {v.name: growth.arrays[v.name] for v in (*graph.inputs, *graph.weights)}
    return Case(graph, growth.framework, leaves, dict(origin))


def generate(recipe: Recipe, registry: Registry, profile: Profile | None = None) -> Case:
    """The case that a recipe stands for: as many nodes as it asks for. Raises Exhausted."""
    rng = recipe.rng()
    favored = recipe.favored_size(rng)
    growth = Growth(recipe.framework, rng, recipe.max_elements, profile, favored, recipe.nodes)
    grow(growth, recipe, registry)
    mark = {} if favored is None else {"favored_size": favored}
    return _case(growth, {"seed": recipe.seed, "index": recipe.index, **mark})


def generate_graph(recipe: Recipe, registry: Registry, profile: Profile | None = None) -> Graph:
    """A graph of as many nodes as a recipe asks for, without values: its types are valid, its operators may be
    undefined on what they get. Raises Exhausted."""
    rng = recipe.rng()
    favored = recipe.favored_size(rng)
    growth = Growth(recipe.framework, rng, recipe.max_elements, profile, favored, recipe.nodes, valued=False)
    grow(growth, recipe, registry)
    return growth.graph()


def grow(growth: Growth, recipe: Recipe, registry: Registry) -> None:
    """Insert nodes until there are as many as the recipe asks for. Raises Exhausted."""
    at_hand = registry.of(recipe.framework, recipe.operators)
    if not at_hand:
        raise Exhausted(f"none of the operators {', '.join(recipe.operators or registry)} exists in {recipe.framework}")
    for _ in range(recipe.nodes * ATTEMPTS_A_NODE):
        if len(growth.nodes) == recipe.nodes:
            return
        op = growth.rng.choice(at_hand)
        any(growth.insert(op, ask=left == 0) for left in reversed(range(ATTEMPTS_AN_OPERATOR)))
    raise Exhausted(
        f"{len(growth.nodes)} of {recipe.nodes} nodes with {recipe.nodes * ATTEMPTS_A_NODE} operators tried"
    )


def single_operator_case(
    op: Operator,
    framework: str,
    rng: random.Random,
    bound: Mapping[str, str] | None = None,
    max_elements: int = 512,
    profile: Profile | None = None,
    favored: int | None = None,
) -> Case:
    """A case whose graph is one use of the operator. Raises Exhausted.

    bound: dtypes of its variables. favored: a size that operands often have; axes are empty only where it is 0.
    """
    for attempt in range(ATTEMPTS_A_NODE):
        growth = Growth(framework, rng, max_elements, profile, favored)
        if growth.insert(op, bound, ask=attempt >= ATTEMPTS_AN_OPERATOR):
            return _case(growth, {"operator": op.name})
    raise Exhausted(f"no use of {op.name} found in {ATTEMPTS_A_NODE} attempts (dtypes {dict(bound or {})})")
