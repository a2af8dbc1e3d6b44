"""Frameworks, really run, against the reference: dtypes, shapes and values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.conformance.cases import Found, failure
from graphfuzz.graph import Array, Case, Graph, Values, evaluate
from graphfuzz.materializer import build, run, run_captured_keras, source
from graphfuzz.spec import Operator, Registry
from graphfuzz.spec.dtypes import epsilon, is_complex, is_float, smallest_normal

SLACK = 16
"""How many roundings, of the least precise format involved, an output may be off."""


def framework_differences(op: Operator, framework: str, found: Found, registry: Registry) -> list[str]:
    """Where the framework, really run on these cases, refuses one or differs from the reference."""
    seen: set[str] = set()
    failures = []
    for key, case in found:
        binding = key.rpartition("/")[0]
        captured = framework == "keras" and binding not in seen
        seen.add(binding)
        problem = _framework_problem(op, framework, case, registry, captured)
        if problem:
            failures.append(failure(key, case.graph, problem))
    return failures


def _framework_problem(op: Operator, framework: str, case: Case, registry: Registry, captured: bool) -> str | None:
    """What is wrong with the framework's result, or, where `captured`, with that of the traced Keras model.

    What it warns of (a softmax of one element, a grid of one point) a random use may well have.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = build(source(case.graph, registry, framework), framework, case.weights())
            results = [run(model, framework, case.inputs())]
            results += [run_captured_keras(model, case.inputs())] if captured else []
    except Exception as error:  # noqa: BLE001 - a framework refuses in whatever class it likes
        return f"{framework} refuses it: {said(error)}"
    problems = [_symbolic_difference(model, case.graph) if framework == "keras" else None]
    problems += [difference(op, case, made, registry) for made in results]
    return next((problem for problem in problems if problem), None)


def said(error: Exception) -> str:
    """An exception in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _symbolic_difference(model: Any, graph: Graph) -> str | None:
    """Where Keras's own inference, on which the rest of a model builds, says another type than the rule."""
    for tensor, value in zip(model.outputs, graph.nodes[0].outputs, strict=True):
        if (tensor.dtype, tuple(tensor.shape)) != (value.dtype, value.shape):
            return f"Keras infers {tensor.dtype}{list(tensor.shape)} for {value}"
    return None


def difference(op: Operator, case: Case, made: Sequence[Array], registry: Registry) -> str | None:
    """How a framework's outputs differ from the reference's, or None.

    A framework may take subnormal numbers for zeros, as TensorFlow's threads do (`ScopedFlushDenormal`).
    """
    problem = _difference(op, case, made, evaluate(case.graph, case.tensors, registry))
    if problem is None or _difference(op, case, made, evaluate(case.graph, case.tensors, registry, flushed)) is None:
        return None
    return problem


def _difference(op: Operator, case: Case, made: Sequence[Array], known: Values) -> str | None:
    (node,) = case.graph.nodes
    if len(made) != len(node.outputs):
        return f"{len(made)} outputs, not {len(node.outputs)}"
    for value, actual in zip(node.outputs, made, strict=True):
        if (str(actual.dtype), actual.shape) != (value.dtype, value.shape):
            return f"made {actual.dtype}{list(actual.shape)} for {value}"
        problem = _value_difference(actual, known[value.name], list(case.tensors.values())) if op.compared else None
        if problem:
            return problem
    return None


def flushed(name: str, array: Array) -> Array:
    """The floats, subnormal ones as zeros (see `evaluate`)."""
    return np.where(np.abs(array) < smallest_normal(str(array.dtype)), np.zeros_like(array), array)


def _value_difference(actual: Array, expected: Array, given: Sequence[Array]) -> str | None:
    if not _is_rounded(str(expected.dtype)):
        wrong = actual != expected
    else:
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        with np.errstate(invalid="ignore"):
            gap = np.abs(_widest(actual) - _widest(expected))
        near = np.isfinite(gap) & (gap <= allowance(expected, given))
        wrong = ~same & ~near
    if not np.any(wrong):
        return None
    worst = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{np.sum(wrong)} of {wrong.size} values differ, {worst}: {actual[worst]!r}, reference {expected[worst]!r}"


def _is_rounded(dtype: str) -> bool:
    return is_float(dtype) or is_complex(dtype)


def _widest(array: Array) -> Array:
    return array.astype("complex128" if is_complex(str(array.dtype)) else "float64")


def allowance(expected: Array, given: Sequence[Array]) -> Array:
    """The difference that rounding explains, for each element of an output.

    SLACK roundings of the element itself, of the largest output (for sums that cancel; of the largest operand where
    fewer come out than go in), and of one (for kernels such as TensorFlow's elu that take a one away again), in the
    least precise float format involved.
    """
    floats = [a for a in (expected, *given) if _is_rounded(str(a.dtype))]
    coarsest = max(epsilon(str(a.dtype)) for a in floats)
    magnitude = _magnitude(expected)
    summed = [np.max(_magnitude(a)) for a in floats if a.size > expected.size]
    return np.asarray(SLACK * coarsest * (magnitude + max([np.max(magnitude, initial=0.0), *summed]) + 1.0))


def _magnitude(array: Array) -> Array:
    """The magnitude of each element; of NaN and infinities, zero."""
    return np.where(np.isfinite(array), np.abs(_widest(array)), 0.0)
