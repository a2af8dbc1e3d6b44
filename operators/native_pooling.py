"""Pooling as Keras writes it: padding by name, either layout; and TensorFlow's own forms of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Condition,
    Emission,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    flag,
    sizes,
    tensor,
)
from operators.native_convolution import far_defect, from_first, in_first, laid_out, looks_elsewhere, shape_in
from operators.pooling import AXES, TF_3D, TF_MAX, lowest, no_ties
from operators.precision import wide
from operators.spatial import FIRST, LAST, declared, named_paddings, slid, windows
from operators.spelling import in_layer


def _seen(x: Any, window: Any, strides: Any, padding: str, fill: Any) -> Any:
    """The elements of a channels-first array's windows along one last axis."""
    ones = (1,) * len(window)
    pairs = named_paddings(padding, x.shape[2:], window, strides, ones)
    padded = np.pad(x, [(0, 0), (0, 0), *pairs], constant_values=fill)
    seen = windows(padded, window, strides, ones)
    return seen.reshape(*seen.shape[: -len(window)], -1)


def _largest(x: Any, window: Any, strides: Any, padding: str) -> Any:
    return _seen(x, window, strides, padding, lowest(x.dtype)).max(-1)


def _mean(x: Any, window: Any, strides: Any, padding: str) -> Any:
    """The mean of what lies in the input: the padding does not count."""
    counts = _seen(np.ones((1, 1, *x.shape[2:])), window, strides, padding, 0.0).sum(-1)
    return _seen(wide(x), window, strides, padding, 0.0).sum(-1) / counts


def _pooled(
    require: Require, x: Tensor, window: Sequence[Size], strides: Sequence[Size], padding: str, layout: str
) -> Shape:
    batch, channels, spatial = laid_out(x, layout)
    ones = (1,) * len(window)
    pairs = named_paddings(padding, spatial, window, strides, ones)
    return shape_in(layout, batch, channels, slid(require, spatial, window, strides, ones, pairs))


def _attributes(spatial: int, layouts: Sequence[str]) -> dict[str, Any]:
    return {
        "window": sizes(1, 4, count=spatial),
        "strides": sizes(1, 3, count=spatial),
        "padding": choice("valid", "same"),
        "layout": choice(*layouts),
    }


def _pool(name: str, spatial: int, doc: str, computed: Any, keras: Emission) -> Operator:
    def rule(
        require: Require, x: Tensor, *, window: Sequence[Size], strides: Sequence[Size], padding: str, layout: str
    ) -> Shape:
        return _pooled(require, x, window, strides, padding, layout)

    return declared(
        name,
        f"{doc} along {AXES[spatial]}, in either layout.",
        rule,
        tensor("x", rank=spatial + 2),
        attrs=_attributes(spatial, (LAST, FIRST)),
        dtypes=keras.dtypes["T"],
        domain=(-8.0, 8.0),
        reference=lambda x, layout, **attrs: from_first(layout, computed(in_first(layout, x), **attrs)),
        keras=keras,
    )


_REST = '{window}, {strides}, "{padding}", data_format="{layout}"'


def _far(x: Tensor, *, window: Any, strides: Any, padding: str, layout: str) -> bool | Condition:
    wrong = x.dtype == "bfloat16" and padding == "same"
    return wrong and looks_elsewhere(laid_out(x, layout)[2], window, strides)


_FAR = far_defect(_far)


def _pools(n: int) -> list[Operator]:
    made = []
    floats = TF_3D if n == 3 else FLOATS
    kinds = (
        ("max", "The largest element of each window", _largest, "MaxPooling", TF_3D if n == 3 else TF_MAX),
        ("average", "The mean of each window", _mean, "AveragePooling", floats),
    )
    for kind, doc, computed, layer, dtypes in kinds:
        defects = [_FAR] if n == 3 else []
        call = emission(f"ops.{kind}_pool({{x}}, {_REST})", dtypes=dtypes, defects=defects)
        text = f'layers.{layer}{n}D({_REST}, dtype="{{x.dtype}}")'
        layered = emission("{layer}({x})", layer=text, dtypes=floats, defects=defects)
        made += [
            _pool(f"native_{kind}_pool{n}d", n, doc, computed, call),
            _pool(f"native_{kind}_pool{n}d_layer", n, doc, computed, layered),
        ]
    return made


