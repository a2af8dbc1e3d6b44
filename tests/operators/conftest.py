"""The registry, and the parametrization of every conformance test over it.

`GRAPHFUZZ_OPERATORS=path/to/pack pytest tests/operators -k name` checks an operator of a pack of one's own.
"""

import os

import pytest

from graphfuzz.spec import Registry, load_registry

REGISTRY = load_registry([path for path in os.environ.get("GRAPHFUZZ_OPERATORS", "").split(os.pathsep) if path])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `op` every operator, or with `framework` every operator that the framework has."""
    if {"op", "framework"} <= set(metafunc.fixturenames):
        pairs = [(op, f) for op in REGISTRY.values() for f in op.emissions]
        metafunc.parametrize(("op", "framework"), pairs, ids=[f"{op.name}-{f}" for op, f in pairs])


@pytest.fixture
def registry() -> Registry:
    """Every operator of the installed packs, and of those that the environment names."""
    return REGISTRY
