"""What a campaign of hours on all routes takes, step by step, and what it leaves behind: benchmark `endurance`.

The campaign is a user's (`graphfuzz fuzz`), of `CASES` unguided cases on every route, and stays in `PLACE`: one that
was ended goes on, and `false-alarms` examines what it found.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.atomicity import ROOT
from benchmarks.runs import Run, belonging
from graphfuzz.campaign.journal import BOOKS, look
from graphfuzz.campaign.status import read_status
from graphfuzz.oracle.route import default_routes

CASES, QUICK_CASES = 5000, 6
SEED = 20261121
STEP, QUICK_STEP = 600.0, 5.0
"""After how many seconds there is another sample."""
PLACE = ROOT / "build" / "endurance"
SAMPLES = "samples.jsonl"
MEGABYTE = 1 << 20


class Sample(msgspec.Struct, frozen=True):
    """A campaign at one moment: seconds since its beginning; executions that it has taken in, and findings that wait;
    megabytes of its engine, and of its workers, where shared pages count in each; processes, and temporary files;
    megabytes of its books."""

    seconds: float
    executions: int
    waiting: int
    engine: float
    workers: float
    processes: int
    files: int
    books: float


def run(quick: bool) -> dict[str, Any]:
    """The campaign, to its end. growth: of the engine's memory, from the first sample to the last, as a share."""
    with tempfile.TemporaryDirectory(prefix="graphfuzz-endurance-") as scratch:
        campaign = completed(Path(scratch) if quick else PLACE, quick)
        text = (campaign.folder.parent / SAMPLES).read_text()
        samples = [msgspec.json.decode(line, type=Sample) for line in text.splitlines()]
        facts, statistics, _ = look(campaign.folder)
        status = read_status(campaign.folder)
        left = sorted(path.name for path in campaign.scratch.iterdir())
        return {
            "cases": facts.configuration.cases,
            "seconds": statistics.elapsed,
            "executions": {route: statistics.executions(route) for route in facts.configuration.routes},
            "verdicts": statistics.verdicts,
            "buckets": {
                route: sum(b.signature.route == route for b in statistics.found())
                for route in facts.configuration.routes
            },
            "flaky": len(statistics.flaky),
            "harness_errors": [f"{e.case} on {e.route}: {e.summary}" for e in statistics.harness_errors],
            "given": statistics.given,
            "lost": statistics.lost,
            "in_flight": statistics.in_flight,
            "health": msgspec.to_builtins(status.health),
            "samples": msgspec.to_builtins(samples),
            "growth": samples[-1].engine / samples[0].engine - 1,
            "orphans": len(belonging(campaign)),
            "left": left,
        }


def completed(place: Path, quick: bool = False) -> Run:
    """The campaign in a folder, once all its cases are done and all its findings minimized; a sample now and then."""
    cases, step = (QUICK_CASES, QUICK_STEP) if quick else (CASES, STEP)
    first, *others = default_routes()
    campaign = Run(place, "all", route=first, seed=SEED)
    if (campaign.folder / BOOKS).exists():
        _, statistics, _ = look(campaign.folder)
        if statistics.cases == cases and not statistics.in_flight and not statistics.waiting:
            return campaign
        process = campaign.resume()
    else:
        more = [word for name in others for word in ("--route", name)]
        nothing = ("--probes", "none", "--known", "none", "--replay", "none", "--lane", "control=1")
        process = campaign.begin(*more, *nothing, "--cases", str(cases))
    with Progress(console=Console(stderr=True)) as progress:
        bar, following = progress.add_task("executions", total=cases * (1 + len(others))), 0.0
        while process.poll() is None:
            time.sleep(1)
            executions = campaign.executions()
            progress.update(bar, completed=executions)
            if executions and time.monotonic() >= following:
                following = time.monotonic() + step
                sample = msgspec.json.encode(_sample(campaign, psutil.Process(process.pid)))
                with (campaign.folder.parent / SAMPLES).open("a") as samples:
                    samples.write(sample.decode() + "\n")
    if process.returncode:
        raise RuntimeError(f"the campaign ended with {process.returncode}: {campaign.words()}")
    return campaign


def _sample(campaign: Run, engine: psutil.Process) -> Sample:
    _, statistics, _ = look(campaign.folder)
    below, memory = engine.children(recursive=True), 0
    for process in below:
        try:
            memory += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
    files = sum(1 for path in campaign.scratch.rglob("*") if path.is_file())
    books = sum(path.stat().st_size for path in campaign.folder.iterdir())
    return Sample(
        round(statistics.elapsed, 1),
        statistics.executions(),
        statistics.waiting,
        round(engine.memory_info().rss / MEGABYTE, 1),
        round(memory / MEGABYTE, 1),
        1 + len(below),
        files,
        round(books / MEGABYTE, 1),
    )


def render(result: dict[str, Any]) -> Table:
    """A row a sample, and then what is left."""
    routes, hours = result["executions"], result["seconds"] / 3600
    title = f"{result['cases']} cases on each of {len(routes)} routes, in {hours:.1f} hours"
    names = ("minutes", "executions", "waiting", "engine, MB", "workers, MB", "processes", "files", "books, MB")
    table = Table(*names, title=title, title_justify="left")
    for sample in result["samples"]:
        told = msgspec.convert(sample, Sample)
        figures = (told.engine, told.workers, told.processes, told.files, told.books)
        table.add_row(f"{told.seconds / 60:.0f}", str(told.executions), str(told.waiting), *map(str, figures))
    left = ", ".join(result["left"]) or "nothing"
    table.caption = (
        f"engine's growth {result['growth']:.1%}; {result['orphans']} orphans; left: {left}; "
        f"buckets {result['buckets']}; workers replaced {result['health']['replaced']}"
    )
    return table
