"""Keras' losses, as functions of the last axis and as loss objects, and TensorFlow's, which Keras does not wrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    INDICES,
    Defect,
    Emission,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    both,
    broadcast,
    choice,
    either,
    emission,
    flag,
    index,
    named,
    operator,
    tensor,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.operator import Bounds
from operators.class_losses import log_softmax
from operators.folds import alike, distinct, meeting
from operators.losses import softplus
from operators.precision import Array, wide
from operators.spelling import in_layer

_EPSILON = 1e-7
"""What `keras.config.epsilon()` is unless told otherwise."""
_PROBABILITY = (0.05, 0.95)
_SINGLE = ("float32", "float64")
_REDUCTIONS = {"reduction": choice("sum_over_batch_size", "sum", "none")}


def _reduced(values: Array, reduction: str) -> Array:
    if reduction == "none":
        return values
    return np.asarray(np.mean(values) if reduction == "sum_over_batch_size" else np.sum(values))


def _options(attrs: Sequence[str], given: Mapping[str, Any]) -> str:
    return "".join(f", {a}={given[a]!r}" for a in attrs)


def _pair(
    name: str,
    function: str,
    doc: str,
    value: Callable[..., Array],
    made: str | None,
    *,
    attrs: Mapping[str, Attribute] | None = None,
    stretched: bool = True,
    true: Bounds | None = None,
    predicted: Bounds | None = None,
    defined: Callable[..., bool] | None = None,
    dtypes: Sequence[str] = FLOATS,
) -> list[Operator]:
    """A loss that folds the last axis, as function in a layer and, where `made` names its class, as loss object.

    value: of wide arrays of truth and prediction, and the attributes. true, predicted: the operands' domains.
    stretched: whether operands of different sizes meet.
    """
    own = dict(attrs or {})

    def shape_of(require: Require, y_true: Tensor, y_pred: Tensor) -> Shape:
        shape = meeting(require, y_true, y_pred) if stretched else alike(require, y_true, y_pred)
        return shape[:-1]

    def rule(require: Require, y_true: Tensor, y_pred: Tensor, **others: Any) -> Shape:
        return shape_of(require, y_true, y_pred)

    def reduced_rule(require: Require, y_true: Tensor, y_pred: Tensor, *, reduction: str, **others: Any) -> Shape:
        shape = shape_of(require, y_true, y_pred)
        return shape if reduction == "none" else ()

    def object_call(y_true: Operand, y_pred: Operand, **given: Any) -> str:
        options = _options((*own, "reduction"), given)[2:]
        return f'keras.losses.{made}({options}, dtype="{y_pred.dtype}")({y_true}, {y_pred})'

    def reference(y_true: Array, y_pred: Array, **others: Any) -> Array:
        return value(wide(y_true), wide(y_pred), **others)

    def reduced_reference(y_true: Array, y_pred: Array, *, reduction: str, **others: Any) -> Array:
        return _reduced(value(wide(y_true), wide(y_pred), **others), reduction)

    settings = "".join(f", {a}={{{a}!r}}" for a in own)
    function_emission = in_layer("y_true, y_pred", f"{function}(y_true, y_pred{settings})")
    ranks = range(1, 6)
    operands = (tensor("y_true", rank=ranks, domain=true), tensor("y_pred", rank=ranks, domain=predicted))
    fields: dict[str, Any] = {"dtypes": dtypes, "defined": defined}
    plain = operator(*operands, attrs=own, reference=reference, keras=function_emission, **fields)
    found = [plain(named(name, doc, rule, own))]
    if made is not None:
        of_object = operator(
            *operands, attrs={**own, **_REDUCTIONS}, reference=reduced_reference, keras=Emission(object_call), **fields
        )
        found.append(of_object(named(f"{name}_object", doc, reduced_rule, own)))
    return found


def _mean(values: Array) -> Array:
    return np.asarray(np.mean(values, -1))


def _huber(true: Array, predicted: Array, delta: float) -> Array:
    gap = np.abs(true - predicted)
    return _mean(np.where(gap <= delta, 0.5 * gap**2, delta * gap - 0.5 * delta**2))


def _log_cosh(true: Array, predicted: Array) -> Array:
    gap = predicted - true
    return _mean(gap + softplus(-2 * gap) - math.log(2))


def _kl(true: Array, predicted: Array) -> Array:
    return np.asarray(np.sum(true * np.log(true / predicted), -1))


def _percentage(true: Array, predicted: Array) -> Array:
    return 100 * _mean(np.abs((true - predicted) / np.abs(true)))


def _logarithmic(true: Array, predicted: Array) -> Array:
    return _mean((np.log1p(predicted) - np.log1p(true)) ** 2)


def _categorical_hinge(true: Array, predicted: Array) -> Array:
    positive = np.sum(true * predicted, -1)
    return np.asarray(np.maximum(np.max((1 - true) * predicted, -1) - positive + 1, 0))


def _cosine(true: Array, predicted: Array) -> Array:
    lengths = np.sqrt(np.sum(true**2, -1, keepdims=True)), np.sqrt(np.sum(predicted**2, -1, keepdims=True))
    return np.asarray(-np.sum(true / lengths[0] * (predicted / lengths[1]), -1))


def _binary(true: Array, predicted: Array, from_logits: bool) -> Array:
    """Each element's binary cross entropy."""
    if from_logits:
        return np.asarray((1 - true) * predicted + softplus(-predicted))
    return np.asarray(-(true * np.log(predicted) + (1 - true) * np.log(1 - predicted)))


