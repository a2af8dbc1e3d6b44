"""Discrete Fourier transforms: PyTorch's on complex tensors, Keras' on pairs of real ones, and magnitudes in both.

tf2onnx knows transforms of which nothing but the magnitude is used (tf2onnx/onnx_opset/signal.py).
https://docs.pytorch.org/docs/stable/fft.html
https://keras.io/api/ops/fft/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphfuzz.spec import (
    COMPLEX,
    Defect,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axes,
    axis,
    both,
    choice,
    choose,
    emission,
    flag,
    named,
    normalize_axes,
    operator,
    size,
    tensor,
    weight,
)
from graphfuzz.spec.operator import Returns
from operators.complex import PARTS, part_of, whole_of
from operators.precision import Array

SPACINGS = 32.0
"""By how many spacings of the largest output a direct summation in float32 is off whose angles, up to 2π times the
length, are float32, too: ONNX Runtime's, for lengths that are no powers of two
(onnxruntime/core/providers/cpu/signal/dft.cc)."""
transform_operator = partial(operator, spacings=SPACINGS)

NORMS = choice("backward", "ortho", "forward")


def _wide(x: Array) -> Array:
    return x.astype("complex128" if np.iscomplexobj(x) else "float64")


def _torch_options(n: int, along: Any, norm: str) -> str:
    options = {"n": n or None, "dim": along, "norm": norm if norm != "backward" else None}
    return "".join(f", {name}={value!r}" for name, value in options.items() if value is not None)


def _made(name: str, given: Size, n: Size) -> Size:
    """The size of an axis after the transform of that name; n: the signal's length where it is not the axis' own."""
    if name in ("irfft", "hfft"):
        return choose(n == 0, 2 * (given - 1), n)
    length = choose(n == 0, given, n)
    return length // 2 + 1 if name in ("rfft", "ihfft") else length


def _transform(name: str, dtypes: Sequence[str], returns: Returns, prefix: str = "") -> Operator:
    """A transform along one axis, of its own length or of n."""

    def rule(require: Require, x: Tensor, *, along: int, n: Size, norm: str) -> Shape:
        at = along % x.rank
        made = _made(name, x.shape[at], n)
        require(made >= 1, "something is left")
        return (*x.shape[:at], made, *x.shape[at + 1 :])

    transform = getattr(np.fft, name)
    return transform_operator(
        tensor("x", rank=range(1, 5)),
        attrs={"along": axis(), "n": size(0, 12), "norm": NORMS},
        dtypes=dtypes,
        returns=returns,
        reference=lambda x, *, along, n, norm: transform(_wide(x), n or None, along, norm),
        torch=lambda x, along, n, norm: f"torch.fft.{name}({x}{_torch_options(n, along, norm)})",
    )(named(f"{prefix}{name}", f"PyTorch's {name} along an axis.", rule))


def _transform_of_axes(name: str, dtypes: Sequence[str], returns: Returns, prefix: str = "") -> Operator:
    """A transform along several axes, the last named being the one that is halved where one is."""

    def rule(require: Require, x: Tensor, *, along: Sequence[int], norm: str) -> Shape:
        last = normalize_axes(along, x.rank)[-1]
        shape = list(x.shape)
        if name == "rfftn":
            shape[last] = shape[last] // 2 + 1
        if name == "irfftn":
            require(shape[last] >= 2, "something is left")
            shape[last] = 2 * (shape[last] - 1)
        return tuple(shape)

    transform = getattr(np.fft, name)
    return transform_operator(
        tensor("x", rank=range(1, 5)),
        attrs={"along": axes(), "norm": NORMS},
        dtypes=dtypes,
        returns=returns,
        reference=lambda x, *, along, norm: transform(_wide(x), axes=along, norm=norm),
        torch=lambda x, along, norm: f"torch.fft.{name}({x}{_torch_options(0, along, norm)})",
    )(named(f"{prefix}{name}", f"PyTorch's {name} along axes.", rule))


def _transform_of_images(name: str, dtypes: Sequence[str], returns: Returns, prefix: str = "") -> Operator:
    """A transform along the last two axes."""

    def rule(require: Require, x: Tensor, *, norm: str) -> Shape:
        width = x.shape[-1]
        if name == "irfft2":
            require(width >= 2, "something is left")
        made = {"rfft2": width // 2 + 1, "irfft2": 2 * (width - 1)}.get(name, width)
        return (*x.shape[:-1], made)

    transform = getattr(np.fft, name)
    return transform_operator(
        tensor("x", rank=range(2, 5)),
        attrs={"norm": NORMS},
        dtypes=dtypes,
        returns=returns,
        reference=lambda x, *, norm: transform(_wide(x), norm=norm),
        torch=lambda x, norm: f"torch.fft.{name}({x}{_torch_options(0, None, norm)})",
    )(named(f"{prefix}{name}", f"PyTorch's {name} along the last two axes.", rule))


TRANSFORMS = [
    *(_transform(name, PARTS, whole_of) for name in ("fft", "ifft", "rfft", "ihfft")),
    *(_transform(name, COMPLEX, "T", "complex_") for name in ("fft", "ifft")),
    *(_transform(name, COMPLEX, part_of) for name in ("irfft", "hfft")),
    *(_transform_of_axes(name, PARTS, whole_of) for name in ("fftn", "ifftn", "rfftn")),
    *(_transform_of_axes(name, COMPLEX, "T", "complex_") for name in ("fftn", "ifftn")),
    _transform_of_axes("irfftn", COMPLEX, part_of),
    *(_transform_of_images(name, PARTS, whole_of) for name in ("fft2", "ifft2", "rfft2")),
    *(_transform_of_images(name, COMPLEX, "T", "complex_") for name in ("fft2", "ifft2")),
    _transform_of_images("irfft2", COMPLEX, part_of),
]


# Short-time transforms


def _frames(x: Array, length: int, hop: int, center: bool) -> Array:
    """x (..., time) cut into (..., frames, length), reflected by half a frame at both ends where it is centered."""
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(length // 2,) * 2], "reflect")
    return np.lib.stride_tricks.sliding_window_view(x, length, -1)[..., ::hop, :]


def _centered(window: Array, length: int) -> Array:
    """A window with zeros at both ends."""
    left = (length - window.shape[0]) // 2
    return np.pad(window, (left, length - window.shape[0] - left))


def _frame_count(require: Require, time: Size, length: Size, hop: Size, center: bool) -> Size:
    if center:
        require(length // 2 < time, "there is enough to reflect")
    padded = time + 2 * (length // 2) if center else time
    require(length <= padded, "there is a whole frame")
    return (padded - length) // hop + 1


@transform_operator(
    tensor("x", rank=(1, 2)),
    weight("window", rank=1, domain=(0.1, 1.0)),
    attrs={
        "length": size(2, 16),
        "hop": size(1, 8),
        "center": flag(),
        "normalized": flag(),
        "onesided": choice(True, False),
        "pairs": flag(),
    },
    dtypes=PARTS,
    returns=lambda framework, bound, attrs: bound["T"] if attrs["pairs"] else whole_of(framework, bound, attrs),
    reference=lambda x, window, **attrs: _stft(x, window, **attrs),
    torch=lambda x, window, **attrs: _torch_stft(x, window, **attrs),
)
def stft(
    require: Require,
    x: Tensor,
    window: Tensor,
    *,
    length: Size,
    hop: Size,
    center: bool,
    normalized: bool,
    onesided: bool,
    pairs: bool,
) -> Shape:
    """PyTorch's short-time Fourier transform, as complex numbers or pairs."""
    frames = _frame_count(require, x.shape[-1], length, hop, center)
    require(window.shape[0] <= length, "the window is no longer than a frame")
    bins = length // 2 + 1 if onesided else length
    return (*x.shape[:-1], bins, frames, *((2,) if pairs else ()))


