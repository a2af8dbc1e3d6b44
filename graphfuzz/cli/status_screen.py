"""How a campaign's status looks: parts, the most important first, as many of them as the terminal has room for.

A part is a list of lines, each cut where the terminal ends; so how much room it takes is known beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from graphfuzz.campaign.coverage import News
from graphfuzz.campaign.discovery import Chance
from graphfuzz.campaign.sample import KINDS, Estimates
from graphfuzz.campaign.statistics import Point
from graphfuzz.campaign.status import RUNNING, Status
from graphfuzz.oracle.verdict import FINDINGS, HARNESS_ERROR, OK, UNSTABLE, UNSUPPORTED
from graphfuzz.report.sparkline import sparkline
from graphfuzz.report.tables import verdict_style

NEWEST = (20, 10, 5, 3, 1)
"""How many of the newest buckets are told, as there is room."""
COLUMNS = 24
"""How wide a sparkline is, in characters."""
BROAD = 120
"""From which width on every verdict has a column, in characters."""
SMALL = 0.01
"""The share of the time below which a stage is not told."""
NONE = "·"

Cell = str | Text
Lines = list[Text]
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def screen(status: Status, width: int, height: int | None = None) -> Group:
    """The whole status, or as much of it as so many lines hold.

    There are as many parts as have room in their shortest form, the first ones before the others; what room is left
    then lets parts have a fuller form, the newest buckets last, as any number of them is some use.
    """
    parts = [forms for forms in _parts(status, width) if forms]
    if height is None:
        return Group(*(line for forms in parts for line in forms[0]))
    left, shown = height, dict[int, Lines]()
    for number, forms in enumerate(parts):
        if len(forms[-1]) <= left:
            shown[number] = forms[-1]
            left -= len(forms[-1])
    for number, before in shown.items():
        shown[number] = next(form for form in parts[number] if len(form) <= left + len(before))
        left -= len(shown[number]) - len(before)
    return Group(*(line for lines in shown.values() for line in lines))


def status_line(status: Status) -> str:
    """How far the campaign is, in one line."""
    new = f" · last new {duration(status.since_new[0])} ago" if status.since_new else ""
    return (
        f"{status.elapsed:5.0f} s · case {status.cases} · {status.executions} executions ({status.rate:.1f}/s) · "
        f"{len(status.buckets)} buckets · {status.waiting} findings waiting · "
        f"{status.minimizer_runs} minimizer runs · {status.harness_errors} harness errors{new}"
    )


def summary(statuses: Sequence[Status]) -> Group:
    """Several campaigns, a line each."""
    header = ("campaign", "state", "time", "cases", "cases/s", "buckets", "new", "last new", "waiting", "errors")
    rows = [
        (
            status.campaign,
            Text(status.state, _state_style(status)),
            duration(status.elapsed),
            f"{status.cases:,}",
            f"{status.rate if status.lately is None else status.lately:.1f}",
            str(len(status.buckets)),
            str(status.new_buckets),
            f"{duration(status.since_new[0], 1)} ago" if status.since_new else NONE,
            _count(status.waiting),
            _count(status.harness_errors, HARNESS_ERROR),
        )
        for status in statuses
    ]
    return Group(*_table(header, rows, left=("campaign", "state")))


def duration(seconds: float, units: int = 2) -> str:
    """In whole units, the largest that it has and those next to it."""
    whole, told = int(seconds), list[str]()
    first = next((number for number, (unit, _) in enumerate(UNITS) if whole >= unit), len(UNITS) - 1)
    for unit, name in UNITS[first : first + units]:
        told += [f"{whole // unit} {name}"] if whole >= unit or not told else []
        whole %= unit
    return " ".join(told)


def _parts(status: Status, width: int) -> Iterable[Sequence[Lines]]:
    """The parts in the order in which they are shown, each in its forms, the fullest first; none: nothing to tell."""
    yield [_head(status)]
    yield [_routes(status, width >= BROAD)]
    yield [_over_time(status)]
    yield [_workers(status)] if status.health else []
    yield [_stages(status), _stages_briefly(status)]
    yield [_lanes(status), _lanes_briefly(status)]
    yield [_newest(status, number) for number in NEWEST] if status.buckets else []
    yield [_chances(status, status.estimates)] if status.estimates and status.estimates.discoveries else []


def _state_style(status: Status) -> str:
    return "bold green" if status.state == RUNNING else "bold yellow"


def _line(*parts: str | tuple[str, str] | Text) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _table(header: Sequence[str], rows: Iterable[Sequence[Cell]], left: Sequence[str]) -> Lines:
    """Rows below a header, whose names in `left` stand above text."""
    return _aligned([[Text(name, "bold") for name in header], *rows], [name in left for name in header])


def _aligned(rows: Sequence[Sequence[Cell]], left: Sequence[bool]) -> Lines:
    """Rows in columns: of text, aligned to the left, or of numbers."""
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [max(cell_len(cell.plain) for cell in column) for column in zip(*cells, strict=True)]
    widths[-1] *= not left[-1]  # nothing is to the right of it
    for row in cells:
        for cell, width, text in zip(row, widths, left, strict=True):
            cell.align("left" if text else "right", max(width, cell_len(cell.plain)))
    return [_line(Text("  ").join(row)) for row in cells]


def _count(number: int, verdict: str = "") -> Text:
    return Text(f"{number:,}", verdict_style(verdict) if verdict else "") if number else Text(NONE, "dim")


def _head(status: Status) -> Lines:
    budget = status.budget
    spent = duration(status.elapsed) + (f" of {duration(budget['seconds'])}" if "seconds" in budget else "")
    cases = f"{status.cases:,}" + (f" of {budget['cases']:,.0f}" if "cases" in budget else "")
    found = f"{status.new_buckets}" + (f" of {budget['findings']:.0f}" if "findings" in budget else "")
    why = f" ({status.why})" if status.why else ""
    lost = f" · {status.lost:,} lost and run again" if status.lost else ""
    seconds, since = status.since_new or (0.0, 0)
    last = f" (the last {duration(seconds)} and {since:,} cases ago)" if status.since_new else ""
    unexamined = f", {status.unexamined:,} never examined" if status.unexamined else ""
    errors = (f"{status.harness_errors} harness errors", verdict_style(HARNESS_ERROR) if status.errors else "")
    return [
        _line((status.state, _state_style(status)), f"{why} · {status.campaign} · seed {status.seed}"),
        _line(
            (f"{spent} · case {cases} · {status.executions:,} executions · {status.in_flight} in flight{lost}", "bold")
        ),
        _line((f"{found} new buckets", "bold"), f"{last} · {len(status.buckets) - status.new_buckets} known"),
        _line(f"{status.waiting} findings waiting{unexamined} · {len(status.flaky)} flaky · ", errors),
        *(_line((f"case {e.case} on {e.route}: {e.summary}", "red")) for e in status.errors[-1:]),
    ]


def _routes(status: Status, broad: bool) -> Lines:
    """Rates and verdicts; broad: every verdict of a finding that occurred by itself."""
    each = [v for v in FINDINGS if broad and any(v in route.verdicts for route in status.routes.values())]
    header = ("route", "cases/s", "lately", "ok", "findings", *each, "refused", "unstable", "errors")
    rows: list[list[Cell]] = []
    for name, route in status.routes.items():
        counts = {**route.verdicts, **route.counts()}
        told = (OK, "findings", *each, UNSUPPORTED, UNSTABLE, HARNESS_ERROR)
        lately = NONE if route.lately is None else f"{route.lately:.1f}"
        rows.append([name, f"{route.rate:.1f}", lately, *(_count(counts.get(v, 0), v) for v in told)])
    return [Text(), *_table(header, rows, left=("route",))]


def _over_time(status: Status) -> Lines:
    """The rate, and what was seen by framework (uses and pairs), each also from the beginning until now."""
    ran = _over(status, status.executions, lambda point: point.executions)
    lately = "" if status.lately is None else f" (lately {status.lately:.1f})"
    rates = [after - before for before, after in pairwise(ran)]
    rows: list[list[Cell]] = [
        [Text("rate", "bold"), f"{status.rate:.1f} executions a second{lately}", Text(sparkline(rates), "cyan")]
    ]
    for name, now in status.coverage.items():
        told = f"{now.uses:,} uses, {now.pairs:,} pairs, {now.sequences:,} sequences"
        seen = _over(status, _much(now), partial(_seen, name))
        rows.append([Text(name, "bold"), told, Text(sparkline(seen[1:]), "cyan")])
    return [Text(), *_aligned(rows, [True] * 3)]


def _much(seen: News) -> int:
    return seen.uses + seen.pairs


def _seen(framework: str, point: Point) -> int:
    return _much(point.seen[framework]) if framework in point.seen else 0


def _over(status: Status, now: float, figure: Callable[[Point], float]) -> list[float]:
    """A figure that was zero in the beginning and is `now` now, at the bounds of a sparkline's columns."""
    points = [point for point in status.growth if 0 < point.seconds < status.elapsed]
    times = [0.0, *(point.seconds for point in points), status.elapsed]
    figures = [0.0, *map(figure, points), now]
    told: list[float] = np.interp(np.linspace(0.0, status.elapsed, COLUMNS + 1), times, figures).tolist()
    return told