def _binary_mean(true: Array, predicted: Array, from_logits: bool, label_smoothing: float) -> Array:
    return _mean(_binary(true * (1 - label_smoothing) + 0.5 * label_smoothing, predicted, from_logits))


def _binary_focal(
    true: Array, predicted: Array, gamma: float, label_smoothing: float, apply_class_balancing: bool
) -> Array:
    true = true * (1 - label_smoothing) + 0.5 * label_smoothing
    right = true * predicted + (1 - true) * (1 - predicted)
    made = (1 - right) ** gamma * _binary(true, predicted, False)
    return _mean(made * (true * 0.25 + (1 - true) * 0.75) if apply_class_balancing else made)


def _overlap(true: Array, predicted: Array, axis: Any, alpha: float, beta: float) -> Array:
    """The Tversky loss; its alpha and beta weigh false positives and negatives."""
    both = np.sum(true * predicted, axis)
    false_positive, false_negative = np.sum((1 - predicted) * true, axis), np.sum(predicted * (1 - true), axis)
    return np.asarray(1 - both / (both + alpha * false_positive + beta * false_negative + _EPSILON))


_pairs = [
    *_pair(
        "mean_squared_error",
        "keras.losses.mean_squared_error",
        "The mean squared error along the last axis.",
        lambda true, predicted: _mean((true - predicted) ** 2),
        "MeanSquaredError",
    ),
    *_pair(
        "mean_absolute_error",
        "keras.losses.mean_absolute_error",
        "The mean absolute error along the last axis.",
        lambda true, predicted: _mean(np.abs(true - predicted)),
        "MeanAbsoluteError",
    ),
    *_pair(
        "mean_absolute_percentage_error",
        "keras.losses.mean_absolute_percentage_error",
        "The mean of errors in percent of the truth along the last axis.",
        _percentage,
        "MeanAbsolutePercentageError",
        true=(0.5, 4),
        predicted=(0, 4),
    ),
    # Keras infers float32 for halves, for which it makes halves.
    *_pair(
        "mean_squared_logarithmic_error",
        "keras.losses.mean_squared_logarithmic_error",
        "The mean squared difference of the logarithms, one being added to the operands, along the last axis.",
        _logarithmic,
        "MeanSquaredLogarithmicError",
        true=(0.1, 8),
        predicted=(0.1, 8),
        dtypes=_SINGLE,
    ),
    *_pair(
        "huber",
        "keras.losses.huber",
        "The mean along the last axis of squared errors, and beyond a distance of absolute ones.",
        _huber,
        "Huber",
        attrs={"delta": choice(1.0, 0.25, 2.5)},
    ),
    # The logarithm of 2 is float32 even for float64 operands.
    *_pair(
        "log_cosh",
        "keras.losses.log_cosh",
        "The mean logarithm of the hyperbolic cosine of errors along the last axis.",
        _log_cosh,
        "LogCosh",
        true=(-2, 2),
        predicted=(-2, 2),
        dtypes=("bfloat16", "float16", "float32"),
    ),
    *_pair(
        "poisson",
        "keras.losses.poisson",
        "The mean of Poisson's loss along the last axis.",
        lambda true, predicted: _mean(predicted - true * np.log(predicted + _EPSILON)),
        "Poisson",
        true=(0, 4),
        predicted=(0.1, 4),
    ),
    *_pair(
        "kl_divergence",
        "keras.losses.kl_divergence",
        "The Kullback-Leibler divergence along the last axis.",
        _kl,
        "KLDivergence",
        true=_PROBABILITY,
        predicted=_PROBABILITY,
    ),
    *_pair(
        "categorical_hinge",
        "keras.losses.categorical_hinge",
        "What the true class lacks to a margin over the best other one, along the last axis.",
        _categorical_hinge,
        "CategoricalHinge",
        true=(0, 1),
    ),
    *_pair(
        "cosine_similarity_loss",
        "keras.losses.cosine_similarity",
        "The negative cosine of the angle between vectors along the last axis.",
        _cosine,
        "CosineSimilarity",
        true=(0.25, 4),
        predicted=(-4, -0.25),
        dtypes=("float32",),
    ),
    *_pair(
        "binary_crossentropy",
        "keras.losses.binary_crossentropy",
        "The mean cross entropy of binary targets and probabilities along the last axis.",
        lambda true, predicted, label_smoothing: _binary_mean(true, predicted, False, label_smoothing),
        "BinaryCrossentropy",
        attrs={"label_smoothing": choice(0.0, 0.125, 0.5)},
        stretched=False,
        true=(0, 1),
        predicted=_PROBABILITY,
    ),
    *_pair(
        "binary_focal_crossentropy",
        "keras.losses.binary_focal_crossentropy",
        "The mean focal cross entropy of binary targets and probabilities along the last axis.",
        _binary_focal,
        "BinaryFocalCrossentropy",
        attrs={
            "gamma": choice(2.0, 1.0, 3.0),
            "label_smoothing": choice(0.0, 0.125),
            "apply_class_balancing": flag(),
        },
        stretched=False,
        true=(0, 1),
        predicted=_PROBABILITY,
    ),
]


