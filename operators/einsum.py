"""Products of tensors over axes that are named or paired."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    FLOATS,
    REAL,
    Defect,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    axis,
    both,
    broadcast,
    emission,
    flag,
    operator,
    tensor,
    variadic,
    weight,
)
from graphfuzz.spec.operator import MAX_RANK
from operators.linear import DOMAIN, PRODUCTS, exact
from operators.precision import Array, wide

Rank = Callable[[str], int]

USUAL = (
    "i,j->ij",
    "ij,j->i",
    "ij,jk->ik",
    "ij,kj->ik",
    "ij,jk",
    "ij,ij",
    "abc,cd->abd",
    "abc,dc->abd",
    "abc,cde->abde",
    "abc,dce->abde",
    "abc,dec->abde",
    "abcd,abde->abce",
    "abcd,abed->abce",
    "abcd,adbe->acbe",
    "abcd,aecd->acbe",
    "abcd,aecd->aceb",
    "abcd,cde->abe",
    "abcd,ecd->abe",
    "bij,bjk->bik",
    "bhid,bhjd->bhij",
    "...ij,...jk->...ik",
    "...i,...i->...",
    "...i,ij->...j",
    "ij->ji",
    "ij->",
    "ba",
    "...ij->...ji",
    "bij,bjk,bkl->bil",
    "i,j,k->ijk",
)
"""Equations that people write, several of which Keras or a converter treats on its own."""


def _axes(term: str, rank: int) -> list[str]:
    """A term's axes by name; those under dots are named by their place from the right."""
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after) if dots else 0
    return [*before, *(f".{i}" for i in range(hidden, 0, -1)), *after]


