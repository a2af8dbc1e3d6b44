"""What CI systems read of a replay."""

from __future__ import annotations

from xml.etree import ElementTree

from graphfuzz.corpus.replay import CANNOT_RUN, DAMAGED, FIXED, STILL_FAILING, Line
from graphfuzz.report.junit import junit_xml


def test_each_entry_is_a_case_in_the_suite_of_its_route():
    lines = [
        Line("corpus/a", "r", STILL_FAILING, "wrong-output in compare: differs", "r", "wrong-output", seconds=1.5),
        Line("corpus/b", "r", FIXED, "ok in compare:", "r", "wrong-output", seconds=0.25),
        Line("corpus/c", "s", CANNOT_RUN, "not installed: torch", "s", "hang"),
        Line("corpus/d", "", DAMAGED, "case.json: is missing"),
    ]
    root = ElementTree.fromstring(junit_xml(lines).encode())
    assert root.attrib == {"name": "graphfuzz replay", "tests": "4", "failures": "1", "errors": "1", "time": "1.750"}
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["damaged", "r", "s"]
    assert [suites["r"].get(key) for key in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "0"]
    failing, fixed = suites["r"]
    assert failing.attrib == {"classname": "graphfuzz.r", "name": "a", "time": "1.500"}
    assert [(told.tag, told.get("type")) for told in failing] == [("failure", STILL_FAILING)]
    assert "again: graphfuzz replay corpus/a" in str(failing[0].text)
    assert (fixed.get("name"), len(fixed)) == ("b", 0)
    assert [told.tag for suite in ("s", "damaged") for told in suites[suite][0]] == ["skipped", "error"]


def test_what_fails_as_expected_is_skipped_and_news_is_a_failure():
    def told(status: str, news: str) -> ElementTree.Element:
        line = Line("a", "r", status, "x", expected="still failing", news=news)
        return ElementTree.fromstring(junit_xml([line]).encode())[0][0][0]

    assert told(STILL_FAILING, "").tag == "skipped"
    assert told(FIXED, "improvement").tag == "failure"
    assert str(told(FIXED, "improvement").get("message")).startswith("improvement, expected still failing: fixed")


def test_what_xml_cannot_hold_is_escaped():
    hostile = "\x1b[31m \x00 \ud800 \ufffe ]]> <&\" 'ä' 🙂"
    document = junit_xml([Line("corpus/a", "r", STILL_FAILING, hostile)])
    (told,) = ElementTree.fromstring(document.encode()).iter("failure")
    assert told.get("message") == "still failing: \\x1b[31m \\x00 \\ud800 \\ufffe ]]> <&\" 'ä' 🙂"


def test_no_entries_are_a_document_too():
    assert ElementTree.fromstring(junit_xml([]).encode()).get("tests") == "0"
