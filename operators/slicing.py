"""Operators that take a regular part of a tensor: slices, single entries, windows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

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
    axis,
    both,
    choice,
    choose,
    flag,
    maximum,
    minimum,
    on_special,
    operator,
    size,
    sizes,
    spelled,
    tensor,
)
from operators.precision import Array
from operators.spelling import Proposal, Several, everywhere, in_layer, known


def _inside(place: Size, n: Size) -> Size:
    """A place counted from the start (from the end, where negative), brought into [0, n]."""
    return choose(place < 0, maximum(place + n, 0), minimum(place, n))


def _subscript(x: str, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> str:
    """One slice an axis; the comma behind each makes a tuple of a single one, which Keras' symbolic tensors need."""
    return f"{x}[{' '.join(f'{a}:{b}:{c},' for a, b, c in zip(starts, stops, steps, strict=True))}]"


def _propose_slice(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    """Places in order; some of them counted from the end, some stops beyond it."""
    lengths = known(operands[0].shape)
    if lengths is None or 0 in lengths:
        return attrs
    starts = [rng.randrange(min(n, 16)) for n in lengths]
    stops = [min(rng.randint(a + 1, n + 1), 16) for a, n in zip(starts, lengths, strict=True)]
    return {
        **attrs,
        "starts": tuple(
            a - n if a - n >= -16 and rng.random() < 0.3 else a for a, n in zip(starts, lengths, strict=True)
        ),
        "stops": tuple(
            b - n if -16 <= b - n < 0 and rng.random() < 0.3 else b for b, n in zip(stops, lengths, strict=True)
        ),
    }


def _slice_length(n: Size, start: Size, stop: Size, step: Size) -> Size:
    room = _inside(stop, n) - _inside(start, n)
    return maximum(0, (room + step - 1) // step)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={
        "starts": sizes(-16, 16, per="x"),
        "stops": sizes(-16, 16, per="x"),
        "steps": sizes(1, 3, per="x"),
    },
    dtypes=ANY,
    empty=True,
    reference=lambda x, starts, stops, steps: x[tuple(map(slice, starts, stops, steps))],
    propose=_propose_slice,
    torch=_subscript,
    keras=_subscript,
)
def strided_slice(
    require: Require, x: Tensor, *, starts: Sequence[Size], stops: Sequence[Size], steps: Sequence[Size]
) -> Shape:
    """Every step-th entry from start to stop of every axis, as Python slices a sequence."""
    return tuple(_slice_length(*entry) for entry in zip(x.shape, starts, stops, steps, strict=True))


ENDLESS = 2**63 - 1
"""What PyTorch itself writes for a stop that is left out."""


def _propose_along(rng: random.Random, operands: Sequence[Tensor], attrs: Proposal) -> Proposal:
    """Places in order, some counted from the end, and some stops beyond it."""
    lengths = known(operands[0].shape)
    n = lengths[attrs["axis"]] if lengths else 0
    if n == 0:
        return attrs
    start = rng.randrange(n)
    stop = rng.choice((rng.randint(start + 1, n), n + 1, ENDLESS))
    start, stop = (p - n if n - 16 <= p < n and rng.random() < 0.3 else p for p in (start, stop))
    return {**attrs, "start": start, "stop": stop}


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "start": size(-16, ENDLESS), "stop": size(-16, ENDLESS), "step": size(1, 16)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, start, stop, step: x[(slice(None),) * (axis % x.ndim) + (slice(start, stop, step),)],
    propose=_propose_along,
    torch=lambda x, axis, start, stop, step: f"{x}[{':, ' * (axis % x.rank)}{start}:{stop}:{step}]",
)
def slice_along(require: Require, x: Tensor, *, axis: int, start: Size, stop: Size, step: Size) -> Shape:
    """Every step-th entry from start to stop of one axis."""
    place = axis % x.rank
    return (*x.shape[:place], _slice_length(x.shape[place], start, stop, step), *x.shape[place + 1 :])


_FORMS = ("full", "at", "from", "to", "between", "stepped")


