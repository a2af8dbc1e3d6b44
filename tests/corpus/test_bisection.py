"""The search for a change among versions, and its result as it is stored."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from graphfuzz.corpus import bisection as bisection_module
from graphfuzz.corpus.bisection import (
    BAD,
    CANNOT_TELL,
    GOOD,
    Bisection,
    Change,
    Probe,
    changes,
    conclusions,
    digest,
    facts,
    read_bisections,
    search,
    store_bisection,
)
from graphfuzz.corpus.entry import BISECTION
from graphfuzz.errors import EntryError

STATES = {"b": BAD, "g": GOOD, "?": CANNOT_TELL}


def bisected(states: str, everything: bool = False) -> Bisection:
    """The bisection of versions 0, 1, ... that do so, one letter each."""
    versions = tuple(str(i) for i in range(len(states)))
    asked: dict[str, str] = {}

    def state(version: str) -> str:
        return asked.setdefault(version, STATES[states[int(version)]])

    if everything:
        for version in versions:
            state(version)
    else:
        search(versions, state)
    probes = tuple(Probe(version, asked[version], "said") for version in versions if version in asked)
    return Bisection("tinyrt", digest("script"), (), "3.11", {}, "2026-01-02", versions, probes)


@pytest.mark.parametrize(
    ("states", "change"),
    [
        ("gb", Change(BAD, ("1",), "0")),
        ("bbbbgg", Change(GOOD, ("4",), "3")),
        ("gggggbbbbbbbbbbbb", Change(BAD, ("5",), "4")),
        ("????????gggbbb", Change(BAD, ("11",), "10")),
        ("gggbbb???", Change(BAD, ("3",), "2")),
        ("gg????bb", Change(BAD, ("2", "3", "4", "5", "6"), "1")),
        ("g?b?????b", Change(BAD, ("1", "2"), "0")),
        ("?g?b?", Change(BAD, ("2", "3"), "1")),
    ],
)
def test_the_version_that_changed_it_is_found(states, change):
    assert changes(bisected(states)) == [change]


@pytest.mark.parametrize("states", ["", "?", "b", "g?", "????", "bbbb", "??bb", "g??g", "?????????g"])
def test_where_all_that_can_tell_agree_there_is_no_change(states):
    assert changes(bisected(states)) == []


def test_ends_that_agree_are_not_looked_between_unless_all_are_asked():
    assert [probe.version for probe in bisected("bbgb").probes] == ["0", "3"]
    assert changes(bisected("bbgb", everything=True)) == [Change(GOOD, ("2",), "1"), Change(BAD, ("3",), "2")]


@given(st.integers(0, 20), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_few_versions_are_asked(unable, before, after, mended):
    states = "?" * unable + ("bg" if mended else "gb")[0] * before + ("bg" if mended else "gb")[1] * after
    done = bisected(states)
    assert [change.candidates for change in changes(done)] == [(str(unable + before),)]
    assert len(done.probes) <= 2 + len(states).bit_length()


@given(st.text("bg?", max_size=24))
def test_what_is_said_of_a_change_is_true(states):
    for change in changes(bisected(states)):
        before, last = int(change.before), int(change.candidates[-1])
        assert STATES[states[last]] == change.state != STATES[states[before]] != CANNOT_TELL
        assert set(states[before + 1 : last]) <= {"?"}


def test_what_there_is_to_say():
    assert conclusions(bisected("ggbb")) == ["first bad version: 2 (1 is good)"]
    assert conclusions(bisected("b?g")) == ["first good version: one of 1, 2 (0 is bad)"]
    assert conclusions(bisected("?bb")) == ["no change: bad in all versions that can tell of those probed: 1, 2"]
    assert conclusions(bisected("???")) == ["no version that was probed can tell"]


def test_bisections_are_stored_by_package_and_read_back(tmp_path):
    first, other = bisected("ggbb"), replace(bisected("bg"), package="another")
    assert read_bisections(tmp_path) == []
    for bisection in (first, other, replace(first, date="2026-02-03")):
        store_bisection(tmp_path, bisection)
    assert read_bisections(tmp_path) == [other, replace(first, date="2026-02-03")]
    assert [path.name for path in tmp_path.iterdir()] == [BISECTION]


def test_two_that_are_stored_at_once_are_both_kept(tmp_path, monkeypatch):
    packages = [f"package-{i}" for i in range(8)]
    monkeypatch.setattr(bisection_module, "read_bisections", lambda path: _slowly(read_bisections(path)))
    with ThreadPoolExecutor(len(packages)) as threads:
        list(threads.map(lambda name: store_bisection(tmp_path, replace(bisected("gb"), package=name)), packages))
    assert [one.package for one in read_bisections(tmp_path)] == packages


def _slowly(found):
    time.sleep(0.01)
    return found


def test_an_older_script_is_told():
    ((label, said),) = facts([bisected("gb")], "script")
    assert (label, said) == ("bisect tinyrt", "first bad version: 1 (0 is good)")
    assert dict(facts([bisected("gb")], "another"))[label] == f"{said} (of an older repro.py)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "schema 2 is newer"),
        ({"bisections": [{"package": "x"}]}, "not a complete bisection"),
        ({"versions": ["7"]}, "not a complete bisection"),
        ({"probes": [{"version": "0", "state": "perhaps", "said": ""}]}, "not a complete bisection"),
    ],
)
def test_a_damaged_file_is_named(change, said, tmp_path):
    store_bisection(tmp_path, bisected("gb"))
    data = json.loads((tmp_path / BISECTION).read_text())
    (data if change.keys() <= data.keys() else data["bisections"][0]).update(change)
    (tmp_path / BISECTION).write_text(json.dumps(data))
    with pytest.raises(EntryError, match=said) as raised:
        read_bisections(tmp_path)
    assert BISECTION in str(raised.value)
