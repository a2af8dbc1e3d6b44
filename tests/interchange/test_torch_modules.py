"""PyTorch modules read backward, by tables learned from a few operators of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphfuzz.errors import UsageError
from graphfuzz.graph import Case, text, validate
from graphfuzz.interchange import Given, Table, Translation, examples_of, reader_of, table_of, translated
from graphfuzz.interchange.torch_reader import captured, reader, run
from graphfuzz.materializer import build, source
from graphfuzz.materializer import run as run_model
from graphfuzz.spec.registry import Registry

KNOWN = (
    "relu",
    "add",
    "multiply",
    "conv2d",
    "batch_norm",
    "softmax",
    "swapaxes",
    "masked_fill_tensor",
    "floor_divide_by",
    "split_by_length",
    "slice_along",
    "lstm",
)


@pytest.fixture(scope="module")
def few() -> Registry:
    from graphfuzz.spec.registry import load_registry

    registry = load_registry()
    return registry.only(KNOWN)


@pytest.fixture(scope="module")
def table(few: Registry) -> Table:
    return table_of(example for name in few for example in examples_of(name, reader, few))


def imported(
    folder: Path, few: Registry, table: Table, body: str, inputs: str, *, partial: bool = False
) -> Translation:
    file = folder / "model.py"
    file.write_text(f"import torch\nfrom torch import nn\ntorch.manual_seed(0)\n{body}\ninputs = ({inputs},)\n")
    return translated(reader_of(file).read(file, Given()), table, few, reader, partial)


def nodes_of(case: Case | None) -> list[str]:
    assert case is not None
    return [line for line in text(case.graph).splitlines() if not line.startswith(("input", "weight"))]


def test_a_block_of_layers_is_written_alike_and_makes_the_same(few, table, tmp_path):
    layers = "nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Softmax(1)"
    found = imported(tmp_path, few, table, f"model = nn.Sequential({layers})", "torch.randn(2, 3, 8, 8)")
    assert (found.calls, found.known, found.alike, found.unknown) == (4, 4, 4, ())
    assert nodes_of(found.case) == [
        "v0: float32[2, 4, 4, 4] = conv2d(x0, w0, strides=(2, 2), padding=(1, 1), dilations=(1, 1))",
        "v1: float32[2, 4, 4, 4] = batch_norm(v0, w1, w2, w3, w4, epsilon=1e-05)",
        "v2: float32[2, 4, 4, 4] = relu(v1)",
        "v3: float32[2, 4, 4, 4] = softmax(v2, axis=1)",
        "return  v3",
    ]
    validate(found.case.graph, few, "torch")
    model = build(source(found.case.graph, few, "torch"), "torch", found.case.weights())
    (made,) = run_model(model, "torch", found.case.inputs())
    assert made.shape == (2, 4, 4, 4)
    assert np.allclose(made.sum(1), 1, atol=1e-5)


def test_axes_parts_and_several_outputs(few, table, tmp_path):
    body = (
        "def model(x):\n    a, b, c = x.transpose(-2, -1).split(2, dim=1)\n    return torch.relu(c)[:, 1:] + a[:, :1]"
    )
    found = imported(tmp_path, few, table, body, "torch.randn(3, 5, 6)")
    assert found.alike == found.calls == 6
    assert [line.partition(" = ")[2].partition("(")[0] for line in nodes_of(found.case)[:2]] == [
        "swapaxes",
        "split_by_length",
    ]
    assert len(found.case.graph.nodes) == 6, "one node makes all three parts"


def test_a_number_where_ours_has_an_operand_becomes_a_weight(few, table, tmp_path):
    body = "def model(x, m):\n    return (x * 3.7).masked_fill(m, float('-inf'))"
    found = imported(tmp_path, few, table, body, "torch.randn(2, 3), torch.tensor([True, False, False])")
    assert (found.known, found.alike) == (2, 0)
    assert [w.dtype for w in found.case.graph.weights] == ["float32", "float32"]
    assert sorted(map(float, found.case.weights().values())) == [-np.inf, np.float32(3.7)]
    assert [v.dtype for v in found.case.graph.inputs] == ["float32", "bool"], "in the model's order"


def test_a_tensor_that_the_code_has_becomes_a_weight(few, table, tmp_path):
    body = "def model(x):\n    return x * torch.tensor([1.0, 2.0]) + torch.arange(2.0)"
    found = imported(tmp_path, few, table, body, "torch.randn(3, 2)")
    assert [node.op for node in found.case.graph.nodes] == ["multiply", "add"]
    assert [w.tolist() for w in found.case.weights().values()] == [[1.0, 2.0], [0.0, 1.0]]


def test_a_recurrent_layer_keeps_its_weights(few, table, tmp_path):
    body = "layer = nn.LSTM(4, 3, batch_first=True)\ndef model(x):\n    return torch.relu(layer(x)[0])"
    found = imported(tmp_path, few, table, f"{body}", "torch.randn(2, 5, 4)")
    assert found.unknown == ()
    assert [node.op for node in found.case.graph.nodes] == ["lstm", "relu"]


def test_what_is_unknown_is_told_and_the_largest_part_imported_on_demand(few, table, tmp_path):
    body = "def model(x):\n    y = torch.relu(x + x)\n    return torch.softmax(torch.erfinv(y) * x + x, -1)"
    whole = imported(tmp_path, few, table, body, "torch.rand(2, 3)")
    assert whole.case is None
    assert [(u.target, u.count) for u in whole.unknown] == [("aten.erfinv.default", 1)]
    part = imported(tmp_path, few, table, body, "torch.rand(2, 3)", partial=True)
    assert (part.known, part.taken) == (5, 3)
    assert [node.op for node in part.case.graph.nodes] == ["multiply", "add", "softmax"]
    assert len(part.case.graph.inputs) == 2, "x, and what the unknown call made of it"


def test_bounds_of_attributes_hold(few, table, tmp_path):
    found = imported(tmp_path, few, table, "model = nn.Conv2d(3, 4, 9, stride=9)", "torch.randn(1, 3, 18, 18)")
    assert found.case is None
    assert "are written as it" in found.unknown[0].reason


def test_a_view_that_is_changed_in_place_is_followed(few, table, tmp_path):
    body = "def model(x):\n    y = torch.relu(x)\n    y[1:].add_(1.0)\n    return y + x"
    file = tmp_path / "model.py"
    file.write_text(f"import torch\n{body}\ninputs = (torch.randn(3, 2),)\n")
    program = reader.read(file, Given())
    x = program.values[program.inputs[0]]
    expected = np.maximum(x, 0)
    expected[1:] += 1
    (made,) = (program.values[name] for name in program.outputs)
    assert np.allclose(made, expected + x)
    assert not [call.target for call in program.calls if call.target.partition(".")[2].partition(".")[0].endswith("_")]


def test_a_call_runs_again_on_other_operands(few):
    from graphfuzz.conformance import case_at

    case = case_at("floor_divide_by/torch/T=int64/0", few)
    program = captured(build(source(case.graph, few, "torch"), "torch", {}), case.inputs())
    (call,), number = program.calls, case.graph.nodes[0].attrs["number"]
    other = np.arange(-5, 5)
    assert np.array_equal(run(call, [other])[0], other // number)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise ValueError('no')", "cannot be run: ValueError: no"),
        ("model = 3", "must define `model`"),
        ("model = abs\ninputs = (1,)", "must be tensors alone"),
        ("import torch\nmodel = lambda x: x.nonsense()\ninputs = torch.ones(2)", "torch.export does not capture it"),
    ],
)
def test_a_file_that_is_no_model_is_refused(content, said, tmp_path):
    file = tmp_path / "model.py"
    file.write_text(content)
    with pytest.raises(UsageError, match=said):
        reader.read(file, Given())


def test_a_file_that_nothing_reads_is_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no such file"):
        reader_of(tmp_path / "model.py")
    (tmp_path / "model.txt").touch()
    with pytest.raises(UsageError, match=r"what can, ends in \.py"):
        reader_of(tmp_path / "model.txt")
