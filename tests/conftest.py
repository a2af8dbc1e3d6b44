"""What every test can use."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest

from graphfuzz.spec.registry import Registry, load_registry


@pytest.fixture(scope="session", autouse=True)
def no_probes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Campaigns begin without what the user has probed: an empty cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()
