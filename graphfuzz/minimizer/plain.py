"""Passes that make types and attributes plain: the dtypes that people rather read, fewer axes, simple attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphfuzz.graph import Case, Node, Value, operands
from graphfuzz.minimizer.edits import Edit, Retype
from graphfuzz.minimizer.size import dtype_rank
from graphfuzz.spec.attributes import Attribute, Axes, Axis, Permutation, Sizes
from graphfuzz.spec.inference import parameters_of, rank_of
from graphfuzz.spec.plainness import plainer_values
from graphfuzz.spec.registry import Registry

DTYPES = 3
"""How many plainer dtypes are tried in the place of one."""


def plain_dtypes(case: Case, registry: Registry) -> Iterator[Edit]:
    """A plainer dtype in the place of one, in leaves and attributes; the plainest first."""
    leaves = (*case.graph.inputs, *case.graph.weights)
    plainest = sorted({v.dtype for v in leaves} | {"float32", "int64", "bool", "int32", "float64"}, key=dtype_rank)
    for old in sorted({v.dtype for v in leaves}, key=dtype_rank, reverse=True):
        for new in [dtype for dtype in plainest if dtype_rank(dtype) < dtype_rank(old)][:DTYPES]:
            there = {node.name: _with(node, old, new) for node in case.graph.nodes}
            yield Retype(
                tuple(Value(v.name, new, v.shape) for v in leaves if v.dtype == old),
                tuple((name, attrs) for name, attrs in there.items() if attrs),
            )


def fewer_axes(case: Case, registry: Registry) -> Iterator[Edit]:
    """Without an axis of one element, in all leaves that have one there, or in one of them; attributes follow."""
    if case.bindings:
        return
    leaves = (*case.graph.inputs, *case.graph.weights)
    for rank in sorted({len(v.shape) for v in leaves}, reverse=True):
        for axis in range(rank):
            having = [v for v in leaves if len(v.shape) == rank and v.shape[axis] == 1]
            for chosen in [having, *([v] for v in having)] if len(having) > 1 else [having]:
                if chosen:
                    shapes = tuple(Value(v.name, v.dtype, v.shape[:axis] + v.shape[axis + 1 :]) for v in chosen)
                    yield Retype(shapes, tuple(_without_axis(case, registry, axis, rank)))


def plain_attributes(case: Case, registry: Registry) -> Iterator[Edit]:
    """The plainest attributes, all at once; then one at a time."""
    found = [
        (node.name, name, value)
        for node in case.graph.nodes
        if node.attrs
        for name, value in _plainer_attributes(case, node, registry)
    ]
    at_once: dict[str, dict[str, Any]] = {}
    for node, name, value in found:
        at_once.setdefault(node, {}).setdefault(name, value)
    if sum(map(len, at_once.values())) > 1:
        yield Retype(attrs=tuple(at_once.items()))
    for node, name, value in found:
        yield Retype(attrs=((node, {name: value}),))


def _plainer_attributes(case: Case, node: Node, registry: Registry) -> Iterator[tuple[str, Any]]:
    op = registry[node.op]
    ranks = _ranks(case, node, registry)
    for name, kind in op.attrs.items():
        for value in dict.fromkeys(plainer_values(kind, node.attrs[name], ranks.__getitem__)):
            yield name, value


def _with(node: Node, old: str, new: str) -> dict[str, Any]:
    """The attributes of a node that are one dtype, with another one for it."""
    return {name: new for name, value in node.attrs.items() if value == old}


def _ranks(case: Case, node: Node, registry: Registry) -> Mapping[str, int]:
    given = operands(case.graph, node)
    return rank_of(parameters_of(registry[node.op], len(given)), [tensor.rank for tensor in given])


def _without_axis(case: Case, registry: Registry, axis: int, rank: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The attributes that name axes, or have an entry for each, where operands of a rank lose one."""
    for node in case.graph.nodes:
        ranks = _ranks(case, node, registry)
        changed = {
            name: _shifted(kind, node.attrs[name], axis, rank)
            for name, kind in registry[node.op].attrs.items()
            if ranks.get(getattr(kind, "of", None) or getattr(kind, "per", None) or "") == rank
        }
        if changed:
            yield node.name, changed


def _shifted(kind: Attribute, value: Any, axis: int, rank: int) -> Any:
    if isinstance(kind, Axis):
        place = value % (rank + kind.extra)
        return place - (place > axis)
    if isinstance(kind, Axes | Permutation):
        left = [place % rank for place in value if place % rank != axis]
        return tuple(place - (place > axis) for place in left)
    if isinstance(kind, Sizes):
        return value[:axis] + value[axis + 1 :]
    return value
