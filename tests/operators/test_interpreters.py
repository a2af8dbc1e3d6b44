"""The shape rule decides the same on sizes and on symbols."""

from graphfuzz.conformance.checks import interpreter_failures
from graphfuzz.spec import Operator, Registry


def test_interpreters_agree(op: Operator, framework: str, registry: Registry) -> None:
    assert interpreter_failures(op, framework, 3, registry) == []
