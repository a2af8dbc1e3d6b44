"""What a lane is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from graphfuzz.generator.job import Job
from graphfuzz.graph import Case


class Lane(msgspec.Struct, frozen=True):
    """One way to make cases.

    what: its cases, for people. make: the case of a job; it raises Exhausted where the operators at hand leave the lane
    nothing to make. starts: whether a job has a case to start from.
    """

    name: str
    what: str
    make: Callable[[Job], Case]
    starts: bool = False
