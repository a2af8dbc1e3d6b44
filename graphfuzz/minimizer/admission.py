"""Whether an edited case is still one that graphfuzz may hold against a target.

An edit that changes values can leave an operator's domain, make a tie or a NaN, or overflow: what a converted model
does then proves nothing. So the whole case is inferred and evaluated again, under the rules that generation follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.errors import InvalidGraph
from graphfuzz.generator.values import is_ordinary, within
from graphfuzz.graph import Array, Case, Node, apply, operands, validate
from graphfuzz.spec.dtypes import is_float, is_integer
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import Bounds, Operator, Parameter, Tensor
from graphfuzz.spec.registry import Registry


def admitted(case: Case, registry: Registry) -> dict[str, Array] | None:
    """Every value of an admissible case by name; None for a case that is not admissible."""
    try:
        validate(case.graph, registry, case.framework)
    except InvalidGraph:
        return None
    values = dict(case.tensors)
    known = case.graph.values()
    for node in case.graph.nodes:
        op = registry[node.op]
        given = [values[name] for name in node.inputs]
        if not _in_domain(op, node, operands(case.graph, node, known), given):
            return None
        made = apply(op, node, given)
        if not all(map(is_ordinary, made)) or _overflows(op, node, given, made):
            return None
        values.update((v.name, array) for v, array in zip(node.outputs, made, strict=True))
    return values


def _in_domain(op: Operator, node: Node, types: Sequence[Tensor], arrays: Sequence[Array]) -> bool:
    parameters = parameters_of(op, len(types))
    for parameter, tensor, array in zip(parameters, types, arrays, strict=True):
        bounds = _bounds(op, node, parameter, parameters, types, tensor)
        if bounds is not None and not within(array, bounds):
            return False
    return op.defined is None or bool(op.defined(*arrays, **node.attrs))


def _bounds(
    op: Operator,
    node: Node,
    parameter: Parameter,
    parameters: Sequence[Parameter],
    types: Sequence[Tensor],
    tensor: Tensor,
) -> Bounds | None:
    if callable(parameter.domain):
        named: dict[str, Tensor] = {}
        for each, type_ in zip(parameters, types, strict=True):
            named.setdefault(each.name, type_)
        return parameter.domain(**named, **node.attrs)
    if parameter.domain is not None:
        return parameter.domain
    return op.domain if is_float(tensor.dtype) else None


def _overflows(op: Operator, node: Node, arrays: Sequence[Array], made: Sequence[Array]) -> bool:
    """Whether integers wrapped around: the same computation in int64 gives something else."""
    if not any(is_integer(str(a.dtype)) for a in arrays) or not any(is_integer(v.dtype) for v in node.outputs):
        return False
    wide = [a.astype("int64") if is_integer(str(a.dtype)) else a for a in arrays]
    exact = op.reference(*wide, **node.attrs)
    exact = exact if isinstance(exact, tuple | list) else [exact]
    return any(not np.array_equal(m, e) for m, e in zip(made, exact, strict=True))
