"""What campaigns write down of the control, and what is told of it."""

import math
import sqlite3

import msgspec
import pytest

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.sample import Estimates, Sample
from graphfuzz.campaign.schedule import Place
from graphfuzz.corpus.sightings import today
from graphfuzz.graph import Features
from graphfuzz.oracle.verdict import Outcome
from tests.campaign.test_loop import ROUTE, PredicateWorkers, Result, begun

FEW = ("relu", "add", "tanh", "exp")


def configured(**settings):
    return Configuration((ROUTE,), **{"seed": 4, "cases": 60, "nodes": 6, "operators": FEW, "repeated": 0, **settings})


@pytest.fixture
def sample():
    """An empty sample in its first era."""
    with Journal.begun(Facts(configured(), today(), "")) as journal:
        journal.sample.enter({"onnx": "1"}, {"nodes": "6"}, 0)
        yield journal.sample


def shown(*uses, pairs=()):
    return Features(uses, pairs, (), 1)


def take(sample, index, verdict="ok", features=None, lane="random", route=ROUTE, repeated=False):
    found = verdict not in ("ok", "unsupported", "harness-error")
    sample.take(Place(index, lane), route, verdict, features, found, repeated)


def told(sample, kind, route=ROUTE, era=None):
    (found,) = (d for d in sample.estimates(era).discoveries if (d.route, d.kind) == (route, kind))
    return found


def test_units_are_what_the_control_ran(sample):
    take(sample, 0, features=shown("add f 1"))
    take(sample, 1, features=shown("add f 2"), lane="guided")
    take(sample, 2, "harness-error")
    take(sample, 3, "unsupported", shown("add f 3"))
    take(sample, 4, "wrong-output", shown("add f 1", "add axis=1", "exp f 1", pairs=(("add", "exp"),)))
    take(sample, 4, "ok", shown("add f 1"), route="another")
    uses = told(sample, "uses")
    assert (uses.units, uses.seen, uses.once, uses.twice) == (3, 2, 1, 1)
    assert uses.curve == [(1, 1), (2, 1), (3, 2)]
    assert uses.new.estimate == pytest.approx(1 / 3)
    assert (told(sample, "pairs").seen, told(sample, "uses", "another").units) == (1, 1)


def test_buckets_are_told_of_what_is_decided(sample):
    for index in range(10):
        take(sample, index, "wrong-output" if index in (3, 5, 8) else "ok")
    assert (told(sample, "buckets").units, told(sample, "buckets").undecided) == (3, 7)
    assert (told(sample, "buckets").new.estimate, told(sample, "buckets").new.high) == (0, 1)
    sample.credit(5, ROUTE, "a")
    assert told(sample, "buckets").seen == 0
    sample.credit(3, ROUTE, "b")
    found = told(sample, "buckets")
    assert (found.units, found.undecided, found.seen, found.curve[-1]) == (8, 2, 2, (8, 2))
    sample.dismiss(8, ROUTE)
    assert (told(sample, "buckets").units, told(sample, "buckets").seen) == (10, 2)
    sample.credit(8, ROUTE, "c")
    assert told(sample, "buckets").seen == 2


def test_a_unit_that_is_decided_late_stands_at_its_place(sample):
    for index in range(6):
        take(sample, index, "wrong-output")
    for index in (4, 2, 0, 1, 3, 5):
        sample.credit(index, ROUTE, "a" if index % 2 else "b")
    assert told(sample, "buckets").curve == [(1, 1), (2, 2), (5, 2), (6, 2)]


def test_an_era_lasts_as_long_as_versions_and_settings(sample):
    take(sample, 0, "wrong-output", shown("add f 1"))
    sample.enter({"onnx": "1"}, {"nodes": "6"}, 0)
    assert len(sample.eras()) == 1
    sample.enter({"onnx": "2"}, {"nodes": "6", "zeros": "0.1"}, 1)
    assert sample.eras()[1].reason == "onnx 1 is now 2, zeros of old is now 0.1"
    assert sample.estimates().discoveries == []
    take(sample, 1, "wrong-output", shown("exp f 1"))
    sample.credit(1, ROUTE, "a")
    assert (told(sample, "uses").seen, told(sample, "buckets").seen) == (1, 1)
    old = told(sample, "buckets", era=1)
    assert (old.units, old.undecided) == (0, 1)
    sample.dismiss(0, ROUTE)
    assert told(sample, "buckets", era=1) == old
    sample.credit(0, ROUTE, "a")
    assert (told(sample, "buckets", era=1).seen, told(sample, "buckets").seen) == (1, 1)