def _stft(
    x: Array, window: Array, *, length: int, hop: int, center: bool, normalized: bool, onesided: bool, pairs: bool
) -> Array:
    shown = _frames(_wide(x), length, hop, center) * _centered(_wide(window), length)
    made = np.swapaxes(np.fft.rfft(shown) if onesided else np.fft.fft(shown), -1, -2)
    made = made / np.sqrt(length) if normalized else made
    return np.stack([made.real, made.imag], -1) if pairs else made


def _torch_stft(
    x: Any, window: Any, length: int, hop: int, center: bool, normalized: bool, onesided: bool, pairs: bool
) -> str:
    short = f", win_length={window.shape[0]}" if window.shape[0] != length else ""
    told = {"center": (center, True), "normalized": (normalized, False), "onesided": (onesided, True)}
    options = "".join(f", {name}={value}" for name, (value, usual) in told.items() if value != usual)
    made = f"torch.stft({x}, {length}, {hop}{short}, window={window}{options}, return_complex=True)"
    return f"torch.view_as_real({made})" if pairs else made


# Keras' transforms of pairs


def _paired(x: Array, y: Array) -> Array:
    return np.asarray(x.astype("float64") + 1j * y.astype("float64"))


def _split(made: Array) -> list[Array]:
    return [made.real, made.imag]


