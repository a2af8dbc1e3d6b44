"""`graphfuzz fuzz --ci`: the same cases in every run and on every machine, and an exit code that tells news.

Key insight: what is found changes what the other lanes make next, and so do the machine's speed, a corpus that grows
and a user's probes. The control's cases are a function of the seed and their numbers alone, so what is new in a run is
new in what was tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphfuzz.campaign.beginning import NONE, STORED
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.statistics import Bucket, Statistics
from graphfuzz.corpus.replay import BROKEN, FAILED, PASSED, SKIPPED
from graphfuzz.errors import UsageError
from graphfuzz.generator import CONTROL
from graphfuzz.report.junit import Row, document

SEED, CASES = 0, 300
"""What is taken where nothing is told."""
NEWS, TROUBLE = 1, 3
"""Exit codes: something new was found; graphfuzz itself made a mistake, or did not get through its cases."""


def completed(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a campaign, with what is taken where nothing is told. Raises UsageError for a limit of time."""
    if not given["ci"]:
        return {**given, "probes": given["probes"] or STORED}
    if given["seconds"] is not None:
        raise UsageError("--ci runs the same cases however long they take; give --cases instead of --seconds")
    return {
        **given,
        "seed": SEED if given["seed"] is None else given["seed"],
        "cases": given["cases"] or CASES,
        "lanes": given["lanes"] or (f"{CONTROL}=1",),
        "probes": given["probes"] or NONE,
    }


def news(statistics: Statistics) -> list[Bucket]:
    """The buckets found that were not known."""
    return [bucket for bucket in statistics.found() if not bucket.known]


def is_complete(statistics: Statistics, configuration: Configuration) -> bool:
    """Whether every case was run, on all of its routes, and every finding was minimized."""
    return statistics.cases == configuration.cases and not statistics.in_flight and not statistics.waiting


def exit_code(statistics: Statistics, configuration: Configuration, ci: bool) -> int:
    """0, NEWS or TROUBLE; a campaign that is not for CI has no news."""
    if statistics.harness_errors:
        return TROUBLE
    if not ci:
        return 0
    return NEWS if news(statistics) else 0 if is_complete(statistics, configuration) else TROUBLE


def verdict(statistics: Statistics, configuration: Configuration) -> str:
    """What a CI run comes to, in a line, and the paths of what is new, a line each."""
    new = news(statistics)
    end = (
        ""
        if is_complete(statistics, configuration)
        else f"; ended after {statistics.cases} of {configuration.cases} cases"
    )
    return "\n".join([f"ci: {len(new) or 'nothing'} new{end}", *(f"new  {bucket.path}" for bucket in new)])


def write_junit(path: Path, statistics: Statistics, configuration: Configuration) -> None:
    """Write one test case a route for what it ran, one a bucket and one a harness error. Raises UsageError.

    A new bucket is a failure, a known one is skipped.
    """
    rows = [*_routes(statistics, configuration), *map(_row, statistics.found())]
    rows += [
        Row(e.route, f"case {e.case}", BROKEN, "harness-error", e.summary, e.traceback)
        for e in statistics.harness_errors
    ]
    try:
        path.write_text(document("graphfuzz fuzz", rows), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--junit {path}: cannot be written ({error.strerror}); name another file") from None


def _routes(statistics: Statistics, configuration: Configuration) -> list[Row]:
    ran = ((route, sum(statistics.seconds.get(route, {}).values())) for route in configuration.routes)
    return [Row(route, f"{statistics.executions(route)} cases", PASSED, seconds=seconds) for route, seconds in ran]


def _row(bucket: Bucket) -> Row:
    of, told = bucket.signature, SKIPPED if bucket.known else FAILED
    again = f"seen {bucket.count} times\nagain: graphfuzz replay {bucket.path}"
    return Row(of.route, of.slug, told, of.verdict, bucket.summary, again)
