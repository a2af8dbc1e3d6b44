"""Norms, distances and similarities, and what is scaled by them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operand,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    broadcast,
    choice,
    emission,
    flag,
    layered,
    named,
    operator,
    reduced_shape,
    tensor,
)
from operators.folds import along_axis, meeting, over_all, over_axes
from operators.precision import Array, wide
from operators.spelling import in_layer

_INF = float("inf")
_INFERRED = ("float32",)
"""Keras takes any float that `ops.normalize` makes for float32 in a functional model (keras/src/ops/nn.py)."""


def _norm(x: Array, order: float, axes: Any, keepdims: bool) -> Array:
    """The vector norm of any order (https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html)."""
    size = np.abs(wide(x))
    if order == 0:
        return np.asarray(np.sum(size != 0, axes, keepdims=keepdims).astype("float64"))
    if order in (_INF, -_INF):
        return np.asarray((np.max if order > 0 else np.min)(size, axes, keepdims=keepdims))
    return np.asarray(np.sum(size**order, axes, keepdims=keepdims) ** (1 / order))


def _apart(x: Array) -> bool:
    """No element is near zero, where a negative power has a pole."""
    return bool(np.all(np.abs(wide(x)) > 0.05))


def _is_defined(x: Array, order: float) -> bool:
    """Whether negative powers are far from their pole, and the sum of the powers lies in the dtype: some kernels add up
    in it."""
    if order < 0:
        return order == -_INF or _apart(x)
    return order in (0, _INF) or bool(np.sum(np.abs(wide(x)) ** order) < np.finfo(x.dtype).max / 2)


def _written(order: float) -> str:
    return f'float("{order}")' if order in (_INF, -_INF) else repr(order)


def _vector_norm(suffix: str, order: float, keras: bool) -> Operator:
    """The vector norm of one order along axes."""
    extreme = order in (_INF, -_INF)

    def torch(x: Operand, axes: Sequence[int], keepdims: bool) -> str:
        return f"torch.linalg.vector_norm({x}, ord={_written(order)}, dim={axes}, keepdim={keepdims})"

    return over_axes(
        f"vector_norm_{suffix}",
        FLOATS,
        f"The vector norm of order {order} along axes.",
        some=extreme or order < 0,
        defined=lambda x, **others: _is_defined(x, order),
        reference=lambda x, *, axes, keepdims: _norm(x, order, axes, keepdims),
        torch=torch,
    )


_ORDERS = {"2": 2, "1": 1, "inf": _INF, "least": -_INF, "0": 0, "3": 3, "half": 0.5, "minus_1": -1}
vector_norms = [_vector_norm(suffix, order, True) for suffix, order in _ORDERS.items()]


def _norm_along(suffix: str, order: float) -> Operator:
    """The vector norm of one order along one axis, in the spellings that take a bare axis."""

    def rule(require: Require, x: Tensor, *, axis: int, keepdims: bool) -> Shape:
        return reduced_shape(require, x, (axis,), keepdims)

    return operator(
        tensor("x", rank=range(1, 7)),
        attrs={"axis": axis(), "keepdims": flag()},
        dtypes=FLOATS,
        defined=lambda x, **others: _is_defined(x, order),
        reference=lambda x, *, axis, keepdims: _norm(x, order, axis, keepdims),
        torch=lambda x, axis, keepdims: f"torch.norm({x}, p={_written(order)}, dim={axis}, keepdim={keepdims})",
        keras=lambda x, axis, keepdims: f"ops.norm({x}, ord={_written(order)}, axis={axis}, keepdims={keepdims})",
    )(named(f"norm_along_{suffix}", f"The vector norm of order {order} along one axis.", rule))


norms_along = [_norm_along(suffix, order) for suffix, order in _ORDERS.items()]

norm_all = over_all(
    "norm_all",
    FLOATS,
    "The root of the sum of all elements' squares.",
    reference=lambda x: np.sqrt(np.sum(wide(x) ** 2)),
    torch="torch.linalg.vector_norm({x})",
)
norm_fro_all = over_all(
    "norm_fro_all",
    FLOATS,
    "The root of the sum of all elements' squares, by the older functions.",
    reference=lambda x: np.sqrt(np.sum(wide(x) ** 2)),
    torch="torch.norm({x})",
    keras=lambda x: f"ops.norm({x})" if x.rank in (1, 2) else f"ops.norm(ops.reshape({x}, (-1,)))",
)
norm_1_all = over_all(
    "norm_1_all",
    FLOATS,
    "The sum of all elements' magnitudes, as a norm.",
    reference=lambda x: np.sum(np.abs(wide(x))),
    torch="torch.linalg.vector_norm({x}, ord=1)",
)
half_squares = over_all(
    "half_squares",
    FLOATS,
    "Half the sum of all elements' squares.",
    reference=lambda x: np.sum(wide(x) ** 2) / 2,
    torch="0.5 * torch.sum({x} * {x})",
    keras="0.5 * ops.sum(ops.square({x}))",
)

norm_2_of_all = over_all(
    "norm_2_of_all",
    FLOATS,
    "The root of the sum of all elements' squares, as linear algebra's general norm.",
    reference=lambda x: np.sqrt(np.sum(wide(x) ** 2)),
    torch="torch.linalg.norm({x})",
)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axis": axis(), "keepdims": flag(), "order": choice(2, 1, 3)},
    dtypes=FLOATS,
    reference=lambda x, *, axis, keepdims, order: _norm(x, order, axis, keepdims),
    torch="torch.linalg.norm({x}, ord={order}, dim={axis}, keepdim={keepdims})",
)
def linalg_norm(require: Require, x: Tensor, *, axis: int, keepdims: bool, order: int) -> Shape:
    """The vector norm along one axis, as linear algebra's general norm."""
    return reduced_shape(require, x, (axis,), keepdims)


