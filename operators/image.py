"""Operations on images, as Keras and TensorFlow have them: (height, width, channels), or a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    both,
    choice,
    either,
    emission,
    number,
    sizes,
    tensor,
)
from graphfuzz.spec.dtypes import UNCOMMON, is_float
from operators.native_convolution import (
    FIRST_DTYPES,
    far_defect,
    from_first,
    in_first,
    laid_out,
    looks_elsewhere,
    shape_in,
)
from operators.precision import Array, wide
from operators.resizing import KERNELS, weighted
from operators.spatial import (
    FIRST,
    LAST,
    all_ones,
    declared,
    named_paddings,
    slid,
    thin_convolution,
    thin_defect,
    windows,
)
from operators.spelling import in_layer

KERAS = tuple(d for d in REAL if d not in UNCOMMON["keras"])


def _axes(rank: int, layout: str) -> tuple[int, int]:
    """The axes of height and width."""
    return (rank - 2, rank - 1) if layout == FIRST else (rank - 3, rank - 2)


# Borders


def _bordered(name: str, doc: str, sign: int, word: str) -> Operator:
    """Keras' cropping (sign -1) or padding (1) by numbers of pixels."""

    def rule(require: Require, x: Tensor, *, before: Sequence[Size], behind: Sequence[Size], layout: str) -> Shape:
        made = list(x.shape)
        for axis, b, e in zip(_axes(x.rank, layout), before, behind, strict=True):
            made[axis] = x.shape[axis] + sign * (b + e)
            require(made[axis] >= 1, "something is left")
        return tuple(made)

    def reference(x: Any, before: Any, behind: Any, layout: str) -> Any:
        axes = _axes(x.ndim, layout)
        pairs = [(before[axes.index(a)], behind[axes.index(a)]) if a in axes else (0, 0) for a in range(x.ndim)]
        if sign > 0:
            return np.pad(x, pairs)
        return x[tuple(slice(b, n - e) for n, (b, e) in zip(x.shape, pairs, strict=True))]

    given = ", ".join(
        f"{side}_{word}={{{name}[{i}]}}"
        for i, sides in enumerate((("top", "bottom"), ("left", "right")))
        for side, name in zip(sides, ("before", "behind"), strict=True)
    )
    return declared(
        name,
        doc,
        rule,
        tensor("x", rank=(4, 3)),
        attrs={"before": sizes(0, 3, count=2), "behind": sizes(0, 3, count=2), "layout": choice(LAST, FIRST)},
        dtypes=KERAS,
        reference=reference,
        keras=f'ops.image.{name}({{x}}, {given}, data_format="{{layout}}")',
    )