def _global(kind: str, spatial: int) -> Operator:
    def rule(require: Require, x: Tensor, *, keepdims: bool, layout: str) -> Shape:
        batch, channels, _ = laid_out(x, layout)
        return shape_in(layout, batch, channels, (1,) * spatial if keepdims else ())

    def reference(x: Any, keepdims: bool, layout: str) -> Any:
        axes = tuple(range(2, 2 + spatial)) if layout == FIRST else tuple(range(1, 1 + spatial))
        return (np.max if kind == "max" else np.mean)(wide(x), axis=axes, keepdims=keepdims)

    layer = f"Global{kind.capitalize()}Pooling{spatial}D"
    rest = 'data_format="{layout}", keepdims={keepdims}, dtype="{x.dtype}"'
    return declared(
        f"global_{kind}_pool{spatial}d_layer",
        f"The {'largest element' if kind == 'max' else 'mean'} of each channel along {AXES[spatial]}.",
        rule,
        tensor("x", rank=spatial + 2),
        attrs={"keepdims": flag(), "layout": choice(LAST, FIRST)},
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        reference=reference,
        keras=emission("{layer}({x})", layer=f"layers.{layer}({rest})"),
    )


# TensorFlow's own


def _places(x: Any, window: Any, strides: Any, padding: str, batched: bool) -> Any:
    """Where the largest elements stand, counted over a channels-last input (with the batch where told)."""
    places = np.arange(x.size).reshape(x.shape)
    if not batched:
        places = places % max(x[0].size, 1)
    seen, at = (_seen(in_first(LAST, a), window, strides, padding, f) for a, f in ((x, lowest(x.dtype)), (places, -1)))
    return from_first(LAST, np.take_along_axis(at, seen.argmax(-1)[..., None], -1)[..., 0])


def _argmax_defined(x: Any, window: Any, strides: Any, padding: str, batched: bool) -> bool:
    return no_ties(_seen(in_first(LAST, x), window, strides, padding, lowest(x.dtype)))


def _argmax() -> Operator:
    def rule(
        require: Require, x: Tensor, *, window: Sequence[Size], strides: Sequence[Size], padding: str, batched: bool
    ) -> list[Shape]:
        made = _pooled(require, x, window, strides, padding, LAST)
        return [made, made]

    def reference(x: Any, window: Any, strides: Any, padding: str, batched: bool) -> Any:
        values = from_first(LAST, _largest(in_first(LAST, x), window, strides, padding))
        return values, _places(x, window, strides, padding, batched)

    call = "tuple(tf.nn.max_pool_with_argmax(x, {window}, {strides}, {padding!r}, include_batch_in_index={batched}))"
    return declared(
        "tf_argmax_pool2d",
        "The largest element of each window of (batch, height, width, channels), and where it stands in all of them.",
        rule,
        tensor("x", rank=4),
        attrs={
            "window": sizes(1, 4, count=2),
            "strides": sizes(1, 3, count=2),
            "padding": choice("VALID", "SAME"),
            "batched": flag(),
        },
        dtypes=TF_MAX,
        returns=("T", "int64"),
        defined=_argmax_defined,
        reference=reference,
        keras=in_layer("x", call),
    )


def _v2() -> Operator:
    def rule(require: Require, x: Tensor, *, window: Sequence[Size], strides: Sequence[Size], padding: str) -> Shape:
        return _pooled(require, x, window, strides, padding, LAST)

    call = "tf.raw_ops.MaxPoolV2(input=x, ksize=(1, *{window}, 1), strides=(1, *{strides}, 1), padding={padding!r})"
    return declared(
        "tf_max_pool2d_v2",
        "The largest element of each window, whose size is an operand of TensorFlow's operator.",
        rule,
        tensor("x", rank=4),
        attrs={
            "window": sizes(1, 4, count=2),
            "strides": sizes(1, 3, count=2),
            "padding": choice("VALID", "SAME"),
        },
        dtypes=TF_MAX,
        reference=lambda x, **attrs: from_first(LAST, _largest(in_first(LAST, x), **attrs)),
        keras=in_layer("x", call),
    )


OPERATORS: Sequence[Operator] = [
    *(op for n in AXES for op in _pools(n)),
    *(_global(kind, n) for kind in ("max", "average") for n in AXES),
    _argmax(),
    _v2(),
]
