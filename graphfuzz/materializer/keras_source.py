"""A graph as the source of a Keras functional model, and that source built and run."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import Any

from graphfuzz.graph import Array, Axes, Graph, Value
from graphfuzz.materializer.loading import execute
from graphfuzz.materializer.walk import helpers, steps, used_as, used_in_calls
from graphfuzz.spec.registry import Registry

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
"""Read when TensorFlow is imported; unless told, it has channels-first convolutions on some processors only."""

HEADER = "import keras\nimport numpy as np\nfrom keras import layers, ops\n"


def keras_source(graph: Graph, registry: Registry, axes: Axes) -> str:
    """Python source that defines `build(weights)`, which returns a `keras.Model` with the inputs in order."""
    walked = steps(graph, registry, "keras", weight_text=str, layer_text=lambda node: f"{node.name}_layer")
    lines = [
        f'{v.name} = keras.Input(batch_shape={declared_shape(v, axes)}, dtype="{v.dtype}", name="{v.name}")'
        for v in graph.inputs
    ]
    named = used_in_calls(graph, walked)
    constants, indices = (used_as(role, graph, registry) for role in ("tensor", "index"))
    lines += [
        f"{w.name} = {_weight(w, w.name in constants, w.name in indices)}" for w in graph.weights if w.name in named
    ]
    for step in walked:
        if step.layer is not None:
            lines.append(f"{step.node.name}_layer = {step.layer}")
        lines.append(f"{step.targets} = {step.call}")
        if step.state:
            sources = ", ".join(source for _, source in step.state)
            lines.append(f"{step.node.name}_layer.set_weights([{sources}])")
    inputs = ", ".join(v.name for v in graph.inputs)
    lines.append(f"return keras.Model([{inputs}], [{', '.join(graph.outputs)}])")
    return f"{HEADER}\n\n{helpers(walked)}def build(weights):\n" + "".join(f"    {line}\n" for line in lines)


def declared_shape(value: Value, axes: Axes) -> tuple[int | None, ...]:
    """The shape with None for each dynamic axis."""
    symbols = axes.get(value.name, (None,) * len(value.shape))
    return tuple(size if symbol is None else None for size, symbol in zip(value.shape, symbols, strict=True))


def _weight(weight: Value, is_constant: bool, is_index: bool) -> str:
    """A variable, as in any Keras model; constants and positions are what people write for them.

    Both kinds of positions, as their libraries make them: NumPy's integers are int64, TensorFlow's int32.
    """
    given = f'weights["{weight.name}"]'
    if is_index and weight.dtype != "int64":
        return f"ops.convert_to_tensor({given})"
    if is_constant or is_index:
        return given
    return f'keras.Variable({given}, trainable=False, dtype="{weight.dtype}")'


def build_keras(source: str, weights: dict[str, Array]) -> Any:
    """The model that the source defines."""
    return execute(source)["build"](weights)


def run_keras(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs for these inputs, in inference mode."""
    import tensorflow as tf

    made = model([tf.constant(a) for a in inputs.values()], training=False)
    return [t.numpy() for t in (made if isinstance(made, list | tuple) else (made,))]


def run_captured_keras(
    model: Any, inputs: dict[str, Array], axes: Axes = MappingProxyType({}), given: dict[str, Array] | None = None
) -> list[Array]:
    """The outputs of one TensorFlow graph traced for `inputs`, which is what a converter starts from; for other inputs
    where some are `given`.

    The tracing is the framework's own, where `torch.export` belongs to PyTorch's exporter.
    """
    import tensorflow as tf

    values = [Value(name, str(array.dtype), array.shape) for name, array in inputs.items()]
    signature = [tf.TensorSpec(declared_shape(v, axes), v.dtype, v.name) for v in values]
    captured = tf.function(lambda *arrays: model(list(arrays), training=False)).get_concrete_function(*signature)
    made = captured(*map(tf.constant, (given or inputs).values()))
    return [t.numpy() for t in (made if isinstance(made, list | tuple) else (made,))]