def _whole(
    name: str, doc: str, value: Callable[..., Array], call: str, attrs: Mapping[str, Attribute] | None = None
) -> Operator:
    """A loss of two tensors of one shape, over all elements."""
    own = dict(attrs or {})

    def rule(require: Require, y_true: Tensor, y_pred: Tensor, **others: Any) -> Shape:
        meeting(require, y_true, y_pred)
        return ()

    return operator(
        tensor("y_true", rank=range(1, 6), domain=(0, 1)),
        tensor("y_pred", rank=range(1, 6), domain=_PROBABILITY),
        attrs=own,
        dtypes=FLOATS,
        reference=lambda y_true, y_pred, **others: value(wide(y_true), wide(y_pred), **others),
        keras=call,
    )(named(name, doc, rule, own))


dice = _whole(
    "dice",
    "One less twice the overlap of truth and prediction, in parts of their sums.",
    lambda true, predicted: 1 - 2 * np.sum(true * predicted) / (np.sum(true) + np.sum(predicted) + _EPSILON),
    "keras.losses.dice({y_true}, {y_pred})",
)
tversky = _whole(
    "tversky",
    "The Tversky loss, which weighs false positives and negatives.",
    lambda true, predicted, alpha, beta: _overlap(true, predicted, None, alpha, beta),
    "keras.losses.tversky({y_true}, {y_pred}, alpha={alpha}, beta={beta})",
    {"alpha": choice(0.5, 0.25), "beta": choice(0.5, 0.75)},
)


def _hinge_call(squared: bool, signed: bool, **_: Any) -> str:
    targets = "2 * ops.cast(positive, y_pred.dtype) - 1" if signed else "positive"
    return f"keras.losses.{'squared_hinge' if squared else 'hinge'}({targets}, y_pred)"


