"""A valid use disturbed by one in each size: the rule refuses exactly when a framework does."""

from graphfuzz.conformance.checks import NEAR_MISSES, near_miss_failures
from graphfuzz.spec import Operator, Registry


def test_rule_and_framework_agree_on_near_misses(op: Operator, framework: str, registry: Registry) -> None:
    assert near_miss_failures(op, framework, NEAR_MISSES[framework], registry) == []
