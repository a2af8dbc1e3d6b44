"""Operators made of others, and the names that rules get."""

import inspect
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FRAMEWORKS,
    Defect,
    Require,
    Shape,
    Tensor,
    comparison,
    emission,
    layered,
    named,
    on_special,
    operator,
    spelled,
    tensor,
)

WRONG = Defect("is wrong everywhere", lambda x: True, "an issue")
OTHER = Defect("is wrong without axes", lambda x: x.rank == 0, "another issue")


@operator(
    tensor("x"),
    dtypes=ANY,
    reference=lambda x: x,
    torch=emission("torch.clone({x})", defects=(WRONG,)),
    keras="ops.copy({x})",
)
def same(require: Require, x: Tensor) -> Shape:
    """The same."""
    return x.shape


class TestSpelled:
    def test_keeps_what_is_not_said(self) -> None:
        made = spelled(same, "other", torch="{x} + 0")
        assert (made.name, made.doc, made.rule, set(made.emissions)) == ("other", "The same.", same.rule, {"torch"})
        assert made.emissions["torch"].dtypes == same.emissions["torch"].dtypes

    def test_prefers_the_dtypes_of_the_new_emission(self) -> None:
        made = spelled(same, "other", torch=emission("{x} + 0", dtypes=("int8",)))
        assert made.emissions["torch"].dtypes == {"T": ("int8",)}

    def test_limits_a_framework_that_is_new_to_its_common_dtypes(self) -> None:
        only = spelled(same, "only", keras="ops.copy({x})")
        assert "uint16" not in spelled(only, "both", torch="{x}").emissions["torch"].dtypes["T"]

    def test_keeps_the_defects_of_the_same_framework(self) -> None:
        made = spelled(same, "other", torch="{x} + 0", keras="{x} + 0")
        assert made.emissions["torch"].defects == (WRONG,)
        assert made.emissions["keras"].defects == ()

    def test_prefers_the_defects_of_the_new_emission(self) -> None:
        made = spelled(same, "other", torch=emission("{x} + 0", defects=(OTHER,)))
        assert made.emissions["torch"].defects == (OTHER,)

    def test_replaces_other_fields(self) -> None:
        made = spelled(same, "other", "Another.", torch="{x}", empty=True, returns=("float32",))
        assert (made.doc, made.empty, made.returns) == ("Another.", True, ("float32",))


class TestOnSpecial:
    def test_declares_both_frameworks_or_those_named(self) -> None:
        assert same.special == ()
        assert on_special(same).special == FRAMEWORKS
        assert on_special(same, "torch").special == ("torch",)

    def test_other_forms_keep_it(self) -> None:
        declared = on_special(same, "torch")
        assert spelled(declared, "other", torch="{x} + 0").special == ("torch",)
        assert layered(declared, torch="nn.Identity()").special == ("torch",)

    def test_comparisons_have_it(self) -> None:
        above = comparison("above", reference=np.greater, torch="{x} > {y}", keras="{x} > {y}")
        assert above.special == FRAMEWORKS


class TestNamed:
    def test_names_the_rule_and_the_attributes_it_takes_as_others(self) -> None:
        def rule(require: Require, x: Tensor, *, axis: int, **others: Any) -> Shape:
            return x.shape

        made = named("folded", "A fold.", rule, ("axis", "largest"))
        assert (made.__name__, made.__doc__) == ("folded", "A fold.")
        assert list(inspect.signature(made).parameters) == ["require", "x", "axis", "largest"]
