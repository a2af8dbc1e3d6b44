"""Control flow with subgraphs: branches, and loops until something holds (what counts or goes along an axis is in
`loops`). Each subgraph is a small computation on floats.

The functions that a model branches to stand above it, as people write them. PyTorch has higher-order operators for
them (https://docs.pytorch.org/docs/stable/higher_order_ops/index.html), which its default exporter converts, and
TorchScript, which the other one does. Keras: https://keras.io/api/ops/core/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    emission,
    index,
    named,
    operator,
    tensor,
)
from operators.precision import Array, wide

DOMAIN = (-4.0, 4.0)
ON_FLOATS: dict[str, Any] = {"dtypes": FLOATS, "domain": DOMAIN}


def higher_order(call: str, helper: str) -> Emission:
    """An emission of a higher-order operator, which PyTorch compiles wherever it stands: in two dtypes only."""
    return emission(call, helper=helper, dtypes=("float32", "float64"))


def _is_decided(x: Array, y: Array | float = 0.0) -> bool:
    """Whether a comparison of the sums comes out the same in any precision."""
    apart = abs(float(np.sum(wide(x))) - float(np.sum(y)))
    return apart > 0.25 + 0.05 * float(np.sum(np.abs(wide(x))) + np.sum(np.abs(y)))


def same(name: str, doc: str) -> Callable[..., Any]:
    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    return named(name, doc, rule)


def _of_one(
    name: str,
    doc: str,
    reference: Callable[..., Any],
    torch: Emission | None,
    keras: Emission | None,
    defined: Callable[..., bool] | None = None,
) -> Operator:
    """An operator on x of any rank, to a tensor of its shape."""
    return operator(tensor("x"), reference=reference, defined=defined, torch=torch, keras=keras, **ON_FLOATS)(
        same(name, doc)
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


def _grows_is_decidedly(x: Array) -> bool:
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
        higher_order(
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
        _is_decided,
    ),
    _of_one(
        "cond_nested",
        "One of three computations, by two comparisons of the sum.",
        _nested,
        higher_order(
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
        lambda x: _is_decided(x) and _is_decided(x, 4.0),
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
        _is_decided,
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
        _grows_is_decidedly,
    ),
    _of_one(
        "while_growing",
        "A loop until the magnitudes sum up to fifty.",
        _scripted_while,
        higher_order(
            "torch._higher_order_ops.while_loop(while_growing_on, while_growing_step, ({x}.contiguous(),))[0]",
            helper="""
            def while_growing_on(x):
                return x.abs().sum() < 50


            def while_growing_step(x):
                return (x.abs() * 2 + 1,)
            """,
        ),
        emission("ops.while_loop(lambda x: ops.sum(ops.abs(x)) < 50, lambda x: (ops.abs(x) * 2 + 1,), ({x},))[0]"),
        _grows_is_decidedly,
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
    torch=higher_order(
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
    **ON_FLOATS,
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
    defined=lambda x, y: _is_decided(x, wide(y)),
    reference=_pair,
    torch=higher_order(
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
    **ON_FLOATS,
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


OPERATORS: Sequence[Operator] = [*BRANCHES, *REGIONS, cond_on_flag, cond_of_pair, switch]
