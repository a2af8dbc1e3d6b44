"""Routes that go wrong in one way each, from graphs whose only node is a relu of `x`."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.route import Route

PRELOAD = ("torch", "onnx.shape_inference", "onnxruntime")


def _route(convert: Callable[[Any, dict[str, Array], Axes], Any]) -> Route:
    return Route(
        name=convert.__name__,
        framework="torch",
        packages=("torch", "no-such-package"),
        convert=convert,
        refused=lambda error: "declined" in str(error),
        preload=PRELOAD,
    )


def _model(inputs: dict[str, Array], nodes: list[tuple[str, list[str], str]], shape: list[int] | None = None) -> Any:
    """An ONNX model of float32 with input `x` and output `y`."""
    import onnx
    from onnx import TensorProto, helper

    size = list(inputs["x"].shape)
    graph = helper.make_graph(
        [helper.make_node(op, given, [made]) for op, given, made in nodes],
        "fake",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, size if shape is None else shape)],
    )
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return made


@_route
def right(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return _model(inputs, [("Relu", ["x"], "y")])


@_route
def wrong(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return _model(inputs, [("Relu", ["x"], "r"), ("Abs", ["x"], "a"), ("Add", ["r", "a"], "y")])


@_route
def invalid(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    made = _model(inputs, [("Relu", ["x"], "y")])
    made.graph.node[0].attribute.add(name="no_such_attribute", i=1, type=2)
    return made


@_route
def misdeclared(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return _model(inputs, [("Relu", ["x"], "y")], shape=[7])


@_route
def no_such_operator(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return _model(inputs, [("Bitcast", ["x"], "y")])


@_route
def no_kernel(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    from onnx import TensorProto

    made = _model(inputs, [("Cast", ["x"], "d"), ("Erf", ["d"], "e"), ("Cast", ["e"], "y")])
    for position, kind in ((0, TensorProto.DOUBLE), (2, TensorProto.FLOAT)):
        made.graph.node[position].attribute.add(name="to", i=kind, type=2)
    return made


@_route
def raises(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("a wrapper") from error


@_route
def refuses(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    raise NotImplementedError("declined")


@_route
def segfault(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return ctypes.string_at(0)


@_route
def abort(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    sys.stderr.write("Check failed: 1 == 2\n")
    sys.stderr.flush()
    os.abort()


@_route
def exit_process(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    os._exit(7)


@_route
def exit_quietly(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    os._exit(0)


@_route
def fork(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    os.fork()
    return _model(inputs, [("Relu", ["x"], "y")])


@_route
def shout(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    for _ in range(64):
        os.write(2, b"Check failed: 1 == 2\n" + b"x" * (1 << 20))
    os.abort()


@_route
def leave(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    raise SystemExit(0)


@_route
def hang(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    while True:
        time.sleep(0.05)


@_route
def hang_in_c(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the interpreter's lock: no Python signal handler can run


@_route
def out_of_memory(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return bytearray(64 << 30)


@_route
def out_of_memory_in_torch(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import torch

    return torch.zeros(8 << 30)


@_route
def chatter(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    os.write(1, b"NOISE on stdout\n")
    os.write(2, b"NOISE on stderr\n")
    return _model(inputs, [("Relu", ["x"], "y")])


@_route
def leak(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    sys.modules["leaked"] = bytearray(b"x" * (96 << 20))  # type: ignore[assignment]
    return _model(inputs, [("Relu", ["x"], "y")])


@_route
def process(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    raise RuntimeError(f"process {os.getpid()}")


broken_pack = Route("broken", "torch", (), lambda model, inputs: None, lambda error: False, ("no_such_module_at_all",))
