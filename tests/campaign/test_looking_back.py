"""What a campaign runs again before it makes new cases, and what is news of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.known import KnownIssue, Suppression
from graphfuzz.campaign.looking_back import ALL, DUE, NONE, due, news, note_seen, rerun
from graphfuzz.campaign.loop import Campaign
from graphfuzz.corpus import read_entry
from graphfuzz.corpus.expectation import Expected
from graphfuzz.corpus.replay import CANNOT_RUN, FIXED, FLAKY, STILL_FAILING
from graphfuzz.corpus.sightings import today
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Outcome
from tests.campaign.test_loop import ROUTE as SCRIPT
from tests.campaign.test_loop import PredicateWorkers, campaign
from tests.stored import PLAIN, store

WRONG = f"{PLAIN}wrong"


@pytest.fixture
def corpus(tmp_path, registry):
    store(tmp_path / "corpus", "wrong", "wrong", registry)
    store(tmp_path / "corpus", "wrong", "right", registry)
    return tmp_path / "corpus"


def names(jobs):
    return [job.path.name for job in jobs]


def test_what_was_seen_in_these_versions_is_not_due(corpus):
    (path,) = corpus.glob("wrong-wrong")
    versions = {WRONG: read_entry(path).finding.versions}
    assert names(due(DUE, corpus, versions, {})) == []
    assert names(due(ALL, corpus, versions, {})) == ["wrong-wrong"]
    assert names(due(NONE, corpus, versions, {})) == []
    newer = {WRONG: {**versions[WRONG], "graphfuzz": "99"}}
    assert names(due(DUE, corpus, newer, {})) == ["wrong-wrong"]
    assert names(due(NONE, corpus, newer, {})) == []
    assert names(due(DUE, corpus, versions, {(WRONG, "wrong-wrong"): Expected(FIXED)})) == ["wrong-wrong"]
    assert names(due(DUE, corpus / "nowhere", newer, {})) == []


def jobs_of(corpus):
    return list(due(ALL, corpus, {f"{PLAIN}{name}": {} for name in ("wrong", "right")}, {}))


def judge_here(registry):
    return lambda route, cases: [judge(case, load_route(route), registry) for case in cases]


def test_entries_are_run_again_and_what_differs_is_news(corpus, registry):
    lines = {line.name: line for line in rerun(jobs_of(corpus), judge_here(registry), registry)}
    assert {name: line.status for name, line in lines.items()} == {"wrong-wrong": STILL_FAILING, "wrong-right": FIXED}
    (told,) = news(lines.values(), {})
    assert told.startswith(f"fixed: {corpus}/wrong-right (expected still failing: wrong-output, now ok")
    fixed = {(f"{PLAIN}{name}", f"wrong-{name}"): Expected(FIXED, "ok") for name in ("wrong", "right")}
    (told,) = news(lines.values(), fixed)
    assert told.startswith("regression, still failing: ")


def test_what_does_not_show_at_once_is_run_again(corpus, registry):
    (job,) = [job for job in jobs_of(corpus) if job.route == WRONG]
    first = iter([Outcome(WRONG, "ok", "compare")])
    real = judge_here(registry)

    def flaky(route, cases):
        return [next(first, None) or outcome for outcome in real(route, cases)]

    (line,) = rerun([job], flaky, registry)
    assert (line.status, line.runs, line.shown) == (FLAKY, 3, 2)


def test_what_cannot_run_is_told_without_a_run(corpus, registry):
    (job,) = [job for job in jobs_of(corpus) if job.route == WRONG]
    (line,) = rerun([msgspec.structs.replace(job, route="nowhere")], judge_here(registry), registry)
    assert line.status == CANNOT_RUN
    (told,) = news([line], {})
    assert told.startswith("regression, cannot run")


def test_what_was_seen_is_noted_once_a_day(corpus, registry):
    lines = rerun(jobs_of(corpus), judge_here(registry), registry)
    newer = {line.route: {"graphfuzz": "99"} for line in lines}
    for _ in range(2):
        note_seen(lines, newer)
    seen = read_entry(corpus / "wrong-wrong").seen
    assert seen[f"{today()} replay"].count == 1
    assert names(due(DUE, corpus, newer, {})) == ["wrong-right"]


def tanh_issue(tmp_path, registry, **changes):
    """A known issue of what a campaign has found, and the corpus that has it."""
    first, _ = campaign(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"]))
    (bucket,) = first.found()
    told = {"title": "tanh", "link": "https://example.org/1", "route": SCRIPT, "operator": "tanh"}
    return KnownIssue(**{**told, "entry": bucket.path, "until": date(2999, 1, 1), **changes})


def again(tmp_path, registry, workers, issue, **settings):
    configuration = Configuration((SCRIPT,), seed=9, cases=60, nodes=6, operators=("relu", "add", "tanh", "exp"))
    journal = Journal.begun(Facts(configuration, today(), str(tmp_path / "corpus")), None)
    told = []
    frameworks = check(configuration, registry)
    made = Campaign(
        journal, frameworks, registry, workers, suppression=Suppression([issue]), on_news=told.append, **settings
    )
    return made.run(), told, made


def test_a_known_issue_is_probed_and_its_pattern_not_made(tmp_path, registry):
    issue = tanh_issue(tmp_path, registry)
    workers = PredicateWorkers(registry, broken=["tanh", "exp"])
    statistics, told, _ = again(tmp_path, registry, workers, issue)
    assert [text for text in told if "known issue" in text] == told
    assert "which suppress" in told[0]
    assert not any("tanh" in operators for made, operators in workers.seen if made)
    assert next(operators for made, operators in workers.seen if not made) == ("tanh",), "the probe comes first"
    assert {bucket.signature.operators for bucket in statistics.found()} == {("exp",)}
    assert statistics.buckets[read_entry(Path(issue.entry)).slug].issue == "tanh"


def test_a_mended_issue_lifts_itself(tmp_path, registry):
    workers = PredicateWorkers(registry)
    statistics, told, _ = again(tmp_path, registry, workers, tanh_issue(tmp_path, registry))
    assert "known issue 'tanh' is mended" in told[0]
    assert any("tanh" in operators for made, operators in workers.seen if made)
    assert statistics.found() == []


def test_a_finding_without_a_pattern_to_avoid_counts_for_its_issue(tmp_path, registry):
    issue = tanh_issue(tmp_path, registry, operator="")
    statistics, _, _ = again(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"]), issue)
    (bucket,) = statistics.found()
    assert (bucket.issue, bucket.known, bucket.count > 1) == ("tanh", True, True)
    assert statistics.new_buckets == 0


def test_issues_are_probed_daily(tmp_path, registry, monkeypatch):
    from graphfuzz.campaign import loop

    issue = tanh_issue(tmp_path, registry)
    workers = PredicateWorkers(registry, broken=["tanh"])
    monkeypatch.setattr(loop, "DAY", 0.0)
    again(tmp_path, registry, workers, issue)
    probes = [number for number, (made, _) in enumerate(workers.seen) if not made]
    assert len(probes) > 10


def test_chances_begin_anew_where_an_issue_is_mended_in_mid_campaign(tmp_path, registry, monkeypatch):
    from graphfuzz.campaign import loop

    issue = tanh_issue(tmp_path, registry)
    workers = PredicateWorkers(registry, broken=["tanh"])
    monkeypatch.setattr(loop, "DAY", 0.0)

    def mend(place, outcome):
        if place.index == 10:
            workers.broken.clear()

    _, told, made = again(tmp_path, registry, workers, issue, on_execution=mend)
    assert sum("is mended" in text for text in told) == 1
    first, second = made.journal.sample.eras()
    assert (first.case, second.reason) == (0, "known issues tanh is now none")
    assert 10 < second.case < 30, "what was given out before is not of it"
