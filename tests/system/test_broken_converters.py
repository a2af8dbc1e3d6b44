"""A converter broken on purpose: a campaign finds it, blames the right route, and minimizes to the broken operator."""

import subprocess
import sys

import pytest

from graphfuzz.corpus.entry import entries, read_entry
from tests.system.test_fuzzing import ROOT, graphfuzz

HEALTHY = {"torch_dynamo": "torch-script-ort", "torch_script": "torch-script-ort", "tf2onnx": "tf2onnx-ort"}
"""A route with the same cases, which is as it was: another exporter, or the very same."""
OPERATORS = ("tanh", "relu", "sigmoid", "negative", "square", "reshape")


@pytest.mark.parametrize("broken", HEALTHY)
def test_a_campaign_finds_what_is_broken_on_its_route_alone(tmp_path, broken):
    corpus = tmp_path / "corpus"
    only = [word for name in OPERATORS for word in ("--only", name)]
    done = graphfuzz(
        *("fuzz", "--route", f"tests.broken_routes:{broken}", "--route", HEALTHY[broken], "--cases", 6, "--nodes", 6),
        *("--seed", 3, "--corpus", corpus, *only),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = [entry for entry in map(read_entry, entries([corpus])) if entry.finding.verdict == "wrong-output"]
    assert {entry.finding.route for entry in wrong} == {f"tests.broken_routes:{broken}"}, done.stdout
    assert {tuple(entry.case.graph.operators()) for entry in wrong} == {("tanh",)}
    (folder,) = {corpus / entry.slug for entry in wrong}
    alone = subprocess.run([sys.executable, folder / "repro.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert alone.returncode == 1, alone.stdout + alone.stderr
    assert "STILL FAILS" in alone.stdout
