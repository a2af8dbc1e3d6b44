"""Operators that join tensors, end to end, side by side, or in all combinations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, combinations_with_replacement
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    Defect,
    Emission,
    Operands,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    choice,
    emission,
    flag,
    on_special,
    operator,
    spelled,
    tensor,
    variadic,
)
from operators.precision import Array
from operators.spelling import everywhere, in_layer, keras_layer


def _joined(require: Require, shapes: Sequence[Shape], axis: int) -> Shape:
    first = shapes[0]
    joined = axis % len(first)
    for shape in shapes[1:]:
        require(len(shape) == len(first), "the ranks are equal")
        for i, (a, b) in enumerate(zip(first, shape, strict=True)):
            require(i == joined or a == b, "sizes beside the joined axis are equal")
    total = sum((shape[joined] for shape in shapes[1:]), first[joined])
    return (*first[:joined], total, *first[joined + 1 :])


@operator(
    variadic("xs", range(1, 6), rank=range(1, 7)),
    attrs={"axis": axis("xs")},
    dtypes=ANY,
    empty=True,
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    torch="torch.cat([{xs}], dim={axis})",
    keras="ops.concatenate([{xs}], axis={axis})",
)
def concat(require: Require, *xs: Tensor, axis: int) -> Shape:
    """Tensors end to end along one axis."""
    return _joined(require, [x.shape for x in xs], axis)


def _call_dense(layer: str, xs: Operands, **_: Any) -> str:
    """Keras takes what is multiplied by a constant for sparse, and then asks constants whether they are, too."""
    first, *others = xs.each
    return f"{layer}([{', '.join([f'ops.convert_to_tensor({first}, sparse=False)', *others])}])"


concat_layer = spelled(
    concat,
    "concat_layer",
    keras=keras_layer(
        "layers.Concatenate(axis={axis})",
        _call_dense,
        typed=True,
        dtypes=[d for d in ANY if d not in ("int8", "uint64")],
    ),
)
concatenate = spelled(concat, "concatenate", torch="torch.concatenate([{xs}], {axis})")

# The form that TensorFlow wrote first, with the axis in front.
concat_first_form = spelled(
    concat,
    "concat_first_form",
    keras=in_layer("*xs", "tf.raw_ops.Concat(concat_dim={axis}, values=list(xs))"),
    parameters=(variadic("xs", range(2, 5), rank=range(1, 7)),),
)


@operator(
    variadic("xs", (2, 3)),
    dtypes=ANY,
    empty=True,
    reference=lambda *xs: xs,
    keras=in_layer("*xs", "tf.identity_n(list(xs))"),
)
def identity_n(require: Require, *xs: Tensor) -> list[Shape]:
    """Several tensors as they are."""
    return [x.shape for x in xs]


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("y", rank=range(1, 7)),
    attrs={"axis": axis()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, y, axis: np.append(x, y, axis),
    torch="torch.concat(({x}, {y}), {axis})",
    keras="ops.append({x}, {y}, axis={axis})",
)
def append(require: Require, x: Tensor, y: Tensor, *, axis: int) -> Shape:
    """One tensor behind another along an axis."""
    return _joined(require, [x.shape, y.shape], axis)


def _stacking(
    name: str, doc: str, lifted: Callable[[Shape], Shape], axis: int, keras: Emission | None = None
) -> Operator:
    """Tensors brought to a least rank and joined along an axis (the last one, where there are fewer)."""

    @operator(
        variadic("xs", range(1, 4), rank=range(1, 6)),
        dtypes=ANY,
        empty=True,
        reference=lambda *xs: getattr(np, name.replace("row", "v").replace("v_", "v"))(xs),
        torch=f"torch.{name}(({{xs}},))",
        keras=keras,
    )
    def stacked(require: Require, *xs: Tensor) -> Shape:
        """Joined."""
        shapes = [lifted(x.shape) for x in xs]
        return _joined(require, shapes, min(axis, len(shapes[0]) - 1))

    return msgspec.structs.replace(stacked, name=name, doc=doc)


def _row(shape: Shape) -> Shape:
    return (1, *shape) if len(shape) == 1 else shape


def _column(shape: Shape) -> Shape:
    return (*shape, 1) if len(shape) == 1 else shape


def _deep(shape: Shape) -> Shape:
    return {1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape)


def _wrong_on_vectors(name: str, what: str) -> Emission:
    source = f"keras/src/ops/numpy.py, {name.capitalize()}.compute_output_spec: it forgets that vectors become matrices"
    defects = [Defect(what, lambda *xs: any(x.rank == 1 for x in xs), source)]
    return emission(f"ops.{name}([{{xs}}])", defects=defects)


STACKS = [
    _stacking(
        "hstack",
        "Side by side: along the second axis, the first of vectors.",
        lambda shape: shape,
        1,
        _wrong_on_vectors("hstack", "fails with an IndexError on vectors that are not known yet"),
    ),
    _stacking(
        "vstack",
        "One above the other: along the first axis, vectors as rows.",
        _row,
        0,
        _wrong_on_vectors("vstack", "infers a vector for vectors that are not known yet"),
    ),
    _stacking("row_stack", "One above the other, as vstack.", _row, 0),
    _stacking("dstack", "One behind the other: along the third axis.", _deep, 2, emission("ops.dstack([{xs}])")),
    _stacking("column_stack", "Side by side, vectors as columns.", _column, 1),
]


@operator(
    variadic("xs", range(1, 5), rank=range(6)),
    attrs={"axis": axis("xs", extra=1)},
    dtypes=ANY,
    empty=True,
    reference=lambda *xs, axis: np.stack(xs, axis),
    torch="torch.stack([{xs}], dim={axis})",
    keras="ops.stack([{xs}], axis={axis})",
)
def stack(require: Require, *xs: Tensor, axis: int) -> Shape:
    """Tensors of one shape along a new axis."""
    first = xs[0]
    for x in xs[1:]:
        require(x.rank == first.rank, "the ranks are equal")
        for a, b in zip(first.shape, x.shape, strict=True):
            require(a == b, "the shapes are equal")
    place = axis % (first.rank + 1)
    return (*first.shape[:place], len(xs), *first.shape[place:])


def _corner(*xs: Array) -> Array:
    made = np.zeros((sum(x.shape[0] for x in xs), sum(x.shape[1] for x in xs)), xs[0].dtype)
    row = column = 0
    for x in xs:
        made[row : row + x.shape[0], column : column + x.shape[1]] = x
        row, column = row + x.shape[0], column + x.shape[1]
    return made


@operator(
    variadic("xs", range(1, 4), rank=2),
    dtypes=ANY,
    empty=True,
    reference=_corner,
    torch="torch.block_diag({xs})",
)
def block_diag(require: Require, *xs: Tensor) -> Shape:
    """Matrices along the diagonal of a matrix that is zero elsewhere."""
    rows, columns = ([x.shape[a] for x in xs] for a in (0, 1))
    return (sum(rows[1:], rows[0]), sum(columns[1:], columns[0]))


def _grid_shape(xs: Sequence[Tensor], indexing: str) -> Shape:
    shape = [x.shape[0] for x in xs]
    return tuple(shape if indexing == "ij" else [shape[1], shape[0], *shape[2:]])


@operator(
    variadic("xs", (2, 3, 4), rank=1),
    attrs={"indexing": choice("ij", "xy")},
    dtypes=ANY,
    empty=True,
    reference=lambda *xs, indexing: np.meshgrid(*xs, indexing=indexing),
    torch='torch.meshgrid({xs}, indexing="{indexing}")',
    keras=emission(
        'ops.meshgrid({xs}, indexing="{indexing}")',
        defects=[
            Defect(
                "infers float32 for grids of any dtype",
                lambda *xs, indexing: xs[0].dtype != "float32",
                "keras/src/ops/numpy.py, Meshgrid.compute_output_spec",
            )
        ],
    ),
)
def meshgrid(require: Require, *xs: Tensor, indexing: str) -> list[Shape]:
    """The coordinates of all points of a grid, from those of each of its axes."""
    return [_grid_shape(xs, indexing)] * len(xs)


@operator(
    variadic("xs", (2, 3), rank=1),
    dtypes=ANY,
    empty=True,
    reference=lambda *xs: np.stack([g.ravel() for g in np.meshgrid(*xs, indexing="ij")], -1),
    torch="torch.cartesian_prod({xs})",
)
def cartesian_prod(require: Require, *xs: Tensor) -> Shape:
    """All ways to take one entry of each vector, a way a row."""
    rows = xs[0].shape[0]
    for x in xs[1:]:
        rows = rows * x.shape[0]
    return (rows, len(xs))


def _combined(x: Array, again: bool) -> Array:
    pairs = list((combinations_with_replacement if again else combinations)(range(len(x)), 2))
    return x[np.asarray(pairs, np.int64).reshape(len(pairs), 2)]


@operator(
    tensor("x", rank=1),
    attrs={"again": flag()},
    dtypes=ANY,
    reference=_combined,
    torch="torch.combinations({x}, 2, with_replacement={again})",
)
def combinations_of_two(require: Require, x: Tensor, *, again: bool) -> Shape:
    """All pairs of entries, those of an entry with itself included where told."""
    n = x.shape[0]
    return (n * (n + 1 if again else n - 1) // 2, 2)


JOINED = (concat, concat_layer, concatenate, append, *STACKS, stack)
GRIDS = (block_diag, meshgrid, cartesian_prod)
OPERATORS: Sequence[Operator] = [
    *(on_special(everywhere(op, "torch")) for op in JOINED),
    on_special(combinations_of_two),
    *(on_special(everywhere(op)) for op in (*GRIDS, concat_first_form, identity_n)),
]
