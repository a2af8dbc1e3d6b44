"""A series of numbers as one line of text."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """A bar a value, from zero to the greatest; nothing where nothing is positive."""
    top = max(values, default=0.0)
    return "".join(BARS[int(max(0.0, value) / top * (len(BARS) - 1) + 0.5)] for value in values) if top > 0 else ""
