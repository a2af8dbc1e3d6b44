"""The random single-operator cases on which operators are examined, each with a key that makes it again."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from graphfuzz.generator import Exhausted, narrowed, single_operator_case, typed_targets
from graphfuzz.graph import Case, Graph, WrongReference, is_special, text
from graphfuzz.spec import Operator, Registry
from graphfuzz.spec.dtype_bindings import MAX_BINDINGS, bindings
from graphfuzz.spec.dtypes import is_float

EMPTY_EVERY = 5
"""Of how many cases one may have empty axes, where the operator allows them."""
_SPECIAL = "special-"
"""Begins the number of a case whose floats have NaN or infinities among them."""
_RANK = "rank-"
"""Begins, in place of a number, the rank of a case's first operand."""


def keys(op: Operator, framework: str, count: int, most: int = MAX_BINDINGS) -> Iterator[str]:
    """The names of `count` cases for each dtype binding."""
    for bound in bindings(op, framework, most):
        yield from (f"{_binding_key(op, framework, bound)}/{i}" for i in range(count))


def rank_keys(op: Operator, framework: str) -> dict[str, str]:
    """The name of one case for each dtype binding and rank of the first operand, and the `typed_use` that it is."""
    return {
        f"{_binding_key(op, framework, target.bound or {})}/{_RANK}{target.rank}": target.use
        for target in typed_targets(op, framework)
    }


def _binding_key(op: Operator, framework: str, bound: Mapping[str, str]) -> str:
    return f"{op.name}/{framework}/" + ",".join(f"{variable}={dtype}" for variable, dtype in bound.items())


def case_at(key: str, registry: Registry) -> Case:
    """The case with this key. Raises Exhausted where the generator finds none, WrongReference where rule and reference
    make different shapes."""
    name, framework, dtypes, number = key.split("/")
    op = registry[name]
    special = number.startswith(_SPECIAL)
    if number.startswith(_RANK):
        op = narrowed(op, {}, [int(number.removeprefix(_RANK))])
    favored = 0 if op.empty and number.isdecimal() and int(number) % EMPTY_EVERY == 1 else None
    bound = dict(pair.split("=") for pair in dtypes.split(",") if pair)
    try:
        return single_operator_case(op, framework, random.Random(key), bound, favored=favored, special=special)
    except WrongReference as error:
        error.add_note(f"case_at({key!r})")
        raise


def cases(
    op: Operator, framework: str, count: int, registry: Registry, most: int = MAX_BINDINGS
) -> Iterator[tuple[str, Case]]:
    """The cases that the generator finds, with their keys."""
    for key in keys(op, framework, count, most):
        try:
            yield key, case_at(key, registry)
        except Exhausted:
            continue


def special_bindings(op: Operator, framework: str, most: int = MAX_BINDINGS) -> Sequence[Mapping[str, str]]:
    """The dtype bindings with floats (or a fixed sample), where the operator declares itself for NaN and infinities."""
    every = bindings(op, framework, sys.maxsize) if framework in op.special else []
    floating = [b for b in every if any(is_float(b.get(p.dtype, p.dtype)) for p in op.parameters)]
    return random.Random(op.name).sample(floating, min(most, len(floating)))


def special_cases(
    op: Operator, framework: str, count: int, registry: Registry, most: int = MAX_BINDINGS
) -> Iterator[tuple[str, Case]]:
    """As many more for each dtype binding, where NaN and infinities are among the operands, with their keys."""
    for bound in special_bindings(op, framework, most):
        for i in range(count):
            key = f"{_binding_key(op, framework, bound)}/{_SPECIAL}{i}"
            try:
                case = case_at(key, registry)
            except Exhausted:
                continue
            if any(map(is_special, case.tensors.values())):
                yield key, case


SEARCHED = 4
"""How many cases of each binding are looked at for one with NaN or infinities, where those tried had none."""

Found = Sequence[tuple[str, Case]]
"""Cases with their keys."""


def missed(op: Operator, framework: str, tried: Sequence[Mapping[str, str]], found: Found) -> list[str]:
    """The dtype bindings of which no case was found: a declaration that promises too much."""
    reached = {key.rpartition("/")[0] for key, _ in found}
    lost = {_binding_key(op, framework, bound) for bound in tried} - reached
    return sorted(key for key in lost if not _is_taken_by_defects(op, framework, key))


def unmet(op: Operator, framework: str, special: Found, registry: Registry) -> list[str]:
    """That no use with NaN or infinities was found, nor is among more bindings: a declaration that promises too much,
    too."""
    if special or not special_bindings(op, framework) or any(special_cases(op, framework, SEARCHED, registry)):
        return []
    return [f"{op.name}: no use in {framework} takes NaN or infinities, for which it is declared"]


def _is_taken_by_defects(op: Operator, framework: str, binding: str) -> bool:
    """Whether a dtype binding would have cases, were the framework right: its defects may take a whole dtype away."""
    intact = without_defects(op)
    tries = range(EMPTY_EVERY) if op.emissions[framework].defects else ()
    return any(_exists(f"{binding}/{i}", Registry([intact])) for i in tries)


def _exists(key: str, registry: Registry) -> bool:
    try:
        case_at(key, registry)
    except Exhausted:
        return False
    return True


def without_defects(op: Operator) -> Operator:
    """The operator as it would be were every framework right."""
    emissions = {f: msgspec.structs.replace(e, defects=()) for f, e in op.emissions.items()}
    return msgspec.structs.replace(op, emissions=emissions)


def failure(key: str, graph: Graph, problem: str) -> str:
    """A problem of a case, with what makes the case again."""
    return f"{problem}; case_at({key!r}): {'; '.join(text(graph).splitlines())}"
