"""Patterns of nodes that are not to be generated: what known issues of a route suppress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from graphfuzz.graph import Graph, Node, attribute_bin, operands
from graphfuzz.spec.operator import Tensor


class Bar(msgspec.Struct, frozen=True):
    """Nodes of one operator.

    dtypes: of which any operand is one; all where none is named. ranks: of the first operand; all where none is named.
    attributes: of each that is named, the bins (see `attribute_bin`) that it is in.
    """

    operator: str
    dtypes: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    attributes: Mapping[str, tuple[str, ...]] = {}

    def stops(self, op: str, operands: Sequence[Tensor], attrs: Mapping[str, Any]) -> bool:
        """Whether a use of the operator on these operands, with these attributes, is of the pattern."""
        return (
            op == self.operator
            and (not self.dtypes or any(operand.dtype in self.dtypes for operand in operands))
            and (not self.ranks or operands[0].rank in self.ranks)
            and all(attribute_bin(attrs[name]) in bins for name, bins in self.attributes.items())
        )


def stopped(bars: Iterable[Bar], graph: Graph) -> list[Node]:
    """The nodes of a graph that any of the patterns has."""
    return [n for n in graph.nodes if any(bar.stops(n.op, operands(graph, n), n.attrs) for bar in bars)]
