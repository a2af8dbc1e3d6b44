"""Batch normalization: each channel by statistics that are stored, or by those of the batch itself."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    HALVES,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    either,
    emission,
    flag,
    number,
    operator,
    tensor,
    variadic,
    weight,
)
from operators.precision import Array, wide

EPSILON = number(1e-5, 1e-2)
_AFFINE = (-2.0, 2.0)
_VARIANCE = (0.1, 4.0)


def along(values: Array, rank: int, axis: int = 1) -> Array:
    """One value a channel, in the shape that broadcasts over a tensor of this rank."""
    return wide(values).reshape([-1 if i == axis % rank else 1 for i in range(rank)])


def well_conditioned(x: Array, axes: tuple[int, ...], epsilon: float) -> bool:
    """Whether what is normalized varies enough: where it hardly does, nothing but rounding is left of its variance,
    which some kernels compute as the difference of two sums."""
    if x.size == 0:
        return True
    deviation = np.sqrt(np.var(wide(x), axes) + epsilon)
    return bool(np.all(np.max(np.abs(wide(x)), axes) <= 16 * deviation))


def standardized(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """Mean 0 and variance 1 (nearly: epsilon) over the axes."""
    centered = wide(x) - np.mean(wide(x), axes, keepdims=True)
    result: Array = centered / np.sqrt(np.mean(centered**2, axes, keepdims=True) + epsilon)
    return result


def scaled(x: Array, affine: Sequence[Array], axis: int = 1) -> Array:
    """x times a value a channel, where there is one, plus another, where there is one."""
    for values, combine in zip(affine, (np.multiply, np.add), strict=False):
        x = combine(x, along(values, x.ndim, axis))
    return x


def _by_stored(x: Array, mean: Array, variance: Array, affine: Sequence[Array], epsilon: float, axis: int = 1) -> Array:
    """Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 2."""
    deviation = np.sqrt(along(variance, x.ndim, axis) + epsilon)
    return scaled((wide(x) - along(mean, x.ndim, axis)) / deviation, affine, axis)


def _others(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _by_batch(x: Array, *affine: Array, epsilon: float) -> Array:
    """The same paper, algorithm 1."""
    return scaled(standardized(x, _others(x), epsilon), affine)


def _batch_varies(x: Array, *given: Array, epsilon: float, **_: Any) -> bool:
    return well_conditioned(x, _others(x), epsilon)


def one_a_channel(require: Require, x: Tensor, given: Sequence[Tensor], axis: int = 1) -> None:
    """Each given vector has as many values as the axis."""
    for values in given:
        require(values.shape[0] == x.shape[axis], "there is one value a channel")


def _several_values(require: Require, x: Tensor) -> None:
    # PyTorch takes a single value a channel for a mistake.
    require(either(*(s > 1 for i, s in enumerate(x.shape) if i != 1)), "there is more than one value a channel")


def torch_layer(name: str, options: str = "") -> Callable[..., str]:
    """The constructor of PyTorch's layer for an operand's rank (batch, channels, 0 to 3 more)."""
    return lambda x, epsilon, **_: f"nn.{name}{max(x.rank - 2, 1)}d({x.shape[1]}, eps={epsilon}{options})"


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=_VARIANCE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, scale, bias, mean, variance, *, epsilon: _by_stored(x, mean, variance, (scale, bias), epsilon),
    torch=emission(
        "{layer}({x})",
        layer=torch_layer("BatchNorm"),
        state={"weight": "{scale}", "bias": "{bias}", "running_mean": "{mean}", "running_var": "{variance}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.BatchNormalization(axis=1, epsilon={epsilon}, dtype="{x.dtype}")',
        state={"gamma": "{scale}", "beta": "{bias}", "moving_mean": "{mean}", "moving_variance": "{variance}"},
    ),
)
def batch_norm(
    require: Require, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Shape:
    """Each channel (the second axis) normalized by its stored mean and variance, then scaled and shifted."""
    one_a_channel(require, x, (scale, bias, mean, variance))
    return x.shape


@operator(
    tensor("x", rank=range(2, 6)),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=_VARIANCE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, mean, variance, *, epsilon: _by_stored(x, mean, variance, (), epsilon),
    torch=emission(
        "{layer}({x})",
        layer=torch_layer("BatchNorm", ", affine=False"),
        state={"running_mean": "{mean}", "running_var": "{variance}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.BatchNormalization(axis=1, epsilon={epsilon}, center=False, scale=False, dtype="{x.dtype}")',
        state={"moving_mean": "{mean}", "moving_variance": "{variance}"},
    ),
)
def batch_norm_plain(require: Require, x: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float) -> Shape:
    """Each channel (the second axis) normalized by its stored mean and variance, as a layer."""
    one_a_channel(require, x, (mean, variance))
    return x.shape


def _torch_function(x: Operand, mean: Operand, variance: Operand, affine: Operands, epsilon: float) -> str:
    return f"F.batch_norm({', '.join((x, mean, variance, *affine.each))}, eps={epsilon})"


def _keras_function(x: Operand, mean: Operand, variance: Operand, affine: Operands, epsilon: float) -> str:
    given = "".join(f", {n}={a}" for n, a in zip(("scale", "offset"), affine.each, strict=False))
    return f"ops.batch_normalization({x}, {mean}, {variance}, 1{given}, epsilon={epsilon})"


@operator(
    tensor("x", rank=range(2, 7)),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=_VARIANCE),
    variadic("affine", (0, 1, 2), role="weight", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, mean, variance, *affine, epsilon: _by_stored(x, mean, variance, affine, epsilon),
    torch=_torch_function,
    keras=_keras_function,
)
def batch_norm_function(
    require: Require, x: Tensor, mean: Tensor, variance: Tensor, *affine: Tensor, epsilon: float
) -> Shape:
    """Each channel (the second axis) normalized by a mean and a variance, then scaled and shifted or not."""
    one_a_channel(require, x, (mean, variance, *affine))
    return x.shape


def _keras_state(
    x: Operand, mean: Operand, variance: Operand, affine: Operands, centered: bool, **_: Any
) -> dict[str, str]:
    names = ("beta",) if centered and len(affine.each) == 1 else ("gamma", "beta")
    given = {n: str(a) for n, a in zip(names, affine.each, strict=False)}
    return {**given, "moving_mean": str(mean), "moving_variance": str(variance)}


def _keras_options(affine: Operands, centered: bool) -> str:
    count = len(affine.each)
    return f"center={count == 2 or (count == 1 and centered)}, scale={count == 2 or (count == 1 and not centered)}"


def _by_axis(
    x: Array, mean: Array, variance: Array, *affine: Array, axis: int, centered: bool, epsilon: float
) -> Array:
    shift_only = centered and len(affine) == 1
    return _by_stored(x, mean, variance, (np.ones_like(affine[0]), *affine) if shift_only else affine, epsilon, axis)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=_VARIANCE),
    variadic("affine", (0, 1, 2), role="weight", rank=1, domain=_AFFINE),
    attrs={"axis": axis(), "centered": flag(), "epsilon": EPSILON},
    dtypes=FLOATS,
    reference=_by_axis,
    keras=emission(
        "{layer}({x})",
        layer=lambda x, affine, axis, centered, epsilon, **_: (
            f"layers.BatchNormalization(axis={axis}, epsilon={epsilon}, {_keras_options(affine, centered)}"
            f', dtype="{x.dtype}")'
        ),
        state=_keras_state,
    ),
)
def batch_norm_axis(
    require: Require,
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    *affine: Tensor,
    axis: int,
    centered: bool,
    epsilon: float,
) -> Shape:
    """Each slice across any axis normalized by its stored mean and variance, then scaled, shifted, both or neither."""
    one_a_channel(require, x, (mean, variance, *affine), axis)
    return x.shape


def _torch_statistics(x: Operand, affine: Operands, epsilon: float) -> str:
    return f"F.batch_norm({', '.join((x, 'None', 'None', *affine.each))}, training=True, eps={epsilon})"


@operator(
    tensor("x", rank=range(2, 6)),
    variadic("affine", (0, 1, 2), role="weight", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_batch_varies,
    reference=_by_batch,
    torch=_torch_statistics,
)
def batch_norm_statistics(require: Require, x: Tensor, *affine: Tensor, epsilon: float) -> Shape:
    """Each channel normalized by its mean and variance over the batch, also in inference; nothing is stored."""
    one_a_channel(require, x, affine)
    _several_values(require, x)
    return x.shape


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_batch_varies,
    reference=_by_batch,
    torch=emission(
        "{layer}({x})",
        layer=torch_layer("BatchNorm", ", track_running_stats=False"),
        state={"weight": "{scale}", "bias": "{bias}"},
    ),
)
def batch_norm_statistics_layer(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Shape:
    """The same as a layer that tracks no statistics."""
    one_a_channel(require, x, (scale, bias))
    _several_values(require, x)
    return x.shape


def _trained(
    x: Array, scale: Array, bias: Array, mean: Array, variance: Array, *, momentum: float, epsilon: float
) -> list[Array]:
    axes = _others(x)
    count = x.size // x.shape[1]
    spread = np.var(wide(x), axes) * count / (count - 1)
    moved = [
        wide(old) * (1 - momentum) + momentum * new for old, new in ((mean, np.mean(wide(x), axes)), (variance, spread))
    ]
    return [_by_batch(x, scale, bias, epsilon=epsilon), *moved]


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=_VARIANCE),
    attrs={"momentum": choice(0.125, 0.5, 1.0), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_batch_varies,
    reference=_trained,
    torch=emission(
        "batch_norm_trained({x}, {scale}, {bias}, {mean}, {variance}, {momentum}, {epsilon})",
        helper="""
        def batch_norm_trained(x, scale, bias, mean, variance, momentum, epsilon):
            mean, variance = mean.clone(), variance.clone()
            y = F.batch_norm(x, mean, variance, scale, bias, training=True, momentum=momentum, eps=epsilon)
            return y, mean, variance
        """,
    ),
)
def batch_norm_trained(
    require: Require,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    momentum: float,
    epsilon: float,
) -> list[Shape]:
    """One training step: normalized by the batch's statistics, and the stored ones moved (in place) toward them."""
    one_a_channel(require, x, (scale, bias, mean, variance))
    _several_values(require, x)
    return [x.shape, mean.shape, variance.shape]


