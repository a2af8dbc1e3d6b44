"""A refusal is told by who said it, as what and where; the same words from anywhere else are a crash."""

from __future__ import annotations

import ctypes
import textwrap
from typing import Any

import numpy as np
import pytest

from graphfuzz.conformance import case_at
from graphfuzz.oracle.causes import raised_in
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.runtime import lacks_kernel
from graphfuzz.spec import Registry
from tests.examples import relu_case

DYNAMO, SCRIPT, TF2ONNX = "torch-dynamo-ort", "torch-script-ort", "tf2onnx-ort"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        (DYNAMO, "bincount_weighted/torch/I=int32,T=float32/0", "aten::bincount with weights is not supported"),
        (DYNAMO, "scripted_branch/torch/T=float32/0", "Could not guard on data-dependent expression"),
        (SCRIPT, "cast/torch/T=uint64/0", "ScalarType UInt64 is an unexpected tensor scalar type"),
        (SCRIPT, "fake_quantize_by_tensors/torch/T=float32/1", "ONNX allows only"),
        (SCRIPT, "interpolate1d_by_factor/torch/T=bfloat16/3", "Failed to export a node"),
        (SCRIPT, "scan_decaying/torch/T=float32/0", "This is not supported at the moment"),
        (TF2ONNX, "nancumprod/keras/T=bfloat16/0", "is not supported in onnx for now"),
        (TF2ONNX, "fake_quant_args/keras/T=float32/0", "make_sure failure: Unable to convert node"),
        (TF2ONNX, "digitize/keras/T=float32/0", "left TensorFlow operators as they are: Bucketize"),
    ],
)
def test_what_the_real_converters_refuse(name: str, key: str, said: str, registry: Registry) -> None:
    found = judge(case_at(key, registry), load_route(name), registry)
    assert (found.verdict, found.stage) == ("unsupported", "conversion"), found.summary()
    assert said in found.message


def test_a_decomposition_that_fails_on_what_was_captured_is_a_crash(registry: Registry) -> None:
    """It says the same as `torch.export` of a branch on data; but the capture had taken the model."""
    found = judge(case_at("take_elements/torch/T=int8,I=int64/0", registry), load_route(DYNAMO), registry)
    assert found.verdict == "conversion-crash", found.summary()
    assert "GuardOnDataDependentSymNode" in found.error


