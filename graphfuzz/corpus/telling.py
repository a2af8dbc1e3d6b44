"""How a reproduction script tells the finding that it is about from whatever else may go wrong."""

from __future__ import annotations

import json
import math
import re

from graphfuzz.corpus.signature import LONGEST
from graphfuzz.errors import EntryError
from graphfuzz.graph import Case
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.twins import TWINS
from graphfuzz.oracle.verdict import Mismatch, Outcome
from graphfuzz.spec.dtypes import is_complex, is_float

_PLAIN_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*[.,:;!?]?\Z")
"""A word that can be part of no name, number, quotation, path or type."""


def is_known(outcome: Outcome) -> str:
    """The source of `is_known(error)`: whether an error is the one of the report, and not a slip elsewhere."""
    name = outcome.error.rpartition(".")[2]
    said = telling_words(outcome.message)
    return (
        "def is_known(error):\n"
        f'    """Whether the {name} of this report is the error or among its causes; any other error is passed on."""\n'
        "    traceback.print_exception(error)\n"
        f'    said = "{said}"\n'
        "    cause = error\n"
        "    while cause is not None:\n"
        f'        if type(cause).__name__ == "{name}" and said in " ".join(str(cause).split()):\n'
        "            return True\n"
        "        cause = cause.__cause__ or cause.__context__\n"
        "    raise error\n\n\n"
    )


def telling_words(message: str) -> str:
    """The longest run of plain words in the part of a message that names the cause; empty where it has none.

    They are the message's own, so they occur in it again, whatever names, numbers and paths the next process puts
    around them.
    """
    words = message[:LONGEST].split()
    runs: list[list[str]] = [[]]
    for word in words if len(message) <= LONGEST else words[:-1]:
        if _PLAIN_WORD.match(word):
            runs[-1].append(word)
        else:
            runs.append([])
    return max((" ".join(run) for run in runs), key=len)


def comparison(case: Case, outcome: Outcome, tolerance: Tolerance, given: str) -> list[str]:
    """The lines that compare `expected` with `actual`, the last of which returns whether they differ.

    given: the script's name for the inputs that both are of.

    Count, dtypes and shapes are compared of all outputs, values of the one that was wrong: every element of it may be
    off by what the rule in force allows it, or by what it allowed the recorded one, whichever is more. Raises
    EntryError where the outcome tells no mismatch.
    """
    mismatch = outcome.mismatch
    if mismatch is None:
        raise EntryError(f"{outcome.route}: a {outcome.verdict} without its mismatch cannot be stored")
    if mismatch.what == "declared":
        return [f"wrong = misdeclared(model, {given}, actual)", "print(wrong)", "return wrong is not None"]
    lines = [
        f"for name, a, b in zip({json.dumps(case.graph.outputs)}, expected, actual):",
        '    print(f"{name}: source model gives {a.dtype}{list(a.shape)}\\n{a}")',
        '    print(f"{name}: converted model gives {b.dtype}{list(b.shape)}\\n{b}")',
        "typed = [[(a.dtype, a.shape) for a in outputs] for outputs in (expected, actual)]",
    ]
    if mismatch.what in ("value", "special", TWINS):
        return [*lines, "if typed[0] != typed[1]:", "    return True", *_values(case, mismatch, tolerance)]
    return [*lines, "return typed[0] != typed[1]"]


def _values(case: Case, mismatch: Mismatch, tolerance: Tolerance) -> list[str]:
    at = case.graph.outputs.index(mismatch.output)
    right, wrong = f"expected[{at}]", f"actual[{at}]"
    if mismatch.what == TWINS:
        (twin,) = (one for one, other in case.twins if other == mismatch.output)
        right = f"actual[{case.graph.outputs.index(twin)}]"
    dtype = case.graph.values()[mismatch.output].dtype
    if not (is_float(dtype) or is_complex(dtype)):
        return [f"return bool(({wrong} != {right}).any())"]
    magnitude = f"np.abs({right})[..., None]" if is_complex(dtype) else "abs(a)"
    plain = tolerance.formula(dtype, magnitude)
    recorded = mismatch.allowed
    allowed = f"np.maximum({recorded!r}, {plain})" if recorded and math.isfinite(recorded) else plain
    if is_complex(dtype):
        pair = f"a, b = (np.stack([c.real, c.imag], -1) for c in ({right}, {wrong}))"
    else:
        pair = f'a, b = {right}.astype("float64"), {wrong}.astype("float64")'
    return [pair, f"return not within(a, b, {allowed}).all()"]
