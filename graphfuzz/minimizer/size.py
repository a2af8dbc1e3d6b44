"""How large a case is: what every edit that is kept makes smaller."""

from __future__ import annotations

from graphfuzz.graph import LIMITS, Array, Case
from graphfuzz.minimizer.edits import canonical_names
from graphfuzz.spec.plainness import cost
from graphfuzz.spec.registry import Registry

PLAIN_DTYPES = ("float32", "int64", "bool", "int32", "float64")
"""The dtypes that people would rather read, the plainest first; then the others."""
_DTYPES = (*PLAIN_DTYPES, *(dtype for dtype in LIMITS if dtype not in PLAIN_DTYPES))


def size(case: Case, registry: Registry) -> tuple[float, ...]:
    """How large a case is, the most important first.

    Nodes; leaves; outputs; bindings; operands and attributes; axes of the leaves; their elements; how plain their
    dtypes are; how plain the attributes are; characters of the leaves' values; names that are not canonical.
    """
    graph = case.graph
    leaves = list(case.arrays().values())
    attributes = [
        (value, registry[node.op].attrs.get(name))
        for node in graph.nodes
        if node.op in registry
        for name, value in node.attrs.items()
    ]
    return (
        len(graph.nodes),
        len(case.tensors),
        len(graph.outputs),
        len(case.bindings),
        sum(len(node.inputs) + len(node.attrs) for node in graph.nodes),
        sum(array.ndim for array in leaves),
        sum(array.size for array in leaves),
        sum(dtype_rank(str(array.dtype)) for array in leaves),
        sum(cost(value, kind) for value, kind in attributes),
        sum(map(_characters, leaves)),
        sum(old != new for old, new in canonical_names(graph).items()),
    )


def dtype_rank(dtype: str) -> int:
    """How many dtypes are plainer."""
    return _DTYPES.index(dtype)


def _characters(array: Array) -> int:
    return sum(len(str(value)) for value in array.ravel().tolist())
