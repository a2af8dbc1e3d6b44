"""`graphfuzz fuzz`: options from a file, and campaigns that go on."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import BOOKS, Facts, Found, Journal
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.cli import main
from graphfuzz.cli.campaign_options import FILE, cases_of, command
from graphfuzz.oracle.verdict import Outcome
from tests.campaign.test_workers import relu_case
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


def test_a_campaign_killed_after_its_last_case_goes_on_to_minimize(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found(Place(1, "random"), relu_case(), Outcome(ROUTE, "conversion-crash", "conversion"))
    with Journal.resumed(folder) as journal, journal.step():
        journal.count(Statistics(cases=2))
        waiting = journal.wait(found)
    module = importlib.import_module("graphfuzz.cli.fuzz")
    monkeypatch.setattr(module, "_run", lambda journal, *rest: journal.statistics())
    assert fuzz("--resume", folder).exit_code == 0
    with Journal.resumed(folder) as journal, journal.step():
        journal.settle(waiting)
    assert_refused(fuzz("--resume", folder), "the campaign's budget is used up")


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


SETTINGS = """
route = {"torch-script-ort" = 1, "tf2onnx-ort" = 0.25}
seed = 12
cases = 0x40
seconds = 90
findings = 3
disk = "3M"
minimizing = 0.25
workers = 3
nodes = 7
lane = {random = 2, sweep = 0.5}
only = ["re*", "family:softmax", "add"]
without = "relu6"
dtype = ["float*", "bool"]
without-dtype = "float64"
tolerance = "ulp:4"
case-seconds = 20
case-memory = 512
first-case = 5
zeros = 1e-05
probes = "none"
"""


def begun_with(folder: Path) -> Facts:
    with Journal.resumed(folder) as journal:
        return journal.facts


@pytest.fixture
def not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns begin and end at once."""
    monkeypatch.setattr("graphfuzz.cli.fuzz._run", lambda *arguments: Statistics())


@pytest.mark.usefixtures("not_run")
def test_the_configuration_in_force_is_stored_and_begins_the_same_campaign(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(SETTINGS)
    file, corpus = tmp_path / "c.toml", ("--corpus", tmp_path / "a 'corpus'")
    for name in ("first", "second"):
        done = fuzz("--config", file, "--campaign", tmp_path / name, *corpus, "--nodes", 4)
        assert done.exit_code == 0, done.output
        file = tmp_path / name / FILE
    first, second = begun_with(tmp_path / "first"), begun_with(tmp_path / "second")
    assert first == second
    assert (tmp_path / "first" / FILE).read_text() == file.read_text()
    assert first.configuration == Configuration(
        ("torch-script-ort", "tf2onnx-ort"),
        12,
        shares={"torch-script-ort": 1.0, "tf2onnx-ort": 0.25},
        seconds=90.0,
        cases=64,
        findings=3,
        disk=3 << 20,
        minimizing=0.25,
        first_case=5,
        workers=3,
        nodes=4,
        zeros=1e-05,
        lanes={"random": 2.0, "sweep": 0.5},
        operators=("re*", "family:softmax", "add"),
        without=("relu6",),
        dtypes=("float*", "bool"),
        without_dtypes=("float64",),
        tolerance="ulp:4",
        seconds_a_case=20.0,
        memory_a_case=512 << 20,
    )


@pytest.mark.usefixtures("not_run")
def test_what_is_not_told_is_stored_too(tmp_path: Path) -> None:
    fuzz("--campaign", tmp_path / "first", "--corpus", tmp_path / "corpus")
    fuzz("--config", tmp_path / "first" / FILE, "--campaign", tmp_path / "second")
    assert begun_with(tmp_path / "first") == begun_with(tmp_path / "second")


@pytest.mark.usefixtures("not_run")
def test_the_command_that_is_told_makes_the_same_cases(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(SETTINGS)
    fuzz("--config", tmp_path / "c.toml", "--campaign", tmp_path / "first", "--corpus", tmp_path / "corpus")
    facts = begun_with(tmp_path / "first")
    words = shlex.split(command(facts.configuration, facts.probes))
    CliRunner().invoke(main, [*words[1:], "--campaign", str(tmp_path / "second"), "--corpus", str(tmp_path / "corpus")])
    again = begun_with(tmp_path / "second").configuration
    assert cases_of(again) == cases_of(facts.configuration)
    assert (again.seconds, again.cases, again.findings) == (None, None, None)


def test_a_full_disk_is_told_before_a_campaign_goes_on(folder: Path) -> None:
    assert_refused(fuzz("--resume", folder, "--disk", "1K"), "takes all of its --disk 1024; give more to go on")
    ended = fuzz("--resume", folder, "--disk", "1G")
    assert ended.exit_code == 0, ended.output
    assert "ended by" not in ended.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--without", "rleu"], "there is no operator 'rleu'; the nearest are relu"),
        (["--only", "convv*"], "the nearest are conv"),
        (["--dtype", "flaot32"], "the nearest are float32"),
        (["--route", f"{ROUTE}=half"], "write NAME or NAME=SHARE"),
        (["--route", f"{ROUTE}=0"], "give a positive number"),
        (["--disk", "much"], "no number of bytes"),
        (["--minimizing", "2"], "not in the range"),
        (["--ci", "--seconds", "60"], "give --cases instead of --seconds"),
    ],
)
def test_an_option_that_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, words: list[str], said: str
) -> None:
    assert_refused(fuzz(*words, "--campaign", tmp_path / "campaign", "--corpus", tmp_path / "corpus"), said)
    assert not list(tmp_path.iterdir())
