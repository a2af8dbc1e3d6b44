"""Resizing along one to three spatial axes as PyTorch does it; the weights of every interpolation, for all frameworks.

Every interpolation here acts on one axis after the other, so a reference is one matrix (outputs, inputs) an axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Condition,
    Defect,
    Emission,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    both,
    choice,
    either,
    emission,
    flag,
    sizes,
    tensor,
)
from operators.precision import Array, wide
from operators.spatial import declared

AXES = {1: "one axis", 2: "two axes", 3: "three axes"}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


# Weights: matrices (outputs, inputs)


def centers(made: int, scale: float) -> Array:
    """Where output pixels' centers lie among `n` input pixels, `scale` of them an output pixel."""
    return (np.arange(made) + 0.5) * scale - 0.5


def corners(made: int, n: int) -> Array:
    """Where outputs lie if the first and the last are those of the input; a single one is the first."""
    return np.arange(made) * ((n - 1) / (made - 1) if made > 1 else 0.0)


def nearest_weights(places: Array, n: int) -> Array:
    """One for the entry at each place (whole numbers, cut to the input)."""
    made: Array = np.eye(n)[np.clip(places, 0, n - 1).astype(int)]
    return made


def linear_weights(places: Array, n: int) -> Array:
    """Shares of the two entries around each place; beyond the input its border."""
    cut = np.clip(places, 0, n - 1)
    return np.maximum(0.0, 1.0 - np.abs(cut[:, None] - np.arange(n)))


def keys(distance: Array, a: float) -> Array:
    """Keys' cubic kernel: https://en.wikipedia.org/wiki/Bicubic_interpolation#Bicubic_convolution_algorithm"""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def cubic_weights(places: Array, n: int, a: float, only_inside: bool = False) -> Array:
    """Shares of the four entries around each place; beyond the input its border, or nothing (others share it)."""
    made = np.zeros((len(places), n))
    for tap in range(-1, 3):
        at = np.floor(places).astype(int) + tap
        share = keys(places - at, a)
        if only_inside:
            share = np.where((at >= 0) & (at < n), share, 0.0)
        np.add.at(made, (np.arange(len(places)), np.clip(at, 0, n - 1)), share)
    return made / made.sum(1, keepdims=True) if only_inside else made


def area_weights(made: int, n: int) -> Array:
    """Means of the entries that each output covers, whole ones: as adaptive average pooling."""
    weights = np.zeros((made, n))
    for i in range(made):
        weights[i, i * n // made : -(-(i + 1) * n // made)] = 1.0
    shares: Array = weights / weights.sum(1, keepdims=True)
    return shares


def lanczos(radius: float) -> Callable[[Array], Array]:
    """The windowed sinc kernel: https://en.wikipedia.org/wiki/Lanczos_resampling"""
    return lambda d: np.where(np.abs(d) < radius, np.sinc(d) * np.sinc(d / radius), 0.0)


KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "bilinear": (lambda d: np.maximum(0.0, 1.0 - np.abs(d)), 1.0),
    "bicubic": (lambda d: keys(d, -0.5), 2.0),
    "lanczos": (lanczos(3.0), 3.0),
    "lanczos3": (lanczos(3.0), 3.0),
    "lanczos5": (lanczos(5.0), 5.0),
}
"""Kernels with their radius."""


def kernel_weights(mode: str, places: Array, n: int, stretch: float) -> Array:
    """Shares by a kernel that is stretched over so many entries, what is left inside of it making one."""
    kernel, _radius = KERNELS[mode]
    weights = kernel((places[:, None] - np.arange(n)) / stretch)
    shares: Array = weights / weights.sum(1, keepdims=True)
    return shares


def weighted(x: Array, matrices: Sequence[Array], first: int) -> Array:
    """x with a matrix applied to each axis from `first` on."""
    made = wide(x)
    for axis, matrix in enumerate(matrices, first):
        made = np.moveaxis(np.tensordot(made, matrix, (axis, 1)), -1, axis)
    return made


