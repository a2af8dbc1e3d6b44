"""Complex numbers: arithmetic, their parts, and the changes of shape that converters translate for them.

Only PyTorch's default exporter translates them in general: it represents a complex tensor by a real one with one more,
last axis of two. tf2onnx knows the magnitude of complex numbers only, PyTorch's TorchScript exporter nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    COMPLEX,
    Emission,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axes,
    axis,
    binary,
    broadcast,
    ceil_div,
    emission,
    number,
    operator,
    permutation,
    prod,
    promote,
    reduction,
    size,
    tensor,
    unary,
    variadic,
)
from operators.precision import Array

PARTS = ("float32", "float64")
"""The dtypes that the parts of complex numbers have."""

Emitted = str | Callable[..., str] | Emission | None


def wide(x: Array) -> Array:
    """The same values with float64 parts."""
    return x.astype("complex128")


def part_of(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype of a complex number's parts."""
    return "float32" if bound["T"] == "complex64" else "float64"


def whole_of(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype of a complex number with such parts."""
    return "complex64" if bound["T"] == "float32" else "complex128"


def _divisible(*operands: Array, **attrs: Any) -> bool:
    """The divisor, which is the last operand, stays away from zero."""
    return bool(np.all(np.abs(operands[-1]) > 0.1))


def _off_the_cut(x: Array) -> bool:
    """No number lies on the angle's branch cut, where the sign of zero decides."""
    return bool(np.all((x.imag != 0) | (x.real > 0)))


def _keras_function(name: str, function: str) -> Emission:
    """A function of TensorFlow's in a layer: Keras' own infers a complex dtype for a real result."""
    source = f"""
    def {name}_of(x):
        import tensorflow as tf

        return layers.Lambda({function})(x)
    """
    return emission(f"{name}_of({{x}})", helper=source)


def _plus_constant(x: Array, *, real: float, imaginary: float) -> Array:
    return wide(x) + complex(real, imaginary)


def _times_constant(x: Array, *, real: float, imaginary: float) -> Array:
    return wide(x) * complex(real, imaginary)


ARITHMETIC = [
    binary("complex_add", COMPLEX, reference=np.add, torch="{x} + {y}", keras="ops.add({x}, {y})"),
    binary("complex_subtract", COMPLEX, reference=np.subtract, torch="{x} - {y}", keras="ops.subtract({x}, {y})"),
    binary("complex_multiply", COMPLEX, reference=lambda x, y: wide(x) * wide(y), torch="{x} * {y}", keras="{x} * {y}"),
    binary("complex_divide", COMPLEX, defined=_divisible, reference=lambda x, y: wide(x) / wide(y), torch="{x} / {y}"),
    unary("complex_negative", COMPLEX, reference=np.negative, torch="-{x}", keras="ops.negative({x})"),
    unary("conjugate", COMPLEX, reference=np.conj, torch="torch.conj({x})", keras="ops.conj({x})"),
    unary("conjugate_resolved", COMPLEX, reference=np.conj, torch="torch.conj({x}).resolve_conj()"),
    unary("conjugate_physical", COMPLEX, reference=np.conj, torch="torch.conj_physical({x})"),
    unary(
        "complex_reciprocal",
        COMPLEX,
        defined=_divisible,
        reference=lambda x: 1 / wide(x),
        torch="torch.reciprocal({x})",
    ),
    unary("complex_clone", COMPLEX, reference=np.positive, torch="{x}.clone()"),
    unary(
        "magnitude",
        COMPLEX,
        returns=part_of,
        reference=lambda x: np.abs(wide(x)),
        torch="torch.abs({x})",
        keras=_keras_function("magnitude", "tf.abs"),
    ),
    unary(
        "phase",
        COMPLEX,
        returns=part_of,
        defined=_off_the_cut,
        reference=lambda x: np.angle(wide(x)),
        torch="torch.angle({x})",
        keras=_keras_function("phase", "tf.math.angle"),
    ),
    unary(
        "real_part",
        COMPLEX,
        returns=part_of,
        reference=np.real,
        torch="torch.real({x})",
        keras=_keras_function("real_part", "tf.math.real"),
    ),
    unary(
        "imaginary_part",
        COMPLEX,
        returns=part_of,
        reference=np.imag,
        torch="torch.imag({x})",
        keras=_keras_function("imaginary_part", "tf.math.imag"),
    ),
    binary(
        "complex",
        PARTS,
        returns=whole_of,
        reference=lambda x, y: x + 1j * y,
        torch="torch.complex({x}, {y})",
        doc="The complex numbers with real part x and imaginary part y.",
    ),
    binary(
        "polar",
        PARTS,
        domain=(0.0, 8.0),
        divisor=(-3.0, 3.0),
        returns=whole_of,
        reference=lambda x, y: x.astype("float64") * np.exp(1j * y.astype("float64")),
        torch="torch.polar({x}, {y})",
        doc="The complex numbers with magnitude x and angle y.",
    ),
]


def _with_constant(name: str, call: str, reference: Callable[..., Any], doc: str, least: float = -4.0) -> Operator:
    """An operator on each element and a complex constant."""

    def rule(require: Require, x: Tensor, *, real: float, imaginary: float) -> Shape:
        return x.shape

    rule.__name__, rule.__doc__ = name, doc
    return operator(
        tensor("x"),
        attrs={"real": number(least, 4), "imaginary": number(-4, 4)},
        dtypes=COMPLEX,
        empty=True,
        reference=reference,
        torch=call.format("complex({real}, {imaginary})"),
    )(rule)


def _with_factor(name: str, call: str, reference: Callable[..., Any], doc: str) -> Operator:
    """An operator on each element and a real constant."""

    def rule(require: Require, x: Tensor, *, factor: float) -> Shape:
        return x.shape

    rule.__name__, rule.__doc__ = name, doc
    return operator(
        tensor("x"), attrs={"factor": number(0.5, 4)}, dtypes=COMPLEX, empty=True, reference=reference, torch=call
    )(rule)


CONSTANTS = [
    _with_constant("complex_add_constant", "{{x}} + {}", _plus_constant, "Each number plus a constant."),
    _with_constant("complex_scale", "{{x}} * {}", _times_constant, "Each number times a constant."),
    _with_constant(
        "complex_divide_by",
        "{{x}} / {}",
        lambda x, *, real, imaginary: wide(x) / complex(real, imaginary),
        "Each number divided by a constant.",
        least=0.5,
    ),
    _with_factor("complex_add_real", "{x} + {factor}", lambda x, *, factor: wide(x) + factor, "Plus a real constant."),
    _with_factor("complex_times_real", "{x} * {factor}", lambda x, *, factor: wide(x) * factor, "Times a real number."),
    _with_factor("complex_over_real", "{x} / {factor}", lambda x, *, factor: wide(x) / factor, "Over a real number."),
    _with_factor(
        "complex_subtract_scaled",
        "torch.sub({x}, {x}.conj(), alpha={factor})",
        lambda x, *, factor: wide(x) - factor * np.conj(wide(x)),
        "Each number less a multiple of its conjugate.",
    ),
]


@operator(
    tensor("x", "C", rank=range(1, 7)),
    tensor("y", "R", rank=range(1, 7)),  # a y without axes does not take part in PyTorch's promotion
    dtypes={"C": COMPLEX, "R": PARTS},
    returns=promote("C", "R"),
    empty=True,
    reference=lambda x, y: wide(x) * y,
    torch="{x} * {y}",
)
def complex_masked(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Complex numbers times real ones, broadcast, as a mask is applied to a spectrum."""
    return broadcast(require, x.shape, y.shape)


@operator(
    tensor("x", rank=range(1, 7)),
    dtypes=PARTS,
    returns=whole_of,
    reference=lambda x: x[..., 0] + 1j * x[..., 1],
    torch="torch.view_as_complex({x}.contiguous())",
)
def view_as_complex(require: Require, x: Tensor) -> Shape:
    """Pairs along the last axis as complex numbers."""
    require(x.shape[-1] == 2, "the last axis holds real and imaginary part")
    return x.shape[:-1]


@operator(
    tensor("x", rank=range(6)),
    dtypes=COMPLEX,
    returns=part_of,
    empty=True,
    reference=lambda x: np.stack([x.real, x.imag], -1),
    torch="torch.view_as_real({x})",
)
def view_as_real(require: Require, x: Tensor) -> Shape:
    """Complex numbers as pairs along a new last axis."""
    return (*x.shape, 2)


VIEWS = [complex_masked, view_as_complex, view_as_real]

_TORCH_FOLD = "torch.{}({{x}}, dim={{axes}}, keepdim={{keepdims}})"
_KERAS_FOLD = "ops.{}({{x}}, axis={{axes}}, keepdims={{keepdims}})"


def _fold(name: str, fold: Callable[..., Any]) -> Operator:
    return reduction(
        f"complex_{name}",
        COMPLEX,
        reference=lambda x, *, axes, keepdims: fold(wide(x), axes, keepdims=keepdims),
        torch=_TORCH_FOLD.format(name),
        keras=_KERAS_FOLD.format(name),
    )


def _fold_all(name: str, fold: Callable[..., Any]) -> Operator:
    def rule(require: Require, x: Tensor) -> Shape:
        return ()

    rule.__name__, rule.__doc__ = f"complex_{name}_all", f"The {name} of all elements."
    return operator(tensor("x"), dtypes=COMPLEX, reference=lambda x: fold(wide(x)), torch=f"torch.{name}({{x}})")(rule)


FOLDS = [_fold("sum", np.sum), _fold("mean", np.mean), _fold_all("sum", np.sum), _fold_all("mean", np.mean)]


def moved(
    rule: Callable[..., Any],
    reference: Callable[..., Any],
    torch: Emitted,
    keras: Emitted = None,
    rank: Sequence[int] = range(1, 6),
    **attrs: Any,
) -> Operator:
    """An operator that moves the elements of `x`, whatever they are, to where `rule` says; its name and text are the
    rule's."""
    declare = operator(
        tensor("x", rank=rank), attrs=attrs, dtypes=COMPLEX, reference=reference, torch=torch, keras=keras
    )
    return declare(rule)


def complex_permute(require: Require, x: Tensor, *, order: Sequence[int]) -> Shape:
    """The axes in another order."""
    return tuple(x.shape[i] for i in order)


def complex_transpose(require: Require, x: Tensor, *, first: int, second: int) -> Shape:
    """Two axes exchanged."""
    shape = list(x.shape)
    shape[first], shape[second] = shape[second], shape[first]
    return tuple(shape)


def complex_matrix_transpose(require: Require, x: Tensor) -> Shape:
    """The last two axes exchanged."""
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


def complex_adjoint(require: Require, x: Tensor) -> Shape:
    """The last two axes exchanged, every number conjugated."""
    return (*x.shape[:-2], x.shape[-1], x.shape[-2])


def complex_matrix_t(require: Require, x: Tensor) -> Shape:
    """The transpose of a matrix (of a vector: itself)."""
    return x.shape[::-1]


def complex_flip(require: Require, x: Tensor, *, along: Sequence[int]) -> Shape:
    """Axes read backward."""
    return x.shape


def complex_roll(require: Require, x: Tensor, *, shift: int, along: int) -> Shape:
    """The elements moved along an axis, those that leave it entering at its other end."""
    return x.shape


def complex_roll_all(require: Require, x: Tensor, *, shift: int) -> Shape:
    """The elements moved along the flattened tensor."""
    return x.shape


def complex_slice(require: Require, x: Tensor, *, along: int, start: Size, step: Size) -> Shape:
    """Every `step`-th slice along an axis, from `start` on."""
    at = along % x.rank
    require(start < x.shape[at], "the slice starts inside the axis")
    return (*x.shape[:at], ceil_div(x.shape[at] - start, step), *x.shape[at + 1 :])


def complex_squeeze(require: Require, x: Tensor, *, along: int) -> Shape:
    """An axis of size one removed."""
    at = along % x.rank
    require(x.shape[at] == 1, "the axis has size one")
    return (*x.shape[:at], *x.shape[at + 1 :])


def complex_unsqueeze(require: Require, x: Tensor, *, along: int) -> Shape:
    """An axis of size one inserted."""
    at = along % (x.rank + 1)
    return (*x.shape[:at], 1, *x.shape[at:])


def complex_select(require: Require, x: Tensor, *, along: int, position: Size) -> Shape:
    """One slice along an axis."""
    at = along % x.rank
    require(position < x.shape[at], "the position lies inside the axis")
    return (*x.shape[:at], *x.shape[at + 1 :])


def complex_flatten(require: Require, x: Tensor) -> Shape:
    """All elements in one axis."""
    return (prod(x.shape),)


def complex_split_axis(require: Require, x: Tensor, *, along: int, first: Size) -> Shape:
    """An axis split in two, the first of size `first`."""
    at = along % x.rank
    require(x.shape[at] % first == 0, "the axis can be divided")
    return (*x.shape[:at], first, x.shape[at] // first, *x.shape[at + 1 :])


def complex_expand(require: Require, x: Tensor, *, count: Size) -> Shape:
    """The tensor `count` times along a new first axis."""
    return (count, *x.shape)


def _sliced(x: Array, *, along: int, start: int, step: int) -> Array:
    return x[(slice(None),) * (along % x.ndim) + (slice(start, None, step),)]


def _subscripts(x: Tensor, along: int, inner: str) -> str:
    return f"{x}[{':, ' * (along % x.rank)}{inner}]"


def _parted(shape: Sequence[int], along: int, first: int) -> tuple[int, ...]:
    at = along % len(shape)
    return (*shape[:at], first, shape[at] // first, *shape[at + 1 :])


MOVES = [
    moved(
        complex_permute,
        lambda x, *, order: np.transpose(x, order),
        "{x}.permute({order})",
        "ops.transpose({x}, {order})",
        order=permutation(),
    ),
    moved(
        complex_transpose,
        lambda x, *, first, second: np.swapaxes(x, first, second),
        "torch.transpose({x}, {first}, {second})",
        "ops.swapaxes({x}, {first}, {second})",
        first=axis(),
        second=axis(),
    ),
    moved(complex_matrix_transpose, lambda x: np.swapaxes(x, -1, -2), "{x}.mT", rank=range(2, 6)),
    moved(complex_adjoint, lambda x: np.conj(np.swapaxes(x, -1, -2)), "{x}.mH", rank=range(2, 6)),
    moved(complex_matrix_t, np.transpose, "{x}.t()", rank=(1, 2)),
    moved(complex_flip, lambda x, *, along: np.flip(x, along), "torch.flip({x}, {along})", along=axes()),
    moved(
        complex_roll,
        lambda x, *, shift, along: np.roll(x, shift, along),
        "torch.roll({x}, {shift}, {along})",
        "ops.roll({x}, {shift}, {along})",
        shift=size(-3, 9),
        along=axis(),
    ),
    moved(complex_roll_all, lambda x, *, shift: np.roll(x, shift), "torch.roll({x}, {shift})", shift=size(-3, 9)),
    moved(
        complex_slice,
        _sliced,
        lambda x, along, start, step: _subscripts(x, along, f"{start}::{step}"),
        along=axis(),
        start=size(0, 4),
        step=size(1, 3),
    ),
    moved(
        complex_squeeze,
        lambda x, *, along: np.squeeze(x, along),
        "torch.squeeze({x}, {along})",
        "ops.squeeze({x}, {along})",
        along=axis(),
    ),
    moved(
        complex_unsqueeze,
        lambda x, *, along: np.expand_dims(x, along),
        "torch.unsqueeze({x}, {along})",
        along=axis(extra=1),
    ),
    moved(
        complex_select,
        lambda x, *, along, position: np.take(x, position, along),
        "torch.select({x}, {along}, {position})",
        along=axis(),
        position=size(0, 8),
    ),
    moved(complex_flatten, np.ravel, "{x}.reshape(-1)", "ops.reshape({x}, (-1,))"),
    moved(
        complex_split_axis,
        lambda x, *, along, first: x.reshape(_parted(x.shape, along, first)),
        lambda x, along, first: f"{x}.view({_parted(x.shape, along, first)})",
        lambda x, along, first: f"ops.reshape({x}, {_parted(x.shape, along, first)})",
        along=axis(),
        first=size(1, 8),
    ),
    moved(
        complex_expand,
        lambda x, *, count: np.broadcast_to(x, (count, *x.shape)),
        lambda x, count: f"{x}.expand({(count, *x.shape)})",
        count=size(1, 5),
    ),
]


@operator(
    variadic("xs", (2, 3), rank=range(1, 5)),
    attrs={"along": axis("xs")},
    dtypes=COMPLEX,
    reference=lambda *xs, along: np.concatenate(xs, along),
    torch="torch.cat([{xs}], dim={along})",
    keras="ops.concatenate([{xs}], axis={along})",
)
def complex_concatenate(require: Require, *xs: Tensor, along: int) -> Shape:
    """Tensors joined along an axis."""
    at, first = along % xs[0].rank, xs[0]
    for other in xs[1:]:
        require(other.rank == first.rank, "the ranks are equal")
        for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)):
            require(i == at or a == b, "the other sizes are equal")
    return tuple(sum((x.shape[at] for x in xs[1:]), s) if i == at else s for i, s in enumerate(first.shape))


@operator(
    variadic("xs", (2, 3), rank=range(5)),
    attrs={"along": axis("xs", extra=1)},
    dtypes=COMPLEX,
    reference=lambda *xs, along: np.stack(xs, along),
    torch="torch.stack([{xs}], dim={along})",
    keras="ops.stack([{xs}], axis={along})",
)
def complex_stack(require: Require, *xs: Tensor, along: int) -> Shape:
    """Tensors joined along a new axis."""
    at, first = along % (xs[0].rank + 1), xs[0]
    for other in xs[1:]:
        require(other.rank == first.rank, "the ranks are equal")
        for a, b in zip(first.shape, other.shape, strict=True):
            require(a == b, "the sizes are equal")
    return (*first.shape[:at], len(xs), *first.shape[at:])


@operator(
    tensor("x", rank=range(2, 5)),
    tensor("y", rank=range(2, 5)),
    dtypes=COMPLEX,
    reference=lambda x, y: wide(x) @ wide(y),
    torch="torch.matmul({x}, {y})",
    keras="ops.matmul({x}, {y})",
)
def complex_matmul(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The matrix products along the last two axes, the others broadcast."""
    require(x.shape[-1] == y.shape[-2], "the inner sizes are equal")
    return (*broadcast(require, x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])


OPERATORS: Sequence[Operator] = [
    *ARITHMETIC,
    *CONSTANTS,
    *VIEWS,
    *FOLDS,
    *MOVES,
    complex_concatenate,
    complex_stack,
    complex_matmul,
]
