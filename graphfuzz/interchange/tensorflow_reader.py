"""TensorFlow's concrete functions as programs of its operators: Keras models, somebody else's and our own, and saved
models.

A model is traced for inputs of fixed shapes, its variables made constants and its functions put in their places, which
leaves one graph (https://www.tensorflow.org/guide/intro_to_graphs). Nothing of a file is run but TensorFlow's
operators, apart from a Python file. As for ONNX (`onnx_reader`), a few numbers are a constant of the call as well as
an operand, and what is made of constants alone, or of sizes, is a weight, and so is a weight put in another order.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array, Values
from graphfuzz.interchange.given import Declared, chosen_inputs
from graphfuzz.interchange.program import (
    CONSTANT,
    PLACE,
    Call,
    Program,
    as_constant,
    constant,
    is_rearranged,
    number,
    simplified,
)
from graphfuzz.interchange.reader import Given, Reader
from graphfuzz.spec.dtypes import KNOWN

SAVED = "saved_model.pb"
"""The file that makes a folder a saved model."""

DEFAULT = "serving_default"
"""The signature of a saved model that is read where it has several."""


def read(file: Path, given: Given) -> Program:
    """The Keras model that a Python file defines as `model`, for its `inputs`; the one in a `.keras` file, or the
    signature of a saved model, for the inputs given or some that are drawn.

    Raises UsageError where there is none, or TensorFlow does not trace or run it.
    """
    if file.suffix == ".py":
        model, inputs = _defined(file)
        told: tuple[str, ...] = ()
    else:
        model, declared = _saved(file) if file.is_dir() else _stored(file)
        inputs, told = chosen_inputs(file, declared, given)
    try:
        return _program(model, inputs, told)
    except Exception as error:
        raise UsageError(f"{file}: TensorFlow does not trace and run it: {type(error).__name__}: {error}") from error


def captured(model: Any, inputs: Values) -> Program:
    """A source model's program. Raises whatever tracing or running it raises."""
    return _program(lambda *tensors: model(list(tensors), training=False), inputs)


def run(call: Call, operands: Sequence[Array]) -> list[Array]:
    """A call's outputs for other operands. Raises whatever its kernel raises."""
    import tensorflow as tf

    definition = _definition(call.target)
    tensors = list(map(tf.constant, operands))
    options: dict[str, Any] = {}
    for argument in definition.input_arg:
        value = call.arguments[argument.name]
        options[argument.name] = (
            [tensors[v[PLACE]] for v in value] if isinstance(value, list) else tensors[value[PLACE]]
        )
    for attribute in definition.attr:
        if attribute.name in call.arguments:
            options[attribute.name] = _decoded(attribute.type, call.arguments[attribute.name])
    made = getattr(tf.raw_ops, call.target)(**options)
    return [tensor.numpy() for tensor in tf.nest.flatten(made)]


def _defined(file: Path) -> tuple[Callable[..., Any], dict[str, Array]]:
    """The model and inputs that a Python file defines. Running the file is part of it. Raises UsageError."""
    import keras

    try:
        defined = runpy.run_path(str(file))
    except Exception as error:
        raise UsageError(f"{file}: cannot be run: {type(error).__name__}: {error}") from error
    model, given = defined.get("model"), defined.get("inputs")
    arrays = (given,) if isinstance(given, np.ndarray) else given
    if not isinstance(model, keras.Model) or not isinstance(arrays, tuple | list):
        raise UsageError(f"{file}: must define `model`, a Keras model, and `inputs`, a tuple of NumPy's arrays")
    if not all(isinstance(array, np.ndarray) and str(array.dtype) in KNOWN for array in arrays):
        raise UsageError(f"{file}: `inputs` must be NumPy's arrays of numbers alone")
    return _called(model), {f"x{i}": array for i, array in enumerate(arrays)}


