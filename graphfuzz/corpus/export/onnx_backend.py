"""The layout of ONNX's backend tests, which `onnx.backend.test` and ONNX Runtime's test runner read.

    test_<entry>/model.onnx                    the converted model, as it was
                 test_data_set_0/input_0.pb    the inputs, in the model's order, and what the model should make of them
                                output_0.pb
                 data.json, config.txt         how near: for `onnx.backend.test`, and for `onnx_test_runner`

What is expected is what the source model made, as recorded. So the test says of a runtime at fault that it is wrong;
where the converter is at fault, a right runtime fails it too, for the model itself computes something else. An invalid
model's test is one of the checker and of what runtimes make of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.source import file_name, rates
from graphfuzz.errors import UsageError
from graphfuzz.graph import Array, parts
from graphfuzz.spec.registry import Registry


def onnx_backend(entry: Entry, registry: Registry) -> dict[str, bytes]:
    """A folder with the model and the data of the inputs for which the finding holds.

    Raises UsageError where there is no model, where nothing is known of what it should give, and where the layout
    cannot say it.
    """
    import onnx

    if not entry.onnx:
        raise UsageError(f"{entry.slug}: no ONNX model was recorded ({entry.finding.verdict} in {entry.finding.stage})")
    case, binding = entry.case, entry.finding.binding
    given = case.bindings[binding - 1] if binding else case.inputs()
    graph = onnx.load_from_string(entry.onnx).graph
    initialized = {tensor.name for tensor in graph.initializer}
    wanted = [value for value in graph.input if value.name not in initialized]
    strange = [value.name for value in wanted if value.name not in given]
    if strange:
        raise UsageError(f"{entry.slug}: the model asks for {strange[0]}, which is no input of the source model")
    missing = [name for name in case.graph.outputs if name not in entry.expected]
    if missing:
        raise UsageError(f"{entry.slug}: what the source model gives was not recorded; minimize the entry again")
    halves = [name for name, array in {**given, **entry.expected}.items() if array.dtype == "bfloat16"]
    if halves:
        raise UsageError(f"{entry.slug}: {halves[0]} is bfloat16, which ONNX Runtime's backend cannot be given")
    if len(graph.output) != len(case.graph.outputs):
        raise UsageError(f"{entry.slug}: the model has {len(graph.output)} outputs, not {len(case.graph.outputs)}")
    inputs = {value.name: _like(value, given[value.name]) for value in wanted}
    expected = [
        _like(value, entry.expected[name]) for name, value in zip(case.graph.outputs, graph.output, strict=True)
    ]
    outputs = dict(zip((value.name for value in graph.output), expected, strict=True))
    rtol, atol = rates(entry)
    files = {
        "model.onnx": entry.onnx,
        "data.json": f"{json.dumps({'rtol': rtol, 'atol': atol})}\n".encode(),
        "config.txt": f"per_sample_tolerance:{atol!r}\nrelative_per_sample_tolerance:{rtol!r}\n".encode(),
        **dict(_data_set(0, inputs, outputs)),
    }
    return {f"test_{file_name(entry)}/{name}": content for name, content in files.items()}


def _like(value: Any, array: Array) -> Array:
    """The array as the model has it: complex numbers are pairs along a last axis, where exporters made them so."""
    real = value.type.tensor_type.elem_type in (1, 11)
    return parts(array) if real else array


def _data_set(number: int, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Iterable[tuple[str, bytes]]:
    from onnx import numpy_helper

    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, (name, array) in enumerate(arrays.items()):
            tensor = numpy_helper.from_array(array, name)
            yield f"test_data_set_{number}/{kind}_{i}.pb", tensor.SerializeToString()
