"""Whether a campaign that is cut into pieces comes to the same as one that is not.

One runs `CASES` cases at a stretch; the other is ended `CUTS` times at random moments, by SIGKILL and by Ctrl-C in
turns, and goes on each time. Compared are the executions with their verdicts and what was new in each, the buckets with
their counts and first cases, the sightings in the corpus, and the cases stored.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.runs import Run, ended
from graphfuzz.campaign.journal import BOOKS, look
from graphfuzz.corpus.entry import entries, read_entry
from graphfuzz.corpus.sightings import count

ROUTE = "torch-script-ort"
SEED = 20261122
CASES, QUICK_CASES = 600, 6
CUTS, QUICK_CUTS = 9, 1
SHOWN = 10
"""How many differences are told in full, of each kind."""


def run(quick: bool) -> dict[str, Any]:
    """Both campaigns; `equal` should be true, and nothing differ."""
    cases, cuts = (QUICK_CASES, QUICK_CUTS) if quick else (CASES, CUTS)
    options = ("--cases", str(cases), "--probes", "none", "--known", "none", "--replay", "none")
    with tempfile.TemporaryDirectory(prefix="graphfuzz-resume-") as folder:
        whole, parts = (Run(Path(folder), name, route=ROUTE, seed=SEED) for name in ("whole", "parts"))
        started = time.monotonic()
        code = ended(whole.begin(*options))
        took = time.monotonic() - started
        ends, last = _in_pieces(parts, options, cases, cuts)
        one, other = _told(whole), _told(parts)
    differences = {what: _apart(one[what], other[what]) for what in one}
    return {
        "route": ROUTE,
        "cases": cases,
        "pieces": len(ends) + 1,
        "ends": ends,
        "exit_codes": [code, last],
        "seconds": round(took, 1),
        "executions": len(one["executions"]),
        "buckets": len(one["buckets"]),
        "equal": not any(differences.values()) and (code, last) == (0, 0),
        "differences": {what: len(apart) for what, apart in differences.items()},
        "shown": {what: apart[:SHOWN] for what, apart in differences.items() if apart},
    }


def _in_pieces(parts: Run, options: tuple[str, ...], cases: int, cuts: int) -> tuple[list[dict[str, Any]], int | None]:
    """The campaign, cut so often; how each piece but the last ended, and the exit code of that one."""
    rng = random.Random(SEED)
    ends: list[dict[str, Any]] = []
    process = parts.begin(*options)
    for cut in range(cuts):
        until = cases * (cut + 1) // (cuts + 1) - rng.randrange(max(1, cases // (2 * cuts + 2)))
        while parts.executions() < until and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1))
        if process.poll() is not None:
            return ends, process.returncode
        number = (signal.SIGKILL, signal.SIGINT)[cut % 2]
        process.send_signal(number)
        code = ended(process)
        ends.append({"by": number.name, "exit_code": code, "executions": parts.executions()})
        if _is_done(parts, cases):
            return ends, 0
        process = parts.resume()
    return ends, ended(process)


def _is_done(run: Run, cases: int) -> bool:
    """Whether an ended campaign has nothing left to do."""
    with closing(sqlite3.connect(f"file:{run.folder / BOOKS}?mode=ro", uri=True)) as books:
        return run.executions() >= cases and not books.execute("SELECT count(*) FROM waiting").fetchone()[0]


def _told(run: Run) -> dict[str, dict[str, Any]]:
    """What a campaign came to, by what it is of."""
    facts, statistics, _ = look(run.folder)
    with closing(sqlite3.connect(f"file:{run.folder / BOOKS}?mode=ro", uri=True)) as books:
        rows = books.execute('SELECT "case", route, lane, verdict, stage, new FROM executions').fetchall()
    stored = {path.name: read_entry(path) for path in entries([Path(facts.corpus)])}
    return {
        "executions": {f"{case} on {route}": told for case, route, *told in rows},
        "verdicts": {route: dict(counts) for route, counts in statistics.verdicts.items()},
        "buckets": {b.signature.slug: [b.count, b.first_case, b.lane, b.nodes] for b in statistics.found()},
        "sightings": {name: count(entry.seen) for name, entry in stored.items()},
        "cases": {name: [repr(entry.case.graph), entry.case.origin] for name, entry in stored.items()},
        "flaky": {f"{told.case} on {told.route}": [told.verdict, told.nodes] for told in statistics.flaky},
    }


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where two tellings differ."""
    names = sorted(one.keys() | other.keys())
    return [
        {"what": name, "whole": one.get(name), "parts": other.get(name)}
        for name in names
        if one.get(name) != other.get(name)
    ]


def render(result: dict[str, Any]) -> Table:
    """What was compared, and how much of it differs."""
    title = f"{result['cases']} cases on {result['route']} at a stretch, and in {result['pieces']} pieces"
    table = Table("compared", "different", title=title, title_justify="left")
    for what, number in result["differences"].items():
        table.add_row(what, str(number))
    table.add_row("equal", str(result["equal"]), style="bold")
    for end in result["ends"]:
        table.add_row(f"ended by {end['by']} after {end['executions']} executions", "", style="dim")
    for what, apart in result["shown"].items():
        for row in apart:
            table.add_row(f"{what}: {row['what']}", f"{row['whole']} / {row['parts']}", style="red")
    return table
