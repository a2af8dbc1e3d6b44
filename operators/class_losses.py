"""PyTorch's losses over classes: of target classes, of target probabilities, of several classes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    choice,
    emission,
    index,
    named,
    number,
    operator,
    tensor,
    variadic,
)
from graphfuzz.spec.operator import Operands
from operators.folds import alike
from operators.losses import after, as_layer, reduced, softplus
from operators.precision import Array, wide

_REDUCTION = choice("mean", "sum", "none")
_SINGLE = ("float32", "float64")


def _classes(x: Tensor) -> Any:
    """How many classes there are: along the second axis, or the only one."""
    return x.shape[0 if x.rank == 1 else 1]


def _target_domain(x: Tensor, *others: Any, **given: Any) -> tuple[Any, Any]:
    return 0, _classes(x) - 1


def _per_class(require: Require, x: Tensor, weights: tuple[Tensor, ...]) -> None:
    for weight in weights:
        require(weight.shape[0] == _classes(x), "each class has a weight")


def _rows(require: Require, x: Tensor, target: Tensor, weights: tuple[Tensor, ...]) -> Shape:
    """The shape of the targets: the input's without the classes."""
    shape = () if x.rank == 1 else (x.shape[0], *x.shape[2:])
    require(target.rank == len(shape), "the targets lack the axis of classes")
    for a, b in zip(shape, target.shape, strict=True):
        require(a == b, "there is a target for each row")
    _per_class(require, x, weights)
    return shape


def _last(x: Array) -> Array:
    """The classes moved to the last axis."""
    return x if x.ndim == 1 else np.moveaxis(x, 1, -1)


def _weights_of(logs: Array, weights: tuple[Array, ...]) -> Array:
    return np.asarray(wide(weights[0]) if weights else np.ones(logs.shape[-1]))


def log_softmax(x: Array) -> Array:
    """Of the last axis."""
    shifted = x - np.max(x, -1, keepdims=True)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True)))


def _picked(logs: Array, target: Array, weight: Array, ignore_index: int, smoothing: float, reduction: str) -> Array:
    """The weighted negative logarithms of the targets' probabilities, those of a smoothed target mixed in.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """
    kept = target != ignore_index
    place = np.where(kept, target, 0)
    own = np.where(kept, weight[place], 0)
    sharp = -own * np.take_along_axis(logs, place[..., None], -1)[..., 0]
    even = np.where(kept, -np.sum(weight * logs, -1), 0)
    made = (1 - smoothing) * sharp + smoothing / len(weight) * even
    return np.asarray(np.sum(made) / np.sum(own)) if reduction == "mean" else reduced(made, reduction)


def _some_kept(target: Array, ignore_index: int, reduction: str) -> bool:
    return reduction != "mean" or bool(np.any(target != ignore_index))


_INDEXED: dict[str, Any] = {"ignore_index": choice(-100, 0, 1), "reduction": _REDUCTION}


def _input(rank: Sequence[int] = range(1, 6)) -> Any:
    return tensor("x", rank=rank)


def _target(rank: Sequence[int] = range(5)) -> Any:
    return index("target", "int64", rank=rank, domain=_target_domain)


_WEIGHTS = variadic("weights", (0, 1), rank=1, role="weight", domain=(0.1, 3))


def _optional(weights: Operands) -> str:
    return f", weight={weights.each[0]}" if weights.each else ""


@operator(
    tensor("x", rank=range(1, 6), domain=(-6, 0)),
    _target(),
    _WEIGHTS,
    attrs=_INDEXED,
    dtypes=FLOATS,
    defined=lambda x, target, *weights, ignore_index, reduction: _some_kept(target, ignore_index, reduction),
    reference=lambda x, target, *weights, ignore_index, reduction: _picked(
        _last(wide(x)), target, _weights_of(_last(x), weights), ignore_index, 0, reduction
    ),
    torch=lambda x, target, weights, ignore_index, reduction: (
        f"F.nll_loss({x}, {target}{_optional(weights)}, ignore_index={ignore_index}, reduction={reduction!r})"
    ),
)
def nll_loss(require: Require, x: Tensor, target: Tensor, *weights: Tensor, ignore_index: int, reduction: str) -> Shape:
    """The negative log probabilities of target classes, (N, C, ...), weighted by class."""
    return after(_rows(require, x, target, weights), reduction)


