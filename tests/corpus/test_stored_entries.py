"""The entries that come with graphfuzz: complete, small, valid, and without traces of the machine that found them."""

import re
import subprocess
from pathlib import Path

import pytest

from graphfuzz.corpus.bisection import changes, digest, read_bisections
from graphfuzz.corpus.entry import BISECTION, entries, read_entry
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
    for name in ("case.json", "finding.json", "repro.py", BISECTION):
        text = (path / name).read_text() if (path / name).exists() else ""
        assert not LOCAL.search(text), f"{name}: {LOCAL.search(text)}"


def test_the_versions_that_brought_a_defect_are_known_of_some_and_of_these_scripts():
    bisected = {path: read_bisections(path) for path in STORED if (path / BISECTION).exists()}
    assert all(one.script == digest(read_entry(path).repro) for path, told in bisected.items() for one in told)
    assert sum(any(changes(one) for one in told) for told in bisected.values()) >= 3
