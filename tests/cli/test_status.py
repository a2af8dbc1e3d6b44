"""`graphfuzz status`, and the screen that a campaign has on a terminal."""

from __future__ import annotations

import itertools
import json
import re
import signal
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from graphfuzz.campaign.journal import BOOKS, Journal
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.status import Status, make_status, read_status
from graphfuzz.cli import main
from graphfuzz.cli import status as command
from graphfuzz.cli.campaign_view import View
from graphfuzz.cli.status_screen import duration, screen, status_line
from graphfuzz.report.sparkline import sparkline
from tests.campaign.test_status import FACTS, ROUTES, example, grown, keep, reporter
from tests.cli.test_bad_input import assert_refused


def lines(status: Status, width: int, height: int | None = None) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(screen(status, width, height))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("height", [5, 12, 23, 30, 40, 60, None])
def test_the_screen_fits(width, height):
    told = lines(example(), width, height)
    assert len(told) <= (height or 10**6)
    assert max(map(len, told)) <= width
    assert "1 h 2 min of 2 h" in told[1]


def test_a_small_terminal_has_every_part_and_a_large_one_has_more_of_each():
    small, large = "\n".join(lines(example(), 80, 23)), "\n".join(lines(example(), 160, 60))
    for said in (
        "9 new buckets",
        *ROUTES,
        "lately",
        "workers",
        "time  ",
        "lanes  ",
        "newest buckets",
        "7 min ago",
        "▅",
    ):
        assert said in small
    for said in (
        "wrong-output  hang",
        "time by stage",
        "new coverage",
        "floor-divide-by",
        "known",
        "9 spent",
        "1.0% (0.4–2.0)",
        "100.0% (91.2–100.0)",
    ):
        assert said in large


def test_a_campaign_that_has_done_nothing_has_a_screen():
    status = make_status(Path("c"), FACTS, Statistics())
    assert any("0 new buckets" in line for line in lines(status, 80, 23))
    assert status_line(status).startswith("    0 s · case 0 · 0 executions (0.0/s) · 0 buckets")


def test_brackets_are_text():
    status = msgspec.structs.replace(example(), campaign="[bold]/[/]")
    assert "[bold]/[/]" in lines(status, 80)[0]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3605, "1 h"), (3665, "1 h 1 min"), (90061, "1 d 1 h")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_a_sparkline_is_from_zero_to_the_greatest():
    assert sparkline([0, 1, 3.5, 7]) == "▁▂▅█"
    assert sparkline([]) == sparkline([0, 0]) == ""


def test_a_view_keeps_the_files_and_tells_lines_without_a_terminal(tmp_path):
    console = Console(file=StringIO(), width=200)
    with View(console, reporter(tmp_path)) as view:
        view.refresh()
        view.refresh()
    assert console.file.getvalue().count(" executions (") == 1
    assert json.loads((tmp_path / "status.json").read_text())["cases"] == 9000


def test_a_view_draws_on_a_terminal(tmp_path):
    console = Console(file=StringIO(), width=80, height=24, force_terminal=True)
    with View(console, reporter(tmp_path)) as view:
        view.refresh()
    assert "newest buckets" in console.file.getvalue()


def status(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["status", *map(str, arguments)])


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    with Journal.begun(FACTS, tmp_path / "killed") as journal:
        keep(journal, grown())
    return tmp_path / "killed"


def test_a_campaign_is_told_as_text_and_as_data(killed):
    done = status(killed)
    assert done.exit_code == 0, done.output
    assert "dead (its process is gone and left no word)" in done.output
    assert "9 new buckets" in done.output
    told = msgspec.json.decode(status(killed, "--json").output, type=Status)
    assert (told.state, told.cases, told.campaign) == ("dead", 9000, str(killed))


def test_a_folder_of_campaigns_is_a_line_each(killed):
    folder = killed.parent / "ended"
    with Journal.begun(FACTS, folder):
        reporter(folder).end("its budget is used up")
    rows = status(killed.parent).output.splitlines()
    assert [row.split()[1] for row in rows] == ["state", "ended", "dead"]
    assert [one["state"] for one in json.loads(status(killed.parent, "--json").output)] == ["ended", "dead"]


def test_one_of_several_that_cannot_be_read_hides_no_other(killed):
    (killed.parent / "spoilt").mkdir()
    (killed.parent / "spoilt" / BOOKS).write_text("nothing of the kind")
    done = status(killed.parent)
    assert_refused(done, "spoilt: the campaign's books cannot be read (file is not a database)")
    assert [row.split()[1] for row in done.stdout.splitlines()] == ["state", "dead"]


@pytest.fixture
def ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A campaign that ends while somebody waits for the twelfth look at it."""
    folder = tmp_path / "night"
    journal, report, looks = Journal.begun(FACTS, folder), reporter(folder), itertools.count(1)
    report.refresh()

    def sleep(seconds: float) -> None:
        if next(looks) == 12:
            report.end("interrupted")
            journal.__exit__()

    monkeypatch.setattr(command.time, "sleep", sleep)
    return folder


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_following_ends_with_the_campaign(ending, options):
    rows = status(ending, "--follow", *options).output.splitlines()
    assert len(rows) == 3
    assert ["running" in row for row in rows] == [True, True, False]
    assert "ended" in rows[-1]


@pytest.mark.parametrize(("several", "said"), [(False, "ended (interrupted)"), (True, "ended")])
def test_on_a_terminal_the_last_picture_stays(ending, several, said):
    console = Console(file=StringIO(), width=100, height=40, force_terminal=True)
    command._follow([read_status(ending)], console, several)
    pictures = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert pictures.count("running") == 12
    assert said in pictures[pictures.rindex("running") :]


def test_following_ends_by_a_signal(ending, monkeypatch):
    monkeypatch.setattr(command.time, "sleep", lambda seconds: signal.raise_signal(signal.SIGINT))
    done = status(ending, "--follow")
    assert done.exit_code == 0
    assert done.output.count("running") == 1


def test_what_is_no_campaign_is_refused(tmp_path):
    assert_refused(status(tmp_path / "none"), f"{tmp_path / 'none'}: cannot be read")
    assert_refused(status(tmp_path), "no campaign is there")
    (tmp_path / "spoilt").mkdir()
    (tmp_path / "spoilt" / BOOKS).write_text("nothing of the kind")
    assert_refused(status(tmp_path / "spoilt"), "file is not a database")
