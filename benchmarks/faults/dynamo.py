"""Faults of PyTorch's default exporter, and of the runtime behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.faults import surgery as s
from benchmarks.faults.fault import Altered, Fault
from benchmarks.faults.places import (
    DYNAMO,
    Note,
    captured,
    converted,
    invalid,
    kernel,
    optimized,
    optimized_by_runtime,
    translated,
    unloadable,
    unloaded,
)
from graphfuzz.oracle.attribution.evidence import NODE_CONVERSION
from graphfuzz.oracle.ledger import replaced


def _exchanged(first: int) -> Callable[[Any], bool]:
    """Two operands of a captured node change places."""

    def change(node: Any) -> bool:
        one, other = node.args[first : first + 2]
        if one is other:
            return False
        node.args = (*node.args[:first], other, one, *node.args[first + 2 :])
        return True

    return change


def _added(node: Any) -> bool:
    """A product is captured as a sum."""
    import torch

    if node.meta["val"].dtype == torch.bool:
        return False
    node.target = torch.ops.aten.add.Tensor
    return True


def _sub(plain: Any, note: Note) -> Any:
    def sub(one: Any, other: Any, **options: Any) -> Any:
        note()
        return plain(other, one, **options)

    return sub


def _linear(plain: Any, note: Note) -> Any:
    def linear(x: Any, weight: Any, bias: Any = None) -> Any:
        if bias is not None:
            note()
        return plain(x, weight, None)

    return linear


def _gelu(plain: Any, note: Note) -> Any:
    def gelu(x: Any, approximate: str = "none") -> Any:
        note()
        return plain(x, approximate="tanh" if approximate == "none" else "none")

    return gelu


def _mean(plain: Any, note: Note) -> Any:
    def mean(x: Any, axes: Any, *rest: Any, **options: Any) -> Any:
        rank = len(x.shape)
        if isinstance(axes, int) or len(axes) != 1 or rank < 2:
            return plain(x, axes, *rest, **options)
        note()
        return plain(x, [(axes[0] + 1) % rank], *rest, **options)

    return mean


def _tanh(plain: Any, note: Note) -> Any:
    def tanh(x: Any) -> Any:
        if x.dtype is not None and x.dtype.name == "DOUBLE":
            note()
            raise AssertionError("tanh is for float32")
        return plain(x)

    return tanh


def _unsqueeze(plain: Any, note: Note) -> Any:
    def unsqueeze(x: Any, axis: Any) -> Any:
        if len(x.shape) == 2:
            note()
            raise AssertionError("there is no third axis")
        return plain(x, axis)

    return unsqueeze


@contextmanager
def _stale(altered: Altered) -> Iterator[None]:
    """A size that is not known is that of the inputs with which the model is exported."""
    from torch.onnx._internal.exporter import _dispatching

    def wrapped(plain: Any) -> Any:
        def dispatch(node: Any, registry: Any) -> Any:
            function, message = plain(node, registry)
            size = node.meta.get("val")
            if function is None or str(node.target) != "aten.sym_size.int" or not hasattr(size, "node"):
                return function, message

            def sym_size(x: Any, axis: Any) -> Any:
                import onnxscript

                altered.append("aten::sym_size.int")
                return onnxscript.evaluator.default().eval(
                    onnxscript.values.Op(onnxscript.opset18, "Constant"), [], {"value_int": int(size.node.hint)}
                )

            return sym_size, message

        return dispatch

    with replaced(_dispatching, "dispatch", wrapped):
        yield


FAULTS = (
    captured("dynamo-capture-sub-swapped", "swapped operands", "aten::sub.Tensor", _exchanged(0)),
    captured("dynamo-capture-where-swapped", "swapped operands", "aten::where.self", _exchanged(1)),
    captured("dynamo-capture-mul-is-add", "wrong operator", "aten::mul.Tensor", _added),
    translated("dynamo-sub-swapped", DYNAMO, "swapped operands", "aten::sub.Tensor", _sub),
    translated("dynamo-linear-without-bias", DYNAMO, "dropped bias", "aten::linear", _linear),
    translated("dynamo-gelu-other-form", DYNAMO, "wrong attribute", "aten::gelu", _gelu),
    translated("dynamo-mean-other-axis", DYNAMO, "wrong axis", "aten::mean.dim", _mean),
    translated("dynamo-tanh-crash-float64", DYNAMO, "crash", "aten::tanh", _tanh),
    translated("dynamo-unsqueeze-crash-rank-2", DYNAMO, "crash", "aten::unsqueeze", _unsqueeze),
    Fault("dynamo-sizes-baked-in", DYNAMO, "stale shape", NODE_CONVERSION, _stale, entry="aten::sym_size.int"),
    converted("dynamo-round-down", DYNAMO, "wrong rounding", s.nodes("Round", s.to("Floor"))),
    converted(
        "dynamo-reduction-keeps-axes",
        DYNAMO,
        "wrong attribute",
        s.nodes(("ReduceMax", "ReduceMin"), s.attribute("keepdims", s.flipped, 1)),
    ),
    converted("dynamo-layer-norm-without-bias", DYNAMO, "dropped bias", s.nodes("LayerNormalization", s.without(2))),
    converted(
        "dynamo-add-float64-narrow",
        DYNAMO,
        "one dtype only",
        s.nodes("Add", s.detoured(s.FLOAT), where=s.of_dtype(s.DOUBLE)),
    ),
    converted("dynamo-sub-float64", DYNAMO, "dtype changed", s.nodes("Sub", s.retyped(s.FLOAT, s.DOUBLE))),
    optimized(
        "dynamo-optimizer-constants-bfloat16",
        DYNAMO,
        "precision lost",
        s.nodes(("Mul", "Add", "Sub", "Div"), s.narrowed("bfloat16")),
    ),
    invalid("dynamo-gather-attribute", DYNAMO, s.nodes("Gather", s.given("batch_dims", 1))),
    unloadable("dynamo-neg-foreign", DYNAMO, s.nodes("Neg", s.foreign)),
    optimized_by_runtime(
        "ort-dynamo-folding-float16",
        DYNAMO,
        "precision lost",
        s.nodes(("Mul", "Add", "Sub", "Div", "Where"), s.narrowed("float16")),
        "ConstantFolding",
    ),
    optimized_by_runtime("ort-dynamo-drops-clip", DYNAMO, "dead output", s.nodes("Clip", s.skipped), "ReluClipFusion"),
    kernel("ort-dynamo-cumsum", DYNAMO, "wrong attribute", s.nodes("CumSum", s.attribute("exclusive", s.flipped, 0))),
    kernel("ort-dynamo-sqrt-float16", DYNAMO, "precision lost", s.nodes(("Sqrt", "Exp"), s.detoured(s.FLOAT16))),
    unloaded("ort-dynamo-refuses-expand", DYNAMO, s.nodes("Expand", s.undefined), "Expand: shapes are not understood"),
)
