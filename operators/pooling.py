"""Pooling over one to three spatial axes, channels first in the graph; Keras transposes and pads as for convolutions.

Keras' own layouts and padding: `native_pooling`; windows that follow from the output's size: `adaptive_pooling`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Emission,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    ceil_div,
    choice,
    choose,
    emission,
    flag,
    sizes,
    tensor,
)
from operators.precision import wide
from operators.spatial import batched_or_not, declared, order_to_first, order_to_last, windows

AXES = {1: "one axis", 2: "two axes", 3: "three axes"}
TF_MAX = tuple(d for d in REAL if d not in ("uint32", "uint64"))
"""What TensorFlow's MaxPool has kernels for."""
TF_3D = ("bfloat16", "float32")
"""What TensorFlow's MaxPool3D and AvgPool3D have kernels for."""
TORCH_3D = ("float32", "float64")
"""What PyTorch's average pooling over three axes has kernels for."""


def lowest(dtype: Any) -> Any:
    """What no element is less than."""
    return -np.inf if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).min


def _count(n: Any, window: Any, stride: Any, padding: Any, ceil: bool) -> Any:
    """How many windows lie in one axis: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html

    With `ceil` a last window may hang over the end, but not begin in the padding behind it.
    """
    room = n + 2 * padding - window
    if not ceil:
        return room // stride + 1
    count = ceil_div(room, stride) + 1
    return choose((count - 1) * stride < n + padding, count, count - 1)


def _paddings(
    spatial: Sequence[int], extents: Sequence[int], strides: Sequence[int], padding: Sequence[int], ceil: bool
) -> list[tuple[int, int]]:
    """What stands before and behind each axis; with `ceil` behind it also what the last window hangs over."""
    pairs = []
    for n, w, s, p in zip(spatial, extents, strides, padding, strict=True):
        covered = (_count(n, w, s, p, ceil) - 1) * s + w
        pairs.append((p, max(p, covered - n - p) if ceil else p))
    return pairs


def _extents(window: Sequence[Any], dilations: Sequence[Any]) -> list[Any]:
    return [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]


def _shape(
    require: Require,
    x: Tensor,
    window: Sequence[Size],
    strides: Sequence[Size],
    padding: Sequence[Size],
    ceil: bool,
    dilations: Sequence[Size] | None = None,
) -> Shape:
    spatial = len(window)
    made: list[Size] = []
    extents = _extents(window, dilations or (1,) * spatial)
    for n, w, e, s, p in zip(x.shape[-spatial:], window, extents, strides, padding, strict=True):
        require(2 * p <= w, "the padding is at most half the window")
        count = _count(n, e, s, p, ceil)
        require(count >= 1, "the window fits into the padded input")
        made.append(count)
    return (*x.shape[:-spatial], *made)


def _attributes(spatial: int, *more: str) -> dict[str, Any]:
    kinds = {"window": (1, 4), "strides": (1, 3), "padding": (0, 2), "dilations": (1, 2)}
    return {name: sizes(*kinds[name], count=spatial) for name in ("window", "strides", "padding", *more)}


def _operand(spatial: int) -> Any:
    return tensor("x", rank=batched_or_not(spatial))


# Max pooling


def _max(
    x: Any, window: Any, strides: Any, padding: Any, ceil_mode: bool = False, dilations: Sequence[int] | None = None
) -> Any:
    """The windows' elements along one last axis, those outside being the lowest."""
    spatial = len(window)
    dilations = dilations or (1,) * spatial
    pairs = _paddings(x.shape[-spatial:], _extents(window, dilations), strides, padding, ceil_mode)
    padded = np.pad(x, [(0, 0)] * (x.ndim - spatial) + pairs, constant_values=lowest(x.dtype))
    seen = windows(padded, window, strides, dilations)
    return seen.reshape(*seen.shape[:-spatial], -1)


def _indices(x: Any, **attrs: Any) -> Any:
    """Where each window's largest element stands, counted over x' spatial axes."""
    spatial = len(attrs["window"])
    places = np.arange(math.prod(x.shape[-spatial:])).reshape((1,) * (x.ndim - spatial) + x.shape[-spatial:])
    seen = _max(x, **attrs).argmax(-1)[..., None]
    return np.take_along_axis(np.broadcast_to(_max(places, **attrs), (*seen.shape[:-1], _width(attrs))), seen, -1)[
        ..., 0
    ]