def _keras_pairs(name: str, rank: Sequence[int]) -> Operator:
    def rule(require: Require, x: Tensor, y: Tensor) -> list[Shape]:
        require(x.rank == y.rank, "both parts have one rank")
        for a, b in zip(x.shape, y.shape, strict=True):
            require(a == b, "both parts have one shape")
        return [x.shape, x.shape]

    transform = getattr(np.fft, name)
    return transform_operator(
        tensor("x", rank=rank),
        tensor("y", rank=rank),
        dtypes=PARTS,
        reference=lambda x, y: _split(transform(_paired(x, y))),
        keras=f"ops.{name}(({{x}}, {{y}}))",
    )(named(f"keras_{name}", f"Keras' {name} of real and imaginary parts.", rule))


@transform_operator(
    tensor("x", rank=range(1, 4)),
    attrs={"n": size(0, 12)},
    dtypes=PARTS,
    reference=lambda x, *, n: _split(np.fft.rfft(_wide(x), n or None)),
    keras=lambda x, n: f"ops.rfft({x}, fft_length={n})" if n else f"ops.rfft({x})",
)
def keras_rfft(require: Require, x: Tensor, *, n: Size) -> list[Shape]:
    """Keras' rfft: real and imaginary parts."""
    shape = (*x.shape[:-1], _made("rfft", x.shape[-1], n))
    return [shape, shape]


@transform_operator(
    tensor("x", rank=range(1, 4)),
    tensor("y", rank=range(1, 4)),
    attrs={"n": size(0, 12)},
    dtypes=PARTS,
    reference=lambda x, y, *, n: np.fft.irfft(_paired(x, y), n or None),
    keras=lambda x, y, n: f"ops.irfft(({x}, {y}), fft_length={n})" if n else f"ops.irfft(({x}, {y}))",
)
def keras_irfft(require: Require, x: Tensor, y: Tensor, *, n: Size) -> Shape:
    """Keras' irfft of real and imaginary parts."""
    require(x.rank == y.rank, "both parts have one rank")
    for a, b in zip(x.shape, y.shape, strict=True):
        require(a == b, "both parts have one shape")
    made = _made("irfft", x.shape[-1], n)
    require(made >= 1, "something is left")
    return (*x.shape[:-1], made)


_WINDOWS: Mapping[str, Callable[[int], Array]] = {
    "hann": lambda n: 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n),
    "hamming": lambda n: 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n) / n),
    "none": np.ones,
}
"""Periodic ones. https://keras.io/api/ops/fft/#stft-function"""

_ODD = Defect(
    "its periodic windows are symmetric where their length is odd",
    lambda x, frame, window="hann", **attrs: both(window != "none", frame % 2 == 1),
    "tf.signal.hann_window(5) is not `periodic` as documented: tensorflow/python/ops/signal/window_ops.py, "
    "_raised_cosine_window, subtracts one from odd lengths either way",
)

_SHORT_TIME: dict[str, Any] = {
    "frame": size(2, 12),
    "hop": size(1, 8),
    "length": size(2, 16),
    "window": choice(*_WINDOWS),
    "center": flag(),
}


def _short_time_text(name: str, given: str, frame: int, hop: int, length: int, window: str, center: bool) -> str:
    told = "" if window == "hann" else ", window=None" if window == "none" else f", window={window!r}"
    return f"ops.{name}({given}, {frame}, {hop}, {length}{told}{'' if center else ', center=False'})"


