"""Entries whose routes stand in for a converter."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from graphfuzz.corpus import make_entry, write_entry
from graphfuzz.oracle.judge import judge
from graphfuzz.spec.registry import Registry
from tests.corpus import plain_routes
from tests.examples import relu_case

PLAIN = "tests.corpus.plain_routes:"


def store(folder: Path, recorded: str, runs_on: str, registry: Registry) -> Path:
    """An entry of what the route `recorded` does wrong, to be run on the route `runs_on`."""
    outcome = judge(relu_case(), getattr(plain_routes, recorded), registry)
    entry = make_entry(relu_case(), outcome, plain_routes.right, registry, "2026-01-02")
    slug = f"{recorded}-{runs_on}".replace("_", "-")
    return write_entry(folder, replace(entry, finding=replace(entry.finding, route=PLAIN + runs_on, slug=slug)))
