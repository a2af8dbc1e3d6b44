"""What a campaign has seen so far."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from graphfuzz.campaign.coverage import News
from graphfuzz.corpus.signature import Signature
from graphfuzz.generator import Profile
from graphfuzz.oracle.verdict import Outcome

POINTS = 120
"""The most points of a campaign's growth."""


class Bucket(msgspec.Struct):
    """Findings of one signature: how often, in which case first, and where the minimized entry lies.

    known: whether the corpus had it before the campaign. issue: the title of the known issue that it is of. nodes: of
    the minimized graph. lane: of the first case. seconds, cases: of the campaign, when it met the bucket.
    """

    signature: Signature
    summary: str
    path: str
    nodes: int
    first_case: int | None = None
    lane: str = ""
    count: int = 0
    known: bool = False
    issue: str = ""
    seconds: float | None = None
    cases: int | None = None


class HarnessError(msgspec.Struct, frozen=True):
    """Our own mistake: which case showed it, and what it said."""

    case: int
    route: str
    summary: str
    traceback: str


class Flaky(msgspec.Struct, frozen=True):
    """A finding that a fresh process did not show again: in the case itself or, with fewer `nodes`, minimized.

    again: the verdict there. shown: in how many of `repeats` fresh processes it was there.
    """

    case: int
    route: str
    verdict: str
    again: str
    nodes: int
    shown: int
    repeats: int


class Lane(msgspec.Struct):
    """What a lane has done: its share now, its cases and their worker seconds, and how many uses, pairs and sequences
    were new in them.

    Of chances only the control's figures may speak: what the other lanes do depends on what was seen before.
    """

    share: float = 0.0
    cases: int = 0
    seconds: float = 0.0
    new: int = 0


class Point(msgspec.Struct, frozen=True):
    """How far a campaign was after so many seconds. seen: uses, pairs and sequences by framework. buckets: new ones."""

    seconds: float
    executions: int
    seen: dict[str, News]
    buckets: int


class Statistics(msgspec.Struct):
    """Counts by route: verdicts, wall seconds by stage, and uses that it refuses; buckets by slug, lanes by name;
    harness errors in full; what generating took. coverage: what was seen, by framework; growth: of that, over time.

    cases: those taken in. given: executions given to workers; lost: those whose results an end of the campaign took
    away, which are run again. waiting: findings to be minimized. unexamined: those that were too many to wait.
    """

    verdicts: dict[str, dict[str, int]] = msgspec.field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    seconds: dict[str, dict[str, float]] = msgspec.field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )
    buckets: dict[str, Bucket] = msgspec.field(default_factory=dict)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    lanes: dict[str, Lane] = msgspec.field(default_factory=lambda: defaultdict(Lane))
    harness_errors: list[HarnessError] = msgspec.field(default_factory=list)
    flaky: list[Flaky] = msgspec.field(default_factory=list)
    profile: Profile = msgspec.field(default_factory=Profile)
    coverage: dict[str, News] = msgspec.field(default_factory=dict)
    growth: list[Point] = msgspec.field(default_factory=list)
    pace: float = 1.0
    cases: int = 0
    given: int = 0
    lost: int = 0
    elapsed: float = 0.0
    minimizing: float = 0.0
    minimizer_runs: int = 0
    waiting: int = 0
    unexamined: int = 0

    def record(self, outcome: Outcome) -> None:
        """Count one verdict."""
        self.verdicts[outcome.route][outcome.verdict] += 1
        for stage, seconds in outcome.seconds.items():
            self.seconds[outcome.route][stage] += seconds

    def grow(self) -> bool:
        """Add a point to the growth if the last one is `pace` seconds old. Where there are too many, every other goes,
        and from then on they are twice as far apart. Returns whether there is a new one."""
        if self.growth and self.elapsed < self.growth[-1].seconds + self.pace:
            return False
        self.growth.append(Point(self.elapsed, self.executions(), dict(self.coverage), self.new_buckets))
        if len(self.growth) > POINTS:
            del self.growth[1::2]
            self.pace *= 2
        return True

    def executions(self, route: str | None = None) -> int:
        """How many cases ran, on one route or on all."""
        return sum(sum(counts.values()) for r, counts in self.verdicts.items() if route in (None, r))

    @property
    def in_flight(self) -> int:
        """How many executions workers have, or have done and nobody took in."""
        return self.given - self.lost - self.executions()

    @property
    def new_buckets(self) -> int:
        """How many buckets the corpus did not have."""
        return sum(1 for bucket in self.found() if not bucket.known)

    def lane_rows(self) -> list[tuple[str, float, int, int, int, float]]:
        """By lane: name, share, cases, new coverage, new buckets, and worker seconds."""
        new = Counter(bucket.lane for bucket in self.found() if not bucket.known)
        return [(name, x.share, x.cases, x.new, new[name], x.seconds) for name, x in self.lanes.items()]

    def found(self) -> list[Bucket]:
        """The buckets that this campaign met, new ones first."""
        met = [b for b in self.buckets.values() if b.count]
        return sorted(met, key=lambda b: (b.known, b.first_case or 0, b.signature.slug))
