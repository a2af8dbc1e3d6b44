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
from graphfuzz.campaign.configuration import Configuration, check, parse_routes
from graphfuzz.campaign.disk import taken
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
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.cli import campaign_options, ci
from graphfuzz.cli.campaign_view import WIDE, View, conclude, say
from graphfuzz.cli.config_file import configured
from graphfuzz.cli.corpus_changes import Size
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.cli.sections import Sectioned
from graphfuzz.cli.stopping import stoppable
from graphfuzz.corpus.entry import check_writable
from graphfuzz.corpus.expectation import read_expectations
from graphfuzz.corpus.sightings import today
from graphfuzz.errors import GraphfuzzError, UsageError
from graphfuzz.generator import CONTROL, LANES
from graphfuzz.oracle.route import load_route, route_names, versions
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.report.tables import fits_table, solver_table
from graphfuzz.spec.registry import Registry, load_registry

CAMPAIGNS = "campaigns"
"""Where the folders of campaigns are that name none: beside the corpus."""
BUDGETS = ("seconds", "cases", "findings")
"""What may be given once more when a campaign goes on: so much more of it."""
ANEW = (*BUDGETS, "disk", "minimizing", "workers", "resume", "profile", "junit", "log", "replay", "expect")
"""All options that may be given then."""
SECTIONS = {
    "Budgets and means": "seconds",
    "Cases": "first_case",
    "Judging and keeping": "tolerance",
    "Results": "ci",
}
"""The sections of the help, by the option that each begins with."""


