"""Blocks of real networks, grafted into random graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuzz.generator.growth import Growth
from graphfuzz.generator.insertion import DTYPE_WEIGHTS, draw_rank
from graphfuzz.generator.job import Exhausted, Job
from graphfuzz.generator.net import GrowingNet
from graphfuzz.generator.values import draw_array
from graphfuzz.graph import Case, Value
from graphfuzz.spec.operator import Bounds, Parameter, Rejected
from graphfuzz.spec.patterns import Pattern

ATTEMPTS = 10
"""How many times a pattern is tried. The graph that it is grafted into shrinks; in the last attempts there is none."""
BOUNDS: Bounds = (-2.0, 2.0)
"""The values that go in where the pattern does not say: most layers are declared for such."""
SIZES = (1, 2, 2, 3, 4, 4, 5, 6, 8, 8, 9, 12)
"""The sizes of new inputs; many are even, as channels and features are."""
RELATED = 0.8
"""How often a new input has the size of the one before it."""


def make(job: Job) -> Case:
    """Some random nodes, the pattern whose turn it is on their values or on new inputs, and random nodes behind it."""
    nodes = job.recipe.nodes
    for pattern in job.in_turn(job.registry.patterns):
        for left in reversed(range(ATTEMPTS)):
            growth = job.growth()
            job.extend(growth, job.rng.randint(0, nodes * left // (2 * ATTEMPTS)))
            try:
                graft(pattern, GrowingNet(growth, job.operators))
            except Rejected:
                continue
            job.extend(growth, len(growth.draft.nodes) + job.rng.randint(0, nodes // 2))
            return job.finish(growth, pattern=pattern.name)
    raise Exhausted("the operators at hand make none of the patterns")


def graft(pattern: Pattern, net: GrowingNet) -> None:
    """Add the pattern's nodes, on live values or new inputs. Raises Rejected, and leaves then what it has added."""
    growth = net.growth
    dtypes: Sequence[str] = pattern.dtypes
    given: list[Value] = []
    for parameter in pattern.parameters:
        value = _live(growth, parameter, dtypes, given) or _fresh(growth, parameter, dtypes, given)
        dtypes = (value.dtype,)
        given.append(value)
    pattern.body(net, *given)


def _live(growth: Growth, parameter: Parameter, dtypes: Sequence[str], given: Sequence[Value]) -> Value | None:
    """A live value that fits."""

    def fits(value: Value) -> bool:
        return value not in given and growth.values.fits(parameter, value, _bounds(parameter))

    return growth.draft.pool.of_kind(dtypes, parameter.ranks, fits, lambda value: True)


def _fresh(growth: Growth, parameter: Parameter, dtypes: Sequence[str], given: Sequence[Value]) -> Value:
    """A new input, small enough for a block to make something larger of it."""
    rng = growth.rng
    rank = draw_rank(parameter, rng)
    largest = (growth.sizer.max_elements / 4) ** (1 / max(1, rank))
    sizes = [size for size in SIZES if size <= largest] or [1]
    related = given[-1].shape if given and len(given[-1].shape) == rank else ()
    shape = [rng.choice(sizes) for _ in range(rank)]
    shape = [old if rng.random() < RELATED else new for new, old in zip(shape, related or shape, strict=True)]
    dtype = rng.choices(dtypes, [DTYPE_WEIGHTS.get(d, 1.0) for d in dtypes])[0]
    array = draw_array(np.random.default_rng(rng.getrandbits(64)), dtype, tuple(shape), _bounds(parameter))
    return growth.add_leaf(array, as_input=True)


def _bounds(parameter: Parameter) -> Bounds:
    return BOUNDS if parameter.domain is None or callable(parameter.domain) else parameter.domain