@operator(
    tensor("positive", "bool", rank=range(1, 6)),
    tensor("y_pred", rank=range(1, 6)),
    attrs={"squared": flag(), "signed": flag()},
    dtypes=FLOATS,
    reference=lambda positive, y_pred, *, squared, signed: _mean(
        np.maximum(1 - np.where(positive, 1, -1) * wide(y_pred), 0) ** (2 if squared else 1)
    ),
    # The functions look at the targets' values, for which they need tensors.
    keras=in_layer("positive, y_pred", _hinge_call),
)
def hinge(require: Require, positive: Tensor, y_pred: Tensor, *, squared: bool, signed: bool) -> Shape:
    """The mean (squared) hinge loss along the last axis, of targets 0 and 1 or -1 and 1."""
    return meeting(require, positive, y_pred)[:-1]


# Cross entropies of classes.


def _categorical(true: Array, predicted: Array, from_logits: bool, axis: int) -> Array:
    true, predicted = np.moveaxis(wide(true), axis, -1), np.moveaxis(wide(predicted), axis, -1)
    if from_logits:
        return np.asarray(-np.sum(true * log_softmax(predicted), -1))
    share = np.clip(predicted / np.sum(predicted, -1, keepdims=True), _EPSILON, 1 - _EPSILON)
    return np.asarray(-np.sum(true * np.log(share), -1))


_TAKES_THE_LAST_AXIS = Defect(
    "takes the result for one without the last axis in a functional model, whatever `axis` says",
    lambda y_true, y_pred, *, from_logits, axis: axis != -1 and y_true.rank > 1,
    "https://keras.io/api/ops/nn/#categorical_crossentropy-function; CategoricalCrossentropy.compute_output_spec",
)
_SQUEEZES_CLASSES = Defect(
    "drops the axis of classes where there is one class, and then refuses the operands",
    lambda y_true, y_pred, **others: y_pred.rank > 2 and y_pred.shape[-1] == 1,
    "https://keras.io/api/losses/probabilistic_losses/; squeeze_or_expand_to_same_rank in keras/src/losses/loss.py",
)


def _of_kind(from_logits: bool) -> Bounds:
    return (-6, 6) if from_logits else _PROBABILITY


def _without(shape: Shape, axis: int) -> Shape:
    place = axis % len(shape)
    return (*shape[:place], *shape[place + 1 :])


@operator(
    tensor("y_true", rank=range(1, 6), domain=(0, 1)),
    tensor("y_pred", rank=range(1, 6), domain=lambda y_true, y_pred, *, from_logits, axis: _of_kind(from_logits)),
    attrs={"from_logits": flag(), "axis": choice(-1, 0)},
    dtypes=FLOATS,
    reference=lambda y_true, y_pred, *, from_logits, axis: _categorical(y_true, y_pred, from_logits, axis),
    keras=emission(
        "ops.categorical_crossentropy({y_true}, {y_pred}, from_logits={from_logits}, axis={axis})",
        defects=[_TAKES_THE_LAST_AXIS],
    ),
)
def categorical_crossentropy(
    require: Require, y_true: Tensor, y_pred: Tensor, *, from_logits: bool, axis: int
) -> Shape:
    """The cross entropy of target and predicted probabilities (or logits) along an axis."""
    return _without(alike(require, y_true, y_pred), axis)


def _smoothed(y_true: Operand, y_pred: Operand, from_logits: bool, label_smoothing: float, reduction: str) -> str:
    """Keras warns of a single class: there, what the loss object does is written out."""
    if y_pred.shape[-1] == 1:
        own = f"ops.categorical_crossentropy({y_true} * {1 - label_smoothing} + {label_smoothing}, {y_pred}, "
        fold = {"sum_over_batch_size": "ops.mean", "sum": "ops.sum", "none": ""}[reduction]
        return f"{fold}({own}from_logits={from_logits}))"
    options = f"from_logits={from_logits}, label_smoothing={label_smoothing}, reduction={reduction!r}"
    return f'keras.losses.CategoricalCrossentropy({options}, dtype="{y_pred.dtype}")({y_true}, {y_pred})'


