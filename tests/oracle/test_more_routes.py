"""Routes beside the default ones: right models are right, wrong ones are found, and an entry's script runs alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphfuzz.corpus.entry import add_entry, make_entry, read_entry
from graphfuzz.corpus.sightings import today
from graphfuzz.oracle.attribution import attribute
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.spec import Registry
from tests.oracle.test_broken_converters import BREAKS
from tests.oracle.test_routes import chain

TFLITE = "graphfuzz.oracle.routes.tflite:route"
TOOLS = "graphfuzz.oracle.routes.onnx_tools"
ROUTES = ("graphfuzz.oracle.routes.keras_export:route", TFLITE, f"{TOOLS}:versioned", f"{TOOLS}:referenced")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> Route:
    return load_route(request.param)


@pytest.mark.parametrize("shape", [(), (1,), (1, 2, 3, 1, 2)])
def test_agreement(route: Route, shape: tuple[int, ...], registry: Registry) -> None:
    case = chain(route, "relu", "tanh", x=np.linspace(-1, 1, int(np.prod(shape)), dtype="float32").reshape(shape))
    found = judge(case, route, registry)
    assert found.verdict == "ok", found.traceback
    assert found.model
    assert "not installed" not in found.versions.values()


def test_an_operator_that_tflite_lacks_is_unsupported(registry: Registry) -> None:
    route = load_route(TFLITE)
    found = judge(chain(route, "cosh"), route, registry)
    assert (found.verdict, found.stage) == ("unsupported", "conversion"), found.traceback


def test_a_dtype_that_tflite_lacks_is_unsupported(registry: Registry) -> None:
    route = load_route(TFLITE)
    case = chain(route, "relu", x=np.ones((2, 3)).astype("bfloat16"))
    found = judge(case, route, registry)
    assert (found.verdict, found.stage) == ("unsupported", "conversion"), found.traceback
    assert "Unsupported TensorFlow type" in found.message


def test_a_wrong_model_is_found_blamed_and_stored_with_a_script_that_runs_alone(
    tmp_path: Path, registry: Registry
) -> None:
    route = load_route("tests.broken_routes:tflite")
    case = chain(route, "tanh", x=np.linspace(-2, 2, 6, dtype="float32"))
    outcome = judge(case, route, registry)
    assert outcome.verdict == "wrong-output", outcome.traceback
    blame = attribute(case, outcome, route, registry, Tolerance())
    assert (blame.stage, blame.operator) == ("node conversion", "tanh"), blame.evidence
    path = add_entry(tmp_path, make_entry(case, outcome, route, registry, today(), attribution=blame))
    assert (path / "model.tflite").read_bytes() == outcome.model
    assert (read_entry(path).onnx, read_entry(path).model) == (b"", outcome.model)
    done = subprocess.run([sys.executable, path / "repro.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "STILL FAILS: wrong-output" in done.stdout


def test_a_tool_is_told_from_the_exporter_before_it(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    route = load_route("tests.broken_routes:versioned")
    case = chain(route, "relu", "tanh", x=np.linspace(-2, 2, 6, dtype="float32"))
    outcome = judge(case, route, registry)
    assert outcome.verdict == "wrong-output", outcome.traceback
    blame = attribute(case, outcome, route, registry, Tolerance())
    assert (blame.stage, blame.optimizer) == ("converter optimization", "onnx.version_converter"), blame.evidence
    assert blame.proof == "optimization off"


def test_what_the_exporter_gets_wrong_is_not_held_against_what_comes_after(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS["torch-script-ort"](monkeypatch)
    for name in (f"{TOOLS}:versioned", f"{TOOLS}:referenced"):
        route = load_route(name)
        found = judge(chain(route, "tanh"), route, registry)
        assert found.verdict == "unsupported", found.traceback
        assert found.message.startswith("torch-script-ort is not right before: wrong-output")
