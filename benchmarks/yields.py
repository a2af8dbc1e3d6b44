"""Distinct defects in an hour on two cores, next to NNSmith's fuzz loop: benchmark `yield`.

Both have the same versions of PyTorch, ONNX and ONNX Runtime, two processes, and the same time, in turns. Ours are the
buckets of a campaign on PyTorch's routes, with an empty corpus and nothing known of the routes. Of the peer's reports,
those of one symptom, stage and normalized message are a group. Of each group some are imported and judged by us: what
we call a finding is minimized and gets a bucket as ours do. `peer` counts generously: the distinct buckets, and every
group of which no report came to one, but for what ONNX Runtime says clearly it has no kernel for, which is no defect of
ours either. `peer_confirmed` counts the buckets alone.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table

from benchmarks.generation import PEER, interpreter
from benchmarks.progress import track
from benchmarks.runs import Run
from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.findings import MINIMIZER_BUDGET
from graphfuzz.campaign.importing import learned, read
from graphfuzz.campaign.journal import look
from graphfuzz.campaign.loop import GRACE
from graphfuzz.campaign.probes import Cache
from graphfuzz.campaign.workers import Task, Workers
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.corpus.signature import normalize, signature
from graphfuzz.errors import UsageError
from graphfuzz.graph import Case
from graphfuzz.interchange import Given, reader_of
from graphfuzz.minimizer import minimize
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec import Registry, load_registry

SECONDS, PARTS = 3600, 6
"""Of each, in so many turns."""
QUICK_SECONDS = 20
WORKERS = 2
SEED = 20261122
SAMPLE, QUICK_SAMPLE = 40, 1
"""How many reports of a group are imported at most."""
GOAL = 10
PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "z3-solver")
REFUSAL = "NOT_IMPLEMENTED"
"""What ONNX Runtime says of an operator and type that it has no kernel for."""
SCRIPT = str(Path(__file__).with_name("peer_fuzz.py"))


class Report(msgspec.Struct, frozen=True):
    """A report of the peer's: its folder, and what makes it one of a group."""

    folder: str
    group: str


def run(quick: bool) -> dict[str, Any]:
    """Both in turns, then the peer's reports examined; `ratio` is of `ours` to `peer`."""
    seconds, parts, sample = (QUICK_SECONDS, 1, QUICK_SAMPLE) if quick else (SECONDS, PARTS, SAMPLE)
    routes = [name for name in default_routes() if load_route(name).framework == "torch"]
    python = interpreter(*PACKAGES)
    with tempfile.TemporaryDirectory(prefix="graphfuzz-yield-") as folder:
        root = Path(folder)
        ours = Run(root, "ours", route=routes[0], seed=SEED)
        _peer(python, root / "first", 1, 0)  # learns, and keeps, which operators and types there are
        took = 0.0
        for part in track(range(parts), "parts of both"):
            turn = _ours(ours, routes, seconds // parts, part)
            _peers(python, root / f"peer-{part}", turn, part)
            took += turn
        statistics = look(ours.folder)[1]
        subprocess.run([python, SCRIPT, str(root)], check=True, env=_variables())
        reports, counts = _reports(root)
        examined = _examined(reports, routes, sample)
    found = [bucket for bucket in statistics.found() if not bucket.known]
    groups = Counter(report.group for report in reports)
    confirmed = {bucket for row in examined.values() for bucket in row["buckets"]}
    others = [name for name in groups if not examined[name]["buckets"] and REFUSAL not in name]
    peer = len(confirmed) + len(others)
    return {
        "seconds": round(took),
        "processes": WORKERS,
        "peer": PEER,
        "peer_versions": {name: version(name) for name in PACKAGES},
        "ours": {
            "routes": routes,
            "executions": statistics.executions(),
            "defects": len(found),
            "findings": sum(bucket.count for bucket in found),
            "waiting": statistics.waiting,
            "flaky": len(statistics.flaky),
            "buckets": {bucket.signature.slug: bucket.count for bucket in found},
        },
        "theirs": {**counts, "groups": {name: {"reports": groups[name], **examined[name]} for name in groups}},
        "defects": {"ours": len(found), "peer": peer, "peer_confirmed": len(confirmed)},
        "ratio": len(found) / peer if peer else None,
        "goal": GOAL,
    }


def _ours(ours: Run, routes: Sequence[str], seconds: int, part: int) -> float:
    """So many seconds more of our campaign, its grace among them. Returns what it took, start and end included."""
    started, seconds = time.monotonic(), round(seconds / (1 + GRACE))
    if part:
        process = ours.resume("--seconds", str(seconds))
    else:
        more = [word for name in routes[1:] for word in ("--route", name)]
        nothing = ("--probes", "none", "--known", "none", "--replay", "none")
        process = ours.begin(*more, *nothing, "--workers", str(WORKERS), "--seconds", str(seconds))
    if process.wait():
        raise RuntimeError(f"our campaign ended with {process.returncode}: {ours.words()}")
    return time.monotonic() - started


def _peers(python: str, folder: Path, seconds: float, part: int) -> None:
    """So many seconds of the peer's loop, in as many processes as we have workers."""
    with ThreadPoolExecutor(WORKERS) as threads:
        loops = [threads.submit(_peer, python, folder / str(n), seconds, 1000 * part + n) for n in range(WORKERS)]
        for loop in loops:
            loop.result()


def _peer(python: str, folder: Path, seconds: float, number: int) -> None:
    """One process of the peer's loop, and another with another seed wherever a case takes it down."""
    until, lives = time.monotonic() + seconds, count()
    while (left := math.ceil(until - time.monotonic())) > 0:
        life = next(lives)
        place = folder / f"life-{life}"
        place.mkdir(parents=True)
        with (place / "log.txt").open("wb") as log:
            command = [python, SCRIPT, str(left), str(1 + number + 100 * life), str(place / "found")]
            code = subprocess.run(command, cwd=place, stdout=log, stderr=log, env=_variables(), check=False).returncode
        if code > 0:
            words = (place / "log.txt").read_text(errors="replace").strip()[-2000:]
            raise RuntimeError(f"the peer's loop ended with {code}: {words}")


def _variables() -> dict[str, str]:
    cache = default_cache() / "peers" / "cache"
    return {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache), "PYTHONPATH": ""}


