"""The conformance checks themselves: each finds the mistake it is there for, in an operator that has just that one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from graphfuzz.conformance import bindings, cases, examine, special_cases
from graphfuzz.conformance.cases import Found, missed, unmet
from graphfuzz.conformance.defects import defect_failures
from graphfuzz.conformance.frameworks import allowance, difference, framework_differences
from graphfuzz.conformance.rules import interpreter_differences, near_miss_differences
from graphfuzz.graph import Case, Graph, Node, Value, WrongReference
from graphfuzz.spec import (
    FRAMEWORKS,
    Defect,
    Operator,
    Registry,
    Require,
    Shape,
    Tensor,
    axis,
    broadcast,
    emission,
    operator,
    size,
    tensor,
    unary,
)


def added(rule: Callable[..., Any], **changes: Any) -> Operator:
    """An addition with this rule, and with what is told otherwise."""
    fields: dict[str, Any] = {
        "dtypes": ("float32",),
        "reference": np.add,
        "torch": "torch.add({x}, {y})",
        "keras": "ops.add({x}, {y})",
        **changes,
    }
    return operator(tensor("x", rank=2), tensor("y", rank=2), **fields)(rule)


def found(registry: Registry, framework: str, count: int) -> tuple[Operator, Found]:
    """The only operator, and cases of it."""
    (op,) = registry.values()
    return op, list(cases(op, framework, count, registry))


def framework_failures(registry: Registry, framework: str, count: int) -> list[str]:
    op, some = found(registry, framework, count)
    return framework_differences(op, framework, some, registry)


def interpreter_failures(registry: Registry, framework: str, count: int) -> list[str]:
    op, some = found(registry, framework, count)
    return interpreter_differences(op, framework, some)


def near_miss_failures(registry: Registry, framework: str, count: int) -> list[str]:
    op, some = found(registry, framework, count)
    return near_miss_differences(op, some, registry)


def unreached(registry: Registry, framework: str, count: int) -> list[str]:
    op, some = found(registry, framework, count)
    return missed(op, framework, bindings(op, framework), some)


def plus(require: Require, x: Tensor, y: Tensor) -> Shape:
    """A right one."""
    return broadcast(require, x.shape, y.shape)


def plus_strict(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Refuses to stretch."""
    for a, b in zip(x.shape, y.shape, strict=True):
        require(a == b, "the shapes are equal")
    return x.shape


