"""bfloat16 and complex numbers in graphs: values drawn, kept in bounds, evaluated, widened, stored."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphfuzz.generator.values import draw_array
from graphfuzz.graph import (
    Array,
    Case,
    Graph,
    Node,
    Value,
    evaluate,
    joined,
    pack_arrays,
    parts,
    unpack_arrays,
    widened,
    widened_values,
    within,
)
from graphfuzz.graph.ordinary import is_ordinary
from graphfuzz.spec import COMPLEX, FLOATS, Registry, binary
from graphfuzz.spec.dtypes import epsilon, is_complex, part

ROUNDED = (*FLOATS, *COMPLEX)
REGISTRY = Registry([binary("times", ROUNDED, reference=np.multiply, torch="{x} * {y}")])


def square(dtype: str, x: Array) -> Case:
    value = Value("x", dtype, x.shape)
    node = Node("times", ("x", "x"), {}, (Value("v", dtype, x.shape),))
    return Case(Graph((value,), (), (node,), ("v",)), "torch", {"x": x.astype(dtype)})


@pytest.mark.parametrize("dtype", ROUNDED)
def test_values_are_drawn_inside_bounds(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        array = draw_array(rng, dtype, (3, 4), (0.3, 0.7))
        assert (array.dtype, array.shape) == (np.dtype(dtype), (3, 4))
        assert within(array, (0.3, 0.7))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_both_parts_are_drawn_and_both_are_held_to_bounds(dtype: str) -> None:
    array = draw_array(np.random.default_rng(1), dtype, (50,), None)
    assert np.ptp(array.real) > 1
    assert np.ptp(array.imag) > 1
    inside = np.array([1 + 1j], dtype)
    assert within(inside, (0, 1))
    assert not within(inside + 1j, (0, 1))
    assert is_ordinary(inside)
    assert not is_ordinary(inside * 1e7j)
    assert not is_ordinary(np.array([complex(0, np.nan)], dtype))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_parts_and_whole_are_the_same_numbers(dtype: str) -> None:
    array = np.array([[1 + 2j, complex(np.inf, -0.0), complex(np.nan, 3)]], dtype)
    pairs = parts(array)
    assert (pairs.dtype, pairs.shape) == (np.dtype(part(dtype)), (1, 3, 2))
    back = joined(pairs)
    assert back.dtype == array.dtype
    assert np.array_equal(parts(back), pairs, equal_nan=True)
    assert np.signbit(parts(back)).tolist() == np.signbit(pairs).tolist()
    assert parts(array.real) is not None
    assert parts(np.arange(3)).shape == (3,)


@pytest.mark.parametrize("dtype", ROUNDED)
def test_every_value_is_disturbed_as_floats(dtype: str) -> None:
    case = square(dtype, np.array([2.0, 3.0]))
    seen: dict[str, Any] = {}

    def disturb(name: str, array: Array) -> Array:
        seen[name] = array.shape
        return array + np.ones_like(array)

    made = evaluate(case.graph, case.tensors, REGISTRY, disturb)
    assert seen == dict.fromkeys(("x", "v"), (2, 2) if is_complex(dtype) else (2,))
    one = 1 + 1j if is_complex(dtype) else 1
    assert made["v"].tolist() == [(2 + one) ** 2 + one, (3 + one) ** 2 + one]
    assert str(made["v"].dtype) == dtype


@pytest.mark.parametrize("dtype", ROUNDED)
def test_a_graph_is_widened_with_its_values(dtype: str) -> None:
    case = square(dtype, np.array([2.0, 3.0]))
    wide = widened(case.graph, REGISTRY, "torch")
    expected = "complex128" if is_complex(dtype) else "float64"
    assert wide is not None
    assert {value.dtype for value in wide.values().values()} == {expected}
    assert {str(a.dtype) for a in widened_values(case.tensors).values()} == {expected}


def test_stored_arrays_come_back() -> None:
    arrays = {
        "a": np.array([1.5, -0.0, np.inf], "bfloat16"),
        "b": np.array([[1 + 2j]], "complex64"),
        "c": np.zeros((0, 3), "bfloat16"),
        "d": np.array(0.1, "bfloat16"),
    }
    back = unpack_arrays(pack_arrays(arrays), "here")
    assert {name: (a.dtype, a.shape) for name, a in back.items()} == {
        name: (a.dtype, a.shape) for name, a in arrays.items()
    }
    assert all(back[name].tobytes() == arrays[name].tobytes() for name in arrays)
    assert back["a"].dtype == ml_dtypes.bfloat16


def test_a_complex_format_is_as_precise_as_its_parts() -> None:
    assert [epsilon(d) for d in COMPLEX] == [epsilon("float32"), epsilon("float64")]
