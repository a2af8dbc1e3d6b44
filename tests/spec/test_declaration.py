"""What a declaration may say beyond its signature: empty axes, optional operands, layers, helpers, defects."""

from typing import Any

import numpy as np
import pytest

from graphfuzz.errors import SpecError
from graphfuzz.spec import (
    Defect,
    Operator,
    Rejected,
    Require,
    Shape,
    Tensor,
    emission,
    layered,
    number,
    operator,
    symbol,
    tensor,
    unary,
    variadic,
)
from graphfuzz.spec.dtypes import INTEGERS
from graphfuzz.spec.inference import conditions, infer


def positive(**changes: Any) -> Operator:
    fields: dict[str, Any] = {"reference": np.positive, "torch": "+{x}", "keras": "+{x}", **changes}
    return unary("positive", ("float32",), **fields)


def test_empty_axes_are_refused_unless_declared() -> None:
    vacant = [Tensor("float32", (2, 0))]
    assert infer(positive(), vacant, {}, "torch")[0].shape == (2, 0)
    with pytest.raises(Rejected, match="no axis is empty"):
        infer(positive(empty=False), vacant, {}, "torch")
    _, stated = conditions(positive(empty=False), [Tensor("float32", (symbol("n"),))], {}, "torch")
    assert "a size is at least 1" in [reason for _, reason in stated]


def test_uncommon_dtypes_are_left_out_unless_named() -> None:
    op = unary("same", INTEGERS, reference=np.positive, torch="{x}", keras=emission("{x}", dtypes=INTEGERS))
    assert "uint16" not in op.emissions["torch"].dtypes["T"]
    assert op.emissions["keras"].dtypes["T"] == INTEGERS
    only = unary("same", ("uint16",), reference=np.positive, torch="{x}")
    assert only.emissions["torch"].dtypes == {}


def test_an_optional_weight_may_be_left_out() -> None:
    @operator(
        tensor("x", rank=1),
        variadic("bias", (0, 1), rank=1, role="weight"),
        dtypes=("float32",),
        reference=lambda x, *bias: x + sum(bias),
        torch=lambda x, bias: f"{x} + {bias or 0}",
    )
    def biased(require: Require, x: Tensor, *bias: Tensor) -> Shape:
        """Adds a bias, if there is one."""
        for added in bias:
            require(added.shape[0] == x.shape[0], "the bias is as long")
        return x.shape

    x = Tensor("float32", (3,))
    assert infer(biased, [x], {}, "torch")[0].shape == infer(biased, [x, x], {}, "torch")[0].shape == (3,)
    with pytest.raises(Rejected):
        infer(biased, [x, x, x], {}, "torch")


def test_a_defect_of_a_framework_is_not_used_there() -> None:
    defect = Defect("a pair comes out swapped", lambda x: x.shape[0] == 2, "https://example.org/1")

    @operator(
        tensor("x", rank=1),
        dtypes=("float32",),
        reference=np.positive,
        torch=emission("+{x}", defects=[defect]),
        keras="+{x}",
    )
    def kept(require: Require, x: Tensor) -> Shape:
        """Itself."""
        return x.shape

    pair = [Tensor("float32", (2,))]
    assert infer(kept, pair, {}, "keras")[0].shape == (2,)
    with pytest.raises(Rejected, match="torch is right, which it is not: a pair comes out swapped"):
        infer(kept, pair, {}, "torch")
    _, stated = conditions(kept, [Tensor("float32", (symbol("n"),))], {}, "torch")
    assert any("a pair comes out swapped" in reason for _, reason in stated)


class TestLayered:
    def leaky(self) -> Operator:
        @operator(
            tensor("x"),
            attrs={"slope": number(0, 1)},
            dtypes=("float32",),
            reference=lambda x, *, slope: np.where(x < 0, slope * x, x),
            torch="F.leaky_relu({x}, {slope})",
            keras="ops.leaky_relu({x}, {slope})",
        )
        def leaky(require: Require, x: Tensor, *, slope: float) -> Shape:
            """Weakens what is negative."""
            return x.shape

        return leaky

    def test_is_the_same_operator_as_a_layer(self) -> None:
        layer = layered(self.leaky(), torch="nn.LeakyReLU({slope})")
        assert layer.name == "leaky_layer"
        assert list(layer.emissions) == ["torch"]
        assert layer.emissions["torch"].call == "{layer}({x})"
        assert layer.emissions["torch"].layer == "nn.LeakyReLU({slope})"

    def test_is_checked_as_any_declaration(self) -> None:
        with pytest.raises(SpecError, match="operator 'leaky_layer', field 'torch'"):
            layered(self.leaky(), torch="nn.LeakyReLU({alpha})")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"helper": "def f(:"}, "torch.helper"),
        ({"defects": [Defect("", lambda x: True, "somewhere")]}, "torch.defects"),
    ],
)
def test_mistakes_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError, match=f"operator 'positive', field '{field}'"):
        positive(torch=emission("+{x}", **fields))
