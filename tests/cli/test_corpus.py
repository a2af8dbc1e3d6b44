"""`graphfuzz corpus`: list, check, merge, prune, limit, migrate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graphfuzz.cli import main
from graphfuzz.corpus import count_sighting, entries, make_entry, read_entry, write_entry
from graphfuzz.corpus.sightings import count
from graphfuzz.oracle.route import load_route
from tests.corpus.stored import entry_in
from tests.examples import ROUTE, relu_case, wrong

SCHEMAS = Path(__file__).parents[1] / "corpus" / "schemas"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["corpus", *map(str, arguments)])


@pytest.fixture
def corpus(tmp_path) -> Path:
    write_entry(tmp_path / "corpus", entry_in("a", "sin", "relu"))
    write_entry(tmp_path / "corpus", entry_in("b", model=b"m" * 5000))
    return tmp_path / "corpus"


def test_alone_it_tells_what_there_is():
    result = invoke()
    assert result.exit_code == 0
    for name in ("list", "check", "merge", "prune", "limit", "migrate"):
        assert f"\n  {name}" in result.stdout


def test_list_as_json_and_as_a_table(corpus):
    count_sighting(corpus / entry_in("a").slug, "2026-03-04", {"onnx": "2.0"}, "2026-03-04 seed 1")
    (only,) = json.loads(invoke("list", corpus, "--operator", "sin", "--json").stdout)
    assert (only["bucket"], only["count"], only["first"], only["last"]) == (
        entry_in("a").slug,
        2,
        "2026-01-02",
        "2026-03-04",
    )
    assert (only["versions"], only["routes"]) == ({"onnx": ["1.0", "2.0"]}, [ROUTE])
    table = invoke("list", corpus, "--rebuild").stdout
    assert entry_in("a").slug in table
    assert "2 buckets, 2 entries" in table
    assert "0 buckets" in invoke("list", corpus, "--route", "tf2onnx-ort").stdout


def test_list_tells_damaged_entries_and_lists_the_others(corpus):
    (corpus / entry_in("a").slug / "case.json").unlink()
    result = invoke("list", corpus)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "case.json: is missing" in result.stderr
    assert entry_in("b").slug in result.stdout


@pytest.mark.parametrize("command", ["list", "check", "prune", "migrate"])
def test_a_corpus_that_is_not_there_is_one_line(command, tmp_path):
    result = invoke(command, tmp_path / "none")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "there is no such folder" in result.stderr
    assert not (tmp_path / "none").exists()


def test_check_finds_nothing_wrong_with_what_was_stored(registry, tmp_path):
    write_entry(tmp_path, make_entry(relu_case(), wrong(relu_case()), load_route(ROUTE), registry, "2026-01-02"))
    result = invoke("check", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout == "1 entries: 1 sound, 0 with faults, 0 damaged\n"


def test_check_tells_every_fault(corpus):
    path = corpus / entry_in("a").slug
    (path / "repro.py").write_text("def")
    case = json.loads((path / "case.json").read_text())
    case["graph"]["nodes"][0]["outputs"][0]["shape"] = [3, 3]
    (path / "case.json").write_text(json.dumps(case))
    path.rename(corpus / "renamed")
    result = invoke("check", corpus)
    assert result.exit_code == 1
    for fault in ("folder is not called", "repro.py is no Python", "graph is not valid", "case.json is not as"):
        assert fault in result.stdout
    (corpus / entry_in("b").slug / "finding.json").unlink()
    assert invoke("check", corpus).exit_code == 2


def test_merge_adds_unites_and_counts_nothing_twice(corpus, tmp_path):
    other = tmp_path / "other"
    for bucket, operators in (("a", ["relu"]), ("c", ["cos"])):
        write_entry(other, entry_in(bucket, *operators, day="2025-01-01"))
    count_sighting(other / entry_in("a").slug, "2026-06-07", {}, "2026-06-07 seed 8")
    before = [(path, path.read_bytes()) for path in sorted(other.rglob("*.*")) if path.is_file()]
    first = invoke("merge", other, corpus)
    assert (first.exit_code, first.stdout.count("added: "), first.stdout.count("united: ")) == (0, 1, 1)
    entry = read_entry(corpus / entry_in("a").slug)
    assert (list(entry.case.graph.operators()), count(entry.seen)) == (["relu"], 3)
    assert entry.finding.first_seen == "2025-01-01"
    merged = {path: path.read_bytes() for path in corpus.rglob("*.*") if path.is_file()}
    assert invoke("merge", other, corpus, corpus).exit_code == 0
    assert {path: path.read_bytes() for path in corpus.rglob("*.*") if path.is_file()} == merged
    assert [(path, path.read_bytes()) for path in sorted(other.rglob("*.*")) if path.is_file()] == before


def test_merge_tells_damaged_entries_and_merges_the_others(corpus, tmp_path):
    (corpus / entry_in("a").slug / "case.json").write_text("{")
    result = invoke("merge", corpus, tmp_path / "into")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert entries([tmp_path / "into"]) == [tmp_path / "into" / entry_in("b").slug]


def test_merge_needs_two_folders(corpus):
    result = invoke("merge", corpus)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_an_entry_cannot_say_that_it_lies_elsewhere(corpus, tmp_path):
    path = corpus / entry_in("a").slug / "finding.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "slug": "../../outside"}))
    result = invoke("merge", corpus, tmp_path / "deep" / "into")
    assert (result.exit_code, "not a complete finding" in result.stderr) == (2, True)
    assert not list(tmp_path.rglob("outside"))


def test_prune_tells_first_and_does_then(corpus):
    copy = write_entry(corpus / "more", entry_in("a", "sin", "relu"))
    told = invoke("prune", corpus, "--dry-run")
    assert (told.exit_code, told.stdout.count("would go: "), len(entries([corpus]))) == (0, 1, 3)
    done = invoke("prune", corpus)
    assert (done.exit_code, done.stdout.count("removed: "), len(entries([corpus]))) == (0, 1, 2)
    assert {read_entry(path).slug for path in entries([corpus])} == {copy.name, entry_in("b").slug}
    assert "0 gone" in invoke("prune", corpus).stdout


def test_limit_removes_until_it_fits(corpus):
    size = sum(path.stat().st_size for path in corpus.rglob("*.*") if path.is_file())
    assert "0 gone" in invoke("limit", corpus, "--max-bytes", size).stdout
    assert "(converted model)" in invoke("limit", corpus, "--max-bytes", "4K").stdout
    assert len(entries([corpus])) == 2
    assert invoke("limit", corpus, "--max-bytes", 0).exit_code == 0
    assert entries([corpus]) == []


@pytest.mark.parametrize("size", ["much", "-1", "1.5M", "3T"])
def test_a_limit_that_is_no_size_is_one_line(size, corpus):
    result = invoke("limit", corpus, f"--max-bytes={size}")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "no number of bytes" in result.stderr


def test_migrate_rewrites_what_is_of_an_older_schema_and_nothing_else(corpus):
    shutil.copytree(SCHEMAS / "3bd2b1b", corpus / "old")
    told = invoke("migrate", corpus, "--dry-run")
    assert told.stdout.startswith(f"{corpus / 'old'}: case.json, finding.json\n3 entries: 1 to rewrite")
    assert json.loads((corpus / "old" / "case.json").read_text())["schema"] == 1
    assert "1 rewritten" in invoke("migrate", corpus).stdout
    assert json.loads((corpus / "old" / "case.json").read_text())["schema"] == 2
    assert "0 rewritten" in invoke("migrate", corpus).stdout
