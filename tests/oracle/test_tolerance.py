"""The plain rule and the texts that choose it."""

import numpy as np
import pytest

from graphfuzz.errors import UsageError
from graphfuzz.oracle.tolerance import DEFAULTS, Tolerance, parse_tolerance, within


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("conditioning", Tolerance()),
        ("absolute:1e-3", Tolerance(conditioning=False, rtol=0.0, atol=1e-3)),
        ("allclose:0.01,0.5", Tolerance(conditioning=False, rtol=0.01, atol=0.5)),
    ],
)
def test_parsing(text: str, rule: Tolerance) -> None:
    assert parse_tolerance(text) == rule


@pytest.mark.parametrize(
    "text",
    ["", "exact", "absolute", "absolute:", "absolute:x", "absolute:-1", "absolute:nan", "allclose:1", "absolute:1,2"],
)
def test_nonsense_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--tolerance"):
        parse_tolerance(text)


def test_float64_that_was_computed_in_float32_is_beyond_the_plain_rule() -> None:
    rtol, atol = Tolerance().plain("float64")
    assert max(rtol, atol) < 2.0**-24 / 100


@pytest.mark.parametrize("dtype", sorted(set(DEFAULTS) - {"float64"}))
def test_defaults_are_those_of_torch_testing(dtype: str) -> None:
    import torch
    from torch.testing._comparison import default_tolerances

    assert Tolerance().plain(dtype) == default_tolerances(getattr(torch, dtype))


def test_special_values_agree_in_kind_only() -> None:
    nan, inf = np.nan, np.inf
    expected = np.array([nan, nan, inf, inf, 1.0, 1.0, 1.0, inf])
    actual = np.array([nan, 1.0, inf, -inf, 1.5, 1.6, nan, 1.0])
    assert within(expected, actual, 0.5).tolist() == [True, False, True, False, True, False, False, False]
    assert not within(expected, actual, inf)[[1, 3, 6, 7]].any()