@operator(
    tensor("y_true", rank=range(2, 5), domain=(0, 1)),
    tensor("y_pred", rank=range(2, 5), domain=lambda y_true, y_pred, *, from_logits, **o: _of_kind(from_logits)),
    attrs={"from_logits": flag(), "label_smoothing": choice(0.0, 0.125, 0.5), **_REDUCTIONS},
    dtypes=FLOATS,
    reference=lambda y_true, y_pred, *, from_logits, label_smoothing, reduction: _reduced(
        _categorical(
            wide(y_true) * (1 - label_smoothing) + label_smoothing / y_true.shape[-1], y_pred, from_logits, -1
        ),
        reduction,
    ),
    keras=_smoothed,
)
def categorical_crossentropy_object(
    require: Require, y_true: Tensor, y_pred: Tensor, *, from_logits: bool, label_smoothing: float, reduction: str
) -> Shape:
    """The cross entropy of smoothed target and predicted probabilities (or logits), reduced."""
    shape = alike(require, y_true, y_pred)[:-1]
    return shape if reduction == "none" else ()


def _class_domain(y_true: Tensor, y_pred: Tensor, **attrs: Any) -> tuple[Any, Any]:
    return 0, y_pred.shape[-1] - 1


def _sparse(true: Array, predicted: Array, from_logits: bool) -> Array:
    """Keras makes logits of probabilities by their logarithm, which normalizes them."""
    predicted = wide(predicted)
    logs = log_softmax(predicted if from_logits else np.log(predicted))
    return np.asarray(-np.take_along_axis(logs, true[..., None].astype("int64"), -1)[..., 0])


@operator(
    index("y_true", rank=range(4), domain=_class_domain),
    tensor("y_pred", rank=range(1, 5), domain=lambda y_true, y_pred, *, from_logits: _of_kind(from_logits)),
    attrs={"from_logits": flag()},
    dtypes={"I": INDICES, "T": FLOATS},
    reference=lambda y_true, y_pred, *, from_logits: _sparse(y_true, y_pred, from_logits),
    keras="ops.sparse_categorical_crossentropy({y_true}, {y_pred}, from_logits={from_logits})",
)
def sparse_categorical_crossentropy(require: Require, y_true: Tensor, y_pred: Tensor, *, from_logits: bool) -> Shape:
    """The cross entropy of target classes and probabilities (or logits) along the last axis."""
    require(y_true.rank == y_pred.rank - 1, "the targets lack the axis of classes")
    for a, b in zip(y_true.shape, y_pred.shape[:-1], strict=True):
        require(a == b, "there is a target for each row")
    return y_true.shape


@operator(
    index("y_true", rank=range(1, 4), domain=_class_domain),
    tensor("y_pred", rank=range(2, 5), domain=lambda y_true, y_pred, *, from_logits, **o: _of_kind(from_logits)),
    attrs={"from_logits": flag(), **_REDUCTIONS},
    dtypes={"I": INDICES, "T": FLOATS},
    reference=lambda y_true, y_pred, *, from_logits, reduction: _reduced(
        _sparse(y_true, y_pred, from_logits), reduction
    ),
    keras=emission(
        lambda y_true, y_pred, from_logits, reduction: (
            f"keras.losses.SparseCategoricalCrossentropy(from_logits={from_logits}, reduction={reduction!r}, "
            f'dtype="{y_pred.dtype}")({y_true}, {y_pred})'
        ),
        defects=[_SQUEEZES_CLASSES],
    ),
)
def sparse_categorical_crossentropy_object(
    require: Require, y_true: Tensor, y_pred: Tensor, *, from_logits: bool, reduction: str
) -> Shape:
    """The cross entropy of target classes and probabilities (or logits), reduced."""
    require(y_true.rank == y_pred.rank - 1, "the targets lack the axis of classes")
    for a, b in zip(y_true.shape, y_pred.shape[:-1], strict=True):
        require(a == b, "there is a target for each row")
    return y_true.shape if reduction == "none" else ()


@operator(
    tensor("y_true", rank=range(1, 6), domain=(0, 1)),
    tensor("y_pred", rank=range(1, 6), domain=lambda y_true, y_pred, *, from_logits: _of_kind(from_logits)),
    attrs={"from_logits": flag()},
    dtypes=FLOATS,
    reference=lambda y_true, y_pred, *, from_logits: _binary(wide(y_true), wide(y_pred), from_logits),
    keras="ops.binary_crossentropy({y_true}, {y_pred}, from_logits={from_logits})",
)
def binary_crossentropy_elements(require: Require, y_true: Tensor, y_pred: Tensor, *, from_logits: bool) -> Shape:
    """Each element's cross entropy of a binary target and a probability (or logit)."""
    return alike(require, y_true, y_pred)


