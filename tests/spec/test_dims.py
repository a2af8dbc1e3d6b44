"""Expressions over sizes: the same arithmetic as Python's, and no truth value."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfuzz.spec.dims import (
    Condition,
    Dim,
    both,
    ceil_div,
    choose,
    either,
    evaluate,
    maximum,
    minimum,
    names_in,
    negate,
    prod,
    symbol,
)

SIZES = st.integers(-20, 40)
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("apply", ARITHMETIC + COMPARISONS, ids=lambda f: f.__name__)
@given(a=SIZES, b=st.integers(1, 9))
def test_an_expression_evaluates_to_what_python_computes(apply, a, b):
    expected = apply(a, b)
    for left, right in [(symbol("a"), symbol("b")), (symbol("a"), b), (a, symbol("b"))]:
        assert evaluate(apply(left, right), {"a": a, "b": b}) == expected


@given(a=SIZES, b=SIZES)
def test_helpers_agree_on_known_and_unknown_sizes(a, b):
    x, y, sizes = symbol("a"), symbol("b"), {"a": a, "b": b}
    assert evaluate(minimum(x, y), sizes) == min(a, b) == minimum(a, b)
    assert evaluate(maximum(x, y), sizes) == max(a, b) == maximum(a, b)
    assert evaluate(choose(x == 1, y, x), sizes) == choose(a == 1, b, a)
    assert evaluate(either(x == y, x < 3), sizes) == either(a == b, a < 3)
    assert evaluate(both(x == y, x < 3), sizes) == both(a == b, a < 3)
    assert evaluate(negate(x <= y), sizes) == negate(a <= b)
    assert evaluate(prod([x, 3, y]), sizes) == prod([a, 3, b])
    assert evaluate(ceil_div(x, 4), sizes) == -(-a // 4)


@pytest.mark.parametrize("expression", [symbol("a"), symbol("a") == 1, symbol("a") + 1 < 2])
def test_branching_on_an_unknown_size_fails_loudly(expression):
    with pytest.raises(TypeError, match="no truth value"):
        bool(expression)


def test_known_conditions_fold_away():
    unknown = symbol("a") == 1
    assert either(True, unknown) is True
    assert both(False, unknown) is False
    assert isinstance(either(False, unknown), Condition)
    assert prod([2, 3]) == 6
    assert isinstance(prod([2, symbol("a")]), Dim)


def test_names_in_are_listed_as_often_as_they_occur():
    a, b = symbol("a"), symbol("b")
    assert names_in(a * b + a) == {"a", "b"}
