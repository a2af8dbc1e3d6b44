"""Nothing is lost, and the benchmark would tell if something were."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import atomicity
from graphfuzz.corpus import entry

ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_to_kills_full_disks_and_other_writers():
    command = [sys.executable, "-m", "benchmarks", "atomicity", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)["result"]
    assert set(result) == {"kills", "two_writers", "killed_beside_another", "full_disk", "read_only"}
    for found in result.values():
        assert (found["lost"], found["half_written"], found["errors"]) == (0, 0, 0)
    assert result["kills"]["tried"] > 10
    assert result["full_disk"]["tried"] > 0


def test_a_full_disk_is_tried_where_none_can_be_mounted(tmp_path):
    command = [sys.executable, "-m", "benchmarks.atomicity", "full", str(tmp_path)]
    found = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert (found["lost"], found["half_written"], found["errors"]) == (0, 0, 0)
    assert found["said"] == {"cannot be written: File too large": found["tried"]}


def test_a_writer_that_writes_in_place_is_found_out(tmp_path, monkeypatch):
    def carelessly(place, files):
        place.mkdir(exist_ok=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
            time.sleep(0.02)

    monkeypatch.setattr(entry, "put_folder", carelessly)
    found = atomicity.kills(tmp_path, 16)
    assert found["half_written"] + found["lost"] + found["errors"] > 0


@pytest.mark.parametrize(
    ("known", "after", "found", "lost"),
    [
        ({"a": (1, 1)}, {}, {"a": (1, 1)}, 0),
        ({"a": (1, 1)}, {}, {}, 1),
        ({"a": (1, 1)}, {}, {"a": (1, 2)}, 1),
        ({"a": (1, 1)}, {"a": [2, 1]}, {"a": (2, 1)}, 0),
        ({"a": (1, 1)}, {"a": [2, 1]}, {"a": (1, 1)}, 0),
        ({"a": (1, 1)}, {"a": [2, 1]}, {}, 1),
        ({"a": (1, 1)}, {"a": None}, {}, 0),
        ({}, {}, {"a": (1, 1)}, 1),
    ],
)
def test_what_is_neither_as_before_nor_as_after_is_lost(known, after, found, lost):
    assert atomicity._lost(known, {"what": "write", "after": after}, found) == lost
