"""`graphfuzz fuzz`: a campaign with a live status, from its beginning or from where it ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from graphfuzz.campaign.beginning import told
from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.campaign.journal import Journal
from graphfuzz.campaign.known import Suppression
from graphfuzz.campaign.leasing import LeasedWorkers
from graphfuzz.campaign.looking_back import due
from graphfuzz.campaign.loop import Campaign
from graphfuzz.campaign.on_ray import RayCluster
from graphfuzz.campaign.reporter import Reporter
from graphfuzz.campaign.schedule import Place
from graphfuzz.campaign.statistics import Statistics
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.cli import campaign_options, ci
from graphfuzz.cli.campaign_view import WIDE, View, conclude, say
from graphfuzz.cli.fuzz_beginning import CAMPAIGNS, facts_of, free, go_on, tell_versions, versions_of
from graphfuzz.cli.fuzz_options import SECTIONS, with_options
from graphfuzz.cli.sections import Sectioned
from graphfuzz.cli.stopping import stoppable
from graphfuzz.corpus.entry import check_writable
from graphfuzz.corpus.expectation import read_expectations
from graphfuzz.errors import GraphfuzzError, UsageError
from graphfuzz.oracle.route import load_route, versions
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.report.tables import fits_table, solver_table
from graphfuzz.spec.registry import Registry, load_registry


@click.command(cls=Sectioned, sections=SECTIONS)
@with_options
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
            go_on(journal, context, folder)
            registry = load_registry(journal.facts.configuration.packs)
        else:
            given = ci.completed(given)
            folder = given["campaign"] or free(given["corpus"].parent / CAMPAIGNS)
            registry = load_registry(given["packs"])
            journal = stack.enter_context(Journal.begun(facts_of(given, registry), folder))
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
    tell_versions(facts, console)
    console.print("starting workers ...", style="dim")
    pool = _workers(configuration, frameworks, given, console, stack)
    journal.facts = msgspec.structs.replace(
        facts, configuration=msgspec.structs.replace(configuration, workers=pool.number)
    )
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
            versions=versions_of(configuration),
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


def _workers(
    configuration: Configuration,
    routes: Collection[str],
    given: dict[str, Any],
    console: Console,
    stack: ExitStack,
) -> Workers | LeasedWorkers:
    """The workers, started: here, or on the nodes of a cluster."""
    limits = Limits(
        seconds=configuration.seconds_a_case,
        stage_seconds=configuration.seconds_a_stage,
        memory_bytes=configuration.memory_a_case,
    )
    packs, tolerance = configuration.packs, configuration.tolerance
    if given["ray"] is None:
        here = Workers(configuration.workers, list(routes), packs=packs, limits=limits, tolerance=tolerance)
        return stack.enter_context(here)
    leased = LeasedWorkers(
        stack.enter_context(RayCluster(given["ray"], given["workers"])),
        given["workers"],
        list(routes),
        packs=packs,
        limits=limits,
        tolerance=tolerance,
        say=lambda text: say(console, text, "yellow"),
    )
    return stack.enter_context(leased)


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
