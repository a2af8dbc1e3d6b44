"""The source model: written, built and run at each of the case's bindings."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from graphfuzz.errors import InvalidGraph
from graphfuzz.graph import Array, Axes, Case, Values, bound_cases, symbolic_axes, validate, widened, widened_values
from graphfuzz.materializer import build, run, source
from graphfuzz.oracle.route import Route
from graphfuzz.spec.registry import Registry


class WrongTypes(Exception):
    """The source model's outputs are not of the types that the graph states: an operator's spec is wrong."""


class Uncaptured(Exception):
    """The source framework has no such model of unknown sizes, or no program of it that is for these sizes."""


class Written(NamedTuple):
    """A source model's text, the case at each of its bindings, and what is dynamic."""

    text: str
    cases: list[Case]
    axes: Axes


class Source(msgspec.Struct, frozen=True, eq=False):
    """The source model, built; the case at each of its bindings, and the outputs that the model has there, by name."""

    model: Any
    cases: list[Case]
    axes: Axes
    expected: list[dict[str, Array]]


def sourced(case: Case, route: Route, registry: Registry) -> Source:
    """The source model, written, built and run. Raises InvalidGraph, WrongTypes, Uncaptured."""
    return built(written(case, route, registry), case, registry)


def written(case: Case, route: Route, registry: Registry) -> Written:
    """The source model's text. Raises InvalidGraph, WrongTypes."""
    if case.framework != route.framework:
        raise WrongTypes(f"the case follows {case.framework}'s types, the route {route.name} {route.framework}'s")
    validate(case.graph, registry, route.framework)
    cases = bound_cases(case, registry)
    axes = symbolic_axes([bound.graph for bound in cases])
    text, *others = (source(bound.graph, registry, route.framework, axes) for bound in cases)
    if any(other != text for other in others):
        raise InvalidGraph("the source of some operator depends on sizes that are dynamic")
    return Written(text, cases, axes)


def built(written: Written, case: Case, registry: Registry) -> Source:
    """The source model, built and run. Raises WrongTypes, Uncaptured."""
    text, cases, axes = written
    try:
        model = build(text, case.framework, case.weights())
        return Source(model, cases, axes, [_outputs(model, bound) for bound in cases])
    except Exception as error:
        if not axes or case.framework == "torch":
            raise
        for bound in cases:
            _outputs(build(source(bound.graph, registry, bound.framework), bound.framework, bound.weights()), bound)
        raise Uncaptured(f"{case.framework} has no such model of unknown sizes") from error


def _outputs(model: Any, case: Case) -> dict[str, Array]:
    """The source model's outputs by name. Raises WrongTypes."""
    made = run(model, case.framework, case.inputs())
    stated = case.graph.values()
    if len(made) != len(case.graph.outputs):
        raise WrongTypes(f"the source model made {len(made)} outputs, the graph states {len(case.graph.outputs)}")
    expected = dict(zip(case.graph.outputs, made, strict=True))
    for name, array in expected.items():
        if array.dtype != stated[name].dtype or array.shape != stated[name].shape:
            raise WrongTypes(f"the source model made {array.dtype}{list(array.shape)}, the graph states {stated[name]}")
    return expected


def wide_outputs(case: Case, registry: Registry) -> Values | None:
    """The source model's outputs in float64 by name; None where an operator has no float64 form."""
    wide = widened(case.graph, registry, case.framework)
    if wide is None:
        return None
    twin = Case(wide, case.framework, widened_values(case.tensors))
    model = build(source(wide, registry, twin.framework), twin.framework, twin.weights())
    made = run(model, twin.framework, twin.inputs())
    return dict(zip(wide.outputs, made, strict=True))
