"""What every witness stands on: the case's source model with all its values, and one way to hold a run against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from graphfuzz.generator.bindings import value_like
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import Array, Case, Graph, Node, Values, kept, ordinary_values, pruned
from graphfuzz.materializer import run
from graphfuzz.oracle.attribution.variants import larger, spread
from graphfuzz.oracle.comparison import compare, uncompared
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.runtime import as_complex
from graphfuzz.oracle.source_model import Source, sourced, wide_outputs
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import OF_MODELS, OK, UNSTABLE, WRONG_OUTPUT, Mismatch, Outcome
from graphfuzz.spec.registry import Registry

OTHERS, DRAWS = 4, 6
"""On how many other inputs a repaired model has to be right as well, and how many are drawn at most, of any range
and of the case's own, to find these."""


class Ground:
    """A finding's case on its route; everything is made when it is first asked for."""

    def __init__(self, case: Case, outcome: Outcome, route: Route, registry: Registry, tolerance: Tolerance) -> None:
        self.case, self.outcome, self.route = case, outcome, route
        self.registry, self.tolerance = registry, tolerance
        self.binding = outcome.binding
        self.nodes = {node.name: node for node in case.graph.nodes}

    @cached_property
    def source(self) -> Source:
        """The source model. Raises what making or running it raises."""
        return sourced(self.case, self.route, self.registry)

    @cached_property
    def all_values(self) -> Case:
        """The case with every value that a node makes as an output, its own outputs first."""
        made = [v.name for node in self.case.graph.nodes for v in node.outputs]
        outputs = tuple(dict.fromkeys([*self.case.graph.outputs, *made]))
        return msgspec.structs.replace(self.case, graph=msgspec.structs.replace(self.case.graph, outputs=outputs))

    @cached_property
    def all_source(self) -> Source:
        """The source model of `all_values`. Raises the same."""
        return sourced(self.all_values, self.route, self.registry)

    @cached_property
    def recorded(self) -> list[dict[str, Array]]:
        """Every value by name as the source model has it, at each binding. Raises the same."""
        source = self.all_source
        return [{**bound.tensors, **made} for bound, made in zip(source.cases, source.expected, strict=True)]

    @cached_property
    def wide(self) -> Values | None:
        """Every value in float64 at the finding's binding; None where there is none. Raises the same."""
        return wide_outputs(self.all_source.cases[self.binding], self.registry)

    @cached_property
    def model(self) -> Any:
        """The converted model, as the target loads it: the finding's; where a dead worker left none, one that is made
        now. Raises the same."""
        return self.outcome.model or self.converted(self.source)[0]

    @cached_property
    def proto(self) -> Any:
        """The same as ONNX reads it; None where it is not ONNX's."""
        import onnx

        return onnx.load_from_string(self.model) if self.route.target.is_onnx else None

    def converted(self, source: Source) -> tuple[Any, Any]:
        """A source model's converted model, as the target loads it and as ONNX reads it. Raises the same."""
        made = self.route.convert(source.model, source.cases[0].inputs(), source.axes)
        return self.route.target.pack(made) or made, made if self.route.target.is_onnx else None

    @cached_property
    def uncompared(self) -> set[str]:
        """The values that are the implementation's choice."""
        return uncompared(self.case.graph, self.registry)

    def judged(self, case: Case, route: Route | None = None) -> Outcome:
        """The whole way of another case, or of another route."""
        return judge(case, route or self.route, self.registry, tolerance=self.tolerance)

    def held(self, actual: Sequence[Array], proto: Any = None, expected: Values | None = None) -> Mismatch | None:
        """How outputs differ from the source model's (unless others are told) at the finding's binding, if they do."""
        case = self.source.cases[self.binding]
        wanted = self.source.expected[self.binding] if expected is None else expected
        declared = self.route.target.declared
        if proto is not None and declared is not None:
            wrong = declared(proto, case.inputs(), list(actual))
            if wrong is not None:
                return Mismatch("declared", case.graph.outputs[max(wrong[0], 0)], wrong[1])
        return self._compared(case, wanted, actual, proto, lambda: wide_outputs(case, self.registry))

    def values_held(self, actual: Values, proto: Any) -> Mismatch | None:
        """How some values of the graph differ from the source model's, as the first that differs does."""
        case, known = self.all_source.cases[self.binding], self.recorded[self.binding]
        return self._some_held(case, known, actual, proto, lambda: self.wide)

    @cached_property
    def others(self) -> list[tuple[Case, Values]]:
        """The case on other inputs, and every value there: at its other bindings; at this one's shapes, the same
        elements in reverse, and fresh ones, of any range and of the case's own.

        Few or none where the operators are not defined on what is drawn, or there are no inputs. What mends a model by
        accident seldom does so on all of them.
        """
        source = self.all_source
        case = source.cases[self.binding]
        bindings = zip(source.cases, self.recorded, strict=True)
        found: list[tuple[Case, Values]] = [
            (bound, known) for i, (bound, known) in enumerate(bindings) if i != self.binding
        ]
        enough = len(found) + OTHERS
        for given in self._drawn(case):
            same = all(
                np.array_equal(a, case.tensors[name], equal_nan=a.dtype.kind in "fc") for name, a in given.items()
            )
            bound = msgspec.structs.replace(case, tensors={**case.tensors, **given})
            if same or ordinary_values(case.graph, bound.tensors, self.registry, case.framework) is None:
                continue
            made = run(source.model, case.framework, given)
            found.append((bound, dict(zip(case.graph.outputs, made, strict=True))))
            if len(found) == enough:
                break
        return found

    @cached_property
    def larger(self) -> Ground | None:
        """The case at larger sizes, on other values, if its model is wrong there, too."""
        for case in larger(self.case, self.registry):
            outcome = self.judged(case)
            if outcome.verdict in OF_MODELS:
                return Ground(case, outcome, self.route, self.registry, self.tolerance)
        return None

    def _drawn(self, case: Case) -> Iterator[dict[str, Array]]:
        yield {name: a.ravel()[::-1].reshape(a.shape).copy() for name, a in case.inputs().items()}
        rng = np.random.default_rng(OTHERS)
        like = msgspec.structs.replace(case, tensors={name: spread(array) for name, array in case.tensors.items()})
        for _ in range(DRAWS):
            yield {v.name: draw_array(rng, v.dtype, v.shape, None, plain=True) for v in case.graph.inputs}
            yield {v.name: value_like(like.tensors[v.name], v, rng) for v in case.graph.inputs}

    def other_held(self, other: tuple[Case, Values], actual: Values, proto: Any) -> Mismatch | None:
        """How some values differ from the source model's on inputs of `others`."""
        case, known = other
        return self._some_held(case, known, actual, proto, lambda: wide_outputs(case, self.registry))

    def held_elsewhere(self, case: Case, route: Route) -> Mismatch | None:
        """How a part of the graph differs once another framework's converter has made the model of it. Raises what
        comes where that framework has no such model, or the converter cannot."""
        theirs = sourced(msgspec.structs.replace(case, framework=route.framework), route, self.registry)
        made = route.convert(theirs.model, theirs.cases[0].inputs(), theirs.axes)
        given = theirs.cases[self.binding].inputs()
        actual = route.target.execute(route.target.pack(made) or made, given)
        proto = made if route.target.is_onnx else None
        return self.values_held(dict(zip(case.graph.outputs, actual, strict=True)), proto)

    def _some_held(
        self, case: Case, known: Values, actual: Values, proto: Any, wide: Callable[[], Values | None]
    ) -> Mismatch | None:
        alone = msgspec.structs.replace(case, graph=pruned(case.graph, list(actual)), twins=())

        def some() -> Values | None:
            found = wide()
            return None if found is None else {name: found[name] for name in actual}

        return self._compared(alone, {name: known[name] for name in actual}, list(actual.values()), proto, some)

    def _compared(
        self, case: Case, expected: Values, actual: Sequence[Array], proto: Any, wide: Callable[[], Values | None]
    ) -> Mismatch | None:
        made = as_complex(list(expected.values()), list(actual))
        rounds = self.route.target.rounded
        rounded = rounds(proto) if proto is not None and rounds is not None else ()
        verdict, mismatch = compare(case, self.registry, expected, made, self.tolerance, wide, rounded)
        return mismatch if verdict == WRONG_OUTPUT else None

    def alone(self, node: Node) -> Case:
        """The case of one node, on its operands' values in the source model."""
        return self._cut(kept(self.case.graph, [node.name], [v.name for v in node.outputs]))

    def up_to(self, node: Node) -> Case:
        """The case of all that one node's outputs need."""
        return self._cut(pruned(self.case.graph, [v.name for v in node.outputs]))

    def rest(self, node: Node) -> Case | None:
        """The case without one node, its outputs' values given; None where nothing is left."""
        others = [other.name for other in self.case.graph.nodes if other is not node]
        outputs = [name for name in self.case.graph.outputs if name not in {v.name for v in node.outputs}]
        graph = kept(self.case.graph, others, outputs) if outputs else None
        return self._cut(graph) if graph is not None and graph.inputs else None

    def _cut(self, graph: Graph) -> Case:
        own, *others = self.recorded
        tensors = {v.name: own[v.name] for v in (*graph.inputs, *graph.weights)}
        bindings = tuple({v.name: other[v.name] for v in graph.inputs} for other in others)
        return Case(graph, self.case.framework, tensors, {}, bindings)


def is_sound(outcome: Outcome) -> bool:
    """Whether nothing is wrong."""
    return outcome.verdict in (OK, UNSTABLE)
