"""Arrays written into a script come back exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphfuzz.corpus.literals import WIDTH, literal
from graphfuzz.spec.dtypes import ANY


def back(array: np.ndarray) -> np.ndarray:
    return eval(literal(array), {"np": np})


def assert_same(array: np.ndarray) -> None:
    made = back(array)
    assert made.dtype == array.dtype
    assert made.shape == array.shape
    assert np.array_equal(made, array, equal_nan=array.dtype.kind == "f")
    assert np.array_equal(np.signbit(made.astype("float64")), np.signbit(array.astype("float64")))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ANY).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    )
)
def test_every_dtype_comes_back_exactly(array):
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    assert_same(array)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_special_values(dtype):
    info = np.finfo(dtype)
    array = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, info.max, info.tiny, info.smallest_subnormal, 0.1], dtype)
    assert_same(array)


def test_text_is_short_and_lines_are_not_long():
    assert literal(np.array(0.1, "float32")) == 'np.array(0.1, "float32")'
    assert literal(np.zeros((2, 2), "int8")) == 'np.zeros((2, 2), "int8")'
    text = literal(np.linspace(0, 1, 400, dtype="float32").reshape(2, 200))
    assert max(map(len, text.splitlines())) <= WIDTH + 12
