"""Drawn values: every bin of every dtype, inside every kind of bounds."""

import numpy as np
import pytest

from graphfuzz.generator import values
from graphfuzz.generator.values import FLOAT_BINS, INTEGER_BINS, draw_array, natural_bounds
from graphfuzz.graph import LIMITS, parts, within
from graphfuzz.graph.ordinary import is_ordinary
from graphfuzz.spec.dtypes import COMPLEX, FLOATS, INTEGERS, SIGNED, UNSIGNED, part, smallest_normal

SHAPES = [(3, 40), (), (0, 2), (1,)]
FLOAT_BOUNDS = [None, (1e-3, 5.0), (-2.0, -1.0), (-0.3, 7.0), (0.0, 1.0), (0.25, 0.25), (0.0, 0.0), (0.0, 1e-310)]
INTEGER_BOUNDS = [None, (0, 5), (1, 1), (0, 0), (0.5, 3.5)]


def only(monkeypatch, name):
    """All arrays from one bin; uniform ones where it is None."""
    monkeypatch.setattr(values, "UNUSUAL", float(name is not None))
    for table in ("FLOAT_BINS", "INTEGER_BINS"):
        bins = getattr(values, table)
        monkeypatch.setattr(values, table, {name: bins[name]} if name in bins else bins)


def drawn(dtype, bounds=None, shape=(400,), seeds=8, least=0.0):
    """The values of some arrays, side by side."""
    arrays = [draw_array(np.random.default_rng(seed), dtype, shape, bounds, least) for seed in range(seeds)]
    return np.concatenate([np.ravel(parts(array)) for array in arrays])


@pytest.mark.parametrize("dtype", sorted(LIMITS))
@pytest.mark.parametrize("bin_", [None, *sorted({*FLOAT_BINS, *INTEGER_BINS})])
def test_every_bin_of_every_dtype_stays_in_bounds(dtype, bin_, monkeypatch):
    only(monkeypatch, bin_)
    choices = INTEGER_BOUNDS if dtype in INTEGERS else [None] if dtype == "bool" else FLOAT_BOUNDS
    for bounds in [*choices, *([(-5, -2)] if dtype in SIGNED else [])]:
        for seed, shape in enumerate(SHAPES):
            array = draw_array(np.random.default_rng(seed), dtype, shape, bounds)
            assert array.dtype == dtype
            assert array.shape == shape
            assert is_ordinary(array)
            assert bounds is None or within(array, bounds)


@pytest.mark.parametrize("dtype", [d for d in LIMITS if d != "bool"])
@pytest.mark.parametrize("bounds", [(-8, 8), (-0.3, 8), (-8, 0.3)])
def test_no_value_is_smaller_than_the_least(dtype, bounds):
    if dtype in UNSIGNED:
        bounds = (0, 8)
    found = drawn(dtype, bounds, least=0.5, seeds=40).astype("float64")
    assert np.abs(found).min() >= 0.5
    assert within(found, bounds)


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
def test_bins_of_floats_are_what_they_are_called(dtype, monkeypatch):
    tiny = smallest_normal(dtype)

    def of(name, bounds=None, seeds=8, shape=(400,)):
        with monkeypatch.context() as patched:
            only(patched, name)
            patched.setattr(values, "LARGE", 0.0)
            return drawn(dtype, bounds, shape, seeds).astype("float64")

    assert set(np.abs(of("whole") % 1)) == {0}
    assert set(np.abs(of("ties") % 1)) == {0.5}
    assert np.abs(of("near zero")).max() < 0.01
    zeros = of("zeros")
    assert set(np.signbit(zeros[zeros == 0])) == {True, False}
    assert 0.2 < np.mean(zeros == 0) < 0.4
    powers = of("powers of two", seeds=40)
    assert set(np.abs(np.frexp(powers[powers != 0])[0])) == {0.5}
    assert np.abs(powers).max() == 4
    assert np.abs(powers[powers != 0]).min() < tiny**0.5
    small = np.abs(of("subnormal"))
    assert 0.1 < np.mean((small > 0) & (small < tiny)) < 0.4
    assert len(set(of("equal", seeds=1))) == 1
    assert len(set(of("few", seeds=1))) == 3
    assert set(of("bounds")) == {-8, 8}
    assert set(of("bounds", (0.5, 2))) == {0.5, 2}


@pytest.mark.parametrize("dtype", INTEGERS)
def test_bins_of_integers_are_what_they_are_called(dtype, monkeypatch):
    def of(name, seeds=8):
        with monkeypatch.context() as patched:
            only(patched, name)
            patched.setattr(values, "LARGE", 0.0)
            return drawn(dtype, seeds=seeds).astype("int64")

    low, high = natural_bounds(dtype)
    assert set(of("bounds")) == {low, high}
    assert set(of("zero and ones")) == {max(low, -1), 0, 1}
    assert of("negative").max() <= 0
    assert of("negative").min() == low
    assert len(set(of("equal", seeds=1))) == 1
    assert np.mean(of("zeros") == 0) > 0.2


@pytest.mark.parametrize("dtype", [d for d in LIMITS if d != "bool"])
def test_values_without_bounds_are_natural_mostly_and_reach_the_limits(dtype, monkeypatch):
    low, high = natural_bounds(dtype)
    arrays = [draw_array(np.random.default_rng(seed), dtype, (20,), None) for seed in range(800)]
    assert 5 < sum(not within(array, (low, high)) for array in arrays) < 50
    monkeypatch.setattr(values, "LARGE", 1.0)
    only(monkeypatch, "bounds")
    assert set(np.abs(drawn(dtype).astype("float64"))) <= {0, LIMITS[dtype]}


def test_bools_are_mixed_mostly_and_equal_sometimes():
    shares = [np.mean(draw_array(np.random.default_rng(seed), "bool", (50,), None)) for seed in range(200)]
    assert {0.0, 1.0} < set(shares)
    assert np.mean([0.2 < share < 0.8 for share in shares]) > 0.3


def test_most_arrays_are_uniform_and_every_bin_is_drawn(monkeypatch):
    seen = []
    for table in ("FLOAT_BINS", "INTEGER_BINS"):
        spied = {
            name: lambda *args, bin_=bin_, name=name: (seen.append(name), bin_(*args))[1]
            for name, bin_ in getattr(values, table).items()
        }
        monkeypatch.setattr(values, table, spied)
    for dtype in ("float32", "int32"):
        seen.clear()
        drawn(dtype, shape=(4,), seeds=500)
        assert set(seen) == set(FLOAT_BINS if dtype in FLOATS else INTEGER_BINS)
        assert 0.3 < len(seen) / 500 < 0.5


def test_complex_numbers_have_parts_of_one_bin(monkeypatch):
    only(monkeypatch, "ties")
    array = draw_array(np.random.default_rng(0), "complex64", (5,), (-4, 4))
    assert set(np.abs(parts(array) % 1).ravel()) == {0.5}
    assert part("complex64") == str(array.real.dtype)
