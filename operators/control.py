"""Control flow with subgraphs: branches, loops, scans, maps; each subgraph is a small computation on floats.

The functions that a model branches to stand above it, as people write them. PyTorch has higher-order operators for
them (https://docs.pytorch.org/docs/stable/higher_order_ops/index.html), which its default exporter converts, and
TorchScript, which the other one does. Keras: https://keras.io/api/ops/core/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    broadcast,
    choice,
    emission,
    flag,
    index,
    number,
    operator,
    size,
    tensor,
)
from operators.precision import Array, wide

DOMAIN = (-4.0, 4.0)
_FLOATS: dict[str, Any] = {"dtypes": FLOATS, "domain": DOMAIN}


def _higher_order(call: str, helper: str) -> Emission:
    """An emission of a higher-order operator, which PyTorch compiles wherever it stands: in two dtypes only."""
    return emission(call, helper=helper, dtypes=("float32", "float64"))


def _decided(x: Array, y: Array | float = 0.0) -> bool:
    """Whether a comparison of the sums comes out the same in any precision."""
    apart = abs(float(np.sum(wide(x))) - float(np.sum(y)))
    return apart > 0.25 + 0.05 * float(np.sum(np.abs(wide(x))) + np.sum(np.abs(y)))


def _same(name: str, doc: str) -> Callable[..., Any]:
    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    rule.__name__, rule.__doc__ = name, doc
    return rule


def _of_one(
    name: str,
    doc: str,
    reference: Callable[..., Any],
    torch: Emission | None,
    keras: Emission | None,
    defined: Callable[..., bool] | None = None,
) -> Operator:
    """An operator on x of any rank, to a tensor of its shape."""
    return operator(tensor("x"), reference=reference, defined=defined, torch=torch, keras=keras, **_FLOATS)(
        _same(name, doc)
    )


# Branches


def _branched(x: Array) -> Array:
    return wide(x) * 2 + 1 if np.sum(wide(x)) > 0 else np.sin(wide(x))


def _nested(x: Array) -> Array:
    x = wide(x)
    if np.sum(x) > 0:
        return x / 2 if np.sum(x) > 4 else x + 1
    return -x


def _scripted_while(x: Array) -> Array:
    x = wide(x)
    while np.sum(np.abs(x)) < 50:
        x = np.abs(x) * 2 + 1
    return x


def _grows_decidedly(x: Array) -> bool:
    """No sum on the way to the limit is near it."""
    now = wide(x)
    for _ in range(12):
        total = float(np.sum(np.abs(now)))
        if abs(total - 50) < 5:
            return False
        if total > 50:
            return True
        now = np.abs(now) * 2 + 1
    return False


BRANCHES = [
    _of_one(
        "cond_on_sum",
        "One of two computations, by the sign of the sum.",
        _branched,
        _higher_order(
            "torch.cond({x}.sum() > 0, cond_on_sum_if, cond_on_sum_else, ({x},))",
            helper="""
            def cond_on_sum_if(x):
                return x * 2 + 1


            def cond_on_sum_else(x):
                return torch.sin(x)
            """,
        ),
        emission(
            "layers.Lambda(cond_on_sum, dtype={x.dtype!r})({x})",
            helper="""
            def cond_on_sum(x):
                return ops.cond(ops.sum(x) > 0, lambda: x * 2 + 1, lambda: ops.sin(x))
            """,
        ),
        _decided,
    ),
    _of_one(
        "cond_nested",
        "One of three computations, by two comparisons of the sum.",
        _nested,
        _higher_order(
            "torch.cond({x}.sum() > 0, cond_nested_if, cond_nested_else, ({x},))",
            helper="""
            def cond_nested_if(x):
                return torch.cond(x.sum() > 4, lambda x: x / 2, lambda x: x + 1, (x,))


            def cond_nested_else(x):
                return -x
            """,
        ),
        emission(
            "layers.Lambda(cond_nested, dtype={x.dtype!r})({x})",
            helper="""
            def cond_nested(x):
                def positive():
                    return ops.cond(ops.sum(x) > 4, lambda: x / 2, lambda: x + 1)

                return ops.cond(ops.sum(x) > 0, positive, lambda: -x)
            """,
        ),
        lambda x: _decided(x) and _decided(x, 4.0),
    ),
    _of_one(
        "scripted_branch",
        "A branch in a TorchScript function, by the sign of the sum.",
        _branched,
        emission(
            "scripted_branch({x})",
            helper="""
            @torch.jit.script
            def scripted_branch(x):
                if bool(x.sum() > 0):
                    y = x * 2 + 1
                else:
                    y = torch.sin(x)
                return y
            """,
        ),
        None,
        _decided,
    ),
    _of_one(
        "scripted_while",
        "A loop in a TorchScript function, until the magnitudes sum up to fifty.",
        _scripted_while,
        emission(
            "scripted_while({x})",
            helper="""
            @torch.jit.script
            def scripted_while(x):
                while bool(x.abs().sum() < 50):
                    x = x.abs() * 2 + 1
                return x
            """,
        ),
        None,
        _grows_decidedly,
    ),
    _of_one(
        "while_growing",
        "A loop until the magnitudes sum up to fifty.",
        _scripted_while,
        _higher_order(
            "torch._higher_order_ops.while_loop(while_growing_on, while_growing_step, ({x},))[0]",
            helper="""
            def while_growing_on(x):
                return x.abs().sum() < 50


            def while_growing_step(x):
                return (x.abs() * 2 + 1,)
            """,
        ),
        emission("ops.while_loop(lambda x: ops.sum(ops.abs(x)) < 50, lambda x: (ops.abs(x) * 2 + 1,), ({x},))[0]"),
        _grows_decidedly,
    ),
]


REGIONS = [
    _of_one(
        "region_twice",
        "A computation marked as a region of its own, used twice.",
        lambda x: np.sin(wide(x)) * 2 + np.sin(wide(x) + 1) * 2,
        emission(
            "region_twice({x}) + region_twice({x} + 1)",
            helper="""
            @torch.compiler.nested_compile_region
            def region_twice(x):
                return torch.sin(x) * 2
            """,
        ),
        None,
    ),
]


@operator(
    tensor("condition", "bool", rank=0),
    tensor("x"),
    reference=lambda condition, x: wide(x) * 2 + 1 if condition else np.sin(wide(x)),
    torch=_higher_order(
        "torch.cond({condition}, cond_on_flag_if, cond_on_flag_else, ({x},))",
        helper="""
        def cond_on_flag_if(x):
            return x * 2 + 1


        def cond_on_flag_else(x):
            return torch.sin(x)
        """,
    ),
    keras=emission(
        "layers.Lambda(cond_on_flag, dtype={x.dtype!r})([{condition}, {x}])",
        helper="""
        def cond_on_flag(given):
            condition, x = given
            return ops.cond(condition, lambda: x * 2 + 1, lambda: ops.sin(x))
        """,
    ),
    **_FLOATS,
)
def cond_on_flag(require: Require, condition: Tensor, x: Tensor) -> Shape:
    """One of two computations, by a given bool."""
    return x.shape


def _pair(x: Array, y: Array) -> tuple[Array, Array]:
    x, y = wide(x), wide(y)
    return (x + y, x * y) if np.sum(x) > np.sum(y) else (x - y, np.maximum(x, y))


@operator(
    tensor("x"),
    tensor("y"),
    defined=lambda x, y: _decided(x, wide(y)),
    reference=_pair,
    torch=_higher_order(
        "torch.cond({x}.sum() > {y}.sum(), cond_of_pair_if, cond_of_pair_else, ({x}, {y}))",
        helper="""
        def cond_of_pair_if(x, y):
            return x + y, x * y


        def cond_of_pair_else(x, y):
            return x - y, torch.maximum(x, y)
        """,
    ),
    keras=emission(
        "layers.Lambda(cond_of_pair, dtype={x.dtype!r})([{x}, {y}])",
        helper="""
        def cond_of_pair(given):
            x, y = given
            greater = ops.sum(x) > ops.sum(y)
            return ops.cond(greater, lambda: [x + y, x * y], lambda: [x - y, ops.maximum(x, y)])
        """,
    ),
    **_FLOATS,
)
def cond_of_pair(require: Require, x: Tensor, y: Tensor) -> list[Shape]:
    """Two results of one of two computations on two operands."""
    shape = broadcast(require, x.shape, y.shape)
    return [shape, shape]


_SWITCHED = (lambda x: x * 2, lambda x: x + 1, np.sin)


@operator(
    index("at", rank=0, domain=(0, 2)),
    tensor("x"),
    dtypes={"T": FLOATS, "I": ("int32",)},
    domain=DOMAIN,
    reference=lambda at, x: _SWITCHED[int(at)](wide(x)),
    keras="ops.switch({at}, [lambda x: x * 2, lambda x: x + 1, ops.sin], {x})",
)
def switch(require: Require, at: Tensor, x: Tensor) -> Shape:
    """One of three computations, by number."""
    return x.shape


# Loops


def _repeated(x: Array, *, times: int, factor: float) -> Array:
    x = wide(x)
    for i in range(times):
        x = x * factor + i
    return x


def _looped(name: str, doc: str, torch: Emission | None, keras: Emission | None) -> Operator:
    """x = x * factor + i, for each i below `times`."""

    def rule(require: Require, x: Tensor, *, times: int, factor: float) -> Shape:
        return x.shape

    rule.__name__, rule.__doc__ = name, doc
    return operator(
        tensor("x"),
        attrs={"times": size(1, 5), "factor": number(-1, 1)},
        reference=_repeated,
        torch=torch,
        keras=keras,
        **_FLOATS,
    )(rule)


LOOPS = [
    _looped(
        "while_counted",
        "A loop of a given number of rounds, its counter a tensor.",
        _higher_order(
            "while_counted({x}, {times}, {factor})",
            helper="""
            def while_counted(x, times, factor):
                def on(i, x):
                    return i < times

                def step(i, x):
                    return i + 1, x * factor + i

                return torch._higher_order_ops.while_loop(on, step, (torch.tensor(0), x))[1]
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
    torch=_higher_order(
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
    **_FLOATS,
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

    rule.__name__, rule.__doc__ = name, doc
    return operator(tensor("x", rank=range(1, 5)), reference=reference, torch=torch, keras=keras, **_FLOATS)(rule)


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
    **_FLOATS,
)
def fold_decaying(require: Require, x: Tensor, *, decay: float) -> Shape:
    """A decaying sum along the first axis, by TensorFlow's fold."""
    return x.shape[1:]


OPERATORS: Sequence[Operator] = [
    *BRANCHES,
    *REGIONS,
    cond_on_flag,
    cond_of_pair,
    switch,
    *LOOPS,
    scan_decaying,
    associative_scan,
    *MAPS,
    fold_decaying,
]
