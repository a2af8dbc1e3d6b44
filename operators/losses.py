"""PyTorch's losses, as functions and as layers; the options carry PyTorch's own names.

Reductions fold all elements; what is reduced is what the formula makes of each element, row or class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    choice,
    choose,
    either,
    emission,
    flag,
    named,
    number,
    operator,
    tensor,
    variadic,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.declaration import checked
from graphfuzz.spec.dims import Size
from graphfuzz.spec.operator import Bounds, Operands, Parameter
from operators.folds import alike
from operators.precision import Array, wide

_REDUCTION = choice("mean", "sum", "none")
_PROBABILITY = (0.01, 0.99)
_SINGLE = ("float32", "float64")


def reduced(values: Array, reduction: str) -> Array:
    """The mean, the sum, or the values themselves."""
    if reduction == "none":
        return values
    return np.asarray(np.mean(values) if reduction == "mean" else np.sum(values))


def after(shape: Shape, reduction: str) -> Shape:
    """The shape that a reduction leaves."""
    return shape if reduction == "none" else ()


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return np.asarray(np.logaddexp(x, 0))


def _written(attrs: Sequence[str]) -> str:
    return ", ".join(f"{a}={{{a}!r}}" for a in attrs)


def _met(operands: Sequence[Operand]) -> str:
    """Operands of one shape as they are; others are stretched first: PyTorch warns where it does that itself."""
    listed = ", ".join(operands)
    return listed if len({o.shape for o in operands}) == 1 else f"*torch.broadcast_tensors({listed})"


def _elementwise(
    name: str,
    doc: str,
    value: Callable[..., Array],
    layer: str,
    *,
    attrs: Mapping[str, Attribute] | None = None,
    stretched: bool = False,
    reductions: Attribute = _REDUCTION,
    first: Bounds | None = None,
    second: Bounds | None = None,
    dtypes: Sequence[str] = FLOATS,
    defined: Callable[..., bool] | None = None,
) -> list[Operator]:
    """A loss of each element of an input and of its target, as function and as layer.

    value: the loss before reduction, of wide arrays and the attributes. first, second: the operands' domains.
    stretched: whether operands of different shapes meet.
    """
    options = {**(attrs or {}), "reduction": reductions}

    def rule(require: Require, x: Tensor, y: Tensor, *, reduction: str, **others: Any) -> Shape:
        shape = broadcast(require, x.shape, y.shape) if stretched else alike(require, x, y)
        return after(shape, reduction)

    def reference(x: Array, y: Array, *, reduction: str, **others: Any) -> Array:
        return reduced(value(wide(x), wide(y), **others), reduction)

    def call(x: Operand, y: Operand, **given: Any) -> str:
        settings = ", ".join(f"{a}={given[a]!r}" for a in options)
        return f"F.{name}({_met((x, y))}, {settings})"

    def layer_call(x: Operand, y: Operand, **given: Any) -> str:
        return f"{given['layer']}({_met((x, y))})"

    return [
        operator(
            tensor("x", domain=first),
            tensor("y", domain=second),
            attrs=options,
            dtypes=dtypes,
            reference=reference,
            defined=defined,
            torch=made,
        )(named(f"{name}{suffix}", doc, rule, attrs or ()))
        for suffix, made in (
            ("", Emission(call)),
            ("_layer", Emission(layer_call, layer=f"nn.{layer}({_written(tuple(options))})")),
        )
    ]


def _huber(x: Array, y: Array, delta: float) -> Array:
    gap = np.abs(x - y)
    return np.asarray(np.where(gap < delta, 0.5 * gap**2, delta * (gap - 0.5 * delta)))


def _poisson(x: Array, y: Array, log_input: bool, full: bool) -> Array:
    made = np.exp(x) - y * x if log_input else x - y * np.log(x + 1e-8)
    stirling = y * np.log(y) - y + 0.5 * np.log(2 * math.pi * y)
    return np.asarray(made + np.where(y > 1, stirling, 0) * full)


def _kl(x: Array, y: Array, log_target: bool) -> Array:
    return np.asarray(np.exp(y) * (y - x) if log_target else y * (np.log(y) - x))


def _hinge(x: Array, y: Array, margin: float) -> Array:
    return np.where(y != 1, np.maximum(margin - x, 0), 0) + np.where(y != -1, x, 0)


_elementwise_losses = [
    *_elementwise("mse_loss", "The squared error.", lambda x, y: (x - y) ** 2, "MSELoss", stretched=True),
    *_elementwise("l1_loss", "The absolute error.", lambda x, y: np.abs(x - y), "L1Loss", stretched=True),
    *_elementwise(
        "smooth_l1_loss",
        "The absolute error, rounded to a parabola near zero.",
        lambda x, y, beta: _huber(x, y, beta) / beta,
        "SmoothL1Loss",
        attrs={"beta": number(0.1, 3)},
        stretched=True,
    ),
    *_elementwise(
        "huber_loss",
        "The squared error, and beyond a distance the absolute one.",
        lambda x, y, delta: _huber(x, y, delta),
        "HuberLoss",
        attrs={"delta": number(0.1, 3)},
        stretched=True,
    ),
    *_elementwise(
        "soft_margin_loss",
        "The logistic loss of targets 1 and -1, or any.",
        lambda x, y: softplus(-x * y),
        "SoftMarginLoss",
        first=(-10, 10),  # PyTorch computes exp(-x * y) itself, also in float16
        second=(-1, 1),
        stretched=True,
    ),
    *_elementwise(
        "hinge_embedding_loss",
        "The input where the target is 1, what it lacks to a margin where the target is -1.",
        _hinge,
        "HingeEmbeddingLoss",
        attrs={"margin": number(0.5, 2)},
        second=(-1, 1),
        stretched=True,
    ),
    *_elementwise(
        "poisson_nll_loss",
        "The negative log likelihood of counts by Poisson's distribution.",
        _poisson,
        "PoissonNLLLoss",
        attrs={"log_input": flag(), "full": flag()},
        first=(0.05, 4),
        second=(0.05, 6),
        stretched=True,
        defined=lambda x, y, **others: bool(np.all(np.abs(y - 1) > 0.01)),
    ),
]


# kl_div warns of "mean", which is not the mathematical one.
@operator(
    tensor("x", rank=range(1, 7), domain=(-6, 0)),
    tensor("y", rank=range(1, 7), domain=lambda x, y, *, log_target, reduction: (-6, 0) if log_target else (0.01, 1)),
    attrs={"log_target": flag(), "reduction": choice("batchmean", "sum", "none")},
    dtypes=FLOATS,
    reference=lambda x, y, *, log_target, reduction: (
        np.sum(_kl(wide(x), wide(y), log_target)) / len(x)
        if reduction == "batchmean"
        else reduced(_kl(wide(x), wide(y), log_target), reduction)
    ),
    torch="F.kl_div({x}, {y}, log_target={log_target}, reduction={reduction!r})",
)
def kl_div(require: Require, x: Tensor, y: Tensor, *, log_target: bool, reduction: str) -> Shape:
    """The Kullback-Leibler divergence from log probabilities to a target, given as it is or in logarithms."""
    return after(broadcast(require, x.shape, y.shape), reduction)


def _scaled(values: Array, weights: tuple[Array, ...]) -> Array:
    return np.asarray(values * wide(weights[0]) if weights else values)


def _fits(require: Require, shape: Shape, weights: tuple[Tensor, ...]) -> None:
    for weight in weights:
        require(weight.rank <= len(shape), "the weights have no more axes than the input")
        for a, b in zip(shape[::-1], weight.shape[::-1], strict=False):
            require(either(a == b, b == 1), "the weights' sizes are the input's last ones, or one")


def _binary(name: str, doc: str, value: Callable[..., Array], layer: str, domain: Bounds | None) -> list[Operator]:
    """A loss of binary targets, elements weighted where weights are given."""

    def rule(require: Require, x: Tensor, y: Tensor, *weights: Tensor, reduction: str) -> Shape:
        _fits(require, alike(require, x, y), weights)
        return after(x.shape, reduction)

    def call(x: Operand, y: Operand, weights: Operands, reduction: str) -> str:
        weight = f", weight={weights.each[0]}" if weights.each else ""
        return f"F.{name}({x}, {y}{weight}, reduction={reduction!r})"

    def plain(require: Require, x: Tensor, y: Tensor, *, reduction: str) -> Shape:
        return after(alike(require, x, y), reduction)

    operands = (
        tensor("x", domain=domain),
        tensor("y", domain=_PROBABILITY),
    )  # PyTorch refuses one that is beyond by rounding
    weighted = variadic("weights", (0, 1), rank=range(4), role="weight", domain=(0.1, 3))
    fields: dict[str, Any] = {"attrs": {"reduction": _REDUCTION}, "dtypes": FLOATS}
    return [
        operator(
            *operands,
            weighted,
            reference=lambda x, y, *weights, reduction: reduced(_scaled(value(wide(x), wide(y)), weights), reduction),
            torch=call,
            **fields,
        )(named(name, doc, rule)),
        operator(
            *operands,
            reference=lambda x, y, *, reduction: reduced(value(wide(x), wide(y)), reduction),
            torch=emission("{layer}({x}, {y})", layer=f"nn.{layer}(reduction={{reduction!r}})"),
            **fields,
        )(named(f"{name}_layer", doc, plain)),
    ]


_binary_losses = [
    *_binary(
        "binary_cross_entropy",
        "The cross entropy of binary targets and probabilities.",
        lambda x, y: -(y * np.log(x) + (1 - y) * np.log(1 - x)),
        "BCELoss",
        _PROBABILITY,
    ),
    *_binary(
        "binary_cross_entropy_with_logits",
        "The cross entropy of binary targets and logits.",
        lambda x, y: (1 - y) * x + softplus(-x),
        "BCEWithLogitsLoss",
        None,
    ),
]


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("y", rank=range(1, 7), domain=(0, 1)),
    variadic("weights", (1,), rank=1, role="weight", domain=(0.1, 3)),
    attrs={"reduction": _REDUCTION},
    dtypes=FLOATS,
    reference=lambda x, y, weights, *, reduction: reduced(
        (1 - wide(y)) * wide(x) + (1 + (wide(weights) - 1) * wide(y)) * softplus(-wide(x)), reduction
    ),
    torch="F.binary_cross_entropy_with_logits({x}, {y}, pos_weight={weights}, reduction={reduction!r})",
)
def weighted_cross_entropy_with_logits(
    require: Require, x: Tensor, y: Tensor, weights: Tensor, *, reduction: str
) -> Shape:
    """The cross entropy of binary targets and logits, positive ones weighted along the last axis."""
    alike(require, x, y)
    last = weights.shape[0]
    require(either(last == x.shape[-1], last == 1), "there is a weight for each entry of the last axis, or one")
    return after(x.shape, reduction)


@operator(
    tensor("x"),
    tensor("y"),
    tensor("var", domain=(0.1, 4)),
    attrs={"full": flag(), "reduction": _REDUCTION},
    dtypes=FLOATS,
    reference=lambda x, y, var, *, full, reduction: reduced(
        0.5 * (np.log(wide(var)) + (wide(x) - wide(y)) ** 2 / wide(var)) + 0.5 * math.log(2 * math.pi) * full,
        reduction,
    ),
    torch=lambda x, y, var, full, reduction: (
        f"F.gaussian_nll_loss({x}, {y}, {var}, full={full}, reduction={reduction!r})"
    ),
)
def gaussian_nll_loss(require: Require, x: Tensor, y: Tensor, var: Tensor, *, full: bool, reduction: str) -> Shape:
    """The negative log likelihood by normal distributions of given means and variances."""
    require(x.rank == var.rank, "there is a variance for each mean")
    shared: Size = 0
    for a, b in zip(x.shape, var.shape, strict=True):
        require(either(a == b, b == 1), "there is a variance for each mean, or one along an axis")
        shared = shared + choose(a == b, 0, 1)
    require(shared <= 1, "the variances are shared along one axis at most")
    return after(broadcast(require, x.shape, y.shape), reduction)


# Losses of several operands.


def _ranking(x: Array, y: Array, ordered: Array, margin: float) -> Array:
    return np.asarray(np.maximum(-np.where(ordered, 1, -1) * (wide(x) - wide(y)) + margin, 0))


def _either_sign(positive: str) -> str:
    return f"torch.where({positive}, 1, -1)"


@operator(
    tensor("x", rank=range(4)),
    tensor("y", rank=range(4)),
    tensor("ordered", "bool", rank=range(4)),
    attrs={"margin": number(0, 2), "reduction": _REDUCTION},
    dtypes=FLOATS,
    reference=lambda x, y, ordered, *, margin, reduction: reduced(_ranking(x, y, ordered, margin), reduction),
    torch=lambda x, y, ordered, margin, reduction: (
        f"F.margin_ranking_loss({x}, {y}, {_either_sign(ordered)}, margin={margin}, reduction={reduction!r})"
    ),
)
def margin_ranking_loss(
    require: Require, x: Tensor, y: Tensor, ordered: Tensor, *, margin: float, reduction: str
) -> Shape:
    """What each pair lacks to a margin in the order asked for; the three operands are broadcast."""
    require(x.rank == y.rank == ordered.rank, "the ranks are equal")
    return after(broadcast(require, x.shape, y.shape, ordered.shape), reduction)


def _cosine_embedding(x: Array, y: Array, alike: Array, margin: float) -> Array:
    """Squared lengths have 1e-12 added (aten/src/ATen/native/Loss.cpp)."""
    x, y = wide(x), wide(y)
    lengths = (np.sum(x * x, -1) + 1e-12) * (np.sum(y * y, -1) + 1e-12)
    cosine = np.sum(x * y, -1) / np.sqrt(lengths)
    return np.asarray(np.where(alike, 1 - cosine, np.maximum(cosine - margin, 0)))


@operator(
    tensor("x", rank=2, domain=(0.1, 4)),
    tensor("y", rank=2, domain=(-4, -0.1)),
    tensor("alike", "bool", rank=1),
    attrs={"margin": number(-1, 0.5), "reduction": _REDUCTION},
    dtypes=FLOATS,
    reference=lambda x, y, alike, *, margin, reduction: reduced(_cosine_embedding(x, y, alike, margin), reduction),
    torch=lambda x, y, alike, margin, reduction: (
        f"F.cosine_embedding_loss({x}, {y}, {_either_sign(alike)}, margin={margin}, reduction={reduction!r})"
    ),
)
def cosine_embedding_loss(
    require: Require, x: Tensor, y: Tensor, alike: Tensor, *, margin: float, reduction: str
) -> Shape:
    """One less the cosine of rows that shall be alike, and what that of others exceeds a margin by."""
    return after(broadcast(require, broadcast(require, x.shape, y.shape)[:1], alike.shape), reduction)


def _triplet(a: Array, p: Array, n: Array, margin: float, order: float, swap: bool) -> Array:
    def distance(x: Array, y: Array) -> Array:
        return np.asarray(np.sum(np.abs(wide(x) - wide(y) + 0.25) ** order, -1) ** (1 / order))

    far = np.minimum(distance(a, n), distance(p, n)) if swap else distance(a, n)
    return np.maximum(distance(a, p) - far + margin, 0)


_TRIPLET: dict[str, Any] = {
    "attrs": {"margin": number(0.5, 2), "p": choice(2.0, 1.0, 3.0), "swap": flag(), "reduction": _REDUCTION},
    "dtypes": FLOATS,
    "reference": lambda anchor, positive, negative, *, margin, p, swap, reduction: reduced(
        _triplet(anchor, positive, negative, margin, p, swap), reduction
    ),
}
_TRIPLET_OPTIONS = "margin={margin}, p={p}, eps=0.25, swap={swap}, reduction={reduction!r}"


def _triplet_rule(
    require: Require, anchor: Tensor, positive: Tensor, negative: Tensor, *, margin: float, p: float, swap: bool,
    reduction: str,
) -> Shape:  # fmt: skip
    require(anchor.rank == positive.rank == negative.rank, "the ranks are equal")
    near = broadcast(require, anchor.shape, positive.shape)[:-1]
    far = broadcast(require, anchor.shape, negative.shape)[:-1]
    if swap:
        far = broadcast(require, far, broadcast(require, positive.shape, negative.shape)[:-1])
    return after(broadcast(require, near, far), reduction)


def _triplet_operands() -> tuple[Parameter, ...]:
    return tuple(tensor(name, rank=range(1, 4)) for name in ("anchor", "positive", "negative"))


_TRIPLET_DOC = "How much nearer than by a margin the positive ought to be to the anchor than the negative."
triplet_margin_loss = operator(
    *_triplet_operands(),
    torch=f"F.triplet_margin_loss({{anchor}}, {{positive}}, {{negative}}, {_TRIPLET_OPTIONS})",
    **_TRIPLET,
)(named("triplet_margin_loss", _TRIPLET_DOC, _triplet_rule))
triplet_margin_loss_layer = operator(
    *_triplet_operands(),
    torch=emission("{layer}({anchor}, {positive}, {negative})", layer=f"nn.TripletMarginLoss({_TRIPLET_OPTIONS})"),
    **_TRIPLET,
)(named("triplet_margin_loss_layer", _TRIPLET_DOC, _triplet_rule))


def as_layer(op: Operator, call: str, layer: str) -> Operator:
    """The same loss as the layer that people write, `call`ed as the function is."""
    made = {"torch": msgspec.structs.replace(op.emissions["torch"], call=call, layer=layer)}
    return checked(msgspec.structs.replace(op, name=f"{op.name}_layer", emissions=made))


_SIGNED_CALL = "{{layer}}({{x}}, {{y}}, torch.where({{{}}}, 1, -1))"
_layers = [
    as_layer(kl_div, "{layer}({x}, {y})", "nn.KLDivLoss(reduction={reduction!r}, log_target={log_target})"),
    as_layer(gaussian_nll_loss, "{layer}({x}, {y}, {var})", "nn.GaussianNLLLoss(full={full}, reduction={reduction!r})"),
    as_layer(
        margin_ranking_loss,
        _SIGNED_CALL.format("ordered"),
        "nn.MarginRankingLoss(margin={margin}, reduction={reduction!r})",
    ),
    as_layer(
        cosine_embedding_loss,
        _SIGNED_CALL.format("alike"),
        "nn.CosineEmbeddingLoss(margin={margin}, reduction={reduction!r})",
    ),
]

_losses = [*_layers, *_elementwise_losses, *_binary_losses]

OPERATORS: Sequence[Operator] = [
    *(value for value in list(globals().values()) if isinstance(value, Operator)),
    *_losses,
]
