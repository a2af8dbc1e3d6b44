"""What replay says, as the JUnit XML that CI systems read: one suite a route, one test case an entry.

Elements and attributes are those of the schema of Jenkins' xUnit plugin (junit-10.xsd), which pytest writes, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from graphfuzz.corpus.replay import BROKEN, FAILED, PASSED, SKIPPED, Line, standing

_KINDS = {FAILED: "failure", BROKEN: "error", SKIPPED: "skipped"}
_NOWHERE = "damaged"
"""The suite of the entries whose route cannot be read."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped (https://www.w3.org/TR/xml/#charsets)."""


def junit_xml(lines: Sequence[Line]) -> str:
    """The document. A failure is what makes the exit code 1; what fails as expected, or cannot run, is skipped."""
    root = ElementTree.Element("testsuites", {"name": "graphfuzz replay", **_counts(lines)})
    for route in sorted({line.route for line in lines}):
        own = [line for line in lines if line.route == route]
        skipped = str(sum(standing(line) == SKIPPED for line in own))
        suite = ElementTree.SubElement(root, "testsuite", {"name": _plain(route) or _NOWHERE, **_counts(own)})
        suite.set("skipped", skipped)
        for line in own:
            _add_case(suite, line)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _add_case(suite: ElementTree.Element, line: Line) -> None:
    place = f"graphfuzz.{suite.get('name')}"
    case = ElementTree.SubElement(
        suite, "testcase", classname=place, name=_plain(line.name), time=f"{line.seconds:.3f}"
    )
    kind = standing(line)
    if kind == PASSED:
        return
    news = f"{line.news}, expected {line.expected or 'nothing'}: " if line.news else ""
    told = ElementTree.SubElement(
        case, _KINDS[kind], type=line.status, message=_plain(f"{news}{line.status}: {line.now}")
    )
    told.text = _plain(f"was: {line.was}\nagain: {line.again()}")


def _counts(lines: Sequence[Line]) -> dict[str, str]:
    said = [standing(line) for line in lines]
    return {
        "tests": str(len(said)),
        "failures": str(said.count(FAILED)),
        "errors": str(said.count(BROKEN)),
        "time": f"{sum(line.seconds for line in lines):.3f}",
    }


def _plain(text: str) -> str:
    """The text, with what XML cannot hold as its escape in Python."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
