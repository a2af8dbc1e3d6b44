"""What is left of planted defects, whole: graphs that a person would have written."""

from __future__ import annotations

import pytest

from benchmarks.forms import FORMS
from benchmarks.minimizer import planted
from graphfuzz.graph import Case, text
from graphfuzz.minimizer import minimize
from tests.examples import checker, wrong

EXPECTED = {
    ("concat", "three operands"): """
        input   x0: float32[1]
        v0: float32[3] = concat(x0, x0, x0, axis=0)
        return  v0""",
    ("roll", "a shift beyond the size"): """
        input   x0: float32[2]
        v0: float32[2] = roll(x0, shift=3, axis=0)
        return  v0""",
    ("transpose", "three axes the other way round"): """
        input   x0: float32[1, 1, 1]
        v0: float32[1, 1, 1] = transpose(x0, order=(2, 1, 0))
        return  v0""",
    ("exp log", "one after the other"): """
        input   x0: float32[]
        v0: float32[] = exp(x0)
        v1: float32[] = log(v0)
        return  v1""",
}


@pytest.mark.parametrize(("operators", "what"), EXPECTED)
def test_a_planted_defect_is_reduced_to_its_known_form(operators, what, registry):
    number, form = next((i, f) for i, f in enumerate(FORMS) if (" ".join(f.operators), f.what) == (operators, what))
    case = planted(form, 10, number, registry)

    def fails(each: Case) -> bool:
        return form.shows(each, registry)

    reduction = minimize(case, wrong(case), checker(fails), registry)
    lines = [line.strip() for line in EXPECTED[operators, what].strip().splitlines()]
    assert text(reduction.case.graph).splitlines() == lines
    assert fails(reduction.case)
