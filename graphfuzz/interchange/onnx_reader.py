"""ONNX models as programs of their nodes: somebody else's from files, our own as a route converts them.

Of an initializer that nodes take, a number or a few (`as_constant`) are a constant of the call as well as an operand:
where a shape, axes or a factor stand, attributes are found. Everything else is a weight. What is made of constants
alone, or of the sizes of inputs alone, is a weight, too, and so is a weight put in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array, Values
from graphfuzz.interchange.given import Declared, chosen_inputs
from graphfuzz.interchange.onnx_nodes import as_call, run
from graphfuzz.interchange.program import LONGEST, Call, Program, as_constant, is_rearranged, simplified
from graphfuzz.interchange.reader import Given, Reader
from graphfuzz.oracle.route import Route
from graphfuzz.spec.dtypes import KNOWN

PREFIX = "onnx/"
"""Before a route's name, in that of the reader that captures by it."""

BESIDE = "test_data_set_0"
"""The folder beside a model that has its inputs, in the layout of ONNX's backend tests
(https://github.com/onnx/onnx/blob/main/docs/OnnxBackendTest.md)."""


def onnx_reader(route: Route) -> Reader:
    """Reads ONNX models in the words of the route's source framework, learned from what the route converts."""

    def captured(model: Any, inputs: Values) -> Program:
        return program_of(route.convert(model, dict(inputs), {}), inputs)

    return Reader(
        name=f"{PREFIX}{route.name}",
        framework=route.framework,
        packages=route.packages,
        preload=route.preload,
        read=read,
        captured=captured,
        run=run,
        decide=(route.convert, as_call),
    )


def read(file: Path, given: Given) -> Program:
    """The model in a file, run on the inputs given, those beside it, or some that are drawn.

    Raises UsageError where the file or its external data cannot be read, or the inputs do not fit it.
    """
    model = _loaded(file)
    fixed = {tensor.name for tensor in model.graph.initializer}
    declared = [_declared(value, file) for value in model.graph.input if value.name not in fixed]
    inputs, told = chosen_inputs(file, declared, given, _beside(file.parent / BESIDE, declared))
    return program_of(model, inputs, told)


def program_of(model: Any, inputs: Values, told: tuple[str, ...] = ()) -> Program:
    """A model's program, with what it makes of the inputs node by node."""
    interpreter = _Interpreter(model, inputs)
    for node in interpreter.graph.node:
        interpreter.run(node)
    return interpreter.program((*told, *interpreter.told))


