"""Small cases and outcomes for tests that need no converter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.graph import Case, Graph, Node, Value, evaluate, pack_arrays
from graphfuzz.oracle.verdict import CONVERSION_CRASH, OK, WRONG_OUTPUT, Mismatch, Outcome
from graphfuzz.spec.registry import Registry, load_registry

ROUTE = "torch-script-ort"


def value(name: str, dtype: str = "float32", shape: tuple[int, ...] = (2, 3)) -> Value:
    return Value(name, dtype, shape)


def node(op: str, inputs: str, *outputs: Value, **attrs: Any) -> Node:
    return Node(op, tuple(inputs.split()), attrs, outputs)


def case_of(graph: Graph, seed: int = 0) -> Case:
    """The graph with random leaves: floats in [-1, 1], integers in [0, 1]."""
    rng = np.random.default_rng(seed)
    leaves = {}
    for leaf in (*graph.inputs, *graph.weights):
        drawn = rng.uniform(-1, 1, leaf.shape) if leaf.dtype.startswith("float") else rng.integers(0, 2, leaf.shape)
        leaves[leaf.name] = np.asarray(drawn).astype(leaf.dtype)
    return Case(graph, "torch", leaves, {"seed": seed, "index": 0})


def relu_case() -> Case:
    x, y = value("x0"), value("v0")
    return case_of(Graph((x,), (), (node("relu", "x0", y),), ("v0",)))


def crash(message: str = "no such thing", error: str = "ValueError", **fields: Any) -> Outcome:
    return Outcome(ROUTE, CONVERSION_CRASH, "conversion", error=error, message=message, **fields)


def wrong(case: Case, what: str = "value", registry: Registry | None = None) -> Outcome:
    """A wrong output at the first element of the first output."""
    name = case.graph.outputs[0]
    values = evaluate(case.graph, case.tensors, registry or load_registry())
    expected = pack_arrays({output: values[output] for output in case.graph.outputs})
    index = (0,) * len(case.graph.values()[name].shape)
    mismatch = Mismatch(what, name, "differs", 1, 6, index, 1.0, 1.0, 2.0, 0.001)
    return Outcome(
        ROUTE, WRONG_OUTPUT, "compare", mismatch=mismatch, expected=expected, versions={"torch": "2.0", "onnx": "1.0"}
    )


def checker(fails: Callable[[Case], bool], seen: list[Case] | None = None) -> Callable[[Sequence[Case]], list[Outcome]]:
    """A `check` for the minimizer: a wrong output wherever the predicate holds."""
    registry = load_registry()

    def check(cases: Sequence[Case]) -> list[Outcome]:
        if seen is not None:
            seen.extend(cases)
        return [wrong(case, registry=registry) if fails(case) else Outcome(ROUTE, OK, "compare") for case in cases]

    return check
