"""The benchmarks run, and print what they promise."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_pipeline_measures_every_route():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "pipeline", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout[done.stdout.index("{") :])
    routes = result["result"]["routes"]
    assert set(routes) == {"tf2onnx-ort", "torch-dynamo-ort", "torch-script-ort"}
    for figures in routes.values():
        assert figures["cases_a_second"] > 0
        assert figures["stage_ms"]["conversion"] > 0
        assert sum(figures["verdicts"].values()) == result["result"]["cases"]
        assert "harness-error" not in figures["verdicts"]
    assert result["versions"]["torch"]
