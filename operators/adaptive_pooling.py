"""Pooling whose windows follow from the output's size.

Of n entries, output i of m sees those from floor(i n / m) to before ceil((i + 1) n / m):
https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Defect,
    Emission,
    Operand,
    Operator,
    Require,
    Size,
    Tensor,
    ceil_div,
    either,
    emission,
    flag,
    maximum,
    sizes,
    tensor,
)
from operators.native_convolution import from_first, in_first, laid_out, shape_in
from operators.pooling import AXES, TF_3D, no_ties
from operators.precision import wide
from operators.spatial import FIRST, LAST, batched_or_not, declared


def _parts(sizes: Sequence[int], outputs: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Each output position, with the window it sees."""
    for place in itertools.product(*map(range, outputs)):
        seen = [slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in zip(place, sizes, outputs, strict=True)]
        yield place, tuple(seen)


def _pooled(x: Any, outputs: Sequence[int], of: Callable[[Any], Any], dtype: Any) -> Any:
    """`of` each window; it gets (..., elements) and folds the last axis."""
    lead = x.shape[: -len(outputs)]
    made = np.empty((*lead, *outputs), dtype)
    for place, seen in _parts(x.shape[-len(outputs) :], outputs):
        made[(..., *place)] = of(x[(..., *seen)].reshape(*lead, -1))
    return made


def _means(x: Any, outputs: Any) -> Any:
    return _pooled(wide(x), outputs, lambda seen: seen.mean(-1), np.float64)


def _largest(x: Any, outputs: Any) -> Any:
    return _pooled(x, outputs, lambda seen: seen.max(-1), x.dtype)


def _indices(x: Any, outputs: Any) -> Any:
    """Where each window's largest element stands, counted over x' spatial axes."""
    spatial = x.shape[-len(outputs) :]
    places = np.arange(math.prod(spatial)).reshape(spatial)
    made = np.empty((*x.shape[: -len(outputs)], *outputs), np.int64)
    for place, seen in _parts(spatial, outputs):
        largest = x[(..., *seen)].reshape(*made.shape[: -len(outputs)], -1).argmax(-1)
        made[(..., *place)] = places[seen].reshape(-1)[largest]
    return made


def _untied(x: Any, outputs: Any) -> bool:
    lead = x.shape[: -len(outputs)]
    parts = _parts(x.shape[-len(outputs) :], outputs)
    return all(no_ties(x[(..., *seen)].reshape(*lead, -1)) for _, seen in parts)


