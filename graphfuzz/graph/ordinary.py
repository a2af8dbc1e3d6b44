"""Ordinary uses of operators: operands in the domain, results defined, finite, of ordinary magnitude, no overflow.

What a converted model does outside of these proves nothing. The generator grows graphs under these rules, and the
minimizer keeps to them.

NaN and infinities are special values. They are ordinary where they come of operands that have some, in an operator that
declares itself for them (`Operator.special`). So a graph has them only where its leaves do.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.graph.evaluation import Array, Values, apply, computable, parts
from graphfuzz.graph.graph import Graph, Node, operands
from graphfuzz.graph.widening import widened_attributes
from graphfuzz.spec.dtypes import is_complex, is_float
from graphfuzz.spec.inference import check_attributes, parameters_of, rank_of
from graphfuzz.spec.operator import Bounds, Operator, Parameter, Rejected, Tensor
from graphfuzz.spec.registry import Registry

LIMITS: Mapping[str, float] = {
    "bool": 1,
    "uint8": 200,
    "uint16": 2.0**15,
    "uint32": 2.0**24,
    "uint64": 2.0**24,
    "int8": 100,
    "int16": 2.0**14,
    "int32": 2.0**24,
    "int64": 2.0**24,
    "bfloat16": 2.0**10,
    "float16": 2.0**10,
    "float32": 1e6,
    "float64": 1e6,
    "complex64": 1e6,
    "complex128": 1e6,
}
"""The largest magnitude of an ordinary case's values: well inside the dtype, exact where integers become floats."""


def ordinary_outputs(
    op: Operator, node: Node, types: Sequence[Tensor], arrays: Sequence[Array], framework: str
) -> list[Array] | None:
    """The outputs of one use from its operands' types and values; None where the use is not an ordinary one in a
    framework. Raises WrongReference.
    """
    parameters = parameters_of(op, len(types))
    limits = operand_bounds(op, parameters, types, node.attrs)
    fits = all(in_domain(p, b, a) for p, b, a in zip(parameters, limits, arrays, strict=True))
    return defined_outputs(op, node, arrays, framework) if fits else None


def ordinary_values(
    graph: Graph, leaves: Values, registry: Registry, framework: str, exempt: Collection[str] = ()
) -> Values | None:
    """Every value of a graph by name, from those of its inputs and weights; None where some use is not an ordinary one
    in a framework. exempt: operators whose uses need not be. Raises WrongReference.
    """
    values, known = dict(leaves), graph.values()
    for node in graph.nodes:
        given = [values[name] for name in node.inputs]
        types = operands(graph, node, known)
        op = registry[node.op]
        made = apply(op, node, given) if op.name in exempt else ordinary_outputs(op, node, types, given, framework)
        if made is None:
            return None
        values.update((v.name, array) for v, array in zip(node.outputs, made, strict=True))
    return values


def defined_outputs(op: Operator, node: Node, arrays: Sequence[Array], framework: str) -> list[Array] | None:
    """The same, where every operand is known to lie in its domain."""
    special = any(map(is_special, arrays))
    if (special and framework not in op.special) or not is_defined(op, node, arrays):
        return None
    made = apply(op, node, arrays)
    if _wraps_around(op, node, arrays, made) or not all(is_ordinary(array, special) for array in made):
        return None
    return None if special and any(map(is_special, made)) and _overflows(op, node, arrays, made) else made


def is_defined(op: Operator, node: Node, arrays: Sequence[Array]) -> bool:
    """Whether the operator has one right result on operands in its domain, of which references make it."""
    if op.defined is None:
        return True
    with np.errstate(all="ignore"):
        return bool(op.defined(*map(computable, arrays), **node.attrs))


def in_domain(parameter: Parameter, bounds: Bounds | None, array: Array, known: Bounds | None = None) -> bool:
    """Whether an operand's finite values are in its bounds (None: any), and none smaller than they may be.

    known: the array's `extent`, if it is known.
    """
    if bounds is not None and not contains(bounds, known or extent(array)):
        return False
    return not parameter.least or not np.any(np.abs(array) < parameter.least)


