"""Repair: leaves are drawn or searched for again where a use's values are not ordinary, and how often is counted."""

import random

import numpy as np
import pytest

from graphfuzz.generator import Fits, Profile, Recipe, generate
from graphfuzz.generator.descent import EVALUATIONS
from graphfuzz.generator.growth import Growth
from graphfuzz.generator.intervals import holds_any, met, narrowed, stretched
from graphfuzz.generator.valuation import Valuation, types_of
from graphfuzz.graph import evaluate, ordinary_outputs, within
from graphfuzz.graph.ordinary import is_ordinary
from graphfuzz.spec import FLOATS, binary, unary
from graphfuzz.spec.operator import FRAMEWORKS

TORCH = {"torch": "None"}


def made(name, reference, **fields):
    return unary(name, FLOATS, reference=reference, **TORCH, **fields)


SAME = made("same", lambda x: x)
AWAY = made("away", lambda x: 3 * x + 20)
TURNED = made("turned", lambda x: 3 - x)
WIDE = made("wide", lambda x: 40 * np.arctan(x), domain=(-7, 7))
BOUNDED = made("bounded", np.tanh)
NARROW = made("narrow", lambda x: x, domain=(5.5, 6.5))
POSITIVE = made("positive_only", np.log, domain=(1e-3, 1e3))
SMALL = made("small", lambda x: x, domain=(-2, 2))


def grown(seed, *ops, thorough=False):
    """A growth of these operators on top of each other, as far as they could be inserted, and its counts."""
    profile = Profile()
    growth = Growth("torch", random.Random(seed), 64, nodes=len(ops), profile=profile)
    for op in ops:
        anchor = growth.draft.nodes[-1].outputs[0] if growth.draft.nodes else None
        growth.insert(op, {"T": "float32"}, thorough=thorough, anchor=anchor)
    return growth, profile.fits


def is_ordinary_throughout(growth):
    for node in growth.draft.nodes:
        arrays = [growth.values.arrays[name] for name in node.inputs]
        outputs = ordinary_outputs(growth.draft.operators[node.op], node, types_of(arrays), arrays, "torch")
        assert outputs is not None, node
        for value, array in zip(node.outputs, outputs, strict=True):
            np.testing.assert_array_equal(array, growth.values.arrays[value.name])


def test_what_fits_is_counted_once_and_left_alone():
    growth, fits = grown(0, SAME, BOUNDED, SMALL)
    assert fits == Fits(at_once=3)
    assert len(growth.draft.nodes) == 3


@pytest.mark.parametrize("before", [(SAME,), (SAME, SAME), (AWAY,), (SAME, AWAY)], ids=str)
def test_a_leaf_is_drawn_again_inside_what_is_needed(before):
    for seed in range(10):
        growth, fits = grown(seed, *before, NARROW)
        assert (fits.by_intervals, fits.never) == (1, 0)
        assert within(growth.values.arrays[growth.draft.nodes[-1].inputs[0]], (5.5, 6.5))
        is_ordinary_throughout(growth)


def test_what_other_consumers_need_still_holds():
    for seed in range(10):
        growth, fits = grown(seed, WIDE, POSITIVE)
        (x,) = growth.draft.inputs
        assert within(growth.values.arrays[x.name], (-7, 7))
        assert len(growth.draft.nodes) == 1 + fits.by_intervals + (fits.at_once - 1)
        is_ordinary_throughout(growth)


def test_what_intervals_cannot_mend_a_search_by_gradient_can_and_only_if_asked():
    _, fits = grown(1, TURNED, NARROW)
    assert fits == Fits(at_once=1, never=1)
    found = 0
    for seed in range(12):
        growth, fits = grown(seed, TURNED, NARROW, thorough=True)
        found += fits.by_gradient
        assert fits.at_once + fits.by_intervals + fits.by_gradient == len(growth.draft.nodes)
        is_ordinary_throughout(growth)
    assert found > 6


def test_a_search_by_gradient_keeps_to_its_evaluations(monkeypatch):
    asked = []
    revalued = Valuation.revalued
    monkeypatch.setattr(Valuation, "revalued", lambda self, changed: (asked.append(1), revalued(self, changed))[1])
    _, fits = grown(0, BOUNDED, NARROW, thorough=True)
    assert fits == Fits(at_once=1, never=1)
    assert 2 < len(asked) <= EVALUATIONS + 1


def test_outputs_too_large_are_scaled_down():
    huge = made("huge", lambda x: x * 1e7)
    found = [grown(seed, SAME, huge, thorough=True) for seed in range(10)]
    for growth, _ in found:
        is_ordinary_throughout(growth)
    assert sum(fits.by_gradient for _, fits in found) > 3


def test_ties_of_made_operands_are_drawn_again():
    apart = binary("apart", ("float32",), reference=np.add, defined=lambda x, y: np.unique(y).size == y.size, **TORCH)
    fits = Fits()
    for seed in range(150):
        fits.add(grown(seed, apart)[1])
    assert fits.by_intervals > 5
    assert fits.never < fits.by_intervals


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_repaired_cases_are_ordinary_throughout(framework, registry):
    profile = Profile()
    nodes = 0
    for index in range(40):
        case = generate(Recipe(21, index, framework, nodes=10), registry, profile)
        nodes += len(case.graph.nodes)
        values = evaluate(case.graph, case.tensors, registry)
        assert all(map(is_ordinary, values.values()))
        for node in case.graph.nodes:
            arrays = [values[name] for name in node.inputs]
            assert ordinary_outputs(registry[node.op], node, types_of(arrays), arrays, "torch") is not None
    fits = profile.fits
    assert fits.at_once + fits.by_intervals + fits.by_gradient == nodes
    assert fits.by_intervals > 5
    assert fits.total() == nodes + fits.never


def test_intervals():
    assert met(None, None) is None
    assert met((0, 2), None) == met(None, (0, 2)) == (0, 2)
    assert met((0, 2), (1, 3)) == (1, 2)
    assert holds_any((0.2, 0.8), "float32")
    assert not holds_any((0.2, 0.8), "int32")
    assert not holds_any((1, 0), "float32")
    assert narrowed((0, 2), (5, 6), "float32") == (0, 2)
    assert stretched((0, 1), (0, 2), (10, 30)) == (10, 20)
    assert stretched((0, 1), (2, 2), (10, 30)) == (0, 1)
