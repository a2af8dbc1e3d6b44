"""The shapes that a converted model states of itself, held against a run."""

from __future__ import annotations

from typing import Any

from graphfuzz.graph import Array


def misdeclared(model: Any, inputs: dict[str, Array], outputs: list[Array]) -> tuple[int, str] | None:
    """The first output whose declared shape is another than it has, by its position and in words; None where all fit.

    inputs, outputs: of one run; an input's position is -1. A symbol is one size throughout the model (onnx.proto,
    `Dimension.dim_param`), so one that is declared for axes of different sizes is wrong, too. The exporters write sums,
    differences, products and rounded quotients of symbols, which are computed; what else they write states nothing that
    could be held against them. Self-contained, for its text goes into `repro.py`.
    """
    import ast
    import operator

    binary = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
    }
    sizes: dict[str, int] = {}

    def value(tree: Any) -> Any:
        if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
            return tree.value
        if isinstance(tree, ast.Name):
            return sizes.get(tree.id)
        if isinstance(tree, ast.BinOp) and type(tree.op) in binary:
            left, right = value(tree.left), value(tree.right)
            divides = isinstance(tree.op, ast.FloorDiv | ast.Mod)
            unknown = left is None or right is None or (divides and right == 0)
            return None if unknown else binary[type(tree.op)](left, right)
        return None

    def stated(dimension: Any) -> Any:
        if dimension.HasField("dim_value"):
            return dimension.dim_value
        try:
            return value(ast.parse(dimension.dim_param, mode="eval").body)
        except SyntaxError:
            return None

    named = [(-1, value.name, value, inputs[value.name]) for value in model.graph.input if value.name in inputs]
    named += [(i, value.name, value, outputs[i]) for i, value in enumerate(model.graph.output)]
    for position, name, info, array in named:
        dimensions = info.type.tensor_type.shape.dim
        if len(dimensions) != array.ndim:
            continue
        for axis, (dimension, size) in enumerate(zip(dimensions, array.shape, strict=True)):
            told = stated(dimension)
            if told is None and dimension.dim_param.isidentifier():
                sizes[dimension.dim_param] = size
            elif told is not None and told != size:
                written = dimension.dim_param or str(dimension.dim_value)
                return position, f"axis {axis} of {name} is declared as {written} = {told}, and is {size}"
    return None
