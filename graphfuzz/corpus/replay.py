"""What is to be said of an entry that was run again on a route, and why one cannot be run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.finding import Finding
from graphfuzz.errors import InvalidGraph, UsageError
from graphfuzz.graph import bound_cases, validate
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK, UNSUPPORTED, Outcome
from graphfuzz.spec.registry import Registry

STILL_FAILING = "still failing"
CHANGED = "changed"
ALSO_FAILING = "also failing"
FLAKY = "flaky"
NOT_FAILING = "not failing"
FIXED = "fixed"
CANNOT_RUN = "cannot run"
DAMAGED = "damaged"

STATUSES = {
    STILL_FAILING: "the same verdict, with the same error or kind of mismatch",
    CHANGED: "another finding, or no longer decidable",
    FLAKY: "runs differ; told with how many show the finding",
    FIXED: "no finding: the outputs agree, or a clean refusal",
    ALSO_FAILING: "any finding, on a route that is not the entry's own",
    NOT_FAILING: "no finding, on a route that is not the entry's own",
    CANNOT_RUN: "a package, route, operator is missing, or another framework",
    DAMAGED: "the entry cannot be read",
}
"""Every status, with what it says."""

OPEN = (STILL_FAILING, CHANGED, ALSO_FAILING, FLAKY)
"""The statuses of a defect that is there."""

PASSED, FAILED, SKIPPED, BROKEN = "passed", "failed", "skipped", "broken"
"""How a line counts, see `standing`."""

_IMPORT_ERRORS = ("ImportError", "ModuleNotFoundError")


class Line(msgspec.Struct, frozen=True):
    """What replay says of an entry on a route.

    entry: its folder. found_on, was: the route and the verdict recorded. verdict, now: what it came to, and that in one
    line. bucket: the name of the finding's signature, were it of this route. runs: how often it was run; shown: how
    many of them showed a finding, on the entry's own route that very finding. seconds: wall time of all runs.
    expected: the status expected, where one is; news: in what it is news, empty where it is none, None where nothing is
    expected of any entry.
    """

    entry: str
    route: str
    status: str
    now: str
    found_on: str = ""
    was: str = ""
    verdict: str = ""
    bucket: str = ""
    runs: int = 0
    shown: int = 0
    seconds: float = 0.0
    expected: str = ""
    news: str | None = None

    @property
    def name(self) -> str:
        """The name of the entry's folder, which is its slug unless it was renamed."""
        return Path(os.path.abspath(self.entry)).name

    @property
    def is_own(self) -> bool:
        """Whether the route is the one that the finding was found on."""
        return self.route == self.found_on

    def again(self) -> str:
        """The command that runs it again."""
        on = [] if self.is_own else ["--on", self.route]
        return shlex.join(["graphfuzz", "replay", self.entry, *on])


def compared(finding: Finding, outcome: Outcome) -> str:
    """The status that one run gives a finding.

    Messages are not compared: their wording changes from version to version; the error's class and the kind of
    mismatch seldom do. An import that fails now and did not then is no defect of the converter.
    """
    if outcome.verdict == HARNESS_ERROR or (outcome.error in _IMPORT_ERRORS and outcome.error != finding.error):
        return CANNOT_RUN
    if outcome.route != finding.route:
        return ALSO_FAILING if outcome.is_finding else NOT_FAILING
    if outcome.verdict in (OK, UNSUPPORTED):
        return FIXED
    before = (finding.verdict, finding.error, finding.mismatch and finding.mismatch.what, finding.binding)
    after = (outcome.verdict, outcome.error, outcome.mismatch and outcome.mismatch.what, outcome.binding)
    return STILL_FAILING if before == after else CHANGED


def is_shown(status: str) -> bool:
    """Whether one run of this status shows what it was run for, so that no other is needed."""
    return status in (STILL_FAILING, ALSO_FAILING)


def is_settled(finding: Finding, outcome: Outcome) -> bool:
    """Whether this first run of an entry tells what has come of it; else it is to be run again."""
    status = compared(finding, outcome)
    return status == CANNOT_RUN or is_shown(status)


def line_of(path: Path, entry: Entry, outcomes: Sequence[Outcome], seconds: float) -> Line:
    """What all runs of an entry on one route come to; runs that differ make it flaky."""
    said = [compared(entry.finding, outcome) for outcome in outcomes]
    shown = sum(is_shown(status) for status in said)
    status = CANNOT_RUN if CANNOT_RUN in said else said[0] if len(set(said)) == 1 else FLAKY
    _, telling = max(
        zip(said, outcomes, strict=True),
        key=lambda run: (run[0] == status, is_shown(run[0]), run[1].is_finding, run[0] == CHANGED),
    )
    rate = f"shown by {shown} of {len(said)} runs: " if status == FLAKY else ""
    return msgspec.structs.replace(
        line_without_run(path, entry, telling.route, rate + telling.summary()),
        status=status,
        verdict=telling.verdict,
        runs=len(said),
        shown=shown,
        seconds=round(seconds, 3),
    )


def line_without_run(path: Path, entry: Entry, route: str, reason: str) -> Line:
    """The line of an entry that cannot run."""
    finding = entry.finding
    bucket = msgspec.structs.replace(finding.signature, route=route).slug
    return Line(str(path), route, CANNOT_RUN, reason, finding.route, finding.verdict, bucket=bucket)


def standing(line: Line) -> str:
    """How a line counts. Where something is expected: failed is what is news. Else: failed is every open defect, and
    what cannot run is skipped."""
    if line.status == DAMAGED:
        return BROKEN
    if line.news:
        return FAILED
    if line.status == CANNOT_RUN:
        return SKIPPED
    if line.status in OPEN:
        return FAILED if line.news is None else SKIPPED
    return PASSED


def obstacle(entry: Entry, registry: Registry, route_name: str) -> str | None:
    """Why an entry cannot be run here on a route; None where it can.

    A route, package or operator is missing, or the route takes no models of the entry's framework.
    """
    try:
        route = load_route(route_name)
    except UsageError as error:
        return str(error)
    if route.framework != entry.case.framework:
        return f"the entry is of {entry.case.framework}, {route.name} takes models of {route.framework}"
    missing = [_needed(package, entry.finding) for package in route.packages if not _is_installed(package)]
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


def _needed(package: str, finding: Finding) -> str:
    """The package, with the version that the finding is of, where that is recorded."""
    then = finding.versions.get(package, "")
    return f"{package} (found with {then})" if then[:1].isdigit() else package


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
