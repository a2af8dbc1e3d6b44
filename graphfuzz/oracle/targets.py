"""The targets at hand."""

from __future__ import annotations

from functools import partial

from graphfuzz.oracle.checking import doubt
from graphfuzz.oracle.converted import float_attributes
from graphfuzz.oracle.declared import misdeclared
from graphfuzz.oracle.execution import OFF, is_unable, run_at, run_reference
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
