"""Operators on the diagonals and triangles of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    FLOATS,
    Defect,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    both,
    choice,
    emission,
    maximum,
    minimum,
    on_special,
    operator,
    prod,
    spelled,
    tensor,
)
from operators.precision import Array, wide
from operators.spelling import Pair, everywhere, in_layer

OFFSETS = choice(0, 1, -1, 2, -2, 3)


def length(rows: Size, columns: Size, offset: int) -> Size:
    """How many entries a diagonal of a matrix has: above the main one for a positive offset, below for a negative."""
    return maximum(0, minimum(rows + min(offset, 0), columns - max(offset, 0)))


@operator(
    tensor("x", rank=range(2, 6)),
    attrs={"offset": OFFSETS, "pair": Pair()},
    dtypes=ANY,
    reference=lambda x, offset, pair: np.diagonal(x, offset, *pair),
    torch="torch.diagonal({x}, {offset}, {pair[0]}, {pair[1]})",
    keras="ops.diagonal({x}, {offset}, {pair[0]}, {pair[1]})",
)
def diagonal(require: Require, x: Tensor, *, offset: int, pair: Sequence[int]) -> Shape:
    """A diagonal of two axes, as a new last axis."""
    one, other = (a % x.rank for a in pair)
    rest = [n for a, n in enumerate(x.shape) if a not in (one, other)]
    count = length(x.shape[one], x.shape[other], offset)
    require(count >= 1, "the diagonal has entries")
    return (*rest, count)


diagonal_copy = spelled(diagonal, "diagonal_copy", torch="torch.diagonal_copy({x}, {offset}, {pair[0]}, {pair[1]})")


@operator(
    tensor("x", rank=2),
    attrs={"offset": OFFSETS},
    dtypes=ANY,
    reference=lambda x, offset: np.diag(x, offset),
    torch="torch.diag({x}, {offset})",
    keras="ops.diag({x}, {offset})",
)
def diag_of_matrix(require: Require, x: Tensor, *, offset: int) -> Shape:
    """A diagonal of a matrix."""
    count = length(x.shape[0], x.shape[1], offset)
    require(count >= 1, "the diagonal has entries")
    return (count,)


@operator(
    tensor("x", rank=1),
    attrs={"offset": OFFSETS},
    dtypes=ANY,
    empty=True,
    reference=lambda x, offset: np.diag(x, offset),
    torch="torch.diag({x}, {offset})",
    keras="ops.diag({x}, {offset})",
)
def diag_of_vector(require: Require, x: Tensor, *, offset: int) -> Shape:
    """A matrix with a vector on a diagonal, zero elsewhere."""
    n = x.shape[0] + abs(offset)
    return (n, n)


@operator(
    tensor("x", rank=range(5)),
    attrs={"offset": OFFSETS},
    dtypes=ANY,
    reference=lambda x, offset: np.diagflat(x, offset),
    torch="torch.diagflat({x}, {offset})",
    keras="ops.diagflat({x}, {offset})",
)
def diagflat(require: Require, x: Tensor, *, offset: int) -> Shape:
    """A matrix with all elements on a diagonal, zero elsewhere."""
    n = prod(x.shape) + abs(offset)
    return (n, n)


def _embedded(x: Array, offset: int, pair: Sequence[int] = (-2, -1)) -> Array:
    n = x.shape[-1] + abs(offset)
    made = np.zeros((*x.shape[:-1], n, n), x.dtype)
    places = np.arange(x.shape[-1])
    made[..., places + max(-offset, 0), places + max(offset, 0)] = x
    return np.moveaxis(made, (-2, -1), pair)


@operator(
    tensor("x", rank=range(1, 5)),
    attrs={"offset": OFFSETS, "pair": Pair(extra=1)},
    dtypes=ANY,
    reference=_embedded,
    torch="torch.diag_embed({x}, {offset}, {pair[0]}, {pair[1]})",
)
def diag_embed(require: Require, x: Tensor, *, offset: int, pair: Sequence[int]) -> Shape:
    """Matrices with the last axis on a diagonal, zero elsewhere; their axes are put at two places."""
    new = {a % (x.rank + 1) for a in pair}
    rest = iter(x.shape[:-1])
    n = x.shape[-1] + abs(offset)
    return tuple(n if a in new else next(rest) for a in range(x.rank + 1))


matrix_diag = spelled(
    diag_embed,
    "matrix_diag",
    "Matrices with the last axis on a diagonal, zero elsewhere.",
    keras=in_layer("x", "tf.linalg.diag(x, k={offset})"),
    reference=lambda x, offset: _embedded(x, offset),
    attrs={"offset": OFFSETS},
    rule=lambda require, x, *, offset: (*x.shape[:-1], x.shape[-1] + abs(offset), x.shape[-1] + abs(offset)),
)

matrix_diag_second_form = spelled(
    matrix_diag,
    "matrix_diag_second_form",
    keras=in_layer(
        "x",
        "tf.raw_ops.MatrixDiagV2(diagonal=x, k={offset}, num_rows=-1, num_cols=-1, "
        "padding_value=tf.zeros([], x.dtype))",
    ),
)
matrix_diag_first_form = spelled(
    matrix_diag,
    "matrix_diag_first_form",
    keras=in_layer("x", "tf.raw_ops.MatrixDiag(diagonal=x)"),
    attrs={},
    reference=lambda x: _embedded(x, 0),
    rule=lambda require, x: (*x.shape, x.shape[-1]),
)


def _triangle(name: str, doc: str, reference: Callable[..., Array], beyond: Callable[..., Any]) -> Operator:
    source = f"keras/src/backend/tensorflow/numpy.py, {name}: tf.linalg.band_part takes no band wider than the matrix"
    defects = [Defect("refuses a diagonal beyond the matrix", beyond, source)]

    @operator(
        tensor("x", rank=range(2, 6)),
        attrs={"offset": OFFSETS},
        dtypes=ANY,
        empty=True,
        reference=reference,
        torch=f"torch.{name}({{x}}, {{offset}})",
        keras=emission(f"ops.{name}({{x}}, {{offset}})", defects=defects),
    )
    def triangle(require: Require, x: Tensor, *, offset: int) -> Shape:
        """A triangle."""
        return x.shape

    return msgspec.structs.replace(triangle, name=name, doc=doc)


tril = _triangle(
    "tril",
    "Matrices without what lies above a diagonal.",
    lambda x, offset: np.tril(x, offset),
    lambda x, offset: offset > x.shape[-1],
)
triu = _triangle(
    "triu",
    "Matrices without what lies below a diagonal.",
    lambda x, offset: np.triu(x, offset),
    lambda x, offset: -offset > x.shape[-2],
)


def is_eye_wrong(rows: Size, columns: Size, offset: int) -> Any:
    """Where Keras' eye makes a larger matrix than asked for: with a diagonal that ends at the longer side."""
    return (columns - offset > rows) if offset > 0 else (rows + offset > columns) if offset < 0 else False