def is_sure(made: int, scale: Fraction, offset: float) -> bool:
    """Whether floor((i + offset) * scale) is beyond doubt for every output i.

    Frameworks and runtimes compute it in float32, by product or by quotient. That is exact where the scale or its
    inverse is a float32 itself and the result is whole, and right where the result lies between whole numbers.
    """
    exact = any(Fraction(float(np.float32(float(s)))) == s for s in (scale, 1 / scale))
    for i in range(made):
        place = (i + Fraction(offset)) * scale
        if place.denominator == 1 and not exact:
            return False
        if math.floor(place) != math.floor(np.float32(np.float32(i + offset) * np.float32(float(scale)))):
            return False
    return True


# PyTorch


def _scales(x: Array, made: Sequence[int], factors: Sequence[Fraction] | None) -> list[Fraction]:
    if factors is not None:
        return [1 / f for f in factors]
    return [Fraction(n, m) for n, m in zip(x.shape[2:], made, strict=True)]


def _matrix(mode: str, aligned: bool, n: int, m: int, scale: Fraction) -> Array:
    """https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html"""
    if mode == "area":
        return area_weights(m, n)
    if mode.startswith("nearest"):
        offset = 0.5 if mode == "nearest-exact" else 0.0
        return nearest_weights(np.floor((np.arange(m) + offset) * float(scale)), n)
    places = corners(m, n) if aligned else centers(m, float(scale))
    return cubic_weights(places, n, -0.75) if mode == "bicubic" else linear_weights(places, n)


def _resized(
    x: Array, made: Sequence[int], mode: str, aligned: bool, factors: Sequence[Fraction] | None = None
) -> Array:
    axes = zip(x.shape[2:], made, _scales(x, made, factors), strict=True)
    return weighted(x, [_matrix(mode, aligned, *axis) for axis in axes], 2)


def _defined(x: Array, made: Sequence[int], mode: str, factors: Sequence[Fraction] | None = None) -> bool:
    offset = 0.5 if mode == "nearest-exact" else 0.0
    scales = _scales(x, made, factors)
    return not mode.startswith("nearest") or all(is_sure(m, s, offset) for m, s in zip(made, scales, strict=True))


def _modes(spatial: int) -> tuple[str, ...]:
    return ("nearest", LINEAR[spatial], "nearest-exact", "area", *(["bicubic"] if spatial == 2 else []))


def _written(mode: str, aligned: bool) -> str:
    return f'mode="{mode}"' + ("" if mode.startswith("nearest") or mode == "area" else f", align_corners={aligned}")


def _by_size(name: str, spatial: int, torch: Callable[..., str] | Emission) -> Operator:
    def rule(require: Require, x: Tensor, *, sizes: Sequence[Size], mode: str, aligned: bool) -> Shape:
        return (*x.shape[:2], *sizes)

    return declared(
        name,
        f"x (batch, channels, ...) resized to these sizes along {AXES[spatial]}.",
        rule,
        tensor("x", rank=spatial + 2),
        attrs={"sizes": sizes(1, 12, count=spatial), "mode": choice(*_modes(spatial)), "aligned": flag()},
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        defined=lambda x, sizes, mode, aligned: _defined(x, sizes, mode),
        reference=lambda x, sizes, mode, aligned: _resized(x, sizes, mode, aligned),
        torch=torch,
    )


