"""Minimize a case: apply edits as long as they make it smaller and it still shows the same defect.

The contract: every case handed to `check` is admissible (types inferred again, values in their domains, but for
operators that were used otherwise from the beginning); what is kept is strictly smaller by `size` than what it
replaces, so the end is reached; which candidate is kept depends only on the case, the outcomes and `width`, never on
timing. The defect never changes: route, verdict, and error (or kind of mismatch) stay what they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

import msgspec

from graphfuzz.corpus.signature import kind
from graphfuzz.graph import Array, Case, case_to_json, pack_arrays
from graphfuzz.minimizer.admission import admitted, not_ordinary, values_of
from graphfuzz.minimizer.edits import Bindings, Edit, canonical_names, edited
from graphfuzz.minimizer.passes import PASSES, Pass
from graphfuzz.oracle.verdict import HANG, Outcome
from graphfuzz.spec.registry import Registry

Check: TypeAlias = Callable[[Sequence[Case]], Sequence[Outcome]]
"""Judges cases on one route, one outcome each, in order; it may do so in parallel."""

BUDGET = 400
HANG_BUDGET = 8
"""The budget for a hang: each candidate that still hangs costs the whole time limit."""
WIDTH = 4


class Step(msgspec.Struct, frozen=True):
    """One edit that was kept: the pass it is from, and how many nodes are left after it."""

    pass_name: str
    edit: Edit
    nodes: int


class Reduction(msgspec.Struct, frozen=True):
    """The smallest case found, its outcome, how it was reached, and how many cases were checked."""

    case: Case
    outcome: Outcome
    steps: tuple[Step, ...]
    runs: int


class _Candidate(msgspec.Struct, frozen=True):
    pass_name: str
    edit: Edit
    case: Case
    values: Bindings


def minimize(
    case: Case,
    outcome: Outcome,
    check: Check,
    registry: Registry,
    budget: int | None = None,
    width: int = WIDTH,
    passes: Sequence[Pass] = PASSES,
    *,
    deadline: Callable[[], bool] = lambda: False,
) -> Reduction:
    """The smallest case found that shows the same defect as `case`, of which `outcome` is the finding.

    budget: the most cases to check; None for `BUDGET`, or for `HANG_BUDGET` where the finding is a hang. width: how
    many are handed to `check` at once. deadline: asked before each such batch; once it is true, the smallest case so
    far is returned. A case that is no valid graph, or that an operator's reference fails on, is returned as it is.
    """
    if budget is None:
        budget = HANG_BUDGET if outcome.verdict == HANG else BUDGET
    wanted = kind(outcome, case.graph)
    steps: list[Step] = []
    seen = {_fingerprint(case)}
    runs = 0
    values = values_of(case, registry)
    exempt = not_ordinary(case, values, registry) if values else frozenset()
    while values:
        found = None
        candidates = _candidates(case, values, passes, registry, exempt, seen)
        while found is None and runs < budget and not deadline():
            batch = list(islice(candidates, min(width, budget - runs)))
            if not batch:
                break
            runs += len(batch)
            outcomes = check([c.case for c in batch])
            same = [(c, o) for c, o in zip(batch, outcomes, strict=True) if kind(o, c.case.graph) == wanted]
            found = min(same, key=lambda pair: size(pair[0].case), default=None)
        if found is None:
            break
        chosen, outcome = found
        case, values = chosen.case, chosen.values
        steps.append(Step(chosen.pass_name, chosen.edit, len(case.graph.nodes)))
    return Reduction(case, outcome, tuple(steps), runs)


def size(case: Case) -> tuple[int, ...]:
    """How large a case is, the most important first: what each accepted edit makes smaller.

    Nodes; leaves; outputs; bindings; elements of the leaves; characters of their values; names that are not canonical.
    """
    graph = case.graph
    leaves = list(case.arrays().values())
    return (
        len(graph.nodes),
        len(case.tensors),
        len(graph.outputs),
        len(case.bindings),
        sum(int(array.size) for array in leaves),
        sum(_characters(array) for array in leaves),
        sum(old != new for old, new in canonical_names(graph).items()),
    )


def _candidates(
    case: Case, values: Bindings, passes: Sequence[Pass], registry: Registry, exempt: Collection[str], seen: set[str]
) -> Iterator[_Candidate]:
    """What the passes propose, as far as it is new, smaller and admissible."""
    largest = size(case)
    for each in passes:
        for edit in each(case):
            made = edited(case, edit, values)
            if made is None or size(made) >= largest:
                continue
            mark = _fingerprint(made)
            if mark in seen:
                continue
            seen.add(mark)
            found = admitted(made, registry, exempt)
            if found is not None:
                yield _Candidate(each.__name__, edit, made, found)


def _characters(array: Array) -> int:
    return sum(len(str(value)) for value in array.ravel().tolist())


def _fingerprint(case: Case) -> str:
    text = case_to_json(msgspec.structs.replace(case, origin={}))
    return hashlib.sha256(text.encode() + pack_arrays(case.arrays())).hexdigest()