def _workers(status: Status) -> Lines:
    health = status.health
    assert health is not None
    told = [
        f"  {health.alive} of {health.workers} alive",
        f"{_bytes(health.worker_memory)}, campaign {_bytes(health.memory)}",
        f"deaths: {_listed(health.deaths)}",
        f"replaced: {_listed(health.replaced)}",
    ]
    return [_line(("workers", "bold"), " · ".join(told))]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda c: -c[1])) or "none"


def _bytes(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _chances(status: Status, estimates: Estimates) -> Lines:
    """How likely the next case of the control shows something new, and how often a verdict repeats."""
    new = {(d.route, d.kind): d for d in estimates.discoveries}
    stable = {each.route: each.share for each in estimates.stabilities}
    header = ("chance of another", "cases", *(kind.removesuffix("s") for kind in KINDS), "the same verdict")
    rows: list[list[Cell]] = []
    for route in status.routes:
        mine = [new.get((route, kind)) for kind in KINDS]
        units = str(mine[0].units) if mine[0] else NONE
        rows.append([route, units, *(_chance(d.new if d else None) for d in mine), _chance(stable.get(route))])
    return [Text(), *_table(header, rows, left=(header[0],))]


def _chance(chance: Chance | None) -> str:
    return NONE if chance is None else f"{chance.estimate:.1%} ({100 * chance.low:.1f}–{100 * chance.high:.1f})"


def _stages(status: Status) -> Lines:
    rows = [(name, _a_case(r.seconds, r.executions), _split(r.seconds)) for name, r in status.routes.items()]
    lines = _table(("time by stage", "a case", ""), rows, left=("time by stage", ""))
    return [Text(), *lines, _line(_minimizing(status))]


def _stages_briefly(status: Status) -> Lines:
    """All routes together."""
    spent: Counter[str] = Counter()
    for route in status.routes.values():
        spent.update(route.seconds)
    return [_line(("time", "bold"), f"  {_a_case(spent, status.executions)} a case: {_split(spent)}")]


def _a_case(seconds: Mapping[str, float], executions: int) -> str:
    return f"{1000 * sum(seconds.values()) / max(1, executions):,.0f} ms"


def _split(seconds: Mapping[str, float]) -> str:
    """The stages' shares, the largest first."""
    whole = sum(seconds.values())
    shares = sorted(((spent / whole, stage) for stage, spent in seconds.items() if spent > SMALL * whole), reverse=True)
    return " · ".join(f"{stage} {share:.0%}" for share, stage in shares)


def _minimizing(status: Status) -> str:
    share = status.minimizing / status.elapsed if status.elapsed else 0.0
    return f"minimizing took {share:.0%} of all time, {status.minimizer_runs:,} runs"


def _lanes(status: Status) -> Lines:
    header = ("lane", "share", "cases", "new coverage", "new buckets", "seconds", "new a second")
    rows = []
    for name, lane in status.lanes.items():
        pace = f"{lane.new_coverage / lane.seconds:.1f}" if lane.seconds else NONE
        counts = (_count(lane.cases), _count(lane.new_coverage), _count(lane.new_buckets))
        rows.append((name, f"{lane.share:.0%}", *counts, f"{lane.seconds:,.0f}", pace))
    return [Text(), *_table(header, rows, left=("lane",))]


def _lanes_briefly(status: Status) -> Lines:
    told = [
        f"{name} {lane.share:.0%}{f' ({lane.new_buckets} new)' if lane.new_buckets else ''}"
        for name, lane in status.lanes.items()
    ]
    return [_line(("lanes", "bold"), f"  {' · '.join(told)}")]


def _newest(status: Status, number: int) -> Lines:
    """The buckets met last, with how long ago that was."""
    rows = [
        (
            NONE if b.seconds is None else f"{duration(status.elapsed - b.seconds, 1)} ago",
            Text(b.standing, "dim" if b.known else "bold red"),
            str(b.count),
            NONE if b.case is None else str(b.case),
            b.lane,
            Text.assemble((b.slug, "bold"), "  ", (b.summary, "dim")),
        )
        for b in status.newest()[:number]
    ]
    header = ("met", "state", "findings", "case", "lane", "newest buckets")
    return [Text(), *_table(header, rows, left=("state", "lane", "newest buckets"))]
