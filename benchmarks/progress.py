"""Progress of a benchmark, on standard error: what it prints is its result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track as _track

T = TypeVar("T")


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The items, with a bar that shows how many have been taken."""
    return _track(items, description, total, console=Console(stderr=True))
