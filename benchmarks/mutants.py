"""How many planted faults are found, and how many of them are told right: stage, node, and proof by repair.

Cases come from a campaign's own generator and lanes. Each is judged on the healthy route once; then on each faulty one
whose fault would alter something in it. A fault is *caught* by a case where the faulty route has a finding that the
healthy one has not. That finding is minimized and attributed with the fault in place. The stated number of cases counts
every case made, whether it concerns a fault or not. All shares are of all faults.
"""

from __future__ import annotations

import importlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from pebble import ProcessExpired, ProcessPool
from rich.console import Group
from rich.table import Table

from benchmarks.faults import FAULTS, Altered, Fault
from benchmarks.pool import WORKERS, pool, registry
from benchmarks.progress import track
from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.lanes import shares_of
from graphfuzz.corpus.signature import kind
from graphfuzz.generator import Recipe, generate
from graphfuzz.graph import Case, Graph, Node, pruned
from graphfuzz.minimizer import minimize
from graphfuzz.oracle.attribution import attribute
from graphfuzz.oracle.judge import judge, judge_made
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.routes.warm import remembered_registry
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import OK, Outcome

SEED = 20
CASES, QUICK_CASES = 400, 12
"""Within how many cases, of one framework, a fault is to be found."""
QUICK = (
    "dynamo-softmax-axis",
    "dynamo-unsqueeze-crash-rank-2",
    "script-softmax-axis",
    "script-cast-to-nothing",
    "tf-sub-swapped",
    "tf-tanh-is-sigmoid",
)
"""The faults of a quick run."""
RUNS = 40
"""The most cases that minimizing one finding may run."""
SECONDS = 240.0
"""The most that one task of a worker may take: a case on all faulty routes, or a finding told."""
RECYCLE = 200
AHEAD = 2 * WORKERS
"""How many cases are given out at once: each is tried on the faults that are not yet found."""
CLEAR_EVERY = 30
"""After how many tasks Keras' session, which keeps every model, is cleared."""
SHARES = ("caught", "stage", "node", "proven")
SAID = ("stage", "node", "operator", "optimizer", "proof", "contradiction")
"""What is taken over of an attribution."""


class Trial(msgspec.Struct, frozen=True, eq=False):
    """What one case came to. altered: the faults that altered something. found: by fault, what was found."""

    case: Case | None
    altered: tuple[str, ...] = ()
    found: dict[str, Outcome] = {}


class Told(msgspec.Struct, frozen=True):
    """A finding, minimized and attributed.

    nodes, runs: of the minimized case, and what minimizing took. altered: what the fault wrote down in it. truth: the
    names of its nodes that are truly to blame. The rest: as attributed (see `Attribution`).
    """

    verdict: str
    nodes: int
    runs: int
    altered: tuple[str, ...]
    truth: tuple[str, ...]
    stage: str
    node: str
    operator: str
    optimizer: str
    proof: str
    contradiction: str


def run(quick: bool, only: Sequence[str] = ()) -> dict[str, Any]:
    """The shares of the faults that are caught and told right, overall and by route, and a row a fault. only: some
    faults by name, of all or of the quick ones."""
    names = [name for name in (QUICK if quick else FAULTS) if not only or name in only]
    cases = QUICK_CASES if quick else CASES
    rows: dict[str, dict[str, Any]] = {name: _row(FAULTS[name]) for name in names}
    lost: list[str] = []
    with pool(RECYCLE) as workers:
        told: dict[str, Future[Told]] = {}
        for framework in dict.fromkeys(load_route(FAULTS[name].route).framework for name in names):
            own = [name for name in names if load_route(FAULTS[name].route).framework == framework]
            for index, trial in _trials(workers, framework, own, rows, cases, lost):
                for name in trial.altered:
                    rows[name]["concerned"] += not rows[name]["caught"]
                for name, outcome in trial.found.items():
                    if not rows[name]["caught"]:
                        rows[name].update(caught=True, cases=index + 1, verdict=outcome.verdict)
                        told[name] = workers.schedule(_tell, (name, trial.case, outcome), timeout=SECONDS)
        for name, future in track(told.items(), f"telling {len(told)} findings"):
            try:
                rows[name].update(_judged(FAULTS[name], future.result()))
            except (ProcessExpired, TimeoutError) as error:
                lost.append(f"telling {name}: {error!r}"[:200])
    return _result(list(rows.values()), cases, lost)


