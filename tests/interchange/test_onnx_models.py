"""ONNX models read backward, by tables learned from a few operators of ours as PyTorch's exporter converts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from graphfuzz.errors import UsageError
from graphfuzz.graph import Case
from graphfuzz.interchange import Given, Reader, Table, Translation, examples_of, load_reader, table_of, translated
from graphfuzz.materializer import build, run, source
from graphfuzz.oracle.runtime import load_onnx, run_onnx
from graphfuzz.spec.registry import Registry, load_registry

ALONE = Given()
KNOWN = ("relu", "multiply_constant", "conv2d", "mm", "sum", "softmax", "reshape")


@pytest.fixture(scope="module")
def few() -> Registry:
    return load_registry().only(KNOWN)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load_reader("onnx/torch-script-ort")


@pytest.fixture(scope="module")
def table(few: Registry, reader: Reader) -> Table:
    return table_of(example for name in few for example in examples_of(name, reader, few))


def written(file: Path, text: str, opset: int = 17, domain: str = "") -> onnx.ModelProto:
    """A model of ONNX's own notation (https://onnx.ai/onnx/repo-docs/Syntax.html), stored."""
    head = f'<ir_version: 9, opset_import: ["{domain}" : {opset}]>\n'
    model = onnx.parser.parse_model(head + text)
    onnx.save(model, file)
    return model


@pytest.fixture
def imported(tmp_path: Path, few: Registry, table: Table, reader: Reader) -> Any:
    def imported(text: str, given: Given = ALONE, *, partial: bool = False, opset: int = 17) -> Translation:
        file = tmp_path / "model.onnx"
        written(file, text, opset)
        return translated(reader.read(file, given), table, few, reader, partial)

    return imported


def outputs(case: Case, registry: Registry) -> list[Any]:
    return run(build(source(case.graph, registry, "torch"), "torch", case.weights()), "torch", case.inputs())


def test_a_model_is_written_alike_and_makes_what_the_runtime_makes(imported, few, tmp_path):
    kernel = ", ".join(map(str, range(-4, 4)))
    found = imported(
        f"""net (float[1,2,5,5] x) => (float[1,2,5] y) <float[2,2,1,2] w = {{{kernel}}}, float half = {{0.5}}> {{
            c = Conv <pads=[0,1,0,1]> (x, w)
            s = Mul(c, half)
            r = Relu(s)
            axes = Constant <value_ints=[-1]> ()
            a = ReduceSum <keepdims=0> (r, axes)
            y = Softmax <axis=2> (a)
        }}"""
    )
    assert (found.calls, found.known, found.unknown) == (5, 5, ())
    assert [n.op for n in found.case.graph.nodes] == ["conv2d", "multiply_constant", "relu", "sum", "softmax"]
    assert found.case.graph.nodes[1].attrs == {"number": 0.5}
    assert found.case.graph.nodes[3].attrs == {"axes": (-1,), "keepdims": False}
    (x,) = found.case.inputs().values()
    (expected,) = run_onnx(load_onnx((tmp_path / "model.onnx").read_bytes()), {"x": x})
    assert np.allclose(outputs(found.case, few)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("opset", "node", "alike"),
    [(11, "ReduceSum <axes=[1], keepdims=0> (x)", 0), (13, "ReduceSum <keepdims=0> (x, axes)", 1)],
)
def test_a_constant_is_found_as_attribute_and_as_operand(imported, opset, node, alike):
    text = f"net (float[2,3,4] x) => (float[2,4] y) <int64[1] axes = {{1}}> {{ y = {node} }}"
    found = imported(text, opset=opset)
    assert [(n.op, n.attrs) for n in found.case.graph.nodes] == [("sum", {"axes": (1,), "keepdims": False})]
    assert (found.case.graph.weights, found.alike) == ((), alike)


def test_a_weight_may_be_written_the_other_way_around(imported):
    numbers = ", ".join(map(str, range(60)))
    text = f"net (float[2,3] x) => (float[2,20] y) <float[20,3] w = {{{numbers}}}> {{ y = Gemm <transB=1> (x, w) }}"
    found = imported(text)
    assert [n.op for n in found.case.graph.nodes] == ["mm"]
    assert next(iter(found.case.weights().values())).shape == (3, 20)


