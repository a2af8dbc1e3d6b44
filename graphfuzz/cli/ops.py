"""`graphfuzz ops`: the operators at hand."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import load_registry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one list of operators.")
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
def ops(as_json: bool, packs: tuple[str, ...]) -> None:
    """List the operators at hand: what each computes, on which dtypes, in which frameworks."""
    rows = [describe(op) for op in load_registry(packs).values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("operator", "what it computes", "dtypes", "frameworks", box=None, pad_edge=False)
    for row in rows:
        dtypes = "; ".join(f"{name}: {' '.join(choices)}" for name, choices in row["dtypes"].items())
        table.add_row(row["name"], row["doc"], dtypes, " ".join(row["frameworks"]))
    console = Console()
    console.print(table)
    console.print(f"{len(rows)} operators", style="dim")


def describe(op: Operator) -> dict[str, Any]:
    """An operator as JSON data: name, first line of documentation, dtypes by variable, frameworks, attributes."""
    return {
        "name": op.name,
        "doc": op.doc.partition("\n")[0],
        "dtypes": {name: list(choices) for name, choices in op.variables.items()},
        "frameworks": sorted(op.emissions),
        "attributes": sorted(op.attrs),
    }
