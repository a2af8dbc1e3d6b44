"""Ways to run one ONNX model other than the oracle's: optimizations off, one optimizer off, another evaluator."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterable
from typing import Any

from graphfuzz.graph import Array, Values
from graphfuzz.oracle.causes import class_name, root_cause
from graphfuzz.oracle.runtime import run_onnx

OFF = "disable all"
LEVELS = {
    OFF: "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
"""ONNX Runtime's levels of optimization by our names; "all" is its default."""

RULES = (
    "EliminateIdentity",
    "EliminateSlice",
    "UnsqueezeElimination",
    "EliminateDropout",
    "ExpandElimination",
    "CastElimination",
    "CastChainElimination",
    "NoopElimination",
    "PreShapeNodeElimination",
    "DivMulFusion",
    "FuseReluClip",
    "GemmSumFusion",
    "GemmTransposeFusion",
    "NotWhereFusion",
    "ConvAddFusion",
    "ConvMulFusion",
    "ConvBNFusion",
    "PadFusion",
    "MatMul_BatchNormalization_Fusion",
    "LabelEncoderFusion",
    "ClipQuantRewrite",
    "ReluQuantRewrite",
    "ConstantFoldingDQ",
)
"""The rules that its rule-based transformers apply (onnxruntime/core/optimizer/graph_transformer_utils.cc). It logs
which transformer acted, and no rule; a name that a version does not have does nothing there."""

_RULE_BASED = "RuleBasedTransformer"


def run_at(model: bytes, inputs: Values, level: str = "all", disabled: Collection[str] = ()) -> list[Array]:
    """The model's outputs by ONNX Runtime at a level of optimization, without some of its optimizers."""
    return run_onnx(_session(model, level, disabled, severity=4), dict(inputs))


def run_reference(model: bytes, inputs: Values) -> list[Array]:
    """The model's outputs by ONNX's reference evaluator. Raises what it raises, on what it does not know as well."""
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(model))
    return [np.asarray(array) for array in evaluator.run(None, feeds(evaluator, inputs))]


def is_unable(error: BaseException) -> bool:
    """Whether the reference evaluator says that it has no such operator."""
    return isinstance(root_cause(error), NotImplementedError) or "onnx.reference" in class_name(error)


def feeds(evaluator: Any, inputs: Values) -> dict[str, Array]:
    """The inputs as the model declares them: complex numbers as pairs, if need be. Raises TypeError where it declares
    another type."""
    import numpy as np
    from onnx import helper

    feeds = {}
    for name, info in zip(evaluator.input_names, evaluator.input_types, strict=True):
        array, declared = inputs[name], helper.tensor_dtype_to_np_dtype(info.tensor_type.elem_type)
        pairs = array.dtype.kind == "c" and declared.kind == "f"
        feeds[name] = np.stack([array.real, array.imag], -1) if pairs else array
        if feeds[name].dtype != declared:
            raise TypeError(f"the model declares '{name}' as {declared}, not {array.dtype}")
    return feeds


def acting_optimizers(model: bytes) -> tuple[str, ...]:
    """The optimizers that change the model as ONNX Runtime loads it, in order, by its log; of rules, all there are.

    Of a model that they make fail to load, the log does not name the one at work: then it is all that there are.
    """
    acted, loaded = _logged(model, r"GraphTransformer (\S+) modified: 1")
    return _with_rules(acted) if loaded else all_optimizers()


def all_optimizers() -> tuple[str, ...]:
    """The optimizers that ONNX Runtime has here, in order."""
    return _with_rules(_logged(_identity(), r"GraphTransformer (\S+) modified")[0])


def _with_rules(acted: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for name in acted for one in (name, *(RULES if name.endswith(_RULE_BASED) else ())))


def _logged(model: bytes, pattern: str) -> tuple[dict[str, None], bool]:
    """What the log of loading a model says, in order, and whether the model was loaded."""
    loaded = True
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            _session(model, "all", (), severity=1)
        except Exception:  # noqa: BLE001 - whatever the runtime raises is the finding itself; here its log counts
            loaded = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        log.seek(0)
        return dict.fromkeys(re.findall(pattern, log.read().decode(errors="replace"))), loaded


def _identity() -> bytes:
    """A model that does nothing."""
    from onnx import TensorProto, helper

    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [given], [made])
    opset = helper.make_opsetid("", 18)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString())


def _session(model: bytes, level: str, disabled: Collection[str], severity: int) -> Any:
    """As `load_onnx` makes it, but for what is told."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = severity
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[level])
    more = {"disabled_optimizers": sorted(disabled)} if disabled else {}
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], **more)
