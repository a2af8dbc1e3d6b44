"""What an ordinary use is: with NaN and infinities only where they are given, and the operator declares itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphfuzz.graph import Array, Node, Value, extent, is_special, ordinary_outputs, within
from graphfuzz.spec import FLOATS, FRAMEWORKS, Operator, Tensor, binary, dtype_choice, named_by, operator, tensor, unary

TORCH: dict[str, Any] = {"torch": "None"}


def outputs(op: Operator, *arrays: Array, framework: str = "torch", made: str = "", **attrs: Any) -> Any:
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    node = Node(op.name, tuple("ab"[: len(arrays)]), attrs, (Value("v", made or str(arrays[0].dtype), shape),))
    types = [Tensor(str(array.dtype), array.shape) for array in arrays]
    found = ordinary_outputs(op, node, types, arrays, framework)
    return None if found is None else found[0].tolist()


def array(*values: float, dtype: str = "float32") -> Array:
    return np.array(values).astype(dtype)


plain = binary("plain", FLOATS, reference=np.multiply, **TORCH)
product = binary("product", FLOATS, reference=np.multiply, special=("torch",), **TORCH)
logarithm = unary("logarithm", FLOATS, reference=np.log, domain=(1, 8), special=FRAMEWORKS, **TORCH)
quotient = binary("quotient", FLOATS, reference=np.divide, special=FRAMEWORKS, **TORCH)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_operands_go_to_operators_that_declare_themselves_in_the_framework(special: float) -> None:
    given = array(special, 2.0), array(1.0, 3.0)
    assert outputs(plain, *given) is None
    assert outputs(product, *given, framework="keras") is None
    assert np.array_equal(outputs(product, *given), [special, 6.0], equal_nan=True)


def test_the_finite_ones_are_held_to_the_domain_and_the_limits_as_ever() -> None:
    assert np.array_equal(outputs(logarithm, array(np.inf, 1.0)), [np.inf, 0.0])
    assert outputs(logarithm, array(np.inf, 0.5)) is None
    assert outputs(product, array(np.inf, 1e4), array(1.0, 1e4)) is None


def test_what_operands_did_not_have_is_not_made() -> None:
    assert outputs(quotient, array(1.0), array(0.0)) is None
    assert outputs(quotient, array(1.0, np.inf), array(2.0, 0.5)) == [0.5, np.inf]
    assert np.isnan(outputs(product, array(0.0), array(np.inf)))


def test_an_overflow_is_no_infinity() -> None:
    """65504 is the greatest number of float16."""
    assert outputs(product, array(np.inf, 300, dtype="float16"), array(1, 300, dtype="float16")) is None


@operator(
    tensor("x"),
    attrs={"dtype": dtype_choice(FLOATS)},
    dtypes=FLOATS,
    returns=named_by("dtype"),
    reference=lambda x, *, dtype: x.astype(dtype),
    special=FRAMEWORKS,
    **TORCH,
)
def cast(require: Any, x: Tensor, *, dtype: str) -> Any:
    """The same in another dtype."""
    return x.shape


def test_nor_is_that_of_a_cast() -> None:
    assert outputs(cast, array(np.inf, 2), made="float16", dtype="float16") == [np.inf, 2]
    assert outputs(cast, array(np.inf, 1e5), made="float16", dtype="float16") is None


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_extent_is_that_of_the_finite_ones(dtype: str) -> None:
    mixed, none = array(np.nan, 2, -np.inf, -1, dtype=dtype), array(np.inf, np.nan, dtype=dtype)
    assert extent(mixed) == (-1, 2)
    assert extent(none) == (np.inf, -np.inf)
    assert is_special(mixed)
    assert not within(mixed, (-8, 8))
    assert not is_special(array(1, 2, dtype=dtype))
    assert not is_special(np.array([1, 2]))
