"""Reference = PyTorch = Keras on TensorFlow, and the rule on sizes = the rule on symbols = what the frameworks refuse.

A sample of what `python -m benchmarks conformance` does at length.
"""

from graphfuzz.conformance import examine
from graphfuzz.spec import Operator, Registry

CASES = {"torch": 2, "keras": 2}
"""Cases for each dtype binding."""
NEAR_MISSES = 1
BINDINGS = {"torch": 4, "keras": 3}
"""How many of them: building a Keras model is the dear part."""


def test_an_operator_conforms(op: Operator, framework: str, registry: Registry) -> None:
    assert examine(op, framework, registry, CASES[framework], NEAR_MISSES, BINDINGS[framework]).failures == ()