_WIDE_TRACE = Defect(
    "makes a mask of another shape where the diagonal ends at the longer side",
    lambda x, offset, pair: is_eye_wrong(x.shape[pair[0]], x.shape[pair[1]], offset),
    "keras/src/backend/tensorflow/numpy.py, eye, which trace calls",
)


@operator(
    tensor("x", rank=range(2, 5)),
    attrs={"offset": OFFSETS, "pair": Pair()},
    dtypes=(*FLOATS, "int32", "int64"),
    reference=lambda x, offset, pair: np.trace(wide(x), offset, *pair),
    keras=emission("ops.trace({x}, {offset}, {pair[0]}, {pair[1]})", defects=[_WIDE_TRACE]),
)
def trace_of_axes(require: Require, x: Tensor, *, offset: int, pair: Sequence[int]) -> Shape:
    """The sum of a diagonal of two axes."""
    gone = {a % x.rank for a in pair}
    rows, columns = (x.shape[a] for a in pair)
    require(both(columns >= offset, rows >= -offset), "the diagonal is not beyond the matrix")
    return tuple(n for a, n in enumerate(x.shape) if a not in gone)


@operator(
    tensor("x", rank=(2, 3, 4)),
    attrs={"below": choice(0, 1, -1, 2), "above": choice(0, 1, -1, 2)},
    dtypes=ANY,
    reference=lambda x, below, above: _banded(x, below, above),
    keras=in_layer("x", "tf.linalg.band_part(x, {below}, {above})"),
)
def matrix_band_part(require: Require, x: Tensor, *, below: int, above: int) -> Shape:
    """Matrices without what is further from the diagonal than told below and above it; -1 stands for everything."""
    require(x.shape[-2] >= below, "the band does not reach below the matrix")
    require(x.shape[-1] >= above, "the band does not reach beyond the matrix")
    return x.shape