@operator(
    index("y_true", "int32", rank=1, domain=_class_domain),
    tensor("y_pred", rank=2, domain=_PROBABILITY),
    attrs={"q": choice(0.5, 0.25, 0.75)},
    dtypes=FLOATS,
    reference=lambda y_true, y_pred, *, q: (1 - np.sum(wide(y_pred) * np.eye(y_pred.shape[1])[y_true], -1) ** q) / q,
    keras="keras.losses.categorical_generalized_cross_entropy({y_true}, {y_pred}, {q})",
)
def categorical_generalized_cross_entropy(require: Require, y_true: Tensor, y_pred: Tensor, *, q: float) -> Shape:
    """A cross entropy of target classes that is robust to wrong ones; both are broadcast."""
    return broadcast(require, y_true.shape, y_pred.shape[:1])


def _focal(true: Array, predicted: Array, gamma: float, alpha: float) -> Array:
    share = predicted / np.sum(predicted, -1, keepdims=True)
    return np.asarray(np.sum(-true * np.log(share) * (1 - share) ** gamma * alpha, -1))


def _focal_emission(y_true: Operand, y_pred: Operand, gamma: float, alpha: float) -> str:
    """Keras warns of a single class, whose share, being all, costs nothing."""
    if y_pred.shape[-1] == 1:
        return f"0.0 * ops.sum({y_true} * {y_pred}, axis=-1)"
    return f"keras.losses.categorical_focal_crossentropy({y_true}, {y_pred}, gamma={gamma}, alpha={alpha})"


@operator(
    tensor("y_true", rank=range(2, 5), domain=(0, 1)),
    tensor("y_pred", rank=range(2, 5), domain=_PROBABILITY),
    attrs={"gamma": choice(2.0, 1.0, 3.0), "alpha": choice(0.25, 0.5)},
    dtypes=FLOATS,
    reference=lambda y_true, y_pred, *, gamma, alpha: _focal(wide(y_true), wide(y_pred), gamma, alpha),
    keras=_focal_emission,
)
def categorical_focal_crossentropy(
    require: Require, y_true: Tensor, y_pred: Tensor, *, gamma: float, alpha: float
) -> Shape:
    """The focal cross entropy of target and predicted probabilities along the last axis."""
    return meeting(require, y_true, y_pred)[:-1]


# What metrics compute of each row.


@operator(
    tensor("y_true", rank=range(1, 5)),
    tensor("y_pred", rank=range(1, 5)),
    dtypes=_SINGLE,
    returns="float32",
    defined=lambda y_true, y_pred: distinct(y_true, -1) and distinct(y_pred, -1),
    reference=lambda y_true, y_pred: np.argmax(y_true, -1) == np.argmax(y_pred, -1),
    keras="keras.metrics.categorical_accuracy({y_true}, {y_pred})",
)
def categorical_accuracy(require: Require, y_true: Tensor, y_pred: Tensor) -> Shape:
    """Whether the greatest elements along the last axis are at the same place, as 0 or 1."""
    require(y_true.rank == y_pred.rank, "the ranks are equal")
    return broadcast(require, y_true.shape[:-1], y_pred.shape[:-1])


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("y", rank=range(1, 6)),
    attrs={"max_val": choice(1.0, 8.0, 255.0)},
    dtypes=("float32",),
    defined=lambda x, y, *, max_val: bool(np.mean((wide(x) - wide(y)) ** 2) > 0.01),
    reference=lambda x, y, *, max_val: 20 * math.log10(max_val) - 10 * np.log10(np.mean((wide(x) - wide(y)) ** 2)),
    keras="ops.psnr({x}, {y}, {max_val})",
)
def psnr(require: Require, x: Tensor, y: Tensor, *, max_val: float) -> Shape:
    """The peak signal-to-noise ratio of two signals in decibels."""
    alike(require, x, y)
    return ()


# TensorFlow's own.