def terms(equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """The names of each operand's axes, and of the result's: without an arrow, those used once, in order."""
    left, arrow, right = equation.partition("->")
    given = [_axes(term, rank) for term, rank in zip(left.split(","), ranks, strict=True)]
    hidden = max((sum(name[0] == "." for name in names) for names in given), default=0)
    if not arrow:
        right = "..." * ("..." in left) + "".join(n for n in sorted(set(left)) if n.isalpha() and left.count(n) == 1)
    return given, _axes(right, hidden + len(right.replace("...", "")))


class Equation(msgspec.Struct, frozen=True):
    """An equation over the operands named in `between`, as np.einsum takes it."""

    between: tuple[str, ...]

    def draw(self, rng: random.Random, rank: Rank) -> str:
        usual = [equation for equation in USUAL if self.problem(equation, rank) is None]
        if usual and rng.random() < 0.4:
            return rng.choice(usual)
        return draw_equation(rng, [rank(name) for name in self.between])

    def problem(self, value: Any, rank: Rank) -> str | None:
        if not isinstance(value, str):
            return f"is {value!r}, not an equation"
        ranks, left = [rank(name) for name in self.between], value.partition("->")[0].split(",")
        lengths = [len(term.replace("...", "")) for term in left]
        fits = len(left) == len(ranks) and all(
            length == r or ("..." in term and length <= r) for term, length, r in zip(left, lengths, ranks, strict=True)
        )
        return None if fits else f"is {value!r}, which does not fit the ranks {ranks}"


def draw_equation(
    rng: random.Random, ranks: Sequence[int], alike: Callable[[int, int, int, int], bool] = lambda *places: True
) -> str:
    """A random equation for operands of these ranks: axes shared, kept, summed and reordered.

    alike: whether an earlier operand's axis (the operand's place, the axis) may be named as another's (the same).
    """
    names: list[list[str]] = []
    fresh = iter("abcdefghijklmnopqrst")
    for place, count in enumerate(ranks):
        mine: list[str] = []
        for at in range(count):
            known = [(i, a, n) for i, term in enumerate(names) for a, n in enumerate(term) if n not in mine]
            shared = [n for i, a, n in known if alike(i, a, place, at)]
            mine.append(rng.choice(shared) if shared and rng.random() < 0.6 else next(fresh))
        names.append(mine)
    used = [name for term in names for name in term]
    if rng.random() < 0.1 and sum(used.count(n) == 1 for n in used) <= MAX_RANK:
        return ",".join(map("".join, names))
    kept = [n for n in dict.fromkeys(used) if rng.random() < (0.8 if used.count(n) == 1 else 0.4)]
    rng.shuffle(kept)
    return f"{','.join(map(''.join, names))}->{''.join(kept[:MAX_RANK])}"


STRETCHED = ("abcd,abde->abce", "abcd,abed->abce", "abcd,adbe->acbe", "abcd,aecd->acbe", "abcd,aecd->aceb")
"""Equations that Keras computes as a matrix product, which stretches the axes before the last two as PyTorch does."""


def _stretched(equation: str) -> set[str]:
    """The names of axes whose sizes of one are stretched."""
    names = list(dict.fromkeys(n for n in equation if n.isalpha()))
    usual = "".join("abcdefghijklmnopqrst"[names.index(n)] if n.isalpha() else n for n in equation)
    left, _, right = equation.partition("->")
    return {n for n in right if left.count(n) == 2} if usual in STRETCHED else set()


def contraction(require: Require, equation: str, operands: Sequence[Tensor]) -> Shape:
    """The result's shape: axes of one name have one size, those under dots are broadcast."""
    given, made = terms(equation, [t.rank for t in operands])
    stretched = _stretched(equation)
    sizes: dict[str, Size] = {}
    for names, operand in zip(given, operands, strict=True):
        for name, size in zip(names, operand.shape, strict=True):
            if (name[0] == "." or name in stretched) and name in sizes:
                (sizes[name],) = broadcast(require, (sizes[name],), (size,))
            else:
                require(sizes.setdefault(name, size) == size, f"the sizes named {name} are equal")
    return tuple(sizes[name] for name in made)


def _keras(equation: str, **operands: Operand) -> str:
    """ops.einsum of operands of which none is stretched, which TensorFlow may do wrong: see `linear.STRETCHED`."""
    given, _ = terms(equation, [operand.rank for operand in operands.values()])
    loose = {name for names in given for name in names if name[0] == "."} | _stretched(equation)
    sized = [dict(zip(names, t.shape, strict=True)) for names, t in zip(given, operands.values(), strict=True)]
    largest = {name: max(sizes.get(name, 1) for sizes in sized) for name in loose}
    hidden = sum(name[0] == "." for name in loose)
    written = []
    for term, operand, sizes in zip(equation.partition("->")[0].split(","), operands.values(), sized, strict=True):
        names = _axes(term, hidden + len(term.replace("...", "")))
        full = tuple(largest[name] if name in loose else sizes[name] for name in names)
        written.append(operand if full == operand.shape else f"ops.broadcast_to({operand}, {full})")
    return f"ops.einsum({equation!r}, {', '.join(written)})"


# PyTorch sums narrower integers as int64, and does not for products.
_KEPT = (*FLOATS, "int64")


def _summed(*operands: Array, equation: str) -> Array:
    return np.asarray(np.einsum(equation, *map(wide, operands)))


def _fitting(rng: random.Random, operands: Sequence[Tensor], attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """An equation that gives one name only to axes of one size."""
    shapes = [t.shape for t in operands]
    ranks = [t.rank for t in operands]
    return {"equation": draw_equation(rng, ranks, lambda i, a, j, b: bool(shapes[i][a] == shapes[j][b]))}


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("y", rank=range(1, 5)),
    attrs={"equation": Equation(("x", "y"))},
    dtypes=REAL,
    domain=DOMAIN,
    defined=exact(_summed),
    propose=_fitting,
    reference=_summed,
    torch=emission("torch.einsum({equation!r}, {x}, {y})", dtypes=_KEPT),
    keras=emission(_keras, dtypes=PRODUCTS),
)
def einsum(require: Require, x: Tensor, y: Tensor, *, equation: str) -> Shape:
    """Sums of products of two tensors, by Einstein's convention.

    https://numpy.org/doc/stable/reference/generated/numpy.einsum.html
    """
    return contraction(require, equation, (x, y))


@operator(
    tensor("x", rank=range(1, 6)),
    attrs={"equation": Equation(("x",))},
    dtypes=REAL,
    domain=DOMAIN,
    defined=exact(_summed),
    reference=_summed,
    torch=emission("torch.einsum({equation!r}, {x})", dtypes=_KEPT),
    keras=emission(
        "ops.einsum({equation!r}, {x})",
        dtypes=PRODUCTS,
        defects=[
            Defect(
                "it takes axes in the order of their appearance, not of the alphabet, where there is no arrow",
                lambda x, equation: "->" not in equation and list(equation) != sorted(equation),
                "https://numpy.org/doc/stable/reference/generated/numpy.einsum.html: "
                "np.einsum('ba', a) is a.T; ops.einsum renames the axes first",
            )
        ],
    ),
)
def einsum_one(require: Require, x: Tensor, *, equation: str) -> Shape:
    """Sums and transpositions of one tensor, by Einstein's convention."""
    return contraction(require, equation, (x,))


@operator(
    tensor("x", rank=range(1, 4)),
    tensor("y", rank=range(1, 4)),
    tensor("z", rank=range(1, 4)),
    attrs={"equation": Equation(("x", "y", "z"))},
    dtypes=FLOATS,
    domain=(-1.0, 1.0),
    propose=_fitting,
    reference=_summed,
    torch="torch.einsum({equation!r}, {x}, {y}, {z})",
    keras=_keras,
)
def einsum_three(require: Require, x: Tensor, y: Tensor, z: Tensor, *, equation: str) -> Shape:
    """Sums of products of three tensors, by Einstein's convention."""
    return contraction(require, equation, (x, y, z))


# Over paired axes


class Pairs(msgspec.Struct, frozen=True):
    """Axes of x and then as many of y, all counted from the start: those summed over together."""

    def draw(self, rng: random.Random, rank: Rank) -> tuple[int, ...]:
        count = rng.randint(0, min(rank("x"), rank("y")))
        return (*rng.sample(range(rank("x")), count), *rng.sample(range(rank("y")), count))

    def problem(self, value: Any, rank: Rank) -> str | None:
        if not isinstance(value, tuple) or len(value) % 2 or not all(isinstance(a, int) for a in value):
            return f"is {value!r}, not pairs of axes"
        for name, half in zip("xy", _halves(value), strict=True):
            if len(set(half)) != len(half) or not all(0 <= a < rank(name) for a in half):
                return f"names {half}, which are no axes of {name}"
        return None


def _halves(pairs: Sequence[int]) -> list[list[int]]:
    half = len(pairs) // 2
    return [list(pairs[:half]), list(pairs[half:])]


def _paired(rng: random.Random, operands: Sequence[Tensor], attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Pairs of axes of one size."""
    x, y = (t.shape for t in operands)
    fitting = [(a, b) for a in range(len(x)) for b in range(len(y)) if bool(x[a] == y[b])]
    chosen: list[tuple[int, int]] = []
    for a, b in rng.sample(fitting, len(fitting)):
        if all(a != c and b != d for c, d in chosen) and rng.random() < 0.7:
            chosen.append((a, b))
    return {"pairs": (*(a for a, _ in chosen), *(b for _, b in chosen))}


def _tensordot(x: Array, y: Array, *, pairs: Sequence[int]) -> Array:
    mine, others = _halves(pairs)
    return np.asarray(np.tensordot(wide(x), wide(y), (mine, others)))


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("y", rank=range(1, 5)),
    attrs={"pairs": Pairs()},
    dtypes=REAL,
    domain=DOMAIN,
    defined=exact(_tensordot),
    propose=_paired,
    reference=_tensordot,
    torch=lambda x, y, pairs: f"torch.tensordot({x}, {y}, {_halves(pairs)})",
    keras=emission(lambda x, y, pairs: f"ops.tensordot({x}, {y}, {_halves(pairs)})", dtypes=PRODUCTS),
)
def tensordot(require: Require, x: Tensor, y: Tensor, *, pairs: Sequence[int]) -> Shape:
    """Sums of products of two tensors along pairs of axes; then x's other axes, then y's."""
    mine, others = _halves(pairs)
    for a, b in zip(mine, others, strict=True):
        require(x.shape[a] == y.shape[b], "axes that are summed together have one size")
    left = tuple(s for i, s in enumerate(x.shape) if i not in mine)
    return (*left, *(s for i, s in enumerate(y.shape) if i not in others))


# As layers


def _unit(x: Array, axis: int) -> Array:
    return np.asarray(wide(x) / np.sqrt(np.maximum(np.sum(wide(x) ** 2, axis, keepdims=True), 1e-12)))


def _dot(x: Array, y: Array, *, x_axis: int, y_axis: int, normalize: bool) -> Array:
    x, y = (_unit(x, x_axis), _unit(y, y_axis)) if normalize else (wide(x), wide(y))
    left, right = "bijk"[: x.ndim], "bpqr"[: y.ndim]
    right = right.replace(right[y_axis], left[x_axis])
    made = "".join(n for n in left + right[1:] if n != left[x_axis])
    result = np.einsum(f"{left},{right}->{made}", x, y)
    return np.asarray(result if result.ndim > 1 else result[:, None])


def _long_enough(x: Array, y: Array, *, x_axis: int, y_axis: int, normalize: bool) -> bool:
    lengths = [np.sum(wide(t) ** 2, a) for t, a in ((x, x_axis), (y, y_axis))]
    return not normalize or all(bool(np.all(length > 1e-4)) for length in lengths)


@operator(
    tensor("x", rank=(2, 3)),
    tensor("y", rank=(2, 3)),
    attrs={"x_axis": axis("x"), "y_axis": axis("y"), "normalize": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    defined=_long_enough,
    reference=_dot,
    keras=emission(
        "{layer}([{x}, {y}])",
        layer='layers.Dot(axes=({x_axis}, {y_axis}), normalize={normalize}, dtype="{x.dtype}")',
    ),
)
def dot_layer(require: Require, x: Tensor, y: Tensor, *, x_axis: int, y_axis: int, normalize: bool) -> Shape:
    """Sums of products along an axis of each, batch by batch, of what may be scaled to length one first."""
    require(x_axis % x.rank != 0, "the axis is not the batch's")
    require(y_axis % y.rank != 0, "the axis is not the batch's")
    require(x.shape[0] == y.shape[0], "the batches have one size")
    require(x.shape[x_axis] == y.shape[y_axis], "axes that are summed together have one size")
    left = [s for i, s in enumerate(x.shape) if i != x_axis % x.rank]
    right = [s for i, s in enumerate(y.shape) if i not in (0, y_axis % y.rank)]
    made = (*left, *right)
    return made if len(made) > 1 else (*made, 1)


DENSE = (
    "ab,bc->ac",
    "abc,cd->abd",
    "abc,cde->abde",
    "abc,bcd->ad",
    "abc,bd->acd",
    "abc,bd->adc",
    "abcd,cde->abe",
    "abcd,ce->abde",
    "abcd,de->abce",
    "abcd,bce->ade",
    "abcd,bcde->ae",
)
"""Equations of dense layers: the input, the kernel, the result."""


class DenseEquation(msgspec.Struct, frozen=True):
    """An equation of `DENSE` that fits the ranks of x and kernel (where there is one)."""

    def draw(self, rng: random.Random, rank: Rank) -> str:
        return rng.choice([e for e in DENSE if self.problem(e, rank) is None] or DENSE)

    def problem(self, value: Any, rank: Rank) -> str | None:
        if value not in DENSE:
            return f"is {value!r}, none of the equations"
        lengths = [len(term) for term in value.partition("->")[0].split(",")]
        return None if lengths == [rank("x"), rank("kernel")] else f"is {value!r}, which does not fit the ranks"


def _dense(x: Array, kernel: Array, *bias: Array, equation: str) -> Array:
    result = np.einsum(equation, wide(x), wide(kernel))
    return np.asarray(result + wide(bias[0])) if bias else result


def _biased(x: Tensor, kernel: Tensor, *bias: Tensor, equation: str) -> Any:
    if not bias or bias[0].rank != 2 or len(equation.partition("->")[2]) != 4:
        return False
    length, last = bias[0].shape
    return both(last == 1, length != 1, length == x.shape[1])


def _dense_layer(x: Operand, kernel: Operand, bias: Operands, equation: str, **_: Any) -> str:
    left, _arrow, made = equation.partition("->")
    sizes = dict(zip(left.replace(",", ""), (*x.shape, *kernel.shape), strict=True))
    axes = repr(made[-bias.each[0].rank :]) if bias.each else None
    shape = tuple(sizes[n] for n in made[1:])
    return f'layers.EinsumDense({equation!r}, output_shape={shape}, bias_axes={axes}, dtype="{x.dtype}")'


@operator(
    tensor("x", rank=range(2, 5)),
    weight("kernel", rank=range(2, 5)),
    variadic("bias", (0, 1), role="weight", rank=(1, 2)),
    attrs={"equation": DenseEquation()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_dense,
    keras=emission(
        "{layer}({x})",
        layer=_dense_layer,
        state=lambda kernel, bias, **_: dict(zip(("kernel", "bias"), (kernel, *bias.each), strict=False)),
        defects=[
            Defect(
                "it adds a bias (n, 1) along the second axis where that is as long as n",
                _biased,
                "keras/src/backend/tensorflow/numpy.py, add: what squeezes to a vector as long as the second axis is "
                "taken for its bias (ops.add(ops.zeros((2, 5, 5, 1)), b) with b of (5, 1) is wrong)",
            )
        ],
    ),
)
def einsum_dense(require: Require, x: Tensor, kernel: Tensor, *bias: Tensor, equation: str) -> Shape:
    """Keras' dense layer over named axes, with a bias for the trailing axes of the result, or none."""
    require(DenseEquation().problem(equation, {"x": x.rank, "kernel": kernel.rank}.__getitem__) is None, "it fits")
    result = contraction(require, equation, (x, kernel))
    for values in bias:
        require(values.rank < len(result), "the bias has fewer axes than the result")
        for a, b in zip(values.shape, result[len(result) - values.rank :], strict=False):
            require(a == b, "the bias has the sizes of the result's trailing axes")
    return result


OPERATORS: Sequence[Operator] = [einsum, einsum_one, einsum_three, tensordot, dot_layer, einsum_dense]
