"""A campaign's status: what it is made of, the files that tell it, and how it is read from outside."""

from __future__ import annotations

import fcntl
import os
import random
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from graphfuzz.campaign import reporter as reporting
from graphfuzz.campaign import status as reading
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.coverage import News
from graphfuzz.campaign.discovery import Chance
from graphfuzz.campaign.health import Health
from graphfuzz.campaign.journal import BOOKS, LOCK, Facts, Journal, is_held
from graphfuzz.campaign.metrics import metrics
from graphfuzz.campaign.reporter import Reporter
from graphfuzz.campaign.sample import Discovery, Era, Estimates, Stability
from graphfuzz.campaign.statistics import POINTS, Bucket, Flaky, HarnessError, Lane, Statistics
from graphfuzz.campaign.status import (
    DEAD,
    ENDED,
    METRICS,
    RUNNING,
    STATUS,
    Status,
    campaigns,
    make_status,
    read_status,
)
from graphfuzz.corpus.signature import Signature
from graphfuzz.errors import UsageError
from graphfuzz.oracle.verdict import STAGES

ROUTES = ("tf2onnx-ort", "torch-dynamo-ort", "torch-script-ort")
FACTS = Facts(
    Configuration(ROUTES, seed=7, seconds=7200.0, cases=20000),
    "2026-01-02",
    "/data/corpus",
    versions={"torch": "2.9.0", "onnxruntime": "1.23.0"},
)
HEALTH = Health(2, 2, 400 << 20, 3 << 30, {"SIGSEGV": 3, "TimeLimit": 1}, {"fresh": 40, "spent": 9})


def bucket(number: int, **fields: object) -> Bucket:
    signature = Signature(ROUTES[number % 3], "wrong-output", ("floor_divide_by",), f"value {number}")
    return Bucket(signature, f"wrong-output in compare: {number}", f"/data/corpus/{signature.slug}", 2, **fields)


