"""How a campaign looks: a screen that updates in place, or plain lines; and what is said in the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

import msgspec
from rich.console import Console, Group
from rich.live import Live

from graphfuzz.campaign.beginning import NONE
from graphfuzz.campaign.journal import Facts
from graphfuzz.campaign.reporter import Reporter
from graphfuzz.campaign.statistics import HarnessError
from graphfuzz.campaign.status import BucketStatus, Status
from graphfuzz.cli.campaign_options import command
from graphfuzz.cli.status_screen import screen, status_line
from graphfuzz.report.estimates import estimates_told
from graphfuzz.report.tables import bucket_table, lane_table, outcome_table

WIDE = 140
"""How wide tables are where nothing says how wide the terminal is, in characters."""
SHOWN_ERRORS = 20
"""How many harness errors are shown in full."""


class View:
    """The live status: a screen that updates in place on a terminal, else a plain line now and then; beside it, what
    others read in the campaign's folder is kept."""

    EVERY = 10.0
    FRAME = 0.25

    def __init__(self, console: Console, reporter: Reporter) -> None:
        self.console = console
        self.reporter = reporter
        self._next = 0.0
        self._live = Live(console=console, get_renderable=self.render, auto_refresh=False, transient=True)

    def __enter__(self) -> View:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def refresh(self) -> None:
        """Called whenever the statistics may have changed."""
        self.reporter.refresh()
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (self.FRAME if self.console.is_terminal else self.EVERY)
        if self.console.is_terminal:
            self._live.refresh()
        else:
            say(self.console, status_line(self.reporter.status()))

    def render(self) -> Group:
        """As much of the status as the terminal has room for."""
        return screen(self.reporter.status(), self.console.width, self.console.height - 1)


def bucket_rows(buckets: Sequence[BucketStatus]) -> list[tuple[str, int, int, str, str]]:
    """The buckets, for `bucket_table`."""
    return [(b.slug, b.count, b.nodes, b.standing, b.summary) for b in buckets]


def say(console: Console, text: str, style: str = "") -> None:
    """One line or more of plain text, which may hold brackets and be longer than the terminal is wide."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def conclude(console: Console, status: Status, facts: Facts, errors: Sequence[HarnessError]) -> None:
    """The outcome table, the buckets, what is still to be found, the entries' paths, what waits, and what went wrong on
    our side."""
    configuration, routes = facts.configuration, status.routes.items()
    begun = (*facts.probes, "--known", facts.known_file)
    verdicts, seconds = ({name: getattr(r, field) for name, r in routes} for field in ("verdicts", "seconds"))
    console.print(outcome_table(verdicts, seconds, {name: route.refused for name, route in routes}))
    console.print(lane_table([(name, *msgspec.structs.astuple(lane)) for name, lane in status.lanes.items()]))
    console.print(bucket_table(bucket_rows(status.buckets), "buckets"))
    if status.estimates is not None and status.estimates.discoveries:
        console.print(estimates_told(*status.estimates.rows()))
    say(console, status_line(status))
    for bucket in status.buckets:
        say(console, f"{'known' if bucket.known else 'stored'}  {bucket.path}")
    for flaky in status.flaky:
        rate = f"shown by {flaky.shown} of {flaky.repeats} fresh processes"
        again = f"{flaky.verdict}, then {flaky.again}, with {flaky.nodes} nodes; {rate}"
        say(console, f"flaky: case {flaky.case} on {flaky.route} was {again}", "yellow")
    for error in errors[:SHOWN_ERRORS]:
        say(console, f"HARNESS ERROR on {error.route}: {error.summary}", "bold red")
        alone = configuration.is_control(error.case)
        first = error.case if alone else configuration.first_case
        once = f"--first-case {first} --cases {error.case + 1 - first}"
        known_then = ("--probes", NONE, "--known", facts.known_file) if alone else begun
        say(console, f"once more: {command(configuration, known_then)} {once}", "red")
        say(console, error.traceback, "red")
    if len(errors) > SHOWN_ERRORS:
        say(console, f"... and {len(errors) - SHOWN_ERRORS} more harness errors", "bold red")
    if status.unexamined:
        left = f"{status.unexamined} findings, all with an operator that a bucket blames, were too many to wait"
        say(console, f"{left} for the minimizer: they are counted, and in no bucket", "yellow")
    if status.waiting:
        more = f"{status.waiting} findings wait to be minimized"
        say(console, f"{more}: graphfuzz fuzz --resume {shlex.quote(status.campaign)} --seconds 60", "yellow")
    say(console, f"the same cases again: {command(configuration, begun)}", "dim")
