"""Twins: outputs of a converted model that must agree with each other."""

import msgspec
import numpy as np
import pytest

from graphfuzz.graph import Graph, parts
from graphfuzz.oracle.twins import twins_disagree
from tests.examples import case_of, node, value

X = value("x0")
GRAPH = Graph((X,), (), (node("relu", "x0", value("v0")), node("maximum", "x0 x0", value("v1"))), ("v0", "v1"))
CASE = msgspec.structs.replace(case_of(GRAPH), twins=(("v0", "v1"),))
EQUAL = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
LIMITS = {"v0": np.full((2, 3), 0.01), "v1": np.full((2, 3), 0.02)}


def moved(by: float, at: tuple[int, int] = (1, 2)) -> np.ndarray:
    array = EQUAL.copy()
    array[at] += by
    return array


def found(actual, expected=None, limits=LIMITS, case=CASE):
    return twins_disagree(case, {"v0": EQUAL, "v1": EQUAL} if expected is None else expected, actual, limits)


def test_twins_that_differ_beyond_the_wider_limit_are_told_with_the_worst_element():
    mismatch = found({"v0": EQUAL, "v1": moved(0.5)})
    assert (mismatch.what, mismatch.output, mismatch.index) == ("twins", "v1", (1, 2))
    assert (mismatch.differ, mismatch.total) == (1, 6)
    assert mismatch.actual - mismatch.expected == pytest.approx(0.5)
    assert "twin v0" in mismatch.detail


@pytest.mark.parametrize("by", [0.0, 0.015, -0.015])
def test_twins_within_the_wider_limit_agree(by):
    assert found({"v0": EQUAL, "v1": moved(by)}) is None


def test_distances_from_the_source_to_either_side_do_not_add_up():
    assert found({"v0": moved(-0.009), "v1": moved(0.019)}).what == "twins"


def test_infinity_and_nan_on_one_side_are_the_worst():
    for special in (np.inf, np.nan):
        actual = moved(0.5)
        actual[0, 0] = special
        assert found({"v0": EQUAL, "v1": actual}).index == (0, 0)
    both = moved(np.nan)
    assert found({"v0": both, "v1": both.copy()}) is None


def test_nothing_is_said_where_the_source_models_twins_differ_or_anything_is_allowed():
    actual = {"v0": EQUAL, "v1": moved(0.5)}
    assert found(actual, expected=actual) is None
    assert found(actual, limits={**LIMITS, "v1": np.full((2, 3), np.inf)}) is None


def test_outputs_that_are_not_compared_or_not_there_any_more_are_passed_over():
    actual = {"v0": EQUAL, "v1": moved(0.5)}
    assert found(actual, limits={"v0": LIMITS["v0"]}) is None
    assert found(actual, case=case_of(GRAPH)) is None
    renamed = msgspec.structs.replace(CASE, twins=(("v0", "v7"),))
    assert found(actual, case=renamed) is None
    assert (
        found({**actual, "v1": actual["v1"][0]}, {"v0": EQUAL, "v1": EQUAL[0]}, {**LIMITS, "v1": LIMITS["v1"][0]})
        is None
    )


@pytest.mark.parametrize("dtype", ["int64", "bool", "bfloat16", "complex64"])
def test_other_dtypes_have_twins_too(dtype):
    import ml_dtypes  # noqa: F401 - gives NumPy bfloat16

    one = np.ones((2, 3), dtype)
    other = one.copy()
    other[0, 1] = 0
    limits = {name: np.zeros(parts(one).shape) for name in ("v0", "v1")}
    expected = {"v0": parts(one), "v1": parts(one)}
    assert found({"v0": parts(one), "v1": parts(other)}, expected, limits).index[:2] == (0, 1)
    assert found(expected, expected, limits) is None
