"""The registry, and the parametrization of every conformance test over it."""

import pytest

from graphfuzz.spec import Registry, load_registry

REGISTRY = load_registry()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `op` every operator, or with `framework` every operator that the framework has."""
    if {"op", "framework"} <= set(metafunc.fixturenames):
        pairs = [(op, f) for op in REGISTRY.values() for f in op.emissions]
        metafunc.parametrize(("op", "framework"), pairs, ids=[f"{op.name}-{f}" for op, f in pairs])


@pytest.fixture
def registry() -> Registry:
    """Every operator of the installed packs."""
    return REGISTRY
