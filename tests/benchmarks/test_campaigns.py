"""What the benchmarks of campaigns count, on campaigns made up; the campaigns themselves take minutes."""

import json
import sqlite3
import time
from types import SimpleNamespace

import pytest

from benchmarks import false_alarms, overhead, runs, scaling, survival, yields
from benchmarks.runs import Books, compared
from benchmarks.watched import ATTRIBUTION, REST, TRIED, Piece, Watch, piece, watch
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import BOOKS
from graphfuzz.campaign.refusals import Trials
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.workers import Result, Task
from graphfuzz.oracle.verdict import Outcome

QUICK = runs.QUICK


def outcome(**given):
    return Outcome(route=QUICK, verdict="ok", **{"stage": "compare", **given})


def task(**given):
    return Task(**{"route": QUICK, "case": None, "recipe": None, **given})


@pytest.mark.parametrize(
    ("asked", "result", "what", "seconds"),
    [
        ({}, Result(outcome(seconds={"run": 1.0}), None), "cases", {"run": 1.0, REST: 3.0}),
        ({"plain": True}, Result(outcome(seconds={"run": 4.5}), None), "fresh processes", {"run": 4.5, REST: 0}),
        ({}, Result(outcome(stage="conversion"), None), "cases", {"conversion": 4.0}),
        (
            {},
            Result(outcome(seconds={"run": 1.0}), None, trials=Trials(seconds=2.0, stages={"run": 0.5})),
            "cases",
            {"run": 1.5, TRIED: 1.5, REST: 1.0},
        ),
        ({"finding": outcome()}, Result(outcome(seconds={"run": 9.0}), None), ATTRIBUTION, {ATTRIBUTION: 4.0}),
    ],
    ids=["case", "fresh", "dead", "tried", "attribution"],
)
def test_what_a_tasks_time_went_to(asked, result, what, seconds):
    found = piece(task(**asked), result, (10.0, 14.0))
    assert (found.what, {name: spent for name, spent in found.seconds.items() if spent}) == (
        what,
        {name: spent for name, spent in seconds.items() if spent},
    )


def test_all_worker_seconds_are_accounted_for():
    """Two workers for 10 s: one works on cases for 8 s, of which 6 are the target's; the loop minimizes for 4 s, with
    one worker busy for 3 of them."""
    pieces = [
        Piece((0.0, 8.0), "cases", {"run": 6.0, "compare": 1.5, REST: 0.5}),
        Piece((6.5, 9.5), "minimizing", {"conversion": 2.0, "generation": 1.0}),
    ]
    watched = Watch(
        workers=2,
        start_up=1.0,
        span=(0.0, 10.0),
        cpu=1.0,
        waiting=3.0,
        minimizing=[(6.0, 10.0)],
        ends=[8.0],
        pieces=pieces,
        statistics=Statistics(),
    )
    assert watched.idle() == pytest.approx((3.0, 6.0))
    told = overhead.account(watched)
    assert told["overhead"] == told["at_least"] == pytest.approx(1 - 8 / 20)
    assert sum(told["shares"].values()) == pytest.approx(1)
    first = watched.until(9.0)
    assert (first.wall, first.minimizing, len(first.pieces)) == (9.0, [(6.0, 9.0)], 1)


def test_a_campaign_is_watched_and_its_books_are_held_against_themselves(registry, tmp_path):
    options = {"operators": ("relu",), "dtypes": ("float32",), "nodes": 1, "lanes": {"random": 1.0}, "workers": 1}
    configuration = Configuration((QUICK,), 3, seconds=1e6, minimizing=0.0, **options)
    watched = watch(configuration, registry, tmp_path, executions=10)
    assert len(watched.ends) == 10
    assert sum(overhead.account(watched)["shares"].values()) == pytest.approx(1, abs=0.02)
    assert watched.spent()["conversion"] > 0
    assert 0 < scaling._busy(watched) <= 1
    assert time.monotonic() > watched.ends[0] > watched.span[0]
    run = SimpleNamespace(folder=tmp_path / "campaign")
    found = runs.books_of(run)
    assert sorted(found.executions) == list(range(10))
    assert found.waiting > 0
    told = false_alarms.told(run.folder)["routes"][QUICK]
    assert sum(told["rule"].values()) == sum(told["verdicts"].values()) == 10
    assert told["rule"]["right by both"] == told["verdicts"]["ok"] > 0
    assert not found.disagreements
    with sqlite3.connect(tmp_path / "campaign" / BOOKS) as tampered:
        tampered.execute('DELETE FROM executions WHERE "case" = 3')
        tampered.execute("DELETE FROM waiting")
    assert len(runs.books_of(run).disagreements) == 2