def _width(attrs: Any) -> int:
    return math.prod(attrs["window"])


def no_ties(seen: Any) -> bool:
    """Whether the largest element along the last axis is one alone: which one of several is named is not defined."""
    return bool(np.all((seen == seen.max(-1, keepdims=True)).sum(-1) == 1))


def _keras(pool: str, x: Operand, window: Any, strides: Any, pairs: Any, fill: str) -> str:
    spatial = len(window)
    alone = x.rank == spatial + 1
    text = f"ops.expand_dims({x}, 0)" if alone else str(x)
    text = f"ops.transpose({text}, {order_to_last(spatial + 2)})"
    if any(map(any, pairs)):
        text = f"ops.pad({text}, {((0, 0), *pairs, (0, 0))}{fill})"
    text = f'ops.{pool}({text}, {window}, {strides}, padding="valid", data_format="channels_last")'
    text = f"ops.transpose({text}, {order_to_first(spatial + 2)})"
    return f"ops.squeeze({text}, 0)" if alone else text


def _max_keras(x: Operand, window: Any, strides: Any, padding: Any, ceil_mode: bool) -> str:
    pairs = _paddings(x.shape[-len(window) :], window, strides, padding, ceil_mode)
    fill = '-float("inf")' if x.dtype in FLOATS else lowest(x.dtype)
    return _keras("max_pool", x, window, strides, pairs, f", constant_values={fill}")


def _torch_max(spatial: int) -> Sequence[str] | None:
    """The dtypes of max pooling without indices; along one axis it is a kernel of its own."""
    return FLOATS if spatial == 1 else None


def _max_pool(spatial: int) -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        *,
        window: Sequence[Size],
        strides: Sequence[Size],
        padding: Sequence[Size],
        ceil_mode: bool,
    ) -> Shape:
        return _shape(require, x, window, strides, padding, ceil_mode)

    return declared(
        f"max_pool{spatial}d",
        f"The largest element in each window along {AXES[spatial]} of ([batch,] channels, ...); padding never is.",
        rule,
        _operand(spatial),
        attrs={**_attributes(spatial), "ceil_mode": flag()},
        dtypes=REAL,
        reference=lambda x, **attrs: _max(x, **attrs).max(-1),
        torch=emission(
            f"F.max_pool{spatial}d({{x}}, {{window}}, {{strides}}, {{padding}}, ceil_mode={{ceil_mode}})",
            dtypes=_torch_max(spatial),
        ),
        keras=emission(_max_keras, dtypes=TF_3D if spatial == 3 else TF_MAX),
    )


def _dilated(name: str, spatial: int, doc: str, torch: str | Emission, **fields: Any) -> Operator:
    """One of PyTorch's operators with all of max pooling's attributes."""
    several = "returns" in fields

    def rule(
        require: Require,
        x: Tensor,
        *,
        window: Sequence[Size],
        strides: Sequence[Size],
        padding: Sequence[Size],
        dilations: Sequence[Size],
        ceil_mode: bool,
    ) -> Any:
        made = _shape(require, x, window, strides, padding, ceil_mode, dilations)
        return [made, made] if several else made

    def reference(x: Any, **attrs: Any) -> Any:
        largest = _max(x, **attrs).max(-1)
        return (largest, _indices(x, **attrs)) if several else largest

    return declared(
        name,
        doc,
        rule,
        _operand(spatial),
        attrs={**_attributes(spatial, "dilations"), "ceil_mode": flag()},
        dtypes=REAL,
        reference=reference,
        torch=torch,
        **fields,
    )


_ALL = "{window}, {strides}, {padding}, {dilations}, ceil_mode={ceil_mode}"


