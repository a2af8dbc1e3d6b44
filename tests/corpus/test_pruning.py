"""What goes, what stays, and what is never lost with it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from graphfuzz.corpus import count_sighting, entries, read_entry, write_entry
from graphfuzz.corpus.index import Row, open_index
from graphfuzz.corpus.pruning import ENTRY, MODEL, carry_out, over_limit, superfluous
from graphfuzz.corpus.sightings import count
from tests.corpus.stored import entry_in

LETTERS = "abcdef"


def row(path: str, bucket: str, coverage: str = "", nodes: int = 1, size: int = 10, **fields) -> Row:
    known = {"model_bytes": 0, "count": 1, "first": "", "last": "", "damage": "", "versions": {}}
    rest = {"routes": (), "verdict": "", "stage": "", "operators": (), "summary": ""}
    return Row(
        **{**known, **rest, **fields}, path=path, bucket=bucket, coverage=frozenset(coverage), nodes=nodes, bytes=size
    )


def items(rows) -> set[str]:
    return {f"bucket {each.bucket}" for each in rows} | {item for each in rows for item in each.coverage}


corpora = st.lists(st.tuples(st.sampled_from("xyz"), st.text(LETTERS, max_size=4), st.integers(1, 5)), max_size=10).map(
    lambda drawn: [row(str(i), *each) for i, each in enumerate(drawn)]
)


@settings(deadline=None, max_examples=50)
@given(corpora)
def test_the_same_buckets_and_coverage_stay_and_none_of_it_could_go(rows):
    gone = {removal.path for removal in superfluous(rows)}
    kept = [each for each in rows if each.path not in gone]
    assert items(kept) == items(rows)
    for each in kept:
        assert items([other for other in kept if other is not each]) != items(rows)
    assert all(removal.heir not in gone for removal in superfluous(rows))


def test_of_two_alike_the_smaller_stays():
    (removal,) = superfluous([row("large", "x", "ab", 3), row("small", "x", "ab", 1)])
    assert (removal.path, removal.heir) == ("large", "small")
    assert superfluous([row("large", "x", "abc", 3), row("small", "x", "ab", 1)])[0].path == "small"


def test_damaged_entries_stay():
    assert superfluous([row("a", "", damage="no case.json"), row("b", "", damage="no case.json")]) == []


def test_a_limit_takes_copies_first_then_models_then_what_was_not_seen_for_longest():
    rows = [
        row("copy", "x", "a", 2, 100, last="2026-09-09"),
        row("new", "x", "a", 1, 100, last="2026-09-09", model_bytes=50),
        row("old", "y", "b", 1, 100, last="2026-01-01", model_bytes=90),
        row("large", "z", "c", 1, 200, last="2026-05-05"),
        row("small", "w", "d", 1, 100, last="2026-05-05"),
    ]
    plan = [(removal.path, removal.what) for removal in over_limit(rows, 0)]
    assert plan == [
        ("copy", ENTRY),
        ("old", MODEL),
        ("new", MODEL),
        ("old", ENTRY),
        ("large", ENTRY),
        ("small", ENTRY),
        ("new", ENTRY),
    ]
    assert over_limit(rows, 600) == []
    assert len(over_limit(rows, 599)) == 1
    assert len(over_limit(rows, 499)) == 2
    left = 600 - sum(removal.frees for removal in over_limit(rows, 300))
    assert 0 < left <= 300


def test_carried_out_it_leaves_whole_entries_that_know_what_was_seen(tmp_path):
    kept = write_entry(tmp_path, entry_in("a", model=b"model"))
    copy = write_entry(tmp_path / "copies", entry_in("a"))
    count_sighting(copy, "2026-07-08", {}, "2026-07-08 seed 5")
    with open_index(tmp_path) as index:
        plan = superfluous(index.rows())
        carry_out(tmp_path, plan)
    (left,) = entries([tmp_path])
    assert {left, tmp_path / plan[0].path} == {kept, copy}
    assert count(read_entry(left).seen) == 2
    with open_index(tmp_path) as index:
        assert superfluous(index.rows()) == []


def test_a_model_goes_alone(tmp_path):
    path = write_entry(tmp_path, entry_in("a", model=b"m" * 9999))
    with open_index(tmp_path) as index:
        carry_out(tmp_path, over_limit(index.rows(), 9000))
    assert (read_entry(path).model, (path / "model.onnx").exists()) == (b"", False)
