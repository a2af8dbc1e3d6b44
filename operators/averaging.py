"""Average and power-average pooling over one to three spatial axes, channels first in the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    flag,
    sizes,
)
from operators.pooling import AXES, TF_3D, attributes, elements, keras_pool, operand, paddings, pooled_shape
from operators.precision import wide
from operators.spatial import declared, windows

TORCH_3D = ("float32", "float64")
"""What PyTorch's average pooling over three axes has kernels for."""


def _average(
    x: Any,
    window: Any,
    strides: Any,
    padding: Any,
    count_include_pad: bool,
    ceil_mode: bool = False,
    divisor: int = 0,
) -> Any:
    """Sums over windows, divided by what they cover: of x, or also of its padding, but nothing that hangs over it."""
    spatial = len(window)
    around = paddings(x.shape[-spatial:], window, strides, padding, ceil_mode)
    ones = (1,) * spatial

    def totals(array: Any, inner: Sequence[tuple[int, int]], value: float) -> Any:
        outer = [(b - i, e - j) for (b, e), (i, j) in zip(around, inner, strict=True)]
        lead = [(0, 0)] * (array.ndim - spatial)
        padded = np.pad(np.pad(array, lead + list(inner), constant_values=value), lead + outer)
        return windows(padded, window, strides, ones).sum(tuple(range(-spatial, 0)))

    none = [(0, 0)] * spatial
    counted = [(p, p) for p in padding] if count_include_pad else none
    counts = divisor or totals(np.ones(x.shape[-spatial:]), counted, 1.0)
    return totals(wide(x), none, 0.0) / counts


def _average_keras(x: Operand, window: Any, strides: Any, padding: Any, count_include_pad: bool) -> str:
    pairs = tuple((p, p) for p in padding)
    text = keras_pool("average_pool", x, window, strides, pairs, "")
    if count_include_pad or not any(padding):
        return text
    shares = keras_pool("average_pool", Operand(f"ops.ones_like({x})", x.dtype, x.shape), window, strides, pairs, "")
    return f"ops.divide({text}, {shares})"


def _torch_average(spatial: int) -> Sequence[str] | None:
    return TORCH_3D if spatial == 3 else None


def _require_covered(require: Require, x: Tensor, window: Sequence[Size]) -> None:
    """PyTorch refuses windows larger than an input along three axes, however it is padded."""
    for n, w in zip(x.shape[-3:], window, strict=True) if len(window) == 3 else ():
        require(n >= w, "the window fits into the input")


def _average_pool(spatial: int) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        *,
        window: Sequence[Size],
        strides: Sequence[Size],
        padding: Sequence[Size],
        count_include_pad: bool,
    ) -> Shape:
        _require_covered(require, x, window)
        return pooled_shape(require, x, window, strides, padding, False)

    rest = "count_include_pad={count_include_pad}"
    return declared(
        f"average_pool{spatial}d",
        f"The mean of each window along {AXES[spatial]}, over the padding's zeros too where it is told to.",
        rule,
        operand(spatial),
        attrs={**attributes(spatial), "count_include_pad": flag()},
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        reference=_average,
        torch=emission(
            f"F.avg_pool{spatial}d({{x}}, {{window}}, {{strides}}, {{padding}}, {rest})", dtypes=_torch_average(spatial)
        ),
        keras=emission(_average_keras, dtypes=TF_3D if spatial == 3 else None),
    )


def _ceil_average(name: str, spatial: int, torch: Callable[[str], Emission]) -> Operator:
    """`torch` makes the emission from the arguments' text."""

    def rule(
        require: Require,
        x: Tensor,
        *,
        window: Sequence[Size],
        strides: Sequence[Size],
        padding: Sequence[Size],
        ceil_mode: bool,
        count_include_pad: bool,
        divisor: int,
    ) -> Shape:
        _require_covered(require, x, window)
        return pooled_shape(require, x, window, strides, padding, ceil_mode)

    rest = "{window}, {strides}, {padding}, {ceil_mode}, {count_include_pad}"
    return declared(
        name,
        f"Sums of windows along {AXES[spatial]} that may hang over the end, divided by what they cover or a number.",
        rule,
        operand(spatial),
        attrs={
            **attributes(spatial),
            "ceil_mode": flag(),
            "count_include_pad": flag(),
            "divisor": choice(0, 1, 3) if spatial > 1 else choice(0),
        },
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        reference=_average,
        torch=torch(f"{rest}, {{divisor}} or None" if spatial > 1 else rest),
    )


def _averages(n: int) -> list[Operator]:
    def layer(rest: str) -> Emission:
        return emission("{layer}({x})", layer=f"nn.AvgPool{n}d({rest})", dtypes=_torch_average(n))

    def call(rest: str) -> Emission:
        return emission(f"F.avg_pool{n}d({{x}}, {rest})", dtypes=_torch_average(n))

    return [
        _ceil_average(f"ceil_average_pool{n}d", n, call),
        _ceil_average(f"average_pool{n}d_layer", n, layer),
    ]


# Power-average pooling


def _power(name: str, spatial: int, torch: str | Emission) -> Operator:
    def rule(require: Require, x: Tensor, *, p: int, window: Sequence[Size], strides: Sequence[Size]) -> Shape:
        return pooled_shape(require, x, window, strides, (0,) * spatial, False)

    def reference(x: Any, p: int, window: Any, strides: Any) -> Any:
        return (elements(wide(x) ** p, window, strides, (0,) * spatial)).sum(-1) ** (1 / p)

    return declared(
        name,
        f"The p-norm of each window along {AXES[spatial]}, of numbers that are not negative.",
        rule,
        operand(spatial),
        attrs={
            "p": choice(2, 1, 3),
            "window": sizes(1, 4, count=spatial),
            "strides": sizes(1, 3, count=spatial),
        },
        dtypes=FLOATS,
        domain=(0.0, 4.0),
        reference=reference,
        torch=torch,
    )


def _powers(n: int) -> list[Operator]:
    rest = "{p}, {window[0]}, {strides[0]}" if n == 1 else "{p}, {window}, {strides}"
    layer = emission("{layer}({x})", layer=f"nn.LPPool{n}d({rest})", dtypes=_torch_average(n))
    call = emission(f"F.lp_pool{n}d({{x}}, {rest})", dtypes=_torch_average(n))
    return [_power(f"lp_pool{n}d", n, call), _power(f"lp_pool{n}d_layer", n, layer)]


OPERATORS: Sequence[Operator] = [
    *map(_average_pool, AXES),
    *(op for n in AXES for op in (*_averages(n), *_powers(n))),
]
