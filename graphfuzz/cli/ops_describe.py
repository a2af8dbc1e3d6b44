"""An operator as data and as text: everything that its declaration says, and what probing found."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphfuzz.campaign.probes import Trial, support
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.operator import Emission, Operator, Parameter
from graphfuzz.spec.origins import Origin


def describe(op: Operator, origin: Origin, probes: Mapping[str, tuple[Trial, ...] | None]) -> dict[str, Any]:
    """An operator as JSON data. probes: its trials by route; None for a route on which it was not probed."""
    return {
        "name": op.name,
        "family": origin.family,
        "doc": op.doc,
        "frameworks": sorted(op.emissions),
        "dtypes": {name: list(choices) for name, choices in op.variables.items()},
        "operands": [_parameter(parameter) for parameter in op.parameters],
        "attributes": {name: _attribute(kind) for name, kind in op.attrs.items()},
        "returns": [returns if isinstance(returns, str) else source_of(returns) for returns in op.returns],
        "domain": op.domain,
        "compared": op.compared,
        "spacings": op.spacings,
        "empty": op.empty,
        "special": [framework for framework in op.special if framework in op.emissions],
        "rule": source_of(op.rule),
        "reference": _named(op.reference),
        "emissions": {framework: _emission(e) for framework, e in op.emissions.items()},
        "routes": {route: _probed(trials) for route, trials in probes.items()},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    domain = parameter.domain
    return {
        "name": parameter.name,
        "role": parameter.role,
        "dtype": parameter.dtype,
        "ranks": list(parameter.ranks),
        "arity": list(parameter.arity),
        "domain": source_of(domain) if callable(domain) else domain,
    }


def _attribute(kind: Attribute) -> dict[str, Any]:
    return {"kind": type(kind).__name__.lower(), **msgspec.to_builtins(kind)}


def _emission(emission: Emission) -> dict[str, Any]:
    layer, state = emission.layer, emission.state
    return {
        "call": _written(emission.call),
        "layer": None if layer is None else _written(layer),
        "state": source_of(state) if callable(state) else dict(state),
        "dtypes": {name: list(choices) for name, choices in emission.dtypes.items()},
        "helper": emission.helper,
        "defects": [{"what": defect.what, "source": defect.source} for defect in emission.defects],
    }


def _written(emitted: str | Callable[..., str]) -> str:
    return emitted if isinstance(emitted, str) else source_of(emitted)


def _named(function: Callable[..., Any]) -> str:
    """A function's name; the text of one that has none."""
    name = getattr(function, "__name__", "<lambda>")
    return source_of(function) if name == "<lambda>" else name


def source_of(function: Callable[..., Any]) -> str:
    """A function's text, without the indentation of the place where it stands; its name where there is no text."""
    try:
        return textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):
        return getattr(function, "__name__", repr(function))


def _probed(trials: tuple[Trial, ...] | None) -> dict[str, Any]:
    if trials is None:
        return {"probed": False}
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial.verdict] = counts.get(trial.verdict, 0) + 1
    return {
        "probed": True,
        "verdicts": counts,
        "dtypes": {bound: {"verdict": word, "what": what} for bound, (word, what) in support(trials).items()},
        "entries": sorted({entry for trial in trials for entry in trial.entries}),
        "onnx": sorted({name for trial in trials for name in trial.operators}),
    }


def print_description(console: Console, row: Mapping[str, Any]) -> None:
    """One operator, as `describe` gives it, for people."""
    console.print(Text(row["name"], style="bold"), Text(f"  ({row['family']})", style="dim"), sep="")
    for title, lines in _sections(row):
        if lines:
            console.print(Text(f"\n{title}", style="bold"))
            for line in lines:
                console.print(Text(textwrap.indent(line, "  ")), soft_wrap=True)
    for route, found in row["routes"].items():
        console.print(Text(f"\n{route}", style="bold"))
        console.print(_support_table(found) if found["probed"] else Text("  not probed yet; add --probe", style="dim"))


def _sections(row: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield "what it computes", [row["doc"]]
    yield "operands", [_operand_line(operand) for operand in row["operands"]]
    yield "attributes", [f"{name}: {_attribute_line(kind)}" for name, kind in row["attributes"].items()]
    yield "dtypes", [f"{name}: {' '.join(choices)}" for name, choices in row["dtypes"].items()]
    yield "returns", list(row["returns"])
    yield "defined for", _defined(row)
    yield "rule", [row["rule"]]
    yield "reference", [row["reference"]]
    for framework, emission in row["emissions"].items():
        yield f"in {framework}", list(_emission_lines(emission))


def _operand_line(operand: Mapping[str, Any]) -> str:
    ranks = operand["ranks"]
    run = len(ranks) > 1 and ranks == list(range(ranks[0], ranks[-1] + 1))
    rank = f"{ranks[0]} to {ranks[-1]}" if run else " or ".join(map(str, ranks))
    count = "" if operand["arity"] == [1] else f", {' or '.join(map(str, operand['arity']))} of them"
    domain = "" if operand["domain"] is None else f", values in {operand['domain']}"
    return f"{operand['name']}: {operand['role']} of {operand['dtype']}, rank {rank}{count}{domain}"


def _attribute_line(kind: Mapping[str, Any]) -> str:
    fields = (f"{name} {value}" for name, value in kind.items() if name != "kind" and value not in (None, [], ()))
    return f"{kind['kind']}: {', '.join(fields)}"


def _defined(row: Mapping[str, Any]) -> list[str]:
    low_high = [] if row["domain"] is None else [f"values from {row['domain'][0]:g} to {row['domain'][1]:g}"]
    empty = ["axes of size 0, too"] if row["empty"] else []
    special = [f"NaN and infinities, too, in {' and '.join(row['special'])}"] if row["special"] else []
    spacings = row["spacings"]
    coarse = [f"good implementations differ by {spacings:g} spacings of the largest magnitude"] if spacings else []
    loose = [] if row["compared"] else ["values are not compared, only dtypes and shapes"]
    return [*low_high, *empty, *special, *coarse, *loose]


def _emission_lines(emission: Mapping[str, Any]) -> Iterator[str]:
    yield emission["call"]
    if emission["layer"]:
        yield f"layer: {emission['layer']}"
    if emission["state"]:
        yield f"state: {emission['state']}"
    if emission["helper"]:
        yield f"with\n{textwrap.indent(emission['helper'], '  ')}"
    for name, choices in emission["dtypes"].items():
        yield f"only for {name}: {' '.join(choices)}"
    for defect in emission["defects"]:
        yield f"the framework is wrong: {defect['what']} ({defect['source']})"


def _support_table(found: Mapping[str, Any]) -> Table:
    """A row a verdict and reason, with the dtypes that have it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for bound, said in found["dtypes"].items():
        groups.setdefault((said["verdict"], said["what"]), []).append(_short(bound))
    table = Table("verdict", "dtypes", "why", box=None, pad_edge=True)
    for (verdict, what), bounds in sorted(groups.items()):
        table.add_row(Text(verdict), Text(" ".join(bounds)), Text(what if verdict != "ok" else ""))
    return table


def _short(bound: str) -> str:
    """A binding of one variable is named by its dtype alone."""
    return bound.partition("=")[2] if bound.count("=") == 1 else f"({bound})"