class _Interpreter:
    """Runs a model node by node, and writes it down. What cannot be run, and what depends on it, makes no values."""

    def __init__(self, model: Any, inputs: Values) -> None:
        import onnx
        import onnx.inliner

        inlined = onnx.inliner.inline_local_functions(model) if model.functions else model
        self.graph, self.inputs = inlined.graph, inputs
        self.opsets = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in inlined.opset_import}
        self.live: dict[str, Any] = dict(inputs)
        """Every value made, sequences among them."""
        self.constants: dict[str, Any] = {}
        self.weights: list[str] = []
        self.calls: list[Call] = []
        self.told: list[str] = []
        for tensor in self.graph.initializer:
            self._fix(tensor.name, onnx.numpy_helper.to_array(tensor))

    def run(self, node: Any) -> None:
        outputs = [name or f"{node.output}/{i}/{len(self.calls)}" for i, name in enumerate(node.output)]
        call = as_call(node, self.opsets, outputs, self.constants)
        made: list[Any] = []
        if all(name in self.live for name in call.operands):
            try:
                made = run(call, [self.live[name] for name in call.operands])
            except Exception as error:  # noqa: BLE001 - evaluators raise in whatever class they like
                self.told.append(f"{call.target} does not run: {type(error).__name__}: {str(error).splitlines()[0]}")
        is_fixed = bool(made) and (
            all(name in self.constants for name in call.operands)
            or (set(self.weights).issuperset(call.operands) and self._is_rearranged(call, made))
            or self._follows_from_sizes(call, made)
        )
        for name, value in zip(outputs, made, strict=False):
            self.live[name] = value
            if is_fixed and isinstance(value, np.ndarray):
                self._fix(name, value)
        if not is_fixed:
            self.calls.append(call)

    def _follows_from_sizes(self, call: Call, made: Sequence[Any]) -> bool:
        """Whether a call makes the same few integers of zeros and of ones: a shape, which is fixed as those of inputs
        are."""
        given = [self.live[name] for name in call.operands]
        if not all(isinstance(a, np.ndarray) and a.dtype == np.int64 and a.ndim < 2 and a.size < LONGEST for a in made):
            return False
        kept = [name in self.constants or not isinstance(self.live[name], np.ndarray) for name in call.operands]
        for fill in (np.zeros_like, np.ones_like):
            try:
                others = run(call, [a if keep else fill(a) for a, keep in zip(given, kept, strict=True)])
            except Exception:  # noqa: BLE001 - as above
                return False
            if not all(np.array_equal(one, other) for one, other in zip(made, others, strict=True)):
                return False
        return True

    def _is_rearranged(self, call: Call, made: Sequence[Any]) -> bool:
        """Whether a call makes of weights what has a weight's elements in another order."""
        given = [self.live[name] for name in call.operands]
        return all(isinstance(a, np.ndarray) for a in (made[0], *given)) and is_rearranged(made[0], given)

    def program(self, told: tuple[str, ...]) -> Program:
        arrays = {name: value for name, value in self.live.items() if isinstance(value, np.ndarray)}
        values = {name: array for name, array in arrays.items() if str(array.dtype) in KNOWN}
        outputs = tuple(dict.fromkeys(value.name for value in self.graph.output))
        return simplified(Program(tuple(self.inputs), tuple(self.weights), tuple(self.calls), outputs, values, told))

    def _fix(self, name: str, array: Array) -> None:
        """Have a value be a weight, and a constant where it may."""
        self.live[name] = array
        self.weights.append(name)
        if (value := as_constant(array)) is not None:
            self.constants[name] = value


def _loaded(file: Path) -> Any:
    """The model in a file. Raises UsageError."""
    import onnx

    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:
        raise UsageError(f"{file}: is no ONNX model: {error}") from error
    if not model.graph.output:
        raise UsageError(f"{file}: is no ONNX model: it makes no output")
    try:
        onnx.load_external_data_for_model(model, str(file.parent))
    except Exception as error:
        raise UsageError(f"{file}: its external data cannot be read: {error}") from error
    for opset in model.opset_import:
        newest = onnx.defs.onnx_opset_version()
        if opset.domain in ("", "ai.onnx") and opset.version > newest:
            raise UsageError(f"{file}: is of opset {opset.version}; onnx {onnx.__version__} knows up to {newest}")
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import) and not model.functions:
        names = sorted({node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx")})
        if names:
            raise UsageError(f"{file}: does not say of which opset it is, and has {', '.join(names)}")
    return model


def _declared(value: Any, file: Path) -> Declared:
    """What a model says of an input. Raises UsageError where that is no tensor."""
    import onnx

    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type == onnx.TensorProto.STRING:
        raise UsageError(f"{file}: its input {value.name} is no tensor of numbers")
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    sizes = [size.dim_value if size.HasField("dim_value") else size.dim_param for size in kind.shape.dim]
    return Declared(value.name, dtype, tuple(sizes) if kind.HasField("shape") else None)


def _beside(folder: Path, declared: list[Declared]) -> Mapping[str, Array] | None:
    """The inputs in a folder of `input_<i>.pb`; None where there are none. Raises UsageError."""
    import onnx

    files = [folder / f"input_{i}.pb" for i in range(len(declared))]
    if not declared or not any(file.exists() for file in files):
        return None
    found: dict[str, Array] = {}
    for file, about in zip(files, declared, strict=True):
        try:
            found[about.name] = onnx.numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes()))
        except Exception as error:
            raise UsageError(f"{file}: has no input {about.name}: {error}") from error
    return found
