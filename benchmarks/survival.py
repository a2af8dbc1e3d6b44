"""What a campaign loses to faults, and whether it counts anything twice: benchmark `faults`.

Every trial is a real campaign (`graphfuzz fuzz`) on the route of `benchmarks/ill_routes.py`, whose cases do not depend
on what was seen before, beside the same campaign undisturbed. `lost` is what the undisturbed one has and the other
lacks: executions and their verdicts, findings of a bucket in the journal, and sightings in an entry that loads.
`double_counted` is what the other one has in excess. `balanced`: whether its books agree with themselves, and account
for everything that was given to workers. What a trial itself is to change (the verdicts of cases in which the target
misbehaves, and their buckets) is not held against it.

Clocks are set by a module that Python imports first, in the engine and in its workers: what a library in C reads stays.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from benchmarks.atomicity import ROOT
from benchmarks.ill_routes import ILL_RANK, MISBEHAVIOR, PACE
from benchmarks.progress import track
from benchmarks.runs import SEED, Books, Run, belonging, books_of, compared, ended
from benchmarks.small_disk import small_disk
from graphfuzz.campaign.journal import BOOKS, look
from graphfuzz.generator import generate
from graphfuzz.spec import load_registry

KILLS, QUICK_KILLS = 100, 3
LIFE = 1.0
"""The longest that an engine lives on after its first new execution, in seconds."""
OPTIONS = (
    *("--only", "relu", "--dtype", "float32", "--nodes", "1", "--zeros", "0", "--ones", "0", "--dynamic", "0"),
    *("--lane", "random=1", "--probes", "none", "--known", "none", "--replay", "none", "--repeated", "0"),
)
"""What makes cases quick, and each the same whatever was seen before it."""
QUICK_ILL = ("leaves",)
CASES, QUICK_CASES = 40, 12
"""Of a trial with a target that misbehaves; two cases in five are of those that do."""
CASE_SECONDS = 3
DONE = ROOT / "build" / "faults.json"
"""The trials that are done: a run that was ended goes on after them."""
DISK, ROOM = "24m", 300 << 10
"""The size of the small disk, and how many bytes of it are left to the campaign at first."""


def run(quick: bool) -> dict[str, Any]:
    """Every trial once, an hour in all. All of `lost` and `double_counted` should be 0, and all be `balanced`."""
    kills, cases = (QUICK_KILLS, QUICK_CASES) if quick else (KILLS, CASES)
    trials: dict[str, Callable[[Path], dict[str, Any]]] = {
        "worker killed": lambda root: worker_killed(root, kills),
        "engine killed": lambda root: engine_killed(root, kills),
        "Ray node killed": lambda root: ray_node_killed(root, kills),
        "full disk": lambda root: full_disk(root, cases),
        "clock set back": lambda root: clock_set(root, cases // 3, -3600.0),
        "clock set forward": lambda root: clock_set(root, cases // 3, 3600.0),
    }
    for name in QUICK_ILL if quick else MISBEHAVIOR:
        trials[f"target {name.replace('_', ' ')}"] = lambda root, name=name: ill_target(root, name, cases)  # type: ignore[misc]
    found = json.loads(DONE.read_text()) if DONE.exists() and not quick else {}
    for name in track([name for name in trials if name not in found], "faults"):
        with tempfile.TemporaryDirectory(prefix="graphfuzz-faults-") as folder:
            found[name] = trials[name](Path(folder))
        if not quick:
            DONE.parent.mkdir(exist_ok=True)
            DONE.write_text(json.dumps(found))
    if not quick:
        DONE.unlink(missing_ok=True)
    sums = {what: sum(trial[what] for trial in found.values()) for what in ("lost", "double_counted")}
    return {**sums, "balanced": all(trial["balanced"] for trial in found.values()), "trials": found}


def render(result: dict[str, Any]) -> Table:
    """A row a trial."""
    table = Table("fault", "tried", "lost", "double-counted", "balanced", "seen", title="faults", title_justify="left")
    known = ("tried", "lost", "double_counted", "balanced")
    for name, found in result["trials"].items():
        seen = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.items() if key not in known)
        table.add_row(name, *(str(found[key]) for key in known), seen)
    return table


def undisturbed(root: Path, cases: int) -> Books:
    """The same campaign with nothing in its way."""
    plain = Run(root, "plain")
    code = ended(plain.begin(*OPTIONS, "--cases", str(cases)))
    if code != 0:
        raise RuntimeError(f"the undisturbed campaign ended with {code}: {plain.words()}")
    return books_of(plain)


# Kills.


def worker_killed(root: Path, kills: int) -> dict[str, Any]:
    """SIGKILL for one worker after another, at random moments, and never twice within what a case takes, as a case
    that is killed twice is a finding. tried: kills that met a living one."""
    rng, run = random.Random(SEED), Run(root, "disturbed")
    process = run.begin(*OPTIONS, "--cases", "1000000")
    killed = 0
    while killed < kills and process.poll() is None:
        time.sleep(rng.uniform(0.5, 1.5))
        workers = _workers(process.pid) if run.executions() else []
        if workers:
            rng.choice(workers).kill()
            killed += 1
    alive = process.poll() is None
    process.send_signal(signal.SIGINT)
    code = ended(process)
    code = ended(run.resume("--cases", "1"))
    found = books_of(run)
    plain = undisturbed(root, len(found.executions))
    return {"tried": killed, **compared(plain, found), "went_on": alive, "exit_code": code}


def _workers(engine: int) -> list[psutil.Process]:
    """The workers of an engine, which its fork server has made."""
    try:
        below = psutil.Process(engine).children(recursive=True)
        servers = {child.pid for child in below if child.ppid() == engine}
        return [child for child in below if child.ppid() in servers]
    except psutil.NoSuchProcess:
        return []


def engine_killed(root: Path, kills: int) -> dict[str, Any]:
    """SIGKILL for the engine, and on from where it was, again and again; every fourth dies while it starts.

    orphans: processes of its that are there ten seconds later. left: what stays in the folder of temporary files.
    """
    rng, run = random.Random(SEED), Run(root, "disturbed")
    orphans: list[psutil.Process] = []
    process, killed = run.begin(*OPTIONS, "--cases", "1000000"), 0
    while killed < kills:
        before = run.executions()
        if killed % 4 != 3:
            deadline = time.monotonic() + 60
            while run.executions() == before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
        time.sleep(rng.uniform(0, LIFE if killed % 4 != 3 else 3 * LIFE))
        if process.poll() is not None:
            raise RuntimeError(f"the campaign ended by itself, with {process.returncode}: {run.words()}")
        orphans += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        killed += 1
        begun = (run.folder / BOOKS).exists()
        process = run.resume() if begun else run.begin(*OPTIONS, "--cases", "1000000")
    process.send_signal(signal.SIGTERM)
    ended(process)
    code = ended(run.resume("--cases", "1"))
    _, alive = psutil.wait_procs(orphans, timeout=10)
    for child in alive:
        child.kill()
    found = books_of(run)
    plain = undisturbed(root, len(found.executions))
    left = [path.name for path in run.scratch.iterdir()]
    return {"tried": killed, **compared(plain, found), "exit_code": code, "orphans": len(alive), "left": len(left)}


def ray_node_killed(root: Path, kills: int) -> dict[str, Any]:
    """A campaign on two nodes of Ray, of which the second is killed and another one comes, again and again: after its
    workers have joined, and every fourth before.

    hosts: those that had joined. Nothing is tried where Ray is not installed.
    """
    if find_spec("ray") is None:
        return {"tried": 0, "lost": 0, "double_counted": 0, "balanced": True, "by": "nothing: Ray is not installed"}
    from ray.cluster_utils import Cluster

    inherited = [os.environ.get("PYTHONPATH", "")]
    slowly = {PACE: "0.1", "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, inherited)])}
    os.environ.update(slowly | {"RAY_memory_monitor_refresh_ms": "0"})
    room = {"num_cpus": 1, "object_store_memory": 100 << 20}
    machines = Cluster(initialize_head=True, head_node_args={**room, "include_dashboard": False})
    rng, run, killed = random.Random(SEED), Run(root, "disturbed", variables=slowly), 0
    try:
        process = run.begin(*OPTIONS, "--cases", "1000000", "--workers", "2", "--ray", machines.address)
        while killed < kills and process.poll() is None:
            before, deadline = _hosts(run), time.monotonic() + 60
            node = machines.add_node(**room)
            if killed % 4 != 3:
                while _hosts(run) <= before and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
            time.sleep(rng.uniform(0, LIFE))
            machines.remove_node(node, allow_graceful=False)
            killed += 1
        alive = process.poll() is None
        process.send_signal(signal.SIGINT)
        ended(process)
    finally:
        machines.shutdown()
        del os.environ[PACE]
    hosts, code = _hosts(run), ended(run.resume("--cases", "1"))
    found = books_of(run)
    plain = undisturbed(root, len(found.executions))
    return {"tried": killed, **compared(plain, found), "hosts": hosts, "went_on": alive, "exit_code": code}


def _hosts(run: Run) -> int:
    """How many hosts of Ray have joined the campaign."""
    return run.output.read_text(errors="replace").count(" has 1 workers") if run.output.exists() else 0


# The machine.


def full_disk(root: Path, cases: int) -> dict[str, Any]:
    """A disk with no room for the campaign; then there is room, and it goes on. tried: how often it ended for it."""
    disk = root / "disk"
    disk.mkdir()
    within = small_disk(disk, DISK)
    if within is None:
        return {"tried": 0, "lost": 0, "double_counted": 0, "balanced": True, "by": "nothing: no disk can be mounted"}
    command = [sys.executable, "-m", "benchmarks.survival", str(root), str(cases)]
    done = subprocess.run([*within, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _on_a_small_disk(root: Path, cases: int) -> dict[str, Any]:
    """The trial itself, with the small disk mounted. A little room is made at a time, until the campaign ends."""
    disk = root / "disk"
    run = Run(disk, "disturbed")
    run.output = root / "disturbed.txt"
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * (_free(disk) - ROOM))
    said: Counter[str] = Counter()
    code, ends = ended(run.begin(*OPTIONS, "--cases", str(cases))), 0
    while code == 2 and ends < 50:
        ends += 1
        said[run.words().partition(": ")[2].partition(" (")[0][:80]] += 1
        os.truncate(ballast, max(0, ballast.stat().st_size - ROOM // 8))
        begun = (run.folder / BOOKS).exists()
        code = ended(run.resume() if begun else run.begin(*OPTIONS, "--cases", str(cases)))
    return {"tried": ends, **compared(undisturbed(root, cases), books_of(run)), "exit_code": code, "said": dict(said)}


def _free(disk: Path) -> int:
    stat = os.statvfs(disk)
    return stat.f_bavail * stat.f_frsize


CLOCK = """
import datetime, time
began, real = time.monotonic(), time.time
def shifted():
    return real() + {step} * int((time.monotonic() - began) / {every})
