"""Shares of lanes: they follow what is yielded, keep a floor, and leave the control alone."""

from collections import Counter

import pytest

from graphfuzz.campaign.coverage import News
from graphfuzz.campaign.lanes import DEFAULT, EVENLY, Allotment, lane_at, parse_lanes, shares_of, worth
from graphfuzz.errors import UsageError
from graphfuzz.generator import CONTROL, LANES

POOR, RICH = worth(News(0, 1, 0), False), worth(News(3, 5, 20), False)


def after(epochs, rich=("pattern",), initial=DEFAULT, poor=POOR):
    allotment = Allotment(shares_of(initial))
    for _ in range(epochs):
        for lane in allotment.shares:
            for _ in range(10):
                allotment.credit(lane, RICH if lane in rich else poor, nodes=10)
        allotment.close()
    return allotment.shares


def test_every_lane_has_a_share_at_the_beginning():
    assert list(DEFAULT) == list(LANES)
    assert sum(DEFAULT.values()) == pytest.approx(1)


def test_shares_move_to_the_lane_that_yields_and_keep_floor_and_control():
    shares = after(3)
    others = [lane for lane in shares if lane != CONTROL]
    rest = 1 - DEFAULT[CONTROL]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[CONTROL] == DEFAULT[CONTROL]
    assert shares["pattern"] > 0.25
    assert min(shares[lane] for lane in others) >= rest * EVENLY / len(others)


def test_shares_come_back_from_a_lane_that_is_exhausted():
    allotment = Allotment(shares_of(DEFAULT))
    told = []
    for rich in ("pattern",) * 3 + ("sweep",) * 8:
        for lane in allotment.shares:
            allotment.credit(lane, RICH if lane == rich else POOR, nodes=10)
        allotment.close()
        told.append(dict(allotment.shares))
    assert told[2]["pattern"] > 3 * told[2]["sweep"]
    assert told[-1]["sweep"] > 2 * told[-1]["pattern"]


def test_what_is_cheap_counts_for_more():
    allotment = Allotment(shares_of({"sweep": 1, "guided": 1}))
    allotment.credit("sweep", 3.0, nodes=1)
    allotment.credit("guided", 3.0, nodes=25)
    allotment.close()
    assert allotment.shares["sweep"] > 2 * allotment.shares["guided"]


def test_a_new_kind_of_finding_is_worth_more_than_the_coverage_of_a_case():
    assert worth(News(0, 0, 0), True) > worth(News(40, 20, 100), False) > worth(News(0, 0, 0), False) == 0


def test_where_nothing_is_yielded_shares_stay_and_a_lane_not_tried_counts_as_the_mean():
    assert after(3, rich=(), poor=0.0) == pytest.approx(shares_of(DEFAULT))
    allotment = Allotment(shares_of({"sweep": 1, "pair": 1, "guided": 1}))
    allotment.credit("sweep", 2.0, nodes=5)
    allotment.credit("pair", 4.0, nodes=5)
    allotment.close()
    assert allotment.shares["sweep"] < allotment.shares["guided"] < allotment.shares["pair"]


def test_the_control_alone_stays_alone():
    assert after(2, initial={CONTROL: 1}) == {CONTROL: 1}


def test_lanes_are_drawn_by_their_shares_and_the_control_by_the_same_numbers_always():
    chances = [i / 1000 for i in range(1000)]
    drawn = Counter(lane_at(shares_of(DEFAULT), chance) for chance in chances)
    assert {lane: count / 1000 for lane, count in drawn.items()} == pytest.approx(dict(DEFAULT), abs=0.002)
    for shares in (after(1), after(3, rich=("sweep", "guided"))):
        assert all((lane_at(shares, c) == CONTROL) == (c < 0.4) for c in chances)


def test_shares_are_relative_and_the_lanes_named_are_the_lanes():
    assert shares_of(parse_lanes(["sweep=3", "random=1"])) == {CONTROL: 0.25, "sweep": 0.75}
    assert shares_of({"guided": 1, "pair": 0}) == {"guided": 1}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["patern=1"], "did you mean 'pattern'"),
        (["pattern"], "write NAME=SHARE"),
        (["pattern=much"], "write NAME=SHARE"),
        (["pattern=-1"], "not negative"),
        (["pattern=nan"], "not negative"),
        (["pattern=0"], "no lane has a share"),
    ],
)
def test_what_is_no_lane_or_no_share_is_refused(texts, said):
    with pytest.raises(UsageError, match=said):
        shares_of(parse_lanes(texts))
