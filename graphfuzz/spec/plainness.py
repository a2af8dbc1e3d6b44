"""Which values of attributes are plainer than others: what a person would rather read, and would not have to set."""

from __future__ import annotations

from typing import Any

from graphfuzz.spec.attributes import Attribute, Choice, Permutation, Ranks


def cost(value: Any, kind: Any = None) -> float:
    """How far an attribute's value is from the plainest of its kind: the first choice, False, 0 or 1, no entries,
    axes in their order."""
    if isinstance(kind, Choice):
        return float(next(i for i, o in enumerate(kind.options) if o == value and type(o) is type(value)))
    if isinstance(kind, Permutation):
        return float(sum(place != axis for place, axis in enumerate(value)))
    if isinstance(value, bool) or value is None:
        return float(bool(value))
    if isinstance(value, str):
        return len(value)
    if isinstance(value, float):
        return {0.0: 0.0, 1.0: 0.0}.get(value, len(str(value)))
    if isinstance(value, int):
        return abs(value) + 0.5 * (value < 0)
    return float(sum(1 + cost(each) for each in value))


def plainer_values(kind: Attribute, value: Any, rank: Ranks) -> list[Any]:
    """The values of a kind of attribute that are plainer than one, the plainest first."""
    tried = list(kind.options) if isinstance(kind, Choice) else _simpler(value)
    fitting = [other for other in tried if cost(other, kind) < cost(value, kind) and kind.problem(other, rank) is None]
    return sorted(fitting, key=lambda other: cost(other, kind))


def _simpler(value: Any) -> list[Any]:
    """Values like one, simpler ones among them."""
    if isinstance(value, bool) or value is None:
        return [False]
    if isinstance(value, int):
        return [0, 1, 2, -1, abs(value), value // 2, value - 2, value - 1]
    if isinstance(value, float):
        return [1.0, 0.0, 0.5, 2.0, float(f"{value:.1g}")]
    if not isinstance(value, tuple):
        return []
    alike = [tuple(_simpler(each)[place] for each in value) for place in range(2) if all(map(_simpler, value))]
    shorter = [value[:place] + value[place + 1 :] for place in range(len(value))]
    each = [
        (*value[:place], other, *value[place + 1 :]) for place in range(len(value)) for other in _simpler(value[place])
    ]
    return [*alike, tuple(sorted(value, key=str)), *shorter, *each]
