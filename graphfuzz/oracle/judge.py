"""One case on one route, from source model to verdict.

A stage's boundary is the only place where any exception is caught; there it becomes a verdict, with its traceback.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from graphfuzz.graph import (
    Array,
    Case,
    pack_arrays,
)
from graphfuzz.materializer import run_captured_keras
from graphfuzz.oracle import verdict as verdicts
from graphfuzz.oracle.causes import class_name, out_of_memory, root_cause
from graphfuzz.oracle.comparison import compare, largest_difference
from graphfuzz.oracle.route import Capture, Route, versions
from graphfuzz.oracle.runtime import as_complex
from graphfuzz.oracle.source_model import Source, Uncaptured, built, wide_outputs, written
from graphfuzz.oracle.target import Target
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import Mismatch, Outcome
from graphfuzz.spec.registry import Registry

_BLAMES = {
    "generation": verdicts.HARNESS_ERROR,
    "materialization": verdicts.HARNESS_ERROR,
    "source": verdicts.HARNESS_ERROR,
    "conversion": verdicts.CONVERSION_CRASH,
    "check": verdicts.INVALID_MODEL,
    "load": verdicts.LOAD_FAILURE,
    "run": verdicts.RUN_FAILURE,
    "compare": verdicts.HARNESS_ERROR,
}
"""The verdict on an exception, by stage, where nothing milder or more exact is known of it."""


T = TypeVar("T")


class _Ended(Exception):
    """A stage raised; the verdict is known."""

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__(stage)
        self.stage, self.error = stage, error


class _Evidence:
    """What the stages made, as far as they came."""

    expected = b""
    binding = 0
    model = b""
    apart: float | None = None
    doubt: Exception | None = None


class _Clock:
    """Runs stages: tells each one's name before it, and keeps its wall time."""

    def __init__(self, report_stage: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._report = report_stage

    def stage(self, name: str, work: Callable[[], T]) -> T:
        """The work's result. Raises _Ended with whatever the work raised."""
        self._report(name)
        start = time.perf_counter()
        try:
            return work()
        except Exception as error:
            raise _Ended(name, error) from error
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def judge(
    case: Case,
    route: Route,
    registry: Registry,
    report_stage: Callable[[str], None] = lambda stage: None,
    tolerance: Tolerance = Tolerance(),  # noqa: B008 - frozen
) -> Outcome:
    """The verdict on the case. report_stage: called with each stage's name before it begins."""
    return _judge(case, route, registry, _Clock(report_stage), tolerance)


def judge_made(
    make: Callable[[], Case],
    route: Route,
    registry: Registry,
    report_stage: Callable[[str], None] = lambda stage: None,
    tolerance: Tolerance = Tolerance(),  # noqa: B008 - frozen
) -> tuple[Case | None, Outcome]:
    """The case that `make` makes, with the verdict on it; None where making it failed."""
    clock = _Clock(report_stage)
    try:
        case = clock.stage("generation", make)
    except _Ended as end:
        return None, _failure(route, end.stage, end.error, clock, _Evidence())
    return case, _judge(case, route, registry, clock, tolerance)


def _judge(case: Case, route: Route, registry: Registry, clock: _Clock, tolerance: Tolerance) -> Outcome:
    """The outcome of the stages; where shape inference had objected and any finding follows, of the check; where the
    way before this one is not right either, that this is not for the case."""
    found = _Evidence()
    outcome = _run_stages(case, route, registry, clock, tolerance, found)
    if not outcome.is_finding:
        return outcome
    if found.doubt is not None:
        outcome = _failure(route, "check", found.doubt, clock, found)
    if route.before is not None:
        before = judge(case, route.before, registry, tolerance=tolerance)
        if before.verdict not in (verdicts.OK, verdicts.UNSTABLE):
            words = f"{route.before.name} is not right before: {before.summary()}"
            return msgspec.structs.replace(outcome, verdict=verdicts.UNSUPPORTED, message=words, mismatch=None)
    return outcome


def _run_stages(
    case: Case, route: Route, registry: Registry, clock: _Clock, tolerance: Tolerance, found: _Evidence
) -> Outcome:
    try:
        verdict, mismatch = _stages(case, route, registry, clock, tolerance, found)
    except _Ended as end:
        return _failure(route, end.stage, end.error, clock, found)
    return Outcome(
        route=route.name,
        verdict=verdict,
        stage="compare",
        mismatch=mismatch,
        binding=found.binding if verdict == verdicts.WRONG_OUTPUT else 0,
        seconds=clock.seconds,
        model=found.model,
        expected=found.expected,
        versions=versions(route),
        apart=found.apart,
    )


def _stages(
    case: Case, route: Route, registry: Registry, clock: _Clock, tolerance: Tolerance, found: _Evidence
) -> tuple[str, Mismatch | None]:
    """Every stage in turn; fills `found` with the evidence as it comes."""
    text = clock.stage("materialization", lambda: written(case, route, registry))
    source = clock.stage("source", lambda: built(text, case, registry))
    found.expected = pack_arrays(source.expected[0])
    target, made = route.target, _converted(case, route, clock, source)
    found.model = clock.stage("conversion", lambda: target.pack(made))
    if target.doubt is not None:
        found.doubt = clock.stage("check", partial(target.doubt, made, case))
    session = clock.stage("load", lambda: target.load(found.model or made))
    unstable = None
    for found.binding, (bound, expected) in enumerate(zip(source.cases, source.expected, strict=True)):
        found.expected = pack_arrays(expected)
        try:
            actual = clock.stage("run", partial(target.run, session, bound.inputs()))
            plain = as_complex(list(expected.values()), actual)
            found.apart = max(found.apart or 0.0, largest_difference(bound.graph, registry, expected, plain))
            verdict, mismatch = _compared(bound, expected, actual, registry, clock, tolerance, target, made)
        except _Ended:
            _require_covered(route, clock, source, found.binding)
            raise
        if verdict == verdicts.WRONG_OUTPUT:
            _require_covered(route, clock, source, found.binding)
            return verdict, mismatch
        unstable = unstable or mismatch
    return (verdicts.UNSTABLE if unstable else verdicts.OK), unstable


def _compared(
    case: Case,
    expected: dict[str, Array],
    actual: list[Array],
    registry: Registry,
    clock: _Clock,
    tolerance: Tolerance,
    target: Target,
    made: Any,
) -> tuple[str, Mismatch | None]:
    """What comes of the converted model's outputs at one binding."""
    if target.declared is not None:
        wrong = clock.stage("compare", partial(target.declared, made, case.inputs(), actual))
        if wrong is not None:
            position, words = wrong
            return verdicts.WRONG_OUTPUT, Mismatch("declared", case.graph.outputs[max(position, 0)], words)
    return clock.stage(
        "compare",
        lambda: compare(
            case,
            registry,
            expected,
            as_complex(list(expected.values()), actual),
            tolerance,
            lambda: wide_outputs(case, registry),
            target.rounded(made) if target.rounded is not None else frozenset(),
        ),
    )


def _converted(case: Case, route: Route, clock: _Clock, source: Source) -> Any:
    """The converted model. A Keras model that TensorFlow itself cannot trace is no fault of the converter."""
    try:
        return clock.stage("conversion", lambda: route.convert(source.model, case.inputs(), source.axes))
    except _Ended:
        if route.framework == "keras":
            clock.stage("source", lambda: _captured(run_captured_keras, source, 0))
        raise


def _require_covered(route: Route, clock: _Clock, source: Source, binding: int) -> None:
    """Where the program that the converter starts from is not for these sizes, the converter cannot be blamed for it.

    Raises _Ended.
    """
    if binding and route.captured is not None:
        capture = route.captured
        clock.stage("source", lambda: _captured(capture, source, binding))


def _captured(capture: Capture, source: Source, binding: int) -> list[Array]:
    """Raises Uncaptured where the source framework cannot capture the model, or not for sizes that are not known, or
    what it captured is not for these."""
    own, given = source.cases[0].inputs(), source.cases[binding].inputs()
    try:
        return capture(source.model, own, source.axes, given)
    except Exception as error:
        what = (
            "the captured program is not for these sizes" if source.axes else "the framework cannot capture the model"
        )
        raise Uncaptured(what) from error


def failure(route: Route, stage: str, error: Exception) -> Outcome:
    """The outcome of a stage that raised, where nothing was made before."""
    return _failure(route, stage, error, _Clock(lambda name: None), _Evidence())


def _failure(route: Route, stage: str, error: Exception, clock: _Clock, found: _Evidence) -> Outcome:
    root = root_cause(error)
    verdict, message = _BLAMES[stage], str(root)
    if verdict != verdicts.HARNESS_ERROR and out_of_memory(error):
        verdict, message = verdicts.PROCESS_CRASH, f"memory limit: {message}"
    elif (
        isinstance(error, Uncaptured)
        or (stage == "conversion" and route.refused(error))
        or (stage in ("load", "run") and route.target.lacks(error))
    ):
        verdict = verdicts.UNSUPPORTED
    return Outcome(
        route=route.name,
        verdict=verdict,
        stage=stage,
        error=class_name(root),
        message=message,
        traceback="".join(traceback.format_exception(error)),
        binding=found.binding,
        seconds=clock.seconds,
        model=found.model,
        expected=found.expected,
        versions=versions(route),
    )
