"""`graphfuzz fuzz`: a campaign with a live status."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.corpus.entry import check_writable
from graphfuzz.errors import UsageError
from graphfuzz.oracle.route import route_names
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.report.tables import bucket_table, outcome_table
from graphfuzz.spec.registry import load_registry

HARNESS_ERROR_EXIT = 3
LOG_WIDTH = 140
"""How wide tables are where nothing says how wide the terminal is, in characters."""


@click.command()
@click.option(
    "--route", "routes", multiple=True, help="A route to test (repeatable). [default: all that are installed]"
)
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop making cases after this long.")
@click.option("--cases", type=click.IntRange(min=1), help="Stop after this many cases (each runs on every route).")
@click.option("--seed", type=click.IntRange(min=0), help="The campaign's seed: the same one makes the same cases.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--nodes", type=click.IntRange(1, 200), default=10, show_default=True, help="The most nodes of a graph.")
@click.option("--only", "operators", multiple=True, help="Draw from this operator only (repeatable).")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option(
    "--tolerance", default="conditioning", show_default=True, help="conditioning, absolute:A or allclose:R,A."
)
@click.option("--corpus", type=click.Path(path_type=Path), default=Path("corpus"), show_default=True)
@click.option("--case-seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="Time limit a case.")
@click.option(
    "--case-memory", type=click.IntRange(min=64), default=4096, show_default=True, help="MiB a case may take."
)
@click.option("--log", type=click.Path(path_type=Path), help="Write one JSON line an execution to this file.")
def fuzz(
    routes: tuple[str, ...],
    seconds: float | None,
    cases: int | None,
    seed: int | None,
    workers: int,
    nodes: int,
    operators: tuple[str, ...],
    packs: tuple[str, ...],
    tolerance: str,
    corpus: Path,
    case_seconds: float,
    case_memory: int,
    log: Path | None,
) -> None:
    """Make random graphs, convert, run and compare them; minimize what fails and store it in the corpus.

    Runs until --seconds or --cases is used up, or Ctrl-C. Exit code: 0, or 3 where graphfuzz itself made a mistake.
    """
    registry = load_registry(packs)
    configuration = Configuration(
        routes=routes or tuple(route_names()),
        seed=secrets.randbits(32) if seed is None else seed,
        seconds=seconds,
        cases=cases,
        workers=workers,
        nodes=nodes,
        operators=operators,
        packs=packs,
        tolerance=tolerance,
        seconds_a_case=case_seconds,
        memory_a_case=case_memory << 20,
    )
    parse_tolerance(tolerance)
    frameworks = check(configuration, registry)
    check_writable(corpus)
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    console.print(
        f"seed {configuration.seed} · {len(registry)} operators · {workers} workers · routes {', '.join(frameworks)}"
    )
    with ExitStack() as stack:
        record = _open_log(log, stack)
        limits = Limits(seconds=case_seconds, memory_bytes=case_memory << 20)
        console.print("starting workers ...", style="dim")
        pool = stack.enter_context(Workers(workers, list(frameworks), packs=packs, limits=limits, tolerance=tolerance))
        view = stack.enter_context(View(console))
        campaign = Campaign(
            configuration, frameworks, registry, corpus, pool, on_progress=view.refresh, on_execution=record
        )
        view.statistics = campaign.statistics
        try:
            campaign.run()
        except KeyboardInterrupt:
            view.note = "interrupted; everything stored so far is in the corpus"
    _conclude(console, campaign.statistics, configuration)
    if campaign.statistics.harness_errors:
        sys.exit(HARNESS_ERROR_EXIT)


class View:
    """The live status: a screen that updates in place on a terminal, else a plain line now and then."""

    EVERY = 10.0

    def __init__(self, console: Console, statistics: Statistics | None = None) -> None:
        self.console = console
        self.statistics = statistics or Statistics()
        self.note = ""
        self._next_line = 0.0
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)

    def __enter__(self) -> View:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.console.is_terminal:
            self._live.stop()
        if self.note:
            self.console.print(self.note, style="yellow")

    def refresh(self) -> None:
        """Called whenever the statistics may have changed."""
        if not self.console.is_terminal and self.statistics.elapsed >= self._next_line:
            self._next_line = self.statistics.elapsed + self.EVERY
            self.console.print(status_line(self.statistics), soft_wrap=True, highlight=False)

    def render(self) -> Group:
        """The whole screen."""
        newest = bucket_rows(self.statistics)[-8:]
        return Group(
            Text(status_line(self.statistics), style="bold"),
            outcome_table(self.statistics.verdicts, self.statistics.seconds),
            bucket_table(newest, "newest buckets"),
        )


def status_line(statistics: Statistics) -> str:
    """How far the campaign is, in one line."""
    executions = statistics.executions()
    rate = executions / statistics.elapsed if statistics.elapsed else 0.0
    return (
        f"{statistics.elapsed:5.0f} s · case {statistics.cases} · {executions} executions ({rate:.1f}/s) · "
        f"{len(statistics.found())} buckets · {statistics.waiting} findings waiting · "
        f"{statistics.minimizer_runs} minimizer runs · {len(statistics.harness_errors)} harness errors"
    )


def bucket_rows(statistics: Statistics) -> list[tuple[str, int, int, str, str]]:
    """The buckets met, for `bucket_table`."""
    return [(b.signature.slug, b.count, b.nodes, "known" if b.known else "new", b.summary) for b in statistics.found()]


def _open_log(path: Path | None, stack: ExitStack) -> Callable[[int, Outcome], None]:
    if path is None:
        return lambda index, outcome: None
    try:
        file = stack.enter_context(path.open("a", encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--log {path}: cannot be written ({error.strerror}); name another file") from None

    def record(index: int, outcome: Outcome) -> None:
        line = {
            "case": index,
            "route": outcome.route,
            "verdict": outcome.verdict,
            "stage": outcome.stage,
            "what": outcome.summary(),
            "seconds": outcome.seconds,
        }
        file.write(json.dumps(line) + "\n")
        file.flush()

    return record


def _conclude(console: Console, statistics: Statistics, configuration: Configuration) -> None:
    """The outcome table, the buckets, the entries' paths, and what went wrong on our side."""
    console.print(outcome_table(statistics.verdicts, statistics.seconds))
    console.print(bucket_table(bucket_rows(statistics), "buckets"))
    console.print(status_line(statistics), soft_wrap=True, highlight=False)
    for bucket in statistics.found():
        console.print(f"{'known' if bucket.known else 'stored'}  {bucket.path}", soft_wrap=True, highlight=False)
    for path in statistics.unminimized:
        console.print(f"not minimized, no time left: {path}", style="yellow", soft_wrap=True, highlight=False)
    for flaky in statistics.flaky:
        console.print(
            f"flaky: case {flaky.case} on {flaky.route} was {flaky.verdict}, then {flaky.again}", style="yellow"
        )
    for error in statistics.harness_errors[:20]:
        again = f"--seed {configuration.seed}, case {error.case}, {error.route}"
        console.print(f"HARNESS ERROR ({again}): {error.summary}", style="bold red", soft_wrap=True, highlight=False)
        console.print(error.traceback, style="red", highlight=False, markup=False)
    if len(statistics.harness_errors) > 20:
        console.print(f"... and {len(statistics.harness_errors) - 20} more harness errors", style="bold red")
    console.print(f"the same cases again: graphfuzz fuzz --seed {configuration.seed}", style="dim")
