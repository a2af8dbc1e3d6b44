"""The entries that come with graphfuzz: complete, small, valid, and without traces of the machine that found them."""

import re
import subprocess
from pathlib import Path

import pytest

from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.graph import validate
from graphfuzz.minimizer.admission import admitted

CORPUS = Path(__file__).parents[2] / "corpus"
LISTED = subprocess.run(["git", "ls-files", "*/case.json"], cwd=CORPUS, capture_output=True, text=True, check=False)
STORED = [CORPUS / line.removesuffix("/case.json") for line in LISTED.stdout.splitlines()] or entries([CORPUS])
"""Those that git knows: a campaign of one's own may have added others."""
LOCAL = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|usr|opt|Users)/")


def test_there_are_entries_of_every_route():
    routes = {read_entry(path).finding.route for path in STORED}
    assert routes >= {"torch-dynamo-ort", "torch-script-ort", "tf2onnx-ort"}


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.name)
def test_an_entry_is_complete_small_and_valid(path, registry):
    entry = read_entry(path)
    assert entry.slug == path.name
    assert len(entry.case.graph.nodes) <= 3
    validate(entry.case.graph, registry, entry.case.framework)
    assert admitted(entry.case, registry) is not None
    assert entry.finding.versions["onnxruntime"]
    for name in ("case.json", "finding.json", "repro.py"):
        text = (path / name).read_text()
        assert not LOCAL.search(text), f"{name}: {LOCAL.search(text)}"