# The kernel checks no sizes; a view does.
@operator(
    tensor("x", rank=range(2, 6)),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=_VARIANCE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, mean, variance, *, epsilon: _by_stored(x, mean, variance, (), epsilon),
    torch="torch.native_batch_norm({x}, None, None, {mean}.view({x.shape[1]}), {variance}.view({x.shape[1]})"
    ", False, 0.1, {epsilon})[0]",
)
def native_batch_norm(require: Require, x: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float) -> Shape:
    """batch_norm by the name of PyTorch's kernel."""
    one_a_channel(require, x, (mean, variance))
    return x.shape


_FUSED = """
def fused_batch_norm(x, scale, bias, mean, variance, epsilon):
    import tensorflow as tf

    def fused(x):
        given = [None if v is None else v.value for v in (scale, bias, mean, variance)]
        return tf.compat.v1.nn.fused_batch_norm(x, *given, epsilon=epsilon, is_training=mean is None)[0]

    return layers.Lambda(fused, output_shape=x.shape[1:], dtype=x.dtype)(x)
"""


# With channels first, TensorFlow's kernel is for GPUs only; keras.ops puts batch normalization together otherwise.
@operator(
    tensor("x", rank=4),
    weight("scale", "float32", rank=1, domain=_AFFINE),
    weight("bias", "float32", rank=1, domain=_AFFINE),
    weight("mean", "float32", rank=1, domain=_AFFINE),
    weight("variance", "float32", rank=1, domain=_VARIANCE),
    attrs={"epsilon": EPSILON},
    dtypes=(*HALVES, "float32"),
    reference=lambda x, scale, bias, mean, variance, *, epsilon: _by_stored(
        x, mean, variance, (scale, bias), epsilon, 3
    ),
    keras=emission("fused_batch_norm({x}, {scale}, {bias}, {mean}, {variance}, {epsilon})", helper=_FUSED),
)
def fused_batch_norm(
    require: Require, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Shape:
    """TensorFlow's kernel for images with channels last, by given statistics."""
    one_a_channel(require, x, (scale, bias, mean, variance), 3)
    return x.shape


@operator(
    tensor("x", rank=4),
    weight("scale", "float32", rank=1, domain=_AFFINE),
    weight("bias", "float32", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=(*HALVES, "float32"),
    defined=lambda x, scale, bias, *, epsilon: well_conditioned(x, (0, 1, 2), epsilon),
    reference=lambda x, scale, bias, *, epsilon: scaled(standardized(x, (0, 1, 2), epsilon), (scale, bias), 3),
    keras=emission("fused_batch_norm({x}, {scale}, {bias}, None, None, {epsilon})", helper=_FUSED),
)
def fused_batch_norm_training(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Shape:
    """The same kernel, by the batch's own statistics."""
    one_a_channel(require, x, (scale, bias), 3)
    require(either(*(s > 1 for s in x.shape[:3])), "there is more than one value a channel")
    return x.shape


OPERATORS: Sequence[Operator] = [
    batch_norm,
    batch_norm_plain,
    batch_norm_function,
    batch_norm_axis,
    batch_norm_statistics,
    batch_norm_statistics_layer,
    batch_norm_trained,
    native_batch_norm,
    fused_batch_norm,
    fused_batch_norm_training,
]
