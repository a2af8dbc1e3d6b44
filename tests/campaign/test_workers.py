"""Every way in which a case can end its worker gives its verdict, and the next case runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from itertools import count

import numpy as np
import psutil
import pytest

from graphfuzz.campaign.lending import KEPT
from graphfuzz.campaign.workers import KILLED, Limits, Result, Task, Workers
from graphfuzz.errors import UsageError
from graphfuzz.generator import Guide, Recipe
from graphfuzz.graph import Case, Graph, Node, Value
from graphfuzz.oracle.verdict import Outcome

FAKE = "tests.fake_routes:"
LIMITS = Limits(seconds=1.5, memory_bytes=512 << 20, recycle_after=40)


def relu_case() -> Case:
    x, y = Value("x", "float32", (2, 3)), Value("y", "float32", (2, 3))
    graph = Graph((x,), (), (Node("relu", ("x",), {}, (y,)),), ("y",))
    return Case(graph, "torch", {"x": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)})


def task(name: str, case: Case | None = None) -> Task:
    return Task(route=FAKE + name, case=case or relu_case(), recipe=None)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1, [FAKE + "right"], limits=LIMITS) as pool:
        yield pool


def outcome(workers: Workers, name: str) -> Outcome:
    """The route's outcome; then the next case must run well."""
    result = workers.submit(task(name)).result()
    following = workers.submit(task("right")).result()
    assert following.outcome.verdict == "ok", following.outcome.traceback
    assert (result.case is None) == (result.outcome.verdict in ("ok", "unsupported"))
    return result.outcome


@pytest.mark.parametrize(
    ("name", "verdict", "stage", "error"),
    [
        ("right", "ok", "compare", ""),
        ("chatter", "ok", "compare", ""),
        ("wrong", "wrong-output", "compare", ""),
        ("invalid", "invalid-model", "check", "onnx.onnx_cpp2py_export.checker.ValidationError"),
        ("misdeclared", "invalid-model", "check", "onnx.onnx_cpp2py_export.shape_inference.InferenceError"),
        ("no_such_operator", "invalid-model", "check", "onnx.onnx_cpp2py_export.checker.ValidationError"),
        ("no_kernel", "unsupported", "load", "onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented"),
        ("refuses", "unsupported", "conversion", "NotImplementedError"),
        ("raises", "conversion-crash", "conversion", "KeyError"),
        ("segfault", "process-crash", "conversion", "SIGSEGV"),
        ("abort", "process-crash", "conversion", "SIGABRT"),
        ("exit_process", "process-crash", "conversion", "exit code 7"),
        ("exit_quietly", "process-crash", "conversion", "exit code 0"),
        ("fork", "ok", "compare", ""),
        ("shout", "process-crash", "conversion", "SIGABRT"),
        ("leave", "process-crash", "conversion", "exit code 1"),
        ("out_of_memory", "process-crash", "conversion", "MemoryError"),
        ("out_of_memory_in_torch", "process-crash", "conversion", "RuntimeError"),
        ("hang", "hang", "conversion", "TimeLimit"),
        ("hang_in_c", "hang", "conversion", "TimeLimit"),
    ],
)
def test_verdict(workers: Workers, name: str, verdict: str, stage: str, error: str) -> None:
    found = outcome(workers, name)
    assert (found.verdict, found.stage, found.error) == (verdict, stage, error), found.traceback


def test_evidence_of_a_death(workers: Workers) -> None:
    crashed = outcome(workers, "segfault")
    assert "Segmentation fault" in crashed.message
    health = workers.health()
    assert health.deaths["SIGSEGV"] >= 1
    assert (health.workers, health.alive >= 1) == (1, True)
    assert min(health.memory, health.worker_memory) > 10 << 20
    assert "fake_routes.py" in crashed.traceback
    assert "Check failed: 1 == 2" in outcome(workers, "abort").message
    assert outcome(workers, "out_of_memory").message.startswith("memory limit")
    hung = outcome(workers, "hang")
    assert "in hang" in hung.traceback
    assert hung.versions["torch"]
    assert hung.versions["no-such-package"] == "not installed"