# With more axes, TensorFlow pairs rows in order, however they are arranged.
@operator(
    tensor("labels", rank=(1, 2), domain=(0, 1)),
    tensor("logits", rank=(1, 2)),
    attrs={"axis": choice(-1, 0)},
    dtypes=FLOATS,
    reference=lambda labels, logits, *, axis: _categorical(
        np.broadcast_to(labels, np.broadcast_shapes(labels.shape, logits.shape)),
        np.broadcast_to(logits, np.broadcast_shapes(labels.shape, logits.shape)),
        True,
        axis,
    ),
    keras=in_layer("labels, logits", "tf.nn.softmax_cross_entropy_with_logits(labels, logits, axis={axis})"),
)
def softmax_cross_entropy(require: Require, labels: Tensor, logits: Tensor, *, axis: int) -> Shape:
    """The cross entropy of target probabilities and logits along an axis, by TensorFlow's function."""
    require(labels.rank == logits.rank, "the ranks are equal")
    require(
        either(labels.shape[axis] == logits.shape[axis], labels.shape[axis] == 1, logits.shape[axis] == 1),
        "the sizes of the axis are equal or one",
    )
    rows, others = _without(labels.shape, axis), _without(logits.shape, axis)
    same = both(*(a == b for a, b in zip(rows, others, strict=True)))
    require(either(same, both(*(a == 1 for a in rows))), "there are targets for each row, or one for all")
    return others


@operator(
    index("labels", rank=range(4), domain=lambda labels, logits: (0, logits.shape[-1] - 1)),
    tensor("logits", rank=range(1, 5)),
    dtypes={"I": INDICES, "T": FLOATS},
    reference=lambda labels, logits: _sparse(labels, logits, True),
    keras=in_layer("labels, logits", "tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)"),
)
def sparse_softmax_cross_entropy(require: Require, labels: Tensor, logits: Tensor) -> Shape:
    """The cross entropy of target classes and logits along the last axis, by TensorFlow's function."""
    require(labels.rank == logits.rank - 1, "the targets lack the axis of classes")
    for a, b in zip(labels.shape, logits.shape[:-1], strict=True):
        require(a == b, "there is a target for each row")
    return labels.shape


@operator(
    tensor("labels", domain=(0, 1)),
    tensor("logits"),
    attrs={"weight": choice(1.0, 0.5, 3.0)},
    dtypes=FLOATS,
    reference=lambda labels, logits, *, weight: (
        (1 - wide(labels)) * wide(logits) + (1 + (weight - 1) * wide(labels)) * softplus(-wide(logits))
    ),
    keras=in_layer("labels, logits", "tf.nn.weighted_cross_entropy_with_logits(labels, logits, {weight})"),
)
def weighted_cross_entropy(require: Require, labels: Tensor, logits: Tensor, *, weight: float) -> Shape:
    """Each element's cross entropy of a binary target and a logit, positive ones weighted."""
    return alike(require, labels, logits)


@operator(
    tensor("x"),
    dtypes=FLOATS,
    reference=lambda x: np.sum(wide(x) ** 2) / 2,
    keras=in_layer("x", "tf.nn.l2_loss(x)"),
)
def l2_loss(require: Require, x: Tensor) -> Shape:
    """Half the sum of all elements' squares, by TensorFlow's function."""
    return ()


@operator(
    tensor("targets", domain=(0, 4)),
    tensor("log_input", domain=(-2, 2)),
    dtypes=FLOATS,
    reference=lambda targets, log_input: np.exp(wide(log_input)) - wide(log_input) * wide(targets),
    keras=in_layer("targets, log_input", "tf.nn.log_poisson_loss(targets, log_input)"),
)
def log_poisson_loss(require: Require, targets: Tensor, log_input: Tensor) -> Shape:
    """Each element's Poisson loss of a target and a logarithm of a prediction, by TensorFlow's function."""
    return alike(require, targets, log_input)


@operator(
    tensor("x", rank=3),
    dtypes=_SINGLE,
    defined=lambda x: distinct(x, -1),
    reference=lambda x: -np.sum(np.max(wide(x), -1), 0)[:, None],
    keras=in_layer("x", "tf.nn.ctc_greedy_decoder(x, tf.fill([x.shape[1]], x.shape[0]))[1]"),
)
def greedy_decoder_score(require: Require, x: Tensor) -> Shape:
    """The negative sum of the greatest logits of (time, batch, classes), as TensorFlow's greedy decoder says it."""
    return (x.shape[1], 1)


OPERATORS: Sequence[Operator] = [
    *(value for value in list(globals().values()) if isinstance(value, Operator)),
    *_pairs,
]
