"""The campaign's decisions, with workers that judge by a predicate instead of running a target."""

from concurrent.futures import Future

import pytest

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.workers import Result
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.errors import UsageError
from graphfuzz.generator import generate
from graphfuzz.graph import evaluate, pack_arrays
from graphfuzz.oracle.verdict import Mismatch, Outcome

ROUTE = "torch-script-ort"


class PredicateWorkers:
    """Every graph with one of the `broken` operators is a wrong output; those in `crashing` crash the conversion."""

    def __init__(self, registry, broken=(), crashing=(), flaky=False):
        self.registry, self.broken, self.crashing, self.flaky = registry, set(broken), set(crashing), flaky
        self.seen = []

    def submit(self, task):
        case = task.case or generate(task.recipe, self.registry)
        future = Future()
        future.set_result(Result(self.judge(task, case), case))
        return future

    def judge(self, task, case):
        operators = list(case.graph.operators())
        self.seen.append((task.recipe is not None, tuple(operators)))
        if self.flaky and task.recipe is None:
            return Outcome(task.route, "ok", "compare")
        for name in self.crashing:
            if name in operators:
                return Outcome(task.route, "conversion-crash", "conversion", "builtins.KeyError", f"no {name} here")
        for name in self.broken:
            for node in case.graph.nodes:
                if node.op == name:
                    values = evaluate(case.graph, case.tensors, self.registry)
                    expected = pack_arrays({output: values[output] for output in case.graph.outputs})
                    mismatch = Mismatch("value", case.graph.outputs[0], "it differs")
                    return Outcome(task.route, "wrong-output", "compare", mismatch=mismatch, expected=expected)
        return Outcome(task.route, "ok", "compare", seconds={"conversion": 0.001})


def campaign(tmp_path, registry, workers, cases=60, seed=4, operators=("relu", "add", "tanh", "exp")):
    configuration = Configuration((ROUTE,), seed=seed, cases=cases, nodes=6, operators=operators)
    frameworks = check(configuration, registry)
    log = []
    made = Campaign(
        configuration,
        frameworks,
        registry,
        tmp_path / "corpus",
        workers,
        on_execution=lambda index, outcome: log.append((index, outcome.verdict)),
    )
    return made.run(), log


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
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "corpus").rglob("*")}
    second, _ = campaign(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"]), seed=5)
    assert [b.known for b in second.found()] == [True]
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "corpus").rglob("*")} == before


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


def test_a_finding_that_does_not_repeat_is_flaky_and_not_stored(tmp_path, registry):
    statistics, _ = campaign(tmp_path, registry, PredicateWorkers(registry, broken=["tanh"], flaky=True))
    assert statistics.flaky
    assert not statistics.found()
    assert not (tmp_path / "corpus").exists()


def test_nothing_is_found_where_nothing_is_broken(tmp_path, registry):
    statistics, log = campaign(tmp_path, registry, PredicateWorkers(registry))
    assert statistics.verdicts == {ROUTE: {"ok": 60}}
    assert log == [(i, "ok") for i in range(60)]
    assert statistics.seconds[ROUTE]["conversion"] == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"routes": ("no-such-route",)}, "there is no route 'no-such-route'; choose among"),
        ({"operators": ("no_such_operator",)}, "there is no operator 'no_such_operator'"),
        ({"routes": ()}, "no route is named"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_once(registry, changes, said):
    fields = {"routes": (ROUTE,), "seed": 0, **changes}
    with pytest.raises(UsageError, match=said):
        check(Configuration(**fields), registry)
