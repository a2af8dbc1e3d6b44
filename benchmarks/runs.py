"""Campaigns that run as a user's do (`graphfuzz fuzz`), and their books, held against themselves and each other."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.atomicity import ROOT
from benchmarks.ill_routes import ILL
from graphfuzz.campaign.journal import BOOKS, executions, look
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.corpus.sightings import count
from graphfuzz.errors import EntryError

SEED = 20261122
QUICK = "benchmarks.ill_routes:quick"
PATIENCE = 600.0
"""How long a campaign may take to end by itself, in seconds."""
QUIET = ("ok", "unsupported", "unstable", "slow", "harness-error")
"""The verdicts that blame no target."""


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
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.output = root / f"{name}.txt"
        self.route, self.seed = route, seed
        own = {"TMPDIR": str(self.scratch)} | ({ILL: ill} if ill else {})
        self.variables = {**os.environ, **(variables or {}), **own}

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


def belonging(run: Run) -> list[psutil.Process]:
    """The processes that have a campaign's environment, this one apart."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(run.scratch):
                found.append(process)
        except psutil.Error:
            continue  # it ended while we looked, or is not ours
    return found


def books_of(run: Run) -> Books:
    """The books of a campaign that nobody is at, held against themselves and against its corpus."""
    facts, statistics, _ = look(run.folder)
    done = executions(run.folder)
    verdicts = Counter(execution.verdict for execution in done)
    counted = Counter({name: n for counts in statistics.verdicts.values() for name, n in counts.items() if n})
    disagreements = []
    if len({(execution.case, execution.route) for execution in done}) != len(done):
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
    told = sum(buckets.values()) + statistics.waiting + len(statistics.flaky) + statistics.unexamined
    if told != sum(n for v, n in counted.items() if v not in QUIET):
        disagreements.append("findings are not all in a bucket, waiting, flaky or unexamined")
    return Books(
        {execution.case: execution.verdict for execution in done},
        buckets,
        sightings,
        statistics.given,
        statistics.lost,
        statistics.waiting,
        [error.summary for error in statistics.harness_errors],
        len(statistics.flaky),
        disagreements,
    )


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