def test_an_axis_that_cannot_be_dynamic_is_refused_by_torch_export() -> None:
    import torch

    class Fixed(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.reshape(5, 3)

    route = load_route(DYNAMO)
    with pytest.raises(Exception, match="conflicts between user-specified ranges") as caught:
        route.convert(Fixed(), {"x": np.ones((5, 3), "float32")}, {"x": ("s0", None), "v": ("s0", None)})
    assert route.refused(caught.value)


def test_an_operator_that_an_opset_lacks_is_refused() -> None:
    from torch.onnx._internal.torchscript_exporter import symbolic_helper

    with pytest.raises(Exception, match="not implemented for opset") as caught:
        symbolic_helper._block_list_in_opset("hardmax")()  # type: ignore[no-untyped-call]
    assert load_route(SCRIPT).refused(caught.value)


RAISED = "raise kind(words)"
CALLED = "ctypes.pythonapi.PyErr_SetString(ctypes.py_object(kind), words.encode())"
"""Raised by a function in C, which has no place of its own: its caller seems to raise it."""


def made(file: str, function: str, kind: type[Exception], words: str, statement: str = RAISED) -> Exception:
    """The exception of a statement in a function (perhaps made by another, "outer.inner") of a file."""
    outer, _, inner = function.rpartition(".")
    text = f"def {inner}():\n    {statement}\n"
    if outer:
        text = f"def {outer}():\n{textwrap.indent(text, '    ')}    return {inner}\n"
    names: dict[str, Any] = {"kind": kind, "words": words, "ctypes": ctypes}
    exec(compile(text, file, "exec"), names)
    call = names[outer]() if outer else names[inner]
    with pytest.raises(kind) as caught:
        call()
    return caught.value


SITE = "/env/lib/python3.11/site-packages"
NON_STRICT = f"{SITE}/torch/_export/non_strict_utils.py"
HANDLER = f"{SITE}/tf2onnx/onnx_opset/math.py"
TORCHLIB = f"{SITE}/torch/onnx/_internal/exporter/_torchlib/ops/core.py"
STATIC = "Found the following conflicts between user-specified ranges and inferred ranges from model tracing:\n- x"
SCALAR = "ScalarType UInt64 is an unexpected tensor scalar type"
JIT = f"{SITE}/torch/onnx/_internal/torchscript_exporter/jit_utils.py"
FRAME = f"{SITE}/torch/_dynamo/eval_frame.py"
NESTED = "Detected that you are using FX to torch.jit.trace a dynamo-optimized function. This is not supported at"
SYMBOLIC = f"{SITE}/torch/onnx/_internal/torchscript_exporter/symbolic_opset17.py"
HELPER = f"{SITE}/torch/onnx/_internal/torchscript_exporter/symbolic_helper.py"
ELSEWHERE = f"{SITE}/torch/fx/interpreter.py"
OURS = "/graphfuzz/oracle/routes/tf2onnx.py"


@pytest.mark.parametrize(
    ("name", "kind", "words", "file", "function", "refused"),
    [
        (DYNAMO, NotImplementedError, "not supported", TORCHLIB, "aten_bincount", True),
        (DYNAMO, NotImplementedError, "not supported", ELSEWHERE, "run_node", False),
        (DYNAMO, RuntimeError, "not supported", TORCHLIB, "aten_bincount", False),
        (DYNAMO, ValueError, STATIC, NON_STRICT, "make_constraints", True),
        (DYNAMO, ValueError, STATIC, NON_STRICT, "fakify", False),
        (DYNAMO, ValueError, STATIC, ELSEWHERE, "make_constraints", False),
        (DYNAMO, TypeError, STATIC, NON_STRICT, "make_constraints", False),
        (DYNAMO, ValueError, "bad constraint", NON_STRICT, "make_constraints", False),
        (SCRIPT, RuntimeError, SCALAR, JIT, "_create_node", True),
        (SCRIPT, RuntimeError, SCALAR, "/home/me/model.py", "forward", False),
        (SCRIPT, NotImplementedError, SCALAR, JIT, "_create_node", False),
        (SCRIPT, RuntimeError, NESTED, FRAME, "compile_wrapper", True),
        (SCRIPT, RuntimeError, NESTED, JIT, "_create_node", False),
        (SCRIPT, RuntimeError, "STFT is not supported", SYMBOLIC, "stft", False),
        (TF2ONNX, ValueError, "dtype 7 is not supported", HANDLER, "version_1", True),
        (TF2ONNX, ValueError, "dtype 7 is not known", HANDLER, "version_1", False),
        (TF2ONNX, KeyError, "dtype 7 is not supported", HANDLER, "version_1", False),
        (TF2ONNX, ValueError, "dtype 7 is not supported", f"{SITE}/tf2onnx/graph.py", "make_node", False),
        (TF2ONNX, NotImplementedError, "Bucketize", OURS, "strictly", True),
        (TF2ONNX, NotImplementedError, "Bucketize", OURS, "traced", False),
        (TF2ONNX, RuntimeError, "Bucketize", OURS, "strictly", False),
    ],
)
def test_words_count_by_who_says_them_as_what(
    name: str, kind: type[Exception], words: str, file: str, function: str, refused: bool
) -> None:
    assert load_route(name).refused(made(file, function, kind, words)) is refused


@pytest.mark.parametrize(
    ("error", "words", "file", "function", "refused"),
    [
        ("SymbolicValueError", "STFT does not support it", SYMBOLIC, "stft", True),
        ("SymbolicValueError", "STFT does not currently support complex types", SYMBOLIC, "stft", True),
        ("SymbolicValueError", "ONNX allows only (0, 255)", SYMBOLIC, "fake_quantize", True),
        ("SymbolicValueError", "Unknown aten::slice signature", SYMBOLIC, "slice", False),
        ("SymbolicValueError", "ONNX allows only (0, 255)", JIT, "_create_node", False),
        ("OnnxExporterError", "Unsupported", HELPER, "_onnx_unsupported", True),
        ("OnnxExporterError", "Unsupported", HELPER, "_block_list_in_opset.symbolic_fn", True),
        ("OnnxExporterError", "Unsupported", HELPER, "_interpolate.symbolic_fn", False),
        ("OnnxExporterError", "Unsupported", HELPER, "_get_const", False),
        ("UnsupportedOperatorError", "Exporting the operator is not supported", JIT, "run", True),
    ],
)
def test_the_torchscript_exporter_is_believed_where_it_decides(
    error: str, words: str, file: str, function: str, refused: bool
) -> None:
    import torch.onnx.errors

    kind: Any = type(error, (getattr(torch.onnx.errors, error),), {"__init__": lambda self, *said: None})
    kind.__module__, kind.__str__ = "torch.onnx.errors", lambda self: words
    assert load_route(SCRIPT).refused(made(file, function, kind, words)) is refused
    stranger = type(error, (Exception,), {})
    assert not load_route(SCRIPT).refused(made(file, function, stranger, words))


def test_a_branch_on_data_is_refused_by_the_capture_alone() -> None:
    from torch.onnx._internal.exporter._errors import ConversionError, TorchExportError

    stands: Any = type("GuardOnDataDependentSymNode", (RuntimeError,), {})
    stranger: Any = type("GuardOnDataDependentSymNode", (RuntimeError,), {})
    stands.__module__ = "torch.fx.experimental.symbolic_shapes"
    told = []
    for wrapper, root in ((TorchExportError, stands), (ConversionError, stands), (TorchExportError, stranger)):
        error = wrapper("failed")
        error.__cause__ = made(ELSEWHERE, "evaluate", root, "Could not guard")
        told.append(load_route(DYNAMO).refused(error))
    assert told == [True, False, False]


@pytest.mark.parametrize(
    ("name", "kind", "file"), [(DYNAMO, NotImplementedError, TORCHLIB), (TF2ONNX, ValueError, HANDLER)]
)
def test_what_a_translation_calls_does_not_speak_for_it(name: str, kind: type[Exception], file: str) -> None:
    own, called = (made(file, "handler", kind, "it is not supported", how) for how in (RAISED, CALLED))
    assert raised_in(own)[0] == raised_in(called)[0] == (file, "handler")
    assert [load_route(name).refused(error) for error in (own, called)] == [True, False]


@pytest.mark.parametrize("name", [DYNAMO, SCRIPT])
def test_a_crash_with_the_words_of_a_refusal_is_a_finding(
    name: str, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    def explode(*arguments: Any, **options: Any) -> Any:
        raise NotImplementedError(f"aten::bincount with weights is not supported. {SCALAR}")

    monkeypatch.setattr("torch.onnx._internal.torchscript_exporter.utils._model_to_graph", explode)
    monkeypatch.setattr("torch.onnx._internal.exporter._core._translate_fx_graph", explode)
    found = judge(relu_case(), load_route(name), registry)
    assert (found.verdict, found.error) == ("conversion-crash", "NotImplementedError"), found.traceback


LSTM = "code returned while running LSTM node. Name:'/l' Status Message: LSTM operator does not support double yet"
COMPLEX = "MLDataType for: tensor(complex64) is not currently registered or supported"


@pytest.mark.parametrize(
    ("error", "words", "lacks"),
    [
        ("NotImplemented", "Could not find an implementation for Erf(13) node with name 'e'", True),
        ("Fail", "Could not find an implementation for Erf(13) node with name 'e'", False),
        ("InvalidGraph", "NOT_IMPLEMENTED: Erf", False),
        ("RuntimeException", LSTM, True),
        ("RuntimeException", LSTM.replace("running LSTM", "running Concat"), False),
        ("Fail", LSTM, False),
        ("Fail", COMPLEX, True),
        ("RuntimeException", COMPLEX, False),
    ],
)
def test_the_runtime_lacks_a_kernel_by_its_status(error: str, words: str, lacks: bool) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    kind = getattr(runtime, error)
    assert lacks_kernel(kind(f"[ONNXRuntimeError] : 1 : {words}")) is lacks
    assert not lacks_kernel(type(error, (RuntimeError,), {})(words))