def books(**given):
    plain = {
        "executions": {0: "ok", 1: "conversion-crash", 2: "ok"},
        "buckets": {"a": 1},
        "sightings": {"a": 1},
        "given": 3,
        "lost": 0,
        "waiting": 0,
        "harness_errors": [],
        "flaky": 0,
        "disagreements": [],
    }
    return Books(**(plain | given))


@pytest.mark.parametrize(
    ("other", "ill", "lost", "double", "balanced"),
    [
        ({}, [], 0, 0, True),
        ({"given": 5, "lost": 2}, [], 0, 0, True),
        ({"given": 4}, [], 0, 0, False),
        ({"disagreements": ["something"]}, [], 0, 0, False),
        ({"executions": {0: "ok", 1: "conversion-crash"}, "given": 2}, [], 1, 0, True),
        ({"executions": {0: "ok", 1: "process-crash", 2: "ok"}}, [], 1, 0, True),
        ({"executions": {0: "ok", 1: "process-crash", 2: "ok"}}, [1], 0, 0, True),
        ({"executions": {0: "ok", 1: "conversion-crash"}, "given": 2}, [2], 1, 0, True),
        ({"buckets": {"a": 2}, "sightings": {"a": 2}}, [], 0, 2, True),
        ({"buckets": {}, "sightings": {}}, [], 2, 0, True),
        ({"buckets": {"a": 1, "b": 1}}, [], 0, 1, True),
        ({"buckets": {"a": 1, "b": 1}}, [0], 0, 0, True),
    ],
)
def test_what_is_lost_and_what_is_counted_twice(other, ill, lost, double, balanced):
    told = compared(books(), books(**other), ill)
    assert (told["lost"], told["double_counted"], told["balanced"]) == (lost, double, balanced)


def test_reports_of_one_message_are_a_group(tmp_path):
    def report(name, symptom, words):
        place = tmp_path / name
        place.mkdir()
        (place / "meta.json").write_text(json.dumps({"symptom": symptom, "stage": "compilation"}))
        (place / "err.log").write_text(words)
        return yields._group(place)

    failed = "Traceback\n  File x\nonnxruntime.Fail: no kernel for Erf(13) node '/Erf'\nmore words"
    assert report("a", "exception", failed) == report("b", "exception", failed.replace("/Erf", "/Erf_1"))
    assert report("c", "exception", failed.replace("kernel", "room")) != yields._group(tmp_path / "a")
    assert report("d", "inconsistency", "AssertionError: \nNot equal") == "inconsistency in compilation"


def test_each_benchmarks_table_has_its_figures():
    shares = {"run": 0.0, "idle otherwise": 0.0}
    route = {"overhead": 0.1, "at_least": 0.05, "goal": 0.05, "shares": shares, "loop": {"processor": 0.1}}
    route |= {"start_up_seconds": 2.0, "executions": 7, "with_new_cases": {"overhead": 0.1, "at_least": 0.1}}
    assert overhead.render({"workers": 2, "seconds": 1.0, "routes": {"a": route}}).row_count == 10
    told = {"cases_a_second": 2.0, "cases_busy": None}
    found = {"workers": {"local": {1: told, 2: told}}, **scaling._ratios({"local": {1: told, 2: told}})}
    assert found["speed_up"] == 1.0
    assert scaling.render({"cases": 3, "routes": {"a": found}}).row_count == 2
    trial = SimpleNamespace(**compared(books(), books()))
    assert survival.render({"trials": {"full disk": {"tried": 1, **vars(trial)}}}).row_count == 1
