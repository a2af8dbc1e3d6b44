"""Attribution in workers: all witnesses of a finding in one; each in its own where they may take the worker down."""

from __future__ import annotations

from collections.abc import Callable

from graphfuzz.campaign.workers import Result, Task
from graphfuzz.graph import Case
from graphfuzz.oracle.attribution import ALIKE, BUDGET, OTHERWISE, SILENT, Attribution, Witness, inquire
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import HANG, HARNESS_ERROR, PROCESS_CRASH, Outcome

HANG_SECONDS = BUDGET / 2
"""How long a witness of a hang may take: one that takes longer is said to hang as well."""

_DEAD = (HANG, PROCESS_CRASH, HARNESS_ERROR)


def attributed(run: Callable[[Task], Result], case: Case, finding: Outcome) -> Attribution | None:
    """The attribution of a finding. run: has a worker do a task. None where no worker came to one."""
    if finding.verdict not in _DEAD:
        result = run(Task(route=finding.route, case=case, recipe=None, finding=finding))
        if result.attribution is not None or result.outcome.verdict not in _DEAD:
            return result.attribution
    seconds = HANG_SECONDS if finding.verdict == HANG else BUDGET

    def ask(question: str) -> Witness:
        task = Task(route=finding.route, case=case, recipe=None, finding=finding, question=question, seconds=seconds)
        return _heard(question, run(task), finding)

    return inquire(case.graph, finding, load_route(finding.route), ask)


def _heard(question: str, result: Result, finding: Outcome) -> Witness:
    """The witness, or what its death says."""
    if result.witness is not None:
        return result.witness
    died = result.outcome
    if died.verdict not in (HANG, PROCESS_CRASH):
        return Witness(question, SILENT, died.summary())
    alike = (died.verdict, died.error) == (finding.verdict, finding.error)
    return Witness(question, ALIKE if alike else OTHERWISE, died.summary())
