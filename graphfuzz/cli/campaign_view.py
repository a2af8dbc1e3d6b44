"""How a campaign looks: a screen that updates in place, or plain lines; and what is said in the end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from graphfuzz.campaign.beginning import NONE
from graphfuzz.campaign.journal import Facts
from graphfuzz.campaign.statistics import Bucket, Statistics
from graphfuzz.cli.campaign_options import command
from graphfuzz.report.tables import bucket_table, lane_table, outcome_table

SHOWN_ERRORS = 20
"""How many harness errors are shown in full."""


class View:
    """The live status: a screen that updates in place on a terminal, else a plain line now and then."""

    EVERY = 10.0
    FRAME = 0.25

    def __init__(self, console: Console, statistics: Statistics | None = None) -> None:
        self.console = console
        self.statistics = statistics or Statistics()
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
        if self.statistics.elapsed < self._next:
            return
        self._next = self.statistics.elapsed + (self.FRAME if self.console.is_terminal else self.EVERY)
        if self.console.is_terminal:
            self._live.refresh()
        else:
            say(self.console, status_line(self.statistics))

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


def say(console: Console, text: str, style: str = "") -> None:
    """One line or more of plain text, which may hold brackets and be longer than the terminal is wide."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def conclude(console: Console, statistics: Statistics, facts: Facts, folder: Path) -> None:
    """The outcome table, the buckets, the entries' paths, what waits, and what went wrong on our side."""
    configuration, begun = facts.configuration, facts.probes
    console.print(outcome_table(statistics.verdicts, statistics.seconds, statistics.refused))
    console.print(lane_table(statistics.lane_rows()))
    console.print(bucket_table(bucket_rows(statistics.found()), "buckets"))
    say(console, status_line(statistics))
    for bucket in statistics.found():
        say(console, f"{'known' if bucket.known else 'stored'}  {bucket.path}")
    for flaky in statistics.flaky:
        rate = f"shown by {flaky.shown} of {flaky.repeats} fresh processes"
        again = f"{flaky.verdict}, then {flaky.again}, with {flaky.nodes} nodes; {rate}"
        say(console, f"flaky: case {flaky.case} on {flaky.route} was {again}", "yellow")
    for error in statistics.harness_errors[:SHOWN_ERRORS]:
        say(console, f"HARNESS ERROR on {error.route}: {error.summary}", "bold red")
        alone = configuration.is_control(error.case)
        first = error.case if alone else configuration.first_case
        once = f"--first-case {first} --cases {error.case + 1 - first}"
        say(console, f"once more: {command(configuration, ['--probes', NONE] if alone else begun)} {once}", "red")
        say(console, error.traceback, "red")
    if len(statistics.harness_errors) > SHOWN_ERRORS:
        say(console, f"... and {len(statistics.harness_errors) - SHOWN_ERRORS} more harness errors", "bold red")
    if statistics.waiting:
        more = f"{statistics.waiting} findings wait to be minimized"
        say(console, f"{more}: graphfuzz fuzz --resume {shlex.quote(str(folder))} --seconds 60", "yellow")
    say(console, f"the same cases again: {command(configuration, begun)}", "dim")
