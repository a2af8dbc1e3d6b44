"""Ray itself: a campaign on it is one on local processes; a node may be killed; and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'graphfuzz[ray]')")
COMMAND = [sys.executable, "-c", "from graphfuzz.cli import main; main()", "fuzz"]
CASES = ["--route", "torch-script-ort", "--seed", "3", "--replay", "none", "--probes", "none", "--workers", "2"]
MARK = "GRAPHFUZZ_TEST_RUN"


@pytest.fixture
def run() -> Iterator[dict[str, str]]:
    """An environment by which every process that came of a run is found; none may be left of it."""
    environment = {**os.environ, MARK: uuid.uuid4().hex}
    yield environment
    end = time.monotonic() + 10
    while left := _left(environment[MARK]):
        assert time.monotonic() < end, left
        time.sleep(0.2)


def _left(mark: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline())[:200])
        except psutil.Error:
            continue
    return found


def fuzz(folder: Path, environment: dict[str, str], *further: str) -> tuple[list[list[str]], set[str], str]:
    """The verdicts in order, the corpus' entries, and what was said."""
    folder.mkdir()
    options = ["--corpus", folder / "corpus", "--campaign", folder / "campaign", "--log", folder / "log"]
    command = [*COMMAND, *CASES, *map(str, options), *further]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, check=True)
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    entries = {path.name for path in (folder / "corpus").iterdir() if not path.name.startswith(".")}
    return [[str(line[name]) for name in ("case", "verdict", "what")] for line in lines], entries, done.stdout


@needs_ray
def test_a_campaign_on_ray_finds_what_a_local_one_finds(tmp_path: Path, run: dict[str, str]) -> None:
    verdicts, entries, _ = fuzz(tmp_path / "here", run, "--first-case", "24", "--cases", "6")
    again, same, said = fuzz(tmp_path / "there", run, "--first-case", "24", "--cases", "6", "--ray")
    assert (again, same) == (verdicts, entries)
    assert len(entries) >= 2
    assert " has 2 workers" in said
    assert "raylet" not in said


@needs_ray
def test_ctrl_c_ends_it_within_seconds(tmp_path: Path, run: dict[str, str]) -> None:
    command = [
        *COMMAND,
        *CASES,
        "--corpus",
        str(tmp_path / "corpus"),
        "--campaign",
        str(tmp_path / "campaign"),
        "--ray",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=run, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " has 2 workers" in line:
                break
        time.sleep(2)
        os.killpg(process.pid, signal.SIGINT)
        sent = time.monotonic()
        said = process.stdout.read()
    assert time.monotonic() - sent < 15
    assert "interrupted; everything so far is stored" in said
    assert process.returncode == 0


SCRIPT = """
import os
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."
import time
from collections import Counter
from ray.cluster_utils import Cluster
from graphfuzz.campaign.leasing import LeasedWorkers
from graphfuzz.campaign.on_ray import RayCluster
from graphfuzz.campaign.workers import Limits
from tests.campaign.test_workers import FAKE, task

ROOM = {"object_store_memory": 100 << 20, "num_cpus": 1}
machines = Cluster(initialize_head=True, head_node_args={**ROOM, "include_dashboard": False})
node = machines.add_node(**ROOM)
said, counted = [], Counter()
with RayCluster(machines.address) as cluster:
    with LeasedWorkers(cluster, None, [FAKE + "right"], limits=Limits(seconds=20), say=said.append) as workers:
        while workers.health().alive < 2:
            time.sleep(0.1)
        tasks = [task("segfault" if n % 10 == 9 else "right") for n in range(120)]
        futures = [workers.submit(each) for each in tasks]
        for n, future in enumerate(futures):
            future.add_done_callback(lambda _, n=n: counted.update([n]))
        futures[20].result()
        machines.remove_node(node, allow_graceful=False)
        verdicts = Counter(future.result().outcome.verdict for future in futures)
        health = workers.health()
machines.shutdown()
print(sorted(verdicts.items()), counted == Counter(range(120)), health.replaced)
print(*said, sep="\\n")
"""


@needs_ray
def test_the_cases_of_a_killed_node_run_elsewhere_and_count_once(run: dict[str, str]) -> None:
    run["RAY_memory_monitor_refresh_ms"] = "0"
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=280, env=run)
    assert done.returncode == 0, done.stderr[-3000:]
    first, *said = done.stdout.splitlines()
    assert first == "[('ok', 108), ('process-crash', 12)] True {'lost': 1}"
    assert sum(line.endswith(" has 1 workers") for line in said) == 2
    assert any(" lost its workers (" in line for line in said)


@needs_ray
@pytest.mark.parametrize(("address", "said"), [("nonsense:port", ""), ("127.0.0.1:1", "nobody answers there")])
def test_an_address_without_ray_is_bad_input(tmp_path: Path, run: dict[str, str], address: str, said: str) -> None:
    place = ["--corpus", str(tmp_path / "corpus"), "--campaign", str(tmp_path / "campaign")]
    command = [*COMMAND, *CASES, *place, "--ray", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=run, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"graphfuzz: --ray {address}: {said}")
    assert done.stderr.count("\n") == 1


def test_without_ray_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('No module named ray')\n")
    place = ["--corpus", str(tmp_path / "corpus"), "--campaign", str(tmp_path / "campaign")]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    command = [*COMMAND, *CASES, *place, "--ray"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("pip install 'graphfuzz[ray]'\n")
    assert done.stderr.count("\n") == 1
