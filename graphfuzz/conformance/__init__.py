"""What every operator of every pack has to fulfill, checked on random cases: reference, frameworks and rule agree."""

from graphfuzz.conformance.cases import case_at, cases, keys, rank_keys, special_cases
from graphfuzz.conformance.examination import CASES, NEAR_MISSES, Examination, examine
from graphfuzz.spec.dtype_bindings import MAX_BINDINGS, bindings

__all__ = [
    "CASES",
    "MAX_BINDINGS",
    "NEAR_MISSES",
    "Examination",
    "bindings",
    "case_at",
    "cases",
    "examine",
    "keys",
    "rank_keys",
    "special_cases",
]
