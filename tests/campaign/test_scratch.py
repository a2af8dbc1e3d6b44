"""Temporary folders: held while their process lives, and gone afterwards, whatever ended it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from graphfuzz.campaign import scratch
from graphfuzz.campaign.scratch import Scratch, own_temporary_folder

HOLD = "import sys; from graphfuzz.campaign.scratch import Scratch; print(Scratch().path, flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "YOUNG", 0.0)
    return tmp_path


def test_a_folder_is_there_until_it_is_closed(place):
    made, other = Scratch(), Scratch()
    (made.path / "deeper").mkdir()
    assert made.path.parent == place
    assert made.path.is_dir()
    made.close()
    made.close()
    assert list(place.iterdir()) == [other.path]
    other.close()


def test_what_a_killed_process_left_goes_and_what_a_living_one_holds_stays(place):
    environment = {**os.environ, "TMPDIR": str(place)}
    command = [sys.executable, "-c", HOLD]
    holders = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    paths = [Path(holder.stdout.readline().strip()) for holder in holders]
    holders[0].kill()
    holders[0].wait()
    assert all(path.is_dir() for path in paths)
    made = Scratch()
    assert not paths[0].exists()
    assert paths[1].is_dir()
    made.close()
    for holder in holders:
        holder.communicate()


def test_a_worker_has_a_folder_of_its_own_and_those_of_dead_ones_go(place, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(place))
    gone, living = place / "tmp-4194305", place / f"tmp-{os.getppid()}"
    for folder in (gone, living):
        folder.mkdir()
    own_temporary_folder(place)
    assert not gone.exists()
    assert living.is_dir()
    assert tempfile.mkdtemp().startswith(str(place / f"tmp-{os.getpid()}"))
