"""Jobs of replay: which are run, how often, by which limits, and what becomes of those that cannot run."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from msgspec.structs import replace

from graphfuzz.campaign.replaying import Job, Replayer, read_jobs, recorded_limits
from graphfuzz.campaign.workers import Limits
from graphfuzz.corpus import Entry, make_entry, write_entry
from graphfuzz.corpus.replay import ALSO_FAILING, CANNOT_RUN, DAMAGED, FIXED, FLAKY, STILL_FAILING
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK, Outcome
from tests.corpus import plain_routes
from tests.examples import ROUTE, relu_case, wrong
from tests.stored import PLAIN

RIGHT, WRONG = Outcome(ROUTE, OK, "compare"), wrong(relu_case())


@pytest.fixture(scope="module")
def entry(registry) -> Entry:
    return make_entry(relu_case(), WRONG, plain_routes.right, registry, "2026-01-02")


def test_jobs_are_entries_of_the_routes_asked_for_on_the_routes_asked_for(entry, tmp_path):
    sound = write_entry(tmp_path, entry)
    jobs, damaged = read_jobs([sound, tmp_path / "none"], [], [])
    assert [(job.path, job.route) for job in jobs] == [(sound, ROUTE)]
    assert [(line.status, line.entry) for line in damaged] == [(DAMAGED, str(tmp_path / "none"))]
    assert [job.route for job in read_jobs([sound], [ROUTE], ["a", "b", "a"])[0]] == ["a", "b"]
    assert read_jobs([sound], ["a"], []) == ([], [])


def test_limits_are_as_recorded_but_for_the_time_where_one_is_given(registry):
    found = make_entry(relu_case(), WRONG, plain_routes.right, registry, "2026-01-02", seconds=5.0, memory=1 << 30)
    assert recorded_limits(found, None) == Limits(seconds=5.0, memory_bytes=1 << 30)
    assert recorded_limits(found, 9.0) == Limits(seconds=9.0, memory_bytes=1 << 30)


@pytest.mark.parametrize(
    ("outcomes", "repeats", "status", "runs"),
    [
        ([WRONG], 2, STILL_FAILING, 1),
        ([RIGHT, RIGHT, RIGHT], 2, FIXED, 3),
        ([RIGHT, WRONG, RIGHT, RIGHT], 3, FLAKY, 4),
        ([RIGHT], 0, FIXED, 1),
        ([replace(WRONG, route="other")], 2, ALSO_FAILING, 1),
        ([Outcome(ROUTE, HARNESS_ERROR, "source")], 2, CANNOT_RUN, 1),
    ],
)
def test_only_what_does_not_show_its_finding_is_run_again(entry, monkeypatch, outcomes, repeats, status, runs):
    left = list(outcomes)
    monkeypatch.setattr(Replayer, "_workers", lambda self, job: None)
    monkeypatch.setattr(Replayer, "_run", lambda self, workers, job: left.pop(0))
    with Replayer(1, [ROUTE], repeats=repeats) as replayer:
        line = replayer.submit(Job(Path("x"), entry, ROUTE)).result()
    assert (line.status, line.runs, left) == (status, runs, [])


def test_a_target_that_cannot_be_imported_stops_only_its_own_route(entry):
    routes = [PLAIN + name for name in ("unimportable", "wrong")]
    jobs = [Job(Path("x"), replace(entry, finding=replace(entry.finding, route=route)), route) for route in routes]
    with Replayer(2, routes, repeats=0) as replayer:
        cannot, failing = (future.result() for future in [replayer.submit(job) for job in jobs])
    assert (cannot.status, failing.status) == (CANNOT_RUN, STILL_FAILING), failing
    assert "RuntimeError: built against another version" in cannot.now


def test_leaving_stops_what_is_under_way(entry):
    with Replayer(1, []) as replayer:
        replayer.__exit__()
        with pytest.raises((CancelledError, RuntimeError)):
            replayer.submit(Job(Path("x"), entry, ROUTE)).result()