@click.command(cls=Sectioned, sections=SECTIONS)
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
    "--route",
    "routes",
    multiple=True,
    metavar="NAME[=SHARE]",
    help="A route to test (repeatable); one of half the largest share runs half of the cases. "
    "[default: all that are installed, with every case]",
)
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop making cases after this long.")
@click.option("--cases", type=click.IntRange(min=1), help="Stop after this many cases, each on its routes.")
@click.option("--findings", type=click.IntRange(min=1), help="Stop after this many new buckets.")
@click.option("--disk", type=Size(), help="Stop when the campaign and what it stored take so much, as 500M or 2G.")
@click.option(
    "--minimizing",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="The most of --seconds that minimizing takes while cases remain.",
)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--first-case", type=click.IntRange(min=0), default=0, help="The case to begin with. [default: 0]")
@click.option("--seed", type=click.IntRange(min=0), help="The campaign's seed: the same one makes the same cases.")
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
@click.option(
    "--only",
    "operators",
    multiple=True,
    metavar="OPERATOR",
    help="Draw from these only: a name, a pattern such as 'conv*', family:NAME or pack:NAME (repeatable).",
)
@click.option("--without", multiple=True, metavar="OPERATOR", help="Draw none of these, named likewise (repeatable).")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    metavar="DTYPE",
    help="Make values of these dtypes only, as 'float*' (repeatable).",
)
@click.option(
    "--without-dtype", "without_dtypes", multiple=True, metavar="DTYPE", help="Make none of these (repeatable)."
)
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
    metavar=f"{STORED}|{NONE}|MARK",
    help="Begin with what `graphfuzz ops --probe` found, with nothing, or with what a campaign has told as MARK. "
    f"[default: {STORED}, with --ci {NONE}]",
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
@click.option(
    "--ci",
    is_flag=True,
    help=f"The same cases in every run, of the lane '{CONTROL}' (--seed {ci.SEED}, --cases {ci.CASES} unless told); "
    "exit code 1 where the corpus lacks what is found.",
)
@click.option("--junit", type=click.Path(path_type=Path), help="Write what was found to this file, as JUnit XML.")
@click.option("--profile", is_flag=True, help="Print in the end how values were found, and what z3 was asked for.")
@click.option("--log", type=click.Path(path_type=Path), help="Write one JSON line an execution to this file.")
@click.pass_context
def fuzz(context: click.Context, /, **given: Any) -> None:
    """Make random graphs, convert, run and compare them; minimize what fails and store it in the corpus.

    Runs until a budget (--seconds, --cases, --findings, --disk) is used up, or Ctrl-C; --resume goes on from there,
    also after a kill.

    \b
    Exit code: 0  whatever was found; with --ci: nothing that the corpus lacks
               1  with --ci: something new
               2  bad input
               3  graphfuzz itself made a mistake; with --ci: or not all cases ran
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
            given = ci.completed(given)
            folder = given["campaign"] or _free(given["corpus"].parent / CAMPAIGNS)
            registry = load_registry(given["packs"])
            journal = stack.enter_context(Journal.begun(_facts(given, registry), folder))
            campaign_options.store(journal.facts, folder)
        statistics = _run(journal, registry, folder, record, given, console, stack)
    configuration = journal.facts.configuration
    if given["junit"] is not None:
        ci.write_junit(given["junit"], statistics, configuration)
    if given["ci"]:
        say(console, ci.verdict(statistics, configuration))
    sys.exit(ci.exit_code(statistics, configuration, given["ci"]))


def _run(
    journal: Journal,
    registry: Registry,
    folder: Path,
    record: Callable[[Place, Outcome], None],
    given: dict[str, Any],
    console: Console,
    stack: ExitStack,
) -> Statistics:
    """Run the campaign, and tell what it came to."""
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
    ended = f"ended by --{campaign.used_up()}" if campaign.used_up() else ""
    if ended and not stopped():
        say(console, ended)
    why = str(trouble) if trouble else "interrupted" if stopped() else ended or "its cases are done"
    conclude(console, reporter.end(why), facts, campaign.statistics.harness_errors)
    if given["profile"]:
        console.print(fits_table(campaign.statistics.profile.fits))
        console.print(solver_table(campaign.statistics.profile.solver, campaign.statistics.executions()))
    if trouble is not None:
        raise trouble if isinstance(trouble, GraphfuzzError) else UsageError(str(trouble)) from trouble
    return campaign.statistics


def _facts(given: dict[str, Any], registry: Registry) -> Facts:
    """What a new campaign begins with. Raises UsageError for what cannot work, before anything is written."""
    shares = parse_routes(given["routes"])
    configuration = Configuration(
        routes=tuple(shares) or tuple(route_names()),
        shares={name: share for name, share in shares.items() if share is not None},
        seed=secrets.randbits(32) if given["seed"] is None else given["seed"],
        seconds=given["seconds"],
        cases=given["cases"],
        findings=given["findings"],
        disk=given["disk"],
        minimizing=given["minimizing"],
        first_case=given["first_case"],
        workers=given["workers"],
        nodes=given["nodes"],
        zeros=given["zeros"],
        dynamic=given["dynamic"],
        ones=given["ones"],
        lanes=parse_lanes(given["lanes"]) or DEFAULT,
        repeated=given["repeated"],
        operators=given["operators"],
        without=given["without"],
        dtypes=given["dtypes"],
        without_dtypes=given["without_dtypes"],
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
    elif (over := _used_up(configuration, used)) and (over != {"cases"} or next(journal.waiting(), None) is None):
        raise UsageError(f"{folder}: the campaign's budget is used up; give --seconds, --cases or --findings to go on")
    changed = {name: given[name] for name in ("disk", "minimizing", "workers") if name in given}
    configuration = msgspec.structs.replace(configuration, **changed)
    if configuration.disk is not None and taken(folder, done) >= configuration.disk:
        raise UsageError(f"{folder}: the campaign takes all of its --disk {configuration.disk}; give more to go on")
    journal.facts = msgspec.structs.replace(journal.facts, configuration=configuration)


def _used_up(configuration: Configuration, used: dict[str, float]) -> set[str]:
    """Which budgets are used up. That of cases leaves findings to be minimized where the campaign was killed."""
    budgets = {name: getattr(configuration, name) for name in BUDGETS}
    return {name for name, budget in budgets.items() if budget is not None and used[name] >= budget}


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
