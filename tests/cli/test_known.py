"""known, on an entry whose route stands in for a converter."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from graphfuzz.campaign.replaying import Replayer
from graphfuzz.cli import main
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from tests.stored import store

LINK = "https://example.org/issues/1"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["known", *(str(a) for a in arguments)])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "known-issues.toml"


@pytest.fixture
def in_process(monkeypatch, registry) -> None:
    monkeypatch.setattr(Replayer, "_workers", lambda self, job: None)
    monkeypatch.setattr(Replayer, "_run", lambda self, _, job: judge(job.entry.case, load_route(job.route), registry))


def test_what_is_added_is_listed(tmp_path, registry, file):
    entry = store(tmp_path / "corpus", "wrong", "wrong", registry)
    file.write_text("# ours\n")
    added = invoke("add", entry, "--link", LINK, "--title", "relu adds", "--until", "2999-01-01", "--known", file)
    assert (added.exit_code, 'operator = "relu"' in added.stdout) == (0, True)
    assert file.read_text().startswith("# ours\n\n[[issue]]\n")
    assert f'entry = "corpus/{entry.name}"' in file.read_text(), "relative to the file"
    (issue,) = json.loads(invoke("list", "--known", file, "--json").stdout)
    assert (issue["title"], issue["link"], issue["until"]) == ("relu adds", LINK, "2999-01-01")
    assert 0 < issue["share"] < 0.01
    assert "relu adds" in invoke("list", "--known", file).stdout


def test_an_issue_without_a_pattern(tmp_path, registry, file):
    entry = store(tmp_path / "corpus", "wrong", "wrong", registry)
    assert invoke("add", entry, "--link", LINK, "--no-pattern", "--known", file).exit_code == 0
    (issue,) = json.loads(invoke("list", "--known", file, "--json").stdout)
    assert (issue["operator"], issue["share"]) == ("", 0.0)
    assert issue["title"].startswith("tests.corpus.plain_routes:wrong: wrong-output")


def test_bad_input_is_told_and_changes_nothing(tmp_path, registry, file):
    entry = store(tmp_path / "corpus", "wrong", "wrong", registry)
    invoke("add", entry, "--link", LINK, "--title", "a", "--known", file)
    before = file.read_text()
    for arguments, said in (
        ((entry, "--link", LINK, "--title", "a"), "has an issue titled 'a'"),
        ((tmp_path / "none", "--link", LINK), "there is no such entry"),
        ((entry,), "Missing option '--link'"),
        ((entry, "--link", LINK, "--until", "soon"), "does not match the format"),
    ):
        result = invoke("add", *arguments, "--known", file)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert file.read_text() == before
    assert invoke("list", "--known", tmp_path / "none.toml").exit_code == 2


@pytest.mark.usefixtures("in_process")
def test_probing_tells_what_stands(tmp_path, registry, file):
    for name in ("wrong", "right"):
        entry = store(tmp_path / "corpus", "wrong", name, registry)
        invoke("add", entry, "--link", LINK, "--title", name, "--known", file)
    result = invoke("probe", "--known", file)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert [line.split(" (")[0] for line in lines] == ["stands: wrong", "mended: right"]
    file.write_text(file.read_text().partition("\n\n")[0] + "\n")
    assert invoke("probe", "--known", file).exit_code == 0


def test_an_expired_issue_is_to_do(tmp_path, registry, file, monkeypatch, in_process):
    entry = store(tmp_path / "corpus", "wrong", "wrong", registry)
    invoke("add", entry, "--link", LINK, "--title", "old", "--until", "2020-01-01", "--known", file)
    result = invoke("probe", "--known", file)
    assert (result.exit_code, result.stdout.startswith("expired: old")) == (1, True)
    assert "(expired)" in invoke("list", "--known", file).stdout.replace("\n", " ")
