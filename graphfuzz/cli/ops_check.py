"""`graphfuzz ops --check`: the conformance tests, for operators of one's own."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import track
from rich.text import Text

from graphfuzz.conformance import CASES, MAX_BINDINGS, NEAR_MISSES, Examination, examine
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry


def check(
    operators: Sequence[Operator], registry: Registry, packs: Sequence[str], cases: int | None, as_json: bool
) -> bool:
    """Examine the operators in each framework that has them and print every failure. Whether there was none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own words would break the progress bar
    console = Console(stderr=as_json)
    tried = [(op, framework) for op in operators for framework in sorted(op.emissions)]
    done = []
    for op, framework in track(tried, "checking", console=console, transient=True):
        count = CASES[framework] if cases is None else cases
        near = min(count, NEAR_MISSES[framework])
        done.append(examine(op, framework, registry, count, near, MAX_BINDINGS))
        if not as_json:
            _print_failures(console, done[-1], _again(op.name, packs, cases))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(done), indent=2).decode())
    else:
        console.print(Text(" ".join(_conclusion(done))))
    return not any(examination.failures for examination in done)


def _again(name: str, packs: Sequence[str], cases: int | None) -> str:
    """The command that shows an operator's failures again: its cases are the same every time."""
    options: list[Any] = [part for pack in packs for part in ("--operators", pack)]
    options += [] if cases is None else ["--cases", cases]
    return shlex.join(map(str, ["graphfuzz", "ops", "--check", name, *options]))


def _print_failures(console: Console, examination: Examination, again: str) -> None:
    for failure in examination.failures:
        console.print(
            Text(f"{examination.operator} in {examination.framework}: {failure}", style="red"), soft_wrap=True
        )
        console.print(Text(f"  once more: {again}"), soft_wrap=True)


def _conclusion(done: Sequence[Examination]) -> Iterator[str]:
    failures = sum(len(examination.failures) for examination in done)
    operators = len({examination.operator for examination in done})
    yield f"{operators} operators, {sum(e.bindings for e in done)} dtype bindings,"
    yield f"{sum(e.cases for e in done)} cases, {sum(e.near_misses for e in done)} disturbed,"
    yield f"{sum(e.special for e in done)} with NaN or infinities: {failures} failures"
