"""What is said of chances and stability."""

from io import StringIO

from rich.console import Console

from graphfuzz.report.estimates import SHOWN, estimates_told

CURVE = [(1, 1), (10, 3), (100, 6)]


def row(**changes):
    told = {"executions": 100, "undecided": 0, "seen": 6, "once": 2, "chance": (0.02, 0.0, 0.08), "least": 8.2}
    return ("r", "buckets", *{**told, **changes}.values(), CURVE)


def said(told):
    console = Console(file=StringIO(), width=140)
    console.print(told)
    return console.file.getvalue()


def test_a_chance_has_its_interval():
    text = said(estimates_told("all", [row()], [], []))
    assert "2.00% (0.00% to 8.00%)" in text
    assert "6 of 8 or more" in text
    assert "1: 1 · 10: 3 · 100: 6" in text
    assert "undecided" not in text
    assert "+7 undecided" in said(estimates_told("all", [row(undecided=7)], [], []))


def test_what_was_never_seen_has_an_upper_bound():
    text = said(estimates_told("all", [row(seen=0, once=0, chance=(0.0, 0.0, 0.03), least=0.0)], [], []))
    assert "below 3.00% (rule of three)" in text
    assert "or more" not in text
    assert "nothing is known" in said(estimates_told("all", [row(executions=0, chance=None, least=None)], [], []))


def test_stability_is_told_where_something_was_repeated():
    differing = [(case, "r", "ok", "hang") for case in range(SHOWN + 3)]
    text = said(estimates_told("all", [], [("r", 50, 27, (0.54, 0.4, 0.67)), ("s", 0, 0, None)], differing))
    assert "27 of 50 had the same verdict" in text
    assert "stability of s" not in text
    assert text.count("was ok, then hang") == SHOWN
    assert "3 more that are not stable" in text
