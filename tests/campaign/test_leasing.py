"""Leases, losses and counting once, on a cluster of threads; and a host as it is, without a cluster."""

from __future__ import annotations

import pickle
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from graphfuzz.campaign import leasing
from graphfuzz.campaign.health import Health
from graphfuzz.campaign.hosting import Host, News, Setup, installation, packed_lease, read_pack, unpacked
from graphfuzz.campaign.leasing import AHEAD, ATTEMPTS, LeasedWorkers, Line, Lost
from graphfuzz.campaign.workers import Limits, Result, Task
from graphfuzz.errors import UsageError
from graphfuzz.generator import Guide, Recipe
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.registry import Registry
from tests.campaign.test_loop import PredicateWorkers, campaign
from tests.campaign.test_workers import FAKE, relu_case, task

RIGHT = FAKE + "right"
HEALTH = Health(1, 1, 10, 20, {"SIGSEGV": 1}, {})


def fine(task: Task) -> Result:
    return Result(Outcome(task.route, "ok", "compare"), None)


class FakeLine:
    """A host that judges in a thread of its own."""

    def __init__(self, cluster: FakeCluster, node: str) -> None:
        self.cluster, self.node = cluster, node
        self.asked: queue.SimpleQueue[tuple[int, Task]] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self.in_hand, self.dead = 0, threading.Event()
        self.guides: dict[Path, Guide] = {}
        threading.Thread(target=self.work, daemon=True).start()

    def open(self) -> str:
        return self.cluster.complaint

    def give(self, lease: bytes, loans: Sequence[bytes]) -> None:
        tasks, names = pickle.loads(lease)
        self.guides |= {
            Path(name): msgspec.msgpack.decode(loan, type=Guide)
            for name, loan in zip(names, loans, strict=True)
            if name.endswith(".guide")
        }
        for number, given in tasks:
            self.cluster.given.append((self.node, number))
            self.in_hand += 1
            self.cluster.most = max(self.cluster.most, self.in_hand)
            self.asked.put((number, given))

    def work(self) -> None:
        while not self.dead.is_set():
            try:
                number, task = self.asked.get(timeout=0.05)
            except queue.Empty:
                continue
            guide = self.guides.get(task.guide, task.guide) if isinstance(task.guide, Path) else task.guide
            try:
                result = self.cluster.judge(msgspec.structs.replace(task, guide=guide, support=None))
            except Lost:
                self.dead.set()
                return
            self.in_hand -= 1
            for _ in range(self.cluster.echoes):
                self.done.put((number, result))

    def harvest(self) -> bytes:
        results = []
        try:
            results.append(self.done.get(timeout=0.02))
        except queue.Empty:
            if self.dead.is_set():
                raise Lost("it died") from None
        return pickle.dumps(News(results, HEALTH))

    def stop(self) -> None:
        self.dead.set()


class FakeCluster:
    """Nodes that are threads. versions: what each has installed in place of what is here."""

    def __init__(self, judge: Callable[[Task], Result], **nodes: int) -> None:
        self.judge, self.living, self.versions = judge, dict(nodes), dict[str, dict[str, str]]()
        self.lines: list[FakeLine] = []
        self.given: list[tuple[str, int]] = []
        self.lent: list[bytes] = []
        self.most, self.echoes, self.complaint = 0, 1, ""

    def __enter__(self) -> FakeCluster:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def nodes(self) -> Mapping[str, int]:
        return dict(self.living)

    def installation(self, node: str, routes: Sequence[str]) -> Mapping[str, str]:
        return installation(routes) | self.versions.get(node, {})

    def start(self, node: str, number: int, setup: bytes) -> Line:
        assert pickle.loads(setup).number == number
        self.lines.append(FakeLine(self, node))
        return self.lines[-1]

    def lend(self, data: bytes) -> Any:
        self.lent.append(data)
        return data

    def lose(self, node: str) -> None:
        del self.living[node]
        for line in self.lines:
            if line.node == node:
                line.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "EVERY", 0.02)


@contextmanager
def leased(cluster: FakeCluster, number: int | None = None) -> Iterator[tuple[LeasedWorkers, list[str]]]:
    said: list[str] = []
    with LeasedWorkers(cluster, number, [RIGHT], say=said.append) as workers:
        yield workers, said


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def test_every_task_has_its_result_and_no_host_more_than_it_should() -> None:
    cluster = FakeCluster(fine, a=1, b=1)
    with leased(cluster) as (workers, said):
        until(lambda: workers.health().alive == 2)
        futures = [workers.submit(task("right")) for _ in range(60)]
        assert [future.result(10).outcome.verdict for future in futures] == ["ok"] * 60
        health = workers.health()
    assert workers.number == 2
    assert sorted(number for _, number in cluster.given) == list(range(60))
    assert set(Counter(node for node, _ in cluster.given)) == {"a", "b"}
    assert cluster.most <= AHEAD
    assert (health.workers, health.worker_memory, health.deaths) == (2, 40, {"SIGSEGV": 2})
    assert sorted(said) == ["node a has 1 workers", "node b has 1 workers"]


