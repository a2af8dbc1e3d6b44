"""A reader: one way to have models as programs, those of others and our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from graphfuzz.graph import Array, Values
from graphfuzz.interchange.program import Call, Program


class Given(msgspec.Struct, frozen=True):
    """What is said of a file beside it. inputs: a file of the model's inputs by name. sizes: of its unknown axes."""

    inputs: Path | None = None
    sizes: Mapping[str, int] = {}


class Reader(msgspec.Struct, frozen=True):
    """One way to have models as programs.

    framework: whose type rules the operators follow. packages: the distributions whose versions decide what a model
    becomes. preload: the modules that it imports. read: a file as a program; raises UsageError. captured: a source
    model, as the materializer builds it, with its inputs by name. run: a call's outputs for other operands. decide:
    functions whose files, beside that of `captured`, decide what a model becomes.
    """

    name: str
    framework: str
    packages: tuple[str, ...]
    preload: tuple[str, ...]
    read: Callable[[Path, Given], Program]
    captured: Callable[[Any, Values], Program]
    run: Callable[[Call, Sequence[Array]], list[Array]]
    decide: tuple[Callable[..., Any], ...] = ()
