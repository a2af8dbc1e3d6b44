"""`graphfuzz show`: one entry for people."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from graphfuzz.corpus.bisection import facts as bisected
from graphfuzz.corpus.bisection import read_bisections
from graphfuzz.corpus.entry import Entry, read_entry
from graphfuzz.graph import text
from graphfuzz.minimizer.history import read_history
from graphfuzz.oracle.attribution import Attribution


@click.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("--traceback", "with_traceback", is_flag=True, help="Print the recorded traceback too.")
def show(entry: Path, with_traceback: bool) -> None:
    """Print an entry: its graph, the finding, and the script that reproduces it."""
    found = read_entry(entry)
    console = Console()
    _section(console, "graph")
    console.print(Text(text(found.case.graph)), soft_wrap=True)
    _section(console, "finding")
    history = read_history(entry)
    made_smaller = {"made smaller": history.summary()} if history else {}
    _print_facts(console, {**facts(found), **made_smaller, **dict(bisected(read_bisections(entry), found.repro))})
    if with_traceback and found.finding.traceback:
        _section(console, "traceback")
        console.print(Text(found.finding.traceback), soft_wrap=True)
    _section(console, f"reproduction: python {entry / 'repro.py'}")
    if console.is_terminal:
        console.print(Syntax(found.repro, "python", background_color="default", word_wrap=True))
    else:
        click.echo(found.repro, nl=False)


def _section(console: Console, title: str) -> None:
    if console.is_terminal:
        console.print(Rule(title, align="left"))
    else:
        click.echo(f"\n# {title}")


def facts(entry: Entry) -> dict[str, str]:
    """What is known of the finding, by label."""
    finding, mismatch = entry.finding, entry.finding.mismatch
    known = {
        "route": finding.route,
        "verdict": finding.verdict,
        "stage": finding.stage,
        "error": finding.error,
        "message": finding.message.strip(),
        "mismatch": mismatch.detail if mismatch else "",
        "sizes": _sizes(entry),
        "first diverging": finding.first_diverging or "",
        **_blame(finding.attribution),
        "found under": f"tolerance {finding.tolerance}, {finding.seconds_a_case:g} seconds and "
        f"{finding.memory_a_case / 2**30:g} GiB a case",
        "first seen": finding.first_seen,
        "versions": ", ".join(f"{name} {version}" for name, version in finding.versions.items()),
        "made from": ", ".join(f"{name} {value}" for name, value in entry.case.origin.items()),
        "bucket": finding.slug,
    }
    return {label: fact for label, fact in known.items() if fact}


def _blame(attribution: Attribution | None) -> dict[str, str]:
    """Who is to blame, by label."""
    if attribution is None:
        return {}
    node = f", {attribution.operator} ({attribution.node})" if attribution.node else ""
    optimizer = f" ({attribution.optimizer})" if attribution.optimizer else ""
    return {
        "to blame": f"{attribution.stage or 'not known'}{optimizer}{node}",
        "proven": f"{attribution.proof} mends it" if attribution.proof else "no repair mends it",
        "in the study's words": f"{attribution.location}; {attribution.symptom}; {attribution.cause}",
        "contradiction": attribution.contradiction,
        "evidence": "; ".join(f"{witness.name}: {witness.said}" for witness in attribution.evidence),
    }


def _sizes(entry: Entry) -> str:
    """The inputs' shapes at each binding of a dynamic case, the one marked for which the finding holds."""
    bindings = [entry.case.inputs(), *entry.case.bindings]
    told = [", ".join(f"{name}{list(array.shape)}" for name, array in inputs.items()) for inputs in bindings]
    told[entry.finding.binding] += " (fails)"
    return "; ".join(told) if entry.case.bindings else ""


def _print_facts(console: Console, known: dict[str, str]) -> None:
    if not console.is_terminal:
        click.echo("\n".join(f"{label:<20} {fact}" for label, fact in known.items()))
        return
    table = Table.grid(padding=(0, 2))
    for label, fact in known.items():
        table.add_row(Text(label, style="bold"), Text(fact))
    console.print(table)
