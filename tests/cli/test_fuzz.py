"""`graphfuzz fuzz`: options from a file, and campaigns that go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import BOOKS, Facts, Journal
from graphfuzz.cli import main

ROUTE = "torch-script-ort"


def fuzz(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["fuzz", *map(str, arguments)])


def refused(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("graphfuzz: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a campaign that has not run a case."""
    configuration = Configuration((ROUTE,), seed=3, cases=2, nodes=1, operators=("relu",))
    with Journal.begun(Facts(configuration, "2026-01-02", str(tmp_path / "corpus")), tmp_path / "campaign"):
        return tmp_path / "campaign"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node = 4", "there is no option 'node'; did you mean 'nodes'?"),
        ("nodes = 0", "nodes: 0 is not in the range 1<=x<=200."),
        ('seconds = "long"', "seconds: 'long' is not a valid float range."),
        ("lane.patern = 1", "there is no lane 'patern'; did you mean 'pattern'"),
        ("nodes 4", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    told = refused(fuzz("--config", tmp_path / "c.toml", "--corpus", tmp_path / "corpus"))
    assert said in told
    assert not (tmp_path / "corpus").exists()


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    assert "none.toml: cannot be read" in refused(fuzz("--config", tmp_path / "none.toml"))


def test_a_campaign_goes_on_to_its_budget_and_then_beyond_it(folder: Path) -> None:
    done = fuzz("--resume", folder)
    assert done.exit_code == 0, done.output
    assert "case 2 ·" in done.output
    assert "the campaign's budget is used up" in refused(fuzz("--resume", folder))
    further = fuzz("--resume", folder, "--cases", 3)
    assert "case 5 ·" in further.output
    assert f"route {ROUTE}" in further.output
    with Journal.resumed(folder) as journal:
        statistics = journal.statistics()
    assert (statistics.cases, statistics.executions(), statistics.in_flight) == (5, 5, 0)


def test_what_is_the_campaigns_own_stays(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("nodes = 4")
    for told in (("--nodes", 4), ("--config", tmp_path / "c.toml")):
        assert "'nodes' is the campaign's own" in refused(fuzz("--resume", folder, *told))


def test_a_folder_has_one_campaign(folder: Path, tmp_path: Path) -> None:
    corpus = ("--corpus", tmp_path / "corpus")
    assert f"go on with it by --resume {folder}" in refused(fuzz("--campaign", folder, "--cases", 1, *corpus))
    with Journal.resumed(folder):
        assert "another process is at this campaign" in refused(fuzz("--resume", folder))
    assert "no campaign is there" in refused(fuzz("--resume", tmp_path))
    (folder / BOOKS).write_text("nothing of the kind")
    assert "file is not a database" in refused(fuzz("--resume", folder))
