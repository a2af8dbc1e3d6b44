"""Operators that move elements between channels, positions and windows."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    FRAMEWORKS,
    REAL,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    on_special,
    operator,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array, wide
from operators.spelling import everywhere, in_layer

Square = Sequence[Size]


def _shuffled(x: Array, factor: int) -> Array:
    *batch, c, h, w = x.shape
    r = factor
    y = x.reshape(*batch, c // (r * r), r, r, h, w)
    n = len(batch)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return y.transpose(order).reshape(*batch, c // (r * r), h * r, w * r)


@operator(
    tensor("x", rank=(3, 4, 5)),
    attrs={"factor": choice(1, 2, 3)},
    dtypes=ANY,
    reference=_shuffled,
    torch="F.pixel_shuffle({x}, {factor})",
)
def pixel_shuffle(require: Require, x: Tensor, *, factor: int) -> Shape:
    """Channels spread over squares of positions, channels first."""
    *batch, c, h, w = x.shape
    require(c % (factor * factor) == 0, "a square takes that many channels")
    return (*batch, c // (factor * factor), h * factor, w * factor)


pixel_shuffle_layer = spelled(
    pixel_shuffle, "pixel_shuffle_layer", torch=emission("{layer}({x})", layer="nn.PixelShuffle({factor})")
)


def _unshuffled(x: Array, factor: int) -> Array:
    *batch, c, h, w = x.shape
    r = factor
    n = len(batch)
    y = x.reshape(*batch, c, h // r, r, w // r, r).transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return y.reshape(*batch, c * r * r, h // r, w // r)


@operator(
    tensor("x", rank=(3, 4, 5)),
    attrs={"factor": choice(1, 2, 3)},
    dtypes=ANY,
    reference=_unshuffled,
    torch="F.pixel_unshuffle({x}, {factor})",
)
def pixel_unshuffle(require: Require, x: Tensor, *, factor: int) -> Shape:
    """Squares of positions gathered into channels, channels first."""
    *batch, c, h, w = x.shape
    for n in (h, w):
        require(n % factor == 0, "the positions are divided into squares")
    return (*batch, c * factor * factor, h // factor, w // factor)


pixel_unshuffle_layer = spelled(
    pixel_unshuffle, "pixel_unshuffle_layer", torch=emission("{layer}({x})", layer="nn.PixelUnshuffle({factor})")
)


def _channels_shuffled(x: Array, groups: int) -> Array:
    n, c, *rest = x.shape
    return x.reshape(n, groups, c // groups, *rest).swapaxes(1, 2).reshape(x.shape)


@operator(
    tensor("x", rank=(3, 4, 5)),
    attrs={"groups": choice(1, 2, 3, 4)},
    dtypes=ANY,
    reference=_channels_shuffled,
    torch="F.channel_shuffle({x}, {groups})",
)
def channel_shuffle(require: Require, x: Tensor, *, groups: int) -> Shape:
    """The channels of some groups dealt out in turn."""
    require(x.shape[1] % groups == 0, "the groups are of one size")
    return x.shape


channel_shuffle_layer = spelled(
    channel_shuffle, "channel_shuffle_layer", torch=emission("{layer}({x})", layer="nn.ChannelShuffle({groups})")
)


def _spread(x: Array, factor: int) -> Array:
    """Depth to space, channels last: the channels' order is that of rows, columns, depth."""
    n, h, w, c = x.shape
    depth = c // (factor * factor)
    y = x.reshape(n, h, w, factor, factor, depth).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, h * factor, w * factor, depth)


