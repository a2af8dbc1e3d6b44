"""Small entries of buckets of one's own choice."""

from __future__ import annotations

from typing import Any

import msgspec

from graphfuzz.corpus import Entry, Signature
from graphfuzz.corpus.finding import make_finding
from graphfuzz.graph import Case, Graph, Node
from graphfuzz.spec import load_registry
from tests.examples import ROUTE, case_of, crash, node, value


def chain(*operators: str) -> Case:
    """A case of these operators, one behind the other."""
    names = ["x0", *(f"v{i}" for i in range(len(operators)))]
    nodes: list[Node] = [node(op, names[i], value(names[i + 1])) for i, op in enumerate(operators)]
    return case_of(Graph((value("x0"),), (), tuple(nodes), (names[-1],)))


def entry_in(bucket: str, *operators: str, day: str = "2026-01-02", route: str = ROUTE, **fields: Any) -> Entry:
    """An entry of a bucket, with a graph of these operators (relu unless told). fields: of the entry."""
    case = chain(*operators or ("relu",))
    finding = make_finding(case.graph, crash(bucket, versions={"onnx": "1.0"}), load_registry(), day)
    mark = Signature(route, finding.verdict, (), f"ValueError {bucket}", "capture")
    finding = msgspec.structs.replace(finding, signature=mark, slug=mark.slug, route=route)
    return Entry(case, finding, {}, "# a script\n", **fields)
