"""Normalization by statistics of the tensor itself: along axes, in groups of channels, or among neighbors."""

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
    axes,
    axis,
    choice,
    either,
    emission,
    flag,
    number,
    operator,
    size,
    tensor,
    variadic,
    weight,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.families import normalize_axes
from operators.batch_norm import EPSILON, along, one_a_channel, scaled, standardized, torch_layer, well_conditioned
from operators.precision import Array, wide

_AFFINE = (-2.0, 2.0)


def _trailing(count: int) -> tuple[int, ...]:
    return tuple(range(-count, 0))


def _applied(x: Array, affine: Sequence[Array]) -> Array:
    for values, combine in zip(affine, (np.multiply, np.add), strict=False):
        x = combine(x, wide(values))
    return x


def _same_trailing(require: Require, x: Tensor, given: Sequence[Tensor]) -> None:
    """The given tensors have the sizes of x's trailing axes."""
    for values in given:
        for a, b in zip(x.shape[x.rank - values.rank :], values.shape, strict=True):
            require(a == b, "the weights have the sizes of x's trailing axes")


# Layer normalization


def _layer_norm(x: Array, *affine: Array, epsilon: float, count: int | None = None) -> Array:
    """Ba, Kiros and Hinton, "Layer Normalization", 2016, equation 4."""
    return _applied(standardized(x, _trailing(count or affine[0].ndim), epsilon), affine)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("scale", rank=range(1, 4), domain=_AFFINE),
    weight("bias", rank=range(1, 4), domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, scale, bias, *, epsilon: well_conditioned(x, _trailing(scale.ndim), epsilon),
    reference=_layer_norm,
    torch=emission(
        "{layer}({x})",
        layer="nn.LayerNorm({scale.shape}, eps={epsilon})",
        state={"weight": "{scale}", "bias": "{bias}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer=lambda x, scale, epsilon, **_: (
            f'layers.LayerNormalization(axis={list(range(-scale.rank, 0))}, epsilon={epsilon}, dtype="{x.dtype}")'
        ),
        state={"gamma": "{scale}", "beta": "{bias}"},
    ),
)
def layer_norm(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Shape:
    """The trailing axes, as many as the weights have, normalized to mean 0 and variance 1, then scaled and shifted."""
    require(scale.rank == bias.rank, "scale and bias have the same rank")
    require(scale.rank <= x.rank, "x has the weights' axes")
    _same_trailing(require, x, (scale, bias))
    return x.shape


def _torch_norm(function: str) -> Callable[..., str]:
    """A function of PyTorch over the trailing axes."""

    def call(x: Operand, affine: Operands, count: int, epsilon: float) -> str:
        return f"{function}({', '.join((x, str(x.shape[x.rank - count :]), *affine.each))}, eps={epsilon})"

    return call


def _keras_norm(function: str, names: Sequence[str]) -> Callable[..., str]:
    """The same of Keras, where the weights have these names."""

    def call(x: Operand, affine: Operands, count: int, epsilon: float) -> str:
        given = "".join(f", {n}={a}" for n, a in zip(names, affine.each, strict=False))
        return f"ops.{function}({x}{given}, axis={list(_trailing(count))}, epsilon={epsilon})"

    return call


def _norm_rule(require: Require, x: Tensor, affine: Sequence[Tensor], count: int) -> Shape:
    require(count <= x.rank, "x has the axes")
    require(all(a.rank == count for a in affine), "the weights have the normalized axes")
    _same_trailing(require, x, affine)
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    variadic("affine", (0, 1, 2), role="weight", rank=range(1, 4), domain=_AFFINE),
    attrs={"count": choice(1, 2, 3), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, *affine, count, epsilon: well_conditioned(x, _trailing(count), epsilon),
    reference=_layer_norm,
    torch=_torch_norm("F.layer_norm"),
    keras=_keras_norm("layer_normalization", ("gamma", "beta")),
)
def layer_norm_function(require: Require, x: Tensor, *affine: Tensor, count: int, epsilon: float) -> Shape:
    """The last `count` axes normalized to mean 0 and variance 1, then scaled and shifted or not."""
    return _norm_rule(require, x, affine, count)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("scale", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, scale, *, epsilon: well_conditioned(x, (-1,), epsilon),
    reference=_layer_norm,
    torch=emission(
        "{layer}({x})",
        layer="nn.LayerNorm({scale.shape[0]}, eps={epsilon}, bias=False)",
        state={"weight": "{scale}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.LayerNormalization(epsilon={epsilon}, center=False, dtype="{x.dtype}")',
        state={"gamma": "{scale}"},
    ),
)
def layer_norm_unbiased(require: Require, x: Tensor, scale: Tensor, *, epsilon: float) -> Shape:
    """The last axis normalized to mean 0 and variance 1, then scaled, as a layer."""
    _same_trailing(require, x, (scale,))
    return x.shape


@operator(
    tensor("x", rank=range(2, 7)),
    attrs={"axes": axes(), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, *, axes, epsilon: well_conditioned(x, tuple(axes), epsilon),
    reference=lambda x, *, axes, epsilon: standardized(x, tuple(axes), epsilon),
    keras=emission(
        "{layer}({x})",
        layer=lambda x, axes, epsilon, **_: (
            f"layers.LayerNormalization(axis={normalize_axes(axes, x.rank)}, epsilon={epsilon}, center=False, "
            f'scale=False, dtype="{x.dtype}")'
        ),
    ),
)
def layer_norm_axes(require: Require, x: Tensor, *, axes: Sequence[int], epsilon: float) -> Shape:
    """Any axes normalized to mean 0 and variance 1, as Keras' layer."""
    return x.shape


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    attrs={"axis": axis(), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, *given, axis, epsilon: well_conditioned(x, (axis,), epsilon),
    reference=lambda x, scale, bias, *, axis, epsilon: scaled(standardized(x, (axis,), epsilon), (scale, bias), axis),
    keras=emission(
        "{layer}({x})",
        layer='layers.LayerNormalization(axis={axis}, epsilon={epsilon}, dtype="{x.dtype}")',
        state={"gamma": "{scale}", "beta": "{bias}"},
    ),
)
def layer_norm_axis(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, axis: int, epsilon: float) -> Shape:
    """One axis, anywhere, normalized to mean 0 and variance 1, then scaled and shifted along it."""
    one_a_channel(require, x, (scale, bias), axis)
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    weight("scale", rank=range(1, 4), domain=_AFFINE),
    weight("bias", rank=range(1, 4), domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, scale, bias, *, epsilon: well_conditioned(x, _trailing(scale.ndim), epsilon),
    reference=_layer_norm,
    torch="torch.native_layer_norm({x}, {scale.shape}, {scale}, {bias}, {epsilon})[0]",
)
def native_layer_norm(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Shape:
    """layer_norm by the name of PyTorch's kernel."""
    require(scale.rank == bias.rank, "scale and bias have the same rank")
    require(scale.rank <= x.rank, "x has the weights' axes")
    _same_trailing(require, x, (scale, bias))
    return x.shape


# Root mean square


def _rms(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019, equation 4."""
    return np.asarray(wide(x) / np.sqrt(np.mean(wide(x) ** 2, axes, keepdims=True) + epsilon))


@operator(
    tensor("x", rank=range(1, 7)),
    variadic("affine", (0, 1), role="weight", rank=range(1, 4), domain=_AFFINE),
    attrs={"count": choice(1, 2, 3), "epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, *affine, count, epsilon: _applied(_rms(x, _trailing(count), epsilon), affine),
    torch=_torch_norm("F.rms_norm"),
    keras=_keras_norm("rms_normalization", ("scale",)),
)
def rms_norm_function(require: Require, x: Tensor, *affine: Tensor, count: int, epsilon: float) -> Shape:
    """The last `count` axes divided by their root mean square, then scaled or not."""
    return _norm_rule(require, x, affine, count)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("scale", rank=range(1, 4), domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, scale, *, epsilon: _applied(_rms(x, _trailing(scale.ndim), epsilon), (scale,)),
    torch=emission("{layer}({x})", layer="nn.RMSNorm({scale.shape}, eps={epsilon})", state={"weight": "{scale}"}),
    keras=emission(
        "{layer}({x})",
        layer=lambda x, scale, epsilon, **_: (
            f'layers.RMSNormalization(axis={list(range(-scale.rank, 0))}, epsilon={epsilon}, dtype="{x.dtype}")'
        ),
        state={"scale": "{scale}"},
    ),
)
def rms_norm(require: Require, x: Tensor, scale: Tensor, *, epsilon: float) -> Shape:
    """The trailing axes, as many as the weight has, divided by their root mean square, then scaled; as a layer."""
    require(scale.rank <= x.rank, "x has the weight's axes")
    _same_trailing(require, x, (scale,))
    return x.shape


# Groups of channels, and single channels


def _grouped(x: Array, groups: int) -> Array:
    return x.reshape(x.shape[0], groups, -1)


def _group_norm(x: Array, *affine: Array, groups: int, epsilon: float) -> Array:
    """Wu and He, "Group Normalization", 2018, equation 7."""
    return scaled(standardized(_grouped(x, groups), (2,), epsilon).reshape(x.shape), affine)


def _groups_vary(x: Array, *affine: Array, groups: int, epsilon: float) -> bool:
    return well_conditioned(_grouped(x, groups), (2,), epsilon)


def _group_rule(require: Require, x: Tensor, given: Sequence[Tensor], groups: int) -> Shape:
    # PyTorch takes a single value a channel for a mistake in training, and refuses it in inference as well.
    spread = [x.shape[0] > 1, x.shape[1] > groups, *(size > 1 for size in x.shape[2:])]
    require(either(*spread), "there are more values than groups")
    return _kernel_rule(require, x, given, groups)


def _kernel_rule(require: Require, x: Tensor, given: Sequence[Tensor], groups: int) -> Shape:
    require(x.shape[1] % groups == 0, "the channels fall into groups of one size")
    one_a_channel(require, x, given)
    return x.shape


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    attrs={"groups": size(1, 4), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_groups_vary,
    reference=_group_norm,
    torch=emission(
        "{layer}({x})",
        layer="nn.GroupNorm({groups}, {scale.shape[0]}, eps={epsilon})",
        state={"weight": "{scale}", "bias": "{bias}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.GroupNormalization(groups={groups}, axis=1, epsilon={epsilon}, dtype="{x.dtype}")',
        state={"gamma": "{scale}", "beta": "{bias}"},
    ),
)
def group_norm(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, groups: int, epsilon: float) -> Shape:
    """Each group of channels (the second axis) normalized to mean 0 and variance 1, then scaled and shifted."""
    return _group_rule(require, x, (scale, bias), groups)


def _torch_group(x: Operand, affine: Operands, groups: int, epsilon: float) -> str:
    return f"F.group_norm({', '.join((x, str(groups), *affine.each))}, eps={epsilon})"


@operator(
    tensor("x", rank=range(2, 7)),
    variadic("affine", (0, 1, 2), role="weight", rank=1, domain=_AFFINE),
    attrs={"groups": size(1, 4), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_groups_vary,
    reference=_group_norm,
    torch=_torch_group,
)
def group_norm_function(require: Require, x: Tensor, *affine: Tensor, groups: int, epsilon: float) -> Shape:
    """Each group of channels (the second axis) normalized, then scaled and shifted or not."""
    return _group_rule(require, x, affine, groups)


def _native_group(x: Operand, groups: int, epsilon: float) -> str:
    rest = int(np.prod(x.shape[2:], dtype=int))
    sizes = f"{x.shape[0]}, {x.shape[1]}, {rest}"
    return f"torch.native_group_norm({x}.contiguous(), None, None, {sizes}, {groups}, {epsilon})[0]"


@operator(
    tensor("x", rank=range(2, 6)),
    attrs={"groups": size(1, 4), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_groups_vary,
    reference=_group_norm,
    torch=_native_group,
)
def native_group_norm(require: Require, x: Tensor, *, groups: int, epsilon: float) -> Shape:
    """group_norm by the name of PyTorch's kernel."""
    return _kernel_rule(require, x, (), groups)


def _group_axis(x: Array, *given: Array, axis: int, groups: int, epsilon: float, **_: Any) -> Array:
    front = np.moveaxis(x, axis, 1)
    return np.moveaxis(_group_norm(front, *given, groups=groups, epsilon=epsilon), 1, axis)


@operator(
    tensor("x", rank=range(2, 6)),
    weight("bias", rank=1, domain=_AFFINE),
    attrs={"axis": axis(), "groups": size(1, 4), "epsilon": EPSILON},
    dtypes=FLOATS,
    defined=lambda x, bias, *, axis, **rest: _groups_vary(np.moveaxis(x, axis, 1), **rest),
    reference=lambda x, bias, *, axis, groups, epsilon: _group_axis(
        x, np.ones_like(bias), bias, axis=axis, groups=groups, epsilon=epsilon
    ),
    keras=emission(
        "{layer}({x})",
        layer="layers.GroupNormalization(groups={groups}, axis={axis}, epsilon={epsilon}, scale=False"
        ', dtype="{x.dtype}")',
        state={"beta": "{bias}"},
    ),
)
def group_norm_axis(require: Require, x: Tensor, bias: Tensor, *, axis: int, groups: int, epsilon: float) -> Shape:
    """Each group of slices across any axis but the batch's normalized, then shifted; as Keras' layer."""
    require(axis % x.rank != 0, "the axis is not the batch's")
    require(x.shape[axis] % groups == 0, "the channels fall into groups of one size")
    one_a_channel(require, x, (bias,), axis)
    return x.shape


def _places(x: Array) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def _instance_norm(x: Array, *affine: Array, epsilon: float) -> Array:
    """Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016, equation 4."""
    return scaled(standardized(x, _places(x), epsilon), affine)


def _instances_vary(x: Array, *affine: Array, epsilon: float) -> bool:
    return well_conditioned(x, _places(x), epsilon)


def _several_places(require: Require, x: Tensor) -> None:
    require(either(*(s > 1 for s in x.shape[2:])), "there is more than one value an instance")


def _torch_instance(x: Operand, affine: Operands, epsilon: float) -> str:
    given = "".join(f", {n}={a}" for n, a in zip(("weight", "bias"), affine.each, strict=False))
    return f"F.instance_norm({x}{given}, eps={epsilon})"


@operator(
    tensor("x", rank=range(3, 6)),
    variadic("affine", (0, 1, 2), role="weight", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_instances_vary,
    reference=_instance_norm,
    torch=_torch_instance,
)
def instance_norm_function(require: Require, x: Tensor, *affine: Tensor, epsilon: float) -> Shape:
    """Each channel of each instance normalized to mean 0 and variance 1, then scaled and shifted or not."""
    one_a_channel(require, x, affine)
    _several_places(require, x)
    return x.shape


@operator(
    tensor("x", rank=range(3, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_instances_vary,
    reference=_instance_norm,
    torch=emission(
        "{layer}({x})",
        layer=torch_layer("InstanceNorm", ", affine=True"),
        state={"weight": "{scale}", "bias": "{bias}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.GroupNormalization(groups=-1, axis=1, epsilon={epsilon}, dtype="{x.dtype}")',
        state={"gamma": "{scale}", "beta": "{bias}"},
    ),
)
def instance_norm(require: Require, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Shape:
    """Each channel of each instance normalized to mean 0 and variance 1, then scaled and shifted; as a layer."""
    one_a_channel(require, x, (scale, bias))
    _several_places(require, x)
    return x.shape


@operator(
    tensor("x", rank=range(3, 6)),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    defined=_instances_vary,
    reference=_instance_norm,
    torch=emission("{layer}({x})", layer=torch_layer("InstanceNorm")),
    keras=emission(
        "{layer}({x})",
        layer="layers.GroupNormalization(groups=-1, axis=1, epsilon={epsilon}, center=False, scale=False"
        ', dtype="{x.dtype}")',
    ),
)
def instance_norm_plain(require: Require, x: Tensor, *, epsilon: float) -> Shape:
    """Each channel of each instance normalized to mean 0 and variance 1, as a layer without weights."""
    _several_places(require, x)
    return x.shape


@operator(
    tensor("x", rank=range(3, 6)),
    weight("scale", rank=1, domain=_AFFINE),
    weight("bias", rank=1, domain=_AFFINE),
    weight("mean", rank=1, domain=_AFFINE),
    weight("variance", rank=1, domain=(0.1, 4.0)),
    attrs={"epsilon": EPSILON},
    dtypes=FLOATS,
    reference=lambda x, scale, bias, mean, variance, *, epsilon: scaled(
        (wide(x) - along(mean, x.ndim)) / np.sqrt(along(variance, x.ndim) + epsilon), (scale, bias)
    ),
    torch=emission(
        "{layer}({x})",
        layer=torch_layer("InstanceNorm", ", affine=True, track_running_stats=True"),
        state={"weight": "{scale}", "bias": "{bias}", "running_mean": "{mean}", "running_var": "{variance}"},
    ),
)
def instance_norm_tracked(
    require: Require, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Shape:
    """Each channel normalized by stored statistics, as a layer that normalized instances in training."""
    one_a_channel(require, x, (scale, bias, mean, variance))
    return x.shape


# Neighboring channels


def _local(x: Array, low: int, high: int, scale: float, exponent: float, base: float) -> Array:
    """x divided by a power of the squares among channels (the second axis) from `low` before to `high` after each.

    Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, 3.3.
    """
    squares, channels = wide(x) ** 2, x.shape[1]
    sums = [np.sum(squares[:, max(i - low, 0) : i + high + 1], 1) for i in range(channels)]
    return np.asarray(wide(x) / (base + scale * np.stack(sums, 1)) ** exponent)


def _response(x: Array, *, window: int, alpha: float, beta: float, k: float) -> Array:
    return _local(x, window // 2, (window - 1) // 2, alpha / window, beta, k)


_RESPONSE: dict[str, Attribute] = {
    "window": size(1, 5),
    "alpha": number(0.01, 1),
    "beta": choice(0.75, 0.5, 1.0),
    "k": choice(1.0, 2.0),
}


@operator(
    tensor("x", rank=range(3, 6)),
    attrs=_RESPONSE,
    dtypes=("float32", "float64"),
    reference=_response,
    torch="F.local_response_norm({x}.contiguous(), {window}, alpha={alpha}, beta={beta}, k={k})",
)
def local_response_norm(require: Require, x: Tensor, *, window: int, alpha: float, beta: float, k: float) -> Shape:
    """Each element divided by a power of the mean square of the channels around it."""
    return x.shape


@operator(
    tensor("x", rank=range(3, 6)),
    attrs=_RESPONSE,
    dtypes=("float32", "float64"),
    reference=_response,
    torch=emission("{layer}({x})", layer="nn.LocalResponseNorm({window}, alpha={alpha}, beta={beta}, k={k})"),
)
def local_response_norm_layer(
    require: Require, x: Tensor, *, window: int, alpha: float, beta: float, k: float
) -> Shape:
    """The same as a layer."""
    return x.shape


@operator(
    tensor("x", rank=4),
    attrs={"radius": size(0, 4), "bias": choice(1.0, 2.0), "alpha": number(0.01, 1), "beta": choice(0.5, 0.75, 1.0)},
    dtypes=("float16", "float32"),
    defined=lambda x, *, radius, **others: bool(np.max(wide(x) ** 2) * (2 * radius + 1) < np.finfo(x.dtype).max / 2),
    reference=lambda x, *, radius, bias, alpha, beta: np.moveaxis(
        _local(np.moveaxis(x, 3, 1), radius, radius, alpha, beta, bias), 1, 3
    ),
    keras=emission(
        "local_response_tf({x}, {radius}, {bias}, {alpha}, {beta})",
        helper="""
        def local_response_tf(x, radius, bias, alpha, beta):
            import tensorflow as tf

            def lrn(x):
                return tf.nn.local_response_normalization(x, radius, bias, alpha, beta)

            return layers.Lambda(lrn, output_shape=x.shape[1:], dtype=x.dtype)(x)
        """,
    ),
)
def local_response_tf(require: Require, x: Tensor, *, radius: int, bias: float, alpha: float, beta: float) -> Shape:
    """TensorFlow's kernel: each element divided by a power of the sum of squares of the last axis around it."""
    return x.shape


# Length one


def _unit(x: Array, *, axes: Sequence[int]) -> Array:
    return np.asarray(wide(x) / np.sqrt(np.maximum(np.sum(wide(x) ** 2, tuple(axes), keepdims=True), 1e-12)))


def _long_enough(x: Array, *, axes: Sequence[int]) -> bool:
    """Whether no length is near the least one, on whose square and root the kernels differ; float16 has neither."""
    sums = np.sum(wide(x) ** 2, tuple(axes))
    return bool(np.all(((sums == 0) & (x.dtype != np.float16)) | (sums > 1e-4)))


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axes": axes()},
    dtypes=FLOATS,
    defined=_long_enough,
    reference=_unit,
    keras=emission("{layer}({x})", layer='layers.UnitNormalization(axis={axes}, dtype="{x.dtype}")'),
)
def unit_normalization(require: Require, x: Tensor, *, axes: Sequence[int]) -> Shape:
    """x divided by its Euclidean length along axes, as Keras' layer."""
    return x.shape


# Keras keeps both in float32.
@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"mean": number(-4, 4), "variance": number(0.1, 8), "invert": flag()},
    dtypes=(*HALVES, "float32"),
    reference=lambda x, *, mean, variance, invert: (
        wide(x) * np.sqrt(variance) + mean if invert else (wide(x) - mean) / np.sqrt(variance)
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.Normalization(axis=None, mean={mean}, variance={variance}, invert={invert}, dtype="{x.dtype}")',
    ),
)
def preprocessing_normalization(require: Require, x: Tensor, *, mean: float, variance: float, invert: bool) -> Shape:
    """x less a mean, divided by a deviation, or the inverse: Keras' layer for preprocessing."""
    return x.shape


OPERATORS: Sequence[Operator] = [
    layer_norm,
    layer_norm_function,
    layer_norm_unbiased,
    layer_norm_axes,
    layer_norm_axis,
    native_layer_norm,
    rms_norm_function,
    rms_norm,
    group_norm,
    group_norm_function,
    native_group_norm,
    group_norm_axis,
    instance_norm_function,
    instance_norm,
    instance_norm_plain,
    instance_norm_tracked,
    local_response_norm,
    local_response_norm_layer,
    local_response_tf,
    unit_normalization,
    preprocessing_normalization,
]
