"""What every operator of every pack has to fulfill, checked on random cases: reference, frameworks and rule agree."""

from graphfuzz.conformance.checks import (
    CASES,
    NEAR_MISSES,
    Examination,
    bindings,
    case_at,
    cases,
    defect_failures,
    examine,
    framework_failures,
    interpreter_failures,
    keys,
    near_miss_failures,
    unreached,
)

__all__ = [
    "CASES",
    "NEAR_MISSES",
    "Examination",
    "bindings",
    "case_at",
    "cases",
    "defect_failures",
    "examine",
    "framework_failures",
    "interpreter_failures",
    "keys",
    "near_miss_failures",
    "unreached",
]
