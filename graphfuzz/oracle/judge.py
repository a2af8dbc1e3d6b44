"""One case on one route, from source model to verdict.

A stage's boundary is the only place where any exception is caught; there it becomes a verdict, with its traceback.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from graphfuzz.graph import Array, Case, Graph, Values, pack_arrays, validate, widened, widened_values
from graphfuzz.materializer import build, run, run_captured_keras, source
from graphfuzz.oracle import verdict as verdicts
from graphfuzz.oracle.causes import class_name, disputes_shapes, out_of_memory, root_cause
from graphfuzz.oracle.comparison import compare
from graphfuzz.oracle.converted import float_attributes
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.runtime import as_complex, lacks_kernel, load_onnx, run_onnx
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import Mismatch, Outcome
from graphfuzz.spec.dtypes import is_complex
from graphfuzz.spec.registry import Registry

_BLAMES = {
    "generation": verdicts.HARNESS_ERROR,
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
    model = b""
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
        return None, failure(route, end.stage, end.error, seconds=clock.seconds)
    return case, _judge(case, route, registry, clock, tolerance)


def _judge(case: Case, route: Route, registry: Registry, clock: _Clock, tolerance: Tolerance) -> Outcome:
    """The outcome of the stages; where shape inference had objected and any finding follows, of the check."""
    found = _Evidence()
    outcome = _run_stages(case, route, registry, clock, tolerance, found)
    if found.doubt is None or not outcome.is_finding:
        return outcome
    return failure(route, "check", found.doubt, seconds=clock.seconds, expected=found.expected, model=found.model)


def _run_stages(
    case: Case, route: Route, registry: Registry, clock: _Clock, tolerance: Tolerance, found: _Evidence
) -> Outcome:
    try:
        verdict, mismatch = _stages(case, route, registry, clock, tolerance, found)
    except _Ended as end:
        return failure(route, end.stage, end.error, seconds=clock.seconds, expected=found.expected, model=found.model)
    return Outcome(
        route=route.name,
        verdict=verdict,
        stage="compare",
        mismatch=mismatch,
        seconds=clock.seconds,
        model=found.model,
        expected=found.expected,
        versions=versions(route),
    )


def _stages(
    case: Case, route: Route, registry: Registry, clock: _Clock, tolerance: Tolerance, found: _Evidence
) -> tuple[str, Mismatch | None]:
    """Every stage in turn; fills `found` with the evidence as it comes."""
    model, expected = clock.stage("source", lambda: _source(case, route, registry))
    found.expected = pack_arrays(expected)
    proto = _converted(case, route, clock, model)
    found.model = clock.stage("conversion", lambda: bytes(proto.SerializeToString()))
    found.doubt = clock.stage("check", lambda: _doubt(proto, case))
    session = clock.stage("load", lambda: load_onnx(found.model))
    actual = clock.stage("run", lambda: run_onnx(session, case.inputs()))
    return clock.stage(
        "compare",
        lambda: compare(
            case,
            registry,
            expected,
            as_complex(list(expected.values()), actual),
            tolerance,
            lambda: _wide_outputs(case, registry),
            float_attributes(proto),
        ),
    )


def _converted(case: Case, route: Route, clock: _Clock, model: Any) -> Any:
    """The converted model. A Keras model that TensorFlow itself cannot trace is no fault of the converter."""
    try:
        return clock.stage("conversion", lambda: route.convert(model, case.inputs()))
    except _Ended:
        if route.framework == "keras":
            clock.stage("source", lambda: run_captured_keras(model, case.inputs()))
        raise


def _source(case: Case, route: Route, registry: Registry) -> tuple[Any, dict[str, Array]]:
    """The source model, built, and its outputs by name. Raises InvalidGraph, WrongTypes."""
    if case.framework != route.framework:
        raise WrongTypes(f"the case follows {case.framework}'s types, the route {route.name} {route.framework}'s")
    validate(case.graph, registry, route.framework)
    model = build(source(case.graph, registry, route.framework), route.framework, case.weights())
    made = run(model, route.framework, case.inputs())
    stated = case.graph.values()
    if len(made) != len(case.graph.outputs):
        raise WrongTypes(f"the source model made {len(made)} outputs, the graph states {len(case.graph.outputs)}")
    expected = dict(zip(case.graph.outputs, made, strict=True))
    for name, array in expected.items():
        if array.dtype != stated[name].dtype or array.shape != stated[name].shape:
            raise WrongTypes(f"the source model made {array.dtype}{list(array.shape)}, the graph states {stated[name]}")
    return model, expected


def check(proto: Any, inputs: Values) -> None:
    """Raises unless the model has no other inputs, and passes ONNX's full check, which includes strict inference."""
    import onnx

    given = {value.name for value in proto.graph.initializer} | set(inputs)
    strange = [value.name for value in proto.graph.input if value.name not in given]
    if strange:
        raise WrongInputs(f"the converted model has inputs that the source model has not: '{', '.join(strange)}'")
    onnx.checker.check_model(proto, full_check=True)


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


def _wide_outputs(case: Case, registry: Registry) -> Values | None:
    """The source model's outputs in float64 by name; None where an operator has no float64 form."""
    wide = widened(case.graph, registry, case.framework)
    if wide is None:
        return None
    twin = Case(wide, case.framework, widened_values(case.tensors))
    model = build(source(wide, registry, twin.framework), twin.framework, twin.weights())
    made = run(model, twin.framework, twin.inputs())
    return dict(zip(wide.outputs, made, strict=True))


def failure(
    route: Route,
    stage: str,
    error: Exception,
    seconds: dict[str, float] | None = None,
    expected: bytes = b"",
    model: bytes = b"",
) -> Outcome:
    """The outcome of a stage that raised."""
    root = root_cause(error)
    verdict, message = _BLAMES[stage], str(root)
    if verdict != verdicts.HARNESS_ERROR and out_of_memory(error):
        verdict, message = verdicts.PROCESS_CRASH, f"memory limit: {message}"
    elif (stage == "conversion" and route.refused(error)) or (stage in ("load", "run") and lacks_kernel(error)):
        verdict = verdicts.UNSUPPORTED
    return Outcome(
        route=route.name,
        verdict=verdict,
        stage=stage,
        error=class_name(root),
        message=message,
        traceback="".join(traceback.format_exception(error)),
        seconds=seconds or {},
        model=model,
        expected=expected,
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
