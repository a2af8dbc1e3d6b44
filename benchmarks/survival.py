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
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.table import Table

from benchmarks.atomicity import ROOT
from benchmarks.ill_routes import ILL, ILL_RANK, MISBEHAVIOR
from benchmarks.progress import track
from benchmarks.small_disk import small_disk
from graphfuzz.campaign.journal import BOOKS, look
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.corpus.sightings import count
from graphfuzz.errors import EntryError
from graphfuzz.generator import generate
from graphfuzz.spec import load_registry

SEED = 20261122
KILLS, QUICK_KILLS = 100, 3
LIFE = 1.0
"""The longest that an engine lives on after its first new execution, in seconds."""
OPTIONS = (
    *("--only", "relu", "--dtype", "float32", "--nodes", "1", "--zeros", "0", "--ones", "0", "--dynamic", "0"),
    *("--lane", "random=1", "--probes", "none", "--known", "none", "--replay", "none", "--repeated", "0"),
)
"""What makes cases quick, and each the same whatever was seen before it."""
QUICK = "benchmarks.ill_routes:quick"
QUICK_ILL = ("leaves",)
CASES, QUICK_CASES = 40, 12
"""Of a trial with a target that misbehaves; two cases in five are of those that do."""
CASE_SECONDS = 3
PATIENCE = 600.0
"""How long a campaign may take to end by itself, in seconds."""
DISK, ROOM = "24m", 300 << 10
"""The size of the small disk, and how many bytes of it are left to the campaign at first."""
Progress = Callable[[str], None]


class Books(msgspec.Struct):
    """What a campaign came to: verdicts by case, findings by bucket (in its journal, and as sightings in the corpus),
    given and lost executions, and what does not agree."""

    executions: dict[int, str]
    buckets: dict[str, int]
    sightings: dict[str, int]
    given: int
    lost: int
    waiting: int
    harness_errors: list[str]
    flaky: int
    disagreements: list[str]


def run(quick: bool) -> dict[str, Any]:
    """Every trial once. All of `lost` and `double_counted` should be 0, and all be `balanced`."""
    kills, cases = (QUICK_KILLS, QUICK_CASES) if quick else (KILLS, CASES)
    trials: dict[str, Callable[[Path], dict[str, Any]]] = {
        "worker killed": lambda root: worker_killed(root, kills),
        "engine killed": lambda root: engine_killed(root, kills),
        "full disk": lambda root: full_disk(root, cases),
        "clock set back": lambda root: clock_set(root, cases, -3600.0),
        "clock set forward": lambda root: clock_set(root, cases, 3600.0),
    }
    for name in QUICK_ILL if quick else MISBEHAVIOR:
        trials[f"target {name.replace('_', ' ')}"] = lambda root, name=name: ill_target(root, name, cases)  # type: ignore[misc]
    found = {}
    for name in track(trials, "faults"):
        with tempfile.TemporaryDirectory(prefix="graphfuzz-faults-") as folder:
            found[name] = trials[name](Path(folder))
    return found


def render(result: dict[str, Any]) -> Table:
    """A row a trial."""
    table = Table("fault", "tried", "lost", "double-counted", "balanced", "seen", title="faults", title_justify="left")
    known = ("tried", "lost", "double_counted", "balanced")
    for name, found in result.items():
        seen = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.items() if key not in known)
        table.add_row(name, *(str(found[key]) for key in known), seen)
    return table


# Campaigns, and their books.


