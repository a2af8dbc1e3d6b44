"""`graphfuzz ops`: listing, filters, one operator in full, probing, ledgers, and the conformance of one's own pack."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from graphfuzz.cli import main
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.spec.registry import Registry, load_registry

TOLD, UNTOLD = "tests.ledger_routes:told", "tests.ledger_routes:untold"

PACK = """
import numpy as np
from graphfuzz.spec import broadcast, emission, number, operator, tensor, unary

halve = unary("halve", ("float32", "float64"), reference=lambda x: x / 2, torch="{x} / 2")
double = unary("double", ("float32", "int32"), reference=lambda x: FACTOR * x, torch="{x} + {x}")

@operator(tensor("x", rank=(1, 3)), attrs={"slope": number(0, 2)}, dtypes=("float32",), domain=(-1.0, 1.0),
          reference=lambda x, slope: x * np.float32(slope),
          torch=emission("lean_on({x}, {slope})", helper="def lean_on(x, slope):\\n    return x * slope"))
def lean(require, x, *, slope):
    \"\"\"Each element times a slope.\"\"\"
    return x.shape

@operator(tensor("x"), tensor("m", "bool"), dtypes=("float32", "int8"), reference=lambda x, m: np.where(m, x, 0),
          torch=emission("torch.where({m}, {x}, 0)", dtypes=("float32",)))
def mask(require, x, m):
    \"\"\"Each element where the mask is set, else zero.\"\"\"
    return broadcast(require, x.shape, m.shape)

OPERATORS = [halve, double, lean, mask]
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def rows(*arguments: object) -> list[dict[str, Any]]:
    result = invoke("ops", "--json", *arguments)
    assert result.exit_code == 0, result.output
    made: list[dict[str, Any]] = json.loads(result.stdout)
    return made


def names(*arguments: object) -> set[str]:
    return {row["name"] for row in rows(*arguments)}


def write_pack(folder: Path, name: str, factor: int = 2) -> Path:
    path = folder / f"{name}.py"
    path.write_text(PACK.replace("FACTOR", str(factor)))
    return path


@pytest.fixture(scope="session")  # a process knows one pack of a name
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"), "described_pack")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_filters(registry: Registry, cache: Path) -> None:
    everything = names("--cache", cache)
    assert everything == set(registry)
    reductions = names("--cache", cache, "--family", "reductions")
    assert "sum" in reductions
    assert "relu" not in reductions
    both = names("--cache", cache, "--family", "reductions", "--family", "shape")
    assert reductions < both < everything
    torch = names("--cache", cache, "--framework", "torch")
    assert torch == names("--cache", cache, "--route", "torch-script-ort") < everything
    assert "lstm" not in names("--cache", cache, "--dtype", "bool")
    assert names("--cache", cache, "conv?d", "relu") == {"conv1d", "conv2d", "conv3d", "relu"}


def test_the_dtype_filter_knows_variables_limits_and_fixed_dtypes(pack: Path, cache: Path) -> None:
    def own(dtype: str, *more: object) -> set[str]:
        return names("--operators", pack, "--cache", cache, "--family", "described_pack", "--dtype", dtype, *more)

    assert own("float32") == {"halve", "double", "lean", "mask"}
    assert own("int32") == {"double"}
    assert own("float64") == {"halve"}
    assert own("bool") == {"mask"}
    assert own("float32", "--framework", "keras") == set()


def test_the_list_fits_a_terminal(cache: Path) -> None:
    result = invoke("ops", "--cache", cache)
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 100
    assert "floats" in result.stdout


def test_an_operator_as_data(pack: Path, cache: Path) -> None:
    (row,) = rows("lean", "--operators", pack, "--cache", cache)
    assert row["family"] == "described_pack"
    assert row["operands"] == [
        {"name": "x", "role": "tensor", "dtype": "T", "ranks": [1, 3], "arity": [1], "domain": None}
    ]
    assert row["attributes"] == {"slope": {"kind": "number", "low": 0.0, "high": 2.0}}
    assert row["domain"] == [-1.0, 1.0]
    assert "def lean(require, x, *, slope):" in row["rule"]
    assert row["emissions"]["torch"]["helper"].startswith("def lean_on")
    assert {route: found["probed"] for route, found in row["routes"].items()} == {
        "torch-dynamo-ort": False,
        "torch-script-ort": False,
    }


def test_an_operator_for_people(pack: Path, cache: Path) -> None:
    result = invoke("ops", "lean", "--operators", pack, "--cache", cache)
    assert result.exit_code == 0
    for text in (
        "lean  (described_pack)",
        "Each element times a slope.",
        "x: tensor of T, rank 1 or 3",
        "slope: number: low 0.0, high 2.0",
        "values from -1 to 1",
        "lean_on({x}, {slope})",
        "    return x * slope",
        "not probed yet",
    ):
        assert text in result.stdout
    assert "rank 0 to 6" in invoke("ops", "halve", "--operators", pack, "--cache", cache).stdout