def test_as_many_workers_as_asked_for_and_no_more() -> None:
    cluster = FakeCluster(fine, a=2, b=8, c=4)
    with leased(cluster, 5) as (_, said):
        until(lambda: len(said) == 2)
    assert sorted(said) == ["node a has 2 workers", "node b has 3 workers"]
    with pytest.raises(UsageError, match="the cluster has no CPUs now; say with --workers"), leased(FakeCluster(fine)):
        pass


def test_what_a_lost_node_had_in_hand_is_leased_again_and_counts_once() -> None:
    ready = threading.Event()

    def slow(task: Task) -> Result:
        ready.wait(10)
        return fine(task)

    cluster = FakeCluster(slow, a=1, b=1)
    cluster.echoes = 2
    with leased(cluster) as (workers, said):
        until(lambda: workers.health().alive == 2)
        counted = Counter[int]()
        futures = [workers.submit(task("right")) for _ in range(20)]
        for number, future in enumerate(futures):
            future.add_done_callback(lambda _, number=number: counted.update([number]))  # type: ignore[misc]
        until(lambda: len(cluster.given) == 2 * AHEAD)
        cluster.lose("b")
        until(lambda: any("lost" in text for text in said))
        ready.set()
        assert {future.result(10).outcome.verdict for future in futures} == {"ok"}
        assert workers.health().replaced == {"lost": 1}
        assert workers.health().deaths == {"SIGSEGV": 2}
    assert counted == Counter(range(20))
    assert f"node b lost its workers (it died); {AHEAD} cases are given out again" in said
    assert len(cluster.given) == 20 + AHEAD


def test_a_task_that_takes_its_host_down_is_our_error_and_takes_no_other_with_it() -> None:
    poison = task("wrong")

    def judge(given: Task) -> Result:
        if given.route == poison.route:
            raise Lost
        return fine(given)

    cluster = FakeCluster(judge, a=4)
    with leased(cluster) as (workers, _):
        futures = [workers.submit(poison if number == 5 else task("right")) for number in range(30)]
        outcomes = [future.result(20).outcome for future in futures]
    assert [outcome.verdict for number, outcome in enumerate(outcomes) if number != 5] == ["ok"] * 29
    assert (outcomes[5].verdict, outcomes[5].error) == ("harness-error", "HostLost")
    assert outcomes[5].message == f"{ATTEMPTS} hosts died with it in hand"
    assert len(cluster.lines) == ATTEMPTS + 1


def test_tasks_are_not_blamed_for_nodes_that_are_lost() -> None:
    ready = threading.Event()

    def slow(task: Task) -> Result:
        ready.wait(10)
        return fine(task)

    cluster = FakeCluster(slow, n0=1)
    with leased(cluster) as (workers, _):
        future = workers.submit(task("right"))
        for number in range(ATTEMPTS + 2):
            until(lambda: len(cluster.given) == number + 1)  # noqa: B023 - called at once
            cluster.lose(f"n{number}")
            cluster.living[f"n{number + 1}"] = 1
        until(lambda: len(cluster.given) == ATTEMPTS + 3)
        ready.set()
        assert future.result(10).outcome.verdict == "ok"


def test_without_nodes_it_waits_and_says_so() -> None:
    cluster = FakeCluster(fine, a=1)
    with leased(cluster) as (workers, said):
        cluster.lose("a")
        until(lambda: "no workers are left in the cluster; waiting for a node" in said)
        future = workers.submit(task("right"))
        time.sleep(0.1)
        assert not future.done()
        cluster.living["b"] = 1
        assert future.result(10).outcome.verdict == "ok"


def test_a_node_with_other_versions_is_refused() -> None:
    cluster = FakeCluster(fine, a=1, b=1)
    cluster.versions["b"] = {"onnxruntime": "0.1"}
    refused = "node b: has onnxruntime 0.1, and here it is .*; findings would mix"
    with pytest.raises(UsageError, match=refused), leased(cluster):
        pass
    assert all(line.dead.is_set() for line in cluster.lines)


def test_a_node_that_comes_later_with_other_versions_is_not_used() -> None:
    cluster = FakeCluster(fine, a=1)
    cluster.versions["b"] = {"graphfuzz (sources)": "others"}
    with leased(cluster, 2) as (workers, said):
        cluster.living["b"] = 1
        until(lambda: len(said) == 2)
        assert "node b is not used: has graphfuzz (sources) others" in said[1]
        assert workers.submit(task("right")).result(10).outcome.verdict == "ok"
    assert {node for node, _ in cluster.given} == {"a"}


