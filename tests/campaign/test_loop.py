"""The campaign's decisions, with workers that judge by a predicate instead of running a target."""

import itertools
import random
import sqlite3
from concurrent.futures import Future
from pathlib import Path

import pytest

from graphfuzz.campaign import disk, epochs, loop
from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.findings import REPEATS
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.lanes import DEFAULT
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.workers import Result
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.corpus.sightings import today
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.generator import generate
from graphfuzz.graph import evaluate, features, is_special, pack_arrays
from graphfuzz.oracle.verdict import Mismatch, Outcome

ROUTE = "torch-script-ort"
PLACE = 'Traceback (most recent call last):\n  File "converter.py", line 7, in convert\nKeyError: not here\n'


class PredicateWorkers:
    """Every graph with one of the `broken` operators is a wrong output; those in `crashing` crash the conversion."""

    def __init__(self, registry, broken=(), crashing=(), dying=(), flaky=False, interrupt_at=None):
        self.registry, self.broken, self.crashing, self.dying = registry, set(broken), set(crashing), set(dying)
        self.flaky, self.interrupt_at = flaky, interrupt_at
        self.seen = []

    def submit(self, task):
        case = task.case or generate(task.recipe, self.registry, guide=task.guide, start=task.start, bars=task.bars)
        future = Future()
        seen = features(case.graph) if task.recipe else None
        future.set_result(Result(self.judge(task, case), case, features=seen))
        return future

    def judge(self, task, case):
        operators = list(case.graph.operators())
        if task.recipe is None or not task.plain:
            self.seen.append((task.recipe is not None, tuple(operators)))
        if len(self.seen) == self.interrupt_at:
            raise KeyboardInterrupt
        if self.flaky and task.recipe is None:
            return Outcome(task.route, "ok", "compare")
        for name in self.crashing:
            if name in operators:
                return Outcome(task.route, "conversion-crash", "conversion", "KeyError", "not here", traceback=PLACE)
        for name in self.dying:
            if name in operators:
                return Outcome(task.route, "process-crash", "conversion", "SIGSEGV", "")
        for name in self.broken:
            for node in case.graph.nodes:
                if node.op == name:
                    values = evaluate(case.graph, case.tensors, self.registry)
                    expected = pack_arrays({output: values[output] for output in case.graph.outputs})
                    mismatch = Mismatch("value", case.graph.outputs[0], "it differs")
                    return Outcome(task.route, "wrong-output", "compare", mismatch=mismatch, expected=expected)
        return Outcome(task.route, "ok", "compare", seconds={"conversion": 0.001})


def campaign(tmp_path, registry, workers, cases=60, seed=4, **settings):
    settings = {"nodes": 6, "operators": ("relu", "add", "tanh", "exp"), **settings}
    configuration = Configuration((ROUTE,), seed=seed, cases=cases, **settings)
    log = []
    made = begun(
        configuration,
        registry,
        tmp_path / "corpus",
        workers,
        on_execution=lambda place, outcome: log.append((place.index, outcome.verdict)),
    )
    return made.run(), log


def begun(configuration, registry, corpus, workers, folder=None, **settings):
    """A new campaign."""
    journal = Journal.begun(Facts(configuration, today(), str(corpus)), folder)
    return Campaign(journal, check(configuration, registry), registry, workers, **settings)


def test_each_broken_operator_becomes_one_minimized_entry(tmp_path, registry):
    workers = PredicateWorkers(registry, broken=["tanh"], crashing=["exp"])
    statistics, _ = campaign(tmp_path, registry, workers)
    stored = [read_entry(path) for path in entries([tmp_path / "corpus"])]
    assert {tuple(e.case.graph.operators()) for e in stored} == {("tanh",), ("exp",)}
    assert {b.signature.slug for b in statistics.found()} == {e.slug for e in stored}
    assert sum(b.count for b in statistics.found()) > 10


def test_a_known_crash_is_counted_without_being_minimized_again(tmp_path, registry):
    workers = PredicateWorkers(registry, crashing=["exp"])
    statistics, _ = campaign(tmp_path, registry, workers)
    (bucket,) = statistics.found()
    assert bucket.count > 10
    assert statistics.minimizer_runs < 40