def grown() -> Statistics:
    """What a campaign of an hour could have seen."""
    statistics, draw = Statistics(), random.Random(3)
    for second in range(3723):
        statistics.elapsed = float(second)
        for route in ROUTES:
            statistics.verdicts[route]["ok"] += draw.choice((1, 2, 3)) if second < 3000 else 1
            for stage in STAGES:
                statistics.seconds[route][stage] += (0.2 if stage == "conversion" else 0.02) * draw.random()
        much = int(4000 * (1 - 0.999**second))
        statistics.coverage.update(torch=News(much, 5 * much, 90 * much), keras=News(much // 2, 3 * much, 60 * much))
        statistics.grow()
    statistics.verdicts[ROUTES[0]].update({"wrong-output": 31, "conversion-crash": 4, "unsupported": 999})
    statistics.verdicts[ROUTES[1]].update({"process-crash": 3, "hang": 1, "unstable": 12, "harness-error": 1})
    statistics.refused.update({ROUTES[0]: 402, ROUTES[2]: 1313})
    for number in range(12):
        known = number % 4 == 0
        made = bucket(number, first_case=number * 100, lane="guided", count=number + 1, known=known)
        made.seconds, made.cases = 300.0 * number, 101 * number
        statistics.buckets[made.signature.slug] = made
    unmet = bucket(99, known=True)
    statistics.buckets[unmet.signature.slug] = unmet
    shares = {"random": 0.4, "guided": 0.3, "sweep": 0.1, "pair": 0.1, "mutation": 0.05, "pattern": 0.05}
    statistics.lanes.update({name: Lane(share, int(9000 * share), 900.0, 12345) for name, share in shares.items()})
    statistics.harness_errors.append(HarnessError(77, ROUTES[1], "harness-error in source: it", "Traceback ..."))
    statistics.flaky.append(Flaky(55, ROUTES[0], "hang", "ok", 3, 1, 5))
    statistics.cases, statistics.waiting, statistics.minimizing, statistics.minimizer_runs = 9000, 2, 700.0, 1500
    statistics.given = statistics.executions() + 6
    return statistics


def estimated() -> Estimates:
    """What a control of 400 cases on the first route says."""
    era = Era(1, "2026-11-20", 0, "the first", {}, {})
    found = Discovery(ROUTES[0], "buckets", 400, 0, 9, 4, 2, Chance(0.01, 0.004, 0.02), 12.0, [(400, 9)])
    same = Stability(ROUTES[0], 40, 40, Chance(1.0, 0.912, 1.0), [])
    return Estimates(era, [found], [same], [era])


def example() -> Status:
    lately = dict(zip(ROUTES, (1.25, 0.5, 2.0), strict=True))
    return make_status(Path("campaigns/night"), FACTS, grown(), health=HEALTH, lately=lately, estimates=estimated())


def test_a_status_is_what_statistics_and_facts_say():
    status = example()
    assert (status.state, status.seed, status.budget) == (RUNNING, 7, {"seconds": 7200.0, "cases": 20000})
    assert list(status.routes) == list(ROUTES)
    assert status.routes[ROUTES[0]].counts()["findings"] == 35
    assert sum(status.routes[ROUTES[1]].counts().values()) == status.routes[ROUTES[1]].executions
    assert status.executions == grown().executions()
    assert status.rate == pytest.approx(status.executions / 3722)
    assert status.lately == 3.75
    assert (len(status.buckets), status.new_buckets) == (12, 9)
    assert [b.seconds for b in status.newest()[:2]] == [3300.0, 3000.0]
    assert status.since_new == (422.0, 9000 - 1111)
    assert status.lanes["guided"].new_buckets == 9
    assert [error.case for error in status.errors] == [77]
    assert msgspec.json.decode(msgspec.json.encode(status), type=Status) == status


def test_nothing_is_since_a_new_bucket_where_there_is_none():
    status = make_status(Path("c"), FACTS, Statistics())
    assert (status.since_new, status.lately, status.rate, status.executions) == (None, None, 0.0, 0)


def test_growth_is_bounded_and_reaches_from_the_beginning_to_now():
    growth = grown().growth
    assert POINTS / 2 < len(growth) <= POINTS
    assert growth[0].seconds == 0
    steps = {after.seconds - before.seconds for before, after in pairwise(growth)}
    assert max(steps) == 32
    assert 3722 - growth[-1].seconds <= 64
    assert growth[-1].seen["torch"].pairs > growth[0].seen["torch"].pairs


def test_metrics_are_openmetrics_and_what_prometheus_reads():
    awkward = msgspec.structs.replace(FACTS, corpus='/a "corpus"\\with\nlines')
    known = {"health": HEALTH, "lately": {ROUTES[0]: 0.25}, "estimates": estimated()}
    text = metrics(make_status(Path("campaigns/night"), awkward, grown(), **known))
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in openmetrics_families(text)}
    assert all(name.startswith("graphfuzz_") and family.documentation for name, family in families.items())
    assert {name: family.unit for name, family in families.items() if family.unit}["graphfuzz_memory_bytes"] == "bytes"
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["graphfuzz_executions_total", "night", ROUTES[0], "wrong-output"] == 31
    assert samples["graphfuzz_elapsed_seconds_total", "night"] == 3722
    assert samples["graphfuzz_buckets", "false", "night"] == 9
    assert samples["graphfuzz_since_new_bucket_seconds", "night"] == 422
    assert samples["graphfuzz_worker_deaths_total", "SIGSEGV", "night"] == 3
    assert samples["graphfuzz_new_probability", *sorted(("buckets", "night", "high", ROUTES[0]))] == 0.02
    assert samples["graphfuzz_stable_share", *sorted(("night", "low", ROUTES[0]))] == 0.912
    (about,) = families["graphfuzz_campaign_info"].samples
    assert about.labels["corpus"] == awkward.corpus
    assert {f.type for f in prometheus_families(text) if f.samples} <= {"counter", "gauge", "unknown"}
    assert {line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")} == {"counter", "gauge"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "night"


@pytest.fixture
def journal(folder: Path):
    with Journal.begun(FACTS, folder) as journal:
        yield journal


def keep(journal: Journal, statistics: Statistics) -> None:
    with journal.step():
        for one in statistics.buckets.values():
            journal.bucket(one)
        for error in statistics.harness_errors:
            journal.error(error)
        for flaky in statistics.flaky:
            journal.flaky(flaky)
        journal.grow(statistics.growth)
        journal.count(statistics)


def reporter(folder: Path, said: list[str] | None = None) -> Reporter:
    made = Reporter(folder, FACTS, lambda: HEALTH, lambda: None, [].append if said is None else said.append)
    made.statistics = grown()
    return made


def test_a_running_campaign_keeps_its_files(folder):
    journal = Journal.begun(FACTS, folder)
    report = reporter(folder)
    report.refresh()
    status = read_status(folder)
    assert (status.state, status.health, status.cases) == (RUNNING, HEALTH, 9000)
    assert status.campaign == str(folder)
    assert 'graphfuzz_cases_total{campaign="night"} 9000' in (folder / METRICS).read_text()
    report.statistics.cases = 9001
    report.refresh()
    assert read_status(folder).cases == 9000, "it is written now and then"
    ended = report.end("interrupted")
    assert (ended.state, ended.why) == (ENDED, "interrupted")
    assert read_status(folder).state == RUNNING, "its process still holds the folder"
    journal.__exit__()
    assert read_status(folder) == ended


def test_rates_of_late_are_of_what_ran_lately(folder, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    folder.mkdir()
    report = reporter(folder)
    for _ in range(90):
        report.refresh()
        now[0] += 1.0
        report.statistics.verdicts[ROUTES[0]]["ok"] += 3 if now[0] > 120 else 50
    rates = {name: route.lately for name, route in report.status().routes.items()}
    assert rates == {ROUTES[0]: pytest.approx(3.0), ROUTES[1]: 0.0, ROUTES[2]: 0.0}


def test_files_that_cannot_be_written_end_nothing_and_are_told_once(folder, monkeypatch):
    folder.mkdir()
    said: list[str] = []
    report = reporter(folder, said)

    def full(path, text):
        raise OSError(28, "No space left on device")

    for writes, times in ((full, 3), (reporting.write_whole, 1), (full, 2)):
        monkeypatch.setattr(reporting, "write_whole", writes)
        for _ in range(times):
            assert report.end("over").state == ENDED
    assert len(said) == 2
    assert "cannot be written (No space left on device); the campaign goes on" in said[0]
    assert sorted(path.name for path in folder.iterdir()) == [METRICS, STATUS]


def test_a_campaign_that_was_killed_is_dead_and_its_journal_speaks(folder):
    journal = Journal.begun(FACTS, folder)
    reporter(folder).refresh()
    later = grown()
    later.cases, later.elapsed = 9100, 3800.0
    keep(journal, later)
    journal.__exit__()
    status = read_status(folder)
    assert (status.state, status.cases, status.elapsed, status.health) == (DEAD, 9100, 3800.0, None)
    assert status.since_new == (500.0, 9100 - 1111)
    assert status.growth == tuple(later.growth)
    assert [error.summary for error in status.errors] == ["harness-error in source: it"]


@pytest.mark.parametrize("spoil", ["remove", "age", "cut", "another schema"])
def test_where_the_file_does_not_tell_a_running_campaign_is_read_from_its_journal(folder, journal, spoil, monkeypatch):
    reporter(folder).refresh()
    keep(journal, grown())
    path = folder / STATUS
    if spoil == "remove":
        path.unlink()
    elif spoil == "age":
        monkeypatch.setattr(reading, "STALE", 0.0)
    elif spoil == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.write_bytes(path.read_bytes().replace(b'"schema": 1', b'"schema": 2'))
    status = read_status(folder)
    assert (status.state, status.cases, status.health) == (RUNNING, 9000, None)


def test_looking_leaves_a_campaign_as_it_is(folder):
    assert not is_held(folder)
    with Journal.begun(FACTS, folder) as journal:
        keep(journal, grown())
        before = contents(folder)
        for _ in range(20):
            assert read_status(folder).cases == 9000
        assert is_held(folder)
        assert contents(folder) == before
        keep(journal, grown())
    read_status(folder)
    assert not is_held(folder)
    with Journal.resumed(folder) as journal:
        assert journal.statistics().cases == 9000


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but SQLite's shared memory, in which readers leave marks."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def test_a_campaign_begins_though_somebody_looks_at_it(folder, monkeypatch):
    folder.mkdir()
    looking = os.open(folder / LOCK, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: os.close(looking))
    with Journal.begun(FACTS, folder):
        assert is_held(folder)


def test_bad_folders_are_named(tmp_path):
    for path, said in ((tmp_path / "none", "cannot be read"), (tmp_path, "no campaign is there")):
        with pytest.raises(UsageError, match=said):
            campaigns(path)
    (tmp_path / "spoilt").mkdir()
    (tmp_path / "spoilt" / BOOKS).write_text("nothing of the kind" * 100)
    with pytest.raises(UsageError, match=r"cannot be read \(file is not a database\)"):
        read_status(tmp_path / "spoilt")


def test_campaigns_are_found_below_a_folder(tmp_path):
    for name in ("b", "a"):
        Journal.begun(FACTS, tmp_path / name).__exit__()
    (tmp_path / "c").mkdir()
    assert campaigns(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert campaigns(tmp_path / "b") == [tmp_path / "b"]
