"""Which values every implementation computes exactly, so that rounding excuses nothing.

All elements of such a value are short: NaN, infinite, or multiples of 1/16 far inside the dtype's precision. That alone
does not do, as `x / x` is one and `x * (1 / x)` is not. So the value is also given, or made by an operator that

* maps integers to integers: its arithmetic, exact on these, is exact on short floats (sums, products, maxima, copies,
  rounding, casts from integers; not quotients); or
* rounds: it makes whole numbers less than one away from those of its only float operand, which are not whole.

Without exact values nothing could be said of a rounding mode, which shows at ties only, nor of what follows a rounding.

That a value is exact says nothing of what an operator makes of it by other arithmetic: a Fourier transform of equal
numbers is zero but for rounding. An operator *mixes* where it makes floats by other arithmetic of several elements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphfuzz.graph import Array, Graph, Node, Value, Values, apply, operands, output_types, parts
from graphfuzz.spec.dtypes import FLOATS, epsilon, is_complex, is_float, is_integer
from graphfuzz.spec.operator import Operator, Rejected, Tensor
from graphfuzz.spec.registry import Registry


def exact_values(graph: Graph, registry: Registry, framework: str, values: Values) -> frozenset[str]:
    """The names of the float values of the graph that are exact; `values`: the arrays, perhaps in a wider dtype.

    Of complex values, only given ones can be.
    """
    known = graph.values()
    rounds = {name: value.dtype for name, value in known.items() if is_float(value.dtype) or is_complex(value.dtype)}
    short = {name for name, dtype in rounds.items() if _is_short(parts(values[name]), dtype)}
    given = {leaf.name for leaf in (*graph.inputs, *graph.weights)}
    made: set[str] = set()
    for node in graph.nodes:
        if short.isdisjoint(value.name for value in node.outputs):
            continue
        whole = _keeps_integers(registry[node.op], graph, node, known, framework)
        for value, closed in zip(node.outputs, whole, strict=True):
            if closed or _rounds(node, value, known, values):
                made.add(value.name)
    return frozenset(short & (given | made))


def mixing_nodes(graph: Graph, registry: Registry, framework: str, values: Values) -> frozenset[str]:
    """The names of the nodes that mix; `values` as above, whole numbers in place of their parts."""
    known = graph.values()
    found: set[str] = set()
    for node in graph.nodes:
        op = registry[node.op]
        floats = any(is_float(v.dtype) or is_complex(v.dtype) for v in node.outputs)
        whole = floats and all(_keeps_integers(op, graph, node, known, framework))
        if floats and not whole and not _is_elementwise(op, node, [values[name] for name in node.inputs]):
            found.add(node.name)
    return frozenset(found)


def _is_elementwise(op: Operator, node: Node, arrays: Sequence[Array]) -> bool:
    """Whether other numbers in one half of an operand change an output nowhere else."""
    before = apply(op, node, arrays)
    for position, array in enumerate(arrays):
        if array.dtype.kind not in "fc":
            continue
        half = np.arange(array.size).reshape(array.shape) < array.size / 2
        with np.errstate(all="ignore"):
            other = np.where(half, array * 1.001 + 0.001, array).astype(array.dtype)
        after = apply(op, node, [*arrays[:position], other, *arrays[position + 1 :]])
        for a, b in zip(before, after, strict=True):
            try:
                reached = np.broadcast_to(half, a.shape)
            except ValueError:
                return False
            if np.any((a != b) & ~((a != a) & (b != b)) & ~reached):
                return False
    return True


def _is_short(array: Array, dtype: str) -> bool:
    with np.errstate(all="ignore"):
        short = (array * 16 == np.round(array * 16)) & (np.abs(array) <= 1 / (64 * epsilon(dtype)))
    return bool(np.all(short | ~np.isfinite(array)))


def _keeps_integers(op: Operator, graph: Graph, node: Node, known: Mapping[str, Value], framework: str) -> list[bool]:
    """Whether each output would be an integer one, were every float an integer: operands, and dtypes in attributes."""
    attrs = {
        name: "int64" if isinstance(value, str) and value in FLOATS else value for name, value in node.attrs.items()
    }
    given = [Tensor("int64", t.shape) if is_float(t.dtype) else t for t in operands(graph, node, known)]
    try:
        return [is_integer(made.dtype) for made in output_types(op, given, attrs, framework)]
    except Rejected:
        return [False] * len(node.outputs)


def _rounds(node: Node, value: Value, known: Mapping[str, Value], values: Values) -> bool:
    floats = [values[name] for name in node.inputs if is_float(known[name].dtype)]
    made = values[value.name]
    if len(floats) != 1 or floats[0].shape != made.shape or _is_whole(floats[0]):
        return False
    with np.errstate(invalid="ignore"):
        near = (np.abs(made - floats[0]) < 1) | ~np.isfinite(floats[0])
    return _is_whole(made) and bool(np.all(near))


def _is_whole(array: Array) -> bool:
    return bool(np.all((array == np.round(array)) | ~np.isfinite(array)))
