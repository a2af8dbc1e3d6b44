"""Arrays as Python source that gives exactly the same arrays back."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphfuzz.graph import Array

WIDTH = 110


def literal(array: Array) -> str:
    """An expression over `np` for the array: same dtype, shape and bits (of NaN, that it is one)."""
    name = f'"{array.dtype}"'
    if array.size > 1 and _is_zero(array):
        return f"np.zeros({array.shape}, {name})"
    if array.size > 1 and (array == 1).all():
        return f"np.ones({array.shape}, {name})"
    if array.size == 0:
        return f"np.empty({array.shape}, {name})"
    short = _nested(array, _short)
    text = short if _gives(short, array) else _nested(array, _exact)
    return f"np.array({text}, {name})"


def _is_zero(array: Array) -> bool:
    return not array.any() and not np.signbit(array.astype("float64")).any()


def _nested(array: Array, number: Any, depth: int = 1) -> str:
    """Nested lists, one row a line where they do not fit into one."""
    if array.ndim == 0:
        return str(number(array[()]))
    rows = [_nested(row, number, depth + 1) for row in array]
    flat = f"[{', '.join(rows)}]"
    if len(flat) <= WIDTH and "\n" not in flat:
        return flat
    if array.ndim > 1:
        inner = "    " * depth
        return "[\n" + "".join(f"{inner}{row},\n" for row in rows) + "    " * (depth - 1) + "]"
    return _wrapped(rows, depth)


def _wrapped(numbers: list[str], depth: int) -> str:
    inner, lines = "    " * depth, [""]
    for number in numbers:
        if lines[-1] and len(lines[-1]) + len(number) + 2 > WIDTH:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{number},"
    return "[\n" + "".join(f"{inner}{line}\n" for line in lines) + "    " * (depth - 1) + "]"


def _short(value: Any) -> str:
    """The shortest text that the value's own type reads back."""
    if not np.isfinite(value):
        return _special(value)
    return str(value)


def _exact(value: Any) -> str:
    """The text of the value in float64, which no number of ours exceeds."""
    return repr(float(value)) if np.isfinite(value) else _special(value)


def _special(value: Any) -> str:
    return "np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf"


def _gives(text: str, array: Array) -> bool:
    made = np.array(eval(text, {"np": np}), array.dtype)
    same = made.shape == array.shape and np.array_equal(made, array, equal_nan=array.dtype.kind == "f")
    return same and np.array_equal(np.signbit(made.astype("float64")), np.signbit(array.astype("float64")))
