"""What campaigns have seen: counted once, whatever order it is united in."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphfuzz.corpus import add_entry, count_sighting, entries, read_entry, remove_entry, write_entry
from graphfuzz.corpus.sightings import (
    Sighting,
    count,
    first_seen,
    last_seen,
    once_more,
    sightings_from_json,
    sightings_to_json,
    united,
    versions_seen,
)
from graphfuzz.errors import EntryError
from tests.corpus.stored import entry_in

days = st.dates().map(str)
sightings = st.builds(
    Sighting, st.integers(1, 99), days, days, st.dictionaries(st.sampled_from("ab"), st.just("1"), max_size=2)
)
seen = st.dictionaries(st.sampled_from(["one", "two", "three"]), sightings, min_size=1)


@settings(deadline=None, max_examples=50)
@given(seen, seen, seen)
def test_uniting_knows_no_order_and_no_twice(a, b, c):
    assert united(a, b) == united(b, a)
    assert united(united(a, b), c) == united(a, united(b, c))
    assert united(a, a) == a
    assert united(united(a, b), b) == united(a, b)


@settings(deadline=None, max_examples=50)
@given(seen)
def test_what_is_written_is_read(known):
    assert sightings_from_json(sightings_to_json(known).encode(), "seen.json") == known


def test_campaigns_add_up_and_tell_since_when_until_when_and_with_what():
    known = once_more({}, "2026-01-02", {"onnx": "1.0"}, "2026-01-02 seed 7")
    for day, seed, version in (("2026-01-02", 7, "1.0"), ("2026-03-04", 8, "1.1"), ("2026-02-01", 9, "1.0")):
        known = once_more(known, day, {"onnx": version}, f"{day} seed {seed}")
    assert {name: each.count for name, each in known.items()} == {
        "2026-01-02 seed 7": 2,
        "2026-02-01 seed 9": 1,
        "2026-03-04 seed 8": 1,
    }
    assert (count(known), first_seen(known), last_seen(known)) == (4, "2026-01-02", "2026-03-04")
    assert versions_seen(known) == {"onnx": ["1.0", "1.1"]}


def test_a_stored_finding_is_the_first_sighting_and_needs_no_file(tmp_path):
    path = write_entry(tmp_path, entry_in("a"))
    assert not (path / "seen.json").exists()
    assert count(read_entry(path).seen) == 1
    others = {name: (path / name).stat().st_mtime_ns for name in ("case.json", "tensors.npz", "finding.json")}
    for _ in range(2):
        count_sighting(path, "2026-05-06", {"onnx": "1.2"}, "2026-05-06 seed 3")
    found = read_entry(path).seen
    assert (count(found), last_seen(found), versions_seen(found)) == (3, "2026-05-06", {"onnx": ["1.0", "1.2"]})
    assert others == {name: (path / name).stat().st_mtime_ns for name in others}, "nothing else is written"


def test_an_entry_that_replaces_another_keeps_what_was_counted(tmp_path):
    path = write_entry(tmp_path, entry_in("a", "sin", "relu"))
    count_sighting(path, "2026-05-06", {}, "2026-05-06 seed 3")
    write_entry(tmp_path, entry_in("a"))
    entry = read_entry(path)
    assert (len(entry.case.graph.nodes), count(entry.seen)) == (1, 2)


def test_a_removed_entry_stays_removed(tmp_path):
    path = write_entry(tmp_path, entry_in("a"))
    remove_entry(path)
    count_sighting(path, "2026-05-06", {}, "2026-05-06 seed 3")
    count_sighting(tmp_path / "none" / "at-all", "2026-05-06", {}, "2026-05-06 seed 3")
    assert list(tmp_path.glob("[!.]*")) == []


@pytest.mark.parametrize("folder", [".", "elsewhere"])
def test_an_heir_takes_over_what_was_counted(folder, tmp_path):
    path, heir = write_entry(tmp_path, entry_in("a")), write_entry(tmp_path / folder, entry_in("b", day="2026-02-03"))
    count_sighting(path, "2026-05-06", {}, "2026-05-06 seed 3")
    remove_entry(path, heir)
    assert entries([tmp_path]) == [heir]
    assert list(read_entry(heir).seen) == ["2026-01-02 seed 0", "2026-02-03 seed 0", "2026-05-06 seed 3"]
    with pytest.raises(EntryError, match="is gone, so"):
        remove_entry(heir, path)
    assert entries([tmp_path]) == [heir]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 1}',
        '{"schema": 1, "campaigns": {}}',
        '{"schema": 1, "campaigns": {"a": {"count": 0, "first": "", "last": "", "versions": {}}}}',
        '{"schema": 2, "campaigns": {}}',
    ],
)
def test_what_are_no_sightings_is_one_clear_line(text, tmp_path):
    path = write_entry(tmp_path, entry_in("a"))
    (path / "seen.json").write_text(text)
    for attempt in (read_entry, lambda p: count_sighting(p, "2026-05-06", {}, "2026-05-06 seed 3")):
        with pytest.raises(EntryError, match=r"seen\.json: ") as raised:
            attempt(path)
        assert "\n" not in str(raised.value)


def test_every_order_of_merging_gives_the_same_entry(tmp_path):
    versions = [entry_in("a", "sin", "relu", day="2026-01-01"), entry_in("a", "relu", day="2026-02-01")]
    versions.append(entry_in("a", "cos", "relu", "sin", day="2026-03-01"))
    written = set()
    for i, order in enumerate(itertools.permutations(versions)):
        for entry in (*order, order[0]):
            path = add_entry(tmp_path / str(i), entry)
        written.add(tuple((f.name, f.read_bytes()) for f in sorted(path.iterdir())))
    assert len(written) == 1
    found = read_entry(path)
    assert ([n.op for n in found.case.graph.nodes], found.finding.first_seen) == (["relu"], "2026-01-01")
    assert count(found.seen) == 3
