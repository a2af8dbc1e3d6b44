"""Functions of square matrices, and matrices made of vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    SIGNED,
    Defect,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    both,
    either,
    emission,
    flag,
    named,
    operator,
    size,
    tensor,
)
from operators.precision import Array, wide

DOMAIN = (-2.0, 2.0)
_SOLVED = ("float32", "float64")
"""LAPACK, which both frameworks call, has no shorter floats."""


def _regular(x: Array, *others: Array, **attrs: Any) -> bool:
    """Whether every matrix is far from a singular one, so that rounding does not decide its inverse."""
    return bool(np.all(np.linalg.cond(wide(x)) < 30))


def _square(require: Require, x: Tensor) -> None:
    require(x.shape[-1] == x.shape[-2], "the matrices are square")


def determined(
    name: str,
    *,
    reference: Callable[[Array], Any],
    doc: str,
    torch: str | None = None,
    keras: str | None = None,
    defined: Callable[..., bool] = _regular,
    rank: Sequence[int] = (2, 3, 4),
) -> Operator:
    """A number for each of some square matrices."""

    def rule(require: Require, x: Tensor) -> Shape:
        _square(require, x)
        return x.shape[:-2]

    declare = operator(
        tensor("x", rank=rank),
        dtypes=_SOLVED,
        domain=DOMAIN,
        defined=defined,
        reference=reference,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


def _positive(x: Array) -> bool:
    return _regular(x) and bool(np.all(np.linalg.det(wide(x)) > 0.1))


det = determined(
    "det",
    reference=lambda x: np.linalg.det(wide(x)),
    torch="torch.det({x})",
    keras="ops.det({x})",
    doc="The determinants of square matrices.",
)
linalg_det = determined(
    "linalg_det",
    reference=lambda x: np.linalg.det(wide(x)),
    torch="torch.linalg.det({x})",
    doc="The determinants of square matrices, as PyTorch's linear algebra writes them.",
)
logdet = determined(
    "logdet",
    reference=lambda x: np.linalg.slogdet(wide(x))[1],
    defined=_positive,
    torch="torch.logdet({x})",
    doc="The logarithms of positive determinants.",
)


@operator(
    tensor("x", rank=(2, 3, 4)),
    dtypes=_SOLVED,
    domain=DOMAIN,
    defined=_regular,
    reference=lambda x: np.linalg.inv(wide(x)),
    torch="torch.linalg.inv({x})",
    keras="ops.inv({x})",
)
def inverse(require: Require, x: Tensor) -> Shape:
    """The inverses of square matrices."""
    _square(require, x)
    return x.shape


@operator(
    tensor("x", rank=(2, 3)),
    tensor("y", rank=(2, 3)),
    dtypes=_SOLVED,
    domain=DOMAIN,
    defined=_regular,
    reference=lambda x, y: np.linalg.solve(wide(x), wide(y)),
    torch="torch.linalg.solve({x}, {y})",
    keras="ops.solve({x}, {y})",
)
def solve(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The solutions of systems of linear equations."""
    require(x.rank == y.rank, "the ranks are equal")
    _square(require, x)
    require(x.shape[-1] == y.shape[-2], "there is an equation for each row")
    for a, b in zip(x.shape[:-2], y.shape[:-2], strict=False):
        require(a == b, "there are as many systems")
    return y.shape


def _power(x: Array, *, n: int) -> Array:
    return np.asarray(np.linalg.matrix_power(wide(x), n))


@operator(
    tensor("x", rank=(2, 3, 4)),
    attrs={"n": size(0, 5)},
    dtypes=FLOATS,
    domain=(-1.0, 1.0),
    reference=_power,
    torch="torch.linalg.matrix_power({x}, {n})",
)
def matrix_power(require: Require, x: Tensor, *, n: int) -> Shape:
    """Square matrices multiplied by themselves."""
    _square(require, x)
    return x.shape


@operator(
    tensor("x", rank=2),
    dtypes=(*FLOATS, "int64"),
    reference=lambda x: np.trace(wide(x)),
    torch="torch.trace({x})",
    keras="ops.trace({x})",
    empty=True,
)
def trace(require: Require, x: Tensor) -> Shape:
    """The sum of a matrix' diagonal."""
    return ()


def _summed(dtype: str) -> str:
    """Keras sums narrow integers as wider ones."""
    return {"int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}.get(dtype, dtype)


def _beside(x: Tensor, first: int, second: int, offset: Size) -> Any:
    """Whether a diagonal off the main one ends at another side than the main one of a square, or lies outside."""
    rows, columns = x.shape[first], x.shape[second]
    above = both(offset > 0, either(columns - offset > rows, offset > columns))
    return either(above, both(offset < 0, either(rows + offset > columns, 0 - offset > rows)))


@operator(
    tensor("x", rank=range(2, 6)),
    attrs={"first": axis(), "second": axis(), "offset": size(-3, 3)},
    dtypes=REAL,
    returns=lambda framework, bound, attrs: _summed(bound["T"]),
    reference=lambda x, *, first, second, offset: np.trace(wide(x), offset, first, second),
    keras=emission(
        "ops.trace({x}, offset={offset}, axis1={first}, axis2={second})",
        defects=[
            Defect(
                "it refuses most diagonals off the main one of a matrix that is not square, and those outside",
                _beside,
                "https://numpy.org/doc/stable/reference/generated/numpy.trace.html, which ops.trace follows; "
                "the mask that ops.eye makes of sizes that are tensors is wrong there",
            )
        ],
    ),
)
def trace_axes(require: Require, x: Tensor, *, first: int, second: int, offset: int) -> Shape:
    """The sums of a diagonal, on or off the main one, of the matrices in any two axes."""
    require(first % x.rank != second % x.rank, "the axes differ")
    return tuple(s for i, s in enumerate(x.shape) if i not in (first % x.rank, second % x.rank))


def _vander(x: Array, *, columns: int, increasing: bool) -> Array:
    return np.asarray(np.vander(wide(x), columns, increasing=increasing))


@operator(
    tensor("x", rank=1),
    attrs={"columns": size(1, 5), "increasing": flag()},
    dtypes=FLOATS + SIGNED,
    domain=DOMAIN,
    reference=_vander,
    # PyTorch's powers of narrower integers are int64.
    torch=emission("torch.vander({x}, {columns}, {increasing})", dtypes=(*FLOATS, "int64")),
    keras="ops.vander({x}, {columns}, {increasing})",
)
def vander(require: Require, x: Tensor, *, columns: int, increasing: bool) -> Shape:
    """Vandermonde's matrix: the powers of each element, falling or `increasing`."""
    return (x.shape[0], columns)


OPERATORS: Sequence[Operator] = [
    det,
    linalg_det,
    logdet,
    inverse,
    solve,
    matrix_power,
    trace,
    trace_axes,
    vander,
]