def _tokens(forms: Sequence[str], starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> list[Any]:
    """What a subscript says of each axis: an index or a slice."""
    made: list[Any] = []
    for form, start, stop, step in zip(forms, starts, stops, steps, strict=True):
        slices = {
            "full": slice(None),
            "from": slice(start, None),
            "to": slice(None, stop),
            "between": slice(start, stop),
            "stepped": slice(None, None, step),
        }
        made.append(start if form == "at" else slices[form])
    return made


def _written(token: Any) -> str:
    if token is None or isinstance(token, int):
        return str(token)
    if token is Ellipsis:
        return "..."
    parts = ["" if p is None else str(p) for p in (token.start, token.stop)]
    return ":".join(parts) + ("" if token.step is None else f":{token.step}")


def _key(
    forms: Sequence[str],
    starts: Sequence[int],
    stops: Sequence[int],
    steps: Sequence[int],
    fresh: int,
    ellipsis: bool,
) -> tuple[Any, ...]:
    """The subscript: with `...` in place of the first axes taken whole, and a new axis before the axis `fresh`."""
    tokens = _tokens(forms, starts, stops, steps)
    if 0 <= fresh <= len(tokens):
        tokens.insert(fresh, None)
    if ellipsis:
        whole = [i for i, token in enumerate(tokens) if token == slice(None)]
        start = whole[0] if whole else len(tokens)
        end = next((i for i in range(start, len(tokens)) if tokens[i] != slice(None)), len(tokens))
        tokens[start:end] = [Ellipsis]
    return tuple(tokens)


def _subscripted(x: Operand, **attrs: Any) -> str:
    return f"{x}[{' '.join(_written(token) + ',' for token in _key(**attrs))}]"


_PLACES = {"starts": sizes(-6, 6, per="x"), "stops": sizes(-6, 6, per="x")}


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={
        "forms": Several(_FORMS, per="x"),
        **_PLACES,
        "steps": sizes(1, 3, per="x"),
        "fresh": choice(-1, 0, 1, 2, 3),
        "ellipsis": flag(),
    },
    dtypes=ANY,
    empty=True,
    reference=lambda x, **attrs: x[_key(**attrs)],
    torch=_subscripted,
    keras=_subscripted,
)
def subscript(
    require: Require,
    x: Tensor,
    *,
    forms: Sequence[str],
    starts: Sequence[Size],
    stops: Sequence[Size],
    steps: Sequence[Size],
    fresh: int,
    ellipsis: bool,
) -> Shape:
    """A subscript as people write it: of slices with some of their places left out, indices, None and an ellipsis."""
    made: list[Size] = []
    for place, (form, n, start, stop, step) in enumerate(zip(forms, x.shape, starts, stops, steps, strict=True)):
        if place == fresh:
            made.append(1)
        if form == "at":
            require(both(-n <= start, start < n), "an index lies on its axis")
        else:
            first, last = (start if form in ("from", "between") else 0), (stop if form in ("to", "between") else n)
            made.append(_slice_length(n, first, last, step if form == "stepped" else 1))
    return tuple(made) + ((1,) if fresh == x.rank else ())


def _reversed_key(forms: Sequence[str], places: Sequence[int], steps: Sequence[int]) -> tuple[slice, ...]:
    return tuple(
        slice(place if form == "from" else None, place if form == "to" else None, -step)
        for form, place, step in zip(forms, places, steps, strict=True)
    )


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={
        "forms": Several(("full", "from", "to"), per="x"),
        "places": sizes(-6, 6, per="x"),
        "steps": sizes(1, 3, per="x"),
    },
    dtypes=ANY,
    reference=lambda x, forms, places, steps: x[_reversed_key(forms, places, steps)],
    keras=in_layer(
        "x",
        lambda x, forms, places, steps: f"x[{', '.join(map(_written, _reversed_key(forms, places, steps)))}]",
    ),
)
def reversed_slice(
    require: Require, x: Tensor, *, forms: Sequence[str], places: Sequence[Size], steps: Sequence[Size]
) -> Shape:
    """Slices whose steps are negative: from the end (or a place) down to the start (or a place)."""
    made: list[Size] = []
    for n, form, place, step in zip(x.shape, forms, places, steps, strict=True):
        # Going down, places are brought into [-1, n - 1].
        inside = choose(place < 0, maximum(place + n, -1), minimum(place, n - 1))
        room = {"full": n, "from": inside + 1, "to": n - 1 - inside}[form]
        made.append(maximum(0, (room + step - 1) // step))
    return tuple(made)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "start": size(-8, 8), "length": size(0, 12)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axis, start, length: np.take(x, np.arange(length) + start % max(x.shape[axis], 1), axis),
    torch="torch.narrow({x}, {axis}, {start}, {length})",
)
def narrow(require: Require, x: Tensor, *, axis: int, start: Size, length: Size) -> Shape:
    """Some entries in a row of one axis, from a place that may be counted from the end."""
    place = axis % x.rank
    n = x.shape[place]
    require(both(-n <= start, start <= n), "the start lies on the axis")
    require(choose(start < 0, start + n, start) + length <= n, "the end lies on the axis")
    return (*x.shape[:place], length, *x.shape[place + 1 :])


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "place": size(-8, 8)},
    dtypes=ANY,
    reference=lambda x, axis, place: np.take(x, place, axis),
    torch="torch.select({x}, {axis}, {place})",
)
def select(require: Require, x: Tensor, *, axis: int, place: Size) -> Shape:
    """One entry of one axis, which goes away."""
    at = axis % x.rank
    require(both(-x.shape[at] <= place, place < x.shape[at]), "the index lies on its axis")
    return (*x.shape[:at], *x.shape[at + 1 :])


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"starts": sizes(0, 6, per="x"), "lengths": sizes(0, 9, per="x")},
    dtypes=ANY,
    empty=True,
    reference=lambda x, starts, lengths: x[tuple(slice(a, a + n) for a, n in zip(starts, lengths, strict=True))],
    keras="ops.slice({x}, {starts}, {lengths})",
)
def block(require: Require, x: Tensor, *, starts: Sequence[Size], lengths: Sequence[Size]) -> Shape:
    """A block of the tensor, from a start of a size."""
    for n, start, length in zip(x.shape, starts, lengths, strict=True):
        require(start + length <= n, "the block lies in the tensor")
    return tuple(lengths)