def test_what_follows_from_sizes_alone_is_a_constant(imported):
    found = imported(
        """net (float["N",3,4] x) => (float["N",12] y) <int64[1] one = {1}, int64[1] six = {6}> {
            s = Shape (x)
            n = Slice (s, one, six)
            p = ReduceProd <keepdims=1> (n)
            b = Shape <end=1> (x)
            to = Concat <axis=0> (b, p)
            r = Reshape (x, to)
            y = Relu (r)
        }"""
    )
    assert (found.calls, [n.op for n in found.case.graph.nodes]) == (2, ["reshape", "relu"])


def test_functions_and_branches_are_followed_and_what_is_unknown_cut(imported):
    found = imported(
        """net (float[2] x, bool c) => (float[2] y) <float[2] b = {1.0, 2.0}> {
            d = If (c) <then_branch = some () => (float[2] t) { t = Mul(x, b) },
                        else_branch = other () => (float[2] e) { e = Identity(x) }>
            y = Relu(d)
        }""",
        partial=True,
    )
    assert [(u.target, u.count) for u in found.unknown] == [("If.16", 1)]
    assert [n.op for n in found.case.graph.nodes] == ["relu"]
    x = next(iter(found.case.inputs().values()))
    assert x.shape == (2,), "what the branch made"


def test_a_node_that_does_not_run_is_told(imported):
    found = imported("net (float[2] x) => (float[2] y) { a = Relu(x) b = Reshape(a, a) y = Relu(b) }", partial=True)
    assert any(words.startswith("Reshape.14 does not run: ") for words in found.told)
    assert (found.calls, found.known, found.taken) == (3, 1, 1)


def test_inputs_are_drawn_given_or_beside(imported, tmp_path):
    text = 'net (float["N",3] x) => (float["N",3] y) { y = Relu(x) }'
    drawn, again = imported(text), imported(text)
    (x,) = drawn.case.inputs().values()
    assert np.array_equal(x, *again.case.inputs().values())
    assert drawn.told == (
        "input   x: float32[2, 3] is drawn; --inputs gives others, N = 2 unless --size says otherwise",
    )
    assert [v.shape for v in imported(text, Given(sizes={"N": 4})).case.inputs().values()] == [(4, 3)]
    beside = tmp_path / "test_data_set_0"
    beside.mkdir()
    (beside / "input_0.pb").write_bytes(onnx.numpy_helper.from_array(np.ones((1, 3), "float32")).SerializeToString())
    found = imported(text)
    assert ([v.tolist() for v in found.case.inputs().values()], found.told) == ([[[1, 1, 1]]], ())
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 3), "float32"))
    assert not np.any(list(imported(text, Given(tmp_path / "in.npz")).case.inputs().values()))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({}, "lacks the model's input x; it has nothing"),
        ({"x": np.zeros((1, 3), "float32"), "z": np.zeros(1)}, "the model has no input z"),
        ({"x": np.zeros((1, 3))}, "x is float64, the model takes float32"),
        ({"x": np.zeros(3, "float32")}, r"x is of shape \[3\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(arrays, said, reader, tmp_path):
    written(tmp_path / "model.onnx", 'net (float["N",3] x) => (float["N",3] y) { y = Relu(x) }')
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        reader.read(tmp_path / "model.onnx", Given(tmp_path / "in.npz"))


def test_models_that_cannot_be_read_are_refused(reader, tmp_path):
    def said(file: Path, given: Given = ALONE) -> str:
        with pytest.raises(UsageError) as raised:
            reader.read(file, given)
        return str(raised.value)

    file = tmp_path / "model.onnx"
    file.write_text("hello there")
    assert "is no ONNX model" in said(file)
    file.write_bytes(b"")
    assert "is no ONNX model: it makes no output" in said(file)
    text = "net (float[N,3] x) => (float[N,3] y) <float[3] w = {1,2,3}> { y = Mul(x, w) }".replace("N", '"N"')
    model = written(file, text, opset=99)
    assert "is of opset 99" in said(file)
    model.opset_import[0].version = 17
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.ones(3, "float32"), "w"))
    onnx.save(model, file, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert "--size M: " in said(file, Given(sizes={"M": 2}))
    assert reader.read(file, Given()).weights == ("w",), "external data beside the model"
    (tmp_path / "w.bin").unlink()
    assert "its external data cannot be read" in said(file)
    (tmp_path / "in.npz").write_text("no")
    written(file, text)
    assert "cannot be read as an .npz file" in said(file, Given(tmp_path / "in.npz"))
    del (model := written(file, text)).graph.input[0].type.tensor_type.shape.dim[:]
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, file)
    assert "of which rank its input x is; give it by --inputs" in said(file)
