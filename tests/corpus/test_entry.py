"""Entries: written whole or not at all, read with one clear line for whatever is wrong."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from graphfuzz.corpus import Entry, check_writable, entries, make_entry, read_entry, remove_entry, write_entry
from graphfuzz.corpus.entry import write_case
from graphfuzz.corpus.finding import relative_paths
from graphfuzz.corpus.storage import ASIDE, LOCK, TEMPORARY
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.graph import Graph, pack_arrays, unpack_arrays
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Mismatch, Outcome
from tests.examples import ROUTE, case_of, crash, node, relu_case, value, wrong


def entry_of(outcome: Outcome, registry) -> Entry:
    return make_entry(relu_case(), outcome, load_route(ROUTE), registry, "2026-01-02")


@pytest.fixture
def entry(registry) -> Entry:
    return entry_of(replace(wrong(relu_case()), model=b"an onnx model"), registry)


def test_what_is_written_is_read(entry, tmp_path):
    path = write_entry(tmp_path / "corpus", entry)
    assert path.name == entry.slug
    found = read_entry(path)
    assert (found.finding, found.repro, found.model) == (entry.finding, entry.repro, b"an onnx model")
    assert (found.case.graph, found.case.origin) == (entry.case.graph, entry.case.origin)
    assert np.array_equal(found.case.tensors["x0"], entry.case.tensors["x0"])
    assert np.array_equal(found.expected["v0"], np.maximum(entry.case.tensors["x0"], 0))


def test_the_same_entry_gives_the_same_bytes(entry, tmp_path):
    one, other = (
        write_entry(tmp_path / "a", entry),
        write_entry(tmp_path / "b", read_entry(tmp_path / "a" / entry.slug)),
    )
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}


def test_values_that_json_lacks_survive(registry, tmp_path):
    mismatch = Mismatch("special", "v0", "NaN", 1, 6, (0, 0), float("inf"), float("-inf"), float("nan"), 0.5)
    path = write_entry(tmp_path, entry_of(replace(wrong(relu_case()), mismatch=mismatch), registry))
    found = read_entry(path).finding.mismatch
    assert found is not None
    assert (found.expected, found.float64, found.allowed, found.index) == (float("inf"), float("-inf"), 0.5, (0, 0))
    assert np.isnan(found.actual)
    json.loads((path / "finding.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_no_file_tells_where_this_machine_keeps_its_packages(registry, tmp_path):
    home = "/home/someone/venv/lib/python3.11/site-packages/torch/onnx/utils.py"
    traceback = (
        f'Traceback:\n  File "{home}", line 3, in export\n  File "/srv/work/graphfuzz/oracle/judge.py", line 1, in f\n'
    )
    entry = entry_of(crash(f"in {home}: no", traceback=traceback), registry)
    path = write_entry(tmp_path, entry)
    assert entry.finding.message == "in torch/onnx/utils.py: no"
    assert 'File "oracle/judge.py", line 1' in entry.finding.traceback
    for name in ("finding.json", "repro.py", "case.json"):
        assert "/home/someone" not in (path / name).read_text()
        assert "/srv/work" not in (path / name).read_text()


def test_relative_paths_leaves_other_text_alone():
    for text in ("shapes 2/3 and a/b", "node /v0_layer/LSTM", "https://onnx.ai/x/y/z", "functional_1/a/b/c/Conv2D"):
        assert relative_paths(text) == text


def test_an_entry_is_replaced_whole(entry, tmp_path):
    write_entry(tmp_path, entry)
    path = write_entry(tmp_path, replace(entry, model=b""))
    assert read_entry(path).model == b""
    assert {p.name for p in tmp_path.iterdir()} == {entry.slug, LOCK}


def test_entries_are_found_at_any_depth_and_in_order(entry, tmp_path):
    for folder in ("b", "a/deep"):
        write_entry(tmp_path / folder, entry)
    (tmp_path / f"{TEMPORARY}1-x").mkdir()
    (tmp_path / "README.md").write_text("not an entry")
    paths = entries([tmp_path, tmp_path / "b" / entry.slug])
    assert paths == [tmp_path / "a/deep" / entry.slug, tmp_path / "b" / entry.slug]
    with pytest.raises(EntryError, match="no such folder"):
        entries([tmp_path / "none"])


@pytest.mark.parametrize("name", ["case.json", "tensors.npz", "finding.json", "repro.py"])
def test_a_missing_file_is_named(name, entry, tmp_path):
    path = write_entry(tmp_path, entry)
    (path / name).unlink()
    with pytest.raises(EntryError, match=f"{name}: is missing"):
        read_entry(path)


@pytest.mark.parametrize("name", ["case.json", "tensors.npz", "finding.json"])
def test_a_truncated_file_is_named_wherever_it_was_cut(name, entry, tmp_path):
    path = write_entry(tmp_path, entry)
    whole = (path / name).read_bytes()
    for length in range(0, len(whole) - 2, max(1, len(whole) // 40)):
        (path / name).write_bytes(whole[:length])
        with pytest.raises(EntryError, match=name) as raised:
            read_entry(path)
        assert "\n" not in str(raised.value)


def test_a_flipped_byte_is_one_clear_line_or_no_harm():
    """Whatever zipfile, zlib and NumPy make of it."""
    whole = pack_arrays({"x0": np.arange(6, dtype="float32").reshape(2, 3), "w0": np.ones((2, 2), "int64")})
    complaints = []
    for place in range(len(whole)):
        for mask in (0x01, 0x40, 0xFF):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            try:
                arrays = unpack_arrays(bytes(damaged), "tensors.npz")
            except EntryError as error:
                complaints.append(str(error))
            else:
                assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert len(complaints) > len(whole)
    assert all(line.startswith("tensors.npz: ") and "\n" not in line for line in complaints)


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((\n ",
        b"\x93NUMPY\x01\x00\x0a\x00{'a': 1,}\n",
        b"\x93NUMPY\x01\x00\x48\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999999,)}   \n",
        b"no array",
        b"",
    ],
)
def test_a_sound_archive_of_unsound_arrays_is_refused(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x0.npy", content)
    with pytest.raises(EntryError, match=r"tensors\.npz: (not a readable|holds no array)") as raised:
        unpack_arrays(buffer.getvalue(), "tensors.npz")
    assert "\n" not in str(raised.value)


def test_what_it_was_found_under_is_kept(registry, tmp_path):
    entry = make_entry(
        relu_case(),
        wrong(relu_case()),
        load_route(ROUTE),
        registry,
        "2026-01-02",
        tolerance="absolute:0.1",
        seconds=2.5,
        memory=1 << 30,
    )
    found = read_entry(write_entry(tmp_path, entry)).finding
    assert (found.tolerance, found.seconds_a_case, found.memory_a_case) == ("absolute:0.1", 2.5, 1 << 30)


def test_an_entry_that_does_not_say_what_it_was_found_under_has_the_defaults(entry, tmp_path):
    path = write_entry(tmp_path, entry)
    data = json.loads((path / "finding.json").read_text())
    for name in ("tolerance", "seconds_a_case", "memory_a_case"):
        del data[name]
    (path / "finding.json").write_text(json.dumps(data))
    found = read_entry(path).finding
    assert (found.tolerance, found.seconds_a_case, found.memory_a_case) == ("conditioning", 60.0, 4 << 30)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("tolerance", "whatever"),
        ("tolerance", 3),
        ("seconds_a_case", 0),
        ("seconds_a_case", "nan"),
        ("memory_a_case", -1),
        ("memory_a_case", 1.5),
    ],
)
def test_a_rule_that_nothing_can_run_under_is_refused(field, given, entry, tmp_path):
    path = write_entry(tmp_path, entry)
    data = json.loads((path / "finding.json").read_text())
    (path / "finding.json").write_text(json.dumps({**data, field: given}))
    with pytest.raises(EntryError, match=r"finding\.json: not a complete finding"):
        read_entry(path)


def test_a_tolerance_that_does_not_exist_is_not_recorded(registry):
    with pytest.raises(UsageError, match="whatever"):
        make_entry(relu_case(), crash(), load_route(ROUTE), registry, "2026-01-02", tolerance="whatever")


def test_the_only_node_is_where_it_diverges(registry):
    assert entry_of(wrong(relu_case()), registry).finding.first_diverging == "v0"
    nodes = (node("sin", "x0", value("v0")), node("relu", "v0", value("v1")))
    case = case_of(Graph((value("x0"),), (), nodes, ("v1",)))
    entry = make_entry(case, wrong(case), load_route(ROUTE), registry, "2026-01-02")
    assert entry.finding.first_diverging is None


def test_a_removed_entry_is_gone(entry, tmp_path):
    path = write_entry(tmp_path, entry)
    remove_entry(path)
    assert list(tmp_path.iterdir()) == [tmp_path / LOCK]
    with pytest.raises(EntryError, match="cannot be written"):
        remove_entry(path)


@pytest.mark.parametrize("name", ["case.json", "finding.json"])
@pytest.mark.parametrize(("field", "given"), [("schema", 99), ("schema", "x"), ("schema", None)])
def test_a_newer_schema_is_refused(name, field, given, entry, tmp_path):
    path = write_entry(tmp_path, entry)
    data = json.loads((path / name).read_text())
    (path / name).write_text(json.dumps({**data, field: given}))
    with pytest.raises(EntryError, match=f"{name}: schema .* is newer than [12]"):
        read_entry(path)


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"schema": 1}', '{"schema": 1, "mismatch": 3}', "\xff"])
def test_json_that_is_no_finding_is_refused(text, entry, tmp_path):
    path = write_entry(tmp_path, entry)
    for name in ("finding.json", "case.json"):
        kept = (path / name).read_bytes()
        (path / name).write_text(text)
        with pytest.raises(EntryError, match=f"{name}: not a complete"):
            read_entry(path)
        (path / name).write_bytes(kept)


def test_a_missing_entry_is_named(tmp_path):
    with pytest.raises(EntryError, match="there is no such entry"):
        read_entry(tmp_path / "none")


def test_a_folder_that_cannot_be_written_is_one_clear_line(entry, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file" / "corpus", Path("/proc/none/corpus")):
        for attempt in (lambda f: write_entry(f, entry), check_writable):
            with pytest.raises(EntryError, match="cannot be written") as raised:
                attempt(folder)
            assert "\n" not in str(raised.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_loses_nothing_that_was_there(entry, tmp_path, monkeypatch):
    path = write_entry(tmp_path, entry)
    opened = Path.open

    def full(self: Path, mode: str = "r", *args: object, **kwargs: object):
        return opened(Path("/dev/full") if mode == "wb" and self.name == "repro.py" else self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(EntryError, match="No space left"):
        write_entry(tmp_path, replace(entry, model=b"new"))
    assert read_entry(path).model == b"an onnx model"
    assert set(tmp_path.iterdir()) == {path, tmp_path / LOCK}, "what was half written takes up the disk no longer"


def test_a_failed_clean_up_does_not_mask_why_the_write_failed(entry, tmp_path, monkeypatch):
    def refuse(self: Path, *arguments: object):
        raise OSError(28, "No space left on device", str(self))

    def keep(path: Path, ignore_errors: bool = False, **options: object):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr(shutil, "rmtree", keep)
    with pytest.raises(EntryError, match="No space left"):
        write_entry(tmp_path, entry)


def test_what_a_killed_writer_left_is_ignored_and_then_removed(entry, tmp_path):
    leftovers = [tmp_path / f"{TEMPORARY}{'0f' * 16}", tmp_path / f"{TEMPORARY}123-{'0f' * 16}"]
    for folder in leftovers:
        folder.mkdir()
        (folder / "case.json").write_text("{")
    half = tmp_path / f"{TEMPORARY}{'1e' * 16}"
    half.write_text("{")
    assert entries([tmp_path]) == []
    path = write_entry(tmp_path, entry)
    assert set(tmp_path.iterdir()) == {path, tmp_path / LOCK}
    assert entries([tmp_path]) == [path]


def test_a_folder_that_is_not_ours_is_let_alone(entry, tmp_path):
    (tmp_path / f"{TEMPORARY}notes").mkdir(parents=True)
    write_entry(tmp_path, entry)
    assert (tmp_path / f"{TEMPORARY}notes").exists()


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def refuse(self: Path):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(EntryError, match=f"{tmp_path}: cannot be read: Permission denied"):
        entries([tmp_path])


def test_a_kill_between_the_two_renames_loses_nothing(entry, tmp_path):
    path = write_entry(tmp_path, entry)
    path.rename(tmp_path / f"{ASIDE}{entry.slug}")
    (found,) = entries([tmp_path])
    assert (found, read_entry(found).slug) == (path, entry.slug)
    other = replace(entry, finding=replace(entry.finding, slug="other"))
    write_entry(tmp_path, other)
    assert entries([tmp_path]) == sorted([path, tmp_path / "other"])
    assert path.is_dir()


def test_a_case_takes_the_place_of_a_case_alone(entry, tmp_path):
    folder = write_case(tmp_path / "case", entry.case)
    write_case(folder, entry.case)
    assert sorted(file.name for file in folder.iterdir()) == ["case.json", "tensors.npz"]
    for taken in (tmp_path, write_entry(tmp_path / "corpus", entry).parent, tmp_path / "corpus" / entry.slug):
        before = sorted(taken.rglob("*"))
        with pytest.raises(EntryError, match="which is no part of a case"):
            write_case(taken, entry.case)
        assert sorted(taken.rglob("*")) == before