@operator(
    tensor("x", rank=4),
    attrs={"factor": choice(2, 3)},
    dtypes=ANY,
    reference=_spread,
    keras=in_layer("x", "tf.nn.depth_to_space(x, {factor})"),
)
def depth_to_space(require: Require, x: Tensor, *, factor: int) -> Shape:
    """Channels spread over squares of positions, channels last."""
    n, h, w, c = x.shape
    require(c % (factor * factor) == 0, "a square takes that many channels")
    return (n, h * factor, w * factor, c // (factor * factor))


depth_to_space_in_keras = spelled(depth_to_space, "depth_to_space_in_keras", keras="ops.depth_to_space({x}, {factor})")


def _gathered(x: Array, factor: int) -> Array:
    n, h, w, c = x.shape
    y = x.reshape(n, h // factor, factor, w // factor, factor, c).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, h // factor, w // factor, factor * factor * c)


@operator(
    tensor("x", rank=4),
    attrs={"factor": choice(2, 3)},
    dtypes=ANY,
    reference=_gathered,
    keras=in_layer("x", "tf.nn.space_to_depth(x, {factor})"),
)
def space_to_depth(require: Require, x: Tensor, *, factor: int) -> Shape:
    """Squares of positions gathered into channels, channels last."""
    n, h, w, c = x.shape
    for extent in (h, w):
        require(extent % factor == 0, "the positions are divided into squares")
    return (n, h // factor, w // factor, factor * factor * c)


space_to_depth_in_keras = spelled(space_to_depth, "space_to_depth_in_keras", keras="ops.space_to_depth({x}, {factor})")


def _first(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def _last(x: Array) -> Array:
    return np.moveaxis(x, -1, 1)


@operator(
    tensor("x", rank=4),
    attrs={"factor": choice(2, 3)},
    dtypes=ANY,
    reference=lambda x, factor: _last(_spread(_first(x), factor)),
    keras='ops.depth_to_space({x}, {factor}, data_format="channels_first")',
)
def depth_to_space_channels_first(require: Require, x: Tensor, *, factor: int) -> Shape:
    """Channels, in the order of rows, columns, depth, spread over squares of positions, channels first."""
    n, c, h, w = x.shape
    require(c % (factor * factor) == 0, "a square takes that many channels")
    return (n, c // (factor * factor), h * factor, w * factor)


@operator(
    tensor("x", rank=4),
    attrs={"factor": choice(2, 3)},
    dtypes=ANY,
    reference=lambda x, factor: _last(_gathered(_first(x), factor)),
    keras='ops.space_to_depth({x}, {factor}, data_format="channels_first")',
)
def space_to_depth_channels_first(require: Require, x: Tensor, *, factor: int) -> Shape:
    """Squares of positions gathered into channels, in the order of rows, columns, depth, channels first."""
    n, c, h, w = x.shape
    for extent in (h, w):
        require(extent % factor == 0, "the positions are divided into squares")
    return (n, c * factor * factor, h // factor, w // factor)


# TensorFlow's space_to_batch_nd over two axes; its definition is the documentation of tf.space_to_batch.


def _to_batch(x: Array, block: Sequence[int], pads: Sequence[int]) -> Array:
    p = np.pad(x, [(0, 0), tuple(pads[:2]), tuple(pads[2:]), *[(0, 0)] * (x.ndim - 3)])
    n, h, w, *rest = p.shape
    y = p.reshape(n, h // block[0], block[0], w // block[1], block[1], *rest)
    y = y.transpose(2, 4, 0, 1, 3, *range(5, y.ndim))
    return y.reshape(n * block[0] * block[1], h // block[0], w // block[1], *rest)


def _two_pairs(widths: Sequence[int]) -> str:
    return f"[[{widths[0]}, {widths[1]}], [{widths[2]}, {widths[3]}]]"


@operator(
    tensor("x", rank=(3, 4, 5)),
    attrs={"block": sizes(1, 3, count=2), "pads": sizes(0, 2, count=4)},
    dtypes=REAL,
    reference=_to_batch,
    keras=in_layer("x", lambda x, block, pads: f"tf.space_to_batch(x, [{block[0]}, {block[1]}], {_two_pairs(pads)})"),
)
def space_to_batch(require: Require, x: Tensor, *, block: Square, pads: Sequence[Size]) -> Shape:
    """Blocks of padded positions, each position of a block an entry of the batch."""
    n, h, w, *rest = x.shape
    extents = (h + pads[0] + pads[1], w + pads[2] + pads[3])
    for extent, b in zip(extents, block, strict=True):
        require(extent % b == 0, "the positions are divided into blocks")
    return (n * block[0] * block[1], extents[0] // block[0], extents[1] // block[1], *rest)


def _from_batch(x: Array, block: Sequence[int], crops: Sequence[int]) -> Array:
    n, h, w, *rest = x.shape
    b, c = block
    y = x.reshape(b, c, n // (b * c), h, w, *rest)
    y = y.transpose(2, 3, 0, 4, 1, *range(5, y.ndim)).reshape(n // (b * c), h * b, w * c, *rest)
    return y[:, crops[0] : h * b - crops[1], crops[2] : w * c - crops[3]]


@operator(
    tensor("x", rank=(3, 4, 5)),
    attrs={"block": sizes(1, 3, count=2), "crops": sizes(0, 2, count=4)},
    dtypes=REAL,
    reference=_from_batch,
    keras=in_layer("x", lambda x, block, crops: f"tf.batch_to_space(x, [{block[0]}, {block[1]}], {_two_pairs(crops)})"),
)
def batch_to_space(require: Require, x: Tensor, *, block: Square, crops: Sequence[Size]) -> Shape:
    """Entries of the batch as positions of blocks, of which a border is taken away."""
    n, h, w, *rest = x.shape
    require(n % (block[0] * block[1]) == 0, "a block takes that many entries")
    extents = (h * block[0] - crops[0] - crops[1], w * block[1] - crops[2] - crops[3])
    for extent in extents:
        require(extent >= 1, "something is left")
    return (n // (block[0] * block[1]), *extents, *rest)


# im2col and col2im

_WINDOWS = {
    "kernel": sizes(1, 3, count=2),
    "dilation": sizes(1, 2, count=2),
    "padding": sizes(0, 2, count=2),
    "stride": sizes(1, 3, count=2),
}


def _counts(extents: Square, kernel: Square, dilation: Square, padding: Square, stride: Square) -> list[Size]:
    """How many windows fit along each of two axes."""
    return [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(extents, kernel, dilation, padding, stride, strict=True)
    ]


def _covered(
    extents: Sequence[int],
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> tuple[Array, Array]:
    """Rows and columns, in the padded image, of each place of a window (rows of the result) in each window."""
    rows, columns = (int(c) for c in _counts(extents, kernel, dilation, padding, stride))  # type: ignore[arg-type]
    y, x = np.indices((kernel[0], kernel[1]))
    at_y, at_x = np.indices((rows, columns))
    return (
        y.ravel()[:, None] * dilation[0] + at_y.ravel()[None] * stride[0],
        x.ravel()[:, None] * dilation[1] + at_x.ravel()[None] * stride[1],
    )


def _columns(
    x: Array, kernel: Sequence[int], dilation: Sequence[int], padding: Sequence[int], stride: Sequence[int]
) -> Array:
    p, q = padding
    padded = np.pad(x, [(0, 0), (0, 0), (p, p), (q, q)])
    at_y, at_x = _covered(x.shape[2:], kernel, dilation, padding, stride)
    made = padded[:, :, at_y, at_x]
    return made.reshape(x.shape[0], x.shape[1] * at_y.shape[0], at_y.shape[1])


@operator(
    tensor("x", rank=4),
    attrs=_WINDOWS,
    dtypes=FLOATS,
    reference=_columns,
    special=FRAMEWORKS,
    torch="F.unfold({x}, {kernel}, {dilation}, {padding}, {stride})",
    keras="ops.unfold({x}, {kernel}, {dilation}, {padding}, {stride})",
)
def im2col(require: Require, x: Tensor, *, kernel: Square, dilation: Square, padding: Square, stride: Square) -> Shape:
    """Each window of an image as a column, channels first."""
    n, c, *extents = x.shape
    counts = _counts(extents, kernel, dilation, padding, stride)
    for count in counts:
        require(count >= 1, "a window fits into the image")
    return (n, c * kernel[0] * kernel[1], counts[0] * counts[1])


im2col_layer = spelled(
    im2col, "im2col_layer", torch=emission("{layer}({x})", layer="nn.Unfold({kernel}, {dilation}, {padding}, {stride})")
)


def _image(
    x: Array,
    extents: Sequence[int],
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Array:
    (p, q), (h, w) = padding, extents
    at_y, at_x = _covered(extents, kernel, dilation, padding, stride)
    parts = wide(x).reshape(x.shape[0], -1, *at_y.shape)
    made = np.zeros((x.shape[0], parts.shape[1], h + 2 * p, w + 2 * q))
    places: Any = (slice(None), slice(None), at_y, at_x)
    np.add.at(made, places, parts)
    return made[:, :, p : p + h, q : q + w]


def _uncovered(rng: random.Random, operands: Sequence[Tensor], attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A kernel whose windows the columns hold, and an image that has as many windows as there are columns."""
    _, height, width = (int(size) for size in operands[0].shape)  # type: ignore[arg-type]
    kernel = []
    for _ in range(2):
        kernel.append(rng.choice([k for k in (1, 2, 3) if height % k == 0]))
        height //= kernel[-1]
    rows = rng.choice([n for n in range(1, width + 1) if width % n == 0])
    axes = zip((rows, width // rows), kernel, attrs["dilation"], attrs["padding"], attrs["stride"], strict=True)
    extents = tuple((n - 1) * s + d * (k - 1) + 1 - 2 * p + rng.randrange(s) for n, k, d, p, s in axes)
    return {"kernel": tuple(kernel), "extents": extents}


@operator(
    tensor("x", rank=3),
    attrs={"extents": sizes(1, 9, count=2), **_WINDOWS},
    propose=_uncovered,
    dtypes=FLOATS,
    reference=_image,
    torch="F.fold({x}, {extents}, {kernel}, {dilation}, {padding}, {stride})",
    keras="ops.fold({x}, {extents}, {kernel}, {dilation}, {padding}, {stride})",
)
def col2im(
    require: Require,
    x: Tensor,
    *,
    extents: Square,
    kernel: Square,
    dilation: Square,
    padding: Square,
    stride: Square,
) -> Shape:
    """Columns as windows of an image, added up where they overlap, channels first."""
    counts = _counts(extents, kernel, dilation, padding, stride)
    for count in counts:
        require(count >= 1, "a window fits into the image")
    require(x.shape[2] == counts[0] * counts[1], "there is a column for each window")
    require(x.shape[1] % (kernel[0] * kernel[1]) == 0, "a column holds a window of each channel")
    return (x.shape[0], x.shape[1] // (kernel[0] * kernel[1]), extents[0], extents[1])


col2im_layer = spelled(
    col2im,
    "col2im_layer",
    torch=emission("{layer}({x})", layer="nn.Fold({extents}, {kernel}, {dilation}, {padding}, {stride})"),
)

OPERATORS: Sequence[Operator] = [
    *map(
        on_special,
        (
            pixel_shuffle,
            pixel_shuffle_layer,
            pixel_unshuffle,
            pixel_unshuffle_layer,
            channel_shuffle,
            channel_shuffle_layer,
        ),
    ),
    *(
        on_special(everywhere(op))
        for op in (
            depth_to_space,
            depth_to_space_in_keras,
            space_to_depth,
            space_to_depth_in_keras,
            depth_to_space_channels_first,
            space_to_depth_channels_first,
            space_to_batch,
            batch_to_space,
        )
    ),
    im2col,
    im2col_layer,
    col2im,
    col2im_layer,
]
