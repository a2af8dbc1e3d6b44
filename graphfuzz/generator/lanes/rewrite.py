"""Equivalent rewrites: two forms of one graph on the same inputs, whose outputs must agree after conversion, too.

One value of a random graph is computed once more in an equal form; so is, from that, everything that follows from the
value. Each output of the second form is the twin of one of the first (metamorphic testing: Chen, Cheung, Yiu,
"Metamorphic testing: a new approach for generating next test cases", 1998).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np

from graphfuzz.generator.job import Exhausted, Job
from graphfuzz.generator.narrowing import fixed
from graphfuzz.generator.net import GrowingNet
from graphfuzz.graph import Array, Case, Graph, Value, parts
from graphfuzz.spec.dtypes import epsilon, is_complex, is_float
from graphfuzz.spec.operator import Rejected
from graphfuzz.spec.patterns import Rewrite

GRAPHS = 3
"""How many graphs are grown for one rewrite."""
PLACES = 4
"""At how many places of a graph it is tried."""
REPEATED = "repeated"
"""The rewrite that needs no pack: a node once more, instead of its value shared. It has no record."""


class Form(msgspec.Struct, frozen=True):
    """A rewrite at one place: the value that it makes once more, and the body with its arguments."""

    value: Value
    body: Callable[..., Any]
    operands: tuple[Value, ...]
    attrs: dict[str, Any] = {}


def make(job: Job) -> Case:
    """A random graph and its other form by the rewrite whose turn it is. The case's `twins` are pairs of outputs that
    must agree."""
    for rewrite in job.in_turn([None, *job.registry.rewrites]):
        for _ in range(GRAPHS):
            case = _rewritten(job, rewrite)
            if case is not None:
                return case
    raise Exhausted("the operators at hand make no second form")


def _rewritten(job: Job, rewrite: Rewrite | None) -> Case | None:
    """A graph that has a place for the rewrite, with both forms; None where that is not found."""
    base = job.growth()
    if rewrite is not None and rewrite.operators:
        rewritten = [op for op in job.operators if op.name in rewrite.operators]
        job.extend(base, job.rng.randrange(job.recipe.nodes))
        if not rewritten or not any(base.insert(job.rng.choice(rewritten)) for _ in range(PLACES)):
            return None
    job.extend(base, job.recipe.nodes)
    graph, arrays = base.draft.graph(), base.values.arrays
    places = list(forms(graph, rewrite))
    for form in job.rng.sample(places, min(PLACES, len(places))):
        growth = job.resumed(graph, arrays)
        try:
            twins = add_second_form(graph, form, GrowingNet(growth, job.operators))
        except Rejected:
            continue
        if all(_agree(*(growth.values.arrays[name] for name in pair)) for pair in twins):
            first = [name for name, _ in twins]  # a rewrite may use what was an output
            case = job.finish(growth, first, rewrite=rewrite.name if rewrite else REPEATED)
            return msgspec.structs.replace(case, twins=tuple(twins))
    return None


def forms(graph: Graph, rewrite: Rewrite | None) -> Iterator[Form]:
    """The rewrite (None: repetition) at every place of the graph where its declaration allows it."""
    values = graph.values()
    if rewrite is not None and not rewrite.operators:
        live = [*graph.inputs, *(value for node in graph.nodes for value in node.outputs)]
        yield from (Form(value, rewrite.body, (value,)) for value in live if _fits(rewrite, value))
        return
    for node in graph.nodes:
        given = tuple(values[name] for name in node.inputs)
        fits = rewrite is None or (node.op in rewrite.operators and _fits(rewrite, given[0]))
        if fits and len(node.outputs) == 1:
            body = rewrite.body if rewrite else partial(_once_more, node.op)
            yield Form(node.outputs[0], body, given, node.attrs)


def _fits(rule: Rewrite, value: Value) -> bool:
    return value.dtype in rule.dtypes and len(value.shape) in rule.ranks


def _once_more(op: str, net: GrowingNet, *operands: Value, **attrs: Any) -> Value:
    made: Value = net(op, *operands, **attrs)
    return made


def add_second_form(graph: Graph, form: Form, net: GrowingNet) -> list[tuple[str, str]]:
    """Add the form's value and what follows from it. Returns each output that has a twin, with that.

    Raises Rejected, and leaves then what it has added.
    """
    known = graph.values()
    other = form.body(net, *form.operands, **form.attrs)
    kinds = [(value.dtype, value.shape) for value in (form.value, other)]
    net.require(kinds[0] == kinds[1], "both forms are of one type")
    again = {form.value.name: other}
    for node in graph.nodes:
        if not again.keys().isdisjoint(node.inputs):
            live = [again.get(name, known[name]) for name in node.inputs]
            made = net.insert(fixed(net.operators[node.op], node.attrs), live)
            again.update(zip((value.name for value in node.outputs), made, strict=True))
    return [(name, again[name].name) for name in graph.outputs if name in again]


def _agree(a: Array, b: Array) -> bool:
    """Whether the references make nearly the same of both forms: rounding must not have crossed a discontinuity."""
    dtype = str(a.dtype)
    if not (is_float(dtype) or is_complex(dtype)):
        return bool(np.array_equal(a, b))
    one, other = (parts(array).astype("float64") for array in (a, b))
    near = epsilon(dtype) ** 0.5 * np.max(np.abs(one), initial=0.0)
    return bool(np.all(np.abs(one - other) <= near))
