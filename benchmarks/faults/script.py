"""Faults of PyTorch's TorchScript exporter, and of the runtime behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.faults import surgery as s
from benchmarks.faults.fault import Altered, Fault
from benchmarks.faults.places import (
    SCRIPT,
    Note,
    converted,
    invalid,
    kernel,
    optimized,
    optimized_by_runtime,
    translated,
    translating,
    unloadable,
    unloaded,
)
from graphfuzz.oracle.attribution.evidence import NODE_CONVERSION
from graphfuzz.oracle.ledger import replaced


def _swapped(plain: Any, note: Note) -> Any:
    def symbolic(g: Any, one: Any, other: Any, *rest: Any) -> Any:
        if one is not other:
            note()
        return plain(g, other, one, *rest)

    return symbolic


@contextmanager
def _stale(altered: Altered) -> Iterator[None]:
    """A size that is not known is that of the inputs with which the model is exported: the exporter keeps the traced
    shapes, and makes constants of them."""
    import torch

    dynamic: list[str] = []

    def keeping(plain: Any) -> Any:
        def set_shapes(graph: Any, axes: Any, names: Any) -> Any:
            dynamic[:] = axes
            return None if dynamic else plain(graph, axes, names)

        return set_shapes

    def constant(plain: Any) -> Any:
        def size(g: Any, x: Any, axis: Any = None) -> Any:
            sizes = x.type().sizes()
            if not dynamic or sizes is None or axis is None or axis.node().kind() != "onnx::Constant":
                return plain(g, x, axis)
            altered.append("aten::size")
            return g.op("Constant", value_t=torch.tensor(sizes[axis.node().t("value").item()]))

        return size

    with (
        replaced(torch._C, "_jit_pass_onnx_set_dynamic_input_shape", keeping),
        translating(SCRIPT, "aten::size", constant),
    ):
        yield


def _layer_norm(plain: Any, note: Note) -> Any:
    def symbolic(g: Any, x: Any, shape: Any, weight: Any, bias: Any, *rest: Any) -> Any:
        if bias.node().mustBeNone():
            return plain(g, x, shape, weight, bias, *rest)
        note()
        return plain(g, x, shape, weight, g.op("Mul", bias, g.op("Constant", value_t=_zero(bias))), *rest)

    return symbolic


def _zero(like: Any) -> Any:
    import torch

    return torch.zeros((), dtype=like.type().dtype())


def _crash_above(rank: int) -> Callable[[Any, Note], Any]:
    """Operands of more axes are more than the symbolic function expects."""

    def exchange(plain: Any, note: Note) -> Any:
        def symbolic(g: Any, x: Any, *rest: Any) -> Any:
            if (x.type().dim() or 0) > rank:
                note()
                raise AssertionError(f"at most {rank} axes")
            return plain(g, x, *rest)

        return symbolic

    return exchange


def _negated(plain: Any, note: Note) -> Any:
    """Wrong for float64 only."""

    def symbolic(g: Any, x: Any, *rest: Any) -> Any:
        made = plain(g, x, *rest)
        if x.type().scalarType() != "Double":
            return made
        note()
        return g.op("Neg", made)

    return symbolic


def _halved(array: Any) -> Any:
    return array / 2 if array.dtype.kind == "f" else None


FAULTS = (
    translated("script-sub-swapped", SCRIPT, "swapped operands", "aten::sub", _swapped),
    translated("script-gt-swapped", SCRIPT, "swapped operands", "aten::gt", _swapped),
    Fault("script-sizes-baked-in", SCRIPT, "stale shape", NODE_CONVERSION, _stale, entry="aten::size"),
    translated("script-layer-norm-without-bias", SCRIPT, "dropped bias", "aten::layer_norm", _layer_norm),
    translated("script-cumsum-crash-many-axes", SCRIPT, "crash", "aten::cumsum", _crash_above(1)),
    translated("script-neg-crash-many-axes", SCRIPT, "crash", "aten::neg", _crash_above(1)),
    translated("script-abs-float64", SCRIPT, "one dtype only", "aten::abs", _negated),
    converted("script-round-up", SCRIPT, "wrong rounding", s.nodes("Round", s.to("Ceil"))),
    converted(
        "script-pad-mode",
        SCRIPT,
        "wrong padding",
        s.nodes("Pad", s.attribute("mode", lambda value, node, patient: b"edge" if value != b"edge" else None, b"")),
    ),
    converted(
        "script-reduction-keeps-axes",
        SCRIPT,
        "wrong attribute",
        s.nodes(("ReduceSum", "ReduceMean"), s.attribute("keepdims", s.flipped, 1)),
    ),
    converted("script-conv-without-bias", SCRIPT, "dropped bias", s.nodes(("Conv", "Gemm"), s.without(2))),
    converted(
        "script-leaky-slope",
        SCRIPT,
        "wrong attribute",
        s.nodes(("LeakyRelu", "Elu", "Celu"), s.attribute("alpha", lambda value, node, patient: value / 2, 1.0)),
    ),
    converted("script-mul-rank-4", SCRIPT, "one rank only", s.nodes("Mul", s.negated, where=s.of_rank(4))),
    converted(
        "script-div-int64",
        SCRIPT,
        "one dtype only",
        s.nodes(("Add", "Mul", "Sub"), s.zeroed, where=s.of_dtype(s.INT64)),
    ),
    converted("script-pow-swapped", SCRIPT, "swapped operands", s.nodes("Pow", s.swapped())),
    converted("script-tanh-dead", SCRIPT, "dead output", s.nodes(("Tanh", "Sigmoid"), s.zeroed)),
    optimized("script-folding-bfloat16", SCRIPT, "precision lost", s.nodes(("Mul", "Add"), s.narrowed("bfloat16"))),
    optimized("script-folding-halves", SCRIPT, "wrong attribute", s.nodes(("Div", "Mul"), s.constant(1, _halved))),
    invalid("script-unsqueeze-of-nobody", SCRIPT, s.nodes("Unsqueeze", s.undefined)),
    invalid("script-cast-to-nothing", SCRIPT, s.nodes("Cast", s.bare("to"))),
    unloadable("script-where-foreign", SCRIPT, s.nodes("Where", s.foreign)),
    optimized_by_runtime(
        "ort-script-max-is-min", SCRIPT, "wrong operator", s.nodes(("ReduceMax",), s.to("ReduceMin")), "ConstantFolding"
    ),
    optimized_by_runtime(
        "ort-script-drops-relu", SCRIPT, "dead output", s.nodes(("Relu", "Abs"), s.skipped), "EliminateIdentity"
    ),
    kernel("ort-script-div-swapped", SCRIPT, "swapped operands", s.nodes("Div", s.swapped())),
    kernel("ort-script-erf-float16", SCRIPT, "precision lost", s.nodes(("Erf", "Log", "Exp"), s.detoured(s.FLOAT16))),
    unloaded("ort-script-refuses-concat", SCRIPT, s.nodes("Concat", s.undefined), "Concat: too many operands"),
)
