"""Counts: of integers, in bins, of what agrees."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    INDICES,
    REAL,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    by_framework,
    choice,
    flag,
    index,
    operator,
    size,
    tensor,
)
from graphfuzz.spec.dims import Size
from operators.folds import mean_of, over_all
from operators.precision import Array, wide
from operators.spelling import in_layer


def _on_edges(x: Array, bins: int, low: float, width: float) -> bool:
    """Whether an element is so near an edge that rounding decides which bin it falls into."""
    place = (wide(x) - low) / width * bins
    return bool(np.any(np.abs(place - np.round(place)) < 1e-3))


@operator(
    index("x", rank=1, domain=lambda x, *, length: (0, length - 1)),
    attrs={"length": size(1, 16)},
    dtypes={"I": (*INDICES, "int8", "uint8", "int16")},
    returns=by_framework("int64", "int32"),
    reference=lambda x, *, length: np.bincount(x, minlength=length),
    torch="torch.bincount({x}, minlength={length})",
    keras=in_layer(
        "x",
        "tf.ensure_shape(tf.math.bincount(x, minlength={length}, maxlength={length}), [{length}])",
        dtypes={"I": INDICES},
    ),
)
def bincount(require: Require, x: Tensor, *, length: Size) -> Shape:
    """How often each integer below `length` occurs."""
    return (length,)


@operator(
    index("x", rank=1, domain=lambda x, weights, *, length: (0, length - 1)),
    tensor("weights", rank=1),
    attrs={"length": size(1, 16)},
    dtypes={"I": INDICES, "T": ("float32", "float64")},
    returns="T",
    reference=lambda x, weights, *, length: np.bincount(x, wide(weights), length),
    torch="torch.bincount({x}, weights={weights}, minlength={length})",
    keras=in_layer(
        "x, weights",
        "tf.ensure_shape(tf.math.bincount(x, weights=weights, minlength={length}, maxlength={length}), [{length}])",
    ),
)
def bincount_weighted(require: Require, x: Tensor, weights: Tensor, *, length: Size) -> Shape:
    """The sum of the weights that belong to each integer below `length`."""
    require(x.shape[0] == weights.shape[0], "each integer has a weight")
    return (length,)


@operator(
    tensor("x"),
    attrs={"bins": size(1, 12), "low": choice(-4.0, -2.0, 0.0), "width": choice(8.0, 4.0, 2.0)},
    dtypes=("float32", "float64"),
    defined=lambda x, *, bins, low, width: not _on_edges(x, bins, low, width),
    reference=lambda x, *, bins, low, width: np.histogram(x, bins, (low, low + width))[0],
    torch="torch.histc({x}, bins={bins}, min={low}, max={low} + {width})",
)
def histogram_counts(require: Require, x: Tensor, *, bins: Size, low: float, width: float) -> Shape:
    """How many elements lie in each of several bins of equal width; none lies on an edge."""
    return (bins,)


@operator(
    tensor("x", rank=1),
    attrs={"bins": size(1, 12), "low": choice(-4.0, -2.0, 0.0), "width": choice(8.0, 4.0, 2.0)},
    dtypes=("float32",),
    returns=("T", "T"),
    defined=lambda x, *, bins, low, width: not _on_edges(x, bins, low, width),
    reference=lambda x, *, bins, low, width: np.histogram(wide(x), bins, (low, low + width)),
    # Its edges are made in float32, whatever the operand's dtype.
    # As a function on a symbolic tensor it calls backend.math.histogram, which TensorFlow's backend does not have.
    keras=in_layer("x", "ops.histogram(x, bins={bins}, range=({low}, {low} + {width}))"),
)
def histogram(require: Require, x: Tensor, *, bins: Size, low: float, width: float) -> list[Shape]:
    """How many elements lie in each of several bins of equal width, and the bins' edges."""
    return [(bins,), (bins + 1,)]


