"""The shape rule decides the same on sizes and on symbols."""

from graphfuzz.spec import Operator, Registry
from tests.operators.conformance import interpreter_failures


def test_interpreters_agree(op: Operator, framework: str, registry: Registry) -> None:
    assert interpreter_failures(op, framework, 3, registry) == []