class Run:
    """A campaign in a folder: its command, its environment, and what it wrote last."""

    def __init__(
        self,
        root: Path,
        name: str,
        ill: str = "",
        *,
        route: str = QUICK,
        seed: int = SEED,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.corpus = root / name / "campaign", root / name / "corpus"
        self.scratch = root / f"{name}-tmp"
        self.scratch.mkdir(parents=True)
        self.output = root / f"{name}.txt"
        self.route, self.seed = route, seed
        self.variables = {**os.environ, **(variables or {}), "TMPDIR": str(self.scratch)} | ({ILL: ill} if ill else {})

    def begin(self, *options: str) -> subprocess.Popen[bytes]:
        """A new campaign, started."""
        places = ("--campaign", str(self.folder), "--corpus", str(self.corpus))
        return self._start("--route", self.route, "--seed", str(self.seed), *places, *options)

    def resume(self, *options: str) -> subprocess.Popen[bytes]:
        """The campaign, going on."""
        return self._start("--resume", str(self.folder), *options)

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "graphfuzz", "fuzz", *options]
        with self.output.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.variables,
                preexec_fn=_heed_interrupts,
            )

    def executions(self) -> int:
        """How many executions the journal has by now; 0 where there is none yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.folder / BOOKS}?mode=ro", uri=True)) as books:
                return int(books.execute("SELECT count(*) FROM executions").fetchone()[0])
        except sqlite3.Error:
            return 0

    def words(self) -> str:
        """The last line that it wrote."""
        return self.output.read_text(errors="replace").strip().rpartition("\n")[2]


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it, and so would the campaign


def ended(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a process that ends by itself; None of one that has to be killed."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        kill_tree(process)
        return None


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process, and what it started."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    process.kill()
    process.wait()
    for child in below:
        child.kill()


def books_of(run: Run) -> Books:
    """The books of a campaign that nobody is at, held against themselves and against its corpus."""
    facts, statistics, _ = look(run.folder)
    with closing(sqlite3.connect(f"file:{run.folder / BOOKS}?mode=ro", uri=True)) as books:
        rows = books.execute('SELECT "case", route, verdict FROM executions').fetchall()
        waiting = books.execute("SELECT count(*) FROM waiting").fetchone()[0]
    verdicts = Counter(verdict for _, _, verdict in rows)
    counted = Counter({name: n for counts in statistics.verdicts.values() for name, n in counts.items() if n})
    disagreements = []
    if len({(case, route) for case, route, _ in rows}) != len(rows):
        disagreements.append("an execution is there twice")
    if verdicts != counted:
        disagreements.append(f"{dict(verdicts)} in the journal, {dict(counted)} counted")
    if statistics.given != statistics.executions() + statistics.in_flight + statistics.lost or statistics.in_flight < 0:
        disagreements.append(f"{statistics.given} given, {statistics.executions()} taken in, {statistics.lost} lost")
    buckets = {bucket.signature.slug: bucket.count for bucket in statistics.found()}
    sightings: dict[str, int] = {}
    for path in entries([Path(facts.corpus)]) if Path(facts.corpus).exists() else ():
        try:
            entry = read_entry(path)
        except EntryError as error:
            disagreements.append(str(error))
        else:
            sightings[entry.slug] = count(entry.seen)
    if sightings != buckets:
        disagreements.append(f"buckets {buckets}, entries {sightings}")
    told = sum(buckets.values()) + waiting + len(statistics.flaky) + statistics.unexamined
    if told != sum(n for v, n in counted.items() if v not in QUIET):
        disagreements.append("findings are not all in a bucket, waiting, flaky or unexamined")
    return Books(
        {case: verdict for case, _, verdict in rows},
        buckets,
        sightings,
        statistics.given,
        statistics.lost,
        waiting,
        [error.summary for error in statistics.harness_errors],
        len(statistics.flaky),
        disagreements,
    )


QUIET = ("ok", "unsupported", "unstable", "slow", "harness-error")
"""The verdicts that blame no target."""


def compared(plain: Books, other: Books, ill: Sequence[int] = ()) -> dict[str, Any]:
    """What the other lacks of the plain one, and what it has in excess. ill: cases whose verdicts may differ, as may
    the number of their buckets."""
    lost = sum(other.executions.get(case) != verdict for case, verdict in plain.executions.items() if case not in ill)
    excess = len(other.executions.keys() - plain.executions.keys())
    missing = sum(case not in other.executions for case in ill)
    for mine, theirs in ((plain.buckets, other.buckets), (plain.sightings, other.sightings)):
        names = mine.keys() if ill else mine.keys() | theirs.keys()
        for slug in names:
            apart = theirs.get(slug, 0) - mine.get(slug, 0)
            lost += max(0, -apart)
            excess += max(0, apart)
    told: dict[str, Any] = {
        "lost": lost + missing,
        "double_counted": excess,
        "balanced": not other.disagreements and other.given == len(other.executions) + other.lost,
        "executions": len(other.executions),
        "buckets": len(other.buckets),
        "run_again": other.lost,
    }
    if other.disagreements:
        told["disagreements"] = other.disagreements
    if other.harness_errors:
        told["harness_errors"] = other.harness_errors
    if other.flaky:
        told["flaky"] = other.flaky
    return told


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
    before = set(psutil.pids())
    code = ended(run.begin(*OPTIONS, "--cases", str(cases), "--case-seconds", str(CASE_SECONDS)))
    seconds = time.monotonic() - started
    found_later = [child for child in psutil.process_iter() if child.pid not in before and _is_of(child, run.scratch)]
    _, left = psutil.wait_procs(found_later, timeout=5)
    for child in left:
        child.kill()
    ill, found = _misbehaving(run), books_of(run)
    told = compared(undisturbed(root, cases), found, ill)
    verdicts = Counter(found.executions.get(case, "missing") for case in ill)
    seen = {"exit_code": code, "verdicts": dict(verdicts), "seconds": round(seconds, 1), "orphans": len(left)}
    return {"tried": len(ill), **told, **seen}


def _is_of(process: psutil.Process, scratch: Path) -> bool:
    """Whether a process has a campaign's environment."""
    try:
        return bool(process.environ().get("TMPDIR") == str(scratch))
    except psutil.Error:
        return False


def _misbehaving(run: Run) -> list[int]:
    """The cases of a campaign in which the target does what it should not."""
    facts, *_ = look(run.folder)
    configuration, registry = facts.configuration, load_registry()
    made = {i: generate(configuration.recipe(i, "torch"), registry) for i in range(configuration.cases or 0)}
    return [index for index, case in made.items() if len(case.graph.inputs[0].shape) == ILL_RANK]


if __name__ == "__main__":
    print(json.dumps(_on_a_small_disk(Path(sys.argv[1]), int(sys.argv[2]))))
