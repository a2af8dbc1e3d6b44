"""What a route takes: operators on each dtype and rank of their first operand, by what probing found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from graphfuzz.campaign.probes import NONE_FOUND, Trial
from graphfuzz.conformance import rank_keys
from graphfuzz.oracle.verdict import FINDINGS, HARNESS_ERROR, OK, UNSTABLE, UNSUPPORTED
from graphfuzz.spec.operator import Operator

TAKEN, PARTLY, REFUSED, FINDING = "taken", "partly", "refused", "finding"
NO_CASE, NOT_PROBED = "no case", "not probed"
STANDINGS = (TAKEN, PARTLY, REFUSED, FINDING, HARNESS_ERROR, NO_CASE, NOT_PROBED)
"""What may be said of a use. PARTLY: taken in one case and refused in another, so attributes or values decide. NO_CASE:
the generator found none."""


class Capability(msgspec.Struct, frozen=True):
    """How one use stands on a route. what: the reason of a finding or refusal."""

    operator: str
    dtype: str
    rank: int
    standing: str
    what: str = ""


def capabilities(op: Operator, framework: str, trials: Sequence[Trial]) -> list[Capability]:
    """Every dtype and rank that the operator declares, in order, by its trials on a route."""
    aims = rank_keys(op, framework)
    by_use: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_use[trial.use or aims.get(trial.key, "")].append(trial)
    return sorted((_capability(use, by_use[use]) for use in set(aims.values())), key=lambda c: (c.dtype, c.rank))


def _capability(use: str, trials: Sequence[Trial]) -> Capability:
    name, dtype, rank = use.split()
    standing = _standing({trial.verdict for trial in trials})
    blamed = (*FINDINGS, HARNESS_ERROR) if standing in (FINDING, HARNESS_ERROR) else (UNSUPPORTED,)
    what = next((trial.what for trial in trials if trial.verdict in blamed), "")
    return Capability(name, dtype, int(rank), standing, what)


def _standing(verdicts: set[str]) -> str:
    if verdicts & set(FINDINGS):
        return FINDING
    if verdicts & {OK, UNSTABLE}:
        return PARTLY if UNSUPPORTED in verdicts else TAKEN
    if UNSUPPORTED in verdicts:
        return REFUSED
    if HARNESS_ERROR in verdicts:
        return HARNESS_ERROR
    return NO_CASE if NONE_FOUND in verdicts else NOT_PROBED
