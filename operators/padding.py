"""Operators that add a border to a tensor, or take one away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    minimum,
    on_special,
    operator,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array
from operators.spelling import everywhere, keras_layer

Pairs = tuple[tuple[int, int], ...]


def _pairs(before: Sequence[int], after: Sequence[int]) -> Pairs:
    return tuple(zip(before, after, strict=True))


def _literal(x: Operand, value: int) -> int | bool:
    """The value as TensorFlow wants it written: it makes no bool of an integer."""
    return bool(value) if x.dtype == "bool" else value


def _torch_pad(x: Operand, before: Sequence[int], after: Sequence[int], value: int) -> str:
    """PyTorch's order: the last axis first, before and after it."""
    flat = [p for pair in reversed(_pairs(before, after)) for p in pair]
    return f"F.pad({x}, {flat}, value={_literal(x, value)})"


def _keras_pad(x: Operand, before: Sequence[int], after: Sequence[int], value: int) -> str:
    return f"ops.pad({x}, {_pairs(before, after)}, constant_values={_literal(x, value)})"


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"before": sizes(0, 3, per="x"), "after": sizes(0, 3, per="x"), "value": choice(0, 1, 3)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, before, after, value: np.pad(x, _pairs(before, after), constant_values=value),
    torch=_torch_pad,
    keras=_keras_pad,
)
def pad(require: Require, x: Tensor, *, before: Sequence[Size], after: Sequence[Size], value: int) -> Shape:
    """A border of one value around all axes."""
    return tuple(b + n + a for n, b, a in zip(x.shape, before, after, strict=True))


def _per_axis(rank: int, widths: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Widths in PyTorch's order, last axis first, as a pair for each axis."""
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


def _cut(x: Array, widths: Sequence[int]) -> Array:
    pairs = _per_axis(x.ndim, widths)
    kept = x[tuple(slice(max(-b, 0), n + min(a, 0)) for n, (b, a) in zip(x.shape, pairs, strict=True))]
    return np.pad(kept, [(max(b, 0), max(a, 0)) for b, a in pairs])


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"widths": sizes(-2, 3, count=(2, 4, 6))},
    dtypes=ANY,
    reference=_cut,
    torch="F.pad({x}, {widths})",
)
def pad_or_crop(require: Require, x: Tensor, *, widths: Sequence[Size]) -> Shape:
    """A border of zeros around the last axes; where its width is negative, a border taken away."""
    require(len(widths) <= 2 * x.rank, "no more axes are padded than there are")
    pairs = _per_axis(x.rank, widths)
    for n, (b, a) in zip(x.shape, pairs, strict=True):
        require(n + minimum(b, 0) + minimum(a, 0) >= 0, "no more is taken away than there is")
    return tuple(b + n + a for n, (b, a) in zip(x.shape, pairs, strict=True))


constant_pad_nd = spelled(pad_or_crop, "constant_pad_nd", torch="torch.constant_pad_nd({x}, {widths}, 0)")
constant_pads = [
    spelled(
        pad_or_crop,
        f"constant_pad{count}d_layer",
        "A border of zeros around the last axes; where its width is negative, a border taken away.",
        torch=emission("{layer}({x})", layer=f"nn.ConstantPad{count}d({{widths}}, 0)"),
        attrs={"widths": sizes(-2, 3, count=2 * count)},
        parameters=(tensor("x", rank=range(count, 6)),),
    )
    for count in (1, 2, 3)
]
zero_pads = [
    spelled(op, f"zero_pad{count}d_layer", torch=emission("{layer}({x})", layer=f"nn.ZeroPad{count}d({{widths}})"))
    for count, op in enumerate(constant_pads, 1)
]

