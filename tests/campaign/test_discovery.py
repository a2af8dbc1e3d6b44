"""The estimates: worked by hand, and held against populations whose truth is known."""

import itertools
import math

import numpy as np
import pytest

from graphfuzz.campaign.discovery import (
    Chance,
    Sightings,
    accumulation,
    discovery,
    least_number,
    none_seen,
    share,
)


def sightings(shown):
    """Of each species, from what each unit shows."""
    seen = {}
    for unit, species in enumerate(shown, 1):
        for one in species:
            seen[one] = seen[one].further(unit) if one in seen else Sightings(unit)
    return list(seen.values())


def test_good_and_turing_by_hand():
    """100 units, one species each at most: three seen once, two twice, one often."""
    shown = ["a", "b", "c", "d", "d", "e", "e", *"ffff", *[""] * 89]
    found = discovery(100, sightings(shown))
    assert found.estimate == 0.03
    variance = 3 * (1 - 3 / 100) + 2 * 2
    assert found.low == max(0, 0.03 - 1.96 * math.sqrt(variance) / 100) == 0
    p, z = found.high, 1.959964
    assert abs(3 - 100 * p) == pytest.approx(z * math.sqrt(100 * p * (1 - p) + 4), rel=1e-5)


def test_with_many_the_interval_is_the_normal_one():
    shown = [*([str(i)] for i in range(400)), *([f"twice {i // 2}"] for i in range(200)), *[()] * 9400]
    found = discovery(10_000, sightings(shown))
    half = 1.96 * math.sqrt(400 * (1 - 400 / 10_000) + 2 * 100) / 10_000
    assert found.estimate == 0.04
    assert (found.low, found.high) == (pytest.approx(0.04 - half, rel=0.02), pytest.approx(0.04 + half, rel=0.02))


def test_a_unit_that_shows_several_new_species_counts_once():
    together = discovery(10, sightings(["abc", "d", "ddd", *[""] * 7]))
    alone = discovery(10, sightings(["a", "d", "ddd", *[""] * 7]))
    assert together == alone
    assert alone.estimate == 0.1


def test_leaving_one_unit_out_is_what_the_estimate_is():
    shown = ["ab", "bc", "cd", "e", "", "ab", "f", "ef"]
    news = [bool(set(s) - set().union(*shown[:i], *shown[i + 1 :])) for i, s in enumerate(shown)]
    assert discovery(8, sightings(shown)).estimate == sum(news) / 8


def test_what_is_told_of_fewer_units_is_what_these_showed():
    shown = ["ab", "bc", "cd", "e", "", "ab", "f", "ef", "ab", "b"]
    for units in range(1, 11):
        whole, part = sightings(shown), sightings(shown[:units])
        assert discovery(units, whole) == discovery(units, part)
        assert least_number(units, whole) == least_number(units, part)
        assert accumulation(units, whole) == accumulation(units, part)


def test_sightings_may_come_late():
    for order in itertools.permutations((2, 3, 5, 7)):
        seen = Sightings(order[0])
        for unit in order[1:]:
            seen = seen.further(unit)
        assert seen == Sightings(2, 3, 5)
        assert seen.further(3) == seen


def test_nothing_seen_is_the_rule_of_three():
    assert discovery(300, []) == none_seen(300) == Chance(0.0, 0.0, 0.01)
    assert none_seen(2).high == 1
    assert all((1 - none_seen(n).high) ** n <= 0.05 for n in (1, 3, 10, 100, 10_000))


def test_wilson_by_hand():
    found = share(9, 10)
    assert (found.estimate, found.low, found.high) == (
        0.9,
        pytest.approx(0.5958, abs=1e-4),
        pytest.approx(0.9821, abs=1e-4),
    )
    assert (share(10, 10).high, share(0, 10).low) == pytest.approx((1, 0))


def test_chao_by_hand():
    """Seven seen in 10 units, four of them once, two twice: 7 + 9/10 · 16/4; without any twice, 5 + 9/10 · 6."""
    assert least_number(10, sightings(["abcdeg", "efg", "fg", *[""] * 7])) == pytest.approx(7 + 0.9 * 4)
    assert least_number(10, sightings(["abcdg", "g", "g", *[""] * 7])) == pytest.approx(5 + 0.9 * 6)
    assert least_number(10, sightings(["ab", "ab"])) == 2


def test_the_curve_has_few_points_and_ends_with_all():
    shown = [{i, i // 2} for i in range(1, 1235)]
    curve = accumulation(1234, sightings(shown))
    assert [units for units, _ in curve] == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1234]
    assert all(count == len(set().union(*shown[:units])) for units, count in curve)
    assert accumulation(0, []) == []


POPULATIONS = {
    "few": np.full(3, 0.004),
    "many alike": np.full(400, 1e-3),
    "zipf": 0.3 / np.arange(1, 300) ** 1.3,
    "one in a thousand": np.full(1, 1e-3),
}


@pytest.mark.parametrize("units", [50, 500])
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_interval_covers_the_truth_where_a_unit_shows_one_species(name, units):
    chances, rng = POPULATIONS[name], np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        counts = rng.multinomial(units, [*chances, 1 - chances.sum()])[:-1]
        order = iter(rng.permutation(units) + 1)
        seen = [Sightings(*sorted([next(order) for _ in range(n)])[:3]) for n in counts if n]
        found = discovery(units, seen)
        covered += found.low <= chances[counts == 0].sum() <= found.high
    assert covered >= 0.93 * 400


@pytest.mark.parametrize(("species", "scale", "units"), [(200, 0.05, 50), (500, 0.02, 200), (1000, 0.3, 60)])
def test_the_interval_covers_the_truth_where_a_unit_shows_many_that_go_together(species, scale, units):
    """Each species brings another one along in half of the units: they do not come independently."""
    rng = np.random.default_rng(6)
    chances = np.minimum(0.5, scale / np.arange(1, species + 1) ** 0.9)
    covered, repeats = 0, 200
    for _ in range(repeats):
        there = rng.random((units, species)) < chances
        along = there & (rng.random((units, species)) < 0.5)
        shown = np.concatenate([there, along], axis=1)
        found = discovery(units, [Sightings(*(np.flatnonzero(c)[:3] + 1).tolist()) for c in shown.T if c.any()])
        unseen, alone = ~there.any(axis=0), there.any(axis=0) & ~along.any(axis=0)
        truth = 1 - np.prod(1 - chances[unseen]) * np.prod(1 - chances[alone] / 2)
        covered += found.low <= truth <= found.high
    assert covered >= 0.93 * repeats


def test_the_estimate_is_right_on_average():
    chances, rng = 0.3 / np.arange(1, 300) ** 1.3, np.random.default_rng(7)
    errors = []
    for _ in range(300):
        shown = rng.random((100, len(chances))) < chances
        seen = [Sightings(*(np.flatnonzero(c)[:3] + 1).tolist()) for c in shown.T if c.any()]
        truth = 1 - np.prod(1 - chances[~shown.any(axis=0)])
        errors.append(discovery(100, seen).estimate - truth)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / math.sqrt(len(errors))
