"""How a campaign is at one moment, in one record: screen, `status.json`, metrics and `graphfuzz status` all tell it.

Key insight: it is made of what the journal has (facts and statistics); only the workers' health and the latest rates
are known to the campaign's process alone. So a campaign whose process is gone has a status, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from graphfuzz.campaign.coverage import News
from graphfuzz.campaign.health import Health
from graphfuzz.campaign.journal import BOOKS, Facts, is_held, look
from graphfuzz.campaign.sample import Estimates
from graphfuzz.campaign.statistics import Bucket, Flaky, Point, Statistics
from graphfuzz.errors import UsageError
from graphfuzz.oracle.verdict import FINDINGS, HARNESS_ERROR, OK, UNSTABLE, UNSUPPORTED

SCHEMA = 1
STATUS, METRICS = "status.json", "metrics.txt"
"""The files of a campaign's folder that tell how it is."""
RUNNING, ENDED, DEAD = "running", "ended", "dead"
"""A campaign's states. Dead: its process is gone and did not say why, as after a kill."""
STALE = 20.0
"""After how many seconds without news the journal is asked, though the campaign's process is there."""
UNSAID = "its process is gone and left no word"
OLD_ERRORS = 20
"""How many harness errors are told one by one, the newest."""


class RouteStatus(msgspec.Struct, frozen=True):
    """A route: executions, how many a second in the whole and (None where nobody knows) lately; counts by verdict,
    wall seconds by stage, and how many uses it refuses."""

    executions: int
    rate: float
    lately: float | None
    verdicts: dict[str, int]
    seconds: dict[str, float]
    refused: int

    def counts(self) -> dict[str, int]:
        """The verdicts in five groups."""
        told = {OK: 0, "findings": 0, UNSUPPORTED: 0, UNSTABLE: 0, HARNESS_ERROR: 0}
        for verdict, count in self.verdicts.items():
            told["findings" if verdict in FINDINGS else verdict] += count
        return told


class BucketStatus(msgspec.Struct, frozen=True):
    """A bucket that the campaign met. issue: the title of the known issue that it is of. case, lane: of the first
    finding. seconds, cases: of the campaign when it met the bucket, None where that was not noted. nodes: of the
    minimized graph.
    """

    slug: str
    known: bool
    count: int
    nodes: int
    case: int | None
    lane: str
    seconds: float | None
    cases: int | None
    summary: str
    path: str
    issue: str = ""

    @property
    def standing(self) -> str:
        """Whether it is new, for people."""
        return "known issue" if self.issue else "known" if self.known else "new"


class LaneStatus(msgspec.Struct, frozen=True):
    """A lane: share now, cases, new coverage, new buckets, and worker seconds."""

    share: float
    cases: int
    new_coverage: int
    new_buckets: int
    seconds: float


