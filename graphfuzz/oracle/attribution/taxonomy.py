"""The words of Jajal et al. (ISSTA 2024, tables of locations, symptoms and causes) for a finding.

The study is of converters alone and has no place for a runtime's defect; `RUNTIME` is ours. Its causes were judged by
people who read the fix. Here they are read off the finding, so they say what kind of mistake it looks like.
"""

from __future__ import annotations

import re

from graphfuzz.oracle.attribution.evidence import (
    CAPTURE,
    CONVERTER_OPTIMIZATION,
    MODEL_VALIDITY,
    NODE_CONVERSION,
)
from graphfuzz.oracle.causes import complaints
from graphfuzz.oracle.verdict import (
    CONVERSION_CRASH,
    HANG,
    LOAD_FAILURE,
    PROCESS_CRASH,
    RUN_FAILURE,
    Mismatch,
    Outcome,
)

RUNTIME = "Runtime"
INDISTINCT = "indistinct"

_LOCATIONS = {CAPTURE: "Load", NODE_CONVERSION: "Node conversion", CONVERTER_OPTIMIZATION: "Optimization"}

_TYPE_OF_TENSOR = r"elem(?:ent)?[ _]type|data ?type of (?:input|output|tensor|initializer)|TensorProto"
_TYPE_OF_NODE = r"\bd?types?\b|Type Error|tensor\(\w+\)|ScalarType|unsupported dtype|\bcast\b"
_SHAPE = r"\bshapes?\b|\bdim(?:ension)?s?\b|\branks?\b|\baxis\b|\baxes\b|broadcast|\bsizes?\b|out of range"
_EXTERNAL = r"\bopset\b|not a registered|No Op registered|No opset import|ir_version|DLL|cannot import name"
_MISUSE = r"unexpected keyword|positional argument|missing \d+ required|required argument"
_PYTHON = ("AttributeError", "TypeError", "KeyError")


def location(stage: str, node: str) -> str:
    """Where in the converter: of an invalid model, in the conversion of the node to which it could be traced."""
    if stage == MODEL_VALIDITY:
        return "Node conversion" if node else "Export"
    if not stage:
        return INDISTINCT
    return _LOCATIONS.get(stage, RUNTIME)


def symptom(outcome: Outcome, location: str) -> str:
    """What is seen of it. A model that does not load or run is a wrong model, where the converter made it so."""
    if outcome.verdict == HANG:
        return "Hang"
    if outcome.verdict in (CONVERSION_CRASH, PROCESS_CRASH):
        return "Crash"
    if outcome.verdict in (LOAD_FAILURE, RUN_FAILURE) and location == RUNTIME:
        return "Crash"
    return "Wrong model"


SINGLE = 1e-6
"""What rounding to float32 moves a number by at most, relative to it or to one; integers are further apart."""


def _is_rounded(mismatch: Mismatch) -> bool:
    """Whether a value is off by no more than a detour over float32 explains."""
    if mismatch.expected is None or mismatch.actual is None:
        return False
    return abs(mismatch.expected - mismatch.actual) <= SINGLE * max(1.0, abs(mismatch.expected))


def cause(outcome: Outcome, proof: str) -> str:
    """What kind of mistake it is, from how the outputs differ, what the error says, and what mends it."""
    if outcome.mismatch is not None:
        what = outcome.mismatch.what
        if what == "dtype" or (what == "value" and (proof == "initializer" or _is_rounded(outcome.mismatch))):
            return "Type problem: tensor"
        return "Shape problem" if what in ("shape", "declared", "count") else "Algorithmic error"
    text = f"{outcome.error}: {' '.join(complaints(outcome.message))}"
    for pattern, word in (
        (_EXTERNAL, "Incompatibility: external"),
        (_MISUSE, "API misuse"),
        (_TYPE_OF_TENSOR, "Type problem: tensor"),
        (_TYPE_OF_NODE, "Type problem: node"),
        (_SHAPE, "Shape problem"),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            return word
    if outcome.error in _PYTHON:
        return "Type problem: conventional"
    return "Shape problem" if outcome.binding else "Others"
