"""What a sample of cases says of what is still to be found, and of whether verdicts repeat, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

SHOWN = 20
"""How many executions whose verdicts differ are shown."""

Interval = tuple[float, float, float]
"""An estimate, and the ends of its interval."""


def estimates_told(
    title: str,
    discoveries: Sequence[
        tuple[str, str, int, int, int, int, Interval | None, float | None, Sequence[tuple[int, int]]]
    ],
    stabilities: Iterable[tuple[str, int, int, Interval | None]],
    differing: Sequence[tuple[int, str, str, str]],
) -> Group:
    """The chances of news, and stability.

    discoveries: (route, kind, executions, undecided ones beyond, seen, seen once, chance of news, least number, curve)
    a row. stabilities: (route, repeated, same, share). differing: (case, route, verdict, then).
    """
    table = Table(title=title, title_justify="left")
    for column in ("route", "of"):
        table.add_column(column)
    for column in ("executions", "seen", "once", "chance of another (95%)"):
        table.add_column(column, justify="right")
    table.add_column("seen in the first")
    for route, kind, executions, undecided, seen, once, chance, least, curve in discoveries:
        of = f"{executions} (+{undecided} undecided)" if undecided else str(executions)
        number = f"{seen} of {least:.0f} or more" if least is not None and least > seen else str(seen)
        grown = " · ".join(f"{units}: {count}" for units, count in curve[-3:])
        table.add_row(route, kind, of, number, str(once), _chance(chance, seen), grown)
    return Group(table, *map(Text, _stability(stabilities, differing)))


def _chance(chance: Interval | None, seen: int) -> str:
    if chance is None:
        return "nothing is known"
    estimate, low, high = chance
    return f"{estimate:.2%} ({low:.2%} to {high:.2%})" if seen else f"below {high:.2%} (rule of three)"


def _stability(
    stabilities: Iterable[tuple[str, int, int, Interval | None]], differing: Sequence[tuple[int, str, str, str]]
) -> Iterator[str]:
    for route, repeated, same, share in stabilities:
        if share is not None:
            between = f"{share[0]:.1%} ({share[1]:.1%} to {share[2]:.1%})"
            yield f"stability of {route}: {same} of {repeated} had the same verdict in a fresh process, {between}"
    for case, route, verdict, again in differing[:SHOWN]:
        yield f"not stable: case {case} on {route} was {verdict}, then {again}"
    if len(differing) > SHOWN:
        yield f"... and {len(differing) - SHOWN} more that are not stable"