class ErrorStatus(msgspec.Struct, frozen=True):
    """A harness error."""

    case: int
    route: str
    summary: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign at one moment.

    campaign: its folder. begun: date. written: when this was told, in seconds since 1970. state: RUNNING, ENDED or
    DEAD; why: it ended. budget: what was given of seconds, cases and findings (new buckets). elapsed, minimizing:
    seconds. given, in_flight, lost: executions, as in `Statistics`. buckets: new ones first. waiting: findings to be
    minimized. errors: the newest of the harness errors. coverage: by framework; growth: of that, over time. health:
    None where no process tells. since_new: seconds and cases since the last new bucket, None where there is none.
    estimates: what the control says of chances, None where it says nothing yet.
    """

    schema: int = SCHEMA
    campaign: str
    seed: int
    versions: dict[str, str]
    begun: str
    corpus: str
    written: float
    state: str
    why: str
    budget: dict[str, float]
    elapsed: float
    cases: int
    given: int
    in_flight: int
    lost: int
    routes: dict[str, RouteStatus]
    buckets: tuple[BucketStatus, ...]
    waiting: int
    unexamined: int
    minimizing: float
    minimizer_runs: int
    flaky: tuple[Flaky, ...]
    harness_errors: int
    errors: tuple[ErrorStatus, ...]
    coverage: dict[str, News]
    growth: tuple[Point, ...]
    lanes: dict[str, LaneStatus]
    health: Health | None
    since_new: tuple[float, int] | None
    estimates: Estimates | None = None

    @property
    def executions(self) -> int:
        """On all routes."""
        return sum(route.executions for route in self.routes.values())

    @property
    def rate(self) -> float:
        """Executions a second, in the whole."""
        return self.executions / self.elapsed if self.elapsed else 0.0

    @property
    def lately(self) -> float | None:
        """Executions a second of late, where that is known."""
        rates = [route.lately for route in self.routes.values() if route.lately is not None]
        return sum(rates) if rates else None

    @property
    def new_buckets(self) -> int:
        """How many buckets the corpus did not have."""
        return sum(not bucket.known for bucket in self.buckets)

    def newest(self) -> list[BucketStatus]:
        """The buckets, those met last first."""
        return sorted(self.buckets, key=lambda b: (-(b.seconds or 0.0), -(b.case or 0), b.slug))


def make_status(
    folder: Path,
    facts: Facts,
    statistics: Statistics,
    *,
    state: str = RUNNING,
    why: str = "",
    health: Health | None = None,
    lately: Mapping[str, float] | None = None,
    estimates: Estimates | None = None,
) -> Status:
    """The status of the campaign in a folder, now. lately: executions a second, by route."""
    configuration, elapsed = facts.configuration, statistics.elapsed
    budget = {name: getattr(configuration, name) for name in ("seconds", "cases", "findings")}
    return Status(
        campaign=str(folder),
        seed=configuration.seed,
        versions=facts.versions,
        begun=facts.begun,
        corpus=facts.corpus,
        written=time.time(),
        state=state,
        why=why,
        budget={name: amount for name, amount in budget.items() if amount is not None},
        elapsed=elapsed,
        cases=statistics.cases,
        given=statistics.given,
        in_flight=statistics.in_flight,
        lost=statistics.lost,
        routes={
            name: RouteStatus(
                executions := statistics.executions(name),
                executions / elapsed if elapsed else 0.0,
                None if lately is None else lately.get(name, 0.0),
                dict(statistics.verdicts.get(name, {})),
                dict(statistics.seconds.get(name, {})),
                statistics.refused.get(name, 0),
            )
            for name in configuration.routes
        },
        buckets=tuple(map(_bucket, statistics.found())),
        waiting=statistics.waiting,
        unexamined=statistics.unexamined,
        minimizing=statistics.minimizing,
        minimizer_runs=statistics.minimizer_runs,
        flaky=tuple(statistics.flaky),
        harness_errors=len(statistics.harness_errors),
        errors=tuple(ErrorStatus(e.case, e.route, e.summary) for e in statistics.harness_errors[-OLD_ERRORS:]),
        coverage=dict(statistics.coverage),
        growth=tuple(statistics.growth),
        lanes={row[0]: LaneStatus(*row[1:]) for row in statistics.lane_rows()},
        health=health,
        since_new=_since_new(statistics),
        estimates=estimates,
    )


def _bucket(bucket: Bucket) -> BucketStatus:
    return BucketStatus(
        bucket.signature.slug,
        bucket.known,
        bucket.count,
        bucket.nodes,
        bucket.first_case,
        bucket.lane,
        bucket.seconds,
        bucket.cases,
        bucket.summary,
        bucket.path,
        bucket.issue,
    )


def _since_new(statistics: Statistics) -> tuple[float, int] | None:
    noted = [(b.seconds, b.cases) for b in statistics.found() if not b.known]
    times = [(seconds, cases) for seconds, cases in noted if seconds is not None and cases is not None]
    if not times:
        return None
    seconds, cases = max(times)
    return statistics.elapsed - seconds, statistics.cases - cases


def is_campaign(folder: Path) -> bool:
    """Whether there is a campaign in a folder."""
    return (folder / BOOKS).is_file()


def campaigns(folder: Path) -> list[Path]:
    """The folder, if a campaign is in it; else those in it that have one. Raises UsageError where there is none."""
    if is_campaign(folder):
        return [folder]
    try:
        found = sorted(path for path in folder.iterdir() if is_campaign(path))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror}); name the folder of a campaign") from None
    if not found:
        raise UsageError(f"{folder}: no campaign is there ({BOOKS} is missing); name the folder of one, or of several")
    return found


def read_status(folder: Path) -> Status:
    """How the campaign in a folder is, told from outside: by `status.json`, or by the journal where that is missing or
    behind. Raises UsageError for what cannot be read.

    Whether a process is there is asked first: one that ends says so before it lets the folder go.
    """
    held = is_held(folder)
    told = _written(folder / STATUS)
    if told is not None and not held and told.state == ENDED:
        return told
    if told is not None and held and abs(time.time() - told.written) < STALE:
        return msgspec.structs.replace(told, state=RUNNING, why="", campaign=str(folder))
    state, why = (RUNNING, "") if held else (DEAD, UNSAID)
    facts, statistics, estimates = look(folder)
    return make_status(folder, facts, statistics, state=state, why=why, estimates=estimates)


def _written(path: Path) -> Status | None:
    """What the file says, if it is one that we can read."""
    try:
        told = msgspec.json.decode(path.read_bytes(), type=Status)
        return told if told.schema == SCHEMA else None
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
