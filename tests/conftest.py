"""What every test can use."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest

from graphfuzz.spec.registry import Registry, load_registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()
