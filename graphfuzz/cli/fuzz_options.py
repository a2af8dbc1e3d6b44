"""The options of `graphfuzz fuzz`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from graphfuzz.campaign.beginning import NONE, STORED
from graphfuzz.campaign.known import FILE
from graphfuzz.campaign.known import NONE as NO_FILE
from graphfuzz.campaign.looking_back import ALL, DUE
from graphfuzz.campaign.looking_back import NONE as NO_REPLAY
from graphfuzz.campaign.on_ray import LOCAL
from graphfuzz.cli import ci
from graphfuzz.cli.config_file import configured
from graphfuzz.cli.corpus_changes import Size
from graphfuzz.generator import CONTROL, LANES

WORKERS = 2
"""How many workers there are where nothing says so."""
SECTIONS = {
    "Budgets and means": "seconds",
    "Cases": "first_case",
    "Judging and keeping": "tolerance",
    "Results": "ci",
}
"""The sections of the help, by the option that each begins with."""

OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=configured,
        help="A TOML file of these options by their names; options beside it go before it.",
    ),
    click.option(
        "--campaign", type=click.Path(path_type=Path), help="The campaign's folder. [default: a new one in campaigns/]"
    ),
    click.option("--resume", type=click.Path(path_type=Path), help="Go on with the campaign in this folder."),
    click.option(
        "--route",
        "routes",
        multiple=True,
        metavar="NAME[=SHARE]",
        help="A route to test (repeatable); one of half the largest share runs half of the cases. "
        "[default: all that are installed, with every case]",
    ),
    click.option("--seconds", type=click.FloatRange(min=1), help="Stop making cases after this long."),
    click.option("--cases", type=click.IntRange(min=1), help="Stop after this many cases, each on its routes."),
    click.option("--findings", type=click.IntRange(min=1), help="Stop after this many new buckets."),
    click.option("--disk", type=Size(), help="Stop when the campaign and what it stored take so much, as 500M or 2G."),
    click.option(
        "--minimizing",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="The most of --seconds that minimizing takes while cases remain.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help=f"Child processes. [default: {WORKERS}, with --ray one a CPU of the cluster]",
    ),
    click.option(
        "--ray",
        is_flag=False,
        flag_value=LOCAL,
        metavar="[ADDRESS]",
        help="Have them on the nodes of the Ray cluster at this address (auto, HOST:PORT); without one, on a Ray "
        "begun here.",
    ),
    click.option("--first-case", type=click.IntRange(min=0), default=0, help="The case to begin with. [default: 0]"),
    click.option("--seed", type=click.IntRange(min=0), help="The campaign's seed: the same one makes the same cases."),
    click.option(
        "--nodes", type=click.IntRange(1, 200), default=10, show_default=True, help="The most nodes of a graph."
    ),
    click.option(
        "--zeros", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Cases full of sizes of 0."
    ),
    click.option(
        "--ones", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Cases full of sizes of 1."
    ),
    click.option(
        "--dynamic", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Cases with dynamic shapes."
    ),
    click.option(
        "--lane",
        "lanes",
        multiple=True,
        metavar="NAME=SHARE",
        help=f"Make cases in this lane (repeatable), by relative shares: {', '.join(LANES)}. [default: all]",
    ),
    click.option(
        "--repeated",
        type=click.FloatRange(0, 1),
        default=0.01,
        show_default=True,
        help="Random cases that are run once more in a fresh process, to tell how stable verdicts are.",
    ),
    click.option(
        "--only",
        "operators",
        multiple=True,
        metavar="OPERATOR",
        help="Draw from these only: a name, a pattern such as 'conv*', family:NAME or pack:NAME (repeatable).",
    ),
    click.option(
        "--without", multiple=True, metavar="OPERATOR", help="Draw none of these, named likewise (repeatable)."
    ),
    click.option(
        "--dtype",
        "dtypes",
        multiple=True,
        metavar="DTYPE",
        help="Make values of these dtypes only, as 'float*' (repeatable).",
    ),
    click.option(
        "--without-dtype", "without_dtypes", multiple=True, metavar="DTYPE", help="Make none of these (repeatable)."
    ),
    click.option(
        "--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable)."
    ),
    click.option(
        "--tolerance",
        default="conditioning",
        show_default=True,
        help="conditioning, absolute:A, allclose:R,A or ulp:N.",
    ),
    click.option(
        "--corpus",
        type=click.Path(path_type=Path),
        default=Path("corpus"),
        show_default=True,
        help="The folder of entries: what it has is known, what is new is added.",
    ),
    click.option(
        "--probes",
        metavar=f"{STORED}|{NONE}|MARK",
        help="Begin with what `graphfuzz ops --probe` found, with nothing, or with what a campaign has told as MARK. "
        f"[default: {STORED}, with --ci {NONE}]",
    ),
    click.option(
        "--known",
        metavar=f"FILE|{NO_FILE}",
        help=f"Known issues, which are not made. [default: {FILE} beside the corpus]",
    ),
    click.option(
        "--replay",
        type=click.Choice((DUE, ALL, NO_REPLAY)),
        default=DUE,
        show_default=True,
        help="Which entries of the corpus to run first: those that these versions have not shown, all, or none.",
    ),
    click.option(
        "--expect", type=click.Path(path_type=Path), help="The file of expected statuses: only what differs is news."
    ),
    click.option("--cache", type=click.Path(path_type=Path), help="The folder of probes. [default: the user's cache]"),
    click.option(
        "--case-seconds", type=click.FloatRange(1, 86400), default=60, show_default=True, help="Time limit a case."
    ),
    click.option(
        "--stage-seconds",
        type=click.FloatRange(1, 86400),
        help="Time limit of each stage of a case. [default: the case's]",
    ),
    click.option(
        "--case-memory", type=click.IntRange(min=64), default=4096, show_default=True, help="MiB a case may take."
    ),
    click.option(
        "--ci",
        is_flag=True,
        help=f"The same cases each time, of the lane '{CONTROL}' (--seed {ci.SEED}, --cases {ci.CASES} unless told); "
        "exit code 1 where the corpus lacks what is found.",
    ),
    click.option("--junit", type=click.Path(path_type=Path), help="Write what was found to this file, as JUnit XML."),
    click.option("--profile", is_flag=True, help="Print in the end how values were found, and what z3 was asked for."),
    click.option("--log", type=click.Path(path_type=Path), help="Write one JSON line an execution to this file."),
)
"""In the order of the help."""


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with all of them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
