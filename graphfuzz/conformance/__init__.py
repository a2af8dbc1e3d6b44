"""What every operator of every pack has to fulfill, checked on random cases: reference, frameworks and rule agree."""

from graphfuzz.conformance.cases import MAX_BINDINGS, bindings, case_at, cases, keys
from graphfuzz.conformance.examination import CASES, NEAR_MISSES, Examination, examine

__all__ = ["CASES", "MAX_BINDINGS", "NEAR_MISSES", "Examination", "bindings", "case_at", "cases", "examine", "keys"]
