"""Each rule of the comparison, on graphs whose operators are made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphfuzz.graph import Array, Case, Graph, Node, Value, evaluate
from graphfuzz.oracle.comparison import compare, uncompared
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import Mismatch
from graphfuzz.spec import ANY, BOOL, FLOATS, REAL, Registry, Tensor, binary, number, operator, tensor, unary

TORCH: dict[str, Any] = {"torch": "None"}


@operator(tensor("x"), dtypes=FLOATS, reference=np.zeros_like, compared=False, **TORCH)
def noise(require: Any, x: Tensor) -> Any:
    """Whatever it likes."""
    return x.shape


@operator(
    tensor("x"),
    attrs={"factor": number(0, 1)},
    dtypes=FLOATS,
    reference=lambda x, *, factor: x * np.asarray(factor, x.dtype),
    **TORCH,
)
def scale(require: Any, x: Tensor, *, factor: float) -> Any:
    """Each element times a constant."""
    return x.shape


@operator(tensor("x"), dtypes=FLOATS, spacings=32, reference=lambda x: np.fft.fft(x).real, **TORCH)
def coarse(require: Any, x: Tensor) -> Any:
    """A transform of which rough implementations are accepted."""
    return x.shape


REGISTRY = Registry(
    [
        scale,
        noise,
        unary("floor", FLOATS, reference=np.floor, **TORCH),
        unary("round", FLOATS, reference=np.round, **TORCH),
        unary("exp", FLOATS, reference=np.exp, **TORCH),
        unary("reciprocal", FLOATS, reference=np.reciprocal, **TORCH),
        unary("half", FLOATS, reference=lambda x: x / 2, **TORCH),
        unary("to_int", FLOATS, reference=lambda x: x.astype("int64"), returns="int64", **TORCH),
        unary("is_negative", FLOATS, reference=np.signbit, returns="bool", **TORCH),
        unary("is_zero", FLOATS, reference=lambda x: x == 0, returns="bool", **TORCH),
        unary("same", ANY, reference=lambda x: x, **TORCH),
        unary("is_positive", REAL, reference=lambda x: x > 0, returns="bool", **TORCH),
        unary("negate", BOOL, reference=np.logical_not, **TORCH),
        unary("tanh", FLOATS, reference=np.tanh, **TORCH),
        unary("sin", FLOATS, reference=np.sin, **TORCH),
        unary("shrink", FLOATS, reference=lambda x: np.where(np.abs(x) > 0.5, x, np.zeros_like(x)), **TORCH),
        unary("centered_third", FLOATS, reference=lambda x: x / 3 - np.mean(x / 3), **TORCH),
        unary("transform", FLOATS, reference=lambda x: np.fft.fft(x).real, **TORCH),
        coarse,
        unary("square", REAL, reference=np.square, **TORCH),
        binary("add", REAL, reference=np.add, **TORCH),
        binary("multiply", FLOATS, reference=np.multiply, **TORCH),
        binary("divide", FLOATS, reference=np.divide, **TORCH),
        binary("subtract", FLOATS, reference=np.subtract, **TORCH),
        binary("equal", ANY, reference=np.equal, returns="bool", **TORCH),
    ]
)

Step = tuple[str, tuple[str, ...], str, str]


def case(leaves: dict[str, Array], steps: list[Step], outputs: tuple[str, ...]) -> Case:
    """A case from (operator, operands, output, output's dtype); every tensor has the first leaf's shape."""
    shape = next(iter(leaves.values())).shape
    inputs = tuple(Value(name, str(array.dtype), array.shape) for name, array in leaves.items())
    nodes = tuple(Node(op, given, {}, (Value(made, dtype, shape),)) for op, given, made, dtype in steps)
    return Case(Graph(inputs, (), nodes, outputs), "torch", leaves)


def verdict(made: Case, given: list[Array], rule: Tolerance = Tolerance()) -> tuple[str, Mismatch | None]:  # noqa: B008
    """What the comparison says of outputs; the references play the source model."""
    values = evaluate(made.graph, made.tensors, REGISTRY)
    return compare(made, REGISTRY, {name: values[name] for name in made.graph.outputs}, given, rule)


def single(op: str, x: Array, dtype: str | None = None) -> tuple[Case, Array]:
    """One operator on one array, and what its reference makes."""
    made = case({"x": x}, [(op, ("x",), "y", dtype or str(x.dtype))], ("y",))
    return made, evaluate(made.graph, made.tensors, REGISTRY)["y"].copy()


def f32(*values: float) -> Array:
    return np.array(values, dtype="float32")


def test_count_dtype_and_shape_come_first() -> None:
    made, y = single("exp", f32(0.5, 1.5))
    for given, what in [([], "count"), ([y, y], "count"), ([y.astype("float64")], "dtype"), ([y[None]], "shape")]:
        found, mismatch = verdict(made, given)
        assert (found, mismatch and mismatch.what) == ("wrong-output", what)


def test_equal_is_ok_and_rounding_is_ok() -> None:
    made, y = single("exp", f32(0.5, 1.5, 80.0))
    assert verdict(made, [y]) == ("ok", None)
    assert verdict(made, [np.nextafter(y, np.float32(0))]) == ("ok", None)


def test_what_cancels_inside_an_operator_may_leave_its_rounding() -> None:
    """Of equal short numbers, which are exact, the reference makes zero, and other orders of the same do not."""
    made, y = single("centered_third", f32(1000, 1000, 1000, 1000))
    assert not y.any()
    assert verdict(made, [y + np.float32(5e-5)])[0] == "unstable"
    assert verdict(made, [y + np.float32(5e-2)])[0] == "wrong-output"


def test_exact_elements_stay_exact_for_what_takes_each_by_itself() -> None:
    """At a threshold, rounding on the way to it is no excuse: there was none."""
    made, y = single("shrink", f32(0.5, 0.5, 2.0, 3.0))
    assert verdict(made, [y])[0] == "ok"
    assert verdict(made, [f32(0.5, 0.5, 2.0, 3.0)])[0] == "wrong-output"


def test_an_operator_may_declare_that_good_implementations_are_coarse() -> None:
    x = np.full(15, 3, "float32")
    for op, found in (("coarse", "unstable"), ("transform", "wrong-output")):
        made, y = single(op, x)
        assert verdict(made, [y + np.float32(1e-4)])[0] == found
        assert verdict(made, [y + np.float32(1e-2)])[0] == "wrong-output"


def test_a_wrong_value_is_found_with_its_place() -> None:
    made, y = single("exp", f32(0.5, 1.5, 2.5))
    y[1] += 0.01
    found, mismatch = verdict(made, [y])
    assert found == "wrong-output"
    assert mismatch is not None
    assert (mismatch.what, mismatch.output, mismatch.index) == ("value", "y", (1,))
    assert (mismatch.differ, mismatch.total) == (1, 3)
    assert mismatch.float64 == pytest.approx(np.exp(1.5))
    assert mismatch.allowed is not None
    assert mismatch.allowed < 1e-4


@pytest.mark.parametrize(("dtype", "wrong"), [("int64", 3), ("bool", True), ("uint8", 0)])
def test_bools_and_integers_are_compared_exactly(dtype: str, wrong: int) -> None:
    made, y = single("same", np.array([0, 2, 0], dtype=dtype))
    assert verdict(made, [y])[0] == "ok"
    y[-1 if dtype != "uint8" else 1] = wrong
    assert verdict(made, [y])[0] == "wrong-output"


@pytest.mark.parametrize(
    ("source", "converted", "found"),
    [
        (np.nan, np.nan, "ok"),
        (np.inf, np.inf, "ok"),
        (np.inf, -np.inf, "wrong-output"),
        (np.nan, 1.0, "wrong-output"),
        (1.0, np.nan, "wrong-output"),
        (1.0, np.inf, "wrong-output"),
        (np.inf, 1.0, "wrong-output"),
        (-0.0, 0.0, "ok"),
    ],
)
def test_special_values(source: float, converted: float, found: str) -> None:
    made, _ = single("same", f32(0.5, source))
    result, mismatch = verdict(made, [f32(0.5, converted)])
    assert result == found
    assert found == "ok" or (mismatch is not None and mismatch.what == "special")


@pytest.mark.parametrize("dtype", [*FLOATS])
def test_the_sign_and_payload_of_nan_are_the_implementations(dtype: str) -> None:
    bits = {2: "uint16", 4: "uint32", 8: "uint64"}[np.dtype(dtype).itemsize]
    given = np.array([0.5, np.nan]).astype(dtype)
    other = given.copy()
    other.view(bits)[1] ^= np.array(1).astype(bits) | np.array(1 << (8 * given.itemsize - 1)).astype(bits)
    assert np.isnan(other.astype("float64")[1])
    assert verdict(single("same", given)[0], [other])[0] == "ok"


def test_what_is_special_leaves_the_rest_as_certain_as_it_is() -> None:
    made, y = single("tanh", f32(0.5, np.nan, np.inf, -2.0))
    wrong = y.copy()
    wrong[0] += 1e-3
    found, mismatch = verdict(made, [wrong])
    assert found == "wrong-output"
    assert mismatch is not None
    assert (mismatch.what, mismatch.index) == ("value", (0,))


@pytest.mark.parametrize(
    ("difference", "found"),
    [((1.0, 1.0000001), "unstable"), ((3.0, 1.0), "wrong-output"), ((1.0, 1.0), "wrong-output")],
)
def test_whether_rounding_decides_between_nan_and_infinity_decides(difference: tuple[float, float], found: str) -> None:
    """0 * inf is NaN, and what is nearly zero has either sign; but values that are exact are what they are."""
    leaves = {name: f32(number, 0.5) for name, number in zip("ab", difference, strict=True)}
    leaves["c"] = f32(np.inf, 2.0)
    steps: list[Step] = [
        ("subtract", ("a", "b"), "d", "float32"),
        ("multiply", ("d", "c"), "y", "float32"),
    ]
    made = case(leaves, steps, ("y",))
    y = evaluate(made.graph, made.tensors, REGISTRY)["y"].copy()
    y[0] = -np.inf if np.isposinf(y[0]) else np.inf
    assert verdict(made, [y])[0] == found


def test_an_ill_conditioned_value_is_unstable() -> None:
    leaves = {"a": f32(1.0000001, 1.5), "b": f32(1.0, 1.0)}
    steps: list[Step] = [
        ("subtract", ("a", "b"), "d", "float32"),
        ("reciprocal", ("d",), "y", "float32"),
    ]
    made = case(leaves, steps, ("y",))
    y = evaluate(made.graph, leaves, REGISTRY)["y"].copy()
    y[0] *= 1.5
    assert verdict(made, [y])[0] == "unstable"
    y[1] *= 1.5
    found, mismatch = verdict(made, [y])
    assert found == "wrong-output"
    assert mismatch is not None
    assert mismatch.index == (1,)


@pytest.mark.parametrize(("op", "dtype"), [("floor", "float32"), ("to_int", "int64")])
def test_next_to_a_discontinuity_is_unstable_and_elsewhere_wrong(op: str, dtype: str) -> None:
    x = f32(np.log(3.0), 0.5)
    made = case({"x": x}, [("exp", ("x",), "e", "float32"), (op, ("e",), "y", dtype)], ("y",))
    y = evaluate(made.graph, {"x": x}, REGISTRY)["y"].copy()
    y[0] = 5 - y[0]
    assert verdict(made, [y])[0] == "unstable"
    y[1] += 1
    found, mismatch = verdict(made, [y])
    assert found == "wrong-output"
    assert mismatch is not None
    assert mismatch.index == (1,)


def test_bools_of_a_comparison_of_nearly_equal_values_are_unstable() -> None:
    x = np.linspace(0.1, 3, 4096, dtype="float32")
    steps: list[Step] = [("exp", ("x",), "a", "float32"), ("exp", ("x",), "b", "float32")]
    steps.append(("equal", ("a", "b"), "y", "bool"))
    made = case({"x": x}, steps, ("y",))
    assert verdict(made, [np.zeros(4096, dtype=bool)])[0] == "unstable"


def test_a_rounding_mode_shows_at_ties() -> None:
    made, _ = single("round", f32(0.5, 1.5, 2.5, -0.25))
    assert verdict(made, [np.floor(made.tensors["x"] + np.float32(0.5))])[0] == "wrong-output"
    chained = case(
        {"x": f32(0.25, 0.75, 1.25)},
        [("add", ("x", "x"), "h", "float32"), ("round", ("h",), "y", "float32")],
        ("y",),
    )
    assert verdict(chained, [f32(1, 2, 3)])[0] == "wrong-output"


def test_a_quotient_that_looks_exact_is_not() -> None:
    """The example of decision 0004: floor(x / x) may be computed as floor(x * (1 / x))."""
    x = np.linspace(1, 128, 128, dtype="float32")
    steps: list[Step] = [("divide", ("x", "x"), "q", "float32"), ("floor", ("q",), "y", "float32")]
    made = case({"x": x}, steps, ("y",))
    rewritten = np.floor(x * (1 / x))
    assert (rewritten == 0).any()
    assert verdict(made, [rewritten])[0] == "unstable"


@pytest.mark.parametrize(
    ("op", "dtype", "error"),
    [
        *[(op, "float16", 0.01) for op in ("same", "floor", "tanh", "square", "half")],
        *[(op, "float32", 2e-5) for op in ("same", "floor", "tanh", "square", "half", "sin", "exp")],
        *[(op, "float64", 1e-7) for op in ("same", "floor", "tanh", "square", "half", "sin", "exp")],
    ],
)
def test_a_uniform_relative_error_of_one_node_is_found(op: str, dtype: str, error: float) -> None:
    made, y = single(op, np.linspace(0.9, 4.7, 24).astype(dtype))
    assert verdict(made, [(y * (1 + error)).astype(dtype)])[0] == "wrong-output"
    if op != "floor":
        assert verdict(made, [np.nextafter(y, np.array(9, dtype))])[0] in ("ok", "unstable")


def test_a_uniform_relative_error_of_eight_nodes_is_found() -> None:
    """2% in float16; it took 17% when noise was larger."""
    names = ["x", *(f"v{i}" for i in range(8))]
    ops = ("tanh", "half", "same", "exp", "tanh", "half", "same", "tanh")
    steps: list[Step] = [(op, (a,), b, "float16") for op, a, b in zip(ops, names, names[1:], strict=False)]
    x = np.linspace(0.2, 2, 24).astype("float16")
    made = case({"x": x}, steps, ("v7",))
    y = evaluate(made.graph, {"x": x}, REGISTRY)["v7"]
    assert verdict(made, [(y * 1.02).astype("float16")])[0] == "wrong-output"


@pytest.mark.parametrize("op", ["sin", "exp", "square", "tanh"])
def test_float64_computed_in_float32_is_wrong(op: str) -> None:
    made, y = single(op, np.linspace(0.31, 3, 16))
    narrow = evaluate(made.graph, {"x": made.tensors["x"].astype("float32")}, REGISTRY)["y"]
    assert verdict(made, [y.astype("float32").astype("float64")])[0] == "wrong-output"
    assert verdict(made, [narrow.astype("float64")])[0] == "wrong-output"


def test_what_follows_a_rounded_value_is_not_uncertain() -> None:
    made = case(
        {"x": f32(0.3, 1.2, 7.9)}, [("round", ("x",), "r", "float32"), ("to_int", ("r",), "y", "int64")], ("y",)
    )
    assert verdict(made, [np.array([0, 1, 7])])[0] == "wrong-output"


def test_overflow_of_the_source_dtype_is_unstable() -> None:
    x = np.array([11.5, 1.0], dtype="float16")
    made = case({"x": x}, [("exp", ("x",), "e", "float16"), ("reciprocal", ("e",), "y", "float16")], ("y",))
    y = evaluate(made.graph, {"x": x}, REGISTRY)["y"]
    assert y[0] == 0
    made, _ = single("exp", x)
    assert verdict(made, [np.array([65504, np.e], dtype="float16")])[0] == "unstable"


def test_float16_rounding_is_no_finding() -> None:
    x = np.linspace(0.5, 2, 64, dtype="float16")
    steps: list[Step] = [
        ("exp", ("x",), "e", "float16"),
        ("exp", ("e",), "f", "float16"),
        ("half", ("f",), "y", "float16"),
    ]
    made = case({"x": x}, steps, ("y",))
    wide = (np.exp(np.exp(x.astype("float32"))) / 2).astype("float16")
    assert verdict(made, [wide])[0] in ("ok", "unstable")
    assert verdict(made, [(wide * np.float16(1.5)).astype("float16")])[0] == "wrong-output"


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_sign_of_a_zero_is_no_finding(zero: float) -> None:
    made, right = single("is_negative", f32(zero, 1.0, -1.0), "bool")
    assert verdict(made, [right ^ [True, False, False]])[0] == "unstable"
    assert verdict(made, [right ^ [False, True, False]])[0] == "wrong-output"


def test_a_subnormal_number_may_be_taken_for_zero_and_a_normal_one_not() -> None:
    made, right = single("is_zero", f32(1e-40, 1e-30), "bool")
    assert verdict(made, [right ^ [True, False]])[0] == "unstable"
    assert verdict(made, [right ^ [False, True]])[0] == "wrong-output"


def test_empty_and_scalar_outputs() -> None:
    made, y = single("exp", np.zeros((0, 3), dtype="float32"))
    assert verdict(made, [y])[0] == "ok"
    made, y = single("exp", np.array(1.0, dtype="float32"))
    assert verdict(made, [np.asarray(y + 1)])[0] == "wrong-output"


def test_what_the_implementation_chooses_is_not_compared() -> None:
    x = f32(1, 2)
    steps: list[Step] = [
        ("noise", ("x",), "n", "float32"),
        ("exp", ("n",), "y", "float32"),
        ("exp", ("x",), "z", "float32"),
    ]
    made = case({"x": x}, steps, ("y", "z"))
    assert uncompared(made.graph, REGISTRY) == {"n", "y"}
    z = np.exp(x)
    assert verdict(made, [f32(9, 9), z])[0] == "ok"
    assert verdict(made, [f32(9, 9, 9), z])[0] == "wrong-output"
    assert verdict(made, [f32(9, 9), z + 1])[0] == "wrong-output"


def test_plain_tolerances_know_no_uncertainty() -> None:
    made, y = single("floor", f32(0.99999999, 3.2))
    given = [y - np.float32(0.0009)]
    assert verdict(made, given, Tolerance(conditioning=False, rtol=0.0, atol=1e-3))[0] == "ok"
    assert verdict(made, [y - 1], Tolerance(conditioning=False, rtol=0.0, atol=1e-3))[0] == "wrong-output"


def test_the_float64_model_is_run_only_when_outputs_differ() -> None:
    made, y = single("exp", f32(0.5, 1.5))
    asked: list[int] = []

    def float64() -> dict[str, Array]:
        asked.append(1)
        return {"y": np.exp(made.tensors["x"].astype("float64"))}

    assert compare(made, REGISTRY, {"y": y}, [y], Tolerance(), float64)[0] == "ok"
    assert not asked
    assert compare(made, REGISTRY, {"y": y}, [y + 1], Tolerance(), float64)[0] == "wrong-output"
    assert asked == [1]


def test_a_source_model_that_is_itself_off_in_float32_is_unstable() -> None:
    made, y = single("exp", f32(0.5, 1.5))
    float64 = {"y": np.exp(made.tensors["x"].astype("float64"))}
    assert compare(made, REGISTRY, {"y": y + np.float32(0.25)}, [y], Tolerance(), lambda: float64)[0] == "unstable"


def test_the_verdict_is_the_same_every_time() -> None:
    made, y = single("floor", f32(2.9999998, 0.5))
    results = [verdict(made, [y + 1]) for _ in range(3)]
    assert results[0] == results[1] == results[2]


def test_a_float64_attribute_is_rounded_only_where_the_converted_model_has_it_in_one() -> None:
    """ONNX has attributes in float32 (`epsilon`); a constant tensor of a float64 model must be float64."""
    x, narrow = np.linspace(1, 2, 8), float(np.float32(0.1))
    value, made = Value("x", "float64", (8,)), Value("y", "float64", (8,))
    scaled = Case(Graph((value,), (), (Node("scale", ("x",), {"factor": 0.1}, (made,)),), ("y",)), "torch", {"x": x})

    def found(rounded: set[float]) -> str:
        return compare(scaled, REGISTRY, {"y": x * 0.1}, [x * narrow], Tolerance(), rounded=rounded)[0]

    assert found({0.5, narrow}) == "unstable"
    assert found({0.5}) == "wrong-output"
