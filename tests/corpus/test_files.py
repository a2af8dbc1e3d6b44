"""Files that are there whole or not at all."""

import pytest

from graphfuzz.corpus.files import check_replaceable, replace_file
from graphfuzz.errors import UsageError


def test_a_file_takes_the_place_of_an_older_one_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "file"
    check_replaceable(path)
    for text in ("one", "zwölf"):
        replace_file(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_keeps_what_it_had(tmp_path):
    path = tmp_path / "file"
    replace_file(path, "kept")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "\ud800")
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_and_what_is_below_a_file_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            check_replaceable(path)
