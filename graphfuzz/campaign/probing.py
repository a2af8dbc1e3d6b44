"""Probing: every operator, in every dtype binding, alone in a few cases on a route, with what its conversion used."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future

import msgspec

from graphfuzz.campaign.probes import NONE_FOUND, Cache, Probes, Trial
from graphfuzz.campaign.workers import Result, Task, Workers
from graphfuzz.conformance import bindings, keys, rank_keys
from graphfuzz.oracle.ledger import Stock
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.verdict import HARNESS_ERROR, OK
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.origins import Origin, origins
from graphfuzz.spec.registry import Registry

CASES = 3
"""The least cases of an operator; each of its dtype bindings has as many as that takes, and one at least."""
AHEAD = 6
"""How many cases are given out ahead of the one waited for."""


class Plan(msgspec.Struct, frozen=True):
    """What is asked of probing. routes: by name; operators: those to probe; origins: where each is declared; by_rank:
    whether each dtype binding is wanted at every rank of the first operand, too."""

    routes: Mapping[str, Route]
    operators: Mapping[str, Operator]
    origins: Mapping[str, Origin]
    by_rank: bool = False


class Missing(msgspec.Struct, frozen=True):
    """An operator on a route, and the cases that were not tried there yet."""

    route: Route
    operator: Operator
    keys: tuple[str, ...]


def make_plan(routes: Sequence[str], operators: Registry, by_rank: bool = False) -> Plan:
    """The plan to probe these operators on these routes. Raises UsageError for an unknown route."""
    return Plan({name: load_route(name) for name in routes}, operators, origins(operators), by_rank)


def stored(plan: Plan, cache: Cache) -> dict[str, Probes]:
    """For each route, what the cache has of the plan's operators."""
    found: dict[str, Probes] = {}
    for name, route in plan.routes.items():
        families = {origin: cache.probes(route, origin) for origin in set(plan.origins.values())}
        known = {op: families[origin].get(op) for op, origin in plan.origins.items()}
        found[name] = {op: trials for op, trials in known.items() if trials is not None}
    return found


def missing(plan: Plan, known: Mapping[str, Probes]) -> list[Missing]:
    """What is still to be probed, route by route; an operator that a route's framework lacks is no part of it."""
    found = []
    for name, route in plan.routes.items():
        for op in plan.operators.values():
            if route.framework in op.emissions:
                tried = {trial.key for trial in known[name].get(op.name, ())}
                left = [key for key in case_keys(op, route.framework, plan.by_rank) if key not in tried]
                found += [Missing(route, op, tuple(left))] if left else []
    return found


def case_keys(op: Operator, framework: str, by_rank: bool) -> tuple[str, ...]:
    """The cases that an operator is probed with: the same ones for each of its dtype bindings, CASES at least."""
    several = keys(op, framework, math.ceil(CASES / len(bindings(op, framework))))
    return (*several, *(rank_keys(op, framework) if by_rank else ()))


def probe(
    plan: Plan,
    cache: Cache,
    workers: Workers,
    on_case: Callable[[Missing, Trial], None] = lambda of, trial: None,
) -> dict[str, Probes]:
    """For each route, the probes of all the plan's operators: those stored, and the missing, made and stored now.

    Every operator is stored as soon as it is complete: an interruption loses the one in hand.
    """
    known = stored(plan, cache)
    trials: list[Trial] = []
    for work, trial in _trials(missing(plan, known), workers):
        trials.append(trial)
        on_case(work, trial)
        if len(trials) == len(work.keys):
            probes = known[work.route.name]
            probes[work.operator.name] = (*probes.get(work.operator.name, ()), *trials)
            _keep(plan, cache, work, probes[work.operator.name])
            trials = []
    return known


def read_stock(route: Route, cache: Cache, workers: Workers) -> Stock:
    """The route's ledger, stored or read now. Raises UsageError where it has none."""
    found = cache.stock(route)
    if found is None:
        found = workers.stock(route.name)
        cache.keep_stock(route, found)
    return found


def _keep(plan: Plan, cache: Cache, work: Missing, trials: tuple[Trial, ...]) -> None:
    """Add an operator to its family's file, as it is now: another process may have added to it, too.

    A family that was edited meanwhile is not stored: some workers may have had the old text, some the new.
    """
    origin = plan.origins[work.operator.name]
    if origin.edited():
        cache.complain(f"{origin.file} was edited while '{work.operator.name}' was probed: that is not kept")
        return
    cache.keep_probes(work.route, origin, {**cache.probes(work.route, origin), work.operator.name: trials})


def _trials(todo: Sequence[Missing], workers: Workers) -> Iterator[tuple[Missing, Trial]]:
    """The trials of all, in order; some cases are given out ahead."""
    window: deque[tuple[Missing, str, Future[Result]]] = deque()
    tasks = ((work, key) for work in todo for key in work.keys)
    try:
        while True:
            while len(window) < AHEAD and (task := next(tasks, None)):
                work, key = task
                wanted = Task(route=work.route.name, case=None, recipe=None, key=key, record=True)
                window.append((work, key, workers.submit(wanted)))
            if not window:
                return
            work, key, future = window.popleft()
            yield work, _trial(key, future.result())
    finally:
        for _, _, future in window:
            future.cancel()


def _trial(key: str, result: Result) -> Trial:
    outcome, used = result.outcome, result.used
    none_found = outcome.verdict == HARNESS_ERROR and outcome.error == "Exhausted"
    verdict = NONE_FOUND if none_found else outcome.verdict
    what = "" if outcome.verdict == OK else outcome.summary()
    (use,) = result.features.typed_uses if result.features else ("",)
    return Trial(key, verdict, outcome.stage, what, used.entries if used else (), used.operators if used else (), use)