block_in_tensorflow = spelled(block, "block_in_tensorflow", keras=in_layer("x", "tf.slice(x, {starts}, {lengths})"))


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"axis": axis(), "length": size(1, 5), "step": size(1, 4)},
    dtypes=ANY,
    reference=lambda x, axis, length, step: _windows(x, axis, length, step),
    torch="{x}.unfold({axis}, {length}, {step})",
)
def unfold(require: Require, x: Tensor, *, axis: int, length: Size, step: Size) -> Shape:
    """Windows along one axis, as a new last axis."""
    place = axis % x.rank
    require(length <= x.shape[place], "the axis holds a window")
    count = (x.shape[place] - length) // step + 1
    return (*x.shape[:place], count, *x.shape[place + 1 :], length)


def _windows(x: Array, axis: int, length: int, step: int) -> Array:
    every = np.lib.stride_tricks.sliding_window_view(x, length, axis)
    return every[(slice(None),) * (axis % x.ndim) + (slice(None, None, step),)]


@operator(
    tensor("x", rank=range(1, 4)),
    attrs={"length": size(1, 5), "step": size(1, 4)},
    dtypes=FLOATS,
    reference=lambda x, length, step: _windows(x, -1, length, step),
    torch="{x}.unfold(-1, {length}, {step})",
    keras="ops.extract_sequences({x}, {length}, {step})",
)
def extract_sequences(require: Require, x: Tensor, *, length: Size, step: Size) -> Shape:
    """Windows along the last axis, which may overlap, as a new last axis."""
    require(length <= x.shape[-1], "the axis holds a window")
    return (*x.shape[:-1], (x.shape[-1] - length) // step + 1, length)


def _strided(x: Array, shape: Sequence[int], strides: Sequence[int], offset: int) -> Array:
    places = np.full(tuple(shape), offset)
    for place, (n, stride) in enumerate(zip(shape, strides, strict=True)):
        places = places + (np.arange(n) * stride).reshape([-1 if a == place else 1 for a in range(len(shape))])
    return np.asarray(x.ravel()[places])


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"shape": sizes(1, 4, count=2), "strides": sizes(0, 5, count=2), "offset": size(0, 6)},
    dtypes=ANY,
    reference=_strided,
    torch="{x}.contiguous().as_strided({shape}, {strides}, {offset})",
)
def as_strided(require: Require, x: Tensor, *, shape: Sequence[Size], strides: Sequence[Size], offset: Size) -> Shape:
    """A matrix of the elements at regular steps, from an offset on, in the order of memory."""
    last = offset + (shape[0] - 1) * strides[0] + (shape[1] - 1) * strides[1]
    total: Size = 1
    for n in x.shape:
        total = total * n
    require(last < total, "the last element exists")
    return tuple(shape)


OPERATORS: Sequence[Operator] = [
    on_special(everywhere(op))
    for op in (
        strided_slice,
        slice_along,
        subscript,
        reversed_slice,
        narrow,
        select,
        block,
        block_in_tensorflow,
        unfold,
        as_strided,
    )
] + [on_special(extract_sequences)]