# Matrix norms that need no decomposition.

_MATRIX_NORMS: dict[Any, Callable[[Array], Array]] = {
    "fro": lambda m: np.sqrt(np.sum(m**2, (-2, -1))),
    1: lambda m: np.max(np.sum(np.abs(m), -2), -1),
    -1: lambda m: np.min(np.sum(np.abs(m), -2), -1),
    _INF: lambda m: np.max(np.sum(np.abs(m), -1), -1),
    -_INF: lambda m: np.min(np.sum(np.abs(m), -1), -1),
}
_MATRIX_NAMES = {"fro": "fro", 1: "1", -1: "minus_1", _INF: "inf", -_INF: "minus_inf"}


def _order(order: Any) -> str:
    return repr(order) if order == "fro" else _written(order)


def _matrix_norm(order: Any) -> Operator:
    """The norm of one order of the matrices in the last two axes."""
    fold = _MATRIX_NORMS[order]

    def rule(require: Require, x: Tensor, *, keepdims: bool) -> Shape:
        return reduced_shape(require, x, (-2, -1), keepdims)

    def reference(x: Array, *, keepdims: bool) -> Array:
        made = fold(wide(x))
        return made[..., None, None] if keepdims else made

    return operator(
        tensor("x", rank=range(2, 7)),
        attrs={"keepdims": flag()},
        dtypes=FLOATS,
        reference=reference,
        torch=f"torch.linalg.matrix_norm({{x}}, ord={_order(order)}, keepdim={{keepdims}})",
        keras=f"ops.norm({{x}}, ord={_order(order)}, axis=(-2, -1), keepdims={{keepdims}})",
    )(named(f"matrix_norm_{_MATRIX_NAMES[order]}", f"The matrix norm {order} of the last two axes.", rule))


matrix_norms = [_matrix_norm(order) for order in _MATRIX_NORMS]

# What is scaled by a norm.


def _scaled(x: Array, order: float, axis: int, least: float) -> Array:
    return np.asarray(wide(x) / np.maximum(_norm(x, order, axis, True), least))


