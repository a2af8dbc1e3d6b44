"""`graphfuzz import`: what it tells, stores and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.campaign.probes import Cache
from graphfuzz.cli import main
from graphfuzz.corpus import read_entry
from graphfuzz.graph import case_from_json, unpack_arrays
from graphfuzz.interchange import examples_of
from graphfuzz.interchange.torch_reader import reader
from graphfuzz.spec.origins import origins
from graphfuzz.spec.registry import Registry

ROUTE = "torch-script-ort"


@pytest.fixture(scope="module")
def cache(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As if all operators had been learned, and all but a few become nothing alone."""
    folder, known = tmp_path_factory.mktemp("cache"), ("relu", "floor_divide_by")
    places = origins({op.name: op for op in registry.of("torch")})
    for origin in set(places.values()):
        family = [name for name, place in places.items() if place == origin]
        examples = {name: examples_of(name, reader, registry) if name in known else () for name in family}
        Cache(folder).keep_examples(reader, origin, examples)
    return folder


def invoke(file: Path, cache: Path, body: str, *arguments: object) -> Result:
    file.write_text(f"import torch\ninputs = (torch.tensor([[-7, -1, 3]]),)\ndef model(x):\n    return {body}\n")
    options = ["--cache", cache, "--route", ROUTE, "--workers", 1, "--output", file.parent / "corpus"]
    return CliRunner().invoke(main, [str(a) for a in ("import", file, *options, *arguments)])


def test_a_failing_model_becomes_an_entry(cache, registry, tmp_path):
    result = invoke(tmp_path / "model.py", cache, "x // 7 // 3", "--case", tmp_path / "case")
    assert result.exit_code == 0, result.output
    assert "2 calls, 2 known, 2 written alike" in result.output
    assert "floor_divide_by(x0, number=7)" in result.output
    assert f"{ROUTE}: wrong-output" in result.output
    (path,) = (tmp_path / "corpus").glob("[!.]*")
    entry = read_entry(path)
    assert (entry.finding.route, entry.finding.verdict) == (ROUTE, "wrong-output")
    arrays = unpack_arrays((tmp_path / "case" / "tensors.npz").read_bytes(), "")
    case = case_from_json((tmp_path / "case" / "case.json").read_bytes(), arrays, "")
    assert case.graph == entry.case.graph


@pytest.mark.parametrize("bodies", [("x // 7", "x // 7 // 7"), ("x // 7 // 7", "x // 7")])
def test_of_a_bucket_the_smaller_case_stays(cache, tmp_path, bodies):
    for body in bodies:
        assert invoke(tmp_path / "model.py", cache, body).exit_code == 0
    (path,) = (tmp_path / "corpus").glob("[!.]*")
    assert list(read_entry(path).case.graph.operators()) == ["floor_divide_by"]


def test_a_case_is_not_put_in_the_place_of_something_else(cache, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    result = invoke(tmp_path / "model.py", cache, "x // 7", "--case", tmp_path)
    assert (result.exit_code, "no part of a case" in result.stderr) == (2, True)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_unknown_operators_are_listed(cache, tmp_path):
    result = invoke(tmp_path / "model.py", cache, "torch.relu(torch.flip(x, [0]))", "--case", tmp_path / "case")
    assert result.exit_code == 2
    assert "unknown aten.flip.default × 1: no operator is written as it alone" in result.output
    assert result.stderr.startswith("graphfuzz: ")
    assert "1 of 2 calls" in result.stderr
    assert "--partial" in result.stderr
    assert not list((tmp_path / "case").glob("[!.]*"))


def test_bad_input_is_refused_before_anything_starts(cache, tmp_path):
    result = invoke(tmp_path / "model.py", cache, "x", "--route", "tf2onnx-ort")
    assert result.exit_code == 2
    assert "is not for torch" in result.stderr
    result = CliRunner().invoke(main, ["import", str(tmp_path / "none.py")])
    assert (result.exit_code, "there is no such file" in result.stderr) == (2, True)
