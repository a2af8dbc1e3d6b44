"""What is to be said of an entry that was run again, and why one cannot be run."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.finding import Finding
from graphfuzz.errors import InvalidGraph, UsageError
from graphfuzz.graph import bound_cases, validate
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK, UNSUPPORTED, Outcome
from graphfuzz.spec.registry import Registry

STILL_FAILING = "still failing"
CHANGED = "changed"
FIXED = "fixed"
CANNOT_RUN = "cannot run"
DAMAGED = "damaged"


def compared(finding: Finding, outcome: Outcome) -> str:
    """What has become of a finding.

    Messages are not compared: their wording changes from version to version; the error's class and the kind of
    mismatch seldom do.
    """
    if outcome.verdict in (OK, UNSUPPORTED):
        return FIXED
    if outcome.verdict == HARNESS_ERROR:
        return CANNOT_RUN
    before = (finding.verdict, finding.error, finding.mismatch and finding.mismatch.what, finding.binding)
    after = (outcome.verdict, outcome.error, outcome.mismatch and outcome.mismatch.what, outcome.binding)
    return STILL_FAILING if before == after else CHANGED


def obstacle(entry: Entry, registry: Registry) -> str | None:
    """Why an entry cannot be run here: a route, package or operator that is missing; None where it can."""
    try:
        route = load_route(entry.finding.route)
    except UsageError as error:
        return str(error)
    missing = [package for package in route.packages if not _is_installed(package)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    unknown = sorted(set(entry.case.graph.operators()) - set(registry))
    if unknown:
        return f"no such operator: {', '.join(unknown)}; install the pack that has it"
    try:
        validate(entry.case.graph, registry, entry.case.framework)
        bound_cases(entry.case, registry)
    except InvalidGraph as error:
        return f"the operators' rules have changed: {error}"
    return None


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
