"""`graphfuzz fuzz`: options from a file, and campaigns that go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import BOOKS, Facts, Journal
from graphfuzz.cli import main
from tests.cli.test_bad_input import assert_refused

ROUTE = "torch-script-ort"


def fuzz(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["fuzz", *map(str, arguments)])


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
    assert_refused(fuzz("--config", tmp_path / "c.toml", "--corpus", tmp_path / "corpus"), said)
    assert not (tmp_path / "corpus").exists()


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    assert_refused(fuzz("--config", tmp_path / "none.toml"), "none.toml: cannot be read")


def test_a_campaign_goes_on_to_its_budget_and_then_beyond_it(folder: Path) -> None:
    done = fuzz("--resume", folder)
    assert done.exit_code == 0, done.output
    assert "case 2 ·" in done.output
    assert_refused(fuzz("--resume", folder), "the campaign's budget is used up")
    further = fuzz("--resume", folder, "--cases", 3)
    assert "case 5 ·" in further.output
    assert f"route {ROUTE}" in further.output
    with Journal.resumed(folder) as journal:
        statistics = journal.statistics()
    assert (statistics.cases, statistics.executions(), statistics.in_flight) == (5, 5, 0)


def test_what_is_the_campaigns_own_stays(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("nodes = 4")
    for told in (("--nodes", 4), ("--config", tmp_path / "c.toml")):
        assert_refused(fuzz("--resume", folder, *told), "'nodes' is the campaign's own")


def test_a_folder_has_one_campaign(folder: Path, tmp_path: Path) -> None:
    corpus = ("--corpus", tmp_path / "corpus")
    assert_refused(fuzz("--campaign", folder, "--cases", 1, *corpus), f"go on with it by --resume {folder}")
    with Journal.resumed(folder):
        assert_refused(fuzz("--resume", folder), "another process is at this campaign")
    assert_refused(fuzz("--resume", tmp_path), "no campaign is there")
    (folder / BOOKS).write_text("nothing of the kind")
    assert_refused(fuzz("--resume", folder), "file is not a database")
