"""One case on one route, from source model to verdict.

A stage's boundary is the only place where any exception is caught; there it becomes a verdict, with its traceback.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import msgspec

from graphfuzz.errors import InvalidGraph
from graphfuzz.graph import (
    Array,
    Axes,
    Case,
    Graph,
    Values,
    bound_cases,
    pack_arrays,
    symbolic_axes,
    validate,
    widened,
    widened_values,
)
from graphfuzz.materializer import build, run, run_captured_keras, source
from graphfuzz.oracle import verdict as verdicts
from graphfuzz.oracle.causes import class_name, disputes_shapes, out_of_memory, root_cause
from graphfuzz.oracle.comparison import compare, largest_difference
from graphfuzz.oracle.converted import float_attributes
from graphfuzz.oracle.declared import misdeclared
from graphfuzz.oracle.route import Capture, Route
from graphfuzz.oracle.runtime import as_complex, lacks_kernel, load_onnx, run_onnx
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import Mismatch, Outcome
from graphfuzz.spec.dtypes import is_complex
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


class WrongTypes(Exception):
    """The source model's outputs are not of the types that the graph states: an operator's spec is wrong."""


class StaticOnly(Exception):
    """The source framework itself, or the program that it captures for a converter, is not for other sizes."""


class WrongInputs(Exception):
    """The converted model asks for inputs that the source model does not have."""


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
    """The outcome of the stages; where shape inference had objected and any finding follows, of the check."""
    found = _Evidence()
    outcome = _run_stages(case, route, registry, clock, tolerance, found)
    if found.doubt is None or not outcome.is_finding:
        return outcome
    return _failure(route, "check", found.doubt, clock, found)


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
    written = clock.stage("materialization", lambda: _written(case, route, registry))
    source = clock.stage("source", lambda: _source(written, case, registry))
    found.expected = pack_arrays(source.expected[0])
    proto = _converted(case, route, clock, source)
    found.model = clock.stage("conversion", lambda: bytes(proto.SerializeToString()))
    found.doubt = clock.stage("check", lambda: _doubt(proto, case))
    session = clock.stage("load", lambda: load_onnx(found.model))
    unstable = None
    for found.binding, (bound, expected) in enumerate(zip(source.cases, source.expected, strict=True)):
        found.expected = pack_arrays(expected)
        try:
            actual = clock.stage("run", partial(run_onnx, session, bound.inputs()))
            plain = as_complex(list(expected.values()), actual)
            found.apart = max(found.apart or 0.0, largest_difference(bound.graph, registry, expected, plain))
            verdict, mismatch = _compared(bound, expected, actual, registry, clock, tolerance, proto, source.axes)
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
    proto: Any,
    axes: Axes,
) -> tuple[str, Mismatch | None]:
    """What comes of the converted model's outputs at one binding."""
    wrong = clock.stage("compare", lambda: misdeclared(proto, case.inputs(), actual)) if axes else None
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
            float_attributes(proto),
        ),
    )


class Source(msgspec.Struct, frozen=True, eq=False):
    """The source model, built; the case at each of its bindings, and the outputs that the model has there, by name."""

    model: Any
    cases: list[Case]
    axes: Axes
    expected: list[dict[str, Array]]


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
    """Raises StaticOnly where the model cannot be captured for sizes that are not known, or is not for these."""
    own, given = source.cases[0].inputs(), source.cases[binding].inputs()
    try:
        return capture(source.model, own, source.axes, given)
    except Exception as error:
        if not source.axes:
            raise
        raise StaticOnly("the captured program is not for these sizes") from error


def sourced(case: Case, route: Route, registry: Registry) -> Source:
    """The source model, written, built and run. Raises InvalidGraph, WrongTypes, StaticOnly."""
    return _source(_written(case, route, registry), case, registry)


def _written(case: Case, route: Route, registry: Registry) -> tuple[str, list[Case], Axes]:
    """The source model's text, the case at each binding, and what is dynamic. Raises InvalidGraph, WrongTypes."""
    if case.framework != route.framework:
        raise WrongTypes(f"the case follows {case.framework}'s types, the route {route.name} {route.framework}'s")
    validate(case.graph, registry, route.framework)
    cases = bound_cases(case, registry)
    axes = symbolic_axes([bound.graph for bound in cases])
    text, *others = (source(bound.graph, registry, route.framework, axes) for bound in cases)
    if any(other != text for other in others):
        raise InvalidGraph("the source of some operator depends on sizes that are dynamic")
    return text, cases, axes