_MODES: Mapping[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_ROOM = {"reflect": 1, "replicate": None, "circular": 0}
_DOC = {
    "reflect": "A border that mirrors what it surrounds, the edge itself not repeated",
    "replicate": "A border that repeats the edge",
    "circular": "A border that goes on as if the end were joined to the start",
}


def _filling(mode: str, count: int) -> Operator:
    """A border around the last `count` axes, after one axis for channels and possibly one for the batch."""

    def torch(x: Operand, widths: Sequence[int]) -> str:
        return f'F.pad({x}, {widths}, mode="{mode}")'

    def keras(x: Operand, widths: Sequence[int]) -> str:
        return f'ops.pad({x}, {_per_axis(x.rank, widths)}, mode="reflect")'

    @operator(
        tensor("x", rank=(count + 1, count + 2)),
        attrs={"widths": sizes(0, 5 - count, count=2 * count)},
        dtypes=ANY if mode == "circular" else (*FLOATS, "int64", "int32", "int8", "uint8", "int16"),
        reference=lambda x, widths: np.pad(x, _per_axis(x.ndim, widths), mode=_MODES[mode]),
        torch=torch,
        keras=keras if mode == "reflect" else None,
    )
    def padded(require: Require, x: Tensor, *, widths: Sequence[Size]) -> Shape:
        """Padded."""
        pairs = _per_axis(x.rank, widths)
        room = _ROOM[mode]
        if room is not None:
            for n, pair in list(zip(x.shape, pairs, strict=True))[-count:]:
                for width in pair:
                    require(width + room <= n, "the border is filled from the axis itself, once")
        return tuple(b + n + a for n, (b, a) in zip(x.shape, pairs, strict=True))

    doc = f"{_DOC[mode]}, around the last {count} axes." if count > 1 else f"{_DOC[mode]}, around the last axis."
    return msgspec.structs.replace(padded, name=f"{mode}_pad{count}d", doc=doc)


fillings = [_filling(mode, count) for mode in _MODES for count in (1, 2, 3)]
_LAYERS = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}
filling_layers = [
    spelled(
        op,
        f"{op.name}_layer",
        torch=emission("{layer}({x})", layer=f"nn.{_LAYERS[op.name.split('_')[0]]}{op.name[-2:]}({{widths}})"),
    )
    for op in fillings
]


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"before": sizes(0, 3, per="x"), "after": sizes(0, 3, per="x"), "mode": choice("reflect", "symmetric")},
    dtypes=ANY,
    reference=lambda x, before, after, mode: np.pad(x, _pairs(before, after), mode=mode),
    keras=lambda x, before, after, mode: f'ops.pad({x}, {_pairs(before, after)}, mode="{mode}")',
)
def mirror_pad(require: Require, x: Tensor, *, before: Sequence[Size], after: Sequence[Size], mode: str) -> Shape:
    """A border around all axes that mirrors what it surrounds, with or without the edge itself."""
    room = 1 if mode == "reflect" else 0
    for n, b, a in zip(x.shape, before, after, strict=True):
        require(b + room <= n, "the border before an axis is filled from it")
        require(a + room <= n, "the border behind an axis is filled from it")
    return tuple(b + n + a for n, b, a in zip(x.shape, before, after, strict=True))


_TYPES = [d for d in ANY if d != "int8"]  # Keras takes it for the name of a quantization


def _inner(count: int, widths: Sequence[int]) -> Pairs:
    return tuple((widths[2 * i], widths[2 * i + 1]) for i in range(count))


def _bordering(count: int, first: bool) -> list[Operator]:
    """Keras' ZeroPadding and Cropping layers for `count` axes between the batch and the channels, or behind both."""
    where = ', data_format="channels_first"' if first else ""
    suffix = "_channels_first" if first else ""
    start = 2 if first else 1

    def pairs(rank: int, widths: Sequence[Any]) -> list[tuple[Any, Any]]:
        inner = [(widths[2 * i], widths[2 * i + 1]) for i in range(count)]
        return [(0, 0)] * start + inner + [(0, 0)] * (rank - start - count)

    def written(name: str) -> Any:
        def constructor(x: Operand, widths: Sequence[int]) -> str:
            inner = _inner(count, widths)
            return f"layers.{name}{count}D({inner[0] if count == 1 else inner}{where})"

        return keras_layer(constructor, typed=True, dtypes=_TYPES)

    def kept(x: Array, widths: Sequence[int]) -> Array:
        return x[tuple(slice(b, n - a) for n, (b, a) in zip(x.shape, pairs(x.ndim, widths), strict=True))]

    @operator(
        tensor("x", rank=count + 2),
        attrs={"widths": sizes(0, 3, count=2 * count)},
        dtypes=ANY,
        reference=lambda x, widths: np.pad(x, pairs(x.ndim, widths)),
        keras=written("ZeroPadding"),
    )
    def padded(require: Require, x: Tensor, *, widths: Sequence[Size]) -> Shape:
        """A border of zeros around the inner axes."""
        return tuple(b + n + a for n, (b, a) in zip(x.shape, pairs(x.rank, widths), strict=True))

    @operator(
        tensor("x", rank=count + 2),
        attrs={"widths": sizes(0, 3, count=2 * count)},
        dtypes=ANY,
        reference=kept,
        keras=written("Cropping"),
    )
    def cropped(require: Require, x: Tensor, *, widths: Sequence[Size]) -> Shape:
        """A border of the inner axes taken away."""
        sizes = [n - b - a for n, (b, a) in zip(x.shape, pairs(x.rank, widths), strict=True)]
        for size in sizes:
            require(size >= 1, "something is left of each axis")
        return tuple(sizes)

    made = [(padded, "zero_padding"), (cropped, "cropping")]
    return [msgspec.structs.replace(op, name=f"{name}{count}d{suffix}") for op, name in made]


borders = [op for count in (1, 2, 3) for op in _bordering(count, False)]
borders += [op for count in (1, 2, 3) for op in _bordering(count, True) if op.name != "cropping1d_channels_first"]

OPERATORS: Sequence[Operator] = [
    on_special(everywhere(op))
    for op in (
        pad,
        pad_or_crop,
        constant_pad_nd,
        *constant_pads,
        *zero_pads,
        *fillings,
        *filling_layers,
        mirror_pad,
        *borders,
    )
]
