"""Operators that put the entries of axes into another order: flipped, rolled, turned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import (
    ANY,
    Defect,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axes,
    axis,
    both,
    choice,
    emission,
    on_special,
    operator,
    permutation,
    size,
    sizes,
    spelled,
    tensor,
)
from operators.axes import swapaxes
from operators.spelling import Pair, everywhere


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"axes": axes()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, axes: np.flip(x, axes),
    torch="torch.flip({x}, {axes})",
    keras="ops.flip({x}, {axes})",
)
def flip(require: Require, x: Tensor, *, axes: Sequence[int]) -> Shape:
    """The entries of some axes in reverse."""
    return x.shape


@operator(
    tensor("x", rank=range(2, 7)),
    dtypes=ANY,
    empty=True,
    reference=np.fliplr,
    torch="torch.fliplr({x})",
    keras="ops.fliplr({x})",
)
def fliplr(require: Require, x: Tensor) -> Shape:
    """The entries of the second axis in reverse."""
    return x.shape


flipud = spelled(
    fliplr,
    "flipud",
    "The entries of the first axis in reverse.",
    reference=np.flipud,
    torch="torch.flipud({x})",
    keras="ops.flipud({x})",
    parameters=(tensor("x", rank=range(1, 7)),),
)


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"shift": size(-5, 5), "axis": axis()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, shift, axis: np.roll(x, shift, axis),
    torch="torch.roll({x}, {shift}, {axis})",
    keras="ops.roll({x}, {shift}, {axis})",
)
def roll(require: Require, x: Tensor, *, shift: Size, axis: int) -> Shape:
    """The entries of one axis moved along, those at its end to its start."""
    return x.shape


@operator(
    tensor("x", rank=range(1, 7)),
    attrs={"shifts": sizes(-5, 5, per="x"), "order": permutation()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, shifts, order: np.roll(x, shifts, order),
    torch="torch.roll({x}, {shifts}, {order})",
    keras="ops.roll({x}, {shifts}, {order})",
)
def roll_several(require: Require, x: Tensor, *, shifts: Sequence[Size], order: Sequence[int]) -> Shape:
    """The entries of all axes moved along, each by its own shift."""
    return x.shape


@operator(
    tensor("x", rank=range(7)),
    attrs={"shift": size(-5, 5)},
    dtypes=ANY,
    empty=True,
    reference=lambda x, shift: np.roll(x, shift),
    torch="torch.roll({x}, {shift})",
    keras="ops.roll({x}, {shift})",
)
def roll_elements(require: Require, x: Tensor, *, shift: Size) -> Shape:
    """The elements moved along as if all axes were one."""
    return x.shape


@operator(
    tensor("x", rank=range(2, 7)),
    attrs={"turns": choice(1, 0, 2, 3, 4, 5, -1, -2), "pair": Pair()},
    dtypes=ANY,
    empty=True,
    reference=lambda x, turns, pair: np.rot90(x, turns, pair),
    torch="torch.rot90({x}, {turns}, {pair})",
    keras=emission(
        "ops.rot90({x}, k={turns}, axes={pair})",
        defects=[
            Defect(
                "infers the shape of a turn by one right angle for a turn by two",
                lambda x, turns, pair: both(turns % 2 == 0, x.shape[pair[0]] != x.shape[pair[1]]),
                "keras/src/ops/numpy.py, Rot90.compute_output_spec does not look at k",
            )
        ],
    ),
)
def rot90(require: Require, x: Tensor, *, turns: int, pair: Sequence[int]) -> Shape:
    """A turn by right angles in the plane of two axes, from the first toward the second."""
    return x.shape if turns % 2 == 0 else swapaxes.rule(require, x, pair=pair)


OPERATORS: Sequence[Operator] = [
    *(on_special(everywhere(op)) for op in (roll, roll_several, roll_elements)),
    # PyTorch flips no wide unsigned integers.
    *(on_special(everywhere(op, "keras")) for op in (flip, fliplr, flipud, rot90)),
]
