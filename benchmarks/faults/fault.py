"""What a planted fault is.

Key insight: a fault writes down what it alters as it does so. Cases in which it alters nothing are then no misses, and
the node that is truly to blame can be told without knowing any operator: it is the one whose presence adds alterations.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import msgspec

KINDS = (
    "wrong operator",
    "wrong attribute",
    "dropped bias",
    "wrong axis",
    "wrong rounding",
    "swapped operands",
    "wrong padding",
    "precision lost",
    "dtype changed",
    "dead output",
    "stale shape",
    "one dtype only",
    "one rank only",
    "crash",
    "invalid model",
    "unloadable model",
)
"""What is wrong. That something is wrong in an optimizer only is told by the stage."""

Altered: TypeAlias = list[str]
"""What was altered, in order: the first outputs of ONNX nodes, or the framework's operators as the converter names
them."""

Surgery: TypeAlias = Callable[[Any], Altered]
"""Alters an `onnx.ModelProto` in place; what it returns is empty where it found nothing to alter."""


class Fault(msgspec.Struct, frozen=True):
    """One planted fault.

    route: on which it is planted. kind: of `KINDS`. stage: the one that is truly to blame, of attribution's `STAGES`.
    patch: while in effect, the converter or the runtime is faulty, and each alteration is added to the list given.
    surgery: what is done to models, where that is the fault. entry: of the route's ledger, whose translation is at
    fault otherwise.
    """

    name: str
    route: str
    kind: str
    stage: str
    patch: Callable[[Altered], AbstractContextManager[None]]
    surgery: Surgery | None = None
    entry: str = ""

    def concerns(self, proto: Any, entries: set[str]) -> bool:
        """Whether it may alter something in a conversion that uses these entries and, without it, makes this model."""
        if self.surgery is None:
            return self.entry in entries
        copy = type(proto)()
        copy.CopyFrom(proto)
        return bool(self.surgery(copy))
