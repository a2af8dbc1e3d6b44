"""Whether an edited case is still one that graphfuzz may hold against a target.

An edit that changes values can leave an operator's domain, make a tie or a NaN, or overflow: what a converted model
does then proves nothing. So the whole case is inferred and evaluated again, under the rules that generation follows.

Somebody else's model (`graphfuzz import`) need not keep to them: weights beyond a domain, a mask of infinities. What
operators it uses so from the beginning it may use so to the end.
"""

from __future__ import annotations

from collections.abc import Collection

from graphfuzz.graph import (
    Case,
    Values,
    bound_cases,
    evaluate,
    operands,
    ordinary_outputs,
    ordinary_values,
    validate,
)
from graphfuzz.minimizer.edits import Bindings
from graphfuzz.spec.registry import Registry


def admitted(case: Case, registry: Registry, exempt: Collection[str] = ()) -> Bindings | None:
    """Every value of an admissible case by name, at each binding; None for a case that is not admissible. exempt:
    operators whose uses need not be ordinary.

    Inadmissible, too, is what an operator's own rules, domain or reference raise on: they come from packs, were
    written for the cases that generation makes, and an edit may hand them anything.
    """
    try:
        found = [_ordinary_values(bound, registry, exempt) for bound in bound_cases(case, registry)]
    except Exception:  # noqa: BLE001 - the boundary to the packs' code; InvalidGraph and WrongReference are among it
        return None
    return None if None in found else [values for values in found if values is not None]


def values_of(case: Case, registry: Registry) -> Bindings:
    """The same of any case, be it admissible or not; nothing where it is no valid graph or has no values."""
    try:
        validate(case.graph, registry, case.framework)
        return [evaluate(bound.graph, bound.tensors, registry) for bound in bound_cases(case, registry)]
    except Exception:  # noqa: BLE001 - the boundary to the packs' code, as above
        return []


def not_ordinary(case: Case, values: Bindings, registry: Registry) -> frozenset[str]:
    """The operators of which a case has a use that is not an ordinary one. values: of the case, at each binding."""
    found = set[str]()
    for bound, known in zip(bound_cases(case, registry), values, strict=True):
        types = bound.graph.values()
        for node in bound.graph.nodes:
            op, arrays = registry[node.op], [known[name] for name in node.inputs]
            if ordinary_outputs(op, node, operands(bound.graph, node, types), arrays, case.framework) is None:
                found.add(node.op)
    return frozenset(found)


def _ordinary_values(case: Case, registry: Registry, exempt: Collection[str]) -> Values | None:
    """Raises InvalidGraph, WrongReference, and whatever an operator's functions raise."""
    validate(case.graph, registry, case.framework)
    return ordinary_values(case.graph, case.tensors, registry, case.framework, exempt)
