"""The benchmarks run, and print what they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from benchmarks import generation, lanes, ledger
from benchmarks.__main__ import main
from graphfuzz.generator import LANES

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


def test_ledger_tells_figures_and_leaves_nothing_out(tmp_path, monkeypatch):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks", "ledger", "--quick"]
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    result = json.loads(done.stdout)["result"]
    routes = result["routes"]
    assert set(routes) == {"tf2onnx-ort", "torch-dynamo-ort", "torch-script-ort"}
    for route in routes.values():
        figures, rest = route["figures"], route["rest"]
        assert 0 < figures["reached"] < figures["producible"] <= figures["present"] < figures["entries"]
        assert figures["entries"] == figures["reached"] + sum(map(len, rest.values()))
        assert figures["onnx_reached"] > 0
        assert not route["unlisted"]
    monkeypatch.setattr(ledger, "run", lambda quick: result)
    shown = CliRunner().invoke(main, ["ledger", "--quick"])
    assert shown.exit_code == 0, shown.output
    assert "share of producible" in shown.stdout
    assert "not reached yet" in shown.stdout


def test_generation_counts_what_graphs_consist_of(registry):
    varied = generation._variety(generation._ours(40, registry))
    assert varied["graphs"] == varied["of_the_size_asked_for"] == 40
    assert varied["operators"] > 200
    assert varied["pairs"] > 200
    assert varied["dtypes"] >= 12
    assert varied["ranks"] >= 6


def test_lanes_tells_what_each_lane_costs_and_brings():
    found = lanes.run(True)
    assert found["frameworks"].keys() == {"torch", "keras"}
    for rows in found["frameworks"].values():
        assert rows.keys() == set(LANES)
        assert all(row["milliseconds"] > 0 and row["uses"] > 0 for row in rows.values())
        assert (rows["sweep"]["nodes"], rows["pair"]["nodes"]) == (1, 2)
    lanes.render(found)
