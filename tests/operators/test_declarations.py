"""Each kind of mistake in a declaration is refused where it stands, by a SpecError that names operator and field."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphfuzz.errors import SpecError
from graphfuzz.spec import (
    Operator,
    Registry,
    Require,
    Shape,
    Tensor,
    axis,
    emission,
    flag,
    operator,
    sizes,
    tensor,
    variadic,
    weight,
)
from graphfuzz.spec.operator import Parameter


def declared(*parameters: Parameter, rule: Callable[..., Any] | None = None, **changes: Any) -> Operator:
    """An identity, declared right but for what is told."""

    def identity(require: Require, x: Tensor) -> Shape:
        """The same."""
        return x.shape

    fields: dict[str, Any] = {"dtypes": ("float32",), "reference": np.positive, "torch": "{x}", **changes}
    return operator(*(parameters or (tensor("x"),)), **fields)(rule or identity)


def undocumented(require: Require, x: Tensor) -> Shape:
    return x.shape


def of_two(require: Require, xs: Tensor, y: Tensor) -> Shape:
    """Takes two."""
    return y.shape


def of_keywords(require: Require, x: Tensor, **attrs: Any) -> Shape:
    """Takes anything."""
    return x.shape


def of_a_keyword(require: Require, x: Tensor, *, keepdims: bool) -> Shape:
    """Takes a flag."""
    return x.shape


MISTAKES: dict[str, tuple[str, Callable[[], Operator]]] = {
    "no docstring": ("docstring", lambda: declared(rule=undocumented)),
    "name no identifier": ("parameters", lambda: declared(tensor("2x"))),
    "name used twice": ("parameters", lambda: declared(attrs={"x": flag()})),
    "reserved name": ("parameters", lambda: declared(tensor("layer"))),
    "only weights": ("parameters", lambda: declared(weight("x", rank=1))),
    "unknown dtype": ("dtypes", lambda: declared(dtypes=("float31",))),
    "no dtypes": ("dtypes", lambda: declared(dtypes=())),
    "operand of unknown variable": ("parameters", lambda: declared(tensor("x", "U"))),
    "variadic not last": ("parameters", lambda: declared(variadic("xs", (1, 2)), tensor("y"), rule=of_two)),
    "result of unknown variable": ("returns", lambda: declared(returns="V")),
    "axis of nothing": ("attrs.along", lambda: declared(attrs={"along": axis("z")})),
    "sizes per nothing": ("attrs.many", lambda: declared(attrs={"many": sizes(1, 2, per="z")})),
    "rule with other operands": ("rule", lambda: declared(rule=of_two)),
    "rule with any keywords": ("rule", lambda: declared(rule=of_keywords)),
    "rule with another attribute": ("rule", lambda: declared(rule=of_a_keyword)),
    "attribute the rule lacks": ("rule", lambda: declared(attrs={"keepdims": flag()})),
    "no framework": ("torch, keras", lambda: declared(torch=None)),
    "template with unknown name": ("torch", lambda: declared(torch="torch.abs({z})")),
    "template left open": ("keras", lambda: declared(keras="ops.abs({x)")),
    "layer with unknown name": ("keras", lambda: declared(keras=emission("{layer}({x})", layer="layers.Dense({z})"))),
    "state with unknown name": (
        "torch",
        lambda: declared(torch=emission("{layer}({x})", layer="nn.ReLU()", state={"weight": "{z}"})),
    ),
    "emission for another dtype": ("torch.dtypes", lambda: declared(torch=emission("{x}", dtypes=("int8",)))),
}


def test_the_example_is_right() -> None:
    assert declared().name == "identity"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_refused_by_name(mistake: str) -> None:
    field, declare = MISTAKES[mistake]
    with pytest.raises(SpecError, match=rf"^operator '\w+', field '{field}': \S"):
        declare()


def test_two_operators_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="operator 'identity', field 'name'"):
        Registry([declared(), declared()])