def _banded(x: Array, below: int, above: int) -> Array:
    upper = x if below < 0 else np.triu(x, -below)
    return upper if above < 0 else np.tril(upper, above)


@operator(
    tensor("x", rank=(2, 3, 4)),
    attrs={"offset": OFFSETS},
    dtypes=ANY,
    reference=lambda x, offset: np.diagonal(x, offset, -2, -1),
    keras=in_layer("x", "tf.linalg.diag_part(x, k={offset})"),
)
def matrix_diag_part(require: Require, x: Tensor, *, offset: int) -> Shape:
    """A diagonal of each matrix."""
    count = length(x.shape[-2], x.shape[-1], offset)
    require(count >= 1, "the diagonal has entries")
    return (*x.shape[:-2], count)


matrix_diag_part_second_form = spelled(
    matrix_diag_part,
    "matrix_diag_part_second_form",
    keras=in_layer("x", "tf.raw_ops.MatrixDiagPartV2(input=x, k={offset}, padding_value=tf.zeros([], x.dtype))"),
)
matrix_diag_part_first_form = spelled(
    matrix_diag_part,
    "matrix_diag_part_first_form",
    keras=in_layer("x", "tf.raw_ops.MatrixDiagPart(input=x)"),
    attrs={},
    reference=lambda x: np.diagonal(x, 0, -2, -1),
    rule=lambda require, x: (*x.shape[:-2], minimum(x.shape[-2], x.shape[-1])),
)


def _set(x: Array, diagonal: Array, offset: int) -> Array:
    made = x.copy()
    places = np.arange(diagonal.shape[-1])
    made[..., places + max(-offset, 0), places + max(offset, 0)] = diagonal
    return made


@operator(
    tensor("x", rank=(2, 3, 4)),
    tensor("diagonal", rank=(1, 2, 3)),
    attrs={"offset": choice(0, 1, -1, 2)},
    dtypes=ANY,
    reference=_set,
    keras=in_layer("x, diagonal", "tf.linalg.set_diag(x, diagonal, k={offset})"),
)
def matrix_set_diag(require: Require, x: Tensor, diagonal: Tensor, *, offset: int) -> Shape:
    """Matrices with other values on a diagonal."""
    require(diagonal.rank == x.rank - 1, "there is a diagonal for each matrix")
    count = length(x.shape[-2], x.shape[-1], offset)
    require(count >= 1, "the diagonal has entries")
    for a, b in zip((*x.shape[:-2], count), diagonal.shape, strict=True):
        require(a == b, "there is a diagonal for each matrix")
    return x.shape


_FILLED = """
def fill_diagonal(x, value, wrap):
    return x.clone().fill_diagonal_(value, wrap=wrap)
"""


def _filled(x: Array, value: int, wrap: bool) -> Array:
    made = x.copy()
    np.fill_diagonal(made, value, wrap=wrap)
    return made


@operator(
    tensor("x", rank=2),
    attrs={"value": choice(1, 0, 2), "wrap": choice(False, True)},
    dtypes=ANY,
    reference=_filled,
    torch=emission("fill_diagonal({x}, {value}, {wrap})", helper=_FILLED),
)
def fill_diagonal(require: Require, x: Tensor, *, value: int, wrap: bool) -> Shape:
    """A matrix with one value on its diagonal, which starts anew in a tall one where told."""
    return x.shape


_MOVING = (
    diagonal,
    diagonal_copy,
    diag_of_matrix,
    diag_of_vector,
    diagflat,
    diag_embed,
    matrix_diag,
    matrix_band_part,
    matrix_diag_part,
    matrix_set_diag,
    matrix_diag_first_form,
    matrix_diag_second_form,
    matrix_diag_part_first_form,
    matrix_diag_part_second_form,
    fill_diagonal,
)

OPERATORS: Sequence[Operator] = [
    *(on_special(everywhere(op)) for op in _MOVING),
    everywhere(trace_of_axes),
    *(on_special(everywhere(op, "keras")) for op in (tril, triu)),
]
