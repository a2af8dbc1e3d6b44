"""The dtypes that the variables of an operator's signature may have together."""

from __future__ import annotations

import itertools
import random

from graphfuzz.spec.operator import Operator

MAX_BINDINGS = 12
"""The most dtype bindings tried for one operator; of more, a fixed sample."""


def bindings(op: Operator, framework: str, most: int = MAX_BINDINGS) -> list[dict[str, str]]:
    """The dtypes that the operator's variables may have in a framework: all, or a fixed sample of `most`.

    The sample has every dtype of every variable, if `most` is no smaller than their number.
    """
    limits = op.emissions[framework].dtypes
    choices = [limits.get(variable, dtypes) for variable, dtypes in op.variables.items()]
    combinations = list(itertools.product(*choices))
    if len(combinations) > most:
        rng = random.Random(op.name)
        mixed = [rng.sample(names, len(names)) for names in choices]
        covering = [tuple(names[i % len(names)] for names in mixed) for i in range(max(map(len, mixed)))]
        others = [c for c in rng.sample(combinations, len(combinations)) if c not in covering]
        combinations = (covering + others)[:most]
    return [dict(zip(op.variables, combination, strict=True)) for combination in combinations]
