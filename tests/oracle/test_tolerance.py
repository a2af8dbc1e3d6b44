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
        ("ulp:4", Tolerance(conditioning=False, ulp=4.0)),
    ],
)
def test_parsing(text: str, rule: Tolerance) -> None:
    assert parse_tolerance(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exact",
        "absolute",
        "absolute:",
        "absolute:x",
        "absolute:-1",
        "absolute:nan",
        "allclose:1",
        "absolute:1,2",
        "ulp:",
    ],
)
def test_nonsense_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--tolerance"):
        parse_tolerance(text)


def test_float64_that_was_computed_in_float32_is_beyond_the_plain_rule() -> None:
    assert Tolerance().plain("float64", np.array([1.0]))[0] < 2.0**-24 / 50


@pytest.mark.parametrize("dtype", sorted(set(DEFAULTS) - {"float64"}))
def test_defaults_are_those_of_torch_testing(dtype: str) -> None:
    import torch
    from torch.testing._comparison import default_tolerances

    rtol, atol = default_tolerances(getattr(torch, dtype))
    size = np.array([0.0, 1.0, 300.0])
    np.testing.assert_allclose(Tolerance().plain(dtype, size), rtol * size + atol)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_units_in_the_last_place_are_the_formats_spacing(dtype: str) -> None:
    size = np.array([0.0, 0.75, 1.0, 1.5, 300.0, np.finfo(dtype).tiny]).astype(dtype)
    np.testing.assert_array_equal(Tolerance(ulp=3.0).plain(dtype, size.astype("float64")), 3 * np.spacing(size))


@pytest.mark.parametrize("rule", [Tolerance(), Tolerance(rtol=0.1, atol=0.5), Tolerance(ulp=2.0)])
@pytest.mark.parametrize("dtype", [*DEFAULTS, "complex64"])
def test_what_repro_is_given_is_the_same(rule: Tolerance, dtype: str) -> None:
    size = np.array([0.0, 0.75, 1.0, 300.0])
    given = eval(rule.formula(dtype, "size"), {"np": np, "size": size})
    np.testing.assert_array_equal(given, rule.plain(dtype, size))


def test_special_values_agree_in_kind_only() -> None:
    nan, inf = np.nan, np.inf
    expected = np.array([nan, nan, inf, inf, 1.0, 1.0, 1.0, inf])
    actual = np.array([nan, 1.0, inf, -inf, 1.5, 1.6, nan, 1.0])
    assert within(expected, actual, 0.5).tolist() == [True, False, True, False, True, False, False, False]
    assert not within(expected, actual, inf)[[1, 3, 6, 7]].any()