def _trials(
    workers: ProcessPool, framework: str, names: list[str], rows: dict[str, Any], cases: int, lost: list[str]
) -> Iterator[tuple[int, Trial]]:
    """The trials of a framework's cases in their order, until every fault is caught. lost: gets what a worker did not
    survive."""
    window: deque[tuple[int, Future[Trial]]] = deque()
    recipes = enumerate(_recipes(framework, cases))
    for _ in track(range(cases), f"{framework}: {len(names)} faults"):
        left = [name for name in names if not rows[name]["caught"]]
        while left and len(window) < AHEAD and (upcoming := next(recipes, None)):
            index, recipe = upcoming
            window.append((index, workers.schedule(_try, (recipe, left), timeout=SECONDS)))
        if not left or not window:
            break
        index, future = window.popleft()
        try:
            yield index, future.result()
        except (ProcessExpired, TimeoutError) as error:
            lost.append(f"{framework} case {index}: {error!r}"[:200])
    for _, future in window:
        future.cancel()


def _recipes(framework: str, cases: int) -> Iterator[Recipe]:
    """A campaign's recipes for a framework, of all lanes, as they are before anything was seen."""
    settings = Configuration(routes=(), seed=SEED)
    turns: Counter[str] = Counter()
    for index in range(cases):
        lane = settings.lane(index, shares_of(settings.lanes))
        yield settings.recipe(index, framework, lane, turns[lane])
        turns[lane] += 1


_tasks: list[str] = []
"""What this worker has done so far."""


@contextmanager
def _worker() -> Iterator[None]:
    """Around each task of a worker."""
    with remembered_registry():
        yield
    _tasks.append("task")
    if len(_tasks) % CLEAR_EVERY == 0:
        importlib.import_module("keras").backend.clear_session()


def _try(recipe: Recipe, names: Sequence[str]) -> Trial:
    """One case on the healthy routes, and on those with the faults."""
    altered, found = [], {}
    case = None
    with _worker():
        for route_name in dict.fromkeys(FAULTS[name].route for name in names):
            route, protos, entries = load_route(route_name), list[Any](), set[str]()
            assert route.ledger is not None
            make = partial(generate, recipe, registry()) if case is None else partial(_same, case)
            with route.ledger.recording(entries):
                case, healthy = judge_made(make, _keeping(route, protos), registry())
            if case is None or not protos:
                continue
            for fault in (FAULTS[name] for name in names if FAULTS[name].route == route_name):
                if not fault.concerns(protos[0], entries):
                    continue
                outcome, done = _faulty(case, fault)
                if done:
                    altered.append(fault.name)
                if done and outcome.is_finding and _kind(outcome, case) != _kind(healthy, case):
                    found[fault.name] = outcome
    return Trial(case if found else None, tuple(altered), found)


def _same(case: Case) -> Case:
    return case


def _keeping(route: Route, protos: list[Any]) -> Route:
    """The route, which keeps a copy of each model that it makes."""

    def convert(*arguments: Any) -> Any:
        proto = route.convert(*arguments)
        protos.append(type(proto).FromString(proto.SerializeToString()))
        return proto

    return msgspec.structs.replace(route, convert=convert)


def _kind(outcome: Outcome, case: Case) -> tuple[str, ...] | None:
    return kind(outcome, case.graph) if outcome.is_finding else None


def _faulty(case: Case, fault: Fault) -> tuple[Outcome, Altered]:
    """The verdict on a case with the fault in place, and what it altered."""
    altered: Altered = []
    with fault.patch(altered):
        return judge(case, load_route(fault.route), registry()), altered


def _tell(name: str, case: Case, outcome: Outcome) -> Told:
    """Minimize the finding, attribute it, and see what is truly to blame. A candidate in which the fault alters nothing
    shows another defect."""
    fault = FAULTS[name]

    def check(cases: Sequence[Case]) -> list[Outcome]:
        judged = [_faulty(each, fault) for each in cases]
        return [found if done else msgspec.structs.replace(found, verdict=OK) for found, done in judged]

    with _worker():
        reduced = minimize(case, outcome, check, registry(), RUNS, width=1)
        graph = reduced.case.graph
        _, altered = _faulty(reduced.case, fault)
        truth = _to_blame(reduced.case, fault)
        with fault.patch([]):
            said = attribute(reduced.case, reduced.outcome, load_route(fault.route), registry(), Tolerance())
    return Told(
        reduced.outcome.verdict,
        len(graph.nodes),
        reduced.runs,
        tuple(altered),
        truth,
        *(getattr(said, field) for field in SAID),
    )