@operator(
    index("x", rank=2, domain=lambda x, *, length, **others: (0, length - 1)),
    attrs={"length": size(1, 12), "binary": flag()},
    dtypes={"I": INDICES},
    returns="int32",
    reference=lambda x, *, length, binary: _count_rows(x, length, binary),
    keras=in_layer(
        "x",
        "tf.ensure_shape(tf.math.bincount("
        "x, minlength={length}, maxlength={length}, axis=-1, binary_output={binary}), "
        "[x.shape[0], {length}])",
    ),
)
def bincount_rows(require: Require, x: Tensor, *, length: Size, binary: bool) -> Shape:
    """How often (or, `binary`, whether) each integer below `length` occurs in each row."""
    return (x.shape[0], length)


def _count_rows(x: Array, length: int, binary: bool) -> Array:
    counts = np.sum(x[:, :, None] == np.arange(length), 1)
    return np.asarray(np.minimum(counts, 1) if binary else counts)


@operator(
    index("x", rank=1, domain=lambda x, *, length: (0, length + 1)),
    attrs={"length": size(1, 12)},
    dtypes={"I": ("int32",)},
    returns="int32",
    reference=lambda x, *, length: np.bincount(x[x < length], minlength=length),
    keras=in_layer("x", "tf.raw_ops.Bincount(arr=x, size={length}, weights=tf.zeros([0], tf.int32))"),
)
def bincount_below(require: Require, x: Tensor, *, length: Size) -> Shape:
    """How often each integer below `length` occurs; greater ones are not counted."""
    return (length,)


@operator(
    index("labels", rank=1, domain=lambda labels, predictions, *, classes: (0, classes - 1)),
    index("predictions", rank=1, domain=lambda labels, predictions, *, classes: (0, classes - 1)),
    attrs={"classes": size(1, 8)},
    dtypes={"I": INDICES},
    returns="int32",
    reference=lambda labels, predictions, *, classes: np.bincount(
        labels * classes + predictions, minlength=classes * classes
    ).reshape(classes, classes),
    keras=in_layer("labels, predictions", "tf.math.confusion_matrix(labels, predictions, {classes})"),
)
def confusion_matrix(require: Require, labels: Tensor, predictions: Tensor, *, classes: Size) -> Shape:
    """How often each class is predicted for each."""
    require(labels.shape[0] == predictions.shape[0], "each label has a prediction")
    return (classes, classes)


zero_fraction = over_all(
    "zero_fraction",
    REAL,
    "How many of all elements are zero, in parts of their number.",
    empty=False,
    returns="float32",
    reference=lambda x: mean_of(x == 0),
    keras=in_layer("x", "tf.math.zero_fraction(x)"),
)


@operator(
    tensor("x", rank=range(5), domain=(-1, 1)),
    tensor("y", rank=range(5), domain=(-1, 1)),
    attrs={"rtol": choice(1e-5, 0.0, 0.5), "atol": choice(1e-8, 0.5, 2.0)},
    dtypes=("float32", "float64"),
    returns="bool",
    defined=lambda x, y, *, rtol, atol: not _on_the_verge(x, y, rtol, atol),
    reference=lambda x, y, *, rtol, atol: np.allclose(wide(x), wide(y), rtol, atol),
    keras="ops.allclose({x}, {y}, rtol={rtol}, atol={atol})",
)
def allclose(require: Require, x: Tensor, y: Tensor, *, rtol: float, atol: float) -> Shape:
    """Whether all pairs of elements, broadcast, are nearly equal."""
    broadcast(require, x.shape, y.shape)
    return ()


def _on_the_verge(x: Array, y: Array, rtol: float, atol: float) -> bool:
    """Whether a pair is so near the tolerance that rounding decides."""
    gap, allowed = np.abs(wide(x) - wide(y)), atol + rtol * np.abs(wide(y))
    return bool(np.any((np.abs(gap - allowed) < 1e-3) & (gap > 0)))


OPERATORS: Sequence[Operator] = [value for value in list(globals().values()) if isinstance(value, Operator)]