def test_workers_that_cannot_start_are_a_usage_error() -> None:
    cluster = FakeCluster(fine, a=1)
    cluster.complaint = "a worker cannot start: no such module"
    with pytest.raises(UsageError, match="node a: a worker cannot start: no such module"), leased(cluster):
        pass


def test_leaving_cancels_what_is_out() -> None:
    def never(task: Task) -> Result:
        time.sleep(0.3)
        raise Lost

    with leased(FakeCluster(never, a=1)) as (workers, _):
        futures = [workers.submit(task("right")) for _ in range(2 * AHEAD)]
        futures[-1].cancel()
        time.sleep(0.1)
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(1)


def test_what_is_lent_is_lent_once() -> None:
    cluster = FakeCluster(fine, a=1, b=1)
    guide = Guide(consumers={"relu": frozenset({"tanh"})}, name="torch-3")
    with leased(cluster) as (workers, _):
        futures = [workers.submit(msgspec.structs.replace(task("right"), guide=guide)) for _ in range(10)]
        for future in futures:
            future.result(10)
    assert [msgspec.msgpack.decode(data, type=Guide) for data in cluster.lent] == [guide]


def test_a_campaign_finds_the_same_on_a_cluster_that_loses_nodes(tmp_path: Path, registry: Registry) -> None:
    here = PredicateWorkers(registry, broken=["tanh"], crashing=["exp"])
    told, log = campaign(tmp_path / "here", registry, here)
    there = PredicateWorkers(registry, broken=["tanh"], crashing=["exp"])
    cluster = FakeCluster(lambda task: there.submit(task).result(), a=1, b=1)
    runs = Counter[str]()

    def judge(task: Task) -> Result:
        runs.update(["all"])
        if runs["all"] == 15:
            cluster.lose("b")
            cluster.living["c"] = 1
        result: Result = there.submit(task).result()
        return result

    cluster.judge = judge
    with leased(cluster) as (workers, said):
        again, same = campaign(tmp_path / "there", registry, workers)
    assert any(text.startswith("node b lost") for text in said)
    assert same == log
    buckets = [[(b.signature.slug, b.count, b.first_case) for b in each.found()] for each in (told, again)]
    assert buckets[0] == buckets[1] != []
    assert again.executions() == told.executions()


PACK = """
from graphfuzz.spec import FLOATS, unary
import numpy as np
from {name}.parts import TEXT

versine = unary("versine", FLOATS, reference=lambda x: 1 - np.cos(x), torch=TEXT, keras="1 - ops.cos({{x}})")
OPERATORS = [versine]
"""


def test_a_host_works_from_bytes_alone(tmp_path: Path) -> None:
    place = tmp_path / "versines"
    place.mkdir()
    (place / "__init__.py").write_text(PACK.format(name="versines"))
    (place / "parts.py").write_text('TEXT = "1 - torch.cos({x})"\n')
    pack = read_pack(str(place))
    assert sorted(pack.files) == ["__init__.py", "parts.py"]
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    setup = Setup(1, (RIGHT,), (pack,), Limits(seconds=20), "conditioning")
    guide = Guide(consumers={"versine": frozenset({"versine"})}, name="torch-0")
    recipe = Recipe(seed=1, index=2, framework="torch", nodes=2, operators=("versine",), lane="guided")
    host = Host(pickle.dumps(setup))
    try:
        assert host.open() == ""
        assert pickle.loads(host.harvest()).health.alive == 1
        tasks = [
            Task(FAKE + "raises", None, recipe, guide=Path("torch-0.guide")),
            task("right", relu_case()),
            task("segfault", relu_case()),
        ]
        host.give(packed_lease(list(enumerate(tasks)), ["torch-0.guide"]), msgspec.msgpack.encode(guide))
        results: dict[int, Result] = {}
        end = time.monotonic() + 60
        while len(results) < 3 and time.monotonic() < end:
            results |= dict(pickle.loads(host.harvest()).results)
    finally:
        host.close()
    assert [results[n].outcome.verdict for n in range(3)] == ["conversion-crash", "ok", "process-crash"]
    made = results[0].case
    assert made is not None
    assert set(made.graph.operators()) == {"versine"}


def test_a_host_says_why_it_cannot_start() -> None:
    host = Host(pickle.dumps(Setup(1, (FAKE + "broken_pack",), (), Limits(), "conditioning")))
    try:
        assert "no_such_module_at_all" in host.open()
    finally:
        host.close()


def test_a_pack_of_one_file_travels_under_its_name(tmp_path: Path) -> None:
    file = tmp_path / "alone.py"
    file.write_text("OPERATORS = []\n")
    there = Path(unpacked(read_pack(str(file)), tmp_path / "there"))
    assert there == tmp_path / "there" / "alone.py"
    assert there.read_text() == "OPERATORS = []\n"
