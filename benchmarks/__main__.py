"""`python -m benchmarks NAME [--quick] [--json] [--record]`."""

from __future__ import annotations

import importlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from graphfuzz.corpus.sightings import today

NAMES = (
    "pipeline",
    "generation",
    "guidance",
    "lanes",
    "validity",
    "conformance",
    "ledger",
    "minimizer",
    "mutants",
    "false-alarms",
    "atomicity",
    "confirmations",
    "scaling",
    "overhead",
    "faults",
    "resume",
    "yield",
)
ELSEWHERE = {"faults": "survival", "yield": "yields"}
"""The modules of those benchmarks that are not called as their module is."""
BY_ROUTE = ("false-alarms",)
"""The benchmarks that take hours a route, so that one may be measured at a time."""
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxscript", "onnxruntime", "numpy", "z3-solver")


def processor() -> str:
    """The processor's name, as the kernel tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def circumstances() -> dict[str, Any]:
    """Date, versions and machine, as they stand in a recorded result."""
    return {
        "date": today(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": {"cores": os.cpu_count(), "processor": processor()},
    }


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="A small run, to see that it works; its figures mean little.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--record", is_flag=True, help="Write benchmarks/results/NAME.json.")
@click.option("--route", "routes", multiple=True, help="Of false-alarms, these routes only; other recorded ones stay.")
def main(name: str, quick: bool, as_json: bool, record: bool, routes: tuple[str, ...]) -> None:
    """Run one benchmark."""
    if routes and name not in BY_ROUTE:
        raise click.UsageError(f"--route is for {', '.join(BY_ROUTE)}, not for {name}")
    benchmark = importlib.import_module(f"benchmarks.{ELSEWHERE.get(name, name.replace('-', '_'))}")
    measured = benchmark.run(quick, routes) if name in BY_ROUTE else benchmark.run(quick)
    result = {"benchmark": name, "quick": quick, **circumstances(), "result": measured}
    if record:
        RESULTS.mkdir(exist_ok=True)
        place = RESULTS / f"{name}.json"
        if routes and place.exists():
            measured["routes"] = json.loads(place.read_text())["result"]["routes"] | measured["routes"]
        place.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    if as_json:
        click.echo(json.dumps(result, indent=2, sort_keys=True))
    else:
        Console().print(benchmark.render(result["result"]))


if __name__ == "__main__":
    main()