def _center_crop() -> Operator:
    def rule(require: Require, x: Tensor, *, less: Sequence[Size], layout: str) -> Shape:
        shape = list(x.shape)
        for axis, gone in zip(_axes(x.rank, layout), less, strict=True):
            shape[axis] = x.shape[axis] - gone
            require(shape[axis] >= 1, "something is left")
        return tuple(shape)

    def reference(x: Any, less: Any, layout: str) -> Any:
        for axis, gone in zip(_axes(x.ndim, layout), less, strict=True):
            x = x.take(range(gone // 2, gone // 2 + x.shape[axis] - gone), axis)
        return x

    def layer(layer: str, x: Operand, less: Any, layout: str) -> str:
        height, width = (x.shape[a] - gone for a, gone in zip(_axes(x.rank, layout), less, strict=True))
        return f'layers.CenterCrop({height}, {width}, data_format="{layout}", dtype="{x.dtype}")'

    return declared(
        "center_crop_layer",
        "The middle of images.",
        rule,
        tensor("x", rank=(4, 3)),
        attrs={"less": sizes(0, 5, count=2), "layout": choice(LAST, FIRST)},
        dtypes=FLOATS,
        reference=reference,
        keras=emission("{layer}({x})", layer=layer),
    )


# Patches


def _patches(x: Any, size: Any, strides: Any, dilations: Any, padding: str, layout: str) -> Any:
    """The elements of each patch, row by row, channels innermost."""
    if x.ndim == len(size) + 1:
        return _patches(x[None], size, strides, dilations, padding, layout)[0]
    moved = in_first(layout, x)
    pairs = named_paddings(padding, moved.shape[2:], size, strides, dilations)
    seen = windows(np.pad(moved, [(0, 0), (0, 0), *pairs]), size, strides, dilations)
    inner = np.moveaxis(seen, 1, -1)
    return from_first(layout, np.moveaxis(inner.reshape(*inner.shape[: 1 + len(size)], -1), -1, 1))


def _patch_shape(
    require: Require, x: Tensor, size: Any, strides: Any, dilations: Any, padding: str, layout: str
) -> Shape:
    batch, channels, spatial = laid_out(_batched(x, len(size)), layout)
    made = slid(require, spatial, size, strides, dilations, named_paddings(padding, spatial, size, strides, dilations))
    for extent in size:
        channels = channels * extent
    shape = shape_in(layout, batch, channels, made)
    return shape if x.rank == len(size) + 2 else shape[1:]


def _batched(x: Tensor, spatial: int) -> Tensor:
    return x if x.rank == spatial + 2 else Tensor(x.dtype, (1, *x.shape))


def _patch_attributes(spatial: int, layouts: Sequence[str]) -> dict[str, Any]:
    return {
        "size": sizes(1, 3, count=spatial),
        "strides": sizes(1, 3, count=spatial),
        "dilations": sizes(1, 2, count=spatial),
        "padding": choice("valid", "same"),
        "layout": choice(*layouts),
    }


def _extract(spatial: int) -> Operator:
    """Keras convolves with a kernel of zeros and ones for it."""

    def rule(
        require: Require,
        x: Tensor,
        *,
        size: Sequence[Size],
        strides: Sequence[Size],
        dilations: Sequence[Size],
        padding: str,
        layout: str,
    ) -> Shape:
        require(layout == LAST or x.dtype in FIRST_DTYPES, "TensorFlow has channels-first kernels for the dtype")
        require(either(all_ones(strides), all_ones(dilations)), "strides do not go with dilations")
        return _patch_shape(require, x, size, strides, dilations, padding, layout)

    def thin(x: Tensor, *, size: Any, strides: Any, dilations: Any, padding: str, layout: str) -> Any:
        _, channels, around = laid_out(_batched(x, spatial), layout)
        pairs = named_paddings(padding, around, size, strides, dilations)
        padded = [n + before + behind for n, (before, behind) in zip(around, pairs, strict=True)]
        return both(all_ones(dilations), thin_convolution(x, channels, padded, size, strides))

    def far(x: Tensor, *, size: Any, strides: Any, dilations: Any, padding: str, layout: str) -> Any:
        wrong = x.dtype == "bfloat16" and padding == "same"
        return wrong and looks_elsewhere(laid_out(_batched(x, spatial), layout)[2], size, strides)

    suffix = "_3d" if spatial == 3 else ""
    return declared(
        f"extract_patches{suffix}",
        "The elements under each position of a window, as channels.",
        rule,
        tensor("x", rank=(spatial + 2, spatial + 1)),
        attrs=_patch_attributes(spatial, (LAST,) if spatial == 3 else (LAST, FIRST)),
        dtypes=FLOATS if spatial == 2 else ("float32", "bfloat16"),
        reference=_patches,
        keras=emission(
            f'ops.image.extract_patches{suffix}({{x}}, {{size}}, {{strides}}, {{dilations}}, "{{padding}}", '
            'data_format="{layout}")',
            defects=[thin_defect(thin), *([far_defect(far)] if spatial == 3 else [])],
        ),
    )


def _tf_extract() -> Operator:
    def rule(
        require: Require,
        x: Tensor,
        *,
        size: Sequence[Size],
        strides: Sequence[Size],
        dilations: Sequence[Size],
        padding: str,
    ) -> Shape:
        return _patch_shape(require, x, size, strides, dilations, padding, LAST)

    attrs = _patch_attributes(2, (LAST,))
    del attrs["layout"]
    call = "tf.image.extract_patches(x, (1, *{size}, 1), (1, *{strides}, 1), (1, *{dilations}, 1), {padding!r}.upper())"
    return declared(
        "tf_extract_patches",
        "The elements under each position of a window, as channels; by TensorFlow's own operator.",
        rule,
        tensor("x", rank=4),
        attrs=attrs,
        dtypes=KERAS,
        reference=lambda x, **use: _patches(x, layout=LAST, **use),
        keras=in_layer("x", call),
    )


# Filters


def _blur() -> Operator:
    """Of square kernels only: Keras lays the rows of others out wrongly (keras/src/backend/tensorflow/image.py)."""

    def rule(require: Require, x: Tensor, *, size: Size, across: float, down: float, layout: str) -> Shape:
        return x.shape

    def reference(x: Any, size: int, across: float, down: float, layout: str) -> Any:
        places = np.arange(size) - (size - 1) / 2
        row, column = (np.exp(-0.5 * (places / sigma) ** 2) for sigma in (across, down))
        kernel = np.outer(column / column.sum(), row / row.sum())
        moved = in_first(layout, wide(x if x.ndim == 4 else x[None]))
        pairs = named_paddings("same", moved.shape[2:], (size, size), (1, 1), (1, 1))
        seen = windows(np.pad(moved, [(0, 0), (0, 0), *pairs]), (size, size), (1, 1), (1, 1))
        made = from_first(layout, np.einsum("nchwij,ij->nchw", seen, kernel))
        return made if x.ndim == 4 else made[0]

    return declared(
        "gaussian_blur",
        "Images smoothed by a square Gaussian kernel.",
        rule,
        tensor("x", rank=(4, 3)),
        attrs={
            "size": choice(3, 1, 5),
            "across": number(0.5, 2),
            "down": number(0.5, 2),
            "layout": choice(LAST, FIRST),
        },
        dtypes=FLOATS,
        domain=(-4.0, 4.0),
        reference=reference,
        # TensorFlow's range, of which Keras makes the kernel, has no float16 in a traced model.
        keras=emission(
            'ops.image.gaussian_blur({x}, ({size}, {size}), ({across}, {down}), data_format="{layout}")',
            dtypes=[d for d in FLOATS if d != "float16"],
        ),
    )


def _sobel() -> Operator:
    def rule(require: Require, x: Tensor, *, layout: str) -> Shape:
        _, _, spatial = laid_out(x, layout)
        for n in spatial:
            require(n >= 2, "there is a border to reflect at")
        return (*x.shape, 2)

    def reference(x: Any, layout: str) -> Any:
        moved = np.pad(in_first(layout, wide(x)), [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect")
        seen = windows(moved, (3, 3), (1, 1), (1, 1))
        kernel = np.outer([-1, 0, 1], [1, 2, 1])
        made = [from_first(layout, np.einsum("nchwij,ij->nchw", seen, k)) for k in (kernel, kernel.T)]
        return np.stack(made, -1)

    return declared(
        "sobel_edges",
        "The differences of images down and across, by Sobel's kernels.",
        rule,
        tensor("x", rank=4),
        attrs={"layout": choice(LAST, FIRST)},
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        reference=reference,
        keras='ops.image.sobel_edges({x}, data_format="{layout}")',
    )


# Values


def _scaled(name: str, doc: str, of: Callable[..., Any], layer: str, attrs: dict[str, Any]) -> Operator:
    """A layer that maps each value alone, integers to float32."""

    def rule(require: Require, x: Tensor, *, scale: float, offset: float) -> Shape:
        return x.shape

    def text(layer: str, x: Operand, scale: float, offset: float) -> str:
        dtype = x.dtype if is_float(x.dtype) else "float32"
        return template.format(scale=scale, offset=offset, dtype=dtype)

    template = layer
    return declared(
        name,
        doc,
        rule,
        tensor("x", rank=range(1, 6)),
        attrs=attrs,
        dtypes=KERAS,
        returns=lambda framework, bound, attrs: bound["T"] if is_float(bound["T"]) else "float32",
        domain=(-8.0, 8.0),
        reference=lambda x, scale, offset: of(wide(x).astype(np.float64), scale, offset),
        keras=emission("{layer}({x})", layer=text),
    )


# Geometry


def _scale_and_translate() -> Operator:
    def place(made: int, scale: float, shift: float) -> Array:
        return (np.arange(made) + 0.5 - shift) / scale - 0.5

    def rule(
        require: Require,
        x: Tensor,
        *,
        made: Sequence[Size],
        scale: float,
        shift: float,
        method: str,
        antialias: bool,
    ) -> Shape:
        return (x.shape[0], *made, x.shape[3])

    def matrix(m: int, n: int, scale: float, shift: float, method: str, antialias: bool) -> Array:
        kernel, _ = KERNELS[{"linear": "bilinear", "cubic": "bicubic"}.get(method, method)]
        places = place(m, scale, shift)
        weights = kernel((places[:, None] - np.arange(n)) / (max(1 / scale, 1.0) if antialias else 1.0))
        total = weights.sum(1, keepdims=True)
        inside = (places >= -0.5) & (places <= n - 0.5)
        return np.where(inside[:, None], weights / np.where(total == 0, 1, total), 0.0)

    def reference(x: Any, made: Any, scale: float, shift: float, method: str, antialias: bool) -> Any:
        axes = zip(made, x.shape[1:3], strict=True)
        return weighted(x, [matrix(m, n, scale, shift, method, antialias) for m, n in axes], 1)

    def defined(x: Any, made: Any, scale: float, shift: float, method: str, antialias: bool) -> bool:
        """No place at the border, outside of which everything is zero, nor beyond an entry's reach."""
        for m, n in zip(made, x.shape[1:3], strict=True):
            places = place(m, scale, shift)
            if np.any(np.minimum(np.abs(places + 0.5), np.abs(places - n + 0.5)) < 1e-3):
                return False
        return True

    def call(x: Operand, made: Any, scale: float, shift: float, method: str, antialias: bool) -> str:
        pair = f'np.array([{scale}, {scale}], "float32"), np.array([{shift}, {shift}], "float32")'
        shape = (x.shape[0], *made, x.shape[3])
        return f'ops.image.scale_and_translate({x}, {shape}, {pair}, (1, 2), "{method}", {antialias})'

    return declared(
        "scale_and_translate",
        "Images (batch, height, width, channels) stretched by a factor and moved, zero outside.",
        rule,
        tensor("x", rank=4),
        attrs={
            "made": sizes(1, 8, count=2),
            "scale": number(0.5, 2.5),
            "shift": number(-1, 3),
            "method": choice("linear", "cubic", "lanczos3", "lanczos5"),
            "antialias": choice(True, False),
        },
        dtypes=("float32",),
        domain=(-8.0, 8.0),
        defined=defined,
        reference=reference,
        keras=call,
    )


# Keras holds both as float32, whatever the layer's dtype: numbers that float32 knows exactly.
_NUMBERS = {"scale": choice(1.0, 2.0, 0.5, -0.25, 0.00390625, 1.5), "offset": choice(0.0, -1.0, 0.5, 2.75)}
_MEAN = {"scale": choice(1.0, 4.0, 0.25, 2.25, 0.0625), "offset": choice(0.0, 1.0, -0.5, 3.25)}
OPERATORS: Sequence[Operator] = [
    _bordered("crop_images", "Images without some rows and columns at their borders.", -1, "cropping"),
    _bordered("pad_images", "Images with rows and columns of zeros around them.", 1, "padding"),
    _center_crop(),
    _extract(2),
    _extract(3),
    _tf_extract(),
    _blur(),
    _sobel(),
    _scaled(
        "rescaling_layer",
        "Each element times a number, plus a number.",
        lambda x, scale, offset: x * scale + offset,
        'layers.Rescaling({scale}, {offset}, dtype="{dtype}")',
        _NUMBERS,
    ),
    _scaled(
        "normalization_layer",
        "Each element without a mean, divided by a deviation.",
        lambda x, scale, offset: (x - offset) / np.sqrt(scale),
        'layers.Normalization(axis=None, mean={offset}, variance={scale}, dtype="{dtype}")',
        _MEAN,
    ),
    _scale_and_translate(),
]
