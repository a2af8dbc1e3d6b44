"""The rule against itself, read on sizes and on symbols, and against the frameworks, on valid uses disturbed by one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from graphfuzz.conformance.cases import Found, failure, without_defects
from graphfuzz.conformance.frameworks import said
from graphfuzz.conformance.uses import Types, Use, decision, near_misses, symbolic_decision, valid_use
from graphfuzz.graph import Case, Graph, Node, Value
from graphfuzz.materializer import build, run, source
from graphfuzz.spec import Operator, Registry, Tensor
from graphfuzz.spec.dims import evaluate as value_of
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import FRAMEWORKS


def interpreter_differences(op: Operator, framework: str, found: Found) -> list[str]:
    """Where the rule decides otherwise on sizes than on symbols that stand for them, on valid uses and near misses."""
    failures = []
    for key, case in found:
        valid = valid_use(case)
        for use in (valid, *near_misses(op, valid)):
            on_sizes = decision(op, framework, use)
            on_symbols = symbolic_decision(op, framework, use)
            if on_sizes != on_symbols:
                failures.append(failure(key, case.graph, f"{use.what}: {on_sizes} on sizes, {on_symbols} on symbols"))
    return failures


def near_miss_differences(op: Operator, found: Found, registry: Registry) -> list[str]:
    """Where the rule and the frameworks disagree on a valid use disturbed in one size.

    What the rule accepts, the framework must run, with the inferred types; what it refuses, some framework must refuse:
    a rule is common to all of them, so it is as strict as the strictest.
    """
    failures = []
    for key, case in found:
        for use in near_misses(op, valid_use(case)):
            problem = near_miss_problem(op, case, use, registry)
            if problem:
                failures.append(failure(key, case.graph, f"{use.what}: {problem}"))
    return failures


def near_miss_problem(op: Operator, case: Case, use: Use, registry: Registry) -> str | None:
    """How the rule and the frameworks disagree on one use, or None."""
    decided = decision(op, case.framework, use)
    if decided is None and decision(without_defects(op), case.framework, use) is not None:
        return None
    disturbed = disturbed_case(op, case, use, decided)
    first = attempt(disturbed, case.framework, registry)
    if decided is not None:
        return None if first == decided else f"the rule infers {decided}, {case.framework} says {first}"
    others = [f for f in FRAMEWORKS if f != case.framework and f in op.emissions]
    if is_refusal(first, op) or any(is_refusal(attempt(disturbed, f, registry), op) for f in others):
        return None
    return f"the rule refuses it, {case.framework} makes {first}"


def is_refusal(made: Types | str, op: Operator) -> bool:
    """Whether an attempt failed, or made an empty tensor where the operator declares none."""
    return isinstance(made, str) or (not op.empty and any(0 in shape for _, shape in made))


def disturbed_case(op: Operator, case: Case, use: Use, decided: Types | None) -> Case:
    """The case with the use's sizes; its values are repeated (or cut) to fill them, and kept in their bounds."""
    (node,) = case.graph.nodes
    shapes: dict[str, tuple[int, ...]] = {}
    arrays = dict(case.tensors)
    parameters = parameters_of(op, len(node.inputs))
    named: dict[str, Tensor] = {}
    for parameter, tensor in zip(parameters, use.operands, strict=True):
        named.setdefault(parameter.name, tensor)
    for parameter, name, tensor in zip(parameters, node.inputs, use.operands, strict=True):
        shapes[name] = tuple(value_of(s, {}) for s in tensor.shape)
        given = arrays[name]
        arrays[name] = np.resize(given if given.size else np.ones(1, given.dtype), shapes[name])
        if callable(parameter.domain) and decided is not None:
            low, high = parameter.domain(**named, **use.attrs)
            arrays[name] = np.clip(arrays[name], low, high).astype(arrays[name].dtype)

    def resized(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(Value(v.name, v.dtype, shapes[v.name]) for v in values)

    types = decided or [(v.dtype, v.shape) for v in node.outputs]
    outputs = tuple(Value(f"v{i}", dtype, shape) for i, (dtype, shape) in enumerate(types))
    nodes = (Node(node.op, node.inputs, use.attrs, outputs),)
    graph = Graph(resized(case.graph.inputs), resized(case.graph.weights), nodes, tuple(v.name for v in outputs))
    return Case(graph, case.framework, arrays)


def attempt(case: Case, framework: str, registry: Registry) -> Types | str:
    """What the framework makes of a case, or how it refuses it."""
    written = source(case.graph, registry, framework)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = run(build(written, framework, case.weights()), framework, case.inputs())
    except Exception as error:  # noqa: BLE001 - a framework refuses in whatever class it likes
        return said(error)
    return [(str(a.dtype), a.shape) for a in made]
