"""Entries as every older graphfuzz wrote them: they load, say what they said, and are rewritten as today's.

`schemas/<commit>` is what the graphfuzz of that commit wrote of one finding; every change of a schema adds a folder.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from graphfuzz.corpus import read_entry, update_entry
from graphfuzz.corpus.checking import outdated
from graphfuzz.corpus.finding import SCHEMA as FINDING_SCHEMA
from graphfuzz.errors import EntryError
from graphfuzz.graph import validate
from graphfuzz.graph.case import SCHEMA as CASE_SCHEMA
from graphfuzz.graph.codec import upgraded

SCHEMAS = Path(__file__).parent / "schemas"
LIMITS = {"tolerance": "conditioning", "seconds_a_case": 60.0, "memory_a_case": 4 << 30}
ATTRIBUTION = {"binding": 0, "attribution": None}

WRITTEN = {
    "767d04e": (1, {"bindings": [], "twins": []}, {**LIMITS, **ATTRIBUTION}),
    "3bd2b1b": (1, {"bindings": [], "twins": []}, ATTRIBUTION),
    "60b648f": (2, {"twins": []}, {"attribution": None}),
    "1069ffa": (2, {}, {}),
}
"""By commit: the schema of its cases, and what today's case.json and finding.json have beyond what it wrote."""


@pytest.fixture(params=WRITTEN)
def old(request, tmp_path) -> Path:
    return Path(shutil.copytree(SCHEMAS / request.param, tmp_path / request.param))


def data(path: Path, name: str) -> dict:
    return json.loads((path / name).read_text())


def test_every_older_form_is_tried():
    assert {folder.name for folder in SCHEMAS.iterdir()} == set(WRITTEN)
    assert {schema for schema, _, _ in WRITTEN.values()} == set(range(1, CASE_SCHEMA + 1))
    assert {data(SCHEMAS / name, "finding.json")["schema"] for name in WRITTEN} == set(range(1, FINDING_SCHEMA + 1))


def test_an_older_entry_loads_and_says_what_it_said(old, registry):
    entry = read_entry(old)
    validate(entry.case.graph, registry, entry.case.framework)
    assert [node.op for node in entry.case.graph.nodes] == ["cumsum"]
    assert entry.finding.summary().startswith("wrong-output")
    assert np.array_equal(entry.expected["v0"], np.cumsum(entry.case.tensors["x0"], 0, dtype="int64"))
    assert [list(inputs) for inputs in entry.case.bindings] == [["x0"]] * len(
        data(old, "case.json").get("bindings", [])
    )


def test_a_rewritten_entry_says_the_same_in_todays_form(old):
    schema, of_case, of_finding = WRITTEN[old.name]
    before = {name: data(old, name) for name in ("case.json", "finding.json")}
    tensors = (old / "tensors.npz").read_bytes()
    assert before["case.json"]["schema"] == schema
    update_entry(old, lambda entry: entry)
    assert data(old, "case.json") == {**before["case.json"], **of_case, "schema": CASE_SCHEMA}
    finding = {**before["finding.json"], **of_finding, "schema": FINDING_SCHEMA}
    finding["signature"] = {"stage": "", **finding["signature"]}
    assert data(old, "finding.json") == finding
    assert (old / "tensors.npz").read_bytes() == tensors
    assert outdated(old, read_entry(old)) == []


def test_each_step_is_taken_once_and_in_order():
    steps = [lambda d, i=i: {**d, "taken": [*d["taken"], i]} for i in (1, 2, 3)]
    assert upgraded({"schema": 2, "taken": []}, steps, "here") == {"schema": 4, "taken": [2, 3]}
    assert upgraded({"schema": 4, "taken": []}, steps, "here") == {"schema": 4, "taken": []}
    for schema in (5, True, "2", None):
        with pytest.raises(EntryError, match=r"here: schema .* is newer than 4"):
            upgraded({"schema": schema}, steps, "here")
    with pytest.raises(EntryError, match="here: there is no schema 0"):
        upgraded({"schema": 0}, steps, "here")
