"""The targets at hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from graphfuzz.graph import Array
from graphfuzz.oracle.checking import doubt
from graphfuzz.oracle.converted import float_attributes
from graphfuzz.oracle.declared import misdeclared
from graphfuzz.oracle.execution import OFF, feeds, is_unable, run_at, run_reference
from graphfuzz.oracle.runtime import lacks_kernel, load_onnx, run_onnx
from graphfuzz.oracle.target import Target

ONNX_RUNTIME = Target(
    name="onnxruntime",
    file="model.onnx",
    pack=lambda model: bytes(model.SerializeToString()),
    load=load_onnx,
    run=run_onnx,
    lacks=lacks_kernel,
    doubt=doubt,
    declared=misdeclared,
    rounded=float_attributes,
    plain=partial(run_at, level=OFF),
    reference=run_reference,
    unable=is_unable,
    is_onnx=True,
    has_optimizers=True,
)


def load_reference(model: Any) -> Any:
    """ONNX's reference evaluator on a model or its bytes."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(onnx.load_from_string(model) if isinstance(model, bytes) else model)


def run_evaluator(evaluator: Any, inputs: dict[str, Array]) -> list[Array]:
    """The model's outputs, in order."""
    import numpy as np

    return [np.asarray(array) for array in evaluator.run(None, feeds(evaluator, inputs))]


ONNX_REFERENCE = msgspec.structs.replace(
    ONNX_RUNTIME,
    name="onnx.reference",
    load=load_reference,
    run=run_evaluator,
    helpers=(feeds,),
    lacks=is_unable,
    plain=None,
    reference=partial(run_at, level=OFF),
    unable=lacks_kernel,
    has_optimizers=False,
)
