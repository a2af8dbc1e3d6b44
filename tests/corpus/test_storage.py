"""Folders written beside each other's and other's writers."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from graphfuzz.corpus import storage
from graphfuzz.corpus.entry import _entries_below, check_writable, entries, read_entry, remove_entry, write_entry
from graphfuzz.corpus.storage import ASIDE, folders, identity, put_file, put_folder, whereabouts, writing
from graphfuzz.errors import EntryError
from tests.corpus.stored import entry_in

HOLDER = """
import sys, time
from pathlib import Path
from graphfuzz.corpus.storage import writing
with writing(Path(sys.argv[1])):
    print("holding", flush=True)
    time.sleep(600)
"""


def test_one_writer_waits_for_the_other_until_it_ends_or_too_long(tmp_path, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr(storage, "PATIENCE", 0.05)
        with pytest.raises(EntryError, match="another process has been writing there"):
            write_entry(tmp_path, entry_in("a"))
        assert entries([tmp_path]) == []
        os.kill(holder.pid, signal.SIGKILL)
    monkeypatch.setattr(storage, "PATIENCE", 10)
    path = write_entry(tmp_path, entry_in("a"))
    assert entries([tmp_path]) == [path]


def test_the_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(EntryError, match="No space"), writing(tmp_path):
        raise OSError(28, "No space left on device")
    started = time.monotonic()
    with writing(tmp_path):
        assert time.monotonic() - started < 5


def test_a_folder_and_a_file_are_replaced(tmp_path):
    with writing(tmp_path):
        put_folder(tmp_path / "a", {"one": b"1", "two": b"2"})
        before = identity(tmp_path / "a")
        put_folder(tmp_path / "a", {"one": b"3"})
        after = identity(tmp_path / "a")
        put_file(tmp_path / "a" / "one", b"4")
    assert {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()} == {"one": b"4"}
    assert len({before, after, identity(tmp_path / "a")}) == 3


def test_what_stepped_aside_is_found_under_its_name_and_goes_back(tmp_path):
    path = write_entry(tmp_path, entry_in("a"))
    aside = path.rename(tmp_path / f"{ASIDE}{path.name}")
    assert (whereabouts(path), folders(tmp_path), entries([tmp_path])) == (aside, [path.name], [path])
    assert read_entry(path).slug == path.name
    check_writable(tmp_path)
    assert (path.is_dir(), aside.exists()) == (True, False)
    shutil.copytree(path, aside)
    check_writable(tmp_path)
    assert (path.is_dir(), aside.exists()) == (True, False), "it was replaced: the older one goes"


def test_an_entry_that_is_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    """The arrays of one and the graph of the other would be neither."""
    path = write_entry(tmp_path, entry_in("a", "sin", "relu"))
    from graphfuzz.corpus import entry as module

    read, replaced = module.case_from_json, []

    def slowly(*arguments):
        if not replaced:
            replaced.append(True)
            write_entry(tmp_path, entry_in("a"))
        return read(*arguments)

    monkeypatch.setattr(module, "case_from_json", slowly)
    assert len(read_entry(path).case.graph.nodes) == 1


def test_an_entry_that_steps_aside_while_it_is_read_is_read_where_it_went(tmp_path, monkeypatch):
    path = write_entry(tmp_path, entry_in("a"))
    from graphfuzz.corpus import entry as module

    read = module.case_from_json

    def late(*arguments):
        if path.exists():
            path.rename(tmp_path / f"{ASIDE}{path.name}")
        return read(*arguments)

    monkeypatch.setattr(module, "case_from_json", late)
    assert read_entry(path).slug == path.name


def test_an_entry_that_is_replaced_all_the_time_is_not_read_for_ever(tmp_path, monkeypatch):
    path = write_entry(tmp_path, entry_in("a"))
    from graphfuzz.corpus import entry as module

    read = module.case_from_json
    given = iter(range(99))

    def busy(*arguments):
        (path / f"{next(given)}").mkdir()
        return read(*arguments)

    monkeypatch.setattr(module, "case_from_json", busy)
    with pytest.raises(EntryError, match="replaced again and again"):
        read_entry(path)


def test_an_entry_that_is_replaced_while_entries_are_listed_is_listed(tmp_path, monkeypatch):
    path = write_entry(tmp_path, entry_in("a"))
    from graphfuzz.corpus import entry as module

    found, replaced = module.identity, []

    def late(place):
        actual = found(place)
        if place == path and not replaced:
            replaced.append(True)
            path.rename(tmp_path / f"{ASIDE}{path.name}")
        return actual

    monkeypatch.setattr(module, "identity", late)
    assert list(_entries_below(path)) == [path]


def test_of_a_link_to_an_entry_the_link_alone_is_replaced_and_removed(tmp_path):
    corpus, elsewhere = tmp_path / "corpus", write_entry(tmp_path / "elsewhere", entry_in("a"))
    for act in (lambda link: write_entry(corpus, entry_in("a")), remove_entry):
        corpus.mkdir(exist_ok=True)
        link = corpus / elsewhere.name
        link.symlink_to(elsewhere)
        act(link)
        assert not link.is_symlink()
        check_writable(corpus)
        shutil.rmtree(corpus)
        read_entry(elsewhere)
