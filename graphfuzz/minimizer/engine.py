"""Minimize a case: apply edits as long as they make it smaller and it still shows the same defect.

The contract: every case handed to `check` is admissible (types inferred again, values in their domains, but for
operators that were used otherwise from the beginning); what is kept is strictly smaller by `size` than what it
replaces, so the end is reached; which candidate is kept depends only on the case, the outcomes and `width`, never on
timing. The defect never changes: route, verdict, and error (or kind of mismatch) stay what they were.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

import msgspec

from graphfuzz.corpus.signature import kind
from graphfuzz.graph import Case, case_to_json, pack_arrays
from graphfuzz.minimizer.admission import admitted, not_ordinary, values_of
from graphfuzz.minimizer.edits import Bindings, Edit, Keep, Replace, edited
from graphfuzz.minimizer.passes import PASSES, Pass
from graphfuzz.minimizer.size import size
from graphfuzz.oracle.verdict import HANG, Outcome
from graphfuzz.spec.registry import Registry

Check: TypeAlias = Callable[[Sequence[Case]], Sequence[Outcome]]
"""Judges cases on one route, one outcome each, in order; it may do so in parallel."""

BUDGET = 400
HANG_BUDGET = 8
"""The budget for a hang: each candidate that still hangs costs the whole time limit."""
WIDTH = 4
CONFIDENCE = 0.95
"""How sure it is that a case does not show a flaky finding before it is given up."""


class Step(msgspec.Struct, frozen=True):
    """One edit that was kept: the pass it is from, and how many nodes are left after it."""

    pass_name: str
    edit: Edit
    nodes: int


class Reduction(msgspec.Struct, frozen=True):
    """The smallest case found, its outcome, how it was reached, and how many cases were checked; how many of them
    failed otherwise: the defect had slipped, and they were not kept."""

    case: Case
    outcome: Outcome
    steps: tuple[Step, ...]
    runs: int
    slipped: int = 0


class _Candidate(msgspec.Struct, frozen=True):
    """control: an operator that the edit has brought in, alone; where that fails alike, the defect is another one."""

    pass_name: str
    edit: Edit
    case: Case
    values: Bindings
    control: Case | None = None


def minimize(
    case: Case,
    outcome: Outcome,
    check: Check,
    registry: Registry,
    budget: int | None = None,
    width: int = WIDTH,
    passes: Sequence[Pass] = PASSES,
    *,
    rate: float = 1.0,
    deadline: Callable[[], bool] = lambda: False,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Reduction:
    """The smallest case found that shows the same defect as `case`, of which `outcome` is the finding.

    budget: the most cases to check; None for `BUDGET`, or for `HANG_BUDGET` where the finding is a hang. width: how
    many are handed to `check` at once. rate: in which share of its runs the finding shows; where that is not in all, a
    case is tried again until one that shows it as often is missed with a chance below 1 - `CONFIDENCE`. deadline:
    asked before each batch; once it is true, the smallest case so far is returned. on_step: told of each edit that is
    kept. A case that is no valid graph, or that an operator's reference fails on, is returned as it is.
    """
    if budget is None:
        budget = HANG_BUDGET if outcome.verdict == HANG else BUDGET
    wanted = kind(outcome, case.graph)
    trials = 1 if rate >= 1 else math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - rate))
    steps: list[Step] = []
    seen = {_fingerprint(case)}
    runs = slipped = first = 0
    values = values_of(case, registry)
    exempt = not_ordinary(case, values, registry) if values else frozenset()
    while values:
        found = None
        candidates = _candidates(case, values, [*passes[first:], *passes[:first]], registry, exempt, seen)
        while found is None and runs < budget and not deadline():
            batch = list(islice(candidates, min(width, budget - runs)))
            if not batch:
                break
            outcomes = _tried([c.case for c in batch], check, wanted, trials)
            runs += len(outcomes)
            same = [(c, o) for c, o in zip(batch, outcomes, strict=True) if kind(o, c.case.graph) == wanted]
            slipped += sum(o.is_finding for o in outcomes) - len(same)
            for candidate, seen_as in sorted(same, key=lambda pair: size(pair[0].case, registry)):
                control = candidate.control
                if control is not None:
                    if runs >= budget:
                        continue
                    runs += 1
                    if kind(check([control])[0], control.graph) == wanted:
                        slipped += 1
                        continue
                found = candidate, seen_as
                break
        if found is None:
            break
        chosen, outcome = found
        case, values = chosen.case, chosen.values
        steps.append(Step(chosen.pass_name, chosen.edit, len(case.graph.nodes)))
        on_step(steps[-1])
        first = [each.__name__ for each in passes].index(chosen.pass_name)  # it may go on; the others found nothing
    return Reduction(case, outcome, tuple(steps), runs, slipped)


def _tried(cases: Sequence[Case], check: Check, wanted: tuple[str, ...], trials: int) -> list[Outcome]:
    """The outcome of each case: the first of so many that is the one wanted, or the last."""
    outcomes = list(check(cases))
    for _ in range(trials - 1):
        left = [i for i, (o, c) in enumerate(zip(outcomes, cases, strict=True)) if kind(o, c.graph) != wanted]
        for i, again in zip(left, check([cases[i] for i in left]) if left else [], strict=True):
            outcomes[i] = again
    return outcomes


def _candidates(
    case: Case, values: Bindings, passes: Sequence[Pass], registry: Registry, exempt: Collection[str], seen: set[str]
) -> Iterator[_Candidate]:
    """What the passes propose, as far as it is new, smaller and admissible."""
    largest = size(case, registry)
    for each in passes:
        for edit in each(case, registry):
            made = edited(case, edit, values, registry)
            if made is None or size(made, registry) >= largest:
                continue
            mark = _fingerprint(made)
            if mark in seen:
                continue
            seen.add(mark)
            found = admitted(made, registry, exempt)
            if found is not None:
                control = None
                if isinstance(edit, Replace):
                    control = edited(made, Keep((edit.node,), (edit.node,)), found, registry)
                yield _Candidate(each.__name__, edit, made, found, control)


def _fingerprint(case: Case) -> str:
    text = case_to_json(msgspec.structs.replace(case, origin={}))
    return hashlib.sha256(text.encode() + pack_arrays(case.arrays())).hexdigest()
