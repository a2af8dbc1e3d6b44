"""Limits of dtypes, layers of one's own, and the kinds of attributes that moving elements about needs."""

import random
from typing import Any

import pytest

from graphfuzz.spec import ANY, Require, Shape, Tensor, emission, operator, spelled, tensor
from graphfuzz.spec.operator import Operand, Operands
from operators.spelling import Order, Pair, Several, everywhere, in_layer, keras_layer


@operator(tensor("x"), dtypes=ANY, reference=lambda x: x, torch="torch.clone({x})", keras="ops.copy({x})")
def same(require: Require, x: Tensor) -> Shape:
    """The same."""
    return x.shape


def rank_three(name: str) -> int:
    return 3


class TestEverywhere:
    def test_lifts_the_limits_that_nobody_stated(self) -> None:
        assert everywhere(same).emissions["torch"].dtypes == {}
        assert everywhere(same, "keras").emissions["torch"] == same.emissions["torch"]

    def test_keeps_stated_limits(self) -> None:
        limited = spelled(same, "limited", torch=emission("{x}", dtypes=("int8",)))
        assert everywhere(limited).emissions == limited.emissions


class TestLayers:
    def test_any_function_as_a_layer(self) -> None:
        x = Operand("v1", "int8", (2, 3))
        template, written = in_layer("x", "tf.abs(x)"), in_layer("x", lambda x: f"tf.reshape(x, {x.shape})")
        assert isinstance(template.call, str)
        assert template.call.format(x=x) == "Function(lambda x: tf.abs(x))(v1)"
        assert callable(written.call)
        assert written.call(x=x) == "Function(lambda x: tf.reshape(x, (2, 3)))(v1)"

    def test_several_operands_arrive_as_one_tuple(self) -> None:
        made = in_layer("*xs", "tf.add_n(xs)").call
        assert isinstance(made, str)
        assert made.format(xs=Operands([Operand("a", "int8", ()), Operand("b", "int8", ())])).endswith("(a, b)")

    @pytest.mark.parametrize(
        ("dtype", "typed", "text"),
        [
            ("float32", True, "layers.Flatten()"),
            ("float16", False, 'layers.Flatten(dtype="float16")'),
            ("int32", False, "layers.Flatten()"),
            ("int32", True, 'layers.Flatten(dtype="int32")'),
        ],
    )
    def test_keras_layers_keep_the_dtype(self, dtype: str, typed: bool, text: str) -> None:
        layer = keras_layer("layers.Flatten()", typed=typed).layer
        assert callable(layer)
        assert layer(layer="layer", x=Operand("x", dtype, (2, 3))) == text


KINDS: list[tuple[Any, list[Any]]] = [
    (Pair(), [(0, 0), (0, -3), (0, 3), (0,), 1]),
    (Pair(extra=1), [(1, -3), (4, 0)]),
    (Several(("a", "b"), per="x"), [("a", "b"), ("a", "b", "c"), "aba"]),
    (Several((1, 2), count=(2, 4)), [(1, 2, 1), (1, True)]),
    (Order((2, 3)), [(0,), (0, 2), (1, 1), 2]),
]


@pytest.mark.parametrize(("kind", "wrong"), KINDS)
def test_kind_refuses_what_it_never_draws(kind: Any, wrong: list[Any]) -> None:
    rng = random.Random(0)
    assert all(kind.problem(kind.draw(rng, rank_three), rank_three) is None for _ in range(50))
    assert all(kind.problem(value, rank_three) for value in wrong)
