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
    axes,
    axis,
    choice,
    emission,
    flag,
    named_by,
    number,
    operator,
    size,
    sizes,
    tensor,
    variadic,
    weight,
)
from graphfuzz.spec.operator import Parameter
from tests.operators.rules import (
    branches,
    fails_on_sizes,
    indexes_beyond,
    makes_a_list,
    makes_a_tensor,
    makes_an_array_size,
    makes_nothing,
    makes_two,
    of_a_keyword,
    of_an_axis,
    of_k,
    of_keywords,
    of_many,
    of_two,
    refuses_all,
    requires_a_size,
    undocumented,
)


def declared(*parameters: Parameter, rule: Callable[..., Any] | None = None, **changes: Any) -> Operator:
    """An identity, declared right but for what is told."""

    def identity(require: Require, x: Tensor) -> Shape:
        """The same."""
        return x.shape

    fields: dict[str, Any] = {"dtypes": ("float32",), "reference": np.positive, "torch": "{x}", **changes}
    return operator(*(parameters or (tensor("x"),)), **fields)(rule or identity)


def layered(**fields: Any) -> Operator:
    return declared(torch=emission("{layer}({x})", **{"layer": "nn.ReLU()", **fields}))


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
    "rank above the highest": ("parameters", lambda: declared(tensor("x", rank=9))),
    "negative rank": ("parameters", lambda: declared(tensor("x", rank=(-1, 2)))),
    "no rank": ("parameters", lambda: declared(tensor("x", rank=()))),
    "rank no integer": ("parameters", lambda: declared(tensor("x", rank=(1.5,)))),  # type: ignore[arg-type]
    "no arity": ("parameters", lambda: declared(variadic("xs", ()), rule=of_many)),
    "attribute of no kind": ("attrs.k", lambda: declared(attrs={"k": 3}, rule=of_k)),
    "attribute not called": ("attrs.k", lambda: declared(attrs={"k": flag}, rule=of_k)),
    "attribute without values": ("attrs.k", lambda: declared(attrs={"k": choice()}, rule=of_k)),
    "sizes without a count": ("attrs.k", lambda: declared(attrs={"k": sizes(1, 2)}, rule=of_k)),
    "reference no function": ("reference", lambda: declared(reference=None)),
    "defined no function": ("defined", lambda: declared(defined=True)),
    "propose no function": ("propose", lambda: declared(propose={"k": 1})),
    "domain no pair": ("domain", lambda: declared(domain=5)),
    "domain a function": ("domain", lambda: declared(domain=lambda x: (0, 1))),
    "domain upside down": ("domain", lambda: declared(domain=(5, 1))),
    "domain of text": ("domain", lambda: declared(domain=("0", "1"))),
    "domain without end": ("domain", lambda: declared(domain=(0, float("inf")))),
    "special in no framework": ("special", lambda: declared(special=("tensorflow",))),
    "special not a list": ("special", lambda: declared(special="torch")),
    "operand's domain no pair": ("parameters", lambda: declared(tensor("x", domain=5))),  # type: ignore[arg-type]
    "operand's domain upside down": ("parameters", lambda: declared(tensor("x", domain=(5, 1)))),
    "no result": ("returns", lambda: declared(returns=())),
    "more results than outputs": ("returns", lambda: declared(returns=("T", "T"))),
    "fewer results than outputs": ("returns", lambda: declared(returns=("T", "T", "T"), rule=makes_two)),
    "result no operand's variable": (
        "returns",
        lambda: declared(tensor("x", "U"), dtypes={"U": ("int8",), "V": ("int8",)}, returns="V"),
    ),
    "result named by nothing": ("returns", lambda: declared(returns=named_by("k"))),
    "result of unknown dtype": ("returns", lambda: declared(returns=lambda framework, bound, attrs: "float31")),
    "rule that branches": ("rule", lambda: declared(rule=branches)),
    "rule that requires a size": ("rule", lambda: declared(rule=requires_a_size)),
    "rule without its ranks": ("rule", lambda: declared(rule=indexes_beyond)),
    "rule without its axis": ("rule", lambda: declared(attrs={"along": axis()}, rule=of_an_axis)),
    "rule that fails on sizes alone": ("rule", lambda: declared(rule=fails_on_sizes)),
    "rule that makes a list of sizes": ("rule", lambda: declared(rule=makes_a_list)),
    "rule that makes a tensor": ("rule", lambda: declared(rule=makes_a_tensor)),
    "rule that makes an array's size": ("rule", lambda: declared(rule=makes_an_array_size)),
    "rule that makes nothing": ("rule", lambda: declared(rule=makes_nothing)),
    "emission no text": ("torch", lambda: declared(torch=5)),
    "layer no text": ("torch", lambda: layered(layer=5)),
    "template no expression": ("torch", lambda: declared(torch="torch.abs({x}")),
    "template a statement": ("keras", lambda: declared(keras="y = {x}")),
    "template two statements": ("torch", lambda: declared(torch="{x}; {x}")),
    "template empty": ("torch", lambda: declared(torch="")),
    "template with an unknown property": ("torch", lambda: declared(torch="{x}.to({x.kind})")),
    "template with a value written wrongly": (
        "torch",
        lambda: declared(attrs={"k": size(1, 3)}, rule=of_k, torch="{x} + {k:q}"),
    ),
    "template with no layer": ("torch", lambda: declared(torch="{layer}({x})")),
    "layer no expression": ("torch", lambda: layered(layer="nn.ReLU(")),
    "layer a statement": ("torch", lambda: layered(layer="import nn")),
    "state no expression": ("torch", lambda: layered(state={"weight": "{x}["})),
    "emission for no dtype": ("torch.dtypes", lambda: declared(torch=emission("{x}", dtypes=()))),
    "emission for another dtype": ("torch.dtypes", lambda: declared(torch=emission("{x}", dtypes=("int8",)))),
}


