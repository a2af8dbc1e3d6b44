"""Arrays written into a script come back exactly."""

from __future__ import annotations

import ml_dtypes  # noqa: F401 - gives NumPy the dtype bfloat16
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphfuzz.corpus.literals import WIDTH, literal
from graphfuzz.graph import parts
from graphfuzz.spec.dtypes import ANY, COMPLEX, is_complex, is_float, part


def back(array: np.ndarray) -> np.ndarray:
    return eval(literal(array), {"np": np})


def assert_same(array: np.ndarray) -> None:
    made = back(array)
    assert made.dtype == array.dtype
    assert made.shape == array.shape
    ours, theirs = ((parts(a) if a.dtype.kind == "c" else a).astype("float64") for a in (made, array))
    assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(ours), np.signbit(theirs))
    if array.dtype.kind in "iu":
        assert np.array_equal(made, array)


def arrays(dtype: str) -> st.SearchStrategy[np.ndarray]:
    """Arrays of any dtype of ours; those that hypothesis does not know are made of others."""
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
    if dtype == "bfloat16":
        return hnp.arrays("uint16", shapes).map(lambda bits: bits.view("bfloat16"))
    return hnp.arrays(dtype, shapes)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from((*ANY, *COMPLEX)).flatmap(arrays))
def test_every_dtype_comes_back_exactly(array):
    dtype = str(array.dtype)
    if is_float(dtype):
        array = np.where(np.isnan(array), np.array(np.nan, dtype), array)
    if is_complex(dtype):
        array = array.copy()
        for half in (array.real, array.imag):
            half[np.isnan(half)] = np.array(np.nan, part(dtype))
    assert_same(array)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_special_values(dtype):
    info = np.finfo(dtype)
    array = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, info.max, info.tiny, info.smallest_subnormal, 0.1], dtype)
    assert_same(array)


def test_special_values_of_bfloat16_and_complex_numbers():
    assert_same(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 3.39e38, 1.18e-38, 9.2e-41, 0.1], "bfloat16"))
    for dtype in COMPLEX:
        odd = [complex(a, b) for a in (np.nan, np.inf, -0.0, 0.1, 1e-40) for b in (-np.inf, np.nan, 0.0, -0.0, 1e30)]
        assert_same(np.array(odd, dtype))
        assert_same(np.zeros((2, 2), dtype))
        assert_same(-np.zeros((2, 2), dtype))
    assert literal(np.array([0.5, 1.5], "bfloat16")) == 'np.array([0.5, 1.5], "bfloat16")'
    assert literal(np.array([1 + 2j], "complex64")) == 'np.array([(1+2j)], "complex64")'


def test_text_is_short_and_lines_are_not_long():
    assert literal(np.array(0.1, "float32")) == 'np.array(0.1, "float32")'
    assert literal(np.zeros((2, 2), "int8")) == 'np.zeros((2, 2), "int8")'
    text = literal(np.linspace(0, 1, 400, dtype="float32").reshape(2, 200))
    assert max(map(len, text.splitlines())) <= WIDTH + 12