def test_every_operator_can_be_described(cache: Path) -> None:
    for row in rows("--cache", cache):
        assert row["doc"]
        assert row["rule"]
        assert row["reference"]
        assert all(emission["call"] for emission in row["emissions"].values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rleu"], "the nearest are relu"),
        (["no_such_thing_at_all"], "no operator 'no_such_thing_at_all'"),
        (["--family", "nonsense"], "choose among"),
        (["--dtype", "float33"], "float32"),
        (["--route", "torch-tvm"], "torch-script-ort"),
        (["--ledger", "torch-tvm"], "torch-script-ort"),
        (["--ledger", UNTOLD], "has no ledger"),
        (["--check", "rleu"], "the nearest are relu"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, cache: Path) -> None:
    result = invoke("ops", "--cache", cache, *arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("graphfuzz: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_cache_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = invoke("ops", "relu", "--cache", tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "cannot be read" in result.stderr


def test_probing_fills_the_tables(pack: Path, cache: Path) -> None:
    common = ("halve", "double", "--operators", pack, "--cache", cache, "--route", TOLD)
    probed = rows(*common, "--probe", "--workers", 1)
    double = next(row for row in probed if row["name"] == "double")["routes"][TOLD]
    assert {bound: said["verdict"] for bound, said in double["dtypes"].items()} == {
        "T=float32": "wrong-output",
        "T=int32": "unsupported",
    }
    assert double["entries"] == ["float32", "int32", "relu"]
    assert double["onnx"] == ["Relu-14"]
    assert rows(*common) == probed
    shown = invoke("ops", *common)
    assert "declined" in shown.stdout
    assert "0 of 2 ok" in invoke("ops", "*", *common[2:]).stdout


def test_capabilities_are_told_by_dtype_and_rank(pack: Path, cache: Path) -> None:
    common = ("double", "lean", "--operators", pack, "--cache", cache, "--route", TOLD, "--capabilities")
    before = invoke("ops", *common)
    assert before.exit_code == 0
    assert "16 not probed" in before.stdout
    assert "the same command with --probe" in before.stdout
    assert "operator" not in before.stdout
    data = rows(*common, "--probe", "--workers", 1)
    told = {(row["operator"], row["dtype"], row["rank"]): row["standing"] for row in data}
    assert told == {
        **{("double", "float32", rank): "finding" for rank in range(7)},
        **{("double", "int32", rank): "refused" for rank in range(7)},
        **{("lean", "float32", rank): "finding" for rank in (1, 3)},
    }
    assert {row["route"] for row in data} == {TOLD}
    assert all("declined" in row["what"] for row in data if row["standing"] == "refused")
    after = invoke("ops", *common)
    lines = [line.split() for line in after.stdout.splitlines()]
    assert ["double", "int32", *["refused"] * 7] in lines
    assert ["lean", "float32", "finding", "finding"] in lines
    assert "7 refused, 9 finding" in after.stdout
    assert "--probe" not in after.stdout
    assert max(map(len, after.stdout.splitlines())) <= 100


def test_a_ledger_is_accounted_for(pack: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphfuzz.cli.ops.load_registry", lambda packs: load_registry(packs).only(["double"]))
    command = ("ops", "--ledger", TOLD, "--operators", pack, "--cache", cache, "--workers", 1)
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["relu", "double"] in lines
    assert ["gone", "not", "reached", "yet"] in lines
    assert "need not be: lost long ago; nobody has it" in result.stdout
    assert "reached by cases that ran: 2, 66.7% of the producible" in result.stdout
    assert "a mistake of the ledger): int32" in result.stdout
    data = json.loads(invoke(*command, "--json", "g*").stdout)
    assert [entry["name"] for entry in data["entries"]] == ["gone"]
    assert data["figures"]["entries"] == 4


def test_a_damaged_cache_is_told(pack: Path, cache: Path) -> None:
    command = ("ops", "halve", "--operators", pack, "--cache", cache, "--route", TOLD)
    assert invoke(*command, "--probe", "--workers", 1).exit_code == 0
    for path in cache.rglob("*.json"):
        path.write_text("{")
    result = invoke(*command)
    assert result.exit_code == 0
    assert "is damaged" in result.stderr
    assert "not probed yet" in result.stdout


def test_a_sound_pack_of_ones_own_conforms(pack: Path) -> None:
    result = invoke("ops", "--check", "--operators", pack, "--cases", 3)
    assert result.exit_code == 0, result.output
    assert "4 operators, 6 dtype bindings, 18 cases" in result.stdout
    assert result.stdout.split()[-2:] == ["0", "failures"]


def test_a_wrong_reference_is_shown_with_a_command_that_shows_it_again(tmp_path: Path) -> None:
    pack = write_pack(tmp_path, "wrong_pack", factor=3)
    result = invoke("ops", "--check", "--operators", pack, "--cases", 2)
    assert result.exit_code == 1
    assert "double in torch" in result.stdout
    assert "case_at('double/torch/T=float32/0')" in result.stdout
    assert f"graphfuzz ops --check double --operators {pack} --cases 2" in result.stdout
    assert "halve in torch" not in result.stdout
    again = invoke("ops", "--check", "double", "--operators", pack, "--cases", 2, "--json")
    assert again.exit_code == 1
    (examination,) = json.loads(again.stdout)
    assert len(examination["failures"]) >= 2


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_CACHE_HOME", "graphfuzz"),
        ("darwin", "NOTHING", "Library/Caches/graphfuzz"),
        ("win32", "LOCALAPPDATA", "graphfuzz/Cache"),
    ],
)
def test_the_default_cache_is_where_the_platform_has_it(
    platform: str, variable: str, folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, str(tmp_path))
    assert default_cache() == tmp_path / folder
