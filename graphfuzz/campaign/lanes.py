"""Which lane each case belongs to: shares that follow what the lanes yield.

A fixed share of the cases is the control, of which nothing that has been seen decides anything. The other lanes share
the rest: a part of it evenly, so that none is forgotten, and a part by new coverage and new kinds of findings for what
their cases cost. That is probability matching (Goldberg, 1990) with a floor under each (Thierens, "An adaptive pursuit
strategy for allocating operator probabilities", GECCO 2005), where older epochs count less and less.

Key insight: seconds depend on the machine and on how many workers there are. So a case's cost is counted in nodes, and
the shares are a function of the cases alone.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

from graphfuzz.campaign.coverage import News
from graphfuzz.errors import UsageError
from graphfuzz.generator import CONTROL, LANES

DEFAULT: Mapping[str, float] = {
    CONTROL: 0.4,
    "guided": 0.19,
    "sweep": 0.09,
    "pair": 0.05,
    "mutation": 0.05,
    "pattern": 0.09,
    "rewrite": 0.08,
    "special": 0.05,
}
"""The shares of a campaign's first epochs."""
EVENLY = 0.3
"""Which part of what is not the control's is shared evenly."""
KEPT = 0.8
"""Which part of what a lane has yielded and cost counts still after one more epoch: what was rich becomes exhausted."""
OVERHEAD = 5
"""How many nodes a case costs beside its own. All routes together take 352 ms for a case of one node, 624 for one of
five, 877 for ten and 1,737 for twenty."""
SEQUENCE = 0.1
"""What a new sequence is worth; a new use, or pair, is worth one. Sequences never run out, so they tell little."""
FINDING = 300
"""What a new kind of finding is worth."""


def worth(news: News, new_finding: bool) -> float:
    """What an execution has yielded."""
    return news.uses + news.pairs + SEQUENCE * news.sequences + FINDING * new_finding


def parse_lanes(texts: Iterable[str]) -> dict[str, float]:
    """Lanes written as NAME=SHARE. Raises UsageError for anything else."""
    lanes = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            lanes[name] = float(share)
        except ValueError:
            raise UsageError(f"--lane {text}: write NAME=SHARE, such as guided=0.5") from None
    return lanes


def shares_of(given: Mapping[str, float]) -> dict[str, float]:
    """The lanes' shares, in the lanes' order, made to sum to one; those given are the only ones in use.

    Raises UsageError for a lane that does not exist, and where nothing is given or something negative.
    """
    for name, share in given.items():
        if name not in LANES:
            near = difflib.get_close_matches(name, LANES, n=1, cutoff=0.0)
            raise UsageError(f"there is no lane '{name}'; did you mean '{near[0]}'? All: {', '.join(LANES)}")
        if not (math.isfinite(share) and share >= 0):
            raise UsageError(f"lane '{name}' has the share {share:g}; give a number that is not negative")
    total = math.fsum(given.values())
    if total <= 0:
        raise UsageError("no lane has a share; give one to a lane, such as random=1")
    return {name: given[name] / total for name in LANES if given.get(name)}


def lane_at(shares: Mapping[str, float], chance: float) -> str:
    """The lane of a case for a number drawn evenly from [0, 1). The control, if it is in use, comes first: the same
    numbers are its own, however the others share the rest."""
    for name, share in shares.items():
        chance -= share
        if chance < 0:
            return name
    return list(shares)[-1]


class Allotment:
    """The shares of the lanes, as epochs go by. initial: those of the first ones, which sum to one. yields: by lane,
    what has been yielded, and what it has cost."""

    def __init__(self, initial: Mapping[str, float], yields: Mapping[str, tuple[float, float]] | None = None) -> None:
        self.shares = dict(initial)
        self._rewards = {lane: (yields or {}).get(lane, (0.0, 0.0))[0] for lane in initial}
        self._costs = {lane: (yields or {}).get(lane, (0.0, 0.0))[1] for lane in initial}

    @property
    def yields(self) -> dict[str, tuple[float, float]]:
        """By lane, what has been yielded, and what it has cost."""
        return {lane: (self._rewards[lane], self._costs[lane]) for lane in self.shares}

    def credit(self, lane: str, reward: float, nodes: int) -> None:
        """Count what one execution of a lane's case of so many nodes has yielded."""
        self._rewards[lane] += reward
        self._costs[lane] += OVERHEAD + nodes

    def close(self) -> None:
        """End an epoch: share anew, by what has been yielded for the cost. A lane not tried yet counts as the mean."""
        others = [lane for lane in self.shares if lane != CONTROL]
        tried = {lane: self._rewards[lane] / self._costs[lane] for lane in others if self._costs[lane]}
        total = sum(tried.values()) / max(1, len(tried)) * len(others)
        if total > 0:
            rest = 1 - self.shares.get(CONTROL, 0.0)
            for lane in others:
                part = tried.get(lane, total / len(others)) / total
                self.shares[lane] = rest * (EVENLY / len(others) + (1 - EVENLY) * part)
        for lane in self.shares:
            self._rewards[lane] *= KEPT
            self._costs[lane] *= KEPT
