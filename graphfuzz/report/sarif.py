"""What replay says, as SARIF 2.1.0: one result an open defect (https://docs.oasis-open.org/sarif/sarif/v2.1.0/).

A result's rule is its verdict, its fingerprint the signature of the finding, so that a defect is the same from run to
run; its place is the entry's `repro.py`. What is fixed has no result, which closes it where results are tracked; what
is expected to fail is suppressed. All other entries are notifications.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from graphfuzz import __version__
from graphfuzz.corpus.replay import CANNOT_RUN, DAMAGED, FLAKY, OPEN, Line
from graphfuzz.oracle.verdict import (
    CONVERSION_CRASH,
    HANG,
    INVALID_MODEL,
    LOAD_FAILURE,
    PROCESS_CRASH,
    RUN_FAILURE,
    UNSTABLE,
    WRONG_OUTPUT,
)

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "graphfuzzSignature/v1"

RULES = {
    CONVERSION_CRASH: "The converter raises an error that is no clean refusal.",
    INVALID_MODEL: "ONNX's checker refuses the converted model.",
    LOAD_FAILURE: "The runtime does not load the converted model.",
    RUN_FAILURE: "The runtime fails to run the converted model.",
    WRONG_OUTPUT: "The converted model's outputs differ from the source model's beyond what rounding explains.",
    HANG: "Conversion, loading or running takes longer than the time limit.",
    PROCESS_CRASH: "Conversion, loading or running kills the process.",
    UNSTABLE: "The outputs of a former finding differ, and rounding alone may explain it.",
}
"""The verdicts that a result can have, in the order of the rules."""

HELP = "`graphfuzz show ENTRY` prints the case, the finding and who is to blame; the entry's repro.py runs alone."


def sarif(lines: Sequence[Line]) -> str:
    """The log of one run."""
    rules = [
        {"id": name, "shortDescription": _text(text), "fullDescription": _text(text), "help": _text(HELP)}
        for name, text in RULES.items()
    ]
    run = {
        "tool": {"driver": {"name": "graphfuzz", "semanticVersion": __version__, "rules": rules}},
        "invocations": [
            {
                "executionSuccessful": all(line.status != DAMAGED for line in lines),
                "toolExecutionNotifications": [_notification(line) for line in lines if line.status not in OPEN],
            }
        ],
        "results": [_result(line) for line in lines if line.status in OPEN],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(line: Line) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": line.verdict,
        "ruleIndex": list(RULES).index(line.verdict),
        "level": "warning" if line.status == FLAKY or line.verdict == UNSTABLE else "error",
        "message": _text(f"{line.route}: {line.status}: {line.now}"),
        "locations": [_location(Path(line.entry) / "repro.py")],
        "partialFingerprints": {FINGERPRINT: line.bucket},
        "properties": {
            "route": line.route,
            "status": line.status,
            "was": line.was,
            "runs": line.runs,
            "shown": line.shown,
            "again": line.again(),
        },
    }
    if line.news == "":
        said = f"expected {line.expected}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": said}]
    return result


def _notification(line: Line) -> dict[str, Any]:
    level = {DAMAGED: "error", CANNOT_RUN: "warning"}.get(line.status, "note")
    return {
        "level": level,
        "message": _text(f"{line.name}: {line.status}: {line.now}"),
        "locations": [_location(Path(line.entry) / "finding.json")],
    }


def _text(text: str) -> dict[str, str]:
    return {"text": text.encode("utf-8", "backslashreplace").decode()}


def _location(path: Path) -> dict[str, Any]:
    """A file's, relative to the working folder where it is below it, as that is the repository's in CI."""
    full, here = path.absolute(), Path.cwd()
    uri = quote(os.fsencode(full.relative_to(here).as_posix())) if full.is_relative_to(here) else full.as_uri()
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}