def _stored(file: Path) -> tuple[Callable[..., Any], list[Declared]]:
    """The model of a `.keras` file, and its inputs. Raises UsageError."""
    import keras

    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        if "safe_mode" in str(error):
            raise UsageError(
                f"{file}: has Python code, which Keras runs with safe_mode=False only; if you trust it, import a "
                "Python file that loads it so as `model`"
            ) from None
        raise UsageError(f"{file}: is no Keras model: {error}") from error
    if not getattr(model, "inputs", None):
        raise UsageError(f"{file}: does not say what its inputs are; import a Python file that loads it as `model`")
    return _called(model), [_declared(v.name, v.dtype, v.shape) for v in model.inputs]


def _saved(folder: Path) -> tuple[Callable[..., Any], list[Declared]]:
    """The signature of a saved model, and its inputs. Raises UsageError."""
    import tensorflow as tf

    if not (folder / SAVED).exists():
        raise UsageError(f"{folder}: is no saved model: it has no {SAVED}")
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:
        raise UsageError(f"{folder}: cannot be loaded: {type(error).__name__}: {error}") from error
    signatures = dict(loaded.signatures)
    if not signatures or (DEFAULT not in signatures and len(signatures) > 1):
        raise UsageError(f"{folder}: has no signature {DEFAULT}; it has {', '.join(signatures) or 'none'}")
    signature = signatures.get(DEFAULT) or next(iter(signatures.values()))
    specs: Mapping[str, Any] = signature.structured_input_signature[1]
    names = list(specs)

    def call(*tensors: Any) -> Any:
        assert loaded is not None, "its variables live as long as it does"
        return signature(**dict(zip(names, tensors, strict=True)))

    return call, [_declared(name, spec.dtype.name, spec.shape) for name, spec in specs.items()]


def _called(model: Any) -> Callable[..., Any]:
    """A Keras model as a function of its inputs, in inference mode."""
    return lambda *tensors: model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)


def _declared(name: str, dtype: str, shape: Any) -> Declared:
    """An input; axes left open are named after it."""
    if getattr(shape, "rank", 0) is None:
        return Declared(name, dtype, None)
    return Declared(name, dtype, tuple(f"{name}:{i}" if size is None else size for i, size in enumerate(shape)))


