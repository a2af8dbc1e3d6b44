"""Known issues of the targets: named, linked and expiring. What they suppress, and whether they still stand.

    [[issue]]
    title = "roll of an empty tensor divides by zero"
    link = "https://github.com/onnx/..."
    route = "torch-script-ort"
    entry = "corpus/torch-script-ort-run-failure-roll-39dc13"
    until = 2027-05-01
    operator = "roll"
    dtypes = ["float32"]
    ranks = [1, 2]
    attributes = { dims = ["()"] }

Key insight: an issue is a corpus entry with a date. The entry's bucket is what its findings are counted in; the entry
is the probe that tells when it is mended; and the pattern, of which the entry has a node, is what is not generated
until then (see `Bar`; what is left out is no condition). Without an operator, cases are made as ever, and findings of
the bucket counted.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from graphfuzz.corpus.entry import Entry, read_entry
from graphfuzz.corpus.files import read_toml
from graphfuzz.corpus.replay import FIXED, Line
from graphfuzz.corpus.sightings import today
from graphfuzz.corpus.signature import settings
from graphfuzz.errors import GraphfuzzError, UsageError
from graphfuzz.generator import Bar, share_stopped, stopped
from graphfuzz.graph import Case, operands
from graphfuzz.minimizer.size import dtype_rank
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec.dtypes import KNOWN
from graphfuzz.spec.inference import dtypes_of, parameters_of
from graphfuzz.spec.registry import Registry

FILE = "known-issues.toml"
"""What the file is called, beside the corpus."""
NONE = "none"
"""In place of a file: there is none."""


class KnownIssue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the file's. link: to the target's own tracker. entry: a path, in the file relative to it. until: the last
    day that it suppresses anything. The rest: see `Bar`."""

    title: str
    link: str
    route: str
    entry: str
    until: date
    operator: str = ""
    dtypes: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    attributes: dict[str, tuple[str, ...]] = {}

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The pattern, if it has one."""
        return (Bar(self.operator, self.dtypes, self.ranks, self.attributes),) if self.operator else ()


class Suppression:
    """The known issues of a campaign, and which of them stand: until probed, all whose date has not passed.

    Making one raises EntryError for an entry that cannot be read.
    """

    def __init__(self, issues: Iterable[KnownIssue] = ()) -> None:
        self.issues = tuple(issues)
        self.entries = {issue.title: read_entry(Path(issue.entry)) for issue in self.issues}
        self.mended: set[str] = set()
        """The titles of those whose probes do not fail any more."""

    def standing(self) -> list[KnownIssue]:
        """Those that suppress anything today."""
        return [issue for issue in self.issues if issue.title not in self.mended and not is_expired(issue)]

    def bars(self, route: str) -> tuple[Bar, ...]:
        """The patterns that are not to be generated for a route."""
        return tuple(bar for issue in self.standing() if issue.route == route for bar in issue.bars)

    def learn(self, lines: Iterable[Line]) -> list[str]:
        """Take in what the probes came to. Returns what is news, for people."""
        by_entry = {line.entry: line for line in lines}
        news = []
        for issue in self.issues:
            line = by_entry.get(issue.entry)
            if line is None:
                continue
            if line.status == FIXED and issue.title not in self.mended:
                self.mended.add(issue.title)
                news.append(
                    f"known issue '{issue.title}' is mended (was {line.was}, now {line.now}): no longer suppressed"
                )
            elif line.status != FIXED and issue.title in self.mended:
                self.mended.remove(issue.title)
                news.append(f"known issue '{issue.title}' is back ({line.now}): suppressed again")
        return news

    def bucket_of(self, outcome: Outcome, case: Case, blame: Attribution | None) -> str | None:
        """The bucket of the issue to which a minimized finding belongs: same route and verdict, and what is to blame,
        or where that is not known all of the graph, is of its pattern."""
        for issue in self.standing():
            entry = self.entries[issue.title]
            if (issue.route, entry.finding.verdict) == (outcome.route, outcome.verdict):
                found = stopped(issue.bars, case.graph)
                blamed = [n for n in case.graph.nodes if blame is None or not blame.node or n.name == blame.node]
                if blamed and all(node in found for node in blamed):
                    return entry.slug
        return None


def is_expired(issue: KnownIssue) -> bool:
    """Whether its last day has passed."""
    return issue.until.isoformat() < today()


def told(suppression: Suppression, registry: Registry, frameworks: dict[str, str]) -> list[str]:
    """What is suppressed, lifted and expired, for people: a line each. frameworks: by route."""
    lines = []
    for route, framework in frameworks.items():
        standing = [issue for issue in suppression.standing() if issue.route == route]
        if standing:
            share = share_stopped(suppression.bars(route), registry.of(framework), framework)
            lines.append(
                f"known issues on {route}: {len(standing)}, which suppress {share:.2%} of all uses of operators"
            )
    expired = [issue for issue in suppression.issues if is_expired(issue) and issue.route in frameworks]
    return [*lines, *(f"known issue '{i.title}' has expired ({i.until}): nothing of it is suppressed" for i in expired)]


def issues_at_start(wanted: str | None, corpus: Path, registry: Registry) -> tuple[tuple[KnownIssue, ...], str]:
    """The known issues of a campaign, and their file. wanted: a path or NONE; None for the file beside the corpus, if
    there is one. Raises UsageError as `read_known` does."""
    beside = corpus.resolve().parent / FILE
    if wanted == NONE or (wanted is None and not beside.is_file()):
        return (), NONE
    file = beside if wanted is None else Path(wanted)
    return read_known(file, registry), str(file)


def read_known(file: Path, registry: Registry) -> tuple[KnownIssue, ...]:
    """The issues in a file, their entries by absolute paths. Raises UsageError for anything that is wrong there."""
    data = read_toml(file, "a file of known issues")
    tables = data.pop("issue", [])
    if data or not isinstance(tables, list):
        raise UsageError(f"{file}: holds {', '.join(data) or 'a table [issue]'}; every issue is a table [[issue]]")
    issues = [_issue(table, f"{file}: issue {number}", file.parent, registry) for number, table in enumerate(tables, 1)]
    for number, issue in enumerate(issues):
        if issue.title in {other.title for other in issues[:number]}:
            raise UsageError(f"{file}: two issues are titled '{issue.title}'; name them apart")
    return tuple(issues)


def _issue(table: dict[str, Any], where: str, folder: Path, registry: Registry) -> KnownIssue:
    fields = KnownIssue.__struct_fields__
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)[0]
            raise UsageError(f"{where}: there is no '{key}'; did you mean '{near}'?")
    try:
        issue = msgspec.convert(table, KnownIssue)
        issue = msgspec.structs.replace(issue, entry=str((folder / issue.entry).resolve()))
        check_issue(issue, read_entry(Path(issue.entry)), registry)
    except (msgspec.ValidationError, GraphfuzzError) as error:
        raise UsageError(f"{where}: {error}") from None
    return issue


def check_issue(issue: KnownIssue, entry: Entry, registry: Registry) -> None:
    """Raises UsageError where the issue is not of its entry, or its pattern of no node that there can be."""
    load_route(issue.route)
    if entry.finding.route != issue.route:
        raise UsageError(f"its entry is of route '{entry.finding.route}', not '{issue.route}'")
    if not issue.operator:
        if issue.dtypes or issue.ranks or issue.attributes:
            raise UsageError("dtypes, ranks and attributes are of an operator, and none is named")
        return
    op = registry[issue.operator]
    for dtype in issue.dtypes:
        if dtype not in KNOWN:
            near = difflib.get_close_matches(dtype, sorted(KNOWN), n=1, cutoff=0.0)[0]
            raise UsageError(f"there is no dtype '{dtype}'; did you mean '{near}'?")
    for name in issue.attributes:
        if name not in op.attrs:
            raise UsageError(f"{op.name} has no attribute '{name}'; it has {', '.join(op.attrs) or 'none'}")
    if not stopped(issue.bars, entry.case.graph):
        raise UsageError("no node of its entry's graph is of the pattern, so the entry cannot tell when it is mended")


def issue_text(issue: KnownIssue) -> str:
    """The issue as it stands in the file."""
    attributes = ", ".join(f"{name} = {json.dumps(list(bins))}" for name, bins in issue.attributes.items())
    said = {name: getattr(issue, name) for name in ("title", "link", "route", "entry")}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in said.items()]
    lines.append(f"until = {issue.until.isoformat()}")
    if issue.operator:
        lines.append(f"operator = {json.dumps(issue.operator)}")
    lines += [f"{name} = {json.dumps(list(value))}" for name in ("dtypes", "ranks") if (value := getattr(issue, name))]
    lines += [f"attributes = {{ {attributes} }}"] if attributes else []
    return "[[issue]]\n" + "".join(f"{line}\n" for line in lines)


def pattern_of(entry: Entry, registry: Registry) -> Bar | None:
    """The pattern of a minimized finding's node to blame: what the minimizer found that the defect needs. None where no
    node is to blame alone.

    The dtype is needed where there is a plainer one, which the minimizer tried; and so are as many axes, and attributes
    that are not the plainest.
    """
    graph = entry.case.graph
    blamed = [node for node in graph.nodes if node.name == entry.finding.first_diverging]
    if len(blamed) != 1 or blamed[0].op not in registry:
        return None
    (node,) = blamed
    op, given = registry[node.op], operands(graph, node)
    parameters = parameters_of(op, len(given))
    plainest = [min(dtypes_of(op, entry.case.framework, p.dtype), key=dtype_rank) for p in parameters]
    needed = {t.dtype for t, plain in zip(given, plainest, strict=True) if t.dtype != plain}
    allowed = sorted(set(parameters[0].ranks))
    ranks = [rank for rank in allowed if rank >= given[0].rank]
    bins = {name: (bin_,) for name, bin_ in settings(graph, node, registry).items()}
    return Bar(op.name, tuple(sorted(needed, key=dtype_rank)), () if ranks == allowed else tuple(ranks), bins)
