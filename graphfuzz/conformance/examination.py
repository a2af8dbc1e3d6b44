"""The examination of an operator in a framework: every check, on cases made for it, with the failures as text."""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec

from graphfuzz.conformance.cases import cases, missed, special_cases, unmet
from graphfuzz.conformance.defects import defect_failures
from graphfuzz.conformance.frameworks import framework_differences
from graphfuzz.conformance.rules import interpreter_differences, near_miss_differences
from graphfuzz.graph import WrongReference
from graphfuzz.spec import Operator, Registry
from graphfuzz.spec.dtype_bindings import bindings

CASES: Mapping[str, int] = {"torch": 10, "keras": 6}
"""Cases for each dtype binding: building a Keras model is the dear part."""
NEAR_MISSES: Mapping[str, int] = {"torch": 10, "keras": 4}
"""Valid uses an operator that are disturbed in each of their sizes."""


class Examination(msgspec.Struct, frozen=True):
    """What examining one operator in one framework came to.

    bindings: how many dtype bindings were tried. cases: how many cases the framework ran. special: how many more with
    NaN or infinities. near_misses: how many valid uses were disturbed in each size. failures: everything that does not
    fit, as text.
    """

    operator: str
    framework: str
    bindings: int
    cases: int
    special: int
    near_misses: int
    failures: tuple[str, ...]


def examine(op: Operator, framework: str, registry: Registry, count: int, near: int, most: int) -> Examination:
    """Every check: `count` cases for each of at most `most` dtype bindings, `near` of them disturbed; as many with NaN
    and infinities, where the operator declares itself for them.

    A wrong reference ends the examination of its operator, and is its failure.
    """
    tried = bindings(op, framework, most)
    try:
        found = list(cases(op, framework, count, registry, most))
        special = list(special_cases(op, framework, count, registry, most))
        some = random.Random(op.name).sample(found, min(near, len(found)))
        failures = [
            *missed(op, framework, tried, found),
            *framework_differences(op, framework, found, registry),
            *unmet(op, framework, special, registry),
            *framework_differences(op, framework, special, registry),
            *interpreter_differences(op, framework, some),
            *near_miss_differences(op, some, registry),
            *defect_failures(op, framework),
        ]
    except WrongReference as error:
        return Examination(op.name, framework, len(tried), 0, 0, 0, (" ".join([str(error), *error.__notes__]),))
    return Examination(op.name, framework, len(tried), len(found), len(special), len(some), tuple(failures))
