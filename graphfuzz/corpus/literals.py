"""Arrays as Python source that gives exactly the same arrays back."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphfuzz.graph import Array, parts
from graphfuzz.spec.dtypes import is_integer

WIDTH = 110


def literal(array: Array) -> str:
    """An expression over `np` for the array: same dtype, shape and bits (of NaN, that it is one).

    For bfloat16, the module `ml_dtypes` must have been imported: it gives NumPy that dtype's name.
    """
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
    return not array.any() and not _signs(array).any()


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
    if np.iscomplexobj(value):
        return str(value) if np.isfinite(value) else _exact(value)
    return str(value) if np.isfinite(value) else _special(value)


def _exact(value: Any) -> str:
    """The text of the value in float64 (or two of them), which no number of ours exceeds."""
    if np.iscomplexobj(value):
        return f"complex({_exact(value.real)}, {_exact(value.imag)})"
    return repr(float(value)) if np.isfinite(value) else _special(value)


def _special(value: Any) -> str:
    return "np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf"


def _gives(text: str, array: Array) -> bool:
    made = np.array(eval(text, {"np": np}), array.dtype)
    same = made.shape == array.shape and np.array_equal(_comparable(made), _comparable(array), equal_nan=True)
    return same and np.array_equal(_signs(made), _signs(array))


def _comparable(array: Array) -> Array:
    """The values such that equal ones are equal, NaN or not: NumPy's functions doubt that bfloat16 has NaN."""
    return array if is_integer(str(array.dtype)) else parts(array).astype("float64")


def _signs(array: Array) -> Array:
    return np.asarray(np.signbit(parts(array).astype("float64")))
