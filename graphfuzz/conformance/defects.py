"""A framework's own defects, which operators name: each must still show."""

from __future__ import annotations

import importlib
import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from graphfuzz.conformance.cases import cases, without_defects
from graphfuzz.conformance.frameworks import difference, framework_differences
from graphfuzz.graph import Case
from graphfuzz.materializer import source
from graphfuzz.spec import Operator, Registry, Tensor
from graphfuzz.spec.operator import Defect

DEFECT_TRIALS = 60
"""In how many cases of each dtype binding a framework's defect is looked for, until it shows."""
FATAL_TRIALS = 3
"""In how many cases, each run in a process of its own, a fatal defect is looked for."""


def defect_failures(op: Operator, framework: str) -> list[str]:
    """The defects said to be the framework's that show in no case tried: lift them."""
    found = []
    for defect in op.emissions[framework].defects:
        if defect.release and _installed(framework).startswith(f"{defect.release}."):
            continue
        hit = msgspec.structs.replace(without_defects(op), rule=_only(op.rule, defect))
        registry = Registry([hit])
        uses = cases(hit, framework, DEFECT_TRIALS, registry)
        if defect.fatal:
            few = itertools.islice(uses, FATAL_TRIALS)
            shows = any(_is_wrong_elsewhere(hit, case, registry) for _, case in few)
        else:
            shows = any(framework_differences(hit, framework, [use], registry) for use in uses)
        if not shows:
            found.append(f"{op.name}: {framework} shows no sign of this any more: {defect.what} ({defect.source})")
    return found


def _installed(framework: str) -> str:
    """The version of what has the framework's kernels."""
    kernels = importlib.import_module("tensorflow" if framework == "keras" else framework)
    return str(kernels.__version__)


def _is_wrong_elsewhere(op: Operator, case: Case, registry: Registry) -> bool:
    """Whether a process of its own does not survive running the source, or makes another result than the reference.

    A Keras model is traced as well.
    """
    written = source(case.graph, registry, case.framework)
    given = pickle.dumps((written, case.framework, case.weights(), case.inputs()))
    ended = subprocess.run([sys.executable, "-c", _RUN_SOURCE], input=given, capture_output=True)
    return ended.returncode != 0 or difference(op, case, pickle.loads(ended.stdout), registry) is not None


_RUN_SOURCE = """
import os, pickle, sys
import ml_dtypes
from graphfuzz.materializer import build, run, run_captured_keras
answer = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
source, framework, weights, inputs = pickle.load(sys.stdin.buffer)
model = build(source, framework, weights)
if framework == "keras":
    run_captured_keras(model, inputs)
answer.write(pickle.dumps(run(model, framework, inputs)))
"""


def _only(rule: Callable[..., Any], defect: Defect) -> Callable[..., Any]:
    def limited(require: Any, *operands: Tensor, **attrs: Any) -> Any:
        shapes = rule(require, *operands, **attrs)
        require(defect.when(*operands, **attrs), "the defect shows")
        return shapes

    return limited
