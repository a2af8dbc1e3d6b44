"""bfloat16 and complex numbers in the oracle: compared, moved by rounding, passed to ONNX Runtime and back."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from graphfuzz.graph import Array, Case, Graph, Node, Value, evaluate
from graphfuzz.oracle.comparison import compare
from graphfuzz.oracle.exactness import exact_values
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.runtime import as_complex
from graphfuzz.oracle.tolerance import Tolerance, within
from graphfuzz.oracle.uncertainty import measure
from graphfuzz.oracle.verdict import Mismatch
from graphfuzz.spec import COMPLEX, FLOATS, Registry, binary, unary

ROUNDED = (*FLOATS, *COMPLEX)
REGISTRY = Registry(
    [
        binary("times", ROUNDED, reference=np.multiply, torch="{x} * {y}", keras="ops.multiply({x}, {y})"),
        binary("plus", ROUNDED, reference=np.add, torch="{x} + {y}", keras="ops.add({x}, {y})"),
        binary("minus", ROUNDED, reference=np.subtract, torch="{x} - {y}", keras="ops.subtract({x}, {y})"),
        unary("turned", ROUNDED, reference=np.conj, torch="torch.conj({x})"),
        unary("copied", ROUNDED, reference=np.positive, torch="{x}.clone()", keras="ops.relu({x})"),
    ]
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def chain(leaves: dict[str, Array], *steps: tuple[str, str, str], framework: str = "torch") -> Case:
    """A case of operators in turn, (operator, operands, output), on leaves of one type."""
    first = next(iter(leaves.values()))
    kind, shape = str(first.dtype), first.shape
    nodes = tuple(Node(op, tuple(given.split()), {}, (Value(made, kind, shape),)) for op, given, made in steps)
    inputs = tuple(Value(name, kind, shape) for name in leaves)
    return Case(Graph(inputs, (), nodes, (steps[-1][2],)), framework, leaves)


def verdict(case: Case, given: Array) -> tuple[str, Mismatch | None]:
    values = evaluate(case.graph, case.tensors, REGISTRY)
    return compare(case, REGISTRY, {name: values[name] for name in case.graph.outputs}, [given], Tolerance())


def made(case: Case) -> Array:
    return evaluate(case.graph, case.tensors, REGISTRY)[case.graph.outputs[0]].copy()


@pytest.mark.parametrize("dtype", COMPLEX)
class TestComparison:
    def product(self, dtype: str) -> Case:
        x = np.array([1.25 + 2.5j, 3.7 - 1.1j, 0.3 + 0.3j], dtype)
        return chain({"x": x, "y": x[::-1].copy()}, ("times", "x y", "v"))

    def test_equal_is_ok(self, dtype: str) -> None:
        case = self.product(dtype)
        assert verdict(case, made(case)) == ("ok", None)

    @pytest.mark.parametrize(("off", "part"), [(0.01, 0), (0.01j, 1)])
    def test_a_wrong_part_is_found_with_its_place(self, dtype: str, off: complex, part: int) -> None:
        case = self.product(dtype)
        given = made(case)
        given[1] += off
        found, mismatch = verdict(case, given)
        assert found == "wrong-output"
        assert mismatch is not None
        assert (mismatch.what, mismatch.index, mismatch.differ, mismatch.total) == ("value", (1, part), 1, 6)
        assert mismatch.actual == pytest.approx(mismatch.expected + 0.01)

    def test_the_conjugate_is_wrong(self, dtype: str) -> None:
        case = self.product(dtype)
        assert verdict(case, np.conj(made(case)))[0] == "wrong-output"

    def test_pairs_of_floats_are_another_dtype(self, dtype: str) -> None:
        case = self.product(dtype)
        found, mismatch = verdict(case, made(case).real.copy())
        assert (found, mismatch and mismatch.what) == ("wrong-output", "dtype")

    def test_not_a_number_agrees_part_by_part(self, dtype: str) -> None:
        x = np.array([complex(np.nan, 1), complex(2, np.inf)], dtype)
        case = chain({"x": x}, ("copied", "x", "v"))
        assert verdict(case, x.copy())[0] == "ok"
        other = np.array([complex(np.nan, 1), complex(2, -np.inf)], dtype)
        found, mismatch = verdict(case, other)
        assert (found, mismatch and (mismatch.what, mismatch.index)) == ("wrong-output", ("special", (1, 1)))

    def test_cancellation_is_unstable_not_wrong(self, dtype: str) -> None:
        x = np.array([1e3 + 1j, 7e2 - 3e2j], dtype)
        y = (x + np.array(1e-3 + 1e-3j, dtype)).astype(dtype)
        steps = (("times", "x x", "a"), ("times", "y y", "b"), ("minus", "a b", "v"))
        case = chain({"x": x, "y": y}, *steps)
        given = made(case)
        scale = 2e3 * np.finfo(dtype).eps * 1e3
        found, mismatch = verdict(case, given + np.array(scale * (1 - 1j) / 4, dtype))
        assert found in ("ok", "unstable"), mismatch
        assert verdict(case, given + np.array(scale * 1e4, dtype))[0] == "wrong-output"


@pytest.mark.parametrize("dtype", ROUNDED)
def test_uncertainty_is_a_few_roundings_of_the_product(dtype: str) -> None:
    x = np.array([1.3, 2.7, 3.9]) + (np.array([0.7, -1.1, 2.3]) * 1j if dtype in COMPLEX else 0)
    case = chain({"x": x.astype(dtype)}, ("times", "x x", "v"))
    expected = evaluate(case.graph, case.tensors, REGISTRY)
    _, amounts = measure(case, REGISTRY, expected, None)
    assert amounts["v"].shape == (3, 2) if dtype in COMPLEX else (3,)
    relative = np.max(amounts["v"]) / np.max(np.abs(expected["v"].astype("complex128")))
    epsilon = {"bfloat16": 2**-7, "float16": 2**-10, "float32": 2**-23, "complex64": 2**-23}.get(dtype, 2**-52)
    assert epsilon / 4 < relative < 32 * epsilon


@pytest.mark.parametrize("dtype", ROUNDED)
def test_short_given_values_are_exact(dtype: str) -> None:
    case = chain({"x": np.array([1.5, -2, 0], dtype)}, ("plus", "x x", "v"))
    values = evaluate(case.graph, case.tensors, REGISTRY)
    assert "x" in exact_values(case.graph, REGISTRY, "torch", values)
    long = chain({"x": np.array([1 / 3, -2, 0], dtype)}, ("plus", "x x", "v"))
    assert not exact_values(long.graph, REGISTRY, "torch", evaluate(long.graph, long.tensors, REGISTRY))


def test_outputs_are_joined_only_where_they_are_pairs() -> None:
    expected = [np.array([1 + 2j, 3 + 4j], "complex64"), np.ones(2, "float32")]
    pairs = np.array([[1, 2], [3, 4]], "float32")
    first, second = as_complex(expected, [pairs, np.ones(2, "float32")])
    assert first.dtype == np.complex64
    assert first.tolist() == [1 + 2j, 3 + 4j]
    assert second.dtype == np.float32
    assert as_complex(expected[:1], [pairs.astype("float64")])[0].dtype == np.complex128
    for strange in (pairs.ravel(), pairs[:1], pairs.astype("int32")):
        assert as_complex(expected[:1], [strange])[0] is strange
    assert len(as_complex(expected, [pairs])) == 1


def test_not_a_number_in_bfloat16_is_no_warning() -> None:
    x = np.array([np.nan, 1.0], "bfloat16")
    assert within(x, x, 0.0).all()


class TestRoutes:
    @pytest.mark.parametrize("dtype", COMPLEX)
    def test_the_default_exporter_translates_complex_numbers(self, dtype: str) -> None:
        x = np.array([[1 + 2j, 3 - 1j, 0.5j]], dtype)
        case = chain({"x": x, "y": x * 2}, ("times", "x y", "a"), ("turned", "a", "v"))
        found = judge(case, load_route("torch-dynamo-ort"), REGISTRY)
        assert found.verdict == "ok", found.summary() + found.traceback

    def test_the_other_exporter_says_that_it_does_not(self) -> None:
        case = chain({"x": np.array([1 + 2j], "complex64")}, ("times", "x x", "v"))
        found = judge(case, load_route("torch-script-ort"), REGISTRY)
        assert (found.verdict, found.stage) == ("unsupported", "conversion"), found.traceback

    @pytest.mark.parametrize("name", ["torch-dynamo-ort", "torch-script-ort"])
    def test_bfloat16_goes_through(self, name: str) -> None:
        x = np.array([[1.5, -2.25, 3.0]], "bfloat16")
        found = judge(chain({"x": x}, ("copied", "x", "v")), load_route(name), REGISTRY)
        assert found.verdict == "ok", found.summary() + found.traceback

    def test_bfloat16_is_made_float16_by_tf2onnx(self) -> None:
        """Its own defect (`TF_TO_ONNX_DTYPE` in tf2onnx/tf_utils.py), which shows as the runtime is fed."""
        case = chain({"x": np.array([[1.5, -2.25, 3.0]], "bfloat16")}, ("copied", "x", "v"), framework="keras")
        found = judge(case, load_route("tf2onnx-ort"), REGISTRY)
        assert found.verdict == "run-failure"
        assert "expected: (tensor(float16))" in found.message

    def test_the_runtime_says_that_it_lacks_complex_numbers(self) -> None:
        case = chain({"x": np.array([[1.5j]], "complex64")}, ("turned", "x", "v"))
        keras = Registry([unary("turned", COMPLEX, reference=np.positive, keras="ops.reshape({x}, (1, 1))")])
        found = judge(msgspec.structs.replace(case, framework="keras"), load_route("tf2onnx-ort"), keras)
        assert (found.verdict, found.stage) == ("unsupported", "load"), found.summary()
