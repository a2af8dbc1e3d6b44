"""Operators that look rows of a table up, each by itself or in bags that are folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    INDICES,
    Operand,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    flag,
    index,
    operator,
    sizes,
    spelled,
    weight,
)
from operators.precision import Array, wide


def _rows(table: Tensor, **_: object) -> tuple[Any, Any]:
    return 0, table.shape[0] - 1


@operator(
    weight("table", rank=2),
    index("ids", rank=range(5), domain=_rows),
    dtypes={"T": FLOATS, "I": INDICES},
    domain=(-4.0, 4.0),
    reference=lambda table, ids: table[ids],
    special=FRAMEWORKS,
    torch=emission(
        "{layer}({ids})",
        layer="nn.Embedding({table.shape[0]}, {table.shape[1]})",
        state={"weight": "{table}"},
    ),
    keras=emission(
        "{layer}({ids})",
        layer='layers.Embedding({table.shape[0]}, {table.shape[1]}, dtype="{table.dtype}")',
        state={"embeddings": "{table}"},
    ),
)
def embedding(require: Require, table: Tensor, ids: Tensor) -> Shape:
    """The row of a table (entries, features) for each id."""
    return (*ids.shape, table.shape[1])


embedding_function = spelled(embedding, "embedding_function", torch="F.embedding({ids}, {table})")
# Where nothing is learned, the row that is not learned is a row like any other.
embedding_padded = spelled(
    embedding,
    "embedding_padded",
    torch=emission(
        "{layer}({ids})",
        layer="nn.Embedding({table.shape[0]}, {table.shape[1]}, padding_idx=0)",
        state={"weight": "{table}"},
    ),
)


def _renormalized(table: Array, ids: Array, largest: float, power: float) -> Array:
    """Rows whose norm is too large, scaled to the largest one; 1e-7 is added to a norm, as embedding_renorm does."""
    rows = wide(table)
    norms = np.sum(np.abs(rows) ** power, 1, keepdims=True) ** (1 / power)
    return np.asarray(np.where(norms > largest, rows * (largest / (norms + 1e-7)), rows)[ids])


@operator(
    weight("table", rank=2),
    index("ids", rank=(1, 2), domain=_rows),
    attrs={"largest": choice(1.0, 2.0, 5.0), "power": choice(2.0, 1.0)},
    dtypes={"T": ("float32", "float64"), "I": INDICES},
    domain=(-4.0, 4.0),
    reference=_renormalized,
    torch="F.embedding({ids}, {table}, max_norm={largest}, norm_type={power})",
)
def embedding_renormalized(require: Require, table: Tensor, ids: Tensor, *, largest: float, power: float) -> Shape:
    """The row of a table for each id, scaled down where its norm is too large."""
    return (*ids.shape, table.shape[1])


def _fold(rows: Array, mode: str) -> Array:
    """One bag's rows; a bag without rows is zero."""
    if len(rows) == 0:
        return np.zeros(rows.shape[1:])
    folds: Mapping[str, Callable[..., Array]] = {"sum": np.sum, "mean": np.mean, "max": np.max}
    return np.asarray(folds[mode](wide(rows), 0))


_LAYER = 'nn.EmbeddingBag({table.shape[0]}, {table.shape[1]}, mode="{mode}")'


@operator(
    weight("table", rank=2),
    index("ids", rank=2, domain=_rows),
    attrs={"mode": choice("sum", "mean", "max")},
    dtypes={"T": FLOATS, "I": INDICES},
    domain=(-4.0, 4.0),
    reference=lambda table, ids, mode: np.stack([_fold(table[bag], mode) for bag in ids]),
    torch='F.embedding_bag({ids}, {table}, mode="{mode}")',
)
def embedding_bag(require: Require, table: Tensor, ids: Tensor, *, mode: str) -> Shape:
    """The sum, mean or maximum of the rows for each row of ids."""
    return (ids.shape[0], table.shape[1])


embedding_bag_layer = spelled(
    embedding_bag,
    "embedding_bag_layer",
    torch=emission("{layer}({ids})", layer=_LAYER, state={"weight": "{table}"}),
)


def _starts(lengths: Sequence[int]) -> list[int]:
    """Where each bag starts; the last one, which follows those of the given lengths, takes what is left."""
    return [sum(lengths[:i]) for i in range(len(lengths) + 1)]


def _bags(ids: Array, lengths: Sequence[int]) -> list[Array]:
    return [ids[a:b] for a, b in pairwise([*_starts(lengths), len(ids)])]


def _torch_bags(table: Operand, ids: Operand, mode: str, lengths: Sequence[int], last: bool) -> str:
    starts = _starts(lengths) + [ids.shape[0]] * last
    return f'F.embedding_bag({ids}, {table}, torch.tensor({starts}), mode="{mode}", include_last_offset={last})'


@operator(
    weight("table", rank=2),
    index("ids", rank=1, domain=_rows),
    attrs={"mode": choice("sum", "mean", "max"), "lengths": sizes(0, 4, count=range(1, 4)), "last": flag()},
    dtypes={"T": FLOATS, "I": ("int64",)},
    domain=(-4.0, 4.0),
    reference=lambda table, ids, mode, lengths, last: np.stack(
        [_fold(table[bag], mode) for bag in _bags(ids, lengths)]
    ),
    torch=_torch_bags,
)
def embedding_bag_offsets(
    require: Require, table: Tensor, ids: Tensor, *, mode: str, lengths: Sequence[Size], last: bool
) -> Shape:
    """The sum, mean or maximum of the rows of each bag, which are told by where they start in the ids."""
    require(sum(lengths[1:], lengths[0]) <= ids.shape[0], "the last bag starts in the ids")
    return (len(lengths) + 1, table.shape[1])


@operator(
    weight("table", rank=2),
    index("ids", "I", rank=2, domain=_rows),
    weight("factors", rank=2),
    dtypes={"T": FLOATS, "I": INDICES},
    domain=(-2.0, 2.0),
    reference=lambda table, ids, factors: np.sum(wide(table)[ids] * wide(factors)[..., None], 1),
    torch='F.embedding_bag({ids}, {table}, mode="sum", per_sample_weights={factors})',
)
def embedding_bag_weighted(require: Require, table: Tensor, ids: Tensor, factors: Tensor) -> Shape:
    """The sum of the rows for each row of ids, each row times a factor."""
    for a, b in zip(ids.shape, factors.shape, strict=True):
        require(a == b, "there is a factor for each id")
    return (ids.shape[0], table.shape[1])


@operator(
    weight("table", rank=2),
    index("ids", "I", rank=2, domain=_rows),
    attrs={"mode": choice("sum", "mean", "max"), "skipped": choice(0, -1)},
    dtypes={"T": FLOATS, "I": INDICES},
    domain=(-4.0, 4.0),
    reference=lambda table, ids, mode, skipped: np.stack(
        [_fold(table[bag[bag != skipped % len(table)]], mode) for bag in ids]
    ),
    torch='F.embedding_bag({ids}, {table}, mode="{mode}", padding_idx={skipped})',
)
def embedding_bag_padded(require: Require, table: Tensor, ids: Tensor, *, mode: str, skipped: int) -> Shape:
    """The sum, mean or maximum of the rows for each row of ids, one id left out."""
    return (ids.shape[0], table.shape[1])


OPERATORS: Sequence[Operator] = [
    embedding,
    embedding_function,
    embedding_padded,
    embedding_renormalized,
    embedding_bag,
    embedding_bag_layer,
    embedding_bag_offsets,
    embedding_bag_weighted,
    embedding_bag_padded,
]
