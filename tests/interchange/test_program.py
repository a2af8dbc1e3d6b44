"""Programs as plain data: what is left of one, and where attributes are looked for."""

from __future__ import annotations

import numpy as np

from graphfuzz.interchange.program import (
    PLACE,
    Call,
    Program,
    constant,
    family,
    is_rearranged,
    number,
    places,
    simplified,
    slots,
)


def test_what_takes_no_operand_is_a_weight_and_what_nothing_needs_is_gone() -> None:
    x = np.zeros(2)
    calls = (
        Call("zeros", {}, (), ("z",)),
        Call("add", {}, ("x", "z"), ("a",)),
        Call("neg", {}, ("w",), ("n",)),
    )
    found = simplified(Program(("x",), ("w",), calls, ("a",), dict.fromkeys("xwzan", x)))
    assert [call.target for call in found.calls] == ["add"]
    assert found.weights == ("z",)
    kept = simplified(Program(("x",), ("w",), calls, ("a", "n"), dict.fromkeys("xwzan", x)))
    assert ([call.target for call in kept.calls], kept.weights) == (["add", "neg"], ("w", "z"))
    fixed = simplified(Program(("x",), ("w",), calls, ("a", "n"), dict.fromkeys("xwzan", x)), ["w"])
    assert ([call.target for call in fixed.calls], fixed.weights) == (["add"], ("z", "n"))


def test_attributes_are_looked_for_in_arguments_their_elements_and_their_parts() -> None:
    found = dict(slots({"self": {PLACE: 0}, "pad": [1, 2, 3, 4], "from": 5, "to": 6, "mode": "reflect"}))
    assert found["pad"] == (1, 2, 3, 4)
    assert (found["pad[0]"], found["pad[-1]"], found["pad evens"]) == (1, 4, (1, 3))
    assert (found["from, to"], found["to, from"], found["to×2"]) == ((5, 6), (6, 5), (6, 6))
    assert found["mode"] == "reflect"
    assert not [slot for slot in found if slot.startswith("self")]


def test_elements_in_another_order_are_the_same() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert is_rearranged(array.T.reshape(1, 6), [np.zeros(6), array])
    assert not is_rearranged(array + 1, [array])
    assert not is_rearranged(array, [array.astype("float32"), array[:1]])


def test_numbers_that_json_lacks_come_back() -> None:
    assert [number(constant(value)) for value in (float("-inf"), 1 + 2j, 0.5, 3)] == [float("-inf"), 1 + 2j, 0.5, 3]
    assert number("reflect") is None
    assert np.isnan(number(constant(float("nan"))))


def test_operands_and_families() -> None:
    assert list(places([{PLACE: 1}, None, [{PLACE: 0}], "text"])) == [1, 0]
    assert [family(target) for target in ("aten.add.Tensor", "Relu")] == ["aten.add", "Relu"]
