"""Keras models and saved models read backward, by tables learned from a few operators of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphfuzz.errors import UsageError
from graphfuzz.interchange import Given, Program, Table, Translation, examples_of, reader_of, table_of, translated
from graphfuzz.interchange.tensorflow_reader import reader, run
from graphfuzz.spec.registry import Registry, load_registry

KNOWN = ("relu", "matmul_operator", "bias_add", "concat", "sum", "reshape", "softmax")

HEADER = "import keras, numpy as np\nfrom keras import layers, ops\nkeras.utils.set_random_seed(0)\n"

DENSE = f"""{HEADER}x = keras.Input((2, 3))
y = layers.Dense(4, activation="relu")(x)
model = keras.Model(x, [ops.sum(ops.concatenate([y, y], axis=1), axis=-1), layers.Softmax()(y)])
inputs = np.ones((2, 2, 3), "float32")
"""


@pytest.fixture(scope="module")
def few() -> Registry:
    return load_registry().only(KNOWN)


@pytest.fixture(scope="module")
def table(few: Registry) -> Table:
    return table_of(example for name in few for example in examples_of(name, reader, few))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, three times."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "model.py").write_text(DENSE)
    defined: dict[str, Any] = {}
    exec(DENSE, defined)
    defined["model"].save(folder / "model.keras")
    defined["model"].export(folder / "saved", verbose=False)
    return folder


def imported(program: Program, few: Registry, table: Table) -> Translation:
    return translated(program, table, few, reader, True)


def test_a_model_is_the_same_however_it_is_stored(few, table, folder):
    written = imported(reader.read(folder / "model.py", Given()), few, table)
    assert (written.calls, written.known, written.alike, written.unknown) == (8, 8, 8, ())
    operators = [node.op for node in written.case.graph.nodes]
    assert operators == ["reshape", "matmul_operator", "reshape", "bias_add", "relu", "concat", "sum", "softmax"]
    assert [w.shape for w in written.case.graph.weights] == [(3, 4), (4,)]
    for stored in ("model.keras", "saved"):
        program = reader.read(folder / stored, Given())
        assert "[2, 2, 3] is drawn; --inputs gives others, " in program.told[0]
        assert not [call.target for call in program.calls if call.target in ("Shape", "StridedSlice", "GatherV2")]
        found = imported(program, few, table)
        assert set(operators) >= {node.op for node in found.case.graph.nodes} >= {"matmul_operator", "bias_add"}


def test_a_call_runs_again_on_other_operands(folder):
    program = reader.read(folder / "model.py", Given())
    call = next(call for call in program.calls if call.target == "ConcatV2")
    one = np.ones((1, 2), "float32")
    (made,) = run(call, [one, 2 * one, np.int32(0)])
    assert made.tolist() == [[1, 1], [2, 2]]


def test_python_code_in_a_file_is_not_run(tmp_path):
    import keras

    x = keras.Input((2,))
    keras.Model(x, keras.layers.Lambda(lambda x: x + 1)(x)).save(tmp_path / "model.keras")
    with pytest.raises(UsageError, match="has Python code, which Keras runs with safe_mode=False only"):
        reader.read(tmp_path / "model.keras", Given())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise ValueError('no')", "cannot be run: ValueError: no"),
        ("model = 3", "must define `model`, a Keras model"),
        (f"{HEADER}model = keras.Sequential([layers.ReLU()])\ninputs = (3,)", "must be NumPy's arrays"),
        (f"{HEADER}model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])\ninputs = np.ones((1, 3))", "trace"),
    ],
)
def test_a_file_that_is_no_model_is_refused(content, said, tmp_path):
    (tmp_path / "model.py").write_text(content)
    with pytest.raises(UsageError, match=said):
        reader.read(tmp_path / "model.py", Given())


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"is no saved model: it has no saved_model\.pb"):
        reader.read(tmp_path, Given())
    (tmp_path / "saved_model.pb").write_text("no")
    with pytest.raises(UsageError, match="cannot be loaded"):
        reader.read(tmp_path, Given())
    (tmp_path / "model.keras").write_text("no")
    with pytest.raises(UsageError, match="is no Keras model"):
        reader.read(tmp_path / "model.keras", Given())


def test_files_have_readers_by_framework(folder, tmp_path):
    assert reader_of(folder / "model.py").framework == "torch"
    assert reader_of(folder / "model.py", "keras") is reader_of(folder / "saved") is reader_of(folder / "model.keras")
    file = tmp_path / "model.onnx"
    file.touch()
    assert [reader_of(file, framework).framework for framework in (None, "torch", "keras")] == [
        "torch",
        "torch",
        "keras",
    ]
    assert reader_of(file, None, "tf2onnx-ort").name == "onnx/tf2onnx-ort"
    for arguments, said in [
        ((folder / "saved", "torch"), "is for keras, not torch"),
        ((file, "torch", "tf2onnx-ort"), "--converter tf2onnx-ort: is for keras, not torch"),
        ((file, None, "none"), "there is no route 'none'"),
        ((folder / "model.py", None, "tf2onnx-ort"), "is no ONNX model"),
    ]:
        with pytest.raises(UsageError, match=said):
            reader_of(*arguments)