def _made(sizes: Sequence[Any], outputs: Sequence[Any], shares: bool) -> list[Any]:
    """The outputs' sizes: as told, or these shares of the inputs', which are divisors more often than not.

    Some converters know windows of one size only.
    """
    if not shares:
        return list(outputs)
    return [maximum(n // m, 1) for n, m in zip(sizes, outputs, strict=True)]


_DEADLY = ("bfloat16", "float32")
"""The dtypes that TensorFlow 2.21's MaxPool by oneDNN serves, which divides by zero where there is no window."""


def _defects(spatial: int, kind: str, last: bool) -> list[Defect]:
    """Keras slides a second window, one larger, which exceeds an axis that is one output or one entry."""

    def exceeds(x: Tensor, *, outputs: Sequence[Size], shares: bool) -> Any:
        around = x.shape[1:-1] if last else x.shape[-spatial:]
        made = _made(around, outputs, shares)
        return either(*(ceil_div(n, m) + 1 > n for n, m in zip(around, made, strict=True)))

    deadly = _DEADLY if kind == "max" else ()

    def kills(x: Tensor, **attrs: Any) -> Any:
        return x.dtype in deadly and exceeds(x, **attrs)

    def refuses(x: Tensor, **attrs: Any) -> Any:
        return x.dtype not in deadly and exceeds(x, **attrs)

    source = "keras/src/backend/tensorflow/nn.py, compute_adaptive_pooling_window_sizes"
    what = "it slides a window that exceeds an axis of one output or one entry"
    traced = Defect(f"{what}, which a traced model refuses", refuses, source)
    killed = Defect(f"{what}, by which TensorFlow divides by zero", kills, source, fatal=True)
    mild = [traced] if set(TF_3D if spatial == 3 else FLOATS) - set(deadly) else []
    return mild + ([killed] if deadly else [])


def _text(template: str, last: bool = False) -> Callable[..., str]:
    """An emission's text; {made} in its template are the outputs' sizes."""

    def text(x: Operand, outputs: Sequence[int], shares: bool, **_: Any) -> str:
        spatial = x.shape[1:-1] if last else x.shape[-len(outputs) :]
        return template.format(x=x, dtype=x.dtype, made=tuple(_made(spatial, outputs, shares)))

    return text


def _adaptive(
    name: str, spatial: int, doc: str, computed: Any, torch: Any, keras: Emission | None = None, **fields: Any
) -> Operator:
    several = "returns" in fields

    def rule(require: Require, x: Tensor, *, outputs: Sequence[Size], shares: bool) -> Any:
        made = (*x.shape[:-spatial], *_made(x.shape[-spatial:], outputs, shares))
        return [made, made] if several else made

    return declared(
        name,
        f"{doc} of as many windows along {AXES[spatial]} as there are to be outputs.",
        rule,
        tensor("x", rank=spatial + 2 if keras else batched_or_not(spatial)),
        attrs={"outputs": sizes(1, 8, count=spatial), "shares": flag()},
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        reference=lambda x, outputs, shares: computed(x, _made(x.shape[-spatial:], outputs, shares)),
        torch=torch,
        keras=keras,
        **fields,
    )


def _native(
    name: str, spatial: int, doc: str, computed: Any, layer: str, dtypes: Sequence[str], defects: Sequence[Defect]
) -> Operator:
    def rule(require: Require, x: Tensor, *, outputs: Sequence[Size], shares: bool) -> Any:
        batch, channels, around = laid_out(x, LAST)
        return shape_in(LAST, batch, channels, _made(around, outputs, shares))

    def reference(x: Any, outputs: Any, shares: bool) -> Any:
        return from_first(LAST, computed(in_first(LAST, x), _made(x.shape[1:-1], outputs, shares)))

    text = _text(f'layers.{layer}{spatial}D({{made}}, data_format="channels_last", dtype="{{dtype}}")', last=True)
    return declared(
        name,
        f"{doc} of as many windows along {AXES[spatial]} as there are to be outputs, channels last.",
        rule,
        tensor("x", rank=spatial + 2),
        attrs={"outputs": sizes(1, 8, count=spatial), "shares": flag()},
        dtypes=dtypes,
        domain=(-8.0, 8.0),
        reference=reference,
        keras=emission("{layer}({x})", layer=text, defects=defects),
    )


def _family(n: int) -> list[Operator]:
    made = []
    kinds = (
        ("average", "The mean", _means, "avg", "AdaptiveAvgPool", "AdaptiveAveragePooling"),
        ("max", "The largest element", _largest, "max", "AdaptiveMaxPool", "AdaptiveMaxPooling"),
    )
    for kind, doc, computed, short, torch, keras in kinds:
        dtypes = TF_3D if n == 3 else FLOATS
        text = _text(f'layers.{keras}{n}D({{made}}, data_format="{FIRST}", dtype="{{dtype}}")')
        function = _text(f'ops.adaptive_{kind}_pool({{x}}, {{made}}, data_format="{FIRST}")')
        defects = _defects(n, kind, last=False)
        keras_forms = [
            emission(function, dtypes=dtypes, defects=defects),
            emission("{layer}({x})", layer=text, dtypes=dtypes, defects=defects),
        ]
        native = f"native_adaptive_{kind}_pool{n}d_layer"
        made.append(_native(native, n, doc, computed, keras, dtypes, _defects(n, kind, last=True)))
        layer = emission("{layer}({x})", layer=_text(f"nn.{torch}{n}d({{made}})"))
        call = _text(f"F.adaptive_{short}_pool{n}d({{x}}, {{made}})")
        made += [
            _adaptive(f"adaptive_{kind}_pool{n}d", n, doc, computed, call, keras_forms[0]),
            _adaptive(f"adaptive_{kind}_pool{n}d_layer", n, doc, computed, layer, keras_forms[1]),
        ]
    return [*made, _argmax(n)]


def _argmax(n: int) -> Operator:
    return _adaptive(
        f"adaptive_argmax_pool{n}d",
        n,
        "The largest element, and where it stands among the spatial positions,",
        lambda x, outputs: (_largest(x, outputs), _indices(x, outputs)),
        _text(f"F.adaptive_max_pool{n}d({{x}}, {{made}}, return_indices=True)"),
        returns=("T", "int64"),
        defined=lambda x, outputs, shares: _untied(x, _made(x.shape[-n:], outputs, shares)),
    )


OPERATORS: Sequence[Operator] = [op for n in AXES for op in _family(n)]
