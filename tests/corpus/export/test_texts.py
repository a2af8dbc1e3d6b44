"""What exports say, without running them: of every stored entry, and of what none of them is."""

from __future__ import annotations

import ast
import re

import numpy as np
import onnx
import pytest
from msgspec.structs import replace

from graphfuzz.corpus import make_entry, read_entry
from graphfuzz.corpus.bisection import conclusions, read_bisections
from graphfuzz.corpus.export import FORMATS, report
from graphfuzz.corpus.export.onnx_text import parseable
from graphfuzz.corpus.export.source import numpy_text, rates, torch_text
from graphfuzz.errors import UsageError
from graphfuzz.oracle.route import load_route
from tests.corpus.test_stored_entries import LOCAL, STORED
from tests.examples import relu_case, wrong

EVERY = pytest.mark.parametrize("path", STORED, ids=lambda path: path.name)


def code_of(text: str) -> str:
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_report_tells_since_which_version_unless_that_was_asked_of_another_script(registry):
    path = next(path for path in STORED if any("first bad" in said for said in told_by(read_bisections(path))))
    entry, found = read_entry(path), read_bisections(path)
    said = next(said for said in told_by(found) if "first bad" in said)
    (content,) = report(entry, registry, bisections=found).values()
    assert said in content.decode()
    (other,) = report(replace(entry, repro=entry.repro + "#"), registry, bisections=found).values()
    assert said not in other.decode()


def told_by(bisections):
    return [said for bisection in bisections for said in conclusions(bisection)]


@EVERY
def test_a_report_is_whole_short_and_names_us_in_one_line(path, registry):
    entry = read_entry(path)
    ((name, content),) = report(entry, registry).items()
    text = content.decode()
    assert name == f"{path.name}.md"
    assert [line for line in text.splitlines() if "graphfuzz" in line or path.name in line] == [text.splitlines()[-1]]
    assert not LOCAL.search(text)
    assert "tensors.npz" not in text
    assert "pickle" not in text
    ast.parse(code_of(text))
    assert all(
        f"{name} {version}" in text or version in text
        for name, version in entry.finding.versions.items()
        if name != "graphfuzz"
    )
    assert entry.finding.attribution is not None
    assert not entry.finding.attribution.optimizer or entry.finding.attribution.optimizer in text
    assert len(text) < 12_000


@EVERY
def test_a_test_is_source_that_says_what_is_wrong(path, registry):
    entry = read_entry(path)
    form = "tf2onnx-test" if entry.finding.route == "tf2onnx-ort" else "torch-pytest"
    if entry.finding.error == "WrongInputs":
        with pytest.raises(UsageError, match="what a model's inputs are"):
            FORMATS[form](entry, registry)
        return
    (content,) = FORMATS[form](entry, registry).values()
    said = ast.get_docstring(ast.parse(content))
    assert said
    assert entry.finding.versions["onnxruntime"] in said
    assert not LOCAL.search(content.decode())


@EVERY
def test_the_tolerance_lets_rounding_pass_and_the_recorded_difference_not(path):
    entry = read_entry(path)
    mismatch, (rtol, atol) = entry.finding.mismatch, rates(entry)
    if mismatch is None or mismatch.what != "value":
        return
    assert not abs(mismatch.actual - mismatch.expected) <= atol + rtol * abs(mismatch.expected)
    assert atol >= (mismatch.allowed or 0)


@EVERY
def test_a_models_text_is_the_model(path):
    """Where it is taken as code at all: it computes the same, which is told by operators, attributes and constants."""
    model = read_entry(path).model
    text = parseable(model)
    if text:
        made, was = onnx.parser.parse_model(text), onnx.load_from_string(model)
        assert [n.op_type for n in made.graph.node] == [n.op_type for n in was.graph.node]
        for a, b in zip(made.graph.initializer, was.graph.initializer, strict=True):
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(a), onnx.numpy_helper.to_array(b))


def test_most_models_can_be_given_as_text():
    models = [model for path in STORED if (model := read_entry(path).model)]
    assert sum(bool(parseable(model)) for model in models) >= len(models) - 5


def test_a_project_is_chosen_by_who_is_to_blame_and_can_be_another(registry):
    entry = read_entry(next(path for path in STORED if "load-failure" in path.name))
    (chosen,), (other,) = report(entry, registry).values(), report(entry, registry, "pytorch").values()
    assert chosen.startswith(b"<!-- To microsoft/onnxruntime. Title: NotWhereFusion")
    assert other.startswith(b"<!-- To pytorch/pytorch. Title: [ONNX] ")


def test_dynamic_axes_are_exported_as_such_and_run_at_the_sizes_that_fail(registry):
    case = replace(relu_case(), bindings=({"x0": np.ones((4, 3), "float32")},))
    outcome = replace(wrong(case), route="torch-dynamo-ort", binding=1)
    entry = make_entry(case, outcome, load_route("torch-dynamo-ort"), registry, "2026-01-02")
    (test,) = FORMATS["torch-pytest"](entry, registry).values()
    assert b'dynamic_shapes=({0: "d0"},)' in test
    assert b"x0 = torch.ones((4, 3), dtype=torch.float32)\n" in test
    assert b"assert_onnx_program(program, args=(x0,), rtol=" in test
    entry = make_entry(
        case, replace(outcome, route="torch-script-ort"), load_route("torch-script-ort"), registry, "2026-01-02"
    )
    (test,) = FORMATS["torch-pytest"](entry, registry).values()
    assert b'output_names=["v0"], dynamic_axes={"x0": {0: "d0"}, "v0": {0: "d0"}}' in test
    case = replace(case, framework="keras")
    entry = make_entry(case, replace(outcome, route="tf2onnx-ort"), load_route("tf2onnx-ort"), registry, "2026-01-02")
    with pytest.raises(UsageError, match="knows no dynamic shapes"):
        FORMATS["tf2onnx-test"](entry, registry)
    assert 'tf.TensorSpec((None, 3), "float32", "x0")' in next(iter(report(entry, registry).values())).decode()


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -0.0], [np.nan, -np.inf]], "float32"),
        np.array([0.1, 65504.0], "float16"),
        np.array(3, "int64"),
        np.array([True, False]),
        np.zeros((0, 3), "float64"),
        np.random.default_rng(0).standard_normal((40, 20)).astype("float32"),
    ],
    ids=str,
)
def test_arrays_are_written_exactly(array):
    import base64
    import zlib

    import torch

    made = eval(numpy_text(array), {"np": np, "base64": base64, "zlib": zlib})
    tensor = eval(torch_text(array), {"np": np, "torch": torch, "base64": base64, "zlib": zlib}).numpy()
    for same in (made, tensor):
        assert same.dtype == array.dtype
        assert same.shape == array.shape
        assert same.tobytes() == array.tobytes() or np.isnan(array).any()
        np.testing.assert_array_equal(same, array)
