"""Somebody else's model as a case: what our operators become is learned in workers, and kept; then it is read there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

from pebble import ProcessExpired

from graphfuzz.campaign import child
from graphfuzz.campaign.probes import Cache, Examples
from graphfuzz.campaign.workers import Workers
from graphfuzz.errors import UsageError
from graphfuzz.interchange import Example, Given, Reader, Table, Translation, table_of
from graphfuzz.spec.origins import Origin, origins
from graphfuzz.spec.registry import Registry

SECONDS = 60.0
"""How long capturing one operator may take."""


def unlearned(reader: Reader, registry: Registry, cache: Cache) -> int:
    """Of how many operators the cache does not say what they become."""
    places = _origins(reader, registry)
    return len(places) - len(_stored(reader, places, cache))


def learned(
    reader: Reader,
    registry: Registry,
    cache: Cache,
    workers: Workers,
    on_operator: Callable[[str], None] = lambda name: None,
) -> Table:
    """What the operators become: as stored, the missing learned and stored now, each as soon as it is known. An
    operator that takes a worker down, or too long, becomes nothing."""
    places = _origins(reader, registry)
    known = _stored(reader, places, cache)
    asked = {
        name: workers.ask(child.examples, name, reader.name, seconds=SECONDS) for name in places if name not in known
    }
    for name, answer in asked.items():
        known[name] = _answered(answer)
        _keep(reader, places[name], cache, name, known[name])
        on_operator(name)
    return table_of(example for examples in known.values() for example in examples)


def read(file: Path, given: Given, reader: Reader, table: Table, workers: Workers, partial: bool) -> Translation:
    """The file's model in our operators. Raises UsageError where it cannot be read, or takes its process down."""
    try:
        translation: Translation = workers.ask(child.imported, file, given, reader.name, table, partial).result()
    except ProcessExpired as death:
        raise UsageError(f"{file}: reading it ends the process, with exit code {death.exitcode}") from None
    return translation


def _origins(reader: Reader, registry: Registry) -> Mapping[str, Origin]:
    """The operators that the reader's framework has, and where each is declared."""
    return origins({op.name: op for op in registry.of(reader.framework)})


def _stored(reader: Reader, places: Mapping[str, Origin], cache: Cache) -> Examples:
    families = {origin: cache.examples(reader, origin) for origin in set(places.values())}
    known = {name: families[origin].get(name) for name, origin in places.items()}
    return {name: examples for name, examples in known.items() if examples is not None}


def _answered(answer: Future[tuple[Example, ...]]) -> tuple[Example, ...]:
    try:
        return answer.result()
    except (ProcessExpired, TimeoutError):
        return ()


def _keep(reader: Reader, origin: Origin, cache: Cache, name: str, examples: tuple[Example, ...]) -> None:
    """Add an operator to its family's file; not where that was edited meanwhile."""
    if not origin.edited():
        cache.keep_examples(reader, origin, {**cache.examples(reader, origin), name: examples})