def _to_blame(case: Case, fault: Fault) -> tuple[str, ...]:
    """The nodes that the fault concerns: with each of them, more is altered than with all that it is made from."""
    graph = case.graph
    if len(graph.nodes) == 1:
        return (graph.nodes[0].name,)
    makers = graph.producers()

    def altered(outputs: Sequence[str]) -> int:
        return len(_faulty(_part(case, pruned(graph, outputs)), fault)[1]) if outputs else 0

    def operands(node: Node) -> list[str]:
        return [name for name in dict.fromkeys(node.inputs) if name in makers]

    whole = [node for node in graph.nodes if altered([v.name for v in node.outputs]) > altered(operands(node))]
    return tuple(node.name for node in whole)


def _part(case: Case, graph: Graph) -> Case:
    inputs, leaves = {v.name for v in graph.inputs}, {v.name for v in (*graph.inputs, *graph.weights)}
    return msgspec.structs.replace(
        case,
        graph=graph,
        tensors={name: array for name, array in case.tensors.items() if name in leaves},
        bindings=tuple({n: array for n, array in each.items() if n in inputs} for each in case.bindings),
        twins=(),
    )


def _row(fault: Fault) -> dict[str, Any]:
    """A fault's row before anything has been found. concerned: the cases, up to the one that caught it, in which it
    altered something; cases: all that it took."""
    about = {key: getattr(fault, key) for key in ("name", "route", "kind")}
    return {**about, "true_stage": fault.stage, "caught": False, "concerned": 0, "cases": None}


def _judged(fault: Fault, told: Told) -> dict[str, Any]:
    """What a row says of a finding: beside what was told, whether it is right."""
    row = msgspec.structs.asdict(told)
    said = {f"said_{field}": row.pop(field) for field in ("stage", "node", "operator", "optimizer")}
    right = {"stage": told.stage == fault.stage, "node": told.node in told.truth, "proven": bool(told.proof)}
    return {**row, **said, **right}


def _result(rows: list[dict[str, Any]], cases: int, lost: list[str]) -> dict[str, Any]:
    def shares(some: list[dict[str, Any]]) -> dict[str, Any]:
        return {"faults": len(some), **{s: sum(bool(row.get(s)) for row in some) / len(some) for s in SHARES}}

    def by(column: str) -> dict[str, dict[str, Any]]:
        groups = dict.fromkeys(row[column] for row in rows)
        return {group: shares([row for row in rows if row[column] == group]) for group in groups}

    return {
        "cases": cases,
        **shares(rows),
        "routes": by("route"),
        "kinds": by("kind"),
        "stages": by("true_stage"),
        "rows": rows,
        "lost": lost,
    }


def render(result: dict[str, Any]) -> Group:
    """The shares, then a line a fault."""
    title = f"{result['faults']} planted faults, {result['cases']} cases a framework; shares of all faults"
    shares = Table(title=title, title_justify="left")
    for column in ("", "faults", *SHARES):
        shares.add_column(column, justify="left" if not column else "right")
    for name, figures in (("all", result), *result["routes"].items(), *result["stages"].items()):
        told = (figures[share] for share in SHARES)
        shares.add_row(name, str(figures["faults"]), *(f"{share:.0%}" for share in told))
    table = Table()
    for column in ("fault", "stage", "cases", "concerned", "verdict", "nodes", "attributed to", "node", "proof"):
        table.add_column(column)
    for row in result["rows"]:
        marks = {True: "right", False: f"wrong: {row.get('said_node')}", None: "-"}
        stage = row["true_stage"] if row.get("stage") else row.get("said_stage") or "-"
        table.add_row(
            *(row["name"], row["true_stage"], str(row["cases"] or "not found"), str(row["concerned"])),
            *(row.get("verdict", "-"), str(row.get("nodes", "-")), stage, marks[row.get("node")]),
            row.get("proof") or "-",
        )
    return Group(shares, table)
