"""What the tables of a campaign's end say."""

from io import StringIO

from rich.console import Console

from graphfuzz.generator import Fits
from graphfuzz.report.tables import fits_table, solver_table
from graphfuzz.solver import Profile


def said(*told):
    console = Console(file=StringIO(), width=100)
    for one in told:
        console.print(one)
    return console.file.getvalue()


def test_values_are_told_by_how_they_were_found():
    text = said(fits_table(Fits(at_once=15, by_intervals=3, by_gradient=1, never=1)))
    assert "75.0% │ at once" in text
    assert "15.0% │ by intervals" in text
    assert "5.0% │ by gradient" in text
    assert "never" in text
    assert "0.0%" in said(fits_table(Fits()))


def test_a_solver_that_was_not_asked_has_a_sentence_and_no_table():
    assert said(solver_table(Profile(), 7)) == "z3 was not asked in 7 cases\n"
    asked = Profile(calls={"fit add": 2}, seconds={"fit add": 0.01})
    assert "fit add" in said(solver_table(asked, 7))
