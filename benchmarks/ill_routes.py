"""The route of the benchmark `faults`: quick, and ill in one way at a time, from graphs whose only node is a relu.

It raises for a vector, and for a matrix unless it is tall, and is wrong for some tall ones, so that there is something
to be found that takes little time; for three axes it does what the variable `ILL` names, if it is set; and otherwise it
is right.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.route import Route

ILL = "GRAPHFUZZ_ILL"
"""The variable that names what the route does for arrays of `ILL_RANK` axes."""
ILL_RANK = 3
PACE = "GRAPHFUZZ_PACE"
"""The variable that says how many seconds every case is to take at least."""
LEAKED: list[bytearray] = []


def convert(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """A relu's model, unless something goes wrong."""
    from onnx import TensorProto, helper

    ((name, array),) = inputs.items()
    time.sleep(float(os.environ.get(PACE, "0")))
    if array.ndim == 1:
        raise ValueError("a vector is too much for me")
    if array.ndim == 2 and array.shape[0] <= array.shape[1]:
        raise TypeError("this matrix is not tall")
    if array.ndim == ILL_RANK and ILL in os.environ:
        MISBEHAVIOR[os.environ[ILL]]()
    wrong = array.ndim == 2 and array.shape[0] == 7
    nodes = [helper.make_node("Neg" if wrong else "Relu", [name], ["y"])]
    given, made = (helper.make_tensor_value_info(n, TensorProto.FLOAT, list(array.shape)) for n in (name, "y"))
    graph = helper.make_graph(nodes, "ill", [given], [made])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def orphans() -> None:
    """A child process lives on, holding all that was open."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(120)
        os._exit(0)


def doubles() -> None:
    """Two processes return, and both go on as if they were the worker."""
    os.fork()


def leaks() -> None:
    """Two gigabytes are never given back."""
    LEAKED.append(bytearray(b"x") * (2 << 30))


def prints() -> None:
    """A gigabyte goes to standard output, and one to standard error."""
    line = b"x" * 1023 + b"\n"
    for stream in (1, 2):
        for _ in range(1 << 10):
            os.write(stream, line * 1024)


def prints_and_dies() -> None:
    """A gigabyte goes to standard error before the process is aborted."""
    for _ in range(1 << 10):
        os.write(2, b"Check failed: again\n" * 52_429)
    os.abort()


def leaves() -> None:
    """The process ends as if all were well."""
    os._exit(0)


def hangs() -> None:
    """C code never returns, with all signals blocked and the interpreter's lock held."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.PyDLL(None).sleep(3600)


MISBEHAVIOR: dict[str, Callable[[], object]] = {
    act.__name__: act for act in (orphans, doubles, leaks, prints, prints_and_dies, leaves, hangs)
}
quick = Route(
    "quick",
    "torch",
    ("torch", "onnx", "onnxruntime", "numpy"),
    convert,
    lambda error: False,
    ("torch", "onnx.shape_inference", "onnxruntime"),
)