def _reports(root: Path) -> tuple[list[Report], dict[str, int]]:
    """The peer's reports, and its counts; a process that died has told none, but its reports count."""
    counts: Counter[str] = Counter(tested=0, reports=0, not_made=0, processes_that_died=0)
    reports = []
    for folder in sorted(root.glob("peer-*/*/life-*/found")):
        told = folder / "counts.json"
        counts.update(json.loads(told.read_text()) if told.exists() else {"processes_that_died": 1})
        reports += [Report(str(place), _group(place)) for place in sorted(folder.glob("bug-*"))]
    return reports, dict(counts)


def _group(place: Path) -> str:
    """Symptom, stage and normalized message; of wrong outputs, which all have one message, that is all there is."""
    meta = json.loads((place / "meta.json").read_text())
    words = (place / "err.log").read_text(errors="replace").strip().splitlines()
    last = next((line for line in reversed(words) if line.partition(":")[0].replace(".", "").isidentifier()), "")
    message = "" if meta["symptom"] == "inconsistency" else normalize(last)
    return f"{meta['symptom']} in {meta['stage']}: {message}".rstrip(": ")


def _examined(reports: Sequence[Report], routes: Sequence[str], sample: int) -> dict[str, dict[str, Any]]:
    """By group: how many reports were imported, what they came to, and the buckets that they have as ours would."""
    groups: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        groups[report.group].append(report)
    found: dict[str, dict[str, Any]] = {}
    if not groups:
        return found
    registry = load_registry()
    some = Path(reports[0].folder) / "model.onnx"
    reader = reader_of(some, "torch")
    with Workers(WORKERS, routes) as workers:
        table = learned(reader, registry, Cache(default_cache(), print), workers)
        for name, members in groups.items():
            came: Counter[str] = Counter()
            buckets: set[str] = set()
            for report in track(members[:sample], name[:60]):
                place = Path(report.folder)
                try:
                    given = Given(place / "inputs.npz")
                    case = read(place / "model.onnx", given, reader, table, workers, False).case
                except UsageError:
                    case = None
                came["imported" if case is not None else "not imported"] += 1
                for route in routes if case is not None else ():
                    assert case is not None
                    verdict, bucket = _judged(case, route, workers, registry)
                    came[f"{verdict} on {route}"] += 1
                    buckets |= {bucket} - {""}
            found[name] = {"examined": len(members[:sample]), "came_to": dict(came), "buckets": sorted(buckets)}
    return found


def _judged(case: Case, route: str, workers: Workers, registry: Registry) -> tuple[str, str]:
    """Our verdict on somebody's case, and the bucket of its minimized form; empty where it is no finding."""

    def check(cases: Sequence[Case], plain: bool = False) -> list[Outcome]:
        futures = [workers.submit(Task(route=route, case=one, recipe=None, plain=plain)) for one in cases]
        return [future.result().outcome for future in futures]

    (outcome,) = check([case], plain=True)
    if not outcome.is_finding:
        return outcome.verdict, ""
    small = minimize(case, outcome, partial(check), registry, MINIMIZER_BUDGET)
    blame = attributed(lambda task: workers.submit(task).result(), small.case, small.outcome)
    return outcome.verdict, signature(small.outcome, small.case.graph, registry, blame).slug


def render(result: dict[str, Any]) -> Group:
    """The counts, and the peer's groups."""
    defects, ours, theirs = result["defects"], result["ours"], result["theirs"]
    title = f"Distinct defects in {result['seconds']} seconds on {result['processes']} processes"
    table = Table("", "ours", result["peer"], title=title, title_justify="left")
    table.add_row("cases tested", f"{ours['executions']:,}", f"{theirs['tested']:,}")
    table.add_row("findings", f"{ours['findings']:,}", f"{theirs['reports']:,}")
    table.add_row("distinct defects", str(defects["ours"]), str(defects["peer"]), style="bold")
    table.add_row("  confirmed by us", "", str(defects["peer_confirmed"]))
    ratio = "-" if result["ratio"] is None else f"{result['ratio']:.1f}"
    table.add_row("ratio", f"{ratio} (goal {result['goal']})", "")
    groups = Table("reports", "examined", "buckets", "group", title="The peer's reports", title_justify="left")
    for name, row in theirs["groups"].items():
        groups.add_row(str(row["reports"]), str(row["examined"]), str(len(row["buckets"])), name)
    return Group(table, groups)