def test_what_was_given_out_before_an_era_is_not_of_it(sample):
    take(sample, 0)
    sample.enter({"onnx": "1"}, {"nodes": "7"}, 5)
    take(sample, 4)
    take(sample, 5)
    assert [told(sample, "uses", era=number).units for number in (1, 2)] == [2, 1]
    assert (sample.eras()[1].reason, sample.eras()[1].versions) == ("nodes 6 is now 7", {"onnx": "1"})


def test_books_that_are_older_than_eras_say_nothing():
    assert Sample(sqlite3.connect(":memory:")).estimates() is None


def test_nothing_is_found_where_nothing_is_broken(tmp_path, registry):
    made = begun(configured(), registry, tmp_path / "corpus", PredicateWorkers(registry))
    made.run()
    estimates = made.journal.sample.estimates()
    buckets, uses, _ = estimates.discoveries
    assert buckets.units == uses.units == made.statistics.lanes["random"].cases
    assert buckets.new.high == 3 / buckets.units
    assert uses.seen == uses.curve[-1][1] > 4
    assert math.isfinite(uses.new.estimate)
    assert msgspec.json.decode(msgspec.json.encode(estimates), type=Estimates) == estimates


def test_every_finding_of_the_control_is_decided_in_the_end(tmp_path, registry):
    made = begun(configured(), registry, tmp_path / "c", PredicateWorkers(registry, broken=["tanh"], crashing=["exp"]))
    made.run()
    buckets = made.journal.sample.estimates().discoveries[0]
    assert (buckets.seen, buckets.undecided) == (2, 0)
    flaky = begun(configured(), registry, tmp_path / "d", PredicateWorkers(registry, broken=["tanh"], flaky=True))
    flaky.run()
    buckets = flaky.journal.sample.estimates().discoveries[0]
    assert (buckets.seen, buckets.undecided, bool(flaky.statistics.flaky)) == (0, 0, True)


class Moody(PredicateWorkers):
    """Whatever is run once more hangs where it has a tanh."""

    def submit(self, task):
        future = super().submit(task)
        result = future.result()
        if task.recipe is not None and task.plain and "tanh" in result.case.graph.operators():
            future = type(future)()
            future.set_result(Result(Outcome(task.route, "hang", "runtime"), result.case))
        return future


def test_a_share_of_the_control_is_repeated_and_is_no_execution(tmp_path, registry):
    workers = Moody(registry)
    made = begun(configured(repeated=0.5, cases=100), registry, tmp_path / "corpus", workers)
    statistics = made.run()
    (stability,) = made.journal.sample.estimates().stabilities
    chosen = [i for i in range(100) if made.configuration.is_control(i) and made.configuration.is_repeated(i)]
    assert stability.repeated == len(chosen) > 10
    assert (statistics.executions(), statistics.given, statistics.in_flight) == (100, 100, 0)
    differing = {repeat.case for repeat in stability.differing}
    assert 0 < len(differing) == stability.repeated - stability.same
    assert {(r.verdict, r.again) for r in stability.differing} == {("ok", "hang")}
    assert differing < set(chosen)
    assert stability.share.low < stability.same / stability.repeated < stability.share.high


def test_a_campaign_that_goes_on_with_other_versions_begins_an_era(tmp_path, registry):
    folder, configuration = tmp_path / "campaign", configured(cases=20)
    for cases, version in ((20, "1"), (40, "1"), (60, "2")):
        configuration = configured(cases=cases, workers=cases)
        facts = Facts(configuration, today(), str(tmp_path / "corpus"), versions={"onnx": "1"})
        with Journal.begun(facts, folder) if cases == 20 else Journal.resumed(folder) as journal:
            journal.facts = facts
            workers = PredicateWorkers(registry, broken=["tanh"])
            frameworks = check(configuration, registry)
            Campaign(journal, frameworks, registry, workers, versions={"onnx": version}).run()
            estimates, first = journal.sample.estimates(), journal.sample.estimates(1)
    assert [(era.number, era.case) for era in estimates.eras] == [(1, 0), (2, 39)]
    assert estimates.era.reason == "onnx 1 is now 2"
    control = [i for i in range(60) if configuration.is_control(i)]
    assert first.discoveries[0].units == sum(i < 40 for i in control)
    assert estimates.discoveries[0].units == sum(i >= 40 for i in control)
    assert first.discoveries[0].seen == estimates.discoveries[0].seen == 1
