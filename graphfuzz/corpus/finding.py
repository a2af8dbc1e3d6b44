"""A finding as it is stored: what was found, in which versions, since when, without anything of this machine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from graphfuzz.corpus.signature import Signature, normalize, signature
from graphfuzz.errors import EntryError
from graphfuzz.graph import Graph
from graphfuzz.graph.codec import canonical
from graphfuzz.oracle.verdict import Mismatch, Outcome

SCHEMA = 1

_INSTALLED = re.compile(r"(?:[A-Za-z]:)?[\\/][^\s'\":]*[\\/](?:site|dist)-packages[\\/]")
_ABSOLUTE = re.compile(r"(?<![\w./:])(?:[A-Za-z]:)?[\\/](?:[^\s'\":\\/]+[\\/])+([^\s'\":\\/]+[\\/][^\s'\":\\/]+)")


class Finding(msgspec.Struct, frozen=True):
    """What was found: the outcome without its bulk.

    normalized: the message without what belongs to this one graph. first_diverging: the node where the converted model
    first departs from the source, where it is known. versions: of the packages at work. first_seen: a date, ISO 8601.
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

    def summary(self) -> str:
        """One line for tables and logs, as an outcome gives it."""
        return Outcome(
            self.route, self.verdict, self.stage, error=self.error, message=self.message, mismatch=self.mismatch
        ).summary()


def make_finding(graph: Graph, outcome: Outcome, first_seen: str) -> Finding:
    """The finding in an outcome on a (minimized) graph. first_seen: a date, ISO 8601."""
    found = signature(outcome, graph)
    return Finding(
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
        first_diverging=None,
        versions=dict(sorted(outcome.versions.items())),
        first_seen=first_seen,
    )


def relative_paths(text: str) -> str:
    """The text without the machine's own folders: packages by their name, other files by their last two parts."""
    return _ABSOLUTE.sub(r"\1", _INSTALLED.sub("", text))


def finding_to_json(finding: Finding) -> str:
    """`finding.json`, canonical."""
    return canonical(_without_special(msgspec.to_builtins(finding))) + "\n"


def finding_from_json(text: bytes, where: str) -> Finding:
    """The finding in the text of a `finding.json`. Raises EntryError, naming `where` and what is wrong."""
    try:
        data = msgspec.json.decode(text)
        schema = data["schema"]
        if not isinstance(schema, int) or schema > SCHEMA:
            raise EntryError(
                f"{where}: schema {schema!r} is newer than {SCHEMA}, which this graphfuzz reads; update it"
            )
        mismatch = data["mismatch"]
        for name in ("expected", "float64", "actual", "allowed"):
            if mismatch is not None and isinstance(mismatch[name], str):
                mismatch[name] = float(mismatch[name])
        return msgspec.convert(data, Finding)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise EntryError(f"{where}: not a complete finding ({error!r}); restore it or delete the entry") from None


def _without_special(data: Any) -> Any:
    """JSON has no NaN and no infinities: they are written as strings, which `finding_from_json` reads as floats."""
    if isinstance(data, Mapping):
        return {key: _without_special(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_special(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data
