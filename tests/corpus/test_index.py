"""The index: what the folders say, whatever became of it."""

import shutil
import sqlite3

import pytest
from msgspec.structs import replace

from graphfuzz.corpus import count_sighting, remove_entry, update_entry, write_entry
from graphfuzz.corpus import index as module
from graphfuzz.corpus.index import INDEX, Row, open_index
from tests.corpus.stored import entry_in


@pytest.fixture
def corpus(tmp_path):
    write_entry(tmp_path, entry_in("a", "sin", "relu"))
    write_entry(tmp_path, entry_in("b", day="2026-02-03", model=b"12345"))
    write_entry(tmp_path, entry_in("b", route="tf2onnx-ort"))
    return tmp_path


def rows(corpus, **wanted) -> list[Row]:
    with open_index(corpus) as index:
        return index.rows(**wanted)


def read_again(corpus) -> int:
    told = []
    with open_index(corpus, lambda paths: told.extend(paths) or paths):
        return len(told)


def test_a_row_tells_what_the_folder_does(corpus):
    path = corpus / entry_in("b").slug
    for _ in range(3):
        count_sighting(path, "2026-04-05", {"onnx": "1.1"}, "2026-04-05 seed 9")
    (row,) = [row for row in rows(corpus) if row.path == path.name]
    assert (row.bucket, row.routes, row.verdict) == (path.name, ("torch-script-ort", "tf2onnx-ort"), "conversion-crash")
    assert (row.stage, row.operators, row.nodes) == ("capture", ("relu",), 1)
    assert (row.count, row.first, row.last) == (4, "2026-02-03", "2026-04-05")
    assert row.versions == {"onnx": ["1.0", "1.1"]}
    assert (row.bytes, row.model_bytes) == (sum(file.stat().st_size for file in path.iterdir()), 5)
    assert row.coverage == {"relu float32 2"}


def test_rows_are_chosen_by_route_verdict_operator_and_stage(corpus):
    def buckets(**wanted):
        return [row.bucket for row in rows(corpus, **wanted)]

    a, b, c = (e.slug for e in (entry_in("a"), entry_in("b"), entry_in("b", route="tf2onnx-ort")))
    assert buckets() == sorted([a, b, c])
    assert buckets(routes=["tf2onnx-ort"]) == [c]
    assert buckets(operators=["sin"]) == [a]
    assert buckets(operators=["sin", "relu"], routes=["torch-script-ort"]) == sorted([a, b])
    assert buckets(stages=["capture"], verdicts=["conversion-crash"]) == sorted([a, b, c])
    assert buckets(stages=["runtime kernel"]) == buckets(verdicts=["hang"]) == []


def test_only_what_changed_is_read_again(corpus):
    assert read_again(corpus) == 3
    assert read_again(corpus) == 0
    path = corpus / entry_in("a").slug
    count_sighting(path, "2026-04-05", {}, "2026-04-05 seed 9")
    assert read_again(corpus) == 1
    update_entry(path, lambda entry: replace(entry, model=b"m"))
    assert read_again(corpus) == 1
    remove_entry(path)
    assert (read_again(corpus), len(rows(corpus))) == (0, 2)


def test_it_says_the_same_when_it_is_made_anew(corpus):
    count_sighting(corpus / entry_in("a").slug, "2026-04-05", {}, "2026-04-05 seed 9")
    before = rows(corpus)
    with open_index(corpus, rebuild=True) as index:
        assert index.rows() == before
    (corpus / INDEX).unlink()
    assert rows(corpus) == before
    shutil.copytree(corpus, corpus.parent / "copy")
    assert rows(corpus.parent / "copy") == before


@pytest.mark.parametrize(
    "content", [b"no database, but long enough for one" * 99, b"", b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_index_is_made_anew(content, corpus):
    before = rows(corpus)
    (corpus / INDEX).write_bytes(content)
    assert rows(corpus) == before
    assert read_again(corpus) == 0, "it is kept again"


def test_an_index_of_another_layout_is_made_anew(corpus):
    before = rows(corpus)
    with sqlite3.connect(corpus / INDEX) as database:
        database.execute("PRAGMA user_version = 99")
        database.execute("DROP TABLE coverage")
    database.close()
    assert rows(corpus) == before


def test_where_it_cannot_be_written_it_is_made_in_memory(corpus, monkeypatch):
    connect = sqlite3.connect

    def refuse(place, **options):
        if place != ":memory:":
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return connect(place, **options)

    monkeypatch.setattr(module.sqlite3, "connect", refuse)
    assert len(rows(corpus)) == 3
    assert not (corpus / INDEX).exists()
    assert rows(corpus / "none") == []


def test_a_damaged_entry_is_told(corpus):
    path = corpus / entry_in("a").slug
    (path / "case.json").write_text("{")
    (row,) = [row for row in rows(corpus) if row.damage]
    assert (row.path, row.bucket, row.routes) == (path.name, "", ())
    assert "case.json" in row.damage