def _max_pools(n: int) -> list[Operator]:
    largest = f"The largest element in each dilated window along {AXES[n]}"
    call = emission(f"F.max_pool{n}d({{x}}, {_ALL})", dtypes=_torch_max(n))
    layer = emission("{layer}({x})", layer=f"nn.MaxPool{n}d({_ALL})", dtypes=_torch_max(n))
    indexed = emission("{layer}({x})", layer=f"nn.MaxPool{n}d({_ALL}, return_indices=True)")
    pair: Any = {"returns": ("T", "int64"), "defined": lambda x, **attrs: no_ties(_max(x, **attrs))}
    places = f"{largest}, and where it stands among the spatial positions."
    return [
        _dilated(f"dilated_max_pool{n}d", n, f"{largest}.", call),
        _dilated(f"max_pool{n}d_layer", n, f"{largest}.", layer),
        _dilated(f"argmax_pool{n}d", n, places, f"F.max_pool{n}d({{x}}, {_ALL}, return_indices=True)", **pair),
        _dilated(f"argmax_pool{n}d_layer", n, places, indexed, **pair),
    ]


def _unpool(spatial: int) -> Operator:
    def rule(
        require: Require, x: Tensor, *, window: Sequence[Size], strides: Sequence[Size], padding: Sequence[Size]
    ) -> Shape:
        _shape(require, x, window, strides, padding, False)
        return x.shape

    def reference(x: Any, **attrs: Any) -> Any:
        lead = x.shape[:-spatial]
        flat, places = x.reshape(*lead, -1), _indices(x, **attrs).reshape(*lead, -1)
        made = np.zeros_like(flat)
        np.put_along_axis(made, places, np.take_along_axis(flat, places, -1), -1)
        return made.reshape(x.shape)

    helper = f"""
    def max_unpool{spatial}d_of(x, window, strides, padding):
        largest, places = F.max_pool{spatial}d(x, window, strides, padding, return_indices=True)
        return F.max_unpool{spatial}d(largest, places, window, strides, padding, x.shape[-{spatial}:])
    """
    return declared(
        f"max_unpool{spatial}d",
        f"What is the largest in a window along {AXES[spatial]} stays, everything else becomes zero.",
        rule,
        _operand(spatial),
        attrs=_attributes(spatial),
        dtypes=FLOATS,
        defined=lambda x, **attrs: no_ties(_max(x, **attrs)),
        reference=reference,
        torch=emission(f"max_unpool{spatial}d_of({{x}}, {{window}}, {{strides}}, {{padding}})", helper=helper),
    )


# Average pooling


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
    around = _paddings(x.shape[-spatial:], window, strides, padding, ceil_mode)
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
    text = _keras("average_pool", x, window, strides, pairs, "")
    if count_include_pad or not any(padding):
        return text
    shares = _keras("average_pool", Operand(f"ops.ones_like({x})", x.dtype, x.shape), window, strides, pairs, "")
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
        return _shape(require, x, window, strides, padding, False)

    rest = "count_include_pad={count_include_pad}"
    return declared(
        f"average_pool{spatial}d",
        f"The mean of each window along {AXES[spatial]}, over the padding's zeros too where it is told to.",
        rule,
        _operand(spatial),
        attrs={**_attributes(spatial), "count_include_pad": flag()},
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
        return _shape(require, x, window, strides, padding, ceil_mode)

    rest = "{window}, {strides}, {padding}, {ceil_mode}, {count_include_pad}"
    return declared(
        name,
        f"Sums of windows along {AXES[spatial]} that may hang over the end, divided by what they cover or a number.",
        rule,
        _operand(spatial),
        attrs={
            **_attributes(spatial),
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
        return _shape(require, x, window, strides, (0,) * spatial, False)

    def reference(x: Any, p: int, window: Any, strides: Any) -> Any:
        return (_max(wide(x) ** p, window, strides, (0,) * spatial)).sum(-1) ** (1 / p)

    return declared(
        name,
        f"The p-norm of each window along {AXES[spatial]}, of numbers that are not negative.",
        rule,
        _operand(spatial),
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
    *map(_max_pool, AXES),
    *(op for n in AXES for op in _max_pools(n)),
    *map(_unpool, AXES),
    *map(_average_pool, AXES),
    *(op for n in AXES for op in (*_averages(n), *_powers(n))),
]
