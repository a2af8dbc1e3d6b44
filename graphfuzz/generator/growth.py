"""Grow a graph node by node, with the values of everything in it.

Values are computed along with the types, on the operators' references. Key insight: whether an operator is defined on
a tensor is then a look at its values, so a graph never leaves a domain, and needs no search for inputs afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from graphfuzz.generator.insertion import Inserter, Use, draw_bound
from graphfuzz.generator.recipe import Recipe
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import Array, Case, Graph, Node, Value, operand_bounds, ordinary_outputs
from graphfuzz.solver import Profile
from graphfuzz.spec.operator import Operator, Parameter, Tensor
from graphfuzz.spec.registry import Registry

MAX_INPUTS = 4
ATTEMPTS_A_NODE = 60
ATTEMPTS_AN_OPERATOR = 6
"""How many uses of a drawn operator are tried before another is drawn: demanding operators must not become rare."""


class Exhausted(Exception):
    """No further node was found in the attempts allowed."""


class Growth:
    """A graph in the making."""

    def __init__(
        self,
        framework: str,
        rng: random.Random,
        max_elements: int,
        profile: Profile | None = None,
        favored: int | None = None,
    ) -> None:
        self.framework = framework
        self.rng = rng
        self.values_rng = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
        self.inserter = Inserter(framework, max_elements, profile or Profile(), favored)
        self.inputs: list[Value] = []
        self.weights: list[Value] = []
        self.nodes: list[Node] = []
        self.live: list[Value] = []
        self.used: set[str] = set()
        self.arrays: dict[str, Array] = {}

    def insert(self, op: Operator, bound: Mapping[str, str] | None = None) -> bool:
        """Try one use of the operator; whether it was inserted."""
        given = self._draw_operands(op, bound)
        if given is None:
            return False
        live, bound = given
        use = self.inserter.use(op, live, bound, self.rng)
        if use is None:
            return False
        arrays = self._values(use)
        node = Node(use.op.name, (), use.attrs, tuple(Value("v", t.dtype, _shape(t)) for t in use.outputs))
        made = ordinary_outputs(op, node, use.operands, arrays)
        if made is None:
            return False
        self._commit(use, arrays, made)
        return True

    def graph(self) -> Graph:
        """The graph as it stands; values that no node uses are its outputs."""
        outputs = tuple(v.name for node in self.nodes for v in node.outputs if v.name not in self.used)
        return Graph(tuple(self.inputs), tuple(self.weights), tuple(self.nodes), outputs)

    def _draw_operands(
        self, op: Operator, given: Mapping[str, str] | None
    ) -> tuple[list[Value | None], dict[str, str]] | None:
        """A live value, or None for one to be made, for each operand, and the dtypes of the variables."""
        parameters = list(op.parameters)
        last = parameters[-1]
        if last.variadic:
            parameters[-1:] = [last] * self.rng.choice(last.arity)
        bound = dict(given or {})
        chosen: list[Value | None] = []
        inputs_left = MAX_INPUTS - len(self.inputs)
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
        """A live value that fits, the newer and the unused ones rather; None to have one made."""
        choices = op.variables.get(parameter.dtype, (parameter.dtype,))
        limit = op.emissions[self.framework].dtypes.get(parameter.dtype, choices)
        dtypes = (bound[parameter.dtype],) if parameter.dtype in bound else limit
        fitting = [v for v in self.live if v.dtype in dtypes and len(v.shape) in parameter.ranks]
        if not fitting or (len(self.inputs) < MAX_INPUTS and self.rng.random() < 0.15):
            return None
        relatives = [v for v in fitting if any(c is not None and c.shape == v.shape for c in chosen)]
        if relatives and self.rng.random() < 0.7:
            fitting = relatives
        weights = [(1 + i) * (1 if v.name in self.used else 3) for i, v in enumerate(fitting)]
        return self.rng.choices(fitting, weights)[0]

    def _values(self, use: Use) -> list[Array]:
        """The operands' arrays; those to be made are drawn from where the operator is defined."""
        bounds = operand_bounds(use.op, use.parameters, use.operands, use.attrs)
        return [
            draw_array(self.values_rng, operand.dtype, _shape(operand), limit, parameter.least)
            if value is None
            else self.arrays[value.name]
            for parameter, value, operand, limit in zip(use.parameters, use.live, use.operands, bounds, strict=True)
        ]

    def _commit(self, use: Use, arrays: Sequence[Array], made: Sequence[Array]) -> None:
        names: list[str] = []
        for parameter, value, operand, array in zip(use.parameters, use.live, use.operands, arrays, strict=True):
            leaf = value or self._make_leaf(use, parameter, operand, array)
            names.append(leaf.name)
            self.used.add(leaf.name)
        outputs: list[Value] = []
        for tensor, array in zip(use.outputs, made, strict=True):
            produced = sum(len(node.outputs) for node in self.nodes) + len(outputs)
            outputs.append(Value(f"v{produced}", tensor.dtype, _shape(tensor)))
            self.arrays[outputs[-1].name] = array
        self.nodes.append(Node(use.op.name, tuple(names), use.attrs, tuple(outputs)))
        self.live += outputs

    def _make_leaf(self, use: Use, parameter: Parameter, operand: Tensor, array: Array) -> Value:
        """A new input for a tensor, a weight for a weight, either for an index.

        An index is an input where nothing else makes the node depend on one: a constant is no computation.
        """
        alone = not any(p.role == "tensor" for p in use.parameters)
        room = len(self.inputs) < MAX_INPUTS and self.rng.random() < 0.5
        as_input = parameter.role == "tensor" or (parameter.role == "index" and (alone or room))
        if as_input:
            leaf = Value(f"x{len(self.inputs)}", operand.dtype, _shape(operand))
            self.inputs.append(leaf)
            self.live.append(leaf)
        else:
            leaf = Value(f"w{len(self.weights)}", operand.dtype, _shape(operand))
            self.weights.append(leaf)
        self.arrays[leaf.name] = array
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
    names = recipe.operators or tuple(registry)
    at_hand = [registry[name] for name in names if recipe.framework in registry[name].emissions]
    if not at_hand:
        raise Exhausted(f"none of the operators {', '.join(names)} exists in {recipe.framework}")
    favored = recipe.favored_size(rng)
    growth = Growth(recipe.framework, rng, recipe.max_elements, profile, favored)
    for _ in range(recipe.nodes * ATTEMPTS_A_NODE):
        op = rng.choice(at_hand)
        any(growth.insert(op) for _ in range(ATTEMPTS_AN_OPERATOR))
        if len(growth.nodes) == recipe.nodes:
            mark = {} if favored is None else {"favored_size": favored}
            return _case(growth, {"seed": recipe.seed, "index": recipe.index, **mark})
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
    for _ in range(ATTEMPTS_A_NODE):
        growth = Growth(framework, rng, max_elements, profile, favored)
        if growth.insert(op, bound):
            return _case(growth, {"operator": op.name})
    raise Exhausted(f"no use of {op.name} found in {ATTEMPTS_A_NODE} attempts (dtypes {dict(bound or {})})")