def test_what_the_corpus_has_is_known(tmp_path, registry):
    first, _ = campaign(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"]))
    assert [b.known for b in first.found()] == [False]
    (path,) = entries([tmp_path / "corpus"])
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir() if file.name != "seen.json"}
    second, _ = campaign(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"]), seed=5)
    assert [b.known for b in second.found()] == [True]
    assert entries([tmp_path / "corpus"]) == [path]
    assert {file.name: file.stat().st_mtime_ns for file in path.iterdir() if file.name != "seen.json"} == before


def test_every_finding_of_a_bucket_is_counted_in_the_corpus(tmp_path, registry):
    counts = []
    for seed in (4, 5):
        statistics, _ = campaign(tmp_path, registry, PredicateWorkers(registry, crashing=["exp"]), cases=30, seed=seed)
        counts.append(statistics.found()[0].count)
    (path,) = entries([tmp_path / "corpus"])
    seen = read_entry(path).seen
    assert [name.partition(" ")[2] for name in seen] == ["seed 4", "seed 5"]
    assert [sighting.count for sighting in seen.values()] == counts


def test_one_seed_gives_the_same_cases_verdicts_and_buckets(tmp_path, registry):
    runs = []
    for name in ("a", "b"):
        workers = PredicateWorkers(registry, broken=["tanh"], crashing=["exp"])
        statistics, log = campaign(tmp_path / name, registry, workers)
        runs.append((workers.seen, log, [(b.signature.slug, b.count, b.first_case) for b in statistics.found()]))
    assert runs[0] == runs[1]
    other = PredicateWorkers(registry)
    campaign(tmp_path / "c", registry, other, seed=6)
    assert [s for s in other.seen if s[0]] != [s for s in runs[0][0] if s[0]]


@pytest.fixture
def short_epochs(monkeypatch):
    for module in (loop, epochs):
        monkeypatch.setattr(module, "EPOCH", 20)


def all_lanes(folder, registry, workers, cases=60, number=2):
    """A campaign with all operators: statistics, and the lane of each case."""
    configuration = Configuration((ROUTE,), seed=4, cases=cases, nodes=6, workers=number)
    log = {}
    made = begun(
        configuration,
        registry,
        folder / "corpus",
        workers,
        on_execution=lambda place, outcome: log.update({place.index: place.lane}),
    )
    return made.run(), log, configuration


def test_lanes_make_the_same_cases_however_many_workers_there_are(tmp_path, registry, short_epochs):
    runs = []
    for number in (1, 2, 6):
        workers = PredicateWorkers(registry, broken=["tanh"], crashing=["exp"])
        statistics, log, _ = all_lanes(tmp_path / str(number), registry, workers, 120, number)
        lanes = [(name, lane.share, lane.cases, lane.new) for name, lane in statistics.lanes.items()]
        runs.append(([case for given, case in workers.seen if given], log, lanes))
    assert runs[0] == runs[1] == runs[2]
    shares = {name: share for name, share, _, _ in runs[0][2]}
    assert shares["random"] == 0.4
    assert shares != pytest.approx(dict(DEFAULT))
    assert sum(cases for _, _, cases, _ in runs[0][2]) == 120


def test_the_control_is_the_same_whatever_the_other_lanes_do(tmp_path, registry, short_epochs):
    def controlled(name, **settings):
        workers = PredicateWorkers(registry, **settings)
        _, log, configuration = all_lanes(tmp_path / name, registry, workers)
        made = [case for given, case in workers.seen if given]
        return {index: made[index] for index, lane in log.items() if lane == "random"}, configuration

    control, configuration = controlled("a")
    assert control == controlled("b", crashing=["relu", "add", "exp"])[0]
    assert list(control) == [index for index in range(60) if configuration.is_control(index)]


def test_lanes_tell_what_they_found(tmp_path, registry):
    workers = PredicateWorkers(registry, broken=["tanh"])
    statistics, _ = campaign(tmp_path, registry, workers, lanes={"sweep": 0.5, "random": 0.5})
    rows = {name: row for name, *row in statistics.lane_rows()}
    assert set(rows) == {"random", "sweep"}
    assert sum(cases for _, cases, *_ in rows.values()) == 60
    assert sum(buckets for *_, buckets, _ in rows.values()) == 1
    assert all(new > 0 for _, _, new, *_ in rows.values())


def test_a_finding_that_does_not_repeat_is_flaky_and_not_stored(tmp_path, registry):
    statistics, _ = campaign(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"], flaky=True))
    assert {(found.shown, found.repeats) for found in statistics.flaky} == {(0, 1 + REPEATS)}
    assert not statistics.found()
    assert not (tmp_path / "corpus").exists()


def test_nothing_is_found_where_nothing_is_broken(tmp_path, registry):
    statistics, log = campaign(tmp_path, registry, PredicateWorkers(registry))
    assert statistics.verdicts == {ROUTE: {"ok": 60}}
    assert log == [(i, "ok") for i in range(60)]
    assert statistics.seconds[ROUTE]["conversion"] == pytest.approx(0.06)


def test_deaths_of_different_operators_are_different_buckets(tmp_path, registry):
    statistics, _ = campaign(tmp_path, registry, PredicateWorkers(registry, dying=["tanh", "exp"]))
    assert {b.signature.operators for b in statistics.found()} == {("tanh",), ("exp",)}


def test_a_campaign_may_begin_with_any_case(tmp_path, registry):
    _, whole = campaign(tmp_path, registry, PredicateWorkers(registry, crashing=["exp"]))
    statistics, part = campaign(tmp_path, registry, PredicateWorkers(registry, crashing=["exp"]), 5, first_case=20)
    assert part == whole[20:25]
    assert statistics.cases == 5


class Cut(BaseException):
    """The end of the process, at once."""


def state_of(made):
    """All that two campaigns which have done the same agree in."""
    statistics = made.statistics
    return (
        {route: dict(counts) for route, counts in statistics.verdicts.items()},
        [
            (b.signature.slug, b.count, b.first_case, b.lane, b.nodes, b.known, b.cases)
            for b in statistics.buckets.values()
        ],
        {name: (lane.share, lane.cases, lane.new) for name, lane in statistics.lanes.items()},
        (statistics.cases, statistics.executions(), statistics.refused, statistics.flaky, statistics.minimizer_runs),
        statistics.coverage,
        made.epochs.state(),
        made.journal.sample.estimates(),
    )


def seen_in(corpus):
    return {path.name: read_entry(path).seen for path in entries([corpus])}


def test_a_campaign_in_pieces_is_the_same_as_one_in_a_run(tmp_path, registry, short_epochs, monkeypatch):
    monkeypatch.setattr(loop, "SNAPSHOT", 20)
    broken = {"broken": ["tanh"], "crashing": ["exp"]}
    routes = (ROUTE, "torch-dynamo-ort")
    settings = {"nodes": 3, "operators": ("relu", "add", "tanh", "exp"), "workers": 3, "repeated": 0.3}
    configuration = Configuration(routes, seed=4, cases=60, **settings)
    whole = begun(configuration, registry, tmp_path / "whole", PredicateWorkers(registry, **broken))
    whole.run()

    folder, chance, pieces = tmp_path / "campaign", random.Random(7), 0
    facts = Facts(configuration, today(), str(tmp_path / "parts"))
    Journal.begun(facts, folder).__exit__()
    while True:
        calls, end = itertools.count(), chance.randint(5, 60)

        def cut(*ignored, calls=calls, end=end):
            if next(calls) >= end:
                raise Cut

        workers = PredicateWorkers(registry, **broken)
        judge = workers.judge
        workers.judge = lambda task, case, cut=cut, judge=judge: cut() or judge(task, case)
        with Journal.resumed(folder) as journal:
            made = Campaign(journal, check(configuration, registry), registry, workers, on_execution=cut)
            try:
                made.run()
            except Cut:
                pieces += 1
            else:
                state = state_of(made)
                break
    assert pieces >= 5
    assert state == state_of(whole)
    assert sum(of.repeated for of in whole.journal.sample.estimates().stabilities) > 5
    assert (made.statistics.in_flight, whole.statistics.in_flight) == (0, 0)
    assert made.statistics.lost > whole.statistics.lost == 0
    assert seen_in(tmp_path / "parts") == seen_in(tmp_path / "whole")
    assert made.statistics.growth[0].executions <= 1
    assert all(bucket.seconds is not None and bucket.cases for bucket in made.statistics.found())
    assert made.statistics.coverage == {name: seen.total() for name, seen in made.epochs.seen.items()}


def test_an_interruption_loses_no_finding(tmp_path, registry):
    workers = PredicateWorkers(registry, broken=["tanh"], interrupt_at=12)
    configuration = Configuration((ROUTE,), seed=4, cases=60, nodes=6, operators=("relu", "add", "tanh", "exp"))
    with pytest.raises(KeyboardInterrupt):
        begun(configuration, registry, tmp_path / "corpus", workers, tmp_path / "campaign").run()
    assert "tanh" in {op for found in waiting(tmp_path / "campaign") for op in found.operators}


class BusyWorkers(PredicateWorkers):
    """A minimizer's task is not done before so many more new cases are given out, or there are no more."""

    def __init__(self, registry, new, cases, **settings):
        super().__init__(registry, **settings)
        self.new, self.left, self.waiting = new, cases, []

    def submit(self, task):
        done = super().submit(task)
        self.left -= task.case is None
        self.waiting = [(future, result, more - (task.case is None)) for future, result, more in self.waiting]
        if task.case is not None and self.left:
            future = Future()
            self.waiting.append((future, done.result(), self.new))
            done = future
        for future, result, more in self.waiting:
            if more <= 0 or not self.left:
                future.set_result(result)
        self.waiting = [(future, result, more) for future, result, more in self.waiting if not future.done()]
        return done


def test_workers_have_new_cases_while_a_finding_is_minimized_and_nothing_else_changes(tmp_path, registry):
    alone, log = campaign(tmp_path / "alone", registry, PredicateWorkers(registry, broken=["tanh"], crashing=["exp"]))
    busy = BusyWorkers(registry, 3, 60, broken=["tanh"], crashing=["exp"])
    beside, other = campaign(tmp_path / "beside", registry, busy)
    assert beside.minimizer_runs == alone.minimizer_runs > 10
    assert {slug: bucket.count for slug, bucket in beside.buckets.items()} == {
        slug: bucket.count for slug, bucket in alone.buckets.items()
    }
    assert other == log


class AskedWorkers(PredicateWorkers):
    """They note the cases that they are asked to attribute."""

    def __init__(self, registry, **settings):
        super().__init__(registry, **settings)
        self.asked = []

    def submit(self, task):
        if task.finding is not None and not task.question:
            self.asked.append(task.case)
        return super().submit(task)


def test_findings_that_are_minimized_to_one_graph_are_attributed_once(tmp_path, registry):
    workers = AskedWorkers(registry, broken=["tanh"])
    statistics, _ = campaign(tmp_path, registry, workers)
    (bucket,) = statistics.buckets.values()
    assert bucket.count > 3 * len(workers.asked) > 0
    alike = {(repr(case.graph), *map(is_special, case.tensors.values())) for case in workers.asked}
    assert len(alike) == len(workers.asked)


def test_what_no_bucket_explains_is_minimized_first_and_the_rest_of_too_many_is_told(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(loop, "MOST_WAITING", 4)
    workers = AskedWorkers(registry, broken=["tanh", "exp"])
    operators = {"operators": ("relu", "tanh", "exp"), "nodes": 1}
    configuration = Configuration((ROUTE,), seed=4, seconds=1e6, minimizing=0.0, **operators)
    log = []
    made = begun(
        configuration,
        registry,
        tmp_path / "corpus",
        workers,
        on_execution=lambda place, outcome: log.append(outcome.verdict),
        stopped=lambda: len(log) >= 60,
    )
    made.run()
    assert len(made.queue) == 4
    assert made.statistics.unexamined == log.count("wrong-output") - 4 > 10
    assert not workers.asked
    first, second, *_ = made.queue
    assert first.operators == second.operators
    made.stopped = lambda: False
    for _ in range(2):
        made._minimize_next()
    assert {name for case in workers.asked for name in case.graph.operators()} == {"exp", "tanh"}


class StuckWorkers:
    """No result ever comes."""

    def submit(self, task):
        return Future()


def test_a_stop_ends_a_campaign_in_the_midst_of_a_case(tmp_path, registry):
    configuration = Configuration((ROUTE,), seed=4, nodes=6, operators=("relu",))
    stops = iter([False, True, True])
    made = begun(configuration, registry, tmp_path / "corpus", StuckWorkers(), stopped=lambda: next(stops))
    statistics = made.run()
    assert (statistics.cases, statistics.in_flight > 0) == (0, True)


def waiting(folder):
    """The findings that wait in the books of a campaign whose process is gone."""
    return list(Journal(sqlite3.connect(folder / "campaign.sqlite"), Facts((), "", "")).waiting())


def test_a_corpus_that_cannot_be_written_any_more_loses_no_finding(tmp_path, registry):
    (tmp_path / "corpus").write_text("a file where the folder was")
    configuration = Configuration((ROUTE,), seed=4, cases=60, nodes=6, operators=("relu", "tanh"))
    workers = PredicateWorkers(registry, broken=["tanh"])
    made = begun(configuration, registry, tmp_path / "corpus" / "deeper", workers, tmp_path / "campaign")
    with pytest.raises(EntryError, match="cannot be written"):
        made.run()
    assert [found.verdict for found in waiting(tmp_path / "campaign")] == ["wrong-output"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"routes": ("no-such-route",)}, "there is no route 'no-such-route'; choose among"),
        ({"operators": ("no_such_operator",)}, "there is no operator 'no_such_operator'"),
        ({"routes": ()}, "no route is named"),
        ({"lanes": {"rewirte": 1.0}}, "there is no lane 'rewirte'; did you mean 'rewrite'"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_once(registry, changes, said):
    fields = {"routes": (ROUTE,), "seed": 0, **changes}
    with pytest.raises(UsageError, match=said):
        check(Configuration(**fields), registry)


def test_a_campaign_with_shares_of_routes_in_pieces_is_the_same_as_one_in_a_run(tmp_path, registry, short_epochs):
    routes, shares = ("torch-dynamo-ort", ROUTE, "tf2onnx-ort"), {"torch-dynamo-ort": 0.3, "tf2onnx-ort": 0.6}
    settings = {
        "nodes": 3,
        "operators": ("re*", "add", "tanh"),
        "without": ("re*_layer",),
        "dtypes": ("float*", "bool"),
    }
    configuration = Configuration(routes, seed=4, cases=60, shares=shares, workers=3, **settings)
    whole = begun(configuration, registry, tmp_path / "whole", PredicateWorkers(registry, broken=["tanh"]))
    whole.run()
    ran = {route: whole.statistics.executions(route) for route in routes}
    assert ran[ROUTE] == whole.statistics.cases == sum(lane.cases for lane in whole.statistics.lanes.values()) == 60
    assert 0 < ran["torch-dynamo-ort"] < ran["tf2onnx-ort"] < 60

    folder, pieces, done = tmp_path / "campaign", 0, 0
    Journal.begun(Facts(configuration, today(), str(tmp_path / "parts")), folder).__exit__()
    while done < 60:
        calls = itertools.count()

        def cut(*ignored, calls=calls):
            if next(calls) == 7:
                raise Cut

        with Journal.resumed(folder) as journal:
            workers = PredicateWorkers(registry, broken=["tanh"])
            made = Campaign(journal, check(configuration, registry), registry, workers, on_execution=cut)
            try:
                made.run()
            except Cut:
                pieces += 1
            else:
                state = state_of(made)
                break
    assert pieces >= 10
    assert state == state_of(whole)
    assert made.statistics.in_flight == 0


def test_a_campaign_ends_where_it_takes_too_much_of_the_disk(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(disk, "EVERY", 0.0)
    (tmp_path / "corpus").mkdir()
    settings = {"seed": 4, "cases": 4000, "nodes": 2, "operators": ("relu", "tanh"), "disk": 200_000}
    workers = PredicateWorkers(registry, crashing=["tanh"])
    made = begun(Configuration((ROUTE,), **settings), registry, tmp_path / "corpus", workers, tmp_path / "campaign")
    assert made.used_up() == ""
    statistics = made.run()
    assert made.used_up() == "disk"
    assert 0 < statistics.cases < 4000
    (bucket,) = statistics.found()
    files = [*(tmp_path / "campaign").iterdir(), *Path(bucket.path).iterdir()]
    assert sum(file.stat().st_size for file in files) == disk.taken(tmp_path / "campaign", statistics) >= 200_000
    bucket.known = True
    assert disk.taken(None, statistics) == 0


def test_no_time_for_minimizing_leaves_it_to_the_end(tmp_path, registry):
    def order(minimizing):
        workers = PredicateWorkers(registry, crashing=["tanh"])
        campaign(tmp_path / str(minimizing), registry, workers, 20, seconds=3600.0, minimizing=minimizing)
        return [given for given, _ in workers.seen]

    given = order(0.0)
    assert all(given[:20])
    assert not any(given[20:])
    assert not all(order(1.0)[:20])
