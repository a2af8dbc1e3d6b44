"""Reference = PyTorch = Keras on TensorFlow, each really run, on random cases over dtypes and ranks."""

from graphfuzz.conformance.checks import CASES, framework_failures, unreached
from graphfuzz.spec import Operator, Registry


def test_framework_computes_the_reference(op: Operator, framework: str, registry: Registry) -> None:
    assert framework_failures(op, framework, CASES[framework], registry) == []


def test_every_declared_dtype_is_reached(op: Operator, framework: str, registry: Registry) -> None:
    assert unreached(op, framework, CASES[framework], registry) == []