time.time = shifted
time.time_ns = lambda: int(shifted() * 1e9)
class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(shifted(), tz)
datetime.datetime = Shifted
"""
EVERY = 0.5
"""After how many seconds the clock is set once more."""


def clock_set(root: Path, cases: int, step: float) -> dict[str, Any]:
    """A clock that is set by so many seconds, every half a second, with a target that hangs now and then.

    tried: how often it was set. slowest: seconds that the undisturbed campaign took, and this one.
    """
    (root / "first").mkdir()
    (root / "first" / "sitecustomize.py").write_text(CLOCK.format(step=step, every=EVERY))
    found = [os.environ.get("PYTHONPATH", "")]
    variables = {"PYTHONPATH": os.pathsep.join([str(root / "first"), str(ROOT), *filter(None, found)])}
    options = (*OPTIONS, "--cases", str(cases), "--case-seconds", str(CASE_SECONDS))
    plain, run = Run(root, "plain", "hangs"), Run(root, "disturbed", "hangs", variables=variables)
    took = []
    for one in (plain, run):
        started = time.monotonic()
        code = ended(one.begin(*options))
        took.append(round(time.monotonic() - started, 1))
    told = compared(books_of(plain), books_of(run))
    return {"tried": int(took[1] / EVERY), **told, "exit_code": code, "seconds": took}


# The target.


def ill_target(root: Path, name: str, cases: int) -> dict[str, Any]:
    """A target that misbehaves, in the cases of three axes. tried: how many did.

    verdicts: of those. seconds: that the campaign took. orphans: processes that outlived it.
    """
    run, started = Run(root, "disturbed", name), time.monotonic()
    code = ended(run.begin(*OPTIONS, "--cases", str(cases), "--case-seconds", str(CASE_SECONDS)))
    seconds = time.monotonic() - started
    _, left = psutil.wait_procs(belonging(run), timeout=5)
    for child in left:
        child.kill()
    ill, found = _misbehaving(run), books_of(run)
    told = compared(undisturbed(root, cases), found, ill)
    verdicts = Counter(found.executions.get(case, "missing") for case in ill)
    seen = {"exit_code": code, "verdicts": dict(verdicts), "seconds": round(seconds, 1), "orphans": len(left)}
    return {"tried": len(ill), **told, **seen}


def _misbehaving(run: Run) -> list[int]:
    """The cases of a campaign in which the target does what it should not."""
    facts, *_ = look(run.folder)
    configuration, registry = facts.configuration, load_registry()
    made = {i: generate(configuration.recipe(i, "torch"), registry) for i in range(configuration.cases or 0)}
    return [index for index, case in made.items() if len(case.graph.inputs[0].shape) == ILL_RANK]


if __name__ == "__main__":
    print(json.dumps(_on_a_small_disk(Path(sys.argv[1]), int(sys.argv[2]))))
