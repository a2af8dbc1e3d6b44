"""Operators and dtypes by selection: what is left of a registry in some dtypes, and names by pattern."""

from __future__ import annotations

import pytest

from graphfuzz.errors import UsageError
from graphfuzz.spec.dtype_bindings import bindings
from graphfuzz.spec.inference import dtypes_of, infer
from graphfuzz.spec.operator import Rejected, Tensor
from graphfuzz.spec.registry import Registry
from graphfuzz.spec.selection import matching, matching_dtypes

SELECTIONS = [("float32",), ("float16", "int64", "bool"), ("complex64", "float32")]


def test_all_dtypes_are_the_registry_itself(registry: Registry) -> None:
    assert registry.within(()) is registry
    assert registry.within(("float32",)) is registry.within(("float32",))
    assert list(registry.within(matching_dtypes(()))) == list(registry)


@pytest.mark.parametrize("dtypes", SELECTIONS)
def test_what_is_left_takes_and_makes_these_dtypes_only(registry: Registry, dtypes: tuple[str, ...]) -> None:
    left = registry.within(dtypes)
    assert 0 < len(left) < len(registry)
    for op in left.values():
        for framework, emission in op.emissions.items():
            assert bindings(op, framework)
            assert {d for p in op.parameters for d in dtypes_of(op, framework, p.dtype)} <= set(dtypes), op.name
            assert {d for d in op.returns if isinstance(d, str)} <= {*dtypes, *op.variables}, op.name
            before = registry[op.name].emissions[framework]
            for variable in op.variables:
                kept = set(dtypes_of(registry[op.name], framework, variable)) & set(dtypes)
                assert set(emission.dtypes[variable]) <= kept
                if all(isinstance(d, str) for d in op.returns):
                    assert set(emission.dtypes[variable]) == kept
            assert (emission.call, emission.defects) == (before.call, before.defects)
    assert all(set(block.dtypes) <= set(dtypes) for block in (*left.patterns, *left.rewrites))


def test_an_operator_drops_out_that_has_no_use_in_these_dtypes(registry: Registry) -> None:
    in_floats = registry.within(("float32",))
    assert "relu" in in_floats
    assert "is_nan" not in in_floats
    assert "is_nan" in registry.within(("float32", "bool"))
    assert "bitwise_and" not in in_floats
    assert set(registry.within(("int32",))["argmax"].emissions) == {"keras"}, "PyTorch makes int64"
    assert set(registry.within(("int32", "int64"))["argmax"].emissions) == {"torch", "keras"}


def test_a_choice_that_names_another_dtype_is_gone_and_the_rule_refuses_it(registry: Registry) -> None:
    cast = registry.within(("float32", "int8"))["cast"]
    assert set(cast.attrs["dtype"].options) == {"float32", "int8"}  # type: ignore[attr-defined]
    x = Tensor("float32", (2,))
    (made,) = infer(cast, [x], {"dtype": "int8"}, "torch")
    assert made.dtype == "int8"
    with pytest.raises(Rejected, match="the output is one of float32, int8, not bool"):
        infer(cast, [x], {"dtype": "bool"}, "torch")


def test_a_dtype_is_gone_of_which_outputs_are_always_of_another(registry: Registry) -> None:
    """PyTorch's sine of integers is a float32."""
    for dtypes, left in ((("int32", "float16"), {"float16"}), (("int32", "float32"), {"int32", "float32"})):
        assert set(registry.within(dtypes)["sin"].emissions["torch"].dtypes["T"]) == left


def test_names_are_found_by_pattern_and_family_in_the_order_given(registry: Registry) -> None:
    assert matching(registry, ["tanh", "relu", "tanh"]) == ("tanh", "relu")
    convolutions = matching(registry, ["conv*"])
    assert len(convolutions) > 3
    assert all(name.startswith("conv") for name in convolutions)
    assert "softmax" in matching(registry, ["family:softmax"])
    assert set(matching(registry, ["family:*pooling"])) > set(matching(registry, ["family:pooling"]))
    assert set(matching(registry, ["pack:operators"])) == set(registry)
    assert matching_dtypes(["float*"], ["float64"]) == ("float16", "float32")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("rleu", r"there is no operator 'rleu'; the nearest are relu, "),
        ("convv*", r"there is no operator 'convv\*'; the nearest are conv"),
        ("pack:opertors", "there is no pack 'pack:opertors'; the nearest are pack:operators"),
        ("family:poling", r"there is no family 'family:poling'; the nearest are family:pooling, "),
    ],
)
def test_what_matches_nothing_is_named_with_the_nearest(registry: Registry, pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        matching(registry, [pattern])


def test_a_dtype_that_is_none_is_named_and_one_must_be_left() -> None:
    with pytest.raises(UsageError, match="there is no dtype 'flaot32'; the nearest are float32, "):
        matching_dtypes((), ["flaot32"])
    with pytest.raises(UsageError, match="no dtype is left"):
        matching_dtypes(["bool"], ["b*"])