def _by_factor(name: str, spatial: int, torch: Callable[..., str] | Emission) -> Operator:
    """Factors are quarters, so that both frameworks and runtimes read them exactly."""

    def made(x: Any, quarters: Sequence[Any]) -> list[Any]:
        return [n * q // 4 for n, q in zip(x.shape[2:], quarters, strict=True)]

    def factors(quarters: Sequence[int], mode: str, recomputed: bool) -> list[Fraction] | None:
        """None where PyTorch takes the scale from the sizes instead."""
        return None if recomputed or mode == "area" else [Fraction(q, 4) for q in quarters]

    def rule(
        require: Require, x: Tensor, *, quarters: Sequence[Size], mode: str, aligned: bool, recomputed: bool
    ) -> Shape:
        sizes = made(x, quarters)
        for size in sizes:
            require(size >= 1, "something is left")
        return (*x.shape[:2], *sizes)

    def defined(x: Any, quarters: Any, mode: str, aligned: bool, recomputed: bool) -> bool:
        return _defined(x, made(x, quarters), mode, factors(quarters, mode, recomputed))

    def reference(x: Any, quarters: Any, mode: str, aligned: bool, recomputed: bool) -> Any:
        return _resized(x, made(x, quarters), mode, aligned, factors(quarters, mode, recomputed))

    def copied(x: Tensor, *, quarters: Any, mode: str, aligned: bool, recomputed: bool) -> bool | Condition:
        told = {"nearest": (4, 8) if spatial == 2 else (), LINEAR[spatial]: () if aligned else (4,)}.get(mode, ())
        axes = list(zip(x.shape[2:], quarters, strict=True))
        ignored = [both(n * q // 4 == n * t // 4, q != t) for n, q in axes for t in told]
        return False if recomputed or not ignored else either(*ignored)

    copying = Defect(
        "ignores the factor where the result has the input's size (nearest over two axes: or twice that)",
        when=copied,
        source="https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html: the factor passed "
        "in is used; nearest over one or three axes and bicubic do so (PyTorch 2.13)",
    )
    given = torch if isinstance(torch, Emission) else emission(torch)
    return declared(
        name,
        f"x (batch, channels, ...) resized by these quarters of its sizes along {AXES[spatial]}.",
        rule,
        tensor("x", rank=spatial + 2),
        attrs={
            "quarters": sizes(1, 12, count=spatial),
            "mode": choice(*_modes(spatial)),
            "aligned": flag(),
            "recomputed": flag(),
        },
        dtypes=FLOATS,
        domain=(-8.0, 8.0),
        defined=defined,
        reference=reference,
        torch=msgspec.structs.replace(given, defects=(copying,)),
    )


def _sized(sizes: Sequence[int], mode: str, aligned: bool, **_: Any) -> str:
    return f"size={tuple(sizes)}, {_written(mode, aligned)}"


def _factored(quarters: Sequence[int], mode: str, aligned: bool, recomputed: bool, **_: Any) -> str:
    rest = ", recompute_scale_factor=True" if recomputed else ""
    return f"scale_factor={tuple(q / 4 for q in quarters)}, {_written(mode, aligned)}{rest}"


def _family(n: int) -> list[Operator]:
    forms = ((f"interpolate{n}d", _by_size, _sized), (f"interpolate{n}d_by_factor", _by_factor, _factored))
    made = []
    for name, family, written in forms:

        def call(x: str, written: Callable[..., str] = written, **attrs: Any) -> str:
            return f"F.interpolate({x}, {written(**attrs)})"

        def layer(written: Callable[..., str] = written, **use: Any) -> str:
            return f"nn.Upsample({written(**use)})"

        made += [family(name, n, call), family(f"{name}_layer", n, emission("{layer}({x})", layer=layer))]
    return made


def _antialiased() -> Operator:
    def rule(require: Require, x: Tensor, *, sizes: Sequence[Size], mode: str) -> Shape:
        return (*x.shape[:2], *sizes)

    def reference(x: Any, sizes: Any, mode: str) -> Any:
        axes = [(n, m, n / m) for n, m in zip(x.shape[2:], sizes, strict=True)]
        return weighted(x, [kernel_weights(mode, centers(m, s), n, max(s, 1.0)) for n, m, s in axes], 2)

    return declared(
        "antialiased_interpolate2d",
        "x (batch, channels, height, width) resized to these sizes by a kernel as wide as what an output covers.",
        rule,
        tensor("x", rank=4),
        attrs={"sizes": sizes(1, 12, count=2), "mode": choice("bilinear", "bicubic", "lanczos")},
        dtypes=("float32", "float64"),
        domain=(-8.0, 8.0),
        reference=reference,
        torch=emission(
            'F.interpolate({x}, size={sizes}, mode="{mode}", antialias=True)',
            defects=[
                Defect(
                    "fills each column with its first value where the result is one column wide and the height changes",
                    when=lambda x, *, sizes, mode: both(sizes[1] == 1, sizes[0] > 1, sizes[0] != x.shape[2]),
                    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html; "
                    "the same image lying on its side is resized right (PyTorch 2.13)",
                )
            ],
        ),
    )


OPERATORS: Sequence[Operator] = [*(op for n in AXES for op in _family(n)), _antialiased()]
