"""Normalization in inference: by stored statistics, along trailing axes, or inside groups of channels."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operator,
    Require,
    Shape,
    Tensor,
    either,
    emission,
    number,
    operator,
    size,
    tensor,
    weight,
)
from operators.precision import Array, wide

_EPSILON = number(1e-5, 1e-2)


def _along_channels(values: Array, rank: int) -> Array:
    """One value a channel, in the shape that broadcasts over x (channels second)."""
    return wide(values).reshape(-1, *(1,) * (rank - 2))


def _batch_norm(x: Array, scale: Array, bias: Array, mean: Array, variance: Array, *, epsilon: float) -> Array:
    """Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 2."""
    s, b, m, v = (_along_channels(a, x.ndim) for a in (scale, bias, mean, variance))
    result: Array = (wide(x) - m) / np.sqrt(v + epsilon) * s + b
    return result


def _well_conditioned(x: Array, axes: tuple[int, ...], epsilon: float) -> bool:
    """Whether what is normalized varies enough: where it hardly does, nothing but rounding is left of its variance,
    which some kernels compute as the difference of two sums."""
    deviation = np.sqrt(np.var(wide(x), axes) + epsilon)
    return bool(np.all(np.max(np.abs(wide(x)), axes) <= 16 * deviation))


def _standardized(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centered = wide(x) - np.mean(wide(x), axes, keepdims=True)
    result: Array = centered / np.sqrt(np.mean(centered**2, axes, keepdims=True) + epsilon)
    return result


def _trailing(scale: Array) -> tuple[int, ...]:
    return tuple(range(-scale.ndim, 0))


def _layer_norm(x: Array, scale: Array, bias: Array, *, epsilon: float) -> Array:
    """Ba, Kiros and Hinton, "Layer Normalization", 2016, equation 4."""
    return _standardized(x, _trailing(scale), epsilon) * wide(scale) + wide(bias)


def _grouped(x: Array, groups: int) -> Array:
    return x.reshape(x.shape[0], groups, -1)


def _group_norm(x: Array, scale: Array, bias: Array, *, groups: int, epsilon: float) -> Array:
    """Wu and He, "Group Normalization", 2018, equation 7."""
    normalized = _standardized(_grouped(x, groups), (2,), epsilon).reshape(x.shape)
    return normalized * _along_channels(scale, x.ndim) + _along_channels(bias, x.ndim)


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=(-2, 2)),
    weight("bias", rank=1, domain=(-2, 2)),
    weight("mean", rank=1, domain=(-2, 2)),
    weight("variance", rank=1, domain=(0.1, 4)),
    attrs={"epsilon": _EPSILON},
    dtypes=FLOATS,
    reference=_batch_norm,
    torch=emission(
        "{layer}({x})",
        layer=lambda x, scale, epsilon, **_: f"nn.BatchNorm{max(x.rank - 2, 1)}d({scale.shape[0]}, eps={epsilon})",
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
    for values in (scale, bias, mean, variance):
        require(values.shape[0] == x.shape[1], "there is one value a channel")
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    weight("scale", rank=range(1, 4), domain=(-2, 2)),
    weight("bias", rank=range(1, 4), domain=(-2, 2)),
    attrs={"epsilon": _EPSILON},
    dtypes=FLOATS,
    defined=lambda x, scale, bias, *, epsilon: _well_conditioned(x, _trailing(scale), epsilon),
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
    for a, b, c in zip(x.shape[x.rank - scale.rank :], scale.shape, bias.shape, strict=True):
        require(a == b, "scale has the sizes of x's trailing axes")
        require(a == c, "bias has the sizes of x's trailing axes")
    return x.shape


@operator(
    tensor("x", rank=range(2, 6)),
    weight("scale", rank=1, domain=(-2, 2)),
    weight("bias", rank=1, domain=(-2, 2)),
    attrs={"groups": size(1, 4), "epsilon": _EPSILON},
    dtypes=FLOATS,
    defined=lambda x, scale, bias, *, groups, epsilon: _well_conditioned(_grouped(x, groups), (2,), epsilon),
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
    require(x.shape[1] % groups == 0, "the channels fall into groups of one size")
    # PyTorch takes a single value a channel for a mistake in training, and refuses it in inference as well.
    spread = [x.shape[0] > 1, x.shape[1] > groups, *(size > 1 for size in x.shape[2:])]
    require(either(*spread), "there are more values than groups")
    for values in (scale, bias):
        require(values.shape[0] == x.shape[1], "there is one value a channel")
    return x.shape


OPERATORS: Sequence[Operator] = [batch_norm, layer_norm, group_norm]
