"""Pooling over one to three spatial axes, channels first in the graph; Keras transposes and pads as for convolutions.

Keras' own layouts and padding: `native_pooling`; windows that follow from the output's size: `adaptive_pooling`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    choose,
    emission,
    flag,
    sizes,
    tensor,
)
from operators.spatial import batched_or_not, declared, order_to_first, order_to_last, windows

AXES = {1: "one axis", 2: "two axes", 3: "three axes"}
TF_MAX = tuple(d for d in REAL if d not in ("uint32", "uint64"))
"""What TensorFlow's MaxPool has kernels for."""
TF_3D = ("bfloat16", "float32")
"""What TensorFlow's MaxPool3D and AvgPool3D have kernels for."""


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


def paddings(
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


def pooled_shape(
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


def attributes(spatial: int, *more: str) -> dict[str, Any]:
    kinds = {"window": (1, 4), "strides": (1, 3), "padding": (0, 2), "dilations": (1, 2)}
    return {name: sizes(*kinds[name], count=spatial) for name in ("window", "strides", "padding", *more)}


def operand(spatial: int) -> Any:
    return tensor("x", rank=batched_or_not(spatial))


# Max pooling


def elements(
    x: Any, window: Any, strides: Any, padding: Any, ceil_mode: bool = False, dilations: Sequence[int] | None = None
) -> Any:
    """The windows' elements along one last axis, those outside being the lowest."""
    spatial = len(window)
    dilations = dilations or (1,) * spatial
    pairs = paddings(x.shape[-spatial:], _extents(window, dilations), strides, padding, ceil_mode)
    padded = np.pad(x, [(0, 0)] * (x.ndim - spatial) + pairs, constant_values=lowest(x.dtype))
    seen = windows(padded, window, strides, dilations)
    return seen.reshape(*seen.shape[:-spatial], -1)


def _indices(x: Any, **attrs: Any) -> Any:
    """Where each window's largest element stands, counted over x' spatial axes."""
    spatial = len(attrs["window"])
    places = np.arange(math.prod(x.shape[-spatial:])).reshape((1,) * (x.ndim - spatial) + x.shape[-spatial:])
    first = elements(x, **attrs).argmax(-1)[..., None]
    among = np.broadcast_to(elements(places, **attrs), (*first.shape[:-1], math.prod(attrs["window"])))
    return np.take_along_axis(among, first, -1)[..., 0]


def no_ties(seen: Any) -> bool:
    """Whether the largest element along the last axis is one alone: which one of several is named is not defined."""
    return bool(np.all((seen == seen.max(-1, keepdims=True)).sum(-1) == 1))


def keras_pool(pool: str, x: Operand, window: Any, strides: Any, pairs: Any, fill: str) -> str:
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
    pairs = paddings(x.shape[-len(window) :], window, strides, padding, ceil_mode)
    fill = '-float("inf")' if x.dtype in FLOATS else lowest(x.dtype)
    return keras_pool("max_pool", x, window, strides, pairs, f", constant_values={fill}")


def _torch_max(spatial: int) -> Sequence[str] | None:
    """The dtypes of max pooling without indices; along one axis it is a kernel of its own."""
    return FLOATS if spatial == 1 else None


def _given(spatial: int) -> str:
    """The operand of PyTorch's largest elements, which along three axes refuses some strides."""
    return "{x}.contiguous()" if spatial == 3 else "{x}"


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
        return pooled_shape(require, x, window, strides, padding, ceil_mode)

    return declared(
        f"max_pool{spatial}d",
        f"The largest element in each window along {AXES[spatial]} of ([batch,] channels, ...); padding never is.",
        rule,
        operand(spatial),
        attrs={**attributes(spatial), "ceil_mode": flag()},
        dtypes=REAL,
        reference=lambda x, **attrs: elements(x, **attrs).max(-1),
        torch=emission(
            f"F.max_pool{spatial}d({_given(spatial)}, {{window}}, {{strides}}, {{padding}}, ceil_mode={{ceil_mode}})",
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
        made = pooled_shape(require, x, window, strides, padding, ceil_mode, dilations)
        return [made, made] if several else made

    def reference(x: Any, **attrs: Any) -> Any:
        largest = elements(x, **attrs).max(-1)
        return (largest, _indices(x, **attrs)) if several else largest

    return declared(
        name,
        doc,
        rule,
        operand(spatial),
        attrs={**attributes(spatial, "dilations"), "ceil_mode": flag()},
        dtypes=REAL,
        reference=reference,
        torch=torch,
        **fields,
    )


_ALL = "{window}, {strides}, {padding}, {dilations}, ceil_mode={ceil_mode}"


def _max_pools(n: int) -> list[Operator]:
    largest = f"The largest element in each dilated window along {AXES[n]}"
    call = emission(f"F.max_pool{n}d({_given(n)}, {_ALL})", dtypes=_torch_max(n))
    layer = emission(f"{{layer}}({_given(n)})", layer=f"nn.MaxPool{n}d({_ALL})", dtypes=_torch_max(n))
    indexed = emission(f"{{layer}}({_given(n)})", layer=f"nn.MaxPool{n}d({_ALL}, return_indices=True)")
    pair: Any = {"returns": ("T", "int64"), "defined": lambda x, **attrs: no_ties(elements(x, **attrs))}
    places = f"{largest}, and where it stands among the spatial positions."
    return [
        _dilated(f"dilated_max_pool{n}d", n, f"{largest}.", call),
        _dilated(f"max_pool{n}d_layer", n, f"{largest}.", layer),
        _dilated(f"argmax_pool{n}d", n, places, f"F.max_pool{n}d({_given(n)}, {_ALL}, return_indices=True)", **pair),
        _dilated(f"argmax_pool{n}d_layer", n, places, indexed, **pair),
    ]


def _unpool(spatial: int) -> Operator:
    def rule(
        require: Require, x: Tensor, *, window: Sequence[Size], strides: Sequence[Size], padding: Sequence[Size]
    ) -> Shape:
        pooled_shape(require, x, window, strides, padding, False)
        return x.shape

    def reference(x: Any, **attrs: Any) -> Any:
        lead = x.shape[:-spatial]
        flat, places = x.reshape(*lead, -1), _indices(x, **attrs).reshape(*lead, -1)
        made = np.zeros_like(flat)
        np.put_along_axis(made, places, np.take_along_axis(flat, places, -1), -1)
        return made.reshape(x.shape)

    given = _given(spatial).format(x="x")
    helper = f"""
    def max_unpool{spatial}d_of(x, window, strides, padding):
        largest, places = F.max_pool{spatial}d({given}, window, strides, padding, return_indices=True)
        return F.max_unpool{spatial}d(largest, places, window, strides, padding, x.shape[-{spatial}:])
    """
    return declared(
        f"max_unpool{spatial}d",
        f"What is the largest in a window along {AXES[spatial]} stays, everything else becomes zero.",
        rule,
        operand(spatial),
        attrs=attributes(spatial),
        dtypes=FLOATS,
        defined=lambda x, **attrs: no_ties(elements(x, **attrs)),
        reference=reference,
        torch=emission(f"max_unpool{spatial}d_of({{x}}, {{window}}, {{strides}}, {{padding}})", helper=helper),
    )


OPERATORS: Sequence[Operator] = [
    *map(_max_pool, AXES),
    *(op for n in AXES for op in _max_pools(n)),
    *map(_unpool, AXES),
]
