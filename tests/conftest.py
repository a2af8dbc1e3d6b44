"""What every test can use."""

import os
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest

from graphfuzz.campaign import workers
from graphfuzz.oracle.route import load_route
from graphfuzz.spec.registry import Registry, load_registry


@pytest.fixture(scope="session", autouse=True)
def no_probes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Campaigns begin without what the user has probed: an empty cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def warm_server() -> Iterator[None]:
    """The server from which this process' workers are forked, and there is but one, has imported PyTorch and ONNX
    Runtime, whichever test starts it: a worker takes seconds to do so."""
    common, warm = load_route("torch-script-ort").preload, workers._warm
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_warm", lambda modules: warm([*common, *modules]))
        yield


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()
