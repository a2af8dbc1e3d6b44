"""Complex numbers: arithmetic, their parts, sums (what moves them is in `complex_shapes`).

Only PyTorch's default exporter translates them in general: it represents a complex tensor by a real one with one more,
last axis of two. tf2onnx knows the magnitude of complex numbers only, PyTorch's TorchScript exporter nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    COMPLEX,
    FLOATS,
    SIGNED,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    binary,
    broadcast,
    emission,
    named,
    number,
    operator,
    promote,
    reduction,
    tensor,
    unary,
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


def _has_angles(x: Array) -> bool:
    """No number lies on the angle's branch cut, where the sign of zero decides; and none has subnormal parts alone,
    which are zeros to TensorFlow, whose angle of zero is a quotient of them."""
    sizes = np.maximum(np.abs(x.real), np.abs(x.imag))
    return bool(np.all((x.imag != 0) | (x.real > 0)) and np.all(sizes >= np.finfo(x.dtype).tiny))


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
    binary("complex_add", COMPLEX, reference=np.add, torch="{x} + {y}"),
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
        defined=_has_angles,
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


_ALIASES: dict[str, tuple[Callable[..., Any], Callable[..., bool] | None]] = {
    "subtract": (np.subtract, None),
    "multiply": (lambda x, y: wide(x) * wide(y), None),
    "divide": (lambda x, y: wide(x) / wide(y), _divisible),
    "true_divide": (lambda x, y: wide(x) / wide(y), _divisible),
}
ALIASES = [
    binary(f"complex_{name}_alias", COMPLEX, reference=reference, defined=defined, torch=f"torch.{name}({{x}}, {{y}})")
    for name, (reference, defined) in _ALIASES.items()
]


def _with_constant(name: str, call: str, reference: Callable[..., Any], doc: str, least: float = -4.0) -> Operator:
    """An operator on each element and a complex constant."""

    def rule(require: Require, x: Tensor, *, real: float, imaginary: float) -> Shape:
        return x.shape

    return operator(
        tensor("x"),
        attrs={"real": number(least, 4), "imaginary": number(-4, 4)},
        dtypes=COMPLEX,
        empty=True,
        reference=reference,
        torch=call.format("complex({real}, {imaginary})"),
    )(named(name, doc, rule))


def _with_factor(name: str, call: str, reference: Callable[..., Any], doc: str) -> Operator:
    """An operator on each element and a real constant."""

    def rule(require: Require, x: Tensor, *, factor: float) -> Shape:
        return x.shape

    return operator(
        tensor("x"), attrs={"factor": number(0.5, 4)}, dtypes=COMPLEX, empty=True, reference=reference, torch=call
    )(named(name, doc, rule))


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
    *(
        _with_factor(f"complex_{name}_scalar", f"torch.ops.aten.{name}.Scalar({{x}}, {{factor}})", reference, doc)
        for name, reference, doc in (
            ("add", lambda x, *, factor: wide(x) + factor, "Plus a real constant, as ATen's overload for it."),
            ("sub", lambda x, *, factor: wide(x) - factor, "Less a real constant, as ATen's overload for it."),
            ("mul", lambda x, *, factor: wide(x) * factor, "Times a real constant, as ATen's overload for it."),
            ("div", lambda x, *, factor: wide(x) / factor, "Over a real constant, as ATen's overload for it."),
        )
    ),
    _with_constant(
        "complex_times_scalar_tensor",
        "{{x}} * torch.scalar_tensor({}, dtype={{x}}.dtype)",
        _times_constant,
        "Each number times a constant tensor.",
    ),
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
    torch="torch.view_as_real({x}.resolve_conj())",  # it refuses a conjugate that is only marked as one
)
def view_as_real(require: Require, x: Tensor) -> Shape:
    """Complex numbers as pairs along a new last axis."""
    return (*x.shape, 2)


@operator(
    tensor("x"),
    dtypes=(*FLOATS, *SIGNED),
    returns=lambda framework, bound, attrs: bound["T"] if bound["T"] in FLOATS else "float32",
    empty=True,
    reference=lambda x: np.where(np.isnan(x), np.nan, np.where(x < 0, np.pi, 0.0)),
    special=("torch",),
    torch="torch.angle({x})",
    keras=emission("ops.angle({x})", dtypes=("float32", "float64")),
)
def angle_of_real(require: Require, x: Tensor) -> Shape:
    """The angle of real numbers: zero or pi; in PyTorch, NaN of NaN (torch.angle's documentation)."""
    return x.shape


VIEWS = [complex_masked, angle_of_real, view_as_complex, view_as_real]

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

    declare = operator(tensor("x"), dtypes=COMPLEX, reference=lambda x: fold(wide(x)), torch=f"torch.{name}({{x}})")
    return declare(named(f"complex_{name}_all", f"The {name} of all elements.", rule))


FOLDS = [_fold("sum", np.sum), _fold("mean", np.mean), _fold_all("sum", np.sum), _fold_all("mean", np.mean)]


def _copied(op: Operator, call: str) -> Operator:
    """The view made a copy."""
    return msgspec.structs.replace(op, name=f"{op.name}_copy", emissions={"torch": emission(call)})


OPERATORS: Sequence[Operator] = [
    *ARITHMETIC,
    *ALIASES,
    *CONSTANTS,
    *VIEWS,
    _copied(view_as_real, "torch.view_as_real_copy({x}.resolve_conj())"),
    _copied(view_as_complex, "torch.view_as_complex_copy({x}.contiguous())"),
    *FOLDS,
]
