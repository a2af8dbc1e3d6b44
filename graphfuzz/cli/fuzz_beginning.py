"""What a campaign of `graphfuzz fuzz` begins with, or goes on with."""

from __future__ import annotations

import secrets
from itertools import count
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console

from graphfuzz.campaign.beginning import known_at_start, mark
from graphfuzz.campaign.configuration import Configuration, check, parse_routes
from graphfuzz.campaign.disk import taken
from graphfuzz.campaign.journal import Facts, Journal
from graphfuzz.campaign.known import issues_at_start
from graphfuzz.campaign.lanes import DEFAULT, parse_lanes
from graphfuzz.campaign.probes import Cache
from graphfuzz.cli.campaign_view import say
from graphfuzz.cli.fuzz_options import WORKERS
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.corpus.entry import check_writable
from graphfuzz.corpus.sightings import today
from graphfuzz.errors import UsageError
from graphfuzz.oracle.route import default_routes, load_route, versions
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.spec.registry import Registry

CAMPAIGNS = "campaigns"
"""Where the folders of campaigns are that name none: beside the corpus."""
BUDGETS = ("seconds", "cases", "findings")
"""What may be given once more when a campaign goes on: so much more of it."""
ANEW = (*BUDGETS, "disk", "minimizing", "workers", "ray", "resume", "profile", "junit", "log", "replay", "expect")
"""All options that may be given then."""


def facts_of(given: dict[str, Any], registry: Registry) -> Facts:
    """What a new campaign begins with. Raises UsageError for what cannot work, before anything is written."""
    shares = parse_routes(given["routes"])
    configuration = Configuration(
        routes=tuple(shares) or tuple(default_routes()),
        shares={name: share for name, share in shares.items() if share is not None},
        seed=secrets.randbits(32) if given["seed"] is None else given["seed"],
        seconds=given["seconds"],
        cases=given["cases"],
        findings=given["findings"],
        disk=given["disk"],
        minimizing=given["minimizing"],
        first_case=given["first_case"],
        workers=given["workers"] or WORKERS,
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
        seconds_a_stage=given["stage_seconds"],
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
        versions_of(configuration),
        known,
        known_file,
    )


def versions_of(configuration: Configuration) -> dict[str, str]:
    """The installed versions of all packages that matter to the routes."""
    return {name: version for route in configuration.routes for name, version in versions(load_route(route)).items()}


def tell_versions(facts: Facts, console: Console) -> None:
    """Say where packages are others than those that the campaign began with."""
    now = versions_of(facts.configuration)
    others = [f"{name} {old} is now {now.get(name)}" for name, old in facts.versions.items() if now.get(name) != old]
    if others:
        say(console, f"begun with other versions: {', '.join(others)}", "yellow")


def go_on(journal: Journal, context: click.Context, folder: Path) -> None:
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


def free(place: Path) -> Path:
    """A folder below this one that is not there."""
    names = (place / f"{today()}-{number}" for number in count(1))
    return next(folder for folder in names if not folder.exists())