normalize = along_axis(
    "normalize",
    FLOATS,
    "The elements along one axis, divided by their norm (but by no less than a constant).",
    attrs={"order": choice(2.0, 1.0, 3.0), "least": choice(0.015625, 0.5, 2.0)},
    reference=lambda x, *, axis, order, least: _scaled(x, order, axis, least),
    torch="F.normalize({x}, p={order}, dim={axis}, eps={least})",
)
normalize_inf = along_axis(
    "normalize_inf",
    FLOATS,
    "The elements along one axis, divided by the greatest magnitude (but by no less than a constant).",
    empty=False,
    attrs={"least": choice(0.015625, 0.5, 2.0)},
    reference=lambda x, *, axis, least: _scaled(x, _INF, axis, least),
    torch='F.normalize({x}, p=float("inf"), dim={axis}, eps={least})',
)
normalize_plain = along_axis(
    "normalize_plain",
    FLOATS,
    "The elements along one axis, divided by the root of the sum of their squares, which is not near zero.",
    defined=lambda x, *, axis: bool(np.all(_norm(x, 2, axis, False) > 0.05)),
    reference=lambda x, *, axis: _scaled(x, 2, axis, 0),
    torch="F.normalize({x}, dim={axis})",
    keras=emission("ops.normalize({x}, axis={axis})", dtypes=_INFERRED),
)
normalize_by_order = along_axis(
    "normalize_by_order",
    FLOATS,
    "The elements along one axis, divided by a norm of another order, which is not near zero.",
    attrs={"order": choice(1, 3)},
    defined=lambda x, *, axis, order: bool(np.all(_norm(x, order, axis, False) > 0.05)),
    reference=lambda x, *, axis, order: _scaled(x, order, axis, 0),
    keras=emission("ops.normalize({x}, axis={axis}, order={order})", dtypes=_INFERRED),
)

l2_normalize = along_axis(
    "l2_normalize",
    FLOATS,
    "The elements along one axis over the root of the sum of their squares, no less than a constant.",
    attrs={"least": choice(0.015625, 0.5, 4.0)},
    reference=lambda x, *, axis, least: wide(x) / np.sqrt(np.maximum(np.sum(wide(x) ** 2, axis, keepdims=True), least)),
    keras=in_layer("x", "tf.math.l2_normalize(x, axis={axis}, epsilon={least})"),
)
clip_by_norm = along_axis(
    "clip_by_norm",
    FLOATS,
    "The elements along one axis, scaled down to a norm where theirs is greater.",
    attrs={"largest": choice(1.0, 4.0, 16.0)},
    domain=(-30, 30),  # the squares are summed in the dtype itself
    reference=lambda x, *, axis, largest: (
        wide(x) * largest / np.maximum(np.sqrt(np.sum(wide(x) ** 2, axis, keepdims=True)), largest)
    ),
    keras=in_layer("x", "tf.clip_by_norm(x, {largest}, axes=[{axis}])"),
)


def _renormed(x: Array, order: float, axis: int, largest: float) -> Array:
    """Norms have 1e-7 added where they divide (aten/src/ATen/native/cpu/RenormKernel.cpp)."""
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    norms = _norm(x, order, others, True)
    return np.asarray(np.where(norms > largest, wide(x) * largest / (norms + 1e-7), wide(x)))


renorm = along_axis(
    "renorm",
    ("float32", "float64"),
    "Each slice of one axis, scaled down to a norm where its own is greater.",
    attrs={"order": choice(2.0, 1.0, 3.0), "largest": choice(1.0, 3.0, 10.0)},
    empty=False,
    defined=lambda x, *, axis, order, largest: x.ndim >= 2,
    reference=lambda x, *, axis, order, largest: _renormed(x, order, axis, largest),
    torch="torch.renorm({x}, p={order}, dim={axis}, maxnorm={largest})",
)

# Distances and similarities.


def _similarity(x: Array, y: Array, axis: int) -> Array:
    x, y = np.broadcast_arrays(x, y)
    dot = np.sum(wide(x) * wide(y), axis)
    return np.asarray(dot / (_norm(x, 2, axis, False) * _norm(y, 2, axis, False)))


def _nonzero(x: Array, y: Array, axis: int) -> bool:
    """No vector is near zero, where it has no direction."""
    return bool(np.all(_norm(x, 2, axis, False) > 0.05) and np.all(_norm(y, 2, axis, False) > 0.05))


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("y", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=FLOATS,
    defined=lambda x, y, *, axis: _nonzero(x, y, axis),
    reference=lambda x, y, *, axis: _similarity(x, y, axis),
    torch="F.cosine_similarity({x}, {y}, dim={axis})",
)
def cosine_similarity(require: Require, x: Tensor, y: Tensor, *, axis: int) -> Shape:
    """The cosine of the angle between vectors along one axis, none of which is near zero; they are broadcast."""
    return reduced_shape(require, Tensor(x.dtype, meeting(require, x, y)), (axis,), False)


