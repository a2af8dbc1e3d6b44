"""What the oracle says of one case on one route."""

from __future__ import annotations

from typing import Any

import msgspec

OK = "ok"
UNSUPPORTED = "unsupported"
CONVERSION_CRASH = "conversion-crash"
INVALID_MODEL = "invalid-model"
LOAD_FAILURE = "load-failure"
RUN_FAILURE = "run-failure"
WRONG_OUTPUT = "wrong-output"
HANG = "hang"
PROCESS_CRASH = "process-crash"
UNSTABLE = "unstable"
HARNESS_ERROR = "harness-error"

FINDINGS = (CONVERSION_CRASH, INVALID_MODEL, LOAD_FAILURE, RUN_FAILURE, WRONG_OUTPUT, HANG, PROCESS_CRASH)
"""The verdicts that blame a target."""

VERDICTS = (OK, UNSUPPORTED, *FINDINGS, UNSTABLE, HARNESS_ERROR)
"""All verdicts, in the order in which tables show them."""

STAGES = ("generation", "materialization", "source", "conversion", "check", "load", "run", "compare")
"""Where a case can end, in the order in which it goes through them."""

OF_MODELS = (INVALID_MODEL, LOAD_FAILURE, RUN_FAILURE, WRONG_OUTPUT)
"""What a wrong model may come to, by who looks at it."""


class Mismatch(msgspec.Struct, frozen=True):
    """How a converted model's output differs.

    what: "count", "dtype", "shape", "declared" (the shape that the model states), "twins" (two forms of one value,
    see `graphfuzz.oracle.twins`), "value" or "special" (NaN or infinity on one side only). output: the graph's name for
    the output. For values: how many `differ` of `total`, and of the worst element its index, what the source model
    gave, what it gave in float64, what the converted model gave, and the difference that was allowed.
    """

    what: str
    output: str
    detail: str
    differ: int = 0
    total: int = 0
    index: tuple[int, ...] = ()
    expected: float | None = None
    float64: float | None = None
    actual: float | None = None
    allowed: float | None = None


class Outcome(msgspec.Struct, frozen=True):
    """The verdict on one case and route, with its evidence.

    stage: the one in which the case ended. error: the exception's class (of the root cause, with its module), or the
    signal's name. message: its text, as raised. seconds: wall time by stage. model: the converted ONNX model, where
    there is one. binding: for which of the case's inputs it holds, 0 for its own. expected: the source model's outputs
    for them as the bytes of an .npz file. apart: the largest difference of the outputs as a plain rule sees it, where
    they were compared.
    """

    route: str
    verdict: str
    stage: str
    error: str = ""
    message: str = ""
    traceback: str = ""
    mismatch: Mismatch | None = None
    binding: int = 0
    seconds: dict[str, float] = {}
    model: bytes = b""
    expected: bytes = b""
    versions: dict[str, str] = {}
    apart: float | None = None

    @property
    def is_finding(self) -> bool:
        """Whether a target is to blame."""
        return self.verdict in FINDINGS

    def summary(self) -> str:
        """One line for tables and logs."""
        reason: Any = self.mismatch.detail if self.mismatch else f"{self.error}: {self.message}" if self.error else ""
        where = f"{self.stage} at other sizes" if self.binding else self.stage
        return " ".join(f"{self.verdict} in {where}: {reason}".split())[:300]