@transform_operator(
    tensor("x", rank=(1, 2, 3)),
    attrs=_SHORT_TIME,
    dtypes=PARTS,
    reference=lambda x, **attrs: _split(_keras_frames(x, **attrs)),
    keras=emission(lambda x, **attrs: _short_time_text("stft", x, **attrs), defects=[_ODD]),
)
def keras_stft(
    require: Require, x: Tensor, *, frame: Size, hop: Size, length: Size, window: str, center: bool
) -> list[Shape]:
    """Keras' short-time Fourier transform: real and imaginary parts."""
    require(frame <= length, "a frame is no longer than the transform")
    frames = _frame_count(require, x.shape[-1], length, hop, center)
    shape = (*x.shape[:-1], frames, length // 2 + 1)
    return [shape, shape]


def _keras_frames(x: Array, *, frame: int, hop: int, length: int, window: str, center: bool) -> Array:
    shown = _frames(_wide(x), length, hop, center)
    return np.fft.rfft(shown * (1 if window == "none" else _centered(_WINDOWS[window](frame), length)))


# Magnitudes: all that tf2onnx converts


def _lambda(name: str, call: str, *arguments: str) -> str:
    """The source of a function that puts the magnitude of what `call` makes of x into a layer."""
    return f"""
    def {name}({", ".join(["x", *arguments])}):
        import tensorflow as tf

        return layers.Lambda(lambda x: tf.abs({call}), dtype=x.dtype)(x)
    """


@transform_operator(
    tensor("x", rank=range(1, 5)),
    attrs={"n": size(0, 12)},
    dtypes=PARTS,
    reference=lambda x, *, n: np.abs(np.fft.rfft(_wide(x), n or None)),
    torch=lambda x, n: f"torch.fft.rfft({x}{f', n={n}' if n else ''}).abs()",
    keras=emission(
        lambda x, n: f"rfft_magnitude({x}, {n or x.shape[-1]})",
        helper=_lambda("rfft_magnitude", "tf.signal.rfft(x, [n])", "n"),
    ),
)
def rfft_magnitude(require: Require, x: Tensor, *, n: Size) -> Shape:
    """The magnitudes of the transform of real numbers along the last axis."""
    return (*x.shape[:-1], _made("rfft", x.shape[-1], n))


@transform_operator(
    tensor("x", rank=range(2, 5)),
    dtypes=PARTS,
    reference=lambda x: np.abs(np.fft.rfft2(_wide(x))),
    torch="torch.fft.rfft2({x}).abs()",
    keras=emission("rfft2_magnitude({x})", helper=_lambda("rfft2_magnitude", "tf.signal.rfft2d(x)")),
)
def rfft2_magnitude(require: Require, x: Tensor) -> Shape:
    """The magnitudes of the transform of real images."""
    return (*x.shape[:-1], x.shape[-1] // 2 + 1)


@transform_operator(
    tensor("x", rank=range(1, 5)),
    dtypes=PARTS,
    reference=lambda x: np.abs(np.fft.fft(_wide(x))),
    torch="torch.fft.fft({x}).abs()",
    keras=emission(
        "fft_magnitude({x})",
        helper=_lambda(
            "fft_magnitude", 'tf.signal.fft(tf.cast(x, "complex64" if x.dtype == "float32" else "complex128"))'
        ),
    ),
)
def fft_magnitude(require: Require, x: Tensor) -> Shape:
    """The magnitudes of both sides of the transform along the last axis."""
    return x.shape


@transform_operator(
    tensor("x", rank=(1, 2)),
    attrs={"frame": size(2, 12), "hop": size(1, 8)},
    dtypes=PARTS,
    reference=lambda x, *, frame, hop: np.abs(
        np.fft.rfft(_frames(_wide(x), frame, hop, False) * _WINDOWS["hann"](frame))
    ),
    torch=lambda x, frame, hop: (
        f"torch.stft({x}, {frame}, {hop}, window=torch.hann_window({frame}, dtype=torch.{x.dtype}), "
        "center=False, return_complex=True).abs().mT"
    ),
    keras=emission(
        "spectrogram({x}, {frame}, {hop})",
        helper=_lambda("spectrogram", "tf.signal.stft(x, frame, hop, fft_length=frame)", "frame", "hop"),
        defects=[_ODD],
    ),
)
def spectrogram(require: Require, x: Tensor, *, frame: Size, hop: Size) -> Shape:
    """The magnitudes of Hann-windowed frames: (..., frames, bins)."""
    frames = _frame_count(require, x.shape[-1], frame, hop, False)
    return (*x.shape[:-1], frames, frame // 2 + 1)


OPERATORS: Sequence[Operator] = [
    *TRANSFORMS,
    stft,
    _keras_pairs("fft", range(1, 4)),
    _keras_pairs("fft2", range(2, 5)),
    _keras_pairs("ifft2", range(2, 5)),
    keras_rfft,
    keras_irfft,
    keras_stft,
    rfft_magnitude,
    rfft2_magnitude,
    fft_magnitude,
    spectrogram,
]
