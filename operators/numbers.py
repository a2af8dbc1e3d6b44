"""Operators that make ones at places that numbers name, and coordinates of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    INDICES,
    Defect,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    by_framework,
    choice,
    dtype_choice,
    emission,
    index,
    named_by,
    operator,
    size,
    sizes,
)
from operators.precision import Array
from operators.spelling import in_layer


def _one_hot(indices: Array, classes: int) -> Array:
    return np.asarray(indices[..., None] == np.arange(classes))


@operator(
    index("indices", "I", rank=range(5), domain=lambda indices, classes, **_: (0, classes - 1)),
    attrs={"classes": size(1, 9)},
    dtypes={"I": ("int64",)},
    returns="I",
    reference=_one_hot,
    torch="F.one_hot({indices}, {classes})",
)
def one_hot(require: Require, indices: Tensor, *, classes: Size) -> Shape:
    """For each number as many entries as there are classes, one at the number's place, else zero."""
    return (*indices.shape, classes)


def _new_axis(indices: Operand, axis: int) -> int:
    """The place of the new axis as TensorFlow wants it: -1 for the last one, not negative for the others."""
    return (axis + 1) % (indices.rank + 1) - 1


@operator(
    index("indices", "I", rank=range(4), domain=lambda indices, classes, **_: (0, classes - 1)),
    attrs={
        "classes": size(1, 9),
        "axis": axis("indices", extra=1),
        "dtype": dtype_choice(("float32", "int32", "float16", "int64", "bool")),
    },
    dtypes={"I": INDICES},
    returns=named_by("dtype"),
    reference=lambda indices, classes, axis, dtype: np.moveaxis(_one_hot(indices, classes), -1, axis),
    keras=lambda indices, classes, axis, dtype: (
        f'ops.one_hot({indices}, {classes}, axis={_new_axis(indices, axis)}, dtype="{dtype}")'
    ),
)
def one_hot_along(require: Require, indices: Tensor, *, classes: Size, axis: int, dtype: str) -> Shape:
    """For each number as many entries as there are classes, along a new axis, one at the number's place."""
    place = axis % (indices.rank + 1)
    return (*indices.shape[:place], classes, *indices.shape[place:])


@operator(
    index("indices", "I", rank=range(4), domain=lambda indices, classes, **_: (-1, classes)),
    attrs={"classes": size(1, 9), "axis": axis("indices", extra=1), "on": choice(1, 3), "off": choice(0, -2)},
    dtypes={"I": INDICES},
    returns="float32",
    reference=lambda indices, classes, axis, on, off: np.moveaxis(
        np.asarray(np.where(_one_hot(indices, classes), on, off)), -1, axis
    ),
    keras=in_layer(
        "indices",
        lambda indices, classes, axis, on, off: (
            f"tf.one_hot(indices, {classes}, {on}.0, {off}.0, {_new_axis(indices, axis)})"
        ),
    ),
)
def one_hot_of_values(require: Require, indices: Tensor, *, classes: Size, axis: int, on: int, off: int) -> Shape:
    """For each number as many entries as there are classes, one value at the number's place, another elsewhere."""
    place = axis % (indices.rank + 1)
    return (*indices.shape[:place], classes, *indices.shape[place:])


@operator(
    index("indices", "I", rank=(1, 2), domain=lambda indices, classes, **_: (0, classes - 1)),
    attrs={"classes": size(1, 9)},
    dtypes={"I": INDICES},
    returns="I",  # of any other dtype Keras infers that of the numbers (keras/src/ops/nn.py, MultiHot)
    reference=lambda indices, classes: np.any(_one_hot(indices, classes), -2),
    keras='ops.multi_hot({indices}, {classes}, dtype="{indices.dtype}")',
)
def multi_hot(require: Require, indices: Tensor, *, classes: Size) -> Shape:
    """Ones at the places of all numbers of a row."""
    return (*indices.shape[:-1], classes)


@operator(
    index("indices", "I", rank=range(3), domain=lambda indices, shape, **_: (0, int(np.prod(shape)) - 1)),
    attrs={"shape": sizes(1, 5, count=(2, 3))},
    dtypes={"I": INDICES},
    returns=by_framework("int64", "I"),
    reference=lambda indices, shape: np.unravel_index(indices, shape),
    torch="torch.unravel_index({indices}, {shape})",
    keras=emission(
        "ops.unravel_index({indices}, {shape})",
        defects=[
            Defect(
                "takes the sizes in the wrong order for indices that are no vector",
                lambda indices, shape: indices.rank != 1,
                "keras/src/backend/tensorflow/numpy.py, unravel_index: its second loop does not reverse the shape",
            )
        ],
    ),
)
def unravel_index(require: Require, indices: Tensor, *, shape: Sequence[Size]) -> list[Shape]:
    """The coordinates of places counted in row-major order."""
    return [indices.shape] * len(shape)


OPERATORS: Sequence[Operator] = [
    one_hot,
    one_hot_along,
    one_hot_of_values,
    multi_hot,
    unravel_index,
]
