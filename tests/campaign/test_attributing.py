"""Attribution in workers: of findings that take them down, each witness in its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.workers import Limits, Task, Workers
from graphfuzz.corpus.entry import make_entry, read_entry, write_entry
from graphfuzz.oracle.route import load_route
from graphfuzz.spec import Registry
from tests.campaign.test_workers import FAKE, LIMITS, relu_case


@pytest.mark.parametrize(
    ("name", "verdict", "stage"),
    [
        ("segfault", "process-crash", "node conversion"),
        ("hang", "hang", "node conversion"),
        ("raises", "conversion-crash", "node conversion"),
        ("invalid", "invalid-model", "model validity"),
        ("wrong", "wrong-output", "node conversion"),
    ],
)
def test_every_kind_of_finding_is_attributed(
    name: str, verdict: str, stage: str, tmp_path: Path, registry: Registry
) -> None:
    with Workers(1, [FAKE + "right"], limits=LIMITS) as pool:
        outcome = pool.submit(Task(route=FAKE + name, case=relu_case(), recipe=None)).result().outcome
        assert outcome.verdict == verdict
        found = attributed(lambda task: pool.submit(task).result(), relu_case(), outcome)
    assert found is not None
    assert (found.stage, found.node, found.operator) == (stage, "y", "relu"), found
    entry = make_entry(relu_case(), outcome, load_route(FAKE + name), registry, "2026-01-02", attribution=found)
    stored = read_entry(write_entry(tmp_path, entry)).finding
    assert stored.attribution == entry.finding.attribution
    assert stored.first_diverging == "y"


def test_a_witness_that_dies_takes_no_one_with_it() -> None:
    """The finding is a wrong output, and its attribution's first witness kills the worker."""
    with Workers(1, [FAKE + "right"], limits=Limits(seconds=5.0, memory_bytes=512 << 20)) as pool:
        run = lambda task: pool.submit(task).result()  # noqa: E731
        outcome = run(Task(route=FAKE + "wrong", case=relu_case(), recipe=None)).outcome
        dying = type(outcome)(FAKE + "segfault", outcome.verdict, outcome.stage, mismatch=outcome.mismatch)
        found = attributed(run, relu_case(), dying)
    assert found is not None
    said = {witness.name: witness for witness in found.evidence}
    assert said["again"].said == "otherwise"
    assert "SIGSEGV" in said["again"].detail
