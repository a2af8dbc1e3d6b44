"""ONNX's check of a converted model, and how far it is believed."""

from __future__ import annotations

from typing import Any

from graphfuzz.graph import Case, Graph, Values
from graphfuzz.oracle.causes import disputes_shapes
from graphfuzz.spec.dtypes import is_complex


class WrongInputs(Exception):
    """The converted model asks for inputs that the source model does not have."""


def check(proto: Any, inputs: Values, inference: bool = True) -> None:
    """Raises unless the model has no other inputs, and passes ONNX's check; with inference, the full one."""
    import onnx

    given = {value.name for value in proto.graph.initializer} | set(inputs)
    strange = [value.name for value in proto.graph.input if value.name not in given]
    if strange:
        raise WrongInputs(f"the converted model has inputs that the source model has not: '{', '.join(strange)}'")
    onnx.checker.check_model(proto, full_check=inference)


def doubt(proto: Any, case: Case) -> Exception | None:
    """The objection of shape inference to the model's shapes, if that is all that the check finds. Else raises.

    Inference has defects of its own (github.com/onnx/onnx/issues/5711), so the runtime decides who is right; but not
    where the model declares other outputs than the source model has.
    """
    import onnx

    try:
        check(proto, case.inputs())
    except onnx.shape_inference.InferenceError as error:
        if not disputes_shapes(error) or not _declares_outputs(proto, case.graph):
            raise
        return error
    return None


_REAL_ONNX = (1, 11)
"""ONNX's numbers for float and double (onnx.TensorProto.DataType)."""


def _declares_outputs(proto: Any, graph: Graph) -> bool:
    """Whether the outputs' shapes, as far as the model declares sizes, are those of the graph (see `as_complex`)."""
    stated = graph.values()
    for name, output in zip(graph.outputs, proto.graph.output, strict=False):
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in output.type.tensor_type.shape.dim]
        shape = stated[name].shape
        if is_complex(stated[name].dtype) and output.type.tensor_type.elem_type in _REAL_ONNX:
            shape = (*shape, 2)
        if len(sizes) != len(shape) or any(s is not None and s != t for s, t in zip(sizes, shape, strict=True)):
            return False
    return True
