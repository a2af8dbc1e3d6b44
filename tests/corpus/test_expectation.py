"""What is news, and the file that says what is not."""

from __future__ import annotations

import pytest

from graphfuzz.corpus.expectation import (
    IMPROVEMENT,
    REGRESSION,
    Expected,
    expectations_text,
    judged,
    read_expectations,
    updated,
)
from graphfuzz.corpus.replay import (
    ALSO_FAILING,
    CANNOT_RUN,
    CHANGED,
    DAMAGED,
    FIXED,
    FLAKY,
    NOT_FAILING,
    STILL_FAILING,
    Line,
)
from graphfuzz.errors import UsageError

FAILING = Expected(STILL_FAILING, "wrong-output")


def line(status: str, verdict: str = "", name: str = "a", route: str = "r") -> Line:
    return Line(f"corpus/{name}", route, status, "", verdict=verdict)


@pytest.mark.parametrize(
    ("before", "status", "verdict", "news"),
    [
        (FAILING, STILL_FAILING, "wrong-output", ""),
        (Expected(STILL_FAILING), STILL_FAILING, "wrong-output", ""),
        (FAILING, FIXED, "ok", IMPROVEMENT),
        (FAILING, FLAKY, "wrong-output", IMPROVEMENT),
        (FAILING, CHANGED, "hang", REGRESSION),
        (FAILING, CANNOT_RUN, "", REGRESSION),
        (Expected(CHANGED, "hang"), CHANGED, "process-crash", REGRESSION),
        (Expected(FIXED, "ok"), STILL_FAILING, "wrong-output", REGRESSION),
        (Expected(FIXED, "ok"), FIXED, "unsupported", REGRESSION),
        (Expected(FIXED, "unsupported"), FIXED, "ok", IMPROVEMENT),
        (Expected(NOT_FAILING, "ok"), ALSO_FAILING, "hang", REGRESSION),
        (Expected(FLAKY, "hang"), STILL_FAILING, "hang", ""),
        (Expected(FLAKY, "hang"), FIXED, "ok", ""),
        (Expected(FLAKY, "hang"), CHANGED, "wrong-output", REGRESSION),
        (Expected(CANNOT_RUN), CANNOT_RUN, "", ""),
        (Expected(CANNOT_RUN), FIXED, "ok", IMPROVEMENT),
        (Expected(CANNOT_RUN), STILL_FAILING, "hang", REGRESSION),
        (None, FIXED, "ok", IMPROVEMENT),
        (None, FLAKY, "hang", REGRESSION),
        (None, CANNOT_RUN, "", REGRESSION),
    ],
)
def test_what_is_news_and_in_which_direction(before, status, verdict, news):
    told = judged(line(status, verdict), {} if before is None else {("r", "a"): before})
    assert told.news == news
    assert told.expected == ("" if before is None else str(before))


def test_the_file_has_a_line_an_entry_sorted_and_is_read_back(tmp_path):
    expected = {("z:route", "b"): FAILING, ("a", "c d"): Expected(CANNOT_RUN), ("a", "b"): Expected(FIXED, "ok")}
    path = tmp_path / "expected.toml"
    path.write_text(expectations_text(expected))
    assert path.read_text().splitlines()[1:] == [
        "",
        "[a]",
        'b = "fixed: ok"',
        '"c d" = "cannot run"',
        "",
        '["z:route"]',
        'b = "still failing: wrong-output"',
    ]
    assert read_expectations(path) == expected
    assert expectations_text(dict(reversed(expected.items()))) == path.read_text()


def test_an_update_keeps_what_was_not_run_and_leaves_out_what_is_damaged():
    before = {("r", "a"): FAILING, ("r", "b"): FAILING}
    now = updated(before, [line(FIXED, "ok"), line(DAMAGED, name="c", route="")])
    assert now == {("r", "a"): Expected(FIXED, "ok"), ("r", "b"): FAILING}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[r]\na = 'broken'", "a: 'broken' is none of still failing"),
        ("a = 'fixed'", "'a' stands outside"),
        ("[", "no file of"),
    ],
)
def test_a_wrong_file_is_named_with_its_mistake(tmp_path, text, said):
    path = tmp_path / "expected.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        read_expectations(path)
    assert str(path) in str(error.value)