def test_of_what_a_dead_worker_said_the_beginning_and_the_end_are_read(workers: Workers) -> None:
    shouted = outcome(workers, "shout")
    assert "Check failed: 1 == 2" in shouted.message
    assert "fake_routes.py" in shouted.traceback
    assert len(shouted.message) < 2000


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_that_is_set_ends_no_case_and_keeps_none(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """`step`: seconds by which the clock on the wall is set, at every look at it."""
    now = time.time()
    steps = count()
    monkeypatch.setattr(time, "time", lambda: now + step * next(steps))
    started = time.monotonic()
    assert outcome(workers, "right").verdict == "ok"
    assert outcome(workers, "hang").verdict == "hang"
    assert time.monotonic() - started < 20


def test_what_attributes_findings_outlives_other_workers() -> None:
    with Workers(1, [FAKE + "wrong"], limits=Limits(seconds=30)) as pool:
        wrong = pool.submit(task("wrong")).result()
        asked = Task(route=FAKE + "wrong", case=wrong.case, recipe=None, finding=wrong.outcome)
        assert pool.submit(asked).result().attribution is not None
        before = _processes()
        pool.submit(Task(route=FAKE + "wrong", case=wrong.case, recipe=None, plain=True)).result()
        pool.submit(asked).result()
        after = _processes()
        health = pool.health()
    assert len(before) == len(after) == len(before & after) + 1
    assert health.workers == 2


def _processes() -> set[int]:
    """The workers of this process."""
    below = psutil.Process().children(recursive=True)
    servers = {child.pid for child in below if child.ppid() == os.getpid()}
    return {child.pid for child in below if child.ppid() in servers}


def test_a_worker_killed_from_outside_says_nothing_of_its_case(workers: Workers) -> None:
    """The case is given out once more; a killer that comes again is the case's own."""
    hanging = workers.submit(task("hang"))
    for _ in range(1000):
        busy = [child for child in psutil.Process().children(recursive=True) if child.ppid() != os.getpid()]
        if busy and list(workers._scratch.path.glob("*.stage")):
            busy[0].kill()
            break
        time.sleep(0.005)
    assert hanging.result().outcome.verdict == "hang"
    assert workers.health().deaths[KILLED] == 1


def test_evidence_of_an_ordinary_end(workers: Workers) -> None:
    wrong = outcome(workers, "wrong")
    assert wrong.mismatch is not None
    assert wrong.mismatch.differ == 6
    assert wrong.model
    assert wrong.expected
    assert outcome(workers, "right").model == b""
    assert "a wrapper" in outcome(workers, "raises").traceback


def test_a_dead_workers_case_is_made_again(workers: Workers) -> None:
    recipe = Recipe(seed=1, index=2, framework="torch", nodes=2, operators=("relu",))
    result = workers.submit(Task(route=FAKE + "segfault", case=None, recipe=recipe)).result()
    assert result.outcome.verdict == "process-crash"
    assert result.case is not None
    assert result.case.origin["index"] == 2


def test_generation_that_raises_is_our_error(workers: Workers) -> None:
    recipe = Recipe(seed=1, index=2, framework="torch", nodes=2, operators=("no_such_operator",))
    result = workers.submit(Task(route=FAKE + "right", case=None, recipe=recipe)).result()
    assert (result.outcome.verdict, result.outcome.stage) == ("harness-error", "generation")


def test_a_graph_that_its_rules_refuse_is_our_error(workers: Workers) -> None:
    x, y = Value("x", "float32", (2, 3)), Value("y", "float64", (2, 3))
    lying = Case(Graph((x,), (), (Node("relu", ("x",), {}, (y,)),), ("y",)), "torch", relu_case().tensors)
    found = workers.submit(task("right", lying)).result().outcome
    assert (found.verdict, found.stage) == ("harness-error", "materialization")
    assert found.error == "InvalidGraph"
    assert "the rule says" in found.message


def processes(results: list[Result]) -> set[str]:
    return {result.outcome.message for result in results}


def test_workers_are_recycled() -> None:
    limits = Limits(seconds=20, memory_bytes=512 << 20, recycle_after=2)
    with Workers(1, [FAKE + "right"], limits=limits) as pool:
        assert len(processes([pool.submit(task("process")).result() for _ in range(4)])) == 2
    with Workers(1, [FAKE + "right"], limits=Limits(seconds=20, memory_bytes=512 << 20)) as pool:
        first = pool.submit(task("process")).result()
        assert processes([pool.submit(task("process")).result()]) == processes([first])
        assert pool.submit(task("leak")).result().outcome.verdict == "ok"
        assert processes([pool.submit(task("process")).result()]) != processes([first])


def test_a_stage_that_takes_too_long_is_a_hang_though_the_case_has_time() -> None:
    limits = Limits(seconds=60, stage_seconds=1.5, memory_bytes=512 << 20)
    with Workers(1, [FAKE + "right"], limits=limits) as pool:
        for name in ("hang", "hang_in_c"):
            found = outcome(pool, name)
            assert (found.verdict, found.stage, found.error) == ("hang", "conversion", "TimeLimit")
            assert found.message == "no end of the stage within 1.5 seconds"
            assert f"in {name}" in found.traceback, "where it is was written down before"
        assert outcome(pool, "right").verdict == "ok"


def test_the_fork_server_imports_what_would_cost_each_worker_a_second(workers: Workers) -> None:
    assert {"torch", "operators"} <= set(workers._preload)


def test_leaving_stops_at_once() -> None:
    with Workers(1, [FAKE + "right"], limits=Limits(seconds=500)) as pool:
        futures = [pool.submit(task("hang")) for _ in range(3)]
        time.sleep(0.3)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    for future in futures:
        with pytest.raises(CancelledError):
            future.result()


def test_a_worker_that_cannot_start_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no_such_module_at_all"), Workers(1, [FAKE + "broken_pack"]):
        pass


SCRIPT = """
import sys
import numpy as np
from graphfuzz.campaign.lending import KEPT
from graphfuzz.campaign.workers import KILLED, Limits, Task, Workers
import graphfuzz.cli
from tests.campaign.test_workers import relu_case, task
with Workers(2, ["tests.fake_routes:right"], limits=Limits(seconds=20)) as pool:
    futures = [pool.submit(task(name)) for name in ("chatter", "right", "segfault", "chatter")]
    print(*(future.result().outcome.verdict for future in futures))
targets = {"torch", "tensorflow", "keras", "onnx", "onnxruntime", "onnxscript", "tf2onnx"}
print("imported:", sorted(targets & set(sys.modules)))
"""


def test_the_engine_is_quiet_and_imports_no_target() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["ok ok process-crash ok", "imported: []"]
    assert done.stderr == ""


def test_a_guide_is_lent_once_and_known_to_every_worker_that_comes(workers: Workers) -> None:
    recipe = Recipe(seed=1, index=2, framework="torch", nodes=2, operators=("relu", "tanh"), lane="guided")
    folder = workers._scratch.path
    made = []
    for name, route in (("1", "raises"), ("1", "segfault"), *((str(n), "raises") for n in range(2, 2 + KEPT))):
        guide = Guide(consumers={op: frozenset({"tanh"}) for op in ("relu", "tanh")}, name=name)
        task = Task(route=FAKE + route, case=None, recipe=recipe, guide=guide)
        case = workers.submit(task).result().case
        assert case is not None
        made.append(list(case.graph.operators()))
    assert all(operators == made[0] for operators in made)
    assert made[0][1] == "relu"
    assert sorted(path.stem for path in folder.glob("*.guide")) == sorted(str(n) for n in range(2, 2 + KEPT))