def plus_lax(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Checks one axis of two."""
    require(x.shape[0] == y.shape[0], "the first sizes are equal")
    return x.shape


def plus_torn(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Requires more of known sizes."""
    if isinstance(x.shape[0], int):
        require(x.shape[0] % 2 == 1, "the first size is odd")
    return broadcast(require, x.shape, y.shape)


def plus_sized(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Promises one row more than there is."""
    rows, columns = broadcast(require, x.shape, y.shape)
    return rows + 1, columns


@pytest.mark.parametrize("framework", ["torch", "keras"])
class TestEachCheck:
    def test_passes_a_right_operator(self, framework: str) -> None:
        registry = Registry([added(plus)])
        assert framework_failures(registry, framework, 4) == []
        assert interpreter_failures(registry, framework, 4) == []
        assert near_miss_failures(registry, framework, 4) == []
        assert unreached(registry, framework, 4) == []

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"reference": np.subtract}, "values differ"),
            ({"returns": "float64", "reference": np.add}, "float32"),
            ({"torch": "torch.mul({x}, {y})", "keras": "ops.multiply({x}, {y})"}, "values differ"),
        ],
    )
    def test_finds_another_result(self, framework: str, change: dict[str, Any], says: str) -> None:
        registry = Registry([added(plus, **change)])
        found = framework_failures(registry, framework, 3)
        assert len(found) == 3
        assert all(says in text and f"case_at('plus/{framework}/T=float32/" in text for text in found)

    def test_finds_a_rule_that_refuses_too_much(self, framework: str) -> None:
        registry = Registry([added(plus_strict)])
        found = near_miss_failures(registry, framework, 12)
        assert any("the rule refuses it" in text for text in found)

    def test_finds_a_rule_that_accepts_too_much(self, framework: str) -> None:
        registry = Registry([added(plus_lax, reference=lambda x, y: x + y[:, :1])])
        found = near_miss_failures(registry, framework, 4)
        assert any("the rule infers" in text and "Error" in text for text in found)

    def test_finds_a_rule_that_tells_sizes_from_symbols(self, framework: str) -> None:
        registry = Registry([added(plus_torn)])
        found = interpreter_failures(registry, framework, 4)
        assert any("None on sizes, [('float32'" in text for text in found)

    def test_finds_a_reference_of_another_shape(self, framework: str) -> None:
        registry = Registry([added(plus_sized)])
        with pytest.raises(WrongReference, match="plus_sized: the reference made shape") as raised:
            framework_failures(registry, framework, 1)
        assert raised.value.__notes__ == [f"case_at('plus_sized/{framework}/T=float32/0')"]

    def test_finds_a_size_attribute_that_is_bounded_wrongly(self, framework: str) -> None:
        @operator(
            tensor("x", rank=1),
            attrs={"count": size(1, 4), "axis": axis()},
            dtypes=("float32",),
            reference=lambda x, *, count, axis: np.repeat(x, count, axis),
            torch="torch.repeat_interleave({x}, {count}, dim={axis})",
            keras="ops.repeat({x}, {count}, axis={axis})",
        )
        def repeat(require: Require, x: Tensor, *, count: Any, axis: int) -> Shape:
            """Refuses an odd number, for no reason."""
            require(count % 2 == 0, "the number is even")
            return (x.shape[0] * count,)

        registry = Registry([repeat])
        assert any("count 0" in text for text in near_miss_failures(registry, framework, 4))

    def test_finds_a_dtype_that_is_promised_in_vain(self, framework: str) -> None:
        op = added(plus, dtypes=("float32", "float64"), defined=lambda x, y: x.dtype == np.float32)
        assert unreached(Registry([op]), framework, 2) == [f"plus/{framework}/T=float64"]


@pytest.mark.parametrize("framework", ["torch", "keras"])
class TestSpecialValues:
    """Where an operator declares itself for NaN and infinities, frameworks and reference must agree on them."""

    def largest(self, reference: Callable[..., Any], **changes: Any) -> Operator:
        texts = {"torch": "torch.maximum({x}, {y})", "keras": "ops.maximum({x}, {y})"}
        return added(plus, reference=reference, special=FRAMEWORKS, **{**texts, **changes})

    def failures(self, op: Operator, framework: str) -> list[str]:
        registry = Registry([op])
        some = list(special_cases(op, framework, 8, registry))
        assert all(any(not np.isfinite(array).all() for array in case.tensors.values()) for _, case in some)
        return [*unmet(op, framework, some, registry), *framework_differences(op, framework, some, registry)]

    def test_a_right_declaration_passes(self, framework: str) -> None:
        assert self.failures(self.largest(np.maximum), framework) == []

    def test_a_wrong_one_is_found(self, framework: str) -> None:
        """fmax ignores NaN, maximum does not."""
        found = self.failures(self.largest(np.fmax), framework)
        assert found
        assert all(
            "values differ" in text and f"case_at('plus/{framework}/T=float32/special-" in text for text in found
        )

    def test_so_is_a_wrong_infinity(self, framework: str) -> None:
        found = self.failures(self.largest(lambda x, y: np.clip(np.maximum(x, y), -1e5, 1e5)), framework)
        assert any("inf" in text for text in found)

    def test_one_that_nothing_meets_is_told(self, framework: str) -> None:
        op = self.largest(np.maximum, defined=lambda x, y: bool(np.isfinite(x).all() and np.isfinite(y).all()))
        (told,) = self.failures(op, framework)
        assert "no use in" in told

    def test_without_a_declaration_nothing_is_asked(self, framework: str) -> None:
        assert list(special_cases(added(plus), framework, 8, Registry([added(plus)]))) == []
        assert self.failures(self.largest(np.maximum, dtypes=("int32",)), framework) == []


class TestDefects:
    """A defect that a framework is said to have is looked for, and must show."""

    def swapped(self, when: Callable[..., Any]) -> Operator:
        defect = Defect("it multiplies", when, "https://example.org/1")
        wrong = "torch.add({x}, {y}) if {x}.shape[0] != 2 else torch.mul({x}, {y})"
        return added(plus, torch=emission(wrong, defects=[defect]))

    def test_one_that_shows_passes_and_is_no_failure_elsewhere(self) -> None:
        op = self.swapped(lambda x, y: x.shape[0] == 2)
        assert defect_failures(op, "torch") == []
        assert framework_failures(Registry([op]), "torch", 20) == []

    def test_one_that_is_gone_is_told(self) -> None:
        (told,) = defect_failures(self.swapped(lambda x, y: x.shape[0] == 3), "torch")
        assert "torch shows no sign of this any more: it multiplies" in told

    @pytest.mark.parametrize(("release", "told"), [(torch.__version__.rpartition(".")[0], 0), ("0.1", 1)])
    def test_one_of_some_processors_is_believed_for_its_release(self, release: str, told: int) -> None:
        defect = Defect("it multiplies", lambda x, y: x.shape[0] == 3, "https://example.org/1", release=release)
        assert len(defect_failures(added(plus, torch=emission("{x} + {y}", defects=[defect])), "torch")) == told

    @pytest.mark.parametrize(
        ("call", "shows"), [("__import__('os').abort() or {x}", True), ("{x} * {y}", True), ("{x} + {y}", False)]
    )
    def test_one_that_is_fatal_is_looked_for_in_a_process_of_its_own(self, call: str, shows: bool) -> None:
        defect = Defect("it takes the process down", lambda x, y: x.shape[0] == 2, "https://example.org/1", fatal=True)
        op = added(plus, torch=emission(call, defects=[defect]), keras=None)
        assert (defect_failures(op, "torch") == []) == shows

    def test_what_a_defect_refuses_is_no_near_miss(self) -> None:
        op = self.swapped(lambda x, y: x.shape[0] == 2)
        assert near_miss_failures(Registry([op]), "torch", 30) == []


def test_a_framework_may_take_subnormal_numbers_for_zeros_and_no_others() -> None:
    op = unary("is_zero", ("float32",), returns="bool", reference=lambda x: x == 0, torch="{x} == 0")
    x, v = Value("x", "float32", (3,)), Value("v", "bool", (3,))
    graph = Graph((x,), (), (Node("is_zero", ("x",), {}, (v,)),), ("v",))
    case = Case(graph, "torch", {"x": np.array([1e-40, 1e-30, 0], "float32")})
    for made, is_told in (([False, False, True], False), ([True, False, True], False), ([True, True, True], True)):
        assert bool(difference(op, case, [np.array(made)], Registry([op]))) == is_told


def test_an_operator_that_allows_empty_axes_is_tried_on_them() -> None:
    op = added(plus, empty=True)
    sizes = [size for _, case in cases(op, "torch", 40, Registry([op])) for v in case.graph.inputs for size in v.shape]
    assert 0 in sizes
    filled = added(plus)
    assert all(0 not in v.shape for _, c in cases(filled, "torch", 40, Registry([filled])) for v in c.graph.inputs)


def test_an_examination_has_every_check() -> None:
    right = Registry([added(plus)])
    found = examine(right["plus"], "torch", right, count=4, near=2, most=4)
    assert (found.bindings, found.cases, found.near_misses, found.failures) == (1, 4, 2, ())
    torn = Registry([added(plus_torn)])
    assert examine(torn["plus_torn"], "torch", torn, count=4, near=4, most=4).failures
    sized = Registry([added(plus_sized)])
    (told,) = examine(sized["plus_sized"], "torch", sized, count=4, near=4, most=4).failures
    assert "the reference made shape" in told


def test_a_sample_of_bindings_has_every_dtype() -> None:
    kinds = ("int8", "int16", "int32", "int64", "float32")
    op = operator(tensor("x"), tensor("y", "U"), dtypes={"T": kinds, "U": kinds}, reference=np.add, torch="{x} + {y}")(
        plus
    )
    found = bindings(op, "torch", 6)
    assert len(found) == 6
    assert {b["T"] for b in found} == {b["U"] for b in found} == set(kinds)


def test_allowance_follows_the_coarsest_format() -> None:
    wide = np.asarray([1.0, -3.0])
    assert np.all(allowance(wide, [wide]) < 1e-12)
    assert np.all(allowance(wide, [wide.astype("float16")]) > 1e-2)
