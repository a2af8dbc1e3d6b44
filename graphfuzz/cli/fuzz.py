"""`graphfuzz fuzz`: a campaign with a live status."""

from __future__ import annotations

import json
import secrets
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from graphfuzz.campaign.beginning import NONE, STORED, known_at_start, mark, told
from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.lanes import DEFAULT, parse_lanes
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.probes import Cache
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.statistics import Bucket, Statistics
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.corpus.entry import check_writable
from graphfuzz.errors import GraphfuzzError, UsageError
from graphfuzz.generator import LANES
from graphfuzz.oracle.route import route_names
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.report.tables import bucket_table, fits_table, lane_table, outcome_table, solver_table
from graphfuzz.spec.registry import load_registry

HARNESS_ERROR_EXIT = 3
SHOWN_ERRORS = 20
"""How many harness errors are shown in full."""
LOG_WIDTH = 140
"""How wide tables are where nothing says how wide the terminal is, in characters."""


@click.command()
@click.option(
    "--route", "routes", multiple=True, help="A route to test (repeatable). [default: all that are installed]"
)
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop making cases after this long.")
@click.option("--cases", type=click.IntRange(min=1), help="Stop after this many cases (each runs on every route).")
@click.option("--first-case", type=click.IntRange(min=0), default=0, help="The case to begin with. [default: 0]")
@click.option("--seed", type=click.IntRange(min=0), help="The campaign's seed: the same one makes the same cases.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--nodes", type=click.IntRange(1, 200), default=10, show_default=True, help="The most nodes of a graph.")
@click.option("--zeros", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Cases full of sizes of 0.")
@click.option("--ones", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Cases full of sizes of 1.")
@click.option(
    "--dynamic", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Cases with dynamic shapes."
)
@click.option(
    "--lane",
    "lanes",
    multiple=True,
    metavar="NAME=SHARE",
    help=f"Make cases in this lane (repeatable), by shares relative to each other: {', '.join(LANES)}. [default: all]",
)
@click.option("--only", "operators", multiple=True, help="Draw from this operator only (repeatable).")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option(
    "--tolerance", default="conditioning", show_default=True, help="conditioning, absolute:A, allclose:R,A or ulp:N."
)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    default=Path("corpus"),
    show_default=True,
    help="The folder of entries: what it has is known, what is new is added.",
)
@click.option(
    "--probes",
    default=STORED,
    show_default=True,
    metavar=f"{STORED}|{NONE}|MARK",
    help="Begin with what `graphfuzz ops --probe` found, with nothing, or with what a campaign has told as MARK.",
)
@click.option("--cache", type=click.Path(path_type=Path), help="The folder of probes. [default: the user's cache]")
@click.option(
    "--case-seconds", type=click.FloatRange(1, 86400), default=60, show_default=True, help="Time limit a case."
)
@click.option(
    "--case-memory", type=click.IntRange(min=64), default=4096, show_default=True, help="MiB a case may take."
)
@click.option("--profile", is_flag=True, help="Print in the end how values were found, and what z3 was asked for.")
@click.option("--log", type=click.Path(path_type=Path), help="Write one JSON line an execution to this file.")
def fuzz(
    routes: tuple[str, ...],
    seconds: float | None,
    cases: int | None,
    first_case: int,
    seed: int | None,
    workers: int,
    nodes: int,
    zeros: float,
    dynamic: float,
    ones: float,
    lanes: tuple[str, ...],
    operators: tuple[str, ...],
    packs: tuple[str, ...],
    tolerance: str,
    corpus: Path,
    probes: str,
    cache: Path | None,
    case_seconds: float,
    case_memory: int,
    profile: bool,
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
        first_case=first_case,
        workers=workers,
        nodes=nodes,
        zeros=zeros,
        dynamic=dynamic,
        ones=ones,
        lanes=parse_lanes(lanes) or DEFAULT,
        operators=operators,
        packs=packs,
        tolerance=tolerance,
        seconds_a_case=case_seconds,
        memory_a_case=case_memory << 20,
    )
    parse_tolerance(tolerance)
    frameworks = check(configuration, registry)
    check_writable(corpus)
    store = Cache(cache or default_cache(), lambda text: click.echo(f"graphfuzz: {text}", err=True))
    support = known_at_start(probes, configuration.routes, registry, store)
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    _say(
        console,
        f"seed {configuration.seed} · {len(registry)} operators · {workers} workers · routes {', '.join(frameworks)}",
    )
    _say(console, told(support))
    with ExitStack() as stack:
        record = _open_log(log, stack)
        limits = Limits(seconds=case_seconds, memory_bytes=case_memory << 20)
        console.print("starting workers ...", style="dim")
        pool = stack.enter_context(Workers(workers, list(frameworks), packs=packs, limits=limits, tolerance=tolerance))
        view = stack.enter_context(View(console))
        campaign = Campaign(
            configuration,
            frameworks,
            registry,
            corpus,
            pool,
            support=support,
            on_progress=view.refresh,
            on_execution=record,
        )
        view.statistics = campaign.statistics
        trouble: Exception | None = None
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            campaign.run()
        except KeyboardInterrupt:
            view.note = "interrupted; everything found so far is stored"
        except (GraphfuzzError, OSError) as error:
            trouble = error
    begun = ["--probes", mark(support), *(["--cache", str(cache)] if cache else [])]
    _conclude(console, campaign.statistics, configuration, begun)
    if profile:
        console.print(fits_table(campaign.statistics.profile.fits))
        console.print(solver_table(campaign.statistics.profile.solver, campaign.statistics.executions()))
    if trouble is not None:
        raise trouble if isinstance(trouble, GraphfuzzError) else UsageError(str(trouble)) from trouble
    if campaign.statistics.harness_errors:
        sys.exit(HARNESS_ERROR_EXIT)


class View:
    """The live status: a screen that updates in place on a terminal, else a plain line now and then."""

    EVERY = 10.0
    FRAME = 0.25

    def __init__(self, console: Console, statistics: Statistics | None = None) -> None:
        self.console = console
        self.statistics = statistics or Statistics()
        self.note = ""
        self._next = 0.0
        self._live = Live(console=console, get_renderable=self.render, auto_refresh=False, transient=True)

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
        if self.statistics.elapsed < self._next:
            return
        self._next = self.statistics.elapsed + (self.FRAME if self.console.is_terminal else self.EVERY)
        if self.console.is_terminal:
            self._live.refresh()
        else:
            _say(self.console, status_line(self.statistics))

    def render(self) -> Group:
        """The whole screen."""
        newest = sorted(self.statistics.found(), key=lambda bucket: -(bucket.first_case or 0))[:8]
        return Group(
            Text(status_line(self.statistics), style="bold"),
            outcome_table(self.statistics.verdicts, self.statistics.seconds, self.statistics.refused),
            lane_table(self.statistics.lane_rows()),
            bucket_table(bucket_rows(newest), "newest buckets"),
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


def bucket_rows(buckets: Sequence[Bucket]) -> list[tuple[str, int, int, str, str]]:
    """The buckets, for `bucket_table`."""
    return [(b.signature.slug, b.count, b.nodes, "known" if b.known else "new", b.summary) for b in buckets]


def _say(console: Console, text: str, style: str = "") -> None:
    """One line or more of plain text, which may hold brackets and be longer than the terminal is wide."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _open_log(path: Path | None, stack: ExitStack) -> Callable[[Place, Outcome], None]:
    if path is None:
        return lambda place, outcome: None
    try:
        file = stack.enter_context(path.open("a", encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--log {path}: cannot be written ({error.strerror}); name another file") from None

    def record(place: Place, outcome: Outcome) -> None:
        line = {
            "case": place.index,
            "lane": place.lane,
            "route": outcome.route,
            "verdict": outcome.verdict,
            "stage": outcome.stage,
            "what": outcome.summary(),
            "seconds": outcome.seconds,
        }
        try:
            file.write(json.dumps(line) + "\n")
            file.flush()
        except OSError as error:
            raise UsageError(f"--log {path}: cannot be written ({error.strerror}); name another file") from None

    return record


def _conclude(console: Console, statistics: Statistics, configuration: Configuration, begun: Sequence[str]) -> None:
    """The outcome table, the buckets, the entries' paths, and what went wrong on our side. begun: the options that say
    what was known at the beginning."""
    console.print(outcome_table(statistics.verdicts, statistics.seconds, statistics.refused))
    console.print(lane_table(statistics.lane_rows()))
    console.print(bucket_table(bucket_rows(statistics.found()), "buckets"))
    _say(console, status_line(statistics))
    for bucket in statistics.found():
        _say(console, f"{'known' if bucket.known else 'stored'}  {bucket.path}")
    for path in statistics.unminimized:
        _say(console, f"not minimized: {path}", "yellow")
    for flaky in statistics.flaky:
        rate = f"shown by {flaky.shown} of {flaky.repeats} fresh processes"
        again = f"{flaky.verdict}, then {flaky.again}, with {flaky.nodes} nodes; {rate}"
        _say(console, f"flaky: case {flaky.case} on {flaky.route} was {again}", "yellow")
    for error in statistics.harness_errors[:SHOWN_ERRORS]:
        _say(console, f"HARNESS ERROR on {error.route}: {error.summary}", "bold red")
        alone = configuration.is_control(error.case)
        first = error.case if alone else configuration.first_case
        once = f"--first-case {first} --cases {error.case + 1 - first}"
        _say(console, f"once more: {_command(configuration, ['--probes', NONE] if alone else begun)} {once}", "red")
        _say(console, error.traceback, "red")
    if len(statistics.harness_errors) > SHOWN_ERRORS:
        _say(console, f"... and {len(statistics.harness_errors) - SHOWN_ERRORS} more harness errors", "bold red")
    _say(console, f"the same cases again: {_command(configuration, begun)}", "dim")


def _command(configuration: Configuration, begun: Sequence[str]) -> str:
    """The command line that makes the same cases. begun: as for `_conclude`."""
    words = ["graphfuzz", "fuzz", "--seed", str(configuration.seed), "--nodes", str(configuration.nodes)]
    words += ["--zeros", str(configuration.zeros), "--ones", str(configuration.ones)]
    words += ["--dynamic", str(configuration.dynamic), *begun]
    if configuration.lanes != DEFAULT:
        words += [word for name, share in configuration.lanes.items() for word in ("--lane", f"{name}={share}")]
    for option, values in (
        ("--route", configuration.routes),
        ("--only", configuration.operators),
        ("--operators", configuration.packs),
    ):
        words += [word for value in values for word in (option, value)]
    return shlex.join([*words, "--tolerance", configuration.tolerance])
