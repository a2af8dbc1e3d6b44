"""Writes `repro.py`: a finding as one script that needs only the framework, the converter, the runtime and numpy.

It reads as a bug report: what fails, the model, its data, the conversion, the check. The model's source is the very
text that was run; conversion and runtime are the very functions that the oracle called.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from graphfuzz.corpus.finding import MEMORY, SECONDS, TOLERANCE
from graphfuzz.corpus.literals import literal
from graphfuzz.corpus.script import ending, is_isolated, is_starved
from graphfuzz.corpus.telling import comparison, is_known
from graphfuzz.errors import EntryError
from graphfuzz.graph import Axes, Case, bound_cases, symbolic_axes, text
from graphfuzz.materializer import source
from graphfuzz.materializer.keras_source import run_keras
from graphfuzz.materializer.torch_source import as_array, as_tensor, run_torch
from graphfuzz.oracle.checking import WrongInputs, check
from graphfuzz.oracle.declared import misdeclared
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.runtime import as_complex
from graphfuzz.oracle.tolerance import parse_tolerance, within
from graphfuzz.oracle.verdict import (
    CONVERSION_CRASH,
    INVALID_MODEL,
    LOAD_FAILURE,
    RUN_FAILURE,
    WRONG_OUTPUT,
    Mismatch,
    Outcome,
)
from graphfuzz.spec.dtypes import is_complex
from graphfuzz.spec.registry import Registry

INLINE = 512
"""The most elements of all tensors together that are written into the script; more are loaded from tensors.npz."""

_CONVERT = "model = {convert}(source, inputs, axes)"
_CHECK = "check(model, inputs)"
_LOAD = "session = {load}(model)"
_RUN = "actual = {run}(session, {given})"

_STEPS = {
    CONVERSION_CRASH: (_CONVERT,),
    INVALID_MODEL: (_CONVERT, _CHECK),
    LOAD_FAILURE: (_CONVERT, _LOAD),
    RUN_FAILURE: (_CONVERT, _LOAD, _RUN),
    WRONG_OUTPUT: (_CONVERT, _LOAD, _RUN),
}
"""The steps that it takes to see a finding of each verdict; the last is the one in which it shows."""

_PASSING_CHECK = """\
try:
    check(model, inputs)
except Exception:
    traceback.print_exc()  # the oracle, too, goes on where shape inference objects"""

_STAGES = {"conversion": _CONVERT, "check": _CHECK, "load": _LOAD, "run": _RUN}
"""Every step in order, by its stage: a hang or crash shows in any of them."""

_RAISED = (CONVERSION_CRASH, INVALID_MODEL, LOAD_FAILURE, RUN_FAILURE)


