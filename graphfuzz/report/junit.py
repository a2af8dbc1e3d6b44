"""What replays and campaigns say, as the JUnit XML that CI systems read: one suite a route, one test case an entry.

Elements and attributes are those of the schema of Jenkins' xUnit plugin (junit-10.xsd), which pytest writes, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import msgspec

from graphfuzz.corpus.replay import BROKEN, FAILED, PASSED, SKIPPED, Line, standing

_KINDS = {PASSED: "", FAILED: "failure", BROKEN: "error", SKIPPED: "skipped"}
_NOWHERE = "damaged"
"""The suite of the entries whose route cannot be read."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped (https://www.w3.org/TR/xml/#charsets)."""


class Row(msgspec.Struct, frozen=True):
    """A test case. standing: PASSED, FAILED, BROKEN or SKIPPED; of all but the first with what is told of it."""

    suite: str
    name: str
    standing: str
    kind: str = ""
    message: str = ""
    text: str = ""
    seconds: float = 0.0


def junit_xml(lines: Sequence[Line]) -> str:
    """The document of a replay. A failure is what makes the exit code 1; what fails as expected, or cannot run, is
    skipped."""
    return document("graphfuzz replay", [_row(line) for line in lines])


def document(name: str, rows: Sequence[Row]) -> str:
    """The document of these test cases, by suite."""
    root = ElementTree.Element("testsuites", {"name": name, **_counts(rows)})
    for suite in sorted({row.suite for row in rows}):
        own = [row for row in rows if row.suite == suite]
        skipped = str(sum(row.standing == SKIPPED for row in own))
        element = ElementTree.SubElement(root, "testsuite", {"name": _plain(suite) or _NOWHERE, **_counts(own)})
        element.set("skipped", skipped)
        for row in own:
            _add_case(element, row)
    ElementTree.indent(root)
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made.decode() + "\n"


def _row(line: Line) -> Row:
    news = f"{line.news}, expected {line.expected or 'nothing'}: " if line.news else ""
    return Row(
        line.route,
        line.name,
        standing(line),
        line.status,
        f"{news}{line.status}: {line.now}",
        f"was: {line.was}\nagain: {line.again()}",
        line.seconds,
    )


def _add_case(suite: ElementTree.Element, row: Row) -> None:
    place = f"graphfuzz.{suite.get('name')}"
    case = ElementTree.SubElement(suite, "testcase", classname=place, name=_plain(row.name), time=f"{row.seconds:.3f}")
    if row.standing != PASSED:
        told = ElementTree.SubElement(case, _KINDS[row.standing], type=row.kind, message=_plain(row.message))
        told.text = _plain(row.text)


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    said = [row.standing for row in rows]
    return {
        "tests": str(len(said)),
        "failures": str(said.count(FAILED)),
        "errors": str(said.count(BROKEN)),
        "time": f"{sum(row.seconds for row in rows):.3f}",
    }


def _plain(text: str) -> str:
    """The text, with what XML cannot hold as its escape in Python."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
