"""`graphfuzz import`: what it tells, stores and refuses."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import onnx.parser
import pytest
from click.testing import CliRunner, Result

from graphfuzz.campaign.probes import Cache
from graphfuzz.cli import main
from graphfuzz.corpus import read_entry
from graphfuzz.graph import case_from_json, unpack_arrays
from graphfuzz.interchange import examples_of, load_reader
from graphfuzz.spec.origins import origins
from graphfuzz.spec.registry import Registry

ROUTE = "torch-script-ort"


KNOWN = {"torch.export": ("relu", "floor_divide_by"), f"onnx/{ROUTE}": ("not_operator", "where", "relu")}


@pytest.fixture(scope="module")
def cache(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As if all operators had been learned, and all but a few become nothing alone."""
    folder, places = tmp_path_factory.mktemp("cache"), origins({op.name: op for op in registry.of("torch")})
    for reader in map(load_reader, KNOWN):
        for origin in set(places.values()):
            family = [name for name, place in places.items() if place == origin]
            known = {name: name in KNOWN[reader.name] for name in family}
            examples = {name: examples_of(name, reader, registry) if known[name] else () for name in family}
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


def test_a_failing_onnx_model_becomes_an_entry(cache, tmp_path):
    text = """<ir_version: 9, opset_import: ["" : 17]> net (bool["N",3] x, float[3] y) => (bool["N",3] z, float[3] r) {
        n = Not (x)
        z = Where (n, n, n)
        r = Relu (y)
    }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "model.onnx")
    options = ["--cache", cache, "--route", ROUTE, "--workers", 1, "--output", tmp_path / "corpus", "--size", "N=4"]
    result = CliRunner().invoke(main, [str(a) for a in ("import", tmp_path / "model.onnx", *options)])
    assert result.exit_code == 0, result.output
    assert "x: bool[4, 3] is drawn; --inputs gives others\n" in result.output
    assert "3 calls, 3 known" in result.output
    (path,) = (tmp_path / "corpus").glob("[!.]*")
    assert read_entry(path).finding.verdict == "load-failure"


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
    (tmp_path / "model.onnx").touch()
    for arguments, said in [
        (["none.py"], "there is no such file"),
        (["model.py", "--size", "N=3"], "--size: .*defines its inputs itself"),
        (["model.onnx", "--size", "N"], "--size N: must be NAME=N"),
        (["model.onnx", "--inputs", "none.npz"], "--inputs none.npz: there is no such file"),
        (["model.onnx", "--framework", "keras", "--route", ROUTE], "is not for keras"),
        (["model.onnx", "--converter", "tf2onnx-ort", "--framework", "torch"], "is for keras, not torch"),
    ]:
        file, *others = arguments
        result = CliRunner().invoke(main, ["import", str(tmp_path / file), *others])
        assert result.exit_code == 2, result.output
        assert re.search(said, result.stderr)
