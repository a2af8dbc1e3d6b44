"""The kind of process that a worker is: one for which no end is a good one.

Pebble takes an exit code of 0 for a worker's own wish, and says of the task that it had in hand nothing at all. A
target that calls `exit(0)` ends its worker like that.
"""

from __future__ import annotations

from multiprocessing.context import ForkServerContext, ForkServerProcess

LEFT = 256
"""Stands for the exit code 0 of a worker, which no process can have."""


class _Worker(ForkServerProcess):
    @property
    def exitcode(self) -> int | None:
        code = super().exitcode
        return LEFT if code == 0 else code


class WorkerContext(ForkServerContext):
    """Starts processes by the fork server; their exit code is never 0."""

    Process = _Worker
