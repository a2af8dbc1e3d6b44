"""z3 and arithmetic find sizes that satisfy conditions, the same ones every time."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfuzz.solver import Completion, Profile, Unsatisfiable, solve
from graphfuzz.spec.dims import ceil_div, choose, either, evaluate, maximum, minimum, negate, symbol

A, B, C = symbol("a"), symbol("b"), symbol("c")
CASES = [
    [(A * B == 24, "product"), (A + C == 10, "sum"), (C >= 1, "positive")],
    [((A - 3) // 2 + 1 == 4, "window"), (B == A % 5, "remainder")],
    [(either(A == B, A == 1, B == 1), "broadcast"), (B == 7, "seven")],
    [(minimum(A, B) == 3, "least"), (maximum(A, B) == 8, "most"), (negate(A == 8), "not eight")],
    [(choose(A == 1, B, A) == 5, "stretched"), (B <= 5, "bound")],
    [(ceil_div(A, 3) == 4, "rounded up"), (A != 12, "not twelve")],
]


@pytest.mark.parametrize("conditions", CASES, ids=lambda c: c[0][1])
def test_z3_satisfies_every_condition(conditions):
    found = solve(conditions, {}, reason="test", profile=Profile())
    assert all(evaluate(condition, found) for condition, _ in conditions)


@pytest.mark.parametrize("conditions", CASES, ids=lambda c: c[0][1])
def test_arithmetic_never_returns_a_wrong_answer_and_often_finds_one(conditions):
    names = sorted({n for c, _ in conditions for n in ("a", "b", "c")})
    rng = random.Random(0)
    task = Completion([condition for condition, _ in conditions], names)
    found = [task.attempt(lambda name: rng.randint(1, 12), rng) for _ in range(2000)]
    answers = [f for f in found if f is not None]
    assert answers
    assert all(evaluate(condition, f) for f in answers for condition, _ in conditions)


def test_contradicting_requirements_are_named():
    with pytest.raises(Unsatisfiable) as refused:
        solve([(A * 2 == 7, "half of seven"), (B == 1, "one")], {"b": 2}, reason="test", profile=Profile())
    assert refused.value.reasons == ("half of seven",)


def test_wishes_are_kept_where_they_can_be():
    found = solve([(A + B == 10, "sum")], {"a": 3, "b": 4, "c": 5}, reason="test", profile=Profile())
    assert found["a"] + found["b"] == 10
    assert found["a"] == 3 or found["b"] == 4


def test_calls_and_time_are_counted_by_reason():
    profile = Profile()
    solve([(A == 1, "one")], {}, reason="fit", profile=profile)
    with pytest.raises(Unsatisfiable):
        solve([(A == -1, "negative")], {}, reason="fit", profile=profile)
    assert profile.calls == {"fit": 2}
    assert profile.seconds["fit"] > 0


@given(st.integers(1, 30), st.integers(1, 30))
def test_an_answer_does_not_depend_on_earlier_calls(a, b):
    conditions = [(A * B - a * b == 0, "product"), (A >= B, "order"), (B >= 1, "positive")]
    first = solve(conditions, {"a": a}, reason="test", profile=Profile())
    solve([(C * C == 49, "square")], {}, reason="test", profile=Profile())
    assert solve(conditions, {"a": a}, reason="test", profile=Profile()) == first


def test_a_profile_that_was_stored_goes_on_counting():
    """As a campaign's does that was ended and goes on."""
    profile = Profile()
    profile.calls["fit"] += 1
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(profile), type=Profile)
    other = Profile()
    other.calls["grow"], other.seconds["grow"], other.gave_up["grow"] = 2, 0.5, 1
    stored.add(other)
    assert dict(stored.calls) == {"fit": 1, "grow": 2}
    assert dict(stored.seconds) == {"grow": 0.5}
    assert dict(stored.gave_up) == {"grow": 1}
