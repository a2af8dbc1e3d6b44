"""Routes with ledgers of their own, from graphs whose only node is elementwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.ledger import ABSENT, Entry, Ledger, Reason
from graphfuzz.oracle.route import Route

_sinks: list[set[str]] = []


@contextmanager
def recording(used: set[str]) -> Iterator[None]:
    _sinks.append(used)
    try:
        yield
    finally:
        _sinks.remove(used)


def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """A relu of the dtype; refuses integers, dies of bools."""
    from onnx import helper

    (array,) = inputs.values()
    for sink in _sinks:
        sink.update({"relu", str(array.dtype)})
    if array.dtype.kind in "iu":
        raise NotImplementedError("declined")
    if array.dtype.kind == "b":
        os.abort()
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    (name,) = inputs
    graph = helper.make_graph(
        [helper.make_node("Relu", [name], ["y"])],
        "fake",
        [helper.make_tensor_value_info(name, kind, list(array.shape))],
        [helper.make_tensor_value_info("y", kind, list(array.shape))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


ENTRIES = (Entry("relu"), Entry("float32", "a dtype"), Entry("lost"), Entry("gone"))

told = Route(
    name="told",
    framework="torch",
    packages=("torch",),
    convert=convert,
    refused=lambda error: "declined" in str(error),
    preload=("torch", "onnx.shape_inference", "onnxruntime"),
    ledger=Ledger(
        entries=lambda: ENTRIES,
        recording=recording,
        reason=lambda name: Reason(ABSENT, "lost long ago", "nobody has it") if name == "lost" else None,
        opset=lambda: 18,
    ),
)

untold = Route("untold", "torch", ("torch",), convert, told.refused, told.preload)
