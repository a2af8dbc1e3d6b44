"""`graphfuzz fuzz`: a campaign with a live status, from its beginning or from where it ended."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console

from graphfuzz.campaign.beginning import NONE, STORED, known_at_start, mark, told
from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.known import FILE, Suppression
from graphfuzz.campaign.known import NONE as NO_FILE
from graphfuzz.campaign.known import known_at_start as issues_at_start
from graphfuzz.campaign.lanes import DEFAULT, parse_lanes
from graphfuzz.campaign.looking_back import ALL, DUE, due
from graphfuzz.campaign.looking_back import NONE as NO_REPLAY
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.probes import Cache
from graphfuzz.campaign.reporter import Reporter
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.cli.campaign_view import WIDE, View, conclude, say
from graphfuzz.cli.config_file import configured
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.cli.stopping import stoppable
from graphfuzz.corpus.entry import check_writable
from graphfuzz.corpus.expectation import read_expectations
from graphfuzz.corpus.sightings import today
from graphfuzz.errors import GraphfuzzError, UsageError
from graphfuzz.generator import LANES
from graphfuzz.oracle.route import load_route, route_names, versions
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.report.tables import fits_table, solver_table
from graphfuzz.spec.registry import Registry, load_registry

HARNESS_ERROR_EXIT = 3
CAMPAIGNS = "campaigns"
"""Where the folders of campaigns are that name none: beside the corpus."""
BUDGETS = ("seconds", "cases", "findings")
"""What may be given once more when a campaign goes on: so much more of it."""
ANEW = (*BUDGETS, "workers", "resume", "profile", "log", "replay", "expect")
"""All options that may be given then."""


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=configured,
    help="A TOML file of these options by their names; options beside it go before it.",
)
@click.option(
    "--campaign", type=click.Path(path_type=Path), help="The campaign's folder. [default: a new one in campaigns/]"
)
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with the campaign in this folder.")
@click.option(
    "--route", "routes", multiple=True, help="A route to test (repeatable). [default: all that are installed]"
)
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop making cases after this long.")
@click.option("--cases", type=click.IntRange(min=1), help="Stop after this many cases (each runs on every route).")
@click.option("--findings", type=click.IntRange(min=1), help="Stop after this many new buckets.")
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
@click.option(
    "--repeated",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Random cases that are run once more in a fresh process, to tell how stable verdicts are.",
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
@click.option(
    "--known", metavar=f"FILE|{NO_FILE}", help=f"Known issues, which are not made. [default: {FILE} beside the corpus]"
)
@click.option(
    "--replay",
    type=click.Choice((DUE, ALL, NO_REPLAY)),
    default=DUE,
    show_default=True,
    help="Which entries of the corpus to run first: those that these versions have not shown, all, or none.",
)
@click.option(
    "--expect", type=click.Path(path_type=Path), help="The file of expected statuses: only what differs is news."
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
@click.pass_context
def fuzz(context: click.Context, /, **given: Any) -> None:
    """Make random graphs, convert, run and compare them; minimize what fails and store it in the corpus.

    Runs until a budget (--seconds, --cases, --findings) is used up, or Ctrl-C; --resume goes on from there, also
    after a kill. Exit code: 0, or 3 where graphfuzz itself made a mistake.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    with ExitStack() as stack:
        record = _open_log(given["log"], stack)
        if given["resume"] is not None:
            folder: Path = given["resume"]
            journal = stack.enter_context(Journal.resumed(folder))
            _go_on(journal, context, folder)
            registry = load_registry(journal.facts.configuration.packs)
        else:
            folder = given["campaign"] or _free(given["corpus"].parent / CAMPAIGNS)
            registry = load_registry(given["packs"])
            journal = stack.enter_context(Journal.begun(_facts(given, registry), folder))
        _run(journal, registry, folder, record, given, console, stack)