cosine_similarity_layer = layered(cosine_similarity, torch="nn.CosineSimilarity(dim={axis})")


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("y", rank=range(1, 6)),
    attrs={"order": choice(2.0, 1.0, 3.0), "keepdims": flag()},
    dtypes=FLOATS,
    reference=lambda x, y, *, order, keepdims: _norm(wide(x) - wide(y) + 0.25, order, -1, keepdims),
    torch="F.pairwise_distance({x}, {y}, p={order}, eps=0.25, keepdim={keepdims})",
)
def pairwise_distance(require: Require, x: Tensor, y: Tensor, *, order: float, keepdims: bool) -> Shape:
    """The norm of the difference (and a constant) of vectors along the last axis, broadcast."""
    shape = broadcast(require, x.shape, y.shape)
    return reduced_shape(require, Tensor(x.dtype, shape), (-1,), keepdims)


pairwise_distance_layer = layered(
    pairwise_distance, torch="nn.PairwiseDistance(p={order}, eps=0.25, keepdim={keepdims})"
)


@operator(
    tensor("x"),
    tensor("y"),
    attrs={"order": choice(2.0, 1.0, 3.0)},
    dtypes=FLOATS,
    reference=lambda x, y, *, order: _norm(wide(x) - wide(y), order, None, False),
    torch="torch.dist({x}, {y}, p={order})",
)
def dist(require: Require, x: Tensor, y: Tensor, *, order: float) -> Shape:
    """The norm of the difference of two tensors, broadcast."""
    broadcast(require, x.shape, y.shape)
    return ()


def _distances(x: Array, y: Array, order: float) -> Array:
    return _norm(wide(x)[..., :, None, :] - wide(y)[..., None, :, :], order, -1, False)


def _rows_meet(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The shape of all distances: each vector meets each, as of a new axis apiece."""
    require(x.shape[-1] == y.shape[-1], "the vectors are equally long")
    *batch, rows, length = x.shape
    *others, columns, _ = y.shape
    return broadcast(require, (*batch, rows, 1, length), (*others, 1, columns, length))[:-1]


@operator(
    tensor("x", rank=range(2, 6)),
    tensor("y", rank=range(2, 6)),
    dtypes=("float32", "float64"),
    reference=lambda x, y: _distances(x, y, 2),
    torch='torch.cdist({x}, {y}, compute_mode="donot_use_mm_for_euclid_dist")',
    keras="ops.cdist({x}, {y})",
)
def cdist(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The Euclidean distance of each vector of one list to each of another, lists being broadcast."""
    return _rows_meet(require, x, y)


@operator(
    tensor("x", rank=range(2, 6)),
    tensor("y", rank=range(2, 6)),
    attrs={"order": choice(1.0, 3.0, 0.5)},
    dtypes=("float32", "float64"),
    reference=lambda x, y, *, order: _distances(x, y, order),
    torch="torch.cdist({x}, {y}, p={order})",
)
def cdist_by_order(require: Require, x: Tensor, y: Tensor, *, order: float) -> Shape:
    """The distance by another norm of each vector of one list to each of another."""
    return _rows_meet(require, x, y)


@operator(
    tensor("x", rank=2),
    dtypes=("float32", "float64"),
    reference=lambda x: _distances(x, x, 2)[np.triu_indices(len(x), 1)],
    torch="F.pdist({x})",
)
def pdist(require: Require, x: Tensor) -> Shape:
    """The Euclidean distances of all pairs of rows."""
    require(x.shape[0] >= 2, "there is a pair")
    return (x.shape[0] * (x.shape[0] - 1) // 2,)


OPERATORS: Sequence[Operator] = [
    *(value for value in list(globals().values()) if isinstance(value, Operator)),
    *vector_norms,
    *norms_along,
    *matrix_norms,
]
