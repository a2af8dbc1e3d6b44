"""Faults of tf2onnx, and of the runtime behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.faults import surgery as s
from benchmarks.faults.places import (
    TF2ONNX,
    Note,
    converted,
    invalid,
    kernel,
    optimized,
    optimized_by_runtime,
    translated,
    unloadable,
    unloaded,
)


def _swapped(plain: Any, note: Note) -> Any:
    def version(graph: Any, node: Any, **options: Any) -> Any:
        one, other = node.input[:2]
        if one != other:
            note()
            graph.replace_input(node, one, other, 0)
            graph.replace_input(node, other, one, 1)
        return plain(graph, node, **options)

    return version


def _retyped(operator: str) -> Callable[[Any, Note], Any]:
    """The node ends up as another operator."""

    def exchange(plain: Any, note: Note) -> Any:
        def version(graph: Any, node: Any, **options: Any) -> Any:
            plain(graph, node, **options)
            note()
            node.type = operator

        return version

    return exchange


def _crash(condition: Callable[[Any, Any], bool], complaint: str) -> Callable[[Any, Note], Any]:
    def exchange(plain: Any, note: Note) -> Any:
        def version(graph: Any, node: Any, **options: Any) -> Any:
            if condition(graph, node):
                note()
                raise AssertionError(complaint)
            return plain(graph, node, **options)

        return version

    return exchange


def _has_rank(rank: int) -> Callable[[Any, Any], bool]:
    return lambda graph, node: len(graph.get_shape(node.input[0]) or ()) == rank


def _is_float64(graph: Any, node: Any) -> bool:
    return bool(graph.get_dtype(node.input[0]) == s.DOUBLE)


def _bias(plain: Any, note: Note) -> Any:
    """The bias is left out."""

    def version(graph: Any, node: Any, **options: Any) -> Any:
        note()
        node.type = "Identity"
        graph.remove_input(node, node.input[1], 1)

    return version


def _expanded(plain: Any, note: Note) -> Any:
    """The new axis is the first one."""

    def version(graph: Any, node: Any, **options: Any) -> Any:
        axis = node.inputs[1]
        if axis.is_const() and int(axis.get_tensor_value(as_list=False)) != 0:
            note()
            import numpy as np

            first = graph.make_const(f"{node.name}_first", np.array(0, "int32"))
            graph.replace_input(node, node.input[1], first.output[0], 1)
        return plain(graph, node, **options)

    return version


FAULTS = (
    translated("tf-sub-swapped", TF2ONNX, "swapped operands", "Sub", _swapped),
    translated("tf-pow-swapped", TF2ONNX, "swapped operands", "Pow", _swapped),
    translated("tf-tanh-is-sigmoid", TF2ONNX, "wrong operator", "Tanh", _retyped("Sigmoid")),
    translated("tf-floor-up", TF2ONNX, "wrong rounding", "Floor", _retyped("Ceil")),
    translated("tf-bias-dropped", TF2ONNX, "dropped bias", "BiasAdd", _bias),
    translated("tf-expand-first-axis", TF2ONNX, "wrong axis", "ExpandDims", _expanded),
    translated("tf-neg-crash-rank-2", TF2ONNX, "crash", "Neg", _crash(_has_rank(2), "no operand has two axes")),
    translated("tf-sigmoid-crash-float64", TF2ONNX, "crash", "Sigmoid", _crash(_is_float64, "float32 only")),
    converted("tf-ceil-down", TF2ONNX, "wrong rounding", s.nodes("Ceil", s.to("Floor"))),
    converted(
        "tf-transpose-reversed",
        TF2ONNX,
        "wrong axis",
        s.nodes("Transpose", s.attribute("perm", lambda value, node, patient: value[::-1])),
    ),
    converted(
        "tf-cumsum-direction", TF2ONNX, "wrong attribute", s.nodes("CumSum", s.attribute("reverse", s.flipped, 0))
    ),
    converted("tf-topk-smallest", TF2ONNX, "wrong attribute", s.nodes("TopK", s.attribute("largest", s.flipped, 1))),
    converted(
        "tf-min-float64",
        TF2ONNX,
        "one dtype only",
        s.nodes(("Add", "Mul"), s.detoured(s.FLOAT), where=s.of_dtype(s.DOUBLE)),
    ),
    converted("tf-shapes-baked-in", TF2ONNX, "stale shape", s.nodes("Shape", s.baked)),
    optimized("tf-folding-bfloat16", TF2ONNX, "precision lost", s.nodes(("Mul", "Add", "Sub"), s.narrowed("bfloat16"))),
    invalid("tf-not-twice", TF2ONNX, s.nodes("Not", s.twice)),
    unloadable("tf-sqrt-foreign", TF2ONNX, s.nodes("Sqrt", s.foreign)),
    optimized_by_runtime(
        "ort-tf-max-is-min", TF2ONNX, "wrong operator", s.nodes("Max", s.to("Min")), "ConstantFolding"
    ),
    optimized_by_runtime(
        "ort-tf-drops-relu", TF2ONNX, "dead output", s.nodes(("Relu", "Neg"), s.skipped), "EliminateIdentity"
    ),
    kernel("ort-tf-greater-swapped", TF2ONNX, "swapped operands", s.nodes("Greater", s.swapped())),
    kernel("ort-tf-sigmoid-float16", TF2ONNX, "precision lost", s.nodes(("Sigmoid", "Exp"), s.detoured(s.FLOAT16))),
    unloaded("ort-tf-refuses-slice", TF2ONNX, s.nodes("Slice", s.undefined), "Slice: axes are not understood"),
)