def _run(
    journal: Journal,
    registry: Registry,
    folder: Path,
    record: Callable[[Place, Outcome], None],
    given: dict[str, Any],
    console: Console,
    stack: ExitStack,
) -> None:
    facts, configuration = journal.facts, journal.facts.configuration
    frameworks = check(configuration, registry)
    check_writable(Path(facts.corpus))
    suppression = Suppression(facts.known)
    expected = read_expectations(given["expect"]) if given["expect"] else {}
    of_route = {route: versions(load_route(route)) for route in frameworks}
    again = list(due(given["replay"], Path(facts.corpus), of_route, expected))
    routes = ", ".join(frameworks)
    say(console, f"campaign {folder} · seed {configuration.seed} · {len(registry)} operators · routes {routes}")
    say(console, told(facts.support))
    _tell_versions(facts, console)
    console.print("starting workers ...", style="dim")
    limits = Limits(seconds=configuration.seconds_a_case, memory_bytes=configuration.memory_a_case)
    workers = Workers(
        configuration.workers,
        list(frameworks),
        packs=configuration.packs,
        limits=limits,
        tolerance=configuration.tolerance,
    )
    pool = stack.enter_context(workers)
    trouble: Exception | None = None
    reporter = Reporter(folder, facts, pool.health, journal.sample.estimates, lambda text: say(console, text, "yellow"))
    with stoppable() as stopped, View(console, reporter) as view:
        campaign = Campaign(
            journal,
            frameworks,
            registry,
            pool,
            due=again,
            expected=expected,
            suppression=suppression,
            on_news=lambda text: say(console, text, "bold"),
            versions=_versions(configuration),
            on_progress=view.refresh,
            on_execution=record,
            stopped=stopped,
        )
        reporter.statistics = campaign.statistics
        try:
            campaign.run()
        except (GraphfuzzError, OSError) as error:
            trouble = error
    if stopped():
        say(console, "interrupted; everything so far is stored", "yellow")
    why = str(trouble) if trouble else "interrupted" if stopped() else "its budget is used up"
    conclude(console, reporter.end(why), facts, campaign.statistics.harness_errors)
    if given["profile"]:
        console.print(fits_table(campaign.statistics.profile.fits))
        console.print(solver_table(campaign.statistics.profile.solver, campaign.statistics.executions()))
    if trouble is not None:
        raise trouble if isinstance(trouble, GraphfuzzError) else UsageError(str(trouble)) from trouble
    if campaign.statistics.harness_errors:
        sys.exit(HARNESS_ERROR_EXIT)


def _facts(given: dict[str, Any], registry: Registry) -> Facts:
    """What a new campaign begins with. Raises UsageError for what cannot work, before anything is written."""
    configuration = Configuration(
        routes=given["routes"] or tuple(route_names()),
        seed=secrets.randbits(32) if given["seed"] is None else given["seed"],
        seconds=given["seconds"],
        cases=given["cases"],
        findings=given["findings"],
        first_case=given["first_case"],
        workers=given["workers"],
        nodes=given["nodes"],
        zeros=given["zeros"],
        dynamic=given["dynamic"],
        ones=given["ones"],
        lanes=parse_lanes(given["lanes"]) or DEFAULT,
        repeated=given["repeated"],
        operators=given["operators"],
        packs=given["packs"],
        tolerance=given["tolerance"],
        seconds_a_case=given["case_seconds"],
        memory_a_case=given["case_memory"] << 20,
    )
    parse_tolerance(configuration.tolerance)
    check(configuration, registry)
    check_writable(given["corpus"])
    store = Cache(given["cache"] or default_cache(), lambda text: click.echo(f"graphfuzz: {text}", err=True))
    support = known_at_start(given["probes"], configuration.routes, registry, store)
    begun = ["--probes", mark(support), *(["--cache", str(given["cache"])] if given["cache"] else [])]
    known, known_file = issues_at_start(given["known"], given["corpus"], registry)
    return Facts(
        configuration,
        today(),
        str(given["corpus"].resolve()),
        dict(support),
        tuple(begun),
        _versions(configuration),
        known,
        known_file,
    )


def _versions(configuration: Configuration) -> dict[str, str]:
    return {name: version for route in configuration.routes for name, version in versions(load_route(route)).items()}


def _tell_versions(facts: Facts, console: Console) -> None:
    """Say where packages are others than those that the campaign began with."""
    now = _versions(facts.configuration)
    others = [f"{name} {old} is now {now.get(name)}" for name, old in facts.versions.items() if now.get(name) != old]
    if others:
        say(console, f"begun with other versions: {', '.join(others)}", "yellow")


def _go_on(journal: Journal, context: click.Context, folder: Path) -> None:
    """Give a campaign further budgets. Raises UsageError for options that are its own, and where its budget is used
    up."""
    told = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)
    given = {name: value for name, value in context.params.items() if context.get_parameter_source(name) in told}
    for name in given:
        if name not in ANEW:
            raise UsageError(
                f"'{name}' is the campaign's own and stays as it is; leave it out, or begin another campaign"
            )
    done = journal.statistics()
    used = {"seconds": done.elapsed, "cases": done.cases, "findings": done.new_buckets}
    configuration = journal.facts.configuration
    if any(name in given for name in BUDGETS):
        further = {name: used[name] + given[name] if name in given else None for name in BUDGETS}
        configuration = msgspec.structs.replace(configuration, **further)
    elif any(
        getattr(configuration, name) is not None and used[name] >= getattr(configuration, name) for name in BUDGETS
    ):
        raise UsageError(f"{folder}: the campaign's budget is used up; give --seconds, --cases or --findings to go on")
    if "workers" in given:
        configuration = msgspec.structs.replace(configuration, workers=given["workers"])
    journal.facts = msgspec.structs.replace(journal.facts, configuration=configuration)


def _free(place: Path) -> Path:
    """A folder below this one that is not there."""
    names = (place / f"{today()}-{number}" for number in count(1))
    return next(folder for folder in names if not folder.exists())


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