def test_the_example_is_right() -> None:
    assert declared().name == "identity"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_refused_by_name(mistake: str) -> None:
    field, declare = MISTAKES[mistake]
    with pytest.raises(SpecError, match=rf"^operator '\w+', field '{field}': \S"):
        declare()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (branches, r"raises TypeError \(a Condition has no truth value.* in 'branches', line \d+, for float32\[s0_0"),
        (
            indexes_beyond,
            r"raises IndexError \(tuple index out of range\) in 'indexes_beyond', line \d+, for float32\[\]",
        ),
        (makes_a_list, r"returns \[1\] for .* a list of them"),
    ],
)
def test_a_wrong_rule_is_told_with_the_use_that_shows_it(rule: Callable[..., Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        declared(rule=rule)


def test_what_cannot_be_tried_is_taken_as_it_is() -> None:
    """A rule that refuses every trial, and templates whose parts are of any text or structure."""
    assert declared(rule=refuses_all).name == "refuses_all"
    kinds = {"op": choice("+", "-"), "at": axes(), "many": sizes(1, 2, per="x"), "by": size(2, 3), "e": number(0, 1)}

    def texts(require: Require, x: Tensor, *, op: str, at: Any, many: Any, by: Any, e: float) -> Shape:
        """Everything a template may do."""
        return x.shape

    call = "f{by}({x} {op} {x.shape[0]}, torch.{x.dtype}, {at[0]}, {many!r}, {{'e': {e:.3f}}}, 1e{by}, rank={x.rank})"
    assert declared(tensor("x", rank=range(1, 4)), attrs=kinds, rule=texts, torch=call).name == "texts"
    assert declared(variadic("xs", (1, 2, 3)), rule=of_many, torch="torch.cat([{xs}])").name == "of_many"
    assert declared(returns=("T", "bool"), rule=makes_two, torch=lambda x: "1 +").returns == ("T", "bool")


def test_two_operators_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="operator 'identity', field 'name'"):
        Registry([declared(), declared()])
