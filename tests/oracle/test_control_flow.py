"""Control flow that an exporter says it cannot take is unsupported, not a crash; what it can take agrees."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuzz.graph import Case, Graph, Node, Value
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from graphfuzz.spec import Registry, emission, unary

HIGHER_ORDER = emission(
    "torch.cond({x}.sum() > 0, branched_if, branched_else, ({x},))",
    helper="""
    def branched_if(x):
        return x * 2


    def branched_else(x):
        return x - 1
    """,
)
SCRIPTED = emission(
    "branched({x})",
    helper="""
    @torch.jit.script
    def branched(x):
        if bool(x.sum() > 0):
            y = x * 2
        else:
            y = x - 1
        return y
    """,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.mark.parametrize(
    ("route", "written", "verdict"),
    [
        ("torch-dynamo-ort", HIGHER_ORDER, "ok"),
        ("torch-script-ort", HIGHER_ORDER, "unsupported"),
        ("torch-dynamo-ort", SCRIPTED, "unsupported"),
        ("torch-script-ort", SCRIPTED, "ok"),
    ],
)
def test_each_exporter_takes_its_own_branches(route: str, written: object, verdict: str) -> None:
    branched = unary(
        "branched",
        ("float32",),
        reference=lambda x: x * 2 if np.sum(x) > 0 else x - 1,
        torch=written,  # type: ignore[arg-type]
    )
    x, v = Value("x", "float32", (3,)), Value("v", "float32", (3,))
    graph = Graph((x,), (), (Node("branched", ("x",), {}, (v,)),), ("v",))
    case = Case(graph, "torch", {"x": np.array([1, 2, 3], "float32")})
    found = judge(case, load_route(route), Registry([branched]))
    assert found.verdict == verdict, found.summary() + found.traceback