def _source(written: tuple[str, list[Case], Axes], case: Case, registry: Registry) -> Source:
    """The source model, built and run. Raises WrongTypes, StaticOnly."""
    text, cases, axes = written
    try:
        model = build(text, case.framework, case.weights())
        return Source(model, cases, axes, [_outputs(model, bound) for bound in cases])
    except Exception as error:
        if not axes or case.framework == "torch":
            raise
        for bound in cases:
            _outputs(build(source(bound.graph, registry, bound.framework), bound.framework, bound.weights()), bound)
        raise StaticOnly(f"{case.framework} has no such model of unknown sizes") from error


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


def check(proto: Any, inputs: Values, inference: bool = True) -> None:
    """Raises unless the model has no other inputs, and passes ONNX's check; with inference, the full one."""
    import onnx

    given = {value.name for value in proto.graph.initializer} | set(inputs)
    strange = [value.name for value in proto.graph.input if value.name not in given]
    if strange:
        raise WrongInputs(f"the converted model has inputs that the source model has not: '{', '.join(strange)}'")
    onnx.checker.check_model(proto, full_check=inference)


def _doubt(proto: Any, case: Case) -> Exception | None:
    """The objection of shape inference to the model's shapes, if that is all that the check finds. Else raises.

    Inference has defects of its own (github.com/onnx/onnx/issues/5711), so the runtime decides who is right; but not
    where the model declares other outputs than the source model has.
    """
    import onnx

    try:
        check(proto, case.inputs())
    except onnx.shape_inference.InferenceError as error:
        if not disputes_shapes(error) or not _declares_outputs(proto, case.graph):
            raise
        return error
    return None


_REAL_ONNX = (1, 11)
"""ONNX's numbers for float and double (onnx.TensorProto.DataType)."""


def _declares_outputs(proto: Any, graph: Graph) -> bool:
    """Whether the outputs' shapes, as far as the model declares sizes, are those of the graph (see `as_complex`)."""
    stated = graph.values()
    for name, output in zip(graph.outputs, proto.graph.output, strict=False):
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in output.type.tensor_type.shape.dim]
        shape = stated[name].shape
        if is_complex(stated[name].dtype) and output.type.tensor_type.elem_type in _REAL_ONNX:
            shape = (*shape, 2)
        if len(sizes) != len(shape) or any(s is not None and s != t for s, t in zip(sizes, shape, strict=True)):
            return False
    return True


def wide_outputs(case: Case, registry: Registry) -> Values | None:
    """The source model's outputs in float64 by name; None where an operator has no float64 form."""
    wide = widened(case.graph, registry, case.framework)
    if wide is None:
        return None
    twin = Case(wide, case.framework, widened_values(case.tensors))
    model = build(source(wide, registry, twin.framework), twin.framework, twin.weights())
    made = run(model, twin.framework, twin.inputs())
    return dict(zip(wide.outputs, made, strict=True))


def failure(route: Route, stage: str, error: Exception) -> Outcome:
    """The outcome of a stage that raised, where nothing was made before."""
    return _failure(route, stage, error, _Clock(lambda name: None), _Evidence())


def _failure(route: Route, stage: str, error: Exception, clock: _Clock, found: _Evidence) -> Outcome:
    root = root_cause(error)
    verdict, message = _BLAMES[stage], str(root)
    if verdict != verdicts.HARNESS_ERROR and out_of_memory(error):
        verdict, message = verdicts.PROCESS_CRASH, f"memory limit: {message}"
    elif (
        isinstance(error, StaticOnly)
        or (stage == "conversion" and route.refused(error))
        or (stage in ("load", "run") and lacks_kernel(error))
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


def versions(route: Route) -> dict[str, str]:
    """The installed version of each distribution that matters to the route."""
    return {package: _version(package) for package in ("graphfuzz", *route.packages)}


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