def operand_bounds(
    op: Operator, parameters: Sequence[Parameter], types: Sequence[Tensor], attrs: Mapping[str, Any]
) -> list[Bounds | None]:
    """The values (inclusive) that the operator is defined for, operand by operand; None for any."""
    named: dict[str, Tensor] = {}
    for parameter, tensor in zip(parameters, types, strict=True):
        named.setdefault(parameter.name, tensor)
    return [_bounds(op, p, t, named, attrs) for p, t in zip(parameters, types, strict=True)]


def _bounds(
    op: Operator, parameter: Parameter, tensor: Tensor, named: Mapping[str, Tensor], attrs: Mapping[str, Any]
) -> Bounds | None:
    if callable(parameter.domain):
        return parameter.domain(**named, **attrs)
    return plain_bounds(op, parameter, tensor.dtype)


def plain_bounds(op: Operator, parameter: Parameter, dtype: str) -> Bounds | None:
    """The same for one operand, where that does not depend on the use; None where it does, too."""
    if parameter.domain is not None:
        return None if callable(parameter.domain) else parameter.domain
    return op.domain if is_float(dtype) or is_complex(dtype) else None


def extent(array: Array) -> Bounds:
    """The least and the greatest finite value (of complex ones, of the parts); (inf, -inf) where there is none."""
    low, high = _ends(array)
    if (math.isfinite(low) and math.isfinite(high)) or array.size == 0:
        return (low, high)
    values = computable(parts(array))
    return _ends(values[np.isfinite(values)])


def _ends(array: Array) -> Bounds:
    """The least and the greatest value, NaN where one is; (inf, -inf) where there is none."""
    if array.size == 0:
        return (math.inf, -math.inf)
    values = computable(parts(array))
    return (float(values.min()), float(values.max()))


def contains(bounds: Bounds, known: Bounds) -> bool:
    """Whether values of this extent lie in the bounds (inclusive)."""
    return bounds[0] <= known[0] and known[1] <= bounds[1]


def within(array: Array, bounds: Bounds) -> bool:
    """Whether all values (a complex number's parts) are finite, and lie in the bounds (inclusive)."""
    return contains(bounds, extent(array)) and not is_special(array)


def is_special(array: Array) -> bool:
    """Whether some value is NaN or infinite."""
    return array.dtype.kind not in "biu" and not np.isfinite(computable(array)).all()


def is_ordinary(array: Array, special: bool = False) -> bool:
    """Whether all values are finite (or else, if they may be `special`) and inside their dtype's `LIMITS`."""
    if array.dtype == bool:
        return True
    return contains(_LIMITS[array.dtype], extent(array) if special else _ends(array))


_LIMITS: Mapping[Any, Bounds] = {np.dtype(name): (-limit, limit) for name, limit in LIMITS.items()}


def _wraps_around(op: Operator, node: Node, arrays: Sequence[Array], made: Sequence[Array]) -> bool:
    """Whether integers wrapped around: the same computation in int64 gives something else."""
    if not any(m.dtype.kind in "iu" for m in made) or not any(a.dtype.kind in "iu" for a in arrays):
        return False
    widest = [a.astype("int64") if a.dtype.kind in "iu" else computable(a) for a in arrays]
    exact = _computed(op, node.attrs, widest)
    return any(not np.array_equal(m, e, equal_nan=True) for m, e in zip(made, exact, strict=True))


def _overflows(op: Operator, node: Node, arrays: Sequence[Array], made: Sequence[Array]) -> bool:
    """Whether NaN or an infinity is for want of range: the same computation in float64 has not the same ones, or there
    is none."""
    widest = [a.astype("float64") if is_float(str(a.dtype)) else a for a in arrays]
    attrs = widened_attributes(node.attrs)
    try:
        check_attributes(op, rank_of(parameters_of(op, len(arrays)), [a.ndim for a in arrays]), attrs)
    except Rejected:
        return True
    exact = _computed(op, attrs, widest)
    return any(not np.array_equal(_specials(m), _specials(e), equal_nan=True) for m, e in zip(made, exact, strict=True))


def _specials(array: Any) -> Array:
    """What is NaN or infinite of an array, and zero."""
    values = computable(np.asarray(array))
    return np.where(np.isfinite(values), 0, values)


def _computed(op: Operator, attrs: Mapping[str, Any], arrays: Sequence[Array]) -> Sequence[Any]:
    with np.errstate(all="ignore"):
        result = op.reference(*arrays, **attrs)
    return result if isinstance(result, tuple | list) else [result]