def repro_source(
    case: Case,
    outcome: Outcome,
    route: Route,
    registry: Registry,
    *,
    tolerance: str = TOLERANCE,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> str:
    """The script for a finding. tolerance, seconds, memory (bytes): what it was found under, as in `Finding`.

    Raises EntryError where the source of the route's `convert` cannot be had.
    """
    axes = symbolic_axes([bound.graph for bound in bound_cases(case, registry)])
    header, model = source(case.graph, registry, case.framework, axes).split("\n\n\n", 1)
    needed: dict[str, tuple[Callable[..., Any], ...]] = {
        _CONVERT: (*route.helpers, route.convert),
        _CHECK: (WrongInputs, check),
        _LOAD: (*route.target.helpers, route.target.load),
        _RUN: (route.target.run,),
    }
    functions: list[Callable[..., Any]] = [as_tensor, as_array, run_torch] if case.framework == "torch" else [run_keras]
    functions += [function for step in _steps(outcome, route) for function in needed[step]]
    functions += [as_complex] if _compares_complex(case, outcome) else []
    functions += [misdeclared if _is_misdeclared(outcome) else within] if outcome.verdict == WRONG_OUTPUT else []
    head = [_description(case, outcome), "from __future__ import annotations\n", _imports(case, outcome, header)]
    parts = [model, _data(case, outcome, axes), *map(_pasted, functions)]
    parts += [_fails(case, outcome, route, tolerance), ending(outcome, seconds, memory)]
    return "\n".join(head) + "\n\n" + "\n\n".join(part.rstrip("\n") + "\n" for part in parts)


def _steps(outcome: Outcome, route: Route) -> list[str]:
    """The steps of the script, up to and including the one in which the finding shows."""
    if not is_isolated(outcome):
        return list(_STEPS[outcome.verdict])
    if outcome.stage not in _STAGES:
        raise EntryError(f"{outcome.route}: a {outcome.verdict} in {outcome.stage} is no target's, cannot be stored")
    steps = list(_STAGES.values())[: list(_STAGES).index(outcome.stage) + 1]
    return [step for step in steps if step != _CHECK or route.target.doubt is not None]


def _written(step: str, outcome: Outcome, route: Route) -> str:
    if step == _CHECK and outcome.stage != "check":
        return _PASSING_CHECK
    names = {"convert": route.convert.__name__, "load": route.target.load.__name__, "run": route.target.run.__name__}
    return step.format(**names, given=_given(outcome))


def _given(outcome: Outcome) -> str:
    """The script's name for the inputs that the models are run on."""
    return "others" if outcome.binding else "inputs"


def _is_misdeclared(outcome: Outcome) -> bool:
    return outcome.mismatch is not None and outcome.mismatch.what == "declared"


def _compares_complex(case: Case, outcome: Outcome) -> bool:
    values = case.graph.values()
    return outcome.verdict == WRONG_OUTPUT and any(is_complex(values[name].dtype) for name in case.graph.outputs)


def _description(case: Case, outcome: Outcome) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(outcome.versions.items()))
    lines = [
        f"{outcome.route}: {outcome.verdict} with {', '.join(dict.fromkeys(case.graph.operators()))}.",
        "",
        *(_numbers(outcome.mismatch) if outcome.mismatch else textwrap.wrap(_error(outcome), 110)),
        "",
        *textwrap.wrap(f"Versions: {versions or 'not recorded'}", 110),
        "Exit code: 1 while it fails, 0 once it is fixed, 2 where something else goes wrong.",
        "",
        *(f"    {line}" for line in text(case.graph).splitlines()),
    ]
    body = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{body}\n"""\n'


def _error(outcome: Outcome) -> str:
    return " ".join(f"{outcome.error}: {outcome.message}".split())[:600]


def _numbers(mismatch: Mismatch) -> list[str]:
    if mismatch.expected is None:
        return [mismatch.detail]
    baseline = "" if mismatch.float64 is None else f" (in float64: {mismatch.float64!r})"
    return [
        f"{mismatch.differ} of {mismatch.total} elements of {mismatch.output} differ. The worst, at {mismatch.index}:",
        f"    source model     {mismatch.expected!r}{baseline}",
        f"    converted model  {mismatch.actual!r}",
        f"    allowed          {mismatch.allowed!r}",
    ]


_KERNELS = 'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # TensorFlow: without, CPUs have no channels-first convolution\n'


def _imports(case: Case, outcome: Outcome, header: str) -> str:
    """What the script's own part needs, and what the model's source does."""
    lines = ["import sys", "import traceback"]
    lines += ["import os"] if case.framework == "keras" else []
    lines += ["import subprocess"] if is_isolated(outcome) else []
    lines += ["import resource"] if is_starved(outcome) else []
    lines += [] if _is_inline(case) else ["from pathlib import Path"]
    dtypes = ["import ml_dtypes  # gives NumPy the dtype bfloat16; comes with onnx"] if _has_halves(case) else []
    kernels = [_KERNELS] if case.framework == "keras" else []
    return "\n".join([*sorted(lines, key=_import_order), "", *kernels, *dtypes, *header.splitlines()]) + "\n"


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _is_inline(case: Case) -> bool:
    return sum(int(array.size) for array in case.arrays().values()) <= INLINE


def _data(case: Case, outcome: Outcome, axes: Axes) -> str:
    """The weights; the inputs for which the model is converted; those on which it is run, if they are others."""
    others = {"others": case.bindings[outcome.binding - 1]} if outcome.binding else {}
    declared = f"axes = {dict(axes)!r}\n"
    if _is_inline(case):
        tables = {"weights": case.weights(), "inputs": case.inputs(), **others}
        return "\n".join([*(_table(name, arrays) for name, arrays in tables.items()), declared])
    lines = ['tensors = np.load(Path(__file__).with_name("tensors.npz"))', *([_HALVES] if _has_halves(case) else [])]
    lines += [f"weights = {{name: tensors[name] for name in {_list(case.weights())}}}"]
    lines += [f"inputs = {{name: tensors[name] for name in {_list(case.inputs())}}}"]
    lines += [f'others = {{name: tensors[f"{{name}}.{outcome.binding}"] for name in inputs}}'] if others else []
    return "\n".join([*lines, declared])


_HALVES = """\
# The .npy format has no bfloat16: such arrays are stored as their bits, under names that say so.
tensors = {
    name.removesuffix(".bfloat16"): bits.view("bfloat16") if name.endswith(".bfloat16") else bits
    for name, bits in tensors.items()
}
"""


def _has_halves(case: Case) -> bool:
    return any(array.dtype == "bfloat16" for array in case.arrays().values())


def _table(name: str, arrays: dict[str, Any]) -> str:
    if not arrays:
        return f"{name} = {{}}\n"
    rows = [f'"{key}": {literal(array)},\n' for key, array in arrays.items()]
    return f"{name} = {{\n{textwrap.indent(''.join(rows), '    ')}}}\n"


def _list(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _pasted(function: Callable[..., Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise EntryError(
            f"the source of {function!r} cannot be read ({error}); `convert` of a route must be a function in a file"
        ) from None


def _fails(case: Case, outcome: Outcome, route: Route, tolerance: str) -> str:
    build = "Model(weights).eval()" if case.framework == "torch" else "build(weights)"
    lines = [f"source = {build}", f"expected = run_{case.framework}(source, {_given(outcome)})"]
    steps = [_written(step, outcome, route) for step in _steps(outcome, route)]
    helper = ""
    if outcome.verdict in _RAISED:
        helper = is_known(outcome)
        steps[-1:] = ["try:", f"    {steps[-1]}", "except Exception as error:", "    return is_known(error)"]
    steps += ["actual = as_complex(expected, actual)"] if _compares_complex(case, outcome) else []
    rule, given = parse_tolerance(tolerance), _given(outcome)
    steps += comparison(case, outcome, rule, given) if outcome.verdict == WRONG_OUTPUT else []
    steps += [] if outcome.verdict == WRONG_OUTPUT else ["return False"]
    body = textwrap.indent("\n".join(lines + steps), "    ")
    return f'{helper}def fails():\n    """Whether it still fails."""\n{body}\n'
