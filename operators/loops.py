"""Loops of a number of rounds, and what goes along an axis: scans, folds, maps; in subgraphs, as in `control`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    emission,
    flag,
    named,
    number,
    operator,
    size,
    tensor,
)
from operators.control import ON_FLOATS, higher_order
from operators.precision import Array, wide


def _repeated(x: Array, *, times: int, factor: float) -> Array:
    x = wide(x)
    for i in range(times):
        x = x * factor + i
    return x


def _looped(name: str, doc: str, torch: Emission | None, keras: Emission | None) -> Operator:
    """x = x * factor + i, for each i below `times`."""

    def rule(require: Require, x: Tensor, *, times: int, factor: float) -> Shape:
        return x.shape

    return operator(
        tensor("x"),
        attrs={"times": size(1, 5), "factor": number(-1, 1)},
        reference=_repeated,
        torch=torch,
        keras=keras,
        **ON_FLOATS,
    )(named(name, doc, rule))


LOOPS = [
    _looped(
        "while_counted",
        "A loop of a given number of rounds, its counter a tensor.",
        higher_order(
            "while_counted({x}, {times}, {factor})",
            helper="""
            def while_counted(x, times, factor):
                def on(i, x):
                    return i < times

                def step(i, x):
                    return i + 1, x * factor + i

                return torch._higher_order_ops.while_loop(on, step, (torch.tensor(0), x.contiguous()))[1]
            """,
        ),
        emission(
            "layers.Lambda(while_counted, arguments=dict(times={times}, factor={factor}), dtype={x.dtype!r})({x})",
            helper="""
            def while_counted(x, times, factor):
                def on(i, x):
                    return i < times

                def step(i, x):
                    return i + 1, x * factor + ops.cast(i, x.dtype)

                return ops.while_loop(on, step, (ops.convert_to_tensor(0), x))[1]
            """,
        ),
    ),
    _looped(
        "while_bounded",
        "A loop that stops by its maximum of rounds.",
        None,
        emission(
            "layers.Lambda(while_bounded, arguments=dict(times={times}, factor={factor}), dtype={x.dtype!r})({x})",
            helper="""
            def while_bounded(x, times, factor):
                def step(i, x):
                    return i + 1, x * factor + ops.cast(i, x.dtype)

                start = (ops.convert_to_tensor(0), x)
                return ops.while_loop(lambda i, x: i < 100, step, start, maximum_iterations=times)[1]
            """,
        ),
    ),
    _looped(
        "loop_of_range",
        "A loop over a range (of TorchScript, in PyTorch).",
        emission(
            "loop_of_range({x}, {times}, {factor})",
            helper="""
            @torch.jit.script
            def loop_of_range(x, times: int, factor: float):
                for i in range(times):
                    x = x * factor + i
                return x
            """,
        ),
        emission("ops.fori_loop(0, {times}, lambda i, x: x * {factor} + ops.cast(i, {x.dtype!r}), {x})"),
    ),
]


# Over time


def _scanned(x: Array, *, decay: float, backward: bool) -> list[Array]:
    carry = np.zeros(x.shape[1:])
    made = [carry] * len(x)
    for t in range(len(x))[:: -1 if backward else 1]:
        carry = carry * decay + wide(x[t])
        made[t] = carry * 2
    return [carry, np.stack(made)]


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"decay": number(-1, 1), "backward": flag()},
    reference=_scanned,
    torch=higher_order(
        "scan_decaying({x}, {decay}, {backward})",
        helper="""
        def scan_decaying(x, decay, backward):
            def step(carry, x):
                carry = carry * decay + x
                return carry, carry * 2

            return torch._higher_order_ops.scan(step, torch.zeros_like(x[0]), x, dim=0, reverse=backward)
        """,
    ),
    keras=emission(
        "scan_decaying({x}, {decay}, {backward})",
        helper="""
        def scan_decaying(x, decay, backward):
            def step(carry, x):
                carry = carry * decay + x
                return carry, carry * 2

            return ops.scan(step, ops.zeros_like(x[0]), x, reverse=backward)
        """,
    ),
    **ON_FLOATS,
)
def scan_decaying(require: Require, x: Tensor, *, decay: float, backward: bool) -> list[Shape]:
    """A decaying sum along the first axis: the last one, and twice every one."""
    return [x.shape[1:], x.shape]


_COMBINED: Mapping[str, tuple[Any, str, str]] = {
    "add": (np.add, "torch.add", "ops.add"),
    "multiply": (np.multiply, "torch.mul", "ops.multiply"),
    "maximum": (np.maximum, "torch.maximum", "ops.maximum"),
}


def _accumulated(x: Array, *, along: int, backward: bool, combine: str) -> Array:
    ordered = np.flip(wide(x), along) if backward else wide(x)
    made = _COMBINED[combine][0].accumulate(ordered, along)
    return np.asarray(np.flip(made, along) if backward else made)


@operator(
    tensor("x", rank=range(1, 5), domain=(-1.5, 1.5)),
    attrs={"along": axis(), "backward": flag(), "combine": choice(*_COMBINED)},
    dtypes=FLOATS,
    reference=_accumulated,
    torch=lambda x, along, backward, combine: (
        f"torch._higher_order_ops.associative_scan({_COMBINED[combine][1]}, {x}, dim={along % x.rank}"
        f'{", reverse=True" if backward else ""}, combine_mode="generic")'
    ),
    keras=lambda x, along, backward, combine: (
        f"ops.associative_scan({_COMBINED[combine][2]}, {x}{', reverse=True' if backward else ''}, axis={along})"
    ),
)
def associative_scan(require: Require, x: Tensor, *, along: int, backward: bool, combine: str) -> Shape:
    """Running sums, products or maxima, in any order of combining."""
    return x.shape


def _mapped(name: str, doc: str, torch: Emission | None, keras: str | Emission) -> Operator:
    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    def reference(x: Array) -> Array:
        rows = wide(x).reshape(len(x), -1)
        return np.asarray((rows * np.sum(rows, 1, keepdims=True)).reshape(x.shape))

    declare = operator(tensor("x", rank=range(1, 5)), reference=reference, torch=torch, keras=keras, **ON_FLOATS)
    return declare(named(name, doc, rule))


_ROW = "lambda row: row * ops.sum(row)"

MAPS = [
    _mapped("map_rows", "Each row times its sum, row by row.", None, f"ops.map({_ROW}, {{x}})"),
    _mapped(
        "map_rows_at_once",
        "Each row times its sum, vectorized.",
        emission("torch.vmap(lambda row: row * row.sum())({x})"),
        f"ops.vectorized_map({_ROW}, {{x}})",
    ),
    _mapped(
        "map_rows_of_tensorflow",
        "Each row times its sum, by TensorFlow's map.",
        None,
        emission(
            "layers.Lambda(map_rows_of_tensorflow, dtype={x.dtype!r})({x})",
            helper="""
            def map_rows_of_tensorflow(x):
                import tensorflow as tf

                return tf.map_fn(lambda row: row * tf.reduce_sum(row), x)
            """,
        ),
    ),
    _mapped(
        "tensor_array_rows",
        "Each row times its sum, gathered in a TensorArray by a loop.",
        None,
        emission(
            "layers.Lambda(tensor_array_rows, dtype={x.dtype!r})({x})",
            helper="""
            def tensor_array_rows(x):
                import tensorflow as tf

                rows = tf.TensorArray(x.dtype, x.shape[0], element_shape=x.shape[1:])

                def step(i, rows):
                    return i + 1, rows.write(i, x[i] * tf.reduce_sum(x[i]))

                return tf.while_loop(lambda i, rows: i < x.shape[0], step, (0, rows))[1].stack()
            """,
        ),
    ),
]


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"decay": number(-1, 1)},
    reference=lambda x, *, decay: _scanned(x, decay=decay, backward=False)[0],
    keras=emission(
        "layers.Lambda(fold_decaying, arguments=dict(decay={decay}), dtype={x.dtype!r})({x})",
        helper="""
        def fold_decaying(x, decay):
            import tensorflow as tf

            return tf.foldl(lambda carry, row: carry * decay + row, x, initializer=tf.zeros_like(x[0]))
        """,
    ),
    **ON_FLOATS,
)
def fold_decaying(require: Require, x: Tensor, *, decay: float) -> Shape:
    """A decaying sum along the first axis, by TensorFlow's fold."""
    return x.shape[1:]


@operator(
    tensor("x", rank=range(1, 5)),
    **ON_FLOATS,
    reference=lambda x: wide(x) * 2,
    keras=emission(
        "layers.Lambda(tensor_array_growing, dtype={x.dtype!r})({x})",
        helper="""
        def tensor_array_growing(x):
            import tensorflow as tf

            rows = tf.TensorArray(x.dtype, 0, dynamic_size=True, element_shape=x.shape[1:])

            def step(i, rows):
                return i + 1, rows.write(i, x[i] * 2)

            rows = tf.while_loop(lambda i, rows: i < x.shape[0], step, (0, rows))[1]
            return tf.ensure_shape(rows.stack(), x.shape)
        """,
    ),
)
def tensor_array_growing(require: Require, x: Tensor) -> Shape:
    """Twice each row, gathered in a TensorArray that grows."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    *LOOPS,
    scan_decaying,
    associative_scan,
    *MAPS,
    tensor_array_growing,
    fold_decaying,
]