def _program(model: Callable[..., Any], inputs: Values, told: tuple[str, ...] = ()) -> Program:
    """What a function of tensors does with these inputs, in inlined calls. Raises whatever TensorFlow raises."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec(array.shape, array.dtype, f"input{i}") for i, array in enumerate(inputs.values())]
    function = tf.function(lambda *tensors: model(*tensors)).get_concrete_function(*signature)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    names = {f"input{i}:0": name for i, name in enumerate(inputs)}
    return _Writer(frozen.graph, names, inputs).program([tensor.name for tensor in frozen.outputs], told)


class _Writer:
    """Writes a graph of TensorFlow down, with what it makes of the inputs."""

    def __init__(self, graph: Any, names: Mapping[str, str], inputs: Values) -> None:
        self.operations = graph.get_operations()
        self.inputs = inputs
        self.names = dict(names)
        """What each of the graph's tensors is called: an input by its own name, the same thing by the same name."""
        self.values = {**inputs, **_values(graph, {name: inputs[known] for name, known in names.items()})}
        self.weights: list[str] = []
        self.constants: dict[str, Any] = {}
        self.calls: list[Call] = []

    def program(self, outputs: Sequence[str], told: tuple[str, ...]) -> Program:
        for operation in self.operations:
            self._write(operation)
        made = tuple(dict.fromkeys(self._name(output) for output in outputs))
        return simplified(Program(tuple(self.inputs), tuple(self.weights), tuple(self.calls), made, self.values, told))

    def _write(self, operation: Any) -> None:
        outputs = [tensor.name for tensor in operation.outputs]
        if operation.type == "Identity":
            self.names[outputs[0]] = self._name(operation.inputs[0].name)
        elif operation.type != "Placeholder" and outputs:
            operands: list[str] = []
            arguments = dict(self._arguments(operation, operands))
            is_fixed = (
                all(name in self.constants for name in operands)
                or self._is_known(operation)
                or self._is_rearranged(operands, outputs)
            )
            if is_fixed and all(name in self.values for name in outputs):
                self._fix(outputs)
            else:
                self.calls.append(Call(operation.type, arguments, tuple(operands), tuple(outputs)))

    def _is_known(self, operation: Any) -> bool:
        """Whether TensorFlow says what an operation makes without running it, as it does of shapes."""
        import tensorflow as tf

        return all(tf.get_static_value(tensor) is not None for tensor in operation.outputs)

    def _is_rearranged(self, operands: Sequence[str], outputs: Sequence[str]) -> bool:
        """Whether a call makes of weights what has a weight's elements in another order."""
        are_weights = set(self.weights).issuperset(operands) and self.values.keys() >= {*operands, *outputs}
        return are_weights and is_rearranged(self.values[outputs[0]], [self.values[name] for name in operands])

    def _fix(self, names: Sequence[str]) -> None:
        """Have values be weights, and constants where they may."""
        self.weights += names
        found = {name: as_constant(self.values[name]) for name in names}
        self.constants.update({name: value for name, value in found.items() if value is not None})

    def _name(self, name: str) -> str:
        return self.names.get(name, name)

    def _arguments(self, operation: Any, operands: list[str]) -> Iterator[tuple[str, Any]]:
        """The arguments by the operator's definition, without those that the operands imply."""
        definition, given = _definition(operation.type), iter(operation.inputs)

        def place() -> dict[str, Any]:
            operands.append(self._name(next(given).name))
            found = {PLACE: len(operands) - 1}
            return {**found, CONSTANT: self.constants[operands[-1]]} if operands[-1] in self.constants else found

        implied = {a for arg in definition.input_arg for a in (arg.type_attr, arg.number_attr, arg.type_list_attr)}
        for argument in definition.input_arg:
            if argument.number_attr:
                yield argument.name, [place() for _ in range(operation.get_attr(argument.number_attr))]
            elif argument.type_list_attr:
                yield argument.name, [place() for _ in operation.get_attr(argument.type_list_attr)]
            else:
                yield argument.name, place()
        for attribute in definition.attr:
            if attribute.name not in implied:
                yield attribute.name, _as_json(operation.get_attr(attribute.name))


def _values(graph: Any, feeds: Values) -> dict[str, Array]:
    """What a graph's tensors of numbers are, by name, as TensorFlow makes them without its optimizer."""
    import tensorflow as tf

    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    wanted = [
        tensor.name
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.dtype.name in KNOWN and tensor.name not in feeds
    ]
    plain = tf.Graph()
    with plain.as_default():
        tf.graph_util.import_graph_def(graph.as_graph_def(), name="")
        with tf.compat.v1.Session(graph=plain, config=config) as session:
            made = session.run(wanted, {name: value for name, value in feeds.items() if _is_in(plain, name)})
    return {name: np.asarray(value) for name, value in zip(wanted, made, strict=True)}


def _is_in(graph: Any, name: str) -> bool:
    return any(operation.name == name.partition(":")[0] for operation in graph.get_operations())


def _definition(name: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(name)


def _as_json(value: Any) -> Any:
    """An attribute's value; dtypes, shapes and functions by their names and sizes."""
    if isinstance(value, list | tuple):
        return list(map(_as_json, value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        return constant(float(str(np.float32(value))))
    if isinstance(value, bool | int | str):
        return value
    if hasattr(value, "dim"):
        return [size.size for size in value.dim]
    return value.name if hasattr(value, "name") else str(value)


def _decoded(kind: str, value: Any) -> Any:
    import tensorflow as tf

    if kind.startswith("list("):
        return [_decoded(kind[5:-1], item) for item in value]
    if kind == "type":
        return tf.as_dtype(value)
    return number(value) if kind == "float" else value


reader = Reader(
    name="tf.function",
    framework="keras",
    packages=("tensorflow-cpu", "keras", "numpy"),
    preload=("tensorflow", "keras"),
    read=read,
    captured=captured,
    run=run,
)
