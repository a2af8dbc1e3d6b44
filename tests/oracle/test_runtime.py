"""What the runtime hands back."""

from __future__ import annotations

import gc

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from graphfuzz.oracle.runtime import run_onnx

TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bfloat16": TensorProto.BFLOAT16}


@pytest.mark.parametrize("dtype", TYPES)
def test_an_input_that_is_an_output_outlives_the_run(dtype):
    """Its memory is the feed's, which is free for others once the run has ended."""
    value = helper.make_tensor_value_info("x", TYPES[dtype], [3])
    graph = helper.make_graph([], "g", [value], [value])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = np.array([6, 3, 1]).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    made = [run_onnx(session, {"x": given})[0] for _ in range(20)]
    gc.collect()
    others = [np.full(3, 7, given.dtype) for _ in range(1000)]
    assert all(np.array_equal(array, given) for array in made), len(others)
    assert not any(np.shares_memory(one, other) for one in made for other in made if one is not other)