@operator(
    _input(),
    _target(),
    _WEIGHTS,
    attrs={**_INDEXED, "label_smoothing": choice(0.0, 0.1, 0.5)},
    dtypes=FLOATS,
    defined=lambda x, target, *weights, ignore_index, reduction, label_smoothing: _some_kept(
        target, ignore_index, reduction
    ),
    reference=lambda x, target, *weights, ignore_index, reduction, label_smoothing: _picked(
        log_softmax(_last(wide(x))),
        target,
        _weights_of(_last(x), weights),
        ignore_index,
        label_smoothing,
        reduction,
    ),
    torch=lambda x, target, weights, ignore_index, reduction, label_smoothing: (
        f"F.cross_entropy({x}, {target}{_optional(weights)}, ignore_index={ignore_index}, "
        f"reduction={reduction!r}, label_smoothing={label_smoothing})"
    ),
)
def cross_entropy(
    require: Require,
    x: Tensor,
    target: Tensor,
    *weights: Tensor,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Shape:
    """The cross entropy of logits (N, C, ...) and target classes, weighted by class, with smoothed labels."""
    return after(_rows(require, x, target, weights), reduction)


def _soft(x: Array, target: Array, weights: tuple[Array, ...], reduction: str, label_smoothing: float) -> Array:
    logs = log_softmax(_last(wide(x)))
    smoothed = _last(wide(target)) * (1 - label_smoothing) + label_smoothing / logs.shape[-1]
    return reduced(np.asarray(-np.sum(_weights_of(logs, weights) * logs * smoothed, -1)), reduction)


@operator(
    _input(),
    tensor("target", rank=range(1, 6), domain=(0, 1)),
    _WEIGHTS,
    attrs={"reduction": _REDUCTION, "label_smoothing": choice(0.0, 0.1, 0.5)},
    dtypes=FLOATS,
    reference=lambda x, target, *weights, reduction, label_smoothing: _soft(
        x, target, weights, reduction, label_smoothing
    ),
    torch=lambda x, target, weights, reduction, label_smoothing: (
        f"F.cross_entropy({x}, {target}{_optional(weights)}, reduction={reduction!r}, "
        f"label_smoothing={label_smoothing})"
    ),
)
def cross_entropy_of_probabilities(
    require: Require, x: Tensor, target: Tensor, *weights: Tensor, reduction: str, label_smoothing: float
) -> Shape:
    """The cross entropy of logits (N, C, ...) and target probabilities, weighted by class."""
    alike(require, x, target)
    _per_class(require, x, weights)
    return after(() if x.rank == 1 else (x.shape[0], *x.shape[2:]), reduction)


_PLAIN: dict[str, Any] = {"attrs": _INDEXED, "dtypes": FLOATS}


def _layer(name: str, doc: str, layer: str, logs: Any, domain: Any) -> Operator:
    """A loss of target classes as the layer that people write."""

    def rule(require: Require, x: Tensor, target: Tensor, *, ignore_index: int, reduction: str) -> Shape:
        return after(_rows(require, x, target, ()), reduction)

    return operator(
        tensor("x", rank=range(1, 6), domain=domain),
        _target(),
        defined=lambda x, target, *, ignore_index, reduction: _some_kept(target, ignore_index, reduction),
        reference=lambda x, target, *, ignore_index, reduction: _picked(
            logs(_last(wide(x))), target, np.ones(_last(x).shape[-1]), ignore_index, 0, reduction
        ),
        torch=emission(
            "{layer}({x}, {target})",
            layer=f"nn.{layer}(ignore_index={{ignore_index}}, reduction={{reduction!r}})",
        ),
        **_PLAIN,
    )(named(name, doc, rule))


nll_loss_layer = _layer(
    "nll_loss_layer", "The negative log probabilities of target classes, as a layer.", "NLLLoss", lambda x: x, (-6, 0)
)
cross_entropy_layer = _layer(
    "cross_entropy_layer", "The cross entropy of logits and target classes.", "CrossEntropyLoss", log_softmax, None
)


@operator(
    tensor("x", rank=(1, 2)),
    _target((0, 1)),
    _WEIGHTS,
    attrs={"p": choice(1, 2), "margin": number(0.5, 2), "reduction": _REDUCTION},
    dtypes=_SINGLE,
    reference=lambda x, target, *weights, p, margin, reduction: reduced(
        _multi_margin(wide(x), target, _weights_of(x, weights), p, margin), reduction
    ),
    torch=lambda x, target, weights, p, margin, reduction: (
        f"F.multi_margin_loss({x}, {target}{_optional(weights)}, p={p}, margin={margin}, reduction={reduction!r})"
    ),
)
def multi_margin_loss(
    require: Require, x: Tensor, target: Tensor, *weights: Tensor, p: int, margin: float, reduction: str
) -> Shape:
    """What the target class' score lacks to a margin over each other one's, averaged over classes."""
    return after(_rows(require, x, target, weights), reduction)


def _multi_margin(x: Array, target: Array, weight: Array, p: int, margin: float) -> Array:
    own = np.take_along_axis(x, target[..., None], -1)
    lacking = np.maximum(margin - own + x, 0) ** p
    others = np.arange(x.shape[-1]) != target[..., None]
    return np.asarray(weight[target] * np.sum(lacking * others, -1) / x.shape[-1])


@operator(
    tensor("x", rank=(1, 2)),
    index("target", "int64", rank=(1, 2), domain=lambda x, target, *, reduction: (-1, x.shape[-1] - 1)),
    attrs={"reduction": _REDUCTION},
    dtypes=_SINGLE,
    reference=lambda x, target, *, reduction: reduced(_multilabel_margin(wide(x), target), reduction),
    torch="F.multilabel_margin_loss({x}, {target}, reduction={reduction!r})",
)
def multilabel_margin_loss(require: Require, x: Tensor, target: Tensor, *, reduction: str) -> Shape:
    """What the target classes' scores lack to a margin over all others'; the targets end at the first -1."""
    return after(alike(require, x, target)[:-1], reduction)


def _multilabel_margin(x: Array, target: Array) -> Array:
    made = [_multilabel_row(row, list(t)) for row, t in zip(np.atleast_2d(x), np.atleast_2d(target), strict=True)]
    return np.asarray(made[0] if x.ndim == 1 else made, "float64").reshape(x.shape[:-1])


def _multilabel_row(x: Array, target: list[int]) -> float:
    named_ = target[: target.index(-1)] if -1 in target else target
    others = [i for i in range(len(x)) if i not in named_]
    return float(sum(max(1 - x[j] + x[i], 0) for j in named_ for i in others) / len(x))


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("y", rank=range(1, 5), domain=(0, 1)),
    variadic("weights", (0, 1), rank=1, role="weight", domain=(0.1, 3)),
    attrs={"reduction": _REDUCTION},
    dtypes=FLOATS,
    reference=lambda x, y, *weights, reduction: reduced(
        np.sum(_weights_of(x, weights) * ((1 - wide(y)) * wide(x) + softplus(-wide(x))), -1) / x.shape[-1], reduction
    ),
    torch=lambda x, y, weights, reduction: (
        f"F.multilabel_soft_margin_loss({x}, {y}{_optional(weights)}, reduction={reduction!r})"
    ),
)
def multilabel_soft_margin_loss(require: Require, x: Tensor, y: Tensor, *weights: Tensor, reduction: str) -> Shape:
    """The mean cross entropy of binary targets and logits over the classes of the last axis; all are broadcast."""
    require(x.rank == y.rank, "the ranks are equal")
    return after(broadcast(require, x.shape, y.shape, *(w.shape for w in weights))[:-1], reduction)


@operator(
    tensor("x", rank=(1, 2)),
    _target((0, 1)),
    attrs={"p": choice(1, 2), "margin": number(0.5, 2), "reduction": _REDUCTION},
    dtypes=_SINGLE,
    reference=lambda x, target, *, p, margin, reduction: reduced(
        _multi_margin(wide(x), target, np.ones(x.shape[-1]), p, margin), reduction
    ),
    torch=emission(
        "{layer}({x}, {target})", layer="nn.MultiMarginLoss(p={p}, margin={margin}, reduction={reduction!r})"
    ),
)
def multi_margin_loss_layer(
    require: Require, x: Tensor, target: Tensor, *, p: int, margin: float, reduction: str
) -> Shape:
    """What the target class' score lacks to a margin over each other one's, averaged over classes, as a layer."""
    return after(_rows(require, x, target, ()), reduction)


multilabel_margin_loss_layer = as_layer(
    multilabel_margin_loss, "{layer}({x}, {target})", "nn.MultiLabelMarginLoss(reduction={reduction!r})"
)

OPERATORS: Sequence[Operator] = [value for value in list(globals().values()) if isinstance(value, Operator)]
