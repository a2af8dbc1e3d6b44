"""A finding as it is stored: what was found, in which versions, since when, without anything of this machine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from graphfuzz.corpus.signature import Signature, normalize, signature
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.graph import Graph
from graphfuzz.graph.codec import Step, canonical, upgraded
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import Mismatch, Outcome
from graphfuzz.spec.registry import Registry

STEPS: tuple[Step, ...] = ()
"""Takes data from schema 1 to 2, and so on."""
SCHEMA = len(STEPS) + 1

TOLERANCE = "conditioning"
SECONDS = 60.0
MEMORY = 4 << 30
"""The rule of comparison and the limits of a finding that records none."""

_PLAIN = re.compile(r"\w[\w.+-]*\Z")
_INSTALLED = re.compile(r"(?:[A-Za-z]:)?[\\/][^\s'\":]*[\\/](?:site|dist)-packages[\\/]")
_ABSOLUTE = re.compile(r"(?<![\w./:])(?:[A-Za-z]:)?[\\/](?:[^\s'\":\\/]+[\\/])+([^\s'\":\\/]+[\\/][^\s'\":\\/]+)")


class Finding(msgspec.Struct, frozen=True):
    """What was found: the outcome without its bulk.

    normalized: the message without what belongs to this one graph. first_diverging: the node where the converted model
    first departs from the source, where it is known: attribution's, or that of a graph of one node. versions: of the
    packages at work. first_seen: a date, ISO 8601. binding: for which of the case's inputs, 0 for its own. tolerance:
    the rule of comparison, as `parse_tolerance` reads it. seconds_a_case, memory_a_case: the limits it was found under,
    wall time and bytes. attribution: who is to blame, where that was asked.
    """

    schema: int
    route: str
    verdict: str
    stage: str
    error: str
    message: str
    normalized: str
    traceback: str
    signature: Signature
    slug: str
    mismatch: Mismatch | None
    first_diverging: str | None
    versions: dict[str, str]
    first_seen: str
    binding: int = 0
    tolerance: str = TOLERANCE
    seconds_a_case: float = SECONDS
    memory_a_case: int = MEMORY
    attribution: Attribution | None = None

    def summary(self) -> str:
        """One line for tables and logs, as an outcome gives it."""
        return Outcome(
            self.route,
            self.verdict,
            self.stage,
            error=self.error,
            message=self.message,
            mismatch=self.mismatch,
            binding=self.binding,
        ).summary()


def make_finding(
    graph: Graph,
    outcome: Outcome,
    registry: Registry,
    first_seen: str,
    *,
    tolerance: str = TOLERANCE,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    attribution: Attribution | None = None,
) -> Finding:
    """The finding in an outcome on a (minimized) graph. The other arguments are as in `Finding`.

    Raises UsageError for a tolerance that does not exist.
    """
    found = signature(outcome, graph, registry, attribution)
    finding = Finding(
        schema=SCHEMA,
        route=outcome.route,
        verdict=outcome.verdict,
        stage=outcome.stage,
        error=outcome.error,
        message=relative_paths(outcome.message),
        normalized=normalize(outcome.message, graph.values()),
        traceback=relative_paths(outcome.traceback),
        signature=found,
        slug=found.slug,
        mismatch=outcome.mismatch,
        first_diverging=_diverging(graph, attribution),
        versions=dict(sorted(outcome.versions.items())),
        first_seen=first_seen,
        binding=outcome.binding,
        tolerance=tolerance,
        seconds_a_case=seconds,
        memory_a_case=memory,
        attribution=attribution and _portable(attribution),
    )
    return _sensible(finding)


def _diverging(graph: Graph, attribution: Attribution | None) -> str | None:
    if attribution is not None and attribution.node:
        return attribution.node
    return graph.nodes[0].name if len(graph.nodes) == 1 else None


def _portable(attribution: Attribution) -> Attribution:
    """The attribution without the machine's own folders."""
    evidence = tuple(msgspec.structs.replace(w, detail=relative_paths(w.detail)) for w in attribution.evidence)
    return msgspec.structs.replace(attribution, evidence=evidence)


def relative_paths(text: str) -> str:
    """The text without the machine's own folders: packages by their name, other files by their last two parts."""
    return _ABSOLUTE.sub(r"\1", _INSTALLED.sub("", text))


def finding_to_json(finding: Finding) -> str:
    """`finding.json`, canonical."""
    return canonical(_without_special(msgspec.to_builtins(finding))) + "\n"


def finding_from_json(text: bytes, where: str) -> Finding:
    """The finding in the text of a `finding.json`. Raises EntryError, naming `where` and what is wrong."""
    try:
        data = upgraded(msgspec.json.decode(text), STEPS, where)
        mismatch = data["mismatch"]
        for name in ("expected", "float64", "actual", "allowed"):
            if mismatch is not None and isinstance(mismatch[name], str):
                mismatch[name] = float(mismatch[name])
        if isinstance(data.get("seconds_a_case"), str):
            data["seconds_a_case"] = float(data["seconds_a_case"])
        return _sensible(msgspec.convert(data, Finding))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise EntryError(f"{where}: not a complete finding ({error!r}); restore it or delete the entry") from None


def _sensible(finding: Finding) -> Finding:
    """The finding. Raises UsageError for a tolerance, ValueError for a slug that is no name of a folder, and for limits
    that nothing can run under."""
    parse_tolerance(finding.tolerance)
    if not _PLAIN.match(finding.slug):
        raise ValueError(f"slug {finding.slug!r}")
    if not (finding.seconds_a_case > 0 and finding.memory_a_case > 0):
        raise ValueError(f"limits of {finding.seconds_a_case} seconds and {finding.memory_a_case} bytes")
    return finding


def _without_special(data: Any) -> Any:
    """JSON has no NaN and no infinities: they are written as strings, which `finding_from_json` reads as floats."""
    if isinstance(data, Mapping):
        return {key: _without_special(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_special(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data
